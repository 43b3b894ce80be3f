"""Players of the sequence tasks, which act on nothing but what the observations have shown so far."""

from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from benchmarks.players.episode import Env, number_of_actions
from engram.envs.tasks.sequences.binding import Binding
from engram.envs.tasks.sequences.chain import Chain
from engram.envs.tasks.sequences.counting import Counting
from engram.envs.tasks.sequences.repeat_previous import RepeatPrevious
from engram.envs.tasks.sequences.reverse_recall import ReverseRecall

Seen = list[tuple[int, ...]]  # all observations of an episode so far, the one in sight last


class Played(NamedTuple):
    """How an episode went."""

    success: bool
    score: float
    steps: int
    total_reward: float


def play(env: Env, act: Callable[[Seen], int]) -> Played:
    """Play an episode with what `act` makes of all observations so far."""
    observation, _ = env.reset()
    seen: Seen = []
    rewards: list[float] = []
    while True:
        seen.append(tuple(observation.tolist()))
        observation, reward, terminated, truncated, info = env.step(act(seen))
        rewards.append(float(reward))
        if terminated or truncated:
            return Played(info["is_success"], info["score"], len(rewards), sum(rewards))


def oracle(env: Env) -> Played:
    """Answer right wherever an answer is due."""
    return play(env, lambda seen: right_answer(env, seen) if seen[-1][0] else 0)


def blind(env: Env, rng: np.random.Generator) -> Played:
    """Guess wherever an answer is due: knows everything but what had to be remembered."""
    return play(env, lambda seen: int(rng.integers(number_of_actions(env))) if seen[-1][0] else 0)


def at_random(env: Env, rng: np.random.Generator) -> Played:
    """Act at random, always."""
    return play(env, lambda seen: int(rng.integers(number_of_actions(env))))


def right_answer(env: Env, seen: Seen) -> int:
    """Return the answer that is due, from what was seen."""
    space: Any = env.observation_space
    return ANSWERS[type(env.unwrapped)](seen, space.nvec.tolist())


def _repeat_previous(seen: Seen, values: list[int]) -> int:
    return seen[-1 - _before_the_first_answer(seen)][1]


def _reverse_recall(seen: Seen, values: list[int]) -> int:
    watched = _before_the_first_answer(seen)
    return seen[watched - (len(seen) - watched)][1]


def _binding(seen: Seen, values: list[int]) -> int:
    return {tuple(cue): answer for due, *cue, answer in seen if not due}[seen[-1][1:-1]]


def _chain(seen: Seen, values: list[int]) -> int:
    nothing = values[1] - 1
    bindings = {origin: target for due, origin, target in seen if not due and origin != nothing}
    alphabet = nothing - len(set(bindings) - set(bindings.values()))  # as many answers as starts
    symbol = seen[-1][1]
    while symbol in bindings:
        symbol = bindings[symbol]
    return symbol - alphabet


def _counting(seen: Seen, values: list[int]) -> int:
    return seen.count((0, seen[-1][1]))


def _before_the_first_answer(seen: Seen) -> int:
    return next(step for step, now in enumerate(seen) if now[0])


ANSWERS: dict[type[Env], Callable[[Seen, list[int]], int]] = {
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


def questions(env: Env, episodes: int) -> list[Question]:
    """Play episodes; return all questions with their right answers."""
    found: list[Question] = []

    def act(seen: Seen) -> int:
        if not seen[-1][0]:
            return 0
        found.append(Question(tuple(seen), right_answer(env, seen)))
        return found[-1].answer

    for _ in range(episodes):
        assert play(env, act).success
    return found
