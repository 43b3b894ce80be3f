"""Writes one page about a set of runs: learning curves, scores, certificates, horizon curves and cost.

    python report.py runs --out report
    python report.py 'runs/room-*/seed*' 'runs/tmaze-*/seed*' --out report
    python report.py runs/room-episodic-lstm runs/room-none-lstm --out report --title "Room"

RUNS are run folders, folders of run folders, or patterns, quoted or not. Runs of the same configuration up to the seed
are seeds of one agent; runs of different tasks get sections of their own. The page, FOLDER/report.html, needs no other
file; beside it are every figure as PNG and SVG, and the comparisons as CSV and JSON. Nothing is trained or played: what
has not been measured is listed on the page, with the command that measures it. A module of your own may be named as
`memory.module=my_memories`, as for training and evaluation.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from engram.cli.terminal import OneLineParser, warn_in_one_line
from engram.configs import CannotRun
from engram.evidence.report.page import write_report
from engram.evidence.runs.recorded_run import find_runs, read_runs
from engram.evidence.runs.result_files import check_ours
from engram.evidence.runs.user_modules import import_modules, split_modules
from engram.tracking.commands import command, command_line, program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = OneLineParser(
        prog=program("report"),
        description=__doc__.replace("python report.py", command("report")),
    )
    parser.add_argument("runs", nargs="+", metavar="RUNS", help="run folders, folders of them, or patterns")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the report goes")
    parser.add_argument("--title", default="Engram report", help="of the page (default: %(default)s)")
    options = parser.parse_intermixed_args(arguments)
    warn_in_one_line()
    try:
        names, modules = split_modules(options.runs)
        import_modules(modules)
        runs, left_out = read_runs(find_runs(names))
        there = options.out.iterdir() if options.out.is_dir() else ()
        check_ours(there, options.out / "report.html", b'name="generator" content="engram"')
        page = write_report(runs, options.out, command=command_line(), title=options.title, left_out=left_out)
    except CannotRun as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{parser.prog}: {options.out}: cannot be written ({error.strerror or error})", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return 130
    for line in left_out:
        print(f"{parser.prog}: left out: {line}", file=sys.stderr)
    print(f"written to {page}")
    return 0
