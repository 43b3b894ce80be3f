"""Envs on a device: given the same draws they are equal to the single env; a new task is tested by being registered."""

from collections import Counter

import gymnasium as gym
import numpy as np
import pytest
import torch

from engram.envs import make_env, make_tensor_env
from engram.envs.tasks.sequences.sequence_task import SequenceTask
from engram.envs.tasks.tmaze.env import DOWN, UP, TMaze

IDS = [
    env_id
    for env_id in gym.registry
    if env_id.startswith("Engram-") and isinstance(make_env(env_id).unwrapped, TMaze | SequenceTask)
]
SETTINGS = [
    *((env_id, {}) for env_id in IDS),
    ("Engram-TMaze-v0", {"delay": (2, 6), "cue_at": "random", "penalty": 0.7}),
    ("Engram-TMazeActive-v0", {"delay": (4, 9), "penalty": 1.0}),
    ("Engram-Binding-v0", {"cues": 2, "answers": 2, "delay": (0, 5)}),
]
N_ENVS = 5


class Drawn:
    """Stands in for a random generator: gives numbers that have been drawn elsewhere, in this order."""

    def __init__(self, numbers):
        self.numbers = list(numbers)

    def integers(self, *bounds, **_):
        return self.numbers.pop(0)


def begin(single, ours, row):
    """Reset a single env to the episode that ours has drawn; return what the reset returns."""
    task = single.unwrapped
    if isinstance(task, SequenceTask):
        number = int(ours.episodes[row])
        steps = int(ours.lengths[number])
        drawn = (ours.observations[number, :steps, 1:].numpy(), ours.answers[number].numpy())
        task._draw = lambda rng: drawn
    else:
        answers, cue_steps, junctions, shortest, positions, _ = (int(column[row]) for column in ours.corridors)
        draws = [junctions - cue_steps, *([positions] if task.active else []), answers == UP]
        task._np_random = Drawn([*draws, *([cue_steps] if task.cue_at == "random" else [])])
        assert shortest == positions + junctions + 1
    return task.reset()


@pytest.mark.parametrize(("env_id", "kwargs"), SETTINGS)
def test_given_the_same_draws_it_is_equal_to_the_single_env(env_id, kwargs):
    ours = make_tensor_env(env_id, n_envs=N_ENVS, seed=3, kwargs=kwargs)
    singles = [make_env(env_id, kwargs=kwargs) for _ in range(N_ENVS)]
    assert ours.observation_space == singles[0].observation_space
    assert ours.action_space == singles[0].action_space
    observations, cue_visible = ours.reset()
    for row, single in enumerate(singles):
        expected, info = begin(single, ours, row)
        np.testing.assert_array_equal(observations[row], expected)
        assert bool(cue_visible[row]) == info["cue_visible"]
    rng, ended, succeeded = np.random.default_rng(0), 0, 0
    chances = (0.8, 0.08, 0.08, 0.04) if "TMaze" in env_id else None
    for _ in range(700):
        actions = rng.choice(int(ours.action_space.n), N_ENVS, p=chances)
        step = ours.step(torch.as_tensor(actions))
        assert step.rewards.dtype == torch.float32
        for row, single in enumerate(singles):
            expected, reward, terminated, truncated, info = single.unwrapped.step(actions[row])
            np.testing.assert_array_equal(step.final_observations[row], expected)
            assert step.final_observations.dtype == torch.as_tensor(expected).dtype
            assert step.rewards[row].item() == np.float32(reward)
            assert (step.terminated[row].item(), step.truncated[row].item()) == (terminated, truncated)
            assert step.successes[row].item() == info.get("is_success", False)
            if terminated or truncated:
                ended += 1
                succeeded += info["is_success"]
                expected, info = begin(single, ours, row)
            np.testing.assert_array_equal(step.observations[row], expected)
            assert step.cue_visible[row].item() == info["cue_visible"]
    assert ended > N_ENVS


def episodes_of_a_side(side, kwargs):
    ours = make_tensor_env("Engram-TMaze-v0", n_envs=4000, seed=0, split=side, kwargs=kwargs)
    return ours.draw()


@pytest.mark.parametrize("side", ["train", "validation", "test", None])
def test_corridors_are_drawn_as_the_single_env_draws_them(side):
    kwargs = {"delay": (4, 23), "cue_at": "random"}
    answers, cue_steps, junctions, *_ = episodes_of_a_side(side, kwargs)
    delays = (junctions - cue_steps).tolist()
    single = make_env("Engram-TMaze-v0", split=side, kwargs=kwargs)
    met = set()
    for seed in range(400):
        single.reset(seed=seed)
        met.add(single.unwrapped.delay)
    counts = Counter(delays)
    assert set(counts) == met
    expected = len(delays) / len(met)
    assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values())
    assert set(answers.tolist()) == {UP, DOWN}
    assert abs((answers == UP).float().mean().item() - 0.5) < 0.05
    shares = cue_steps / (junctions - cue_steps)
    assert shares.min() == 0
    assert shares.max() == 1
    assert abs(shares.mean().item() - 0.5) < 0.03


def test_a_bank_holds_episodes_of_its_side_as_the_single_env_draws_them():
    ours = make_tensor_env("Engram-Binding-v0", n_envs=2, seed=6, split="test", kwargs={"delay": (0, 3)})
    single = make_env("Engram-Binding-v0", split="test", kwargs={"delay": (0, 3)})
    for number in range(50):
        single.reset(seed=6 if number == 0 else None)
        task = single.unwrapped
        assert int(ours.lengths[number]) == len(task.observations) - 1
        np.testing.assert_array_equal(ours.observations[number, : len(task.observations)], task.observations)
        assert ours.answers[number].tolist() == task.right_answers
    # All of them are played.
    drawn = torch.cat([ours.below(len(ours.lengths)) for _ in range(20_000)])
    assert drawn.min() >= 0
    assert len(drawn.unique()) > 0.8 * len(ours.lengths)


@pytest.mark.parametrize("env_id", ["Engram-TMaze-v0", "Engram-Counting-v0"])
def test_the_same_seed_gives_the_same_episodes(env_id):
    def play(seed):
        ours = make_tensor_env(env_id, n_envs=3, seed=seed)
        seen = [ours.reset()[0]]
        for time in range(80):
            seen.append(ours.step(torch.full((3,), time % 3)).observations)
        return torch.stack(seen)

    assert torch.equal(play(4), play(4))
    assert not torch.equal(play(4), play(5))


def test_a_step_keeps_its_tensors_where_they_are():
    # What a CUDA graph needs: state is written in place.
    for ours, state in (
        (make_tensor_env("Engram-TMaze-v0", n_envs=3), lambda env: list(env.corridors)),
        (make_tensor_env("Engram-Counting-v0", n_envs=3), lambda env: [env.episodes, env._times, env._right]),
    ):
        ours.reset()
        before = [part.data_ptr() for part in state(ours)]
        for _ in range(40):
            ours.step(torch.zeros(3, dtype=torch.int64))
        assert [part.data_ptr() for part in state(ours)] == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"env_id": "Engram-MatchS9-v0"}, "Engram-MatchS9-v0 has no form on a device"),
        ({"env_id": "CartPole-v1"}, "CartPole-v1 has no form on a device"),
        ({"env_id": "Engram-TMaze-v0", "kwargs": {"noise": 2}}, "without noise and distractors"),
        ({"env_id": "Engram-TMaze-v0", "split": "test", "kwargs": {"delay": (5, 5)}}, "no layout on the test side"),
    ],
)
def test_mistakes_are_answered_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_tensor_env(n_envs=2, **arguments)
