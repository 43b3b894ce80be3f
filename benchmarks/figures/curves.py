"""Draws metrics of runs over environment steps, one color per kind of run, one thin line per seed.

A thick line is the mean of the seeds, its shade the 95 % interval of five seeds or more.

python -m benchmarks.figures.curves runs/match-*/seed* --out docs/figures/match.png
python -m benchmarks.figures.curves runs/tmaze*/seed* --metrics memory/gate_on_cue memory/gate_elsewhere --out gate.png
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from benchmarks.arguments import count, make_parser
from engram.evidence.report.learning_curves import Curve, draw_curves, read_curve
from engram.evidence.statistics import Metric


def draw(runs: list[Path], metrics: list[str], out: Path, title: str, chance: float | None, width: int) -> None:
    """Draw and save one figure."""
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
    ylabel = metrics[0].split("/")[-1].replace("_", " ")
    kind: Metric = "success" if metrics[0].endswith("success_rate") else "return"
    figure = draw_curves(groups, metric=kind, ylabel=ylabel, title=title, chance=chance, width=width)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=130)


def main() -> int:
    """Run the command line; return the exit code."""
    parser = make_parser("benchmarks.figures.curves", __doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    parser.add_argument("--metrics", nargs="+", default=["rollout/success_rate"], help="default: %(default)s")
    parser.add_argument("--out", type=Path, required=True, help="file to write, .png or .svg")
    parser.add_argument("--title", default="", help="of the figure")
    parser.add_argument("--chance", type=float, help="draw a dotted line here")
    parser.add_argument("--smooth", type=count, default=5, help="rollouts to average over (default: %(default)s)")
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
