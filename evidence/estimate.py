"""What the scores of several seeds, or of a single run, say of an agent: a number and its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engram.evidence.statistics import interquartile_mean, stratified_interval

Metric = Literal["success", "return"]
KEYS: dict[Metric, str] = {"success": "success", "return": "mean_return"}
"""Where a score of `evaluation.json` has it."""


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its 95 % interval, None where they cannot be told."""

    value: float
    low: float | None
    high: float | None
    by_run: tuple[float, ...]
    """What it was made from, one number a run."""


def aggregate_over_seeds(scores: Sequence[Mapping[str, Any] | None], metric: Metric) -> Estimate | None:
    """Sum up the scores of an agent's runs; None if none of them knows the metric.

    Args:
        scores: as in `evaluation.json`, one a run; None where a run has none.
        metric: of which.
    """
    known = [score for score in scores if score is not None and score.get(KEYS[metric]) is not None]
    values = tuple(float(score[KEYS[metric]]) for score in known)
    if not values:
        return None
    if len(values) == 1:
        return Estimate(values[0], known[0].get(f"{metric}_low"), known[0].get(f"{metric}_high"), values)
    return Estimate(interquartile_mean(values), *stratified_interval([[value] for value in values]), values)
