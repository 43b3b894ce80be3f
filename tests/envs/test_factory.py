import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from engram.envs import make_env, make_vec_env
from engram.envs.processes import STOPS


def rollout(vec_env, steps, seed=0):
    rng = np.random.default_rng(seed)
    record = [vec_env.reset()]
    for _ in range(steps):
        actions = rng.integers(vec_env.action_space.n, size=vec_env.num_envs)
        observations, rewards, dones, infos = vec_env.step(actions)
        record += [
            observations,
            rewards.astype(np.float32),
            dones,
            np.array([info.get("layout", "") for info in infos]),
        ]
    return record


def assert_same(one, other):
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("env_id", ["Engram-MatchS9-v0", "MiniGrid-MemoryS7-v0", "Engram-TMaze-v0"])
def test_same_seed_same_episodes(env_id):
    first, again, other = (rollout(make_vec_env(env_id, n_envs=3, seed=seed, split="train"), 200) for seed in (7, 7, 8))
    assert_same(first, again)
    assert any((left != right).any() for left, right in zip(first, other, strict=True))


def test_other_processes_play_the_same_episodes_and_leave_signals_to_their_parent():
    here = make_vec_env("Engram-MatchS9-v0", n_envs=2, seed=7, split="test", view_size=5)
    there = make_vec_env("Engram-MatchS9-v0", n_envs=2, seed=7, split="test", view_size=5, subprocess=True)
    assert isinstance(here, DummyVecEnv)
    assert isinstance(there, SubprocVecEnv)
    try:
        assert_same(rollout(here, 300), rollout(there, 300))
        for process in there.processes:
            for number in STOPS:
                os.kill(process.pid, number)
        assert_same(rollout(here, 30), rollout(there, 30))
    finally:
        there.close()


WORKERS = """
import os, signal, sys
from engram.envs.processes import STOPS, in_processes

class Maker:
    def __reduce__(self):
        return stopped_while_it_is_read, ()

def stopped_while_it_is_read():
    for number in STOPS:
        os.kill(os.getpid(), number)
    from engram.envs import make_env
    return lambda: make_env("Engram-TMaze-v0")

if __name__ == "__main__":
    vec_env = in_processes([Maker()])
    vec_env.reset()
    for process in vec_env.processes:
        os.kill(process.pid, signal.SIGTERM)
    assert vec_env.reset().shape[0] == 1
    print(vec_env.processes[0].pid, flush=True)
"""


def test_other_processes_survive_a_signal_from_the_first_moment_and_end_with_their_parent(tmp_path):
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    where = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, env=where)
    assert (done.returncode, done.stderr) == (0, "")
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_env_number_i_is_seeded_with_seed_plus_i():
    vec_env = make_vec_env("Engram-MatchS9-v0", n_envs=3, seed=40)
    observations = vec_env.reset()
    for number, observation in enumerate(observations):
        np.testing.assert_array_equal(observation, make_env("Engram-MatchS9-v0").reset(seed=40 + number)[0])


@pytest.mark.parametrize("env_id", ["Engram-MatchS9-v0", "MiniGrid-MemoryS7-v0", "Engram-TMaze-v0"])
@pytest.mark.parametrize("split", ["train", "validation", "test", None])
def test_success_and_layout_reach_whoever_counts_them(env_id, split):
    vec_env = make_vec_env(env_id, n_envs=2, seed=0, split=split)
    rng = np.random.default_rng(0)
    vec_env.reset()
    ended = 0
    for _ in range(600):
        _, rewards, dones, infos = vec_env.step(rng.integers(vec_env.action_space.n, size=2))
        for reward, done, info in zip(rewards, dones, infos, strict=True):
            assert "cue_visible" in info
            assert ("is_success" in info) == ("layout" in info) == done
            if done:
                ended += 1
                assert info["is_success"] is bool(reward > 0)
                assert info["episode"]["is_success"] == info["is_success"]
    assert ended


def test_view_and_actions():
    assert make_env("Engram-MatchS9-v0").observation_space.shape == (3, 3, 3)
    assert make_env("Engram-MatchS13-v0", view_size=5).observation_space.shape == (5, 5, 3)
    assert make_env("MiniGrid-MemoryS9-v0").observation_space.shape == (7, 7, 3)
    assert make_env("Engram-MatchS9-v0").action_space.n == 3
    assert make_env("MiniGrid-MemoryS9-v0").action_space.n == 3
    assert make_env("MiniGrid-DoorKey-5x5-v0").action_space.n == 7
    assert make_env("MiniGrid-DoorKey-5x5-v0", useful_actions=["forward", "toggle"]).action_space.n == 2


def test_any_gymnasium_id_is_made_as_it_is():
    vec_env = make_vec_env("CartPole-v1", n_envs=3, seed=0)
    assert vec_env.reset().shape == (3, 4)
    assert make_vec_env("CartPole-v1", n_envs=2, monitor=False).reset().shape == (2, 4)


def test_previous_reward_is_a_key_of_the_observation():
    vec_env = make_vec_env("Engram-MatchS9-v0", n_envs=2, seed=0, previous_reward=True)
    observation = vec_env.reset()
    assert observation["observation"].shape == (2, 3, 3, 3)
    assert observation["previous_reward"].tolist() == [[0], [0]]


def test_a_users_module_registers_its_ids(tmp_path, monkeypatch):
    (tmp_path / "my_own_maze.py").write_text(
        "import gymnasium as gym\nMATCH = 'engram.envs.tasks.mazes.match:Match'\n"
        "gym.register('MyOwnMaze-v0', entry_point=MATCH, kwargs={'size': 11})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    vec_env = make_vec_env("MyOwnMaze-v0", n_envs=2, module="my_own_maze", split="test")
    assert vec_env.reset().shape == (2, 3, 3, 3)
    sys.modules.pop("my_own_maze")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"env_id": "Engram-MachS9-v0"},
            "no environment is registered as 'Engram-MachS9-v0': did you mean Engram-Match",
        ),
        ({"env_id": "Engram-MatchS9-v7"}, "did you mean Engram-MatchS9-v0"),
        ({"env_id": "qqqq"}, "no environment is registered as 'qqqq': if it is of a package, name the module that"),
        ({"env_id": "CartPole-v1", "module": "no_such_module"}, "module='no_such_module' cannot be imported"),
        ({"env_id": "CartPole-v1", "split": "dev"}, "split='dev' must be one of"),
        ({"env_id": "CartPole-v1", "view_size": 3}, "CartPole-v1: view_size and useful_actions are for MiniGrid"),
        ({"env_id": "Engram-MatchS9-v0", "split": "dev"}, "split='dev' must be one of"),
        ({"env_id": "Engram-MatchS9-v0", "view_size": 4}, "view_size=4 must be an odd"),
        (
            {"env_id": "Engram-MatchS9-v0", "kwargs": {"sise": 9}},
            r"Engram-MatchS9-v0 cannot be made with sise=9",
        ),
        ({"env_id": "Engram-MatchS9-v0", "kwargs": {"size": 3}}, "size=3 must be a whole number from 7 to 1000"),
        ({"env_id": "Engram-MatchS9-v0", "random_actions": 1.1}, "random_actions=1.1 must be between 0 and 1"),
        ({"env_id": "Pendulum-v1", "random_actions": 0.1}, "random_actions is for Discrete actions, not for Box"),
        ({"env_id": "Engram-MatchS9-v0", "n_envs": 0}, "n_envs=0 must be at least 1"),
        ({"env_id": "MiniGrid-Empty-5x5-v0", "useful_actions": ["walk"]}, r"useful_actions=\['walk'\] must be"),
        (
            {"env_id": "CartPole-v1", "kwargs": {"size": 3}, "subprocess": True},
            "CartPole-v1 cannot be made",
        ),
    ],
)
def test_mistakes_are_answered_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        make_vec_env(**arguments)
    assert "\n" not in str(error.value)
