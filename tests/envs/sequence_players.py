"""Scripted players of the sequence tasks, which act on nothing but what the observations have shown so far."""

from collections.abc import Callable
from typing import NamedTuple

import gymnasium as gym
import numpy as np

from engram.envs.tasks.sequences.binding import Binding
from engram.envs.tasks.sequences.chain import Chain
from engram.envs.tasks.sequences.counting import Counting
from engram.envs.tasks.sequences.repeat_previous import RepeatPrevious
from engram.envs.tasks.sequences.reverse_recall import ReverseRecall

Seen = list[tuple[int, ...]]  # all observations of an episode so far, the one in sight last


class Played(NamedTuple):
    success: bool
    score: float
    steps: int
    total_reward: float


def play(env: gym.Env, act: Callable[[Seen], int]) -> Played:
    observation, _ = env.reset()
    seen, rewards = [], []
    while True:
        seen.append(tuple(observation.tolist()))
        observation, reward, terminated, truncated, info = env.step(act(seen))
        rewards.append(reward)
        if terminated or truncated:
            return Played(info["is_success"], info["score"], len(rewards), sum(rewards))


def oracle(env: gym.Env) -> Played:
    return play(env, lambda seen: right_answer(env, seen) if seen[-1][0] else 0)


def blind(env: gym.Env, rng: np.random.Generator) -> Played:
    """Guess wherever an answer is due: knows everything but what had to be remembered."""
    return play(env, lambda seen: int(rng.integers(env.action_space.n)) if seen[-1][0] else 0)


def at_random(env: gym.Env, rng: np.random.Generator) -> Played:
    return play(env, lambda seen: int(rng.integers(env.action_space.n)))


def right_answer(env: gym.Env, seen: Seen) -> int:
    """Tell the answer that is due from what was seen."""
    return ANSWERS[type(env.unwrapped)](seen, env.observation_space.nvec.tolist())


def _repeat_previous(seen: Seen, values: list[int]) -> int:
    return seen[-1 - _before_the_first_answer(seen)][1]


def _reverse_recall(seen: Seen, values: list[int]) -> int:
    watched = _before_the_first_answer(seen)
    return seen[watched - (len(seen) - watched)][1]


def _binding(seen: Seen, values: list[int]) -> int:
    return {cue: answer for due, cue, answer in seen if not due}[seen[-1][1]]


def _chain(seen: Seen, values: list[int]) -> int:
    alphabet = values[1] - 1
    bindings = {origin: target for due, origin, target in seen if not due and origin < alphabet}
    symbol = seen[-1][1]
    while symbol in bindings:
        symbol = bindings[symbol]
    return symbol - alphabet


def _counting(seen: Seen, values: list[int]) -> int:
    return seen.count((0, seen[-1][1]))


def _before_the_first_answer(seen: Seen) -> int:
    return next(step for step, now in enumerate(seen) if now[0])


ANSWERS: dict[type[gym.Env], Callable[[Seen, list[int]], int]] = {
    RepeatPrevious: _repeat_previous,
    ReverseRecall: _reverse_recall,
    Binding: _binding,
    Chain: _chain,
    Counting: _counting,
}
IDS = [
    spec.id
    for spec in gym.registry.values()
    if spec.entry_point in {f"{task.__module__}:{task.__name__}" for task in ANSWERS}
]


class Question(NamedTuple):
    """An answer that is due, with all that was seen, the question last."""

    seen: tuple[tuple[int, ...], ...]
    answer: int


def questions(env: gym.Env, episodes: int) -> list[Question]:
    found = []

    def act(seen: Seen) -> int:
        if not seen[-1][0]:
            return 0
        found.append(Question(tuple(seen), right_answer(env, seen)))
        return found[-1].answer

    for _ in range(episodes):
        assert play(env, act).success
    return found


class Rigged:
    """Dice whose throws are known before, whatever is asked of them."""

    def __init__(self, *throws):
        self._throws = [np.array(throw, dtype=np.int64) for throw in throws]

    def integers(self, *args, **kwargs):
        return self._throws.pop(0)

    permutation = integers


def transcript(env: gym.Env, actions: list[int]) -> tuple[list, list[bool], list[float], dict]:
    """Play actions to the episode's end; return its observations, what was `cue_visible`, rewards and last info."""
    observation, info = env.reset()
    observations, visible, rewards = [observation.tolist()], [info["cue_visible"]], []
    for number, action in enumerate(actions, start=1):
        observation, reward, terminated, truncated, info = env.step(action)
        observations.append(observation.tolist())
        visible.append(info["cue_visible"])
        rewards.append(reward)
        assert terminated == (number == len(actions))
        assert not truncated
    return observations, visible, rewards, info


def record(env_id: str, seed: int) -> list:
    """Return all that an episode of random actions shows and says."""
    env, rng = gym.make(env_id), np.random.default_rng(seed)
    observation, info = env.reset(seed=seed)
    said, terminated = [[observation.tolist(), info]], False
    while not terminated:
        observation, reward, terminated, _, info = env.step(int(rng.integers(env.action_space.n)))
        said.append([observation.tolist(), reward, info])
    return said
