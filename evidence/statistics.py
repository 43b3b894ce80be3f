"""Intervals and averages for comparing agents over episodes, seeds and tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, bootstrap, trim_mean

RESAMPLES = 2000
Array = NDArray[np.float64]
Statistic = Callable[[Array], float]
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


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a success probability."""
    interval = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def difference_interval(
    successes_a: int, n_a: int, successes_b: int, n_b: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the interval of the difference a - b of two independent success probabilities.

    The hybrid score interval: Newcombe (1998), "Interval estimation for the difference between independent
    proportions", Statistics in Medicine 17, method 10.

    Args:
        successes_a, n_a: successes and episodes of a.
        successes_b, n_b: of b.
        confidence: of the interval.

    Raises:
        ValueError: if there are no episodes, or more successes than episodes.
    """
    for successes, n in ((successes_a, n_a), (successes_b, n_b)):
        if n < 1 or not 0 <= successes <= n:
            raise ValueError(f"{successes} successes of {n} episodes: there must be from 0 to {n} of at least 1")
    a, b = successes_a / n_a, successes_b / n_b
    low_a, high_a = wilson_interval(successes_a, n_a, confidence)
    low_b, high_b = wilson_interval(successes_b, n_b, confidence)
    # The ends l, u of the single intervals, squared and added as standard errors are.
    below = sqrt((a - low_a) ** 2 + (high_b - b) ** 2)
    above = sqrt((high_a - a) ** 2 + (b - low_b) ** 2)
    return a - b - below, a - b + above


def mean_interval(values: ArrayLike, confidence: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Return the bias-corrected and accelerated bootstrap interval of a mean.

    Efron (1987), "Better bootstrap confidence intervals", JASA 82. If all values are equal, so are the ends.

    Args:
        values: [n], such as the returns of episodes; n is at least 2.
        confidence: of the interval.
        seed: of the resampling, so that the same values have the same interval.

    Raises:
        ValueError: if there are fewer than two values, or one is not finite.
    """
    array = _finite(values, "values [n]", 1)
    if len(array) < 2:
        raise ValueError("the interval of a mean needs at least two values")
    if np.allclose(array, array[0], rtol=1e-12, atol=0.0):  # no spread to resample, or rounding only
        return float(array[0]), float(array[0])
    found = bootstrap(
        (array,),
        np.mean,
        confidence_level=confidence,
        method="BCa",
        random_state=np.random.default_rng(seed),  # called rng from scipy 1.15 on, which knows both names
    ).confidence_interval
    return float(found.low), float(found.high)


def interquartile_mean(scores: ArrayLike) -> float:
    """Return the mean of the middle half of all scores.

    Agarwal et al. (2021), "Deep reinforcement learning at the edge of the statistical precipice", NeurIPS. A quarter is
    left out at each end, rounded down: of three scores none, of five the best and the worst.

    Args:
        scores: of any shape; all are pooled.
    """
    return float(trim_mean(np.asarray(scores, dtype=np.float64), 0.25, axis=None))


def stratified_interval(
    scores: ArrayLike, statistic: Statistic = interquartile_mean, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile interval of a statistic under resampling of runs within each task.

    Agarwal et al. (2021). It says how far agents of other seeds would differ; that each score is itself
    measured over a number of episodes is not in it, beyond what shows between the runs.

    Args:
        scores: [runs, tasks].
        statistic: from scores [runs, tasks] to a number.
        confidence: of the interval.
        seed: of the resampling.

    Raises:
        ValueError: if the scores have another shape, or one is not finite.
    """
    array, rng = _finite(scores, "scores [runs, tasks]", 2), np.random.default_rng(seed)
    resamples = _resampled(array, rng)
    if statistic is interquartile_mean:  # all at once: twenty times as fast as one by one
        return _middle(trim_mean(resamples.reshape(RESAMPLES, -1), 0.25, axis=1), confidence)
    return _middle([statistic(resample) for resample in resamples], confidence)


def success_interval(
    successes: Sequence[int], episodes: Sequence[int], confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Return the interval of the interquartile mean of the success of several runs.

    The percentile interval of a bootstrap that draws runs anew, and within each its episodes; at each end at least as
    wide as the Wilson interval of all episodes together. A bootstrap alone sees no doubt where all have succeeded.

    Args:
        successes: of each run.
        episodes: of each run, at least 1.
        confidence: of the interval.
        seed: of the resampling.
    """
    n, rng = np.asarray(episodes), np.random.default_rng(seed)
    drawn = rng.integers(len(n), size=(RESAMPLES, len(n)))
    rates = rng.binomial(n[drawn], (np.asarray(successes) / n)[drawn]) / n[drawn]
    low, high = _middle(trim_mean(rates, 0.25, axis=1), confidence)
    least_low, least_high = wilson_interval(sum(successes), sum(episodes), confidence)
    return min(low, least_low), max(high, least_high)


def probability_of_improvement(
    x: ArrayLike, y: ArrayLike, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float, float]:
    """Return how probably a run of x scores higher than a run of y, and the ends of its interval.

    The Mann-Whitney U of each task over the number of pairs, ties counted half, averaged over tasks; the interval is
    that of a bootstrap stratified by task. Agarwal et al. (2021); Mann & Whitney (1947), Annals of Mathematical
    Statistics 18.

    Args:
        x: [runs, tasks].
        y: [other runs, the same tasks].
        confidence: of the interval.
        seed: of the resampling.

    Raises:
        ValueError: if the numbers of tasks differ, or a score is not finite.
    """
    ours, theirs = _finite(x, "x [runs, tasks]", 2), _finite(y, "y [runs, tasks]", 2)
    if ours.shape[1] != theirs.shape[1]:
        raise ValueError(f"x has {ours.shape[1]} tasks and y has {theirs.shape[1]}: they must be the same tasks")
    rng = np.random.default_rng(seed)
    found = _improvement(_resampled(ours, rng), _resampled(theirs, rng))
    return float(_improvement(ours[None], theirs[None])[0]), *_middle(found, confidence)


def _improvement(x: Array, y: Array) -> Array:
    """Return the share of the pairs that x wins [resamples], of scores [resamples, runs, tasks]."""
    shares = []
    for task in range(x.shape[2]):  # one by one, for all pairs of all resamples may be too many
        pairs = x[:, :, None, task] - y[:, None, :, task]  # [resamples, runs, other runs]
        shares.append(((pairs > 0) + 0.5 * (pairs == 0)).mean(axis=(1, 2)))
    return np.asarray(np.mean(shares, axis=0), dtype=np.float64)


def _resampled(scores: Array, rng: np.random.Generator) -> Array:
    """Return scores [resamples, runs, tasks], the runs of every task drawn anew."""
    rows = rng.integers(len(scores), size=(RESAMPLES, *scores.shape))
    return np.take_along_axis(scores[None], rows, axis=1)


def _middle(found: Array | list[float], confidence: float) -> tuple[float, float]:
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _finite(values: ArrayLike, name: str, dimensions: int) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != dimensions or array.size == 0 or not np.isfinite(array).all():
        raise ValueError(f"{name}: must be finite numbers of that shape, not {array.shape} with {array.size} numbers")
    return array
