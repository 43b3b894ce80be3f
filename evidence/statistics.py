"""Intervals for what is claimed of agents, one for each quantity.

Success over seeds: what is asked for is the mean over all seeds that might be drawn, of which a few were trained.
The interval is the Bayesian bootstrap (Rubin 1981, "The Bayesian bootstrap", Annals of Statistics 9) with a Dirichlet
process prior (Ferguson 1973, Annals of Statistics 1) of a small mass at the worst end: for the lower end of the
interval, a tenth of a seed that always fails; for the upper end, a tenth of a seed that always succeeds. With a whole
seed it is the bound of Gaffke (2005), "Three test statistics for a nonparametric one-sided hypothesis on the mean of a
nonnegative variable", Mathematical Methods of Statistics 14, which holds for any distribution on [0, 1] as far as is
known (Phan et al. 2021, "Towards practical mean bounds for small samples", ICML) and is twice as wide. A tenth is the
least that reaches 90 % where most seeds succeed and few do not: `python -m benchmarks.interval_coverage` has the
simulation. Of fewer than five seeds no interval is told.

Success over the episodes of one agent: Wilson's score interval. Returns: Student's t over seeds, a bootstrap over
episodes. Differences between two conditions that met the same episodes: Newcombe's interval for paired proportions; a
verdict on them rests on exact tests (`surely_above`), never on an interval of two rates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Literal

import numpy as np
import scipy  # whose parts are imported where they are used: that takes seconds
from numpy.typing import ArrayLike, NDArray

LEAST_SEEDS = 5
"""Of fewer, nothing is concluded over seeds."""
END_WEIGHT = 0.1
"""Seeds that are assumed at the worst end beside those that were trained."""
RESAMPLES = 10_000
Array = NDArray[np.float64]
Metric = Literal["success", "return"]


@dataclass(frozen=True)
class Estimate:
    """A number with the ends of its 95 % interval, None where there is none."""

    value: float
    low: float | None
    high: float | None
    by_run: tuple[float, ...]
    """What it is the mean of, one number for each run."""
    over: Literal["seeds", "episodes"] | None
    """What the interval is over: seeds of the training, or episodes of one trained agent."""


def columns_of(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    """Return an estimate as columns of a file: NAME, NAME_low and NAME_high; None where there is none."""
    ends = {"": "value", "_low": "low", "_high": "high"}
    return {f"{name}{end}": getattr(estimate, key, None) for end, key in ends.items()}


def aggregate_over_seeds(runs: Sequence[Estimate | None], metric: Metric) -> Estimate | None:
    """Sum up an agent's runs, one for each seed, None where it is not known: the mean, with an interval over seeds.

    A single run is returned as it is; of fewer than `LEAST_SEEDS` there is no interval.
    """
    known = [run for run in runs if run is not None]
    if len(known) < 2:
        return known[0] if known else None
    values = tuple(run.value for run in known)
    if len(values) < LEAST_SEEDS:
        return Estimate(float(np.mean(values)), None, None, values, None)
    low, high = map(float, interval_over_seeds(values, metric))
    return Estimate(float(np.mean(values)), low, high, values, "seeds")


def interval_over_seeds(values: ArrayLike, metric: Metric, confidence: float = 0.95) -> tuple[Array, Array]:
    """Return the ends of the interval of the mean over seeds.

    Args:
        values: [seeds, ...], at least two seeds; success rates, or numbers without a limit.
        metric: which of the two.
        confidence: of the interval.

    Returns:
        the lower and the upper end [...]: of success as this module explains, of the return Student's t interval.
    """
    array = np.asarray(values, dtype=np.float64)
    seeds, tail = len(array), (1 - confidence) / 2
    if metric == "return":
        half = scipy.stats.t.ppf(1 - tail, seeds - 1) * array.std(axis=0, ddof=1) / sqrt(seeds)
        return array.mean(axis=0) - half, array.mean(axis=0) + half
    weights = np.random.default_rng(0).dirichlet([1.0] * seeds + [END_WEIGHT], size=RESAMPLES)  # [resamples, seeds + 1]
    means = np.tensordot(weights[:, :seeds], array, axes=1)  # what is at the end is 0
    at_end = weights[:, seeds].reshape(-1, *[1] * (array.ndim - 1))  # ... or 1
    return np.quantile(means, tail, axis=0), np.quantile(means + at_end, 1 - tail, axis=0).clip(max=1.0)


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a success probability."""
    interval = scipy.stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


@lru_cache(maxsize=10_000)
def surely_above(successes: int, n: int, level: float, error: float = 0.025) -> bool:
    """Return whether a success probability is above a level, by an exact binomial test of one side.

    Said wrongly in at most a share `error` of samples. With level 1/2 and pairs that differ it is the sign test, and
    McNemar's (1947), "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12, in its exact form.
    """
    return bool(scipy.stats.binom.sf(successes - 1, n, level) <= error)


def effective_number(times: ArrayLike) -> NDArray[np.int64]:
    """Return how many independent outcomes tell as much as some that each count several times.

    The mean of outcomes with these weights varies as one of so many with equal weights. Kish (1965), "Survey Sampling".

    Args:
        times: [..., outcomes] how often each counts; 0 if not at all.

    Returns:
        their effective number [...], to the nearest whole number.
    """
    weights = np.asarray(times, dtype=np.int64)
    number: NDArray[np.int64] = np.rint(weights.sum(-1) ** 2 / np.maximum((weights**2).sum(-1), 1)).astype(np.int64)
    return number


def paired_difference_interval(
    both: int, only_a: int, only_b: int, neither: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Return the interval of the difference a - b of two success probabilities, measured in the same episodes.

    Newcombe (1998), "Improved confidence intervals for the difference between binomial proportions based on paired
    data", Statistics in Medicine 17, method 10.

    Args:
        both, only_a, only_b, neither: episodes in which both, one or none of the two succeeded; at least one in all.
        confidence: of the interval.
    """
    n = both + only_a + only_b + neither
    a, b = both + only_a, both + only_b
    (low_a, high_a), (low_b, high_b) = wilson_interval(a, n, confidence), wilson_interval(b, n, confidence)
    # The correlation φ, corrected for continuity where it is positive.
    product = both * neither - only_a * only_b
    corrected = max(product - n / 2, 0.0) if product > 0 else product
    margins = a * (n - a) * b * (n - b)
    phi = corrected / sqrt(margins) if margins else 0.0
    below_a, above_a, below_b, above_b = a / n - low_a, high_a - a / n, b / n - low_b, high_b - b / n
    below = sqrt(max(below_a**2 - 2 * phi * below_a * above_b + above_b**2, 0.0))
    above = sqrt(max(above_a**2 - 2 * phi * above_a * below_b + below_b**2, 0.0))
    return (a - b) / n - below, (a - b) / n + above


def mean_interval(values: ArrayLike, confidence: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Return the bias-corrected and accelerated bootstrap interval of a mean over episodes.

    Efron (1987), "Better bootstrap confidence intervals", JASA 82. If all values are equal, so are the ends.

    Args:
        values: [n], such as the returns of episodes; n is at least 2.
        confidence: of the interval.
        seed: of the resampling, so that the same values have the same interval.

    Raises:
        ValueError: if there are fewer than two values, or one is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) < 2 or not np.isfinite(array).all():
        raise ValueError(f"values {array.shape}: must be at least two finite numbers")
    if np.allclose(array, array[0], rtol=1e-12, atol=0.0):  # no spread to resample, or rounding only
        return float(array[0]), float(array[0])
    found = scipy.stats.bootstrap(
        (array,),
        np.mean,
        confidence_level=confidence,
        method="BCa",
        random_state=np.random.default_rng(seed),  # called rng from scipy 1.15 on, which knows both names
    ).confidence_interval
    return float(found.low), float(found.high)


def probability_of_improvement(x: ArrayLike, y: ArrayLike, confidence: float = 0.95) -> tuple[float, float, float]:
    """Return how probably a run of x scores higher than a run of y, and the ends of its interval.

    The Mann-Whitney U over the number of pairs, ties counted half, as in Agarwal et al. (2021), "Deep reinforcement
    learning at the edge of the statistical precipice"; the interval is that of Newcombe (2006), "Confidence intervals
    for an effect size measure based on the Mann-Whitney statistic, part 2", Statistics in Medicine 25, method 5.

    Args:
        x: [runs].
        y: [other runs].
        confidence: of the interval.
    """
    ours, theirs = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    pairs = ours[:, None] - theirs[None]
    found = float(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    z, more = float(scipy.stats.norm.ppf(0.5 + confidence / 2)), (len(ours) + len(theirs)) / 2 - 1

    def excess(p: float) -> float:
        """Return how far the square of (found - p) is beyond z² times its variance if p is the truth."""
        variance = p * (1 - p) * (1 + more * ((1 - p) / (2 - p) + p / (1 + p))) / pairs.size
        return (found - p) ** 2 - z**2 * variance

    inside = min(max(found, 1e-9), 1 - 1e-9)  # where the variance is not zero
    low = scipy.optimize.brentq(excess, 0.0, inside) if found > 0 else 0.0
    high = scipy.optimize.brentq(excess, inside, 1.0) if found < 1 else 1.0
    return found, float(low), float(high)
