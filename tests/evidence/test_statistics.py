"""Intervals and averages against values worked out by hand, and published ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, mannwhitneyu, norm, ttest_1samp

from benchmarks.interval_coverage import INTERVALS, coverage
from engram.evidence.statistics import (
    END_WEIGHT,
    Estimate,
    aggregate_over_seeds,
    effective_number,
    interval_over_seeds,
    mean_interval,
    paired_difference_interval,
    probability_of_improvement,
    wilson_interval,
)

# Survival of seven treated mice in days: Efron & Tibshirani (1993), "An introduction to the bootstrap", table 2.1.
MICE = [94, 197, 16, 38, 99, 141, 23]


def test_pairs_that_tell_nothing_of_each_other_have_the_published_intervals() -> None:
    # Newcombe (1998), Statistics in Medicine 17, 873-890, table II, method 10: 9 of 10 against 3 of 10, and 6 of 7
    # against 2 of 7, independent; of pairs the same where the correlation, corrected for continuity, is zero.
    assert paired_difference_interval(3, 6, 0, 1) == pytest.approx((0.1705, 0.8090), abs=6e-5)
    assert paired_difference_interval(2, 4, 0, 1) == pytest.approx((0.0582, 0.8062), abs=6e-5)
    assert paired_difference_interval(3, 0, 6, 1) == pytest.approx((-0.8090, -0.1705), abs=6e-5)
    assert paired_difference_interval(0, 0, 0, 10) == pytest.approx((-0.2775, 0.2775), abs=6e-5)
    assert paired_difference_interval(0, 10, 0, 0) == pytest.approx((0.6075, 1.0), abs=6e-5)


def test_pairs_that_agree_are_told_apart_more_sharply() -> None:
    def width(both: int, only_a: int, only_b: int, neither: int) -> float:
        low, high = paired_difference_interval(both, only_a, only_b, neither)
        return high - low

    # 50 against 46 of 100 throughout; the more they succeed in the same episodes the better is the difference known.
    agree, apart, contrary = width(46, 4, 0, 50), width(23, 27, 23, 27), width(0, 50, 46, 4)
    assert 1.8 * agree < apart < contrary
    low, high = paired_difference_interval(46, 4, 0, 50)
    assert low < 0.04 < high
    assert paired_difference_interval(46, 4, 0, 50, confidence=0.99)[0] < low


def test_the_interval_of_paired_differences_covers_the_truth() -> None:
    # Pairs with rates .8 and .7 and correlation .5.
    rng, n, covered = np.random.default_rng(2), 61, 0
    probabilities = [0.8 * 0.7 + 0.5 * np.sqrt(0.8 * 0.2 * 0.7 * 0.3)]
    probabilities += [0.8 - probabilities[0], 0.7 - probabilities[0]]
    for counts in rng.multinomial(n, [*probabilities, 1 - sum(probabilities)], size=700):
        low, high = paired_difference_interval(*map(int, counts))
        covered += low <= 0.1 <= high
    assert 0.93 < covered / 700 < 0.985


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


def test_of_few_seeds_there_is_a_mean_and_no_interval() -> None:
    assert aggregate_over_seeds([None, None], "success") is None
    assert aggregate_over_seeds([of_run(0.7), None], "success") == of_run(0.7)  # its own, over episodes
    few = aggregate_over_seeds([of_run(0.7), None, of_run(0.2), of_run(0.9), of_run(1.0)], "success")
    assert few == Estimate(pytest.approx(0.7), None, None, (0.7, 0.2, 0.9, 1.0), None)
    many = aggregate_over_seeds([of_run(0.7)] * 5, "success")
    assert many is not None
    assert (many.value, many.over) == (pytest.approx(0.7), "seeds")
    assert many.low is not None
    assert many.high is not None
    assert 0.0 < many.low < 0.7 < many.high < 1.0


def of_run(success: float) -> Estimate:
    return Estimate(success, success / 2, 1.0, (success,), "episodes")


def test_the_interval_over_seeds_is_the_bayesian_bootstrap_with_a_part_of_a_seed_at_the_end() -> None:
    # Where all seeds always fail, the upper end is the share of the part at 1: Beta(END_WEIGHT, seeds).
    for seeds in (5, 11):
        low, high = interval_over_seeds([0.0] * seeds, "success")
        assert low == 0.0
        assert high == pytest.approx(beta.ppf(0.975, END_WEIGHT, seeds), abs=0.01)
        low, high = interval_over_seeds([1.0] * seeds, "success")
        assert low == pytest.approx(1 - beta.ppf(0.975, END_WEIGHT, seeds), abs=0.01)
        assert high == 1.0
    # Where half of them do, it is near to that of the Beta with half of the seeds on each side.
    low, high = interval_over_seeds([0.0, 1.0] * 20, "success")
    assert (low, high) == pytest.approx(tuple(beta.ppf([0.025, 0.975], 20, 20)), abs=0.02)


def test_the_interval_over_seeds_knows_no_order_no_direction_and_no_other_column() -> None:
    rates = np.array([0.2, 0.9, 0.95, 1.0, 0.7, 0.85, 0.4])
    low, high = interval_over_seeds(rates, "success")
    assert 0.0 < low < rates.mean() < high < 1.0
    assert interval_over_seeds(1 - rates, "success") == pytest.approx((1 - high, 1 - low), abs=0.01)
    assert interval_over_seeds(rates[::-1], "success") == pytest.approx((low, high), abs=0.01)
    lows, highs = interval_over_seeds(np.stack([rates, rates / 2], axis=1), "success")
    assert (lows[0], highs[0]) == pytest.approx((low, high))
    assert (lows[1], highs[1]) == pytest.approx(interval_over_seeds(rates / 2, "success"))
    wider = interval_over_seeds(rates, "success", confidence=0.99)
    assert wider[0] < low < high < wider[1]


def test_the_interval_of_returns_over_seeds_is_students() -> None:
    values = [3.0, -1.0, 2.0, 5.0, 1.0]
    found = ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert interval_over_seeds(values, "return") == pytest.approx((found.low, found.high))


@pytest.mark.parametrize(("mean", "deviation"), [(0.5, 0.05), (0.5, 0.15), (0.8, 0.15), (0.95, 0.05), (0.95, 0.15)])
def test_the_interval_over_five_seeds_covers_their_mean(mean: float, deviation: float) -> None:
    found = coverage(INTERVALS["ours"], mean, deviation, 5, repetitions=300)
    assert found.coverage > 0.9
    # What stood here before covers less where most seeds succeed, and so does Student's t.
    if (mean, deviation) == (0.95, 0.15):
        assert coverage(INTERVALS["Student's t"], mean, deviation, 5, repetitions=300).coverage < 0.6


def test_probability_of_improvement_counts_pairs_and_half_of_the_ties() -> None:
    # Pairs: 3>1, 3>2, 2>1, 2=2, 5>1, 5>2: 5.5 of 6.
    assert probability_of_improvement([3, 2, 5], [1, 2])[0] == pytest.approx(5.5 / 6)
    assert probability_of_improvement([1, 2], [3, 2, 5])[0] == pytest.approx(1 - 5.5 / 6)
    rng = np.random.default_rng(5)
    x, y = rng.integers(5, size=7), rng.integers(4, size=5)
    assert probability_of_improvement(x, y)[0] == pytest.approx(mannwhitneyu(x, y).statistic / (7 * 5))


def test_interval_of_the_probability_of_improvement() -> None:
    found, low, high = probability_of_improvement([0.9, 0.8, 0.7, 0.95, 0.85], [0.1, 0.2, 0.3, 0.15, 0.25])
    assert (found, high) == (1.0, 1.0)
    assert 0.6 < low < 0.8  # five against five prove no more
    found, low, high = probability_of_improvement([1, 3, 5, 7, 9], [2, 4, 6, 8, 10])
    assert low < found < high
    assert probability_of_improvement([2, 4, 6, 8, 10], [1, 3, 5, 7, 9])[1:] == pytest.approx((1 - high, 1 - low))
    # Of normal scores one deviation apart the truth is known.
    rng, truth, covered = np.random.default_rng(6), norm.cdf(1 / np.sqrt(2)), 0
    for _ in range(300):
        _, low, high = probability_of_improvement(rng.normal(1, 1, size=7), rng.normal(0, 1, size=5))
        covered += low <= truth <= high
    assert covered / 300 > 0.93


def test_outcomes_that_count_several_times_vary_as_fewer_would() -> None:
    assert effective_number([1] * 7) == effective_number([3] * 7) == 7
    assert effective_number([]) == 0
    sizes = [8, 3, 2, 1, 1]
    rng = np.random.default_rng(8)
    means = (rng.random((100_000, 5)) < 0.5) @ np.array(sizes) / sum(sizes)
    assert effective_number(sizes) == round(0.25 / means.var()) == 3


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (7, 10), (97, 100), (500, 1000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_wilson_interval_is_wilsons(successes: int, n: int, confidence: float) -> None:
    z, p = norm.ppf(0.5 + confidence / 2), successes / n
    center, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = wilson_interval(successes, n, confidence)
    assert low == pytest.approx(max(0.0, (center - half) / (1 + z * z / n)), abs=1e-9)
    assert high == pytest.approx(min(1.0, (center + half) / (1 + z * z / n)), abs=1e-9)
    assert 0 <= low <= p <= high <= 1
