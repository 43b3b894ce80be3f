"""Training by tensors is the training by arrays, to the last bit, and tells as much."""

import pytest
import torch
from host_waits import counted_reads
from small import weights
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnvWrapper
from staggered import agent

from engram.agents import WrongStep
from engram.agents.rollout.stepping import ArrayStepper, TensorStepper, stepper_of
from engram.envs import TensorVecEnv, make_tensor_env
from engram.tracking.callbacks import GateSelectivity, LayoutCount, StateDrift

N_ENVS, STEPS = 5, 20
TASKS = {
    "T-Maze": ("Engram-TMaze-v0", {"delay": (1, 6), "cue_at": "random"}),
    "active T-Maze": ("Engram-TMazeActive-v0", {"delay": (2, 6), "offset": (1, 1), "penalty": 0.5}),
    "sequence": ("Engram-Binding-v0", {"cues": 2, "answers": 2, "delay": (0, 2)}),
    "maze": ("Engram-RoomS11-v0", {"max_steps": 7}),
    "maze with odometry": ("Engram-RoomS11-v0", {"max_steps": 9}, {"odometry": True}),
}


class Plain(VecEnvWrapper):
    """Passes arrays on; a wrapper cannot be stepped by tensors."""

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        return self.venv.step_wait()


class Rates(BaseCallback):
    """Keeps what was logged of every rollout, but for times."""

    def _init_callback(self):
        self.logged = []

    def _on_rollout_end(self):
        self.logged.append(dict(self.logger.name_to_value))

    def _on_step(self):
        return True


def envs(task, device="cpu", n_envs=N_ENVS):
    env_id, kwargs, *others = TASKS[task]
    arguments = {"kwargs": kwargs, "episodes": 17, "split": "train", **(others[0] if others else {})}
    return TensorVecEnv(make_tensor_env(env_id, n_envs=n_envs, device=device, seed=3, **arguments))


def learn(env, rollouts=4, **kwargs):
    """Train; return the agent, the layouts met and what was logged."""
    model = agent(env, n_steps=STEPS, seed=1, novelty_coef=0.3, **kwargs)
    torch.manual_seed(2)
    layouts, rates = LayoutCount(), Rates()
    model.learn(rollouts * STEPS * N_ENVS, callback=[layouts, GateSelectivity(), StateDrift(), rates])
    return model, layouts.seen, rates.logged


@pytest.mark.parametrize("task", TASKS)
def test_training_by_tensors_is_training_by_arrays(task):
    (ours, *told), (plain, *expected) = learn(envs(task)), learn(Plain(envs(task)))
    assert isinstance(stepper_of(ours.env, ours.policy, ours.check), TensorStepper)
    assert isinstance(stepper_of(plain.env, plain.policy, plain.check), ArrayStepper)
    assert torch.equal(weights(ours), weights(plain))
    assert ours.chunks.steps.truncated.any() or task == "sequence"
    assert any(ours.ep_success_buffer) or task not in ("T-Maze", "sequence")  # which only an end that is no cut can be
    assert ours.num_timesteps == plain.num_timesteps
    assert told == expected
    assert {"memory/gate_on_cue", "memory/drift", "novelty/rate"} <= set(told[1][-1])
    assert bool(told[0]) == (task != "sequence")
    for model in (ours, plain):
        for info in model.ep_info_buffer:
            del info["t"]
    assert ours.ep_info_buffer == plain.ep_info_buffer
    assert ours.ep_info_buffer
    assert ours.ep_success_buffer == plain.ep_success_buffer


def test_an_agent_that_has_learned_by_tensors_is_saved_and_goes_on(tmp_path):
    model, *_ = learn(envs("T-Maze"))
    model.save(tmp_path / "agent")
    loaded = type(model).load(tmp_path / "agent", env=envs("T-Maze"), device="cpu")
    assert torch.equal(weights(loaded), weights(model))
    loaded.learn(STEPS * N_ENVS, reset_num_timesteps=False)
    assert not torch.equal(weights(loaded), weights(model))


@pytest.mark.parametrize("task", TASKS)
def test_a_rollout_asks_the_device_once_a_step_which_episodes_were_truncated(task, monkeypatch):
    # Counted on a CPU, with a core that takes the same path there as on a GPU.
    monkeypatch.setattr("engram.memory.event_hash.library", lambda *args, **sizes: None)
    # Numbers are checked on a CPU only, by the envs and by torch.
    monkeypatch.setattr("engram.envs.device.tensor_env.TensorEnv.check_actions", lambda env, actions: None)
    monkeypatch.setattr("torch.nn.functional.one_hot", lambda seen, num_classes: torch.eye(num_classes)[seen])
    counted = []
    for steps in (STEPS, 2 * STEPS):
        model = agent(envs(task), memory="none", controller="feedforward", n_steps=steps)
        with counted_reads() as reads:
            assert model.collect_rollouts(model.env, model._init_callback(None), model.rollout_buffer, steps)
        counted.append(reads)
    assert +(counted[1] - counted[0]) == {"nonzero": STEPS}


class StopAfter(BaseCallback):
    def _on_step(self):
        return self.n_calls < 7


def test_an_interrupted_training_goes_on_where_the_envs_are():
    env = envs("T-Maze")
    model = agent(env, n_steps=STEPS)
    model.learn(10**4, callback=StopAfter())
    before = [column.clone() for column in env.env.corridors]
    model.learn(STEPS * N_ENVS, reset_num_timesteps=False)
    starts = model.chunks.steps.episode_start
    assert torch.equal(starts[0], before[5] == 0)
    assert len(model.ep_info_buffer) >= starts.sum()


def test_a_reward_that_is_not_finite_is_named(monkeypatch):
    env = envs("T-Maze")
    step = env.step_tensors

    def broken(actions):
        taken = step(actions)
        taken.rewards[2] = torch.nan
        return taken

    env.step_tensors = broken
    model = agent(env, n_steps=STEPS)
    with pytest.raises(WrongStep, match="env 2 gave a reward of nan"):
        model.learn(10**4)


@pytest.mark.gpu
@pytest.mark.parametrize("task", TASKS)
def test_on_a_gpu(task, gpu):
    model, layouts, _ = learn(envs(task, gpu), device=gpu)
    assert model.ep_info_buffer
    assert bool(layouts) == (task != "sequence")
    assert torch.isfinite(weights(model)).all()
