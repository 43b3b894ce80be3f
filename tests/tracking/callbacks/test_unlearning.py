"""Unlearning is told once in a fall, and not of what is chance."""

from __future__ import annotations

import pytest

from engram.tracking.callbacks.unlearning import LEAST, Unlearning


def told(scores: list[float], least: float = LEAST) -> list[int]:
    """Return after which validations something is said."""
    made = Unlearning()
    return [number for number, score in enumerate(scores) if made.sentence(score, 1000 * number, least, None)]


@pytest.mark.parametrize(
    ("scores", "least", "expected"),
    [
        ([0.1, 0.5, 0.9, 0.95], LEAST, []),
        ([0.1, 0.9, 0.5, 0.9, 0.5, 0.9], LEAST, []),  # one alone may be a bad moment
        ([0.1, 0.9, 0.5, 0.5, 0.4, 0.3], LEAST, [3]),  # once
        ([0.1, 0.9, 0.5, 0.5, 0.95, 0.5, 0.4], LEAST, [3, 6]),  # and again after a new best
        ([0.1, 0.9, 0.7, 0.7, 0.7], LEAST, []),  # a quarter of what was gained
        ([0.2, 0.25, 0.19, 0.17, 0.16], LEAST, []),  # nothing was gained that can be told from chance
        ([0.9, 0.6, 0.6], LEAST, [2]),
        ([-1600.0, -200.0, -900.0, -1000.0], 0.0, [3]),
        ([-1600.0, -200.0, -500.0, -600.0], 0.0, []),
    ],
)
def test_it_is_told_once_in_a_fall_that_lasts(scores: list[float], least: float, expected: list[int]) -> None:
    assert told(scores, least) == expected


def test_the_sentence_says_what_was_lost_and_what_to_change() -> None:
    made = Unlearning()
    for steps, score in ((1000, 0.1), (2000, 0.94), (3000, 0.31)):
        assert not made.sentence(score, steps, LEAST, 0.031)
    assert made.sentence(0.284, 4000, LEAST, 0.031) == (
        "warning: validation has fallen from 0.940 at 2,000 steps to 0.284; updates move the policy by approx_kl 0.031:"
        " a lower ppo.learning_rate or a larger ppo.batch_size unlearns less; best.zip is the agent at its best"
    )
