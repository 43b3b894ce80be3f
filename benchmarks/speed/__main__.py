"""Measures speed: ours beside its peers, and each thing beside its own definition, taking turns on one thread.

    python -m benchmarks.speed                      # everything, about 15 minutes; the same as `make bench`
    python -m benchmarks.speed training acting      # these parts only
    python -m benchmarks.speed --quick              # a short look, about 2 minutes; writes to build/speed
    python -m benchmarks.speed old_commit --base HEAD~20

Writes a file of results for each part to benchmarks/results, and the page docs/reference/speed.md with its figures.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import torch

from benchmarks.arguments import make_parser
from benchmarks.speed.old_commit import commit
from benchmarks.speed.report.page import PAGE, RESULTS, write_page
from benchmarks.speed.report.parts import NAMES, PARTS, Part
from benchmarks.speed.report.result import ROOT, Result, made_by
from benchmarks.speed.report.terminal import SpeedProgress, print_table
from benchmarks.speed.session import BASE, Missing, Session
from engram.cli.terminal import warn_in_one_line

QUICK = ROOT / "build" / "speed"


def main() -> int:
    """Run the command line; return the exit code: 1 if a part has failed."""
    names = max(map(len, NAMES)) + 2
    listed = "\n".join(
        f"  {part.name:<{names}}{part.title} (about {part.seconds:.0f} s, quick {part.quick_seconds:.0f} s)"
        for part in PARTS
    )
    parser = make_parser("benchmarks.speed", __doc__, f"parts:\n{listed}")
    parser.add_argument("parts", nargs="*", metavar="PART", help="what to measure (default: all)")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and cases; nothing published is replaced")
    parser.add_argument("--base", type=commit, metavar="REF", help=f"commit for old_commit (default: {BASE})")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page from the files there are")
    options = parser.parse_args()
    unknown = [name for name in options.parts if name not in NAMES]
    if unknown:
        parser.error(f"{unknown[0]} is not one of {', '.join(NAMES)}")
    warn_in_one_line()
    torch.set_num_threads(1)
    results, page = (QUICK / "results", QUICK / "reference" / "speed.md") if options.quick else (RESULTS, PAGE)
    figures = page.parents[1] / "figures" / "speed"
    failed = False
    if not options.page:
        chosen = [part for part in PARTS if part.name in (options.parts or NAMES)]
        try:
            failed = _measure(chosen, results, options.quick, options.base or BASE)
        except KeyboardInterrupt:
            print("stopped; what was measured before is kept", file=sys.stderr)
            return 130
    write_page(results, page, figures)
    print(f"written to {_shown(results)} and {_shown(page)}")
    return int(failed)


def _measure(parts: list[Part], results: Path, quick: bool, base: str) -> bool:
    """Measure parts and write their results; return whether one has failed."""
    failed = False
    expected = {part.name: part.quick_seconds if quick else part.seconds for part in parts}
    with SpeedProgress(expected) as progress:
        session = Session(quick, progress.tell, base)
        for part in parts:
            words = [
                part.name,
                *(["--quick"] if quick else []),
                *(["--base", base] if part.name == "old_commit" else []),
            ]
            made = made_by(f"python -m benchmarks.speed {' '.join(words)}")
            progress.begin(part.name)
            tables, missing = [], ""
            try:
                tables = part.measure(session)
            except Missing as error:
                missing = str(error)
            except Exception:
                traceback.print_exc()
                progress.end("failed; its earlier results, if any, are kept")
                failed = True
                continue
            seconds = round(progress.seconds, 1)
            Result(part=part.name, made=made, quick=quick, seconds=seconds, tables=tables, missing=missing).write(
                results / f"{part.name}.json"
            )
            progress.end(f"left out: {missing}" if missing else f"{seconds:.0f} s")
            for table in tables:
                print_table(table)
    return failed


def _shown(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


if __name__ == "__main__":
    sys.exit(main())
