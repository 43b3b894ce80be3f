"""Intervals and averages against values worked out by hand, and published ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, norm

from engram.evidence.statistics import (
    difference_interval,
    interquartile_mean,
    mean_interval,
    probability_of_improvement,
    stratified_interval,
    success_interval,
    wilson_interval,
)

# Newcombe (1998), Statistics in Medicine 17, table II, method 10.
NEWCOMBE = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926),
    (0, 10, 0, 20, -0.1611, 0.2775),
    (0, 10, 0, 10, -0.2775, 0.2775),
    (10, 10, 0, 20, 0.6791, 1.0),
    (10, 10, 0, 10, 0.6075, 1.0),
]
# Survival of seven treated mice in days: Efron & Tibshirani (1993), "An introduction to the bootstrap", table 2.1.
MICE = [94, 197, 16, 38, 99, 141, 23]


@pytest.mark.parametrize(("a", "n_a", "b", "n_b", "low", "high"), NEWCOMBE)
def test_difference_has_the_published_intervals(a: int, n_a: int, b: int, n_b: int, low: float, high: float) -> None:
    assert difference_interval(a, n_a, b, n_b) == pytest.approx((low, high), abs=6e-5)
    assert difference_interval(b, n_b, a, n_a) == pytest.approx((-high, -low), abs=6e-5)


def test_difference_is_wider_with_more_confidence() -> None:
    low, high = difference_interval(9, 10, 3, 10, confidence=0.99)
    assert low < 0.1705 < 0.8090 < high


@pytest.mark.parametrize("counts", [(1, 0, 1, 2), (3, 2, 1, 2), (1, 2, -1, 2)])
def test_impossible_counts_are_refused(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"successes of \d episodes"):
        difference_interval(*counts)


def test_mean_interval_has_the_published_standard_error() -> None:
    # The book's bootstrap standard error of the mean, for ever more resamples: 23.36 days.
    low, high = mean_interval(MICE, confidence=0.6827)
    assert (high - low) / 2 == pytest.approx(23.36, rel=0.05)


def test_mean_interval_is_corrected_for_skewness() -> None:
    # Efron (1987), equations 2.3 and 6.6, from the book's formulas and many more resamples.
    values = np.array(MICE, dtype=float)
    means = np.random.default_rng(11).choice(values, size=(100_000, len(values))).mean(axis=1)
    left_out = values.mean() - (values.sum() - values) / (len(values) - 1)
    a = (left_out**3).sum() / (6 * (left_out**2).sum() ** 1.5)
    z0 = norm.ppf(((means < values.mean()).mean() + (means <= values.mean()).mean()) / 2)
    levels = [norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z))) for z in (-1.96, 1.96)]
    expected = np.quantile(means, levels)
    assert mean_interval(MICE) == pytest.approx(expected, abs=1.5)
    # Few long survivals: all of it is further up than without the correction.
    assert (expected > np.quantile(means, [0.025, 0.975]) + 2.0).all()  # more than the tolerance


def test_mean_interval_of_many_values_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(3).normal(5.0, 2.0, size=401)
    half = 1.96 * values.std() / np.sqrt(401)
    assert mean_interval(values) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.2 * half)


def test_mean_interval_of_two_values() -> None:
    # Resampled means are 0, 1/2 and 1, with probabilities 1/4, 1/2 and 1/4.
    assert mean_interval([0.0, 1.0]) == (0.0, 1.0)
    assert mean_interval([0.0, 1.0], confidence=0.4) == (0.5, 0.5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", [[0.7] * 5, [0.3, 0.1 + 0.2], [0.0, 0.0, 0.0]])
def test_mean_interval_of_equal_values_is_that_value(values: list[float]) -> None:
    assert mean_interval(values) == (values[0], values[0])


def test_mean_interval_is_reproducible_and_needs_two_finite_values() -> None:
    assert mean_interval(MICE) == mean_interval(MICE) != mean_interval(MICE, seed=1)
    for wrong in ([1.0], [1.0, np.nan], []):
        with pytest.raises(ValueError, match="values"):
            mean_interval(wrong)


def test_interquartile_mean_leaves_out_a_quarter_at_each_end() -> None:
    assert interquartile_mean([7, 0, 6, 1, 5, 2, 4, 3]) == 3.5
    assert interquartile_mean([-1000, 0.2, 0.3, 0.7, 1000]) == pytest.approx(0.4)
    assert interquartile_mean([0.0, 0.1, 0.8]) == pytest.approx(0.3)  # a quarter of three is none
    # All runs and tasks are pooled: the middle four of eight.
    assert interquartile_mean([[0, 1, 2, 3], [100, 5, 4, 50]]) == (2 + 3 + 4 + 5) / 4


def test_stratified_interval_resamples_runs() -> None:
    # Of two runs, the resampled mean is 0, 1/2 and 1 with probabilities 1/4, 1/2 and 1/4.
    assert stratified_interval([[0.0], [1.0]]) == (0.0, 1.0)
    assert stratified_interval([[0.0], [1.0]], confidence=0.4) == (0.5, 0.5)
    assert stratified_interval([[0.6]] * 5) == (0.6, 0.6)


def test_stratified_interval_resamples_within_each_task() -> None:
    # Each task draws its own runs, so that all four scores are 0 in one of 16 resamples; in one of four, if both tasks
    # drew the same runs.
    scores = [[0.0, 0.0], [1.0, 1.0]]
    assert stratified_interval(scores, statistic=np.mean, confidence=0.8) == (0.25, 0.75)
    # A task is never resampled with the scores of another.
    apart = [[0.0, 10.0], [1.0, 11.0], [2.0, 12.0]]
    low, high = stratified_interval(apart, statistic=lambda scores: float(scores[:, 1].mean() - scores[:, 0].mean()))
    assert 8.0 <= low < 10.0 < high <= 12.0


def test_interquartile_means_at_once_are_those_one_by_one() -> None:
    scores = np.random.default_rng(0).random((7, 3))
    assert stratified_interval(scores) == stratified_interval(scores, lambda resample: interquartile_mean(resample))


def test_stratified_interval_needs_runs_and_tasks() -> None:
    for wrong in ([0.1, 0.2], [[np.nan]], [[]]):
        with pytest.raises(ValueError, match=r"scores \[runs, tasks\]"):
            stratified_interval(wrong)


def test_probability_of_improvement_counts_pairs_and_half_of_the_ties() -> None:
    # Pairs of task 1: 3>1, 3>2, 2>1, 2=2, 5>1, 5>2: 5.5 of 6; of task 2: none of 6.
    x, y = [[3, 0], [2, 0], [5, 0]], [[1, 1], [2, 1]]
    assert probability_of_improvement(x, y)[0] == pytest.approx((5.5 / 6 + 0) / 2)
    assert probability_of_improvement(y, x)[0] == pytest.approx(1 - (5.5 / 6 + 0) / 2)
    assert probability_of_improvement(x, x)[0] == 0.5


def test_probability_of_improvement_is_the_u_statistic_over_the_pairs() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.integers(5, size=(7, 3)), rng.integers(4, size=(5, 3))
    statistics = [mannwhitneyu(x[:, task], y[:, task]).statistic / (7 * 5) for task in range(3)]
    assert probability_of_improvement(x, y)[0] == pytest.approx(np.mean(statistics))


def test_interval_of_the_probability_of_improvement() -> None:
    # Resamples of x are 0 twice, 2 twice, or one of each, with probabilities 1/4, 1/4 and 1/2; y is always 1.
    assert probability_of_improvement([[0], [2]], [[1]]) == (0.5, 0.0, 1.0)
    assert probability_of_improvement([[0], [2]], [[1]], confidence=0.4) == (0.5, 0.5, 0.5)
    # The runs of y are resampled, too.
    assert probability_of_improvement([[1]], [[0], [2]]) == (0.5, 0.0, 1.0)
    assert probability_of_improvement([[0.9], [0.8]], [[0.1], [0.2]]) == (1.0, 1.0, 1.0)


def test_probability_of_improvement_needs_the_same_tasks() -> None:
    with pytest.raises(ValueError, match="x has 2 tasks and y has 1"):
        probability_of_improvement([[1, 2]], [[1]])


def test_the_interval_of_success_over_runs_is_of_runs_and_of_their_episodes() -> None:
    assert success_interval([7, 7, 7], [7, 7, 7]) == pytest.approx(wilson_interval(21, 21))
    assert success_interval([0, 0], [7, 7]) == pytest.approx(wilson_interval(0, 14))
    # Runs that agree are in doubt as far as their episodes are, and those that differ further.
    low, high = success_interval([50, 50, 50], [100, 100, 100])
    assert low <= wilson_interval(150, 300)[0] < wilson_interval(150, 300)[1] <= high
    wide = success_interval([10, 50, 90], [100, 100, 100])
    assert wide[0] < 0.25 < 0.75 < wide[1]
    # One that failed often is cut off by the interquartile mean, but not unseen.
    assert success_interval([0] + [9] * 19, [9] * 20)[0] < 1.0


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (7, 10), (97, 100), (500, 1000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_wilson_interval_is_wilsons(successes: int, n: int, confidence: float) -> None:
    z, p = norm.ppf(0.5 + confidence / 2), successes / n
    center, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = wilson_interval(successes, n, confidence)
    assert low == pytest.approx(max(0.0, (center - half) / (1 + z * z / n)), abs=1e-9)
    assert high == pytest.approx(min(1.0, (center + half) / (1 + z * z / n)), abs=1e-9)
    assert 0 <= low <= p <= high <= 1
