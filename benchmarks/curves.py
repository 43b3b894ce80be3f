"""Draws metrics of runs over environment steps, one colour per kind of run, one thin line per seed.

python -m benchmarks.curves runs/match-*/seed* --out docs/figures/match.png
python -m benchmarks.curves runs/tmaze*/seed* --metrics memory/gate_on_cue memory/gate_elsewhere --out gate.png
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

STEPS = "time/total_timesteps"
Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def read_curve(run: Path, metric: str) -> Curve:
    """Return steps and values of a metric in a run's `metrics.csv`.

    Raises:
        ValueError: if the run has no such file or metric.
    """
    path = run / "metrics.csv"
    if not path.is_file():
        raise ValueError(f"{run}: there is no metrics.csv; name run folders that train.py has made")
    with path.open() as file:
        rows = [(float(row[STEPS]), float(row[metric])) for row in csv.DictReader(file) if row.get(metric)]
    if not rows:
        raise ValueError(f"{path}: there is no metric '{metric}'")
    steps, values = zip(*rows, strict=True)
    return np.array(steps), np.array(values)


def smoothed(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return the running mean over the last `width` values."""
    sums = np.cumsum(np.insert(values, 0, 0.0))
    ends = np.arange(1, len(values) + 1)
    begins = np.maximum(ends - width, 0)
    means: NDArray[np.float64] = (sums[ends] - sums[begins]) / (ends - begins)
    return means


def draw(runs: list[Path], metrics: list[str], out: Path, title: str, chance: float | None, width: int) -> None:
    """Draw and save one figure."""
    mpl.use("Agg")
    groups: dict[str, list[Curve]] = defaultdict(list)
    for run in runs:
        for metric in metrics:
            label = run.resolve().parent.name + (f": {metric.split('/')[-1]}" if len(metrics) > 1 else "")
            try:
                curve = read_curve(run, metric)
                groups[label].append(curve)
            except (ValueError, OSError) as error:
                print(f"curves: left out: {error}", file=sys.stderr)
    if not groups:
        raise ValueError("nothing to draw")
    figure, axes = plt.subplots(figsize=(7.2, 3.6), layout="constrained")
    for number, (label, curves) in enumerate(sorted(groups.items())):
        colour = f"C{number}"
        for steps, values in curves:
            axes.plot(steps / 1e6, smoothed(values, width), color=colour, alpha=0.35, linewidth=1)
        shared = np.linspace(0, min(steps[-1] for steps, _ in curves), 200)
        middle = np.median([np.interp(shared, steps, smoothed(values, width)) for steps, values in curves], axis=0)
        axes.plot(shared / 1e6, middle, color=colour, linewidth=2.2, label=f"{label} ({len(curves)})")
    if chance is not None:
        axes.axhline(chance, color="grey", linestyle=":", linewidth=1)
    axes.set(xlabel="million environment steps", ylabel=metrics[0].split("/")[-1].replace("_", " "), title=title)
    axes.grid(alpha=0.25)
    if len(groups) > 4:  # so many names would hide the curves
        figure.legend(fontsize=8, frameon=False, loc="outside right upper")
    else:
        axes.legend(fontsize=8, frameon=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=130)
    plt.close(figure)


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    parser.add_argument("--metrics", nargs="+", default=["rollout/success_rate"], help="default: %(default)s")
    parser.add_argument("--out", type=Path, required=True, help="file to write, .png or .svg")
    parser.add_argument("--title", default="", help="of the figure")
    parser.add_argument("--chance", type=float, help="draw a dotted line here")
    parser.add_argument("--smooth", type=int, default=5, help="rollouts to average over (default: %(default)s)")
    options = parser.parse_args()
    try:
        draw(options.runs, options.metrics, options.out, options.title, options.chance, options.smooth)
    except (ValueError, OSError) as error:
        print(f"curves: {error}", file=sys.stderr)
        return 2
    print(f"written to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
