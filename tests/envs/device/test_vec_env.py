"""Envs on a device as SB3 knows envs: what it returns by arrays is what it returns by tensors, and it is monitored."""

from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.monitor import Monitor

from engram.envs import TensorVecEnv, distinct_layouts, make_tensor_env

N_ENVS = 5
TASKS = [
    ("Engram-TMaze-v0", {"delay": (2, 6)}),
    ("Engram-Binding-v0", {"cues": 2, "answers": 2, "delay": (0, 2)}),
    ("Engram-RoomS11-v0", {"max_steps": 13}),
    ("Engram-RoomS11-v0", {"max_steps": 14}, {"odometry": True}),
]


def made(env_id, kwargs, arguments=None, seed=3):
    arguments = {
        "n_envs": N_ENVS,
        "seed": seed,
        "kwargs": kwargs,
        "episodes": 17,
        "split": "train",
        **(arguments or {}),
    }
    return TensorVecEnv(make_tensor_env(env_id, **arguments))


def assert_same_arrays(ours, expected):
    """Compare observations, or rows of them; of a Dict every key."""
    if isinstance(ours, dict):
        assert list(ours) == list(expected)
        for key, part in ours.items():
            assert_same_arrays(part, expected[key])
        return
    assert isinstance(ours, np.ndarray)
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("task", TASKS)
def test_arrays_and_infos_say_what_the_tensors_do(task):
    by_arrays, by_tensors, env_id = made(*task), made(*task), task[0]
    first = by_arrays.reset()
    assert_same_arrays(first, by_tensors.reset())
    assert by_arrays.reset_infos == by_tensors.reset_infos
    rng = np.random.default_rng(0)
    paid, steps, told, truncated = np.zeros(N_ENVS), np.zeros(N_ENVS, dtype=int), [], []
    for _ in range(90):
        actions = rng.integers(by_arrays.action_space.n, size=N_ENVS)
        playing = by_tensors.env.layout_numbers().tolist()
        step = by_tensors.step_tensors(torch.as_tensor(actions))
        observations, rewards, dones, infos = by_arrays.step(actions)
        assert_same_arrays(observations, step.observations)
        np.testing.assert_array_equal(rewards, step.rewards)
        np.testing.assert_array_equal(dones, step.terminated | step.truncated)
        paid, steps = paid + rewards, steps + 1
        for row, info in enumerate(infos):
            assert info["TimeLimit.truncated"] == step.truncated[row]
            seen = by_arrays.reset_infos[row] if dones[row] else info
            assert seen["cue_visible"] == step.cue_visible[row]
            if not dones[row]:
                assert set(info) == {"cue_visible", "TimeLimit.truncated"}
                continue
            truncated.append(info.pop("TimeLimit.truncated"))
            final = step.final_observations
            last = {key: part[row] for key, part in final.items()} if isinstance(final, dict) else final[row]
            assert_same_arrays(info.pop("terminal_observation"), last)
            assert info["is_success"] is info["episode"]["is_success"] is bool(step.successes[row])
            assert (info["episode"]["r"], info["episode"]["l"]) == (round(paid[row], 6), steps[row])
            assert info.get("layout") == (by_tensors.env.layouts or {playing[row]: None})[playing[row]]
            paid[row], steps[row] = 0, 0
            told.append(info)
    once = by_tensors.ended_episodes()
    for info in (*told, *once):
        assert info["episode"].pop("t") >= 0
    assert len(told) > 10
    assert any(truncated) or "Binding" in env_id
    assert once == told
    assert by_tensors.ended_episodes() == []
    assert (
        distinct_layouts(by_tensors)
        == distinct_layouts(by_arrays)
        == len({info.get("layout") for info in told} - {None})
    )
    if by_arrays.has_attr("episodes_begun"):
        assert sum(by_arrays.get_attr("episodes_begun")) == len(told)


def test_a_reset_forgets_what_was_played():
    env = made(*TASKS[0])
    env.reset()
    for _ in range(7):
        env.step_tensors(torch.zeros(N_ENVS, dtype=torch.int64))
    env.reset()
    for _ in range(30):
        env.step_tensors(torch.zeros(N_ENVS, dtype=torch.int64))
    lengths = [info["episode"]["l"] for info in env.ended_episodes()]
    assert lengths
    assert max(lengths) <= 2 * 7
    assert len(lengths) <= N_ENVS * 30 // 4


def test_a_seed_decides_what_is_drawn():
    env, shown = made("Engram-Counting-v0", {}), []
    for seed in (1, 1, 2, None, None):
        env.seed(seed)
        env.reset()
        shown.append(
            [env.env.episodes.tolist()] + [env.step(np.zeros(N_ENVS, dtype=int))[0].tolist() for _ in range(9)]
        )
    assert shown[0] == shown[1]
    assert all(one != other for one, other in pairwise(shown[1:]))


def test_it_has_no_envs_of_its_own():
    env = made(*TASKS[1])
    assert env.env_is_wrapped(Monitor) == [True] * N_ENVS
    assert env.env_is_wrapped(gym.wrappers.TimeLimit, [0, 2]) == [False, False]
    assert not env.has_attr("layouts_seen")
    for use in (env.env_method, env.get_attr, lambda name: env.set_attr(name, 1)):
        with pytest.raises(AttributeError, match="envs on a device have no 'unknown' of their own"):
            use("unknown")
    env.close()


def test_steps_by_tensors_leave_nothing_to_those_by_arrays():
    mixed, by_arrays = made(*TASKS[0]), made(*TASKS[0])
    mixed.reset()
    by_arrays.reset()
    actions = np.zeros(N_ENVS, dtype=int)
    for _ in range(40):  # episodes end
        mixed.step_tensors(torch.as_tensor(actions))
        expected = by_arrays.step(actions)
    for _ in range(40):
        expected, found = by_arrays.step(actions), mixed.step(actions)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[2], expected[2])
        ended = [["episode" in info for info in infos] for infos in (found[3], expected[3])]
        assert ended[0] == ended[1] == list(expected[2])
