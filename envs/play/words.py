"""What the tasks without a picture show, in words."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from engram.envs.tasks.sequences.binding import Binding
from engram.envs.tasks.sequences.chain import Chain
from engram.envs.tasks.sequences.counting import Counting
from engram.envs.tasks.sequences.repeat_previous import RepeatPrevious
from engram.envs.tasks.sequences.reverse_recall import ReverseRecall
from engram.envs.tasks.tmaze.env import TMaze


def in_words(env: gym.Env[Any, Any], observation: Any) -> str:
    """Describe an observation of one of our tasks in words; of any other task, by its numbers.

    Args:
        env: the environment, bare or wrapped.
        observation: what it shows.
    """
    bare: Any = env.unwrapped
    describe = next((words for task, words in _WORDS.items() if isinstance(bare, task)), None)
    return describe(bare, observation.tolist()) if describe else in_numbers(observation)


def in_numbers(observation: Any) -> str:
    """Show any observation as numbers, each part of a dictionary in a line; large arrays are shortened."""
    if isinstance(observation, dict):
        return "\n".join(f"{key}: {in_numbers(part)}" for key, part in observation.items())
    return np.array2string(np.asarray(observation), precision=3, suppress_small=True, threshold=64, edgeitems=3)


def _repeat_previous(env: RepeatPrevious, seen: list[int]) -> str:
    due, symbol = seen
    if symbol == env.symbols:
        return "nothing"
    question = f"; which symbol was it {env.lag} steps ago?" if due else ""
    return f"symbol {symbol}{question}"


def _reverse_recall(env: ReverseRecall, seen: list[int]) -> str:
    due, symbol = seen
    if due:
        return "which symbol comes next, from the last to the first?"
    return "nothing" if symbol == env.symbols else f"symbol {symbol}"


def _binding(env: Binding, seen: list[int]) -> str:
    due, *digits, answer = seen
    cue = " ".join(map(str, digits))
    if due:
        return f"cue {cue}; which answer belongs to it?"
    return "nothing" if env.alphabet in digits else f"cue {cue} with answer {answer}"


def _chain(env: Chain, seen: list[int]) -> str:
    due, origin, target = seen
    if due:
        return f"start {origin}; to which answer does it lead?"
    if origin == env.alphabet + env.symbols:
        return "nothing"
    inner = target < env.alphabet
    return f"from {origin} to {target}" if inner else f"from {origin} to answer {target - env.alphabet}"


def _counting(env: Counting, seen: list[int]) -> str:
    due, symbol = seen
    if due:
        return f"how often was symbol {symbol} shown?"
    return "nothing" if symbol == env.symbols else f"symbol {symbol}"


def _tmaze(env: TMaze, seen: list[float]) -> str:
    parts = ["at the junction" if seen[3] else "in the corridor"]
    for channel, name in enumerate(("up", "down")):
        if seen[channel]:
            parts.append(f"cue {name}")
        if env.distractors and seen[4 + channel]:
            parts.append(f"false cue {name}")
    if env.noise:
        parts.append("noise " + " ".join(f"{value:.2f}" for value in seen[-env.noise :]))
    return "; ".join(parts)


_WORDS: dict[type, Callable[[Any, list[Any]], str]] = {
    RepeatPrevious: _repeat_previous,
    ReverseRecall: _reverse_recall,
    Binding: _binding,
    Chain: _chain,
    Counting: _counting,
    TMaze: _tmaze,
}
