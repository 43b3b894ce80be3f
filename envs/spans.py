"""A number that describes a task, or a range from which one is drawn for each episode."""

import math
from collections.abc import Sequence

import numpy as np

from engram.envs.checks import check_int, check_range

Span = tuple[int, int]
"""The fewest and the most; equal if there is nothing to draw."""


def check_span(name: str, value: object, least: int, limit: int | None = None) -> Span:
    """Return a number, or a pair from which one is drawn for each episode, as the fewest and the most.

    Raises:
        ValueError: if it is neither, below `least`, or above `limit` if that is given.
    """
    if isinstance(value, Sequence) and not isinstance(value, str):
        return check_range(name, value, least, limit)
    number = check_int(name, value, least, limit)
    return number, number


def draw_from(rng: np.random.Generator, span: Span) -> int:
    """Draw a number, all of a range alike; of a range of one nothing is asked of the generator."""
    fewest, most = span
    return most if fewest == most else int(rng.integers(fewest, most, endpoint=True))


def draw_by_logarithm(rng: np.random.Generator, span: Span) -> int:
    """Draw a number n by the logarithm of n + 1, so that small ones are often enough (see `chance_by_logarithm`).

    Of a range of one nothing is asked of the generator.
    """
    fewest, most = span
    if fewest == most:
        return most
    drawn = int((fewest + 1) * math.exp(rng.random() * math.log((most + 2) / (fewest + 1)))) - 1
    return min(drawn, most)  # rounding may reach the end


def chance_by_logarithm(number: int, span: Span) -> float:
    """Return the probability with which `draw_by_logarithm` draws a number of a range."""
    fewest, most = span
    return math.log((number + 2) / (number + 1)) / math.log((most + 2) / (fewest + 1))
