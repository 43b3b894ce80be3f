"""Measures how often an interval over seeds holds the mean that it is for, on simulated seeds.

    python -m benchmarks.interval_coverage --out docs/tables/interval_coverage.json

The true success of a seed is drawn from a Beta distribution, or is 0 for one seed in ten; each seed plays 200 episodes,
of which only the success rate is seen. The interval is for the mean of the distribution. Beside the interval of
`evidence.statistics` stand those that were tried: all have a nominal confidence of 95 %.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln
from scipy.stats import trim_mean

from benchmarks.arguments import count, make_parser
from engram.evidence import statistics
from engram.evidence.runs.result_files import made_by
from engram.tracking.atomic import write_json

Array = NDArray[np.float64]
Interval = Callable[[Array], tuple[Array, Array]]
"""From rates [seeds, repetitions] to the ends [repetitions]."""
MEANS, DEVIATIONS, SEEDS = (0.5, 0.8, 0.95), (0.05, 0.15), (5, 10)
EPISODES = 200
FAILS = 0.1
TAILS = (0.025, 0.975)
RESAMPLES = 2000


def end_weighted(weight: float, rates: Array) -> tuple[Array, Array]:
    """Return the interval of `evidence.statistics` with another weight at the end; 1 is the bound of Gaffke (2005)."""
    weights = np.random.default_rng(0).dirichlet([1.0] * len(rates) + [weight], size=RESAMPLES)
    means = weights[:, :-1] @ rates
    return np.quantile(means, TAILS[0], axis=0), np.quantile(means + weights[:, -1:], TAILS[1], axis=0)


def percentile_bootstrap(rates: Array) -> tuple[Array, Array]:
    """Return the percentile interval of the interquartile mean under resampling of seeds (Agarwal et al. 2021)."""
    rows = np.random.default_rng(0).integers(len(rates), size=(RESAMPLES, len(rates)))
    low, high = np.quantile(trim_mean(rates[rows], 0.25, axis=1), TAILS, axis=0)
    return low, high


def beta_binomial(rates: Array) -> tuple[Array, Array]:
    """Return the posterior interval of the mean of a Beta distribution of seeds, of which each plays `EPISODES`.

    Uniform on the mean and on the deviation as a share of the largest one possible; Gelman (2006), "Prior distributions
    for variance parameters in hierarchical models", Bayesian Analysis 1, on a grid.
    """
    means, shares = (np.arange(200) + 0.5) / 200, (np.arange(60) + 0.5) / 60
    size = (1 / shares**2 - 1)[None]  # a + b of the Beta
    a, b = means[:, None] * size, (1 - means)[:, None] * size
    count = np.arange(EPISODES + 1)[:, None, None]
    table = betaln(a + count, b + EPISODES - count) - betaln(a, b)  # [successes, mean, share]
    ends = []
    for successes in np.rint(rates.T * EPISODES).astype(int):
        log = table[successes].sum(axis=0)
        reached = np.cumsum(np.exp(log - log.max()).sum(axis=1))
        ends.append(np.interp(TAILS, np.append(0.0, reached / reached[-1]), np.linspace(0, 1, 201)))
    low, high = np.transpose(ends)
    return low, high


def student_t(rates: Array) -> tuple[Array, Array]:
    """Return Student's t interval, cut to [0, 1]."""
    low, high = statistics.interval_over_seeds(rates, "return")
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


INTERVALS: dict[str, Interval] = {
    "ours": partial(statistics.interval_over_seeds, metric="success"),
    "half a tenth at the end": partial(end_weighted, 0.05),
    "a fifth at the end": partial(end_weighted, 0.2),
    "a whole seed at the end": partial(end_weighted, 1.0),
    "Student's t": student_t,
    "percentile bootstrap": percentile_bootstrap,
    "Beta-binomial posterior": beta_binomial,
}


class Coverage(NamedTuple):
    """What an interval did in one cell of the table."""

    interval: str
    seeds: int
    mean: float
    deviation: float
    fails: float
    """Share of seeds that fail altogether."""
    coverage: float
    width: float


def coverage(
    interval: Interval,
    mean: float,
    deviation: float,
    seeds: int,
    *,
    repetitions: int,
    fails: float = 0.0,
    name: str = "",
) -> Coverage:
    """Simulate evaluations of some seeds, and count how often the interval holds the mean over all seeds.

    Args:
        interval: what is measured.
        mean, deviation: of the Beta distribution of a seed's true success.
        seeds: in each evaluation.
        repetitions: simulated evaluations.
        fails: share of seeds whose true success is 0.
        name: of the interval, for the record.
    """
    rng, size = np.random.default_rng(0), mean * (1 - mean) / deviation**2 - 1
    true = rng.beta(mean * size, (1 - mean) * size, size=(seeds, repetitions))
    true[rng.random(true.shape) < fails] = 0.0
    low, high = interval(rng.binomial(EPISODES, true) / EPISODES)
    truth = mean * (1 - fails)
    covered = float(np.mean((low <= truth) & (truth <= high)))
    return Coverage(name, seeds, mean, deviation, fails, covered, float(np.mean(high - low)))


def main() -> None:
    """Run the command line."""
    parser = make_parser("benchmarks.interval_coverage", __doc__)
    parser.add_argument("--repetitions", type=count, default=4000, help="in each cell (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    cells = [(mean, deviation) for mean in MEANS for deviation in DEVIATIONS]
    columns = ["interval", "seeds", "one in ten fails", *(f"{mean} ± {deviation}" for mean, deviation in cells)]
    rows, single = [], []
    for fails, seeds, (name, interval) in product((0.0, FAILS), SEEDS, INTERVALS.items()):
        how = {"repetitions": options.repetitions, "fails": fails, "name": name}
        found = [coverage(interval, *cell, seeds, **how) for cell in cells]
        single += [row._asdict() for row in found]
        shown = [f"{row.coverage:.1%} ({row.width:.2f})" for row in found]
        rows.append([name, str(seeds), "yes" if fails else "no", *shown])
        print(f"{name:24}{seeds:3} {'some fail' if fails else '':10}" + "".join(f"{cell:>15}" for cell in shown))
    if options.out:
        how = {"simulation_seed": 0, "episodes": EPISODES, "repetitions": options.repetitions}
        write_json(options.out, {**made_by(), **how, "columns": columns, "rows": rows, "cells": single})


if __name__ == "__main__":
    main()
