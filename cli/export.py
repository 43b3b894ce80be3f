"""Writes the agent of a run to an ONNX file, which a robot or a game runs without torch.

    python export.py RUN                       RUN/policy.onnx, one step of one env
    python export.py RUN --out robot.onnx --batch-size 4
    python export.py RUN memory.module=my_memories   a module of your own, if it has moved since the training

The state of the agent goes into a step and comes out of it. The file is then checked: onnxruntime and torch play the
same greedy steps of the run's env on the test side. What is in the file, and a loop of twenty lines that runs it, is in
docs/how_to/export.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from engram.agents.export.agreement import agreement
from engram.agents.export.onnx import METADATA, export_onnx
from engram.cli.terminal import OneLineParser, warn_in_one_line
from engram.configs import CannotRun
from engram.evidence.runs.open import load_run, refusing_foreign_errors
from engram.evidence.runs.result_files import check_ours
from engram.evidence.runs.user_modules import split_modules
from engram.tracking.commands import command, program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = OneLineParser(
        prog=program("export"),
        description=__doc__.replace("python export.py", command("export")),
    )
    parser.add_argument("run", nargs="+", metavar="RUN", help="the run folder")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where it is written (default: RUN/policy.onnx)")
    parser.add_argument("--batch-size", type=int, default=1, metavar="B", help="envs of a step (default: %(default)s)")
    parser.add_argument("--checkpoint", choices=("best", "latest"), help="which weights (default: best)")
    parser.add_argument("--steps", type=int, default=500, help="of the check; 0 for none (default: %(default)s)")
    options = parser.parse_intermixed_args(arguments)
    warn_in_one_line()
    names, modules = split_modules(options.run)
    if len(names) != 1:
        parser.error(f"name one run; these are {len(names)}")
    for option, number, least in (("--batch-size", options.batch_size, 1), ("--steps", options.steps, 0)):
        if number < least:
            parser.error(f"{option} {number}: must be at least {least}")
    path = options.out or Path(names[0]) / "policy.onnx"
    try:
        check_ours([path], path, METADATA.encode())
        run = load_run(
            names[0], n_envs=options.batch_size, checkpoint=options.checkpoint, device="cpu", modules=modules
        )
        export_onnx(run.model, path, options.batch_size)
        with refusing_foreign_errors(f"{path} is written, but the env ended its check: "):
            found = agreement(run.model.policy, path, run.env, options.steps) if options.steps else None
    except (CannotRun, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{parser.prog}: {path}: cannot be written ({error.strerror or error})", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return 130
    print(f"written to {path}")
    if found is None:
        return 0
    print(found.sentence())
    return 0 if found.holds() else 1
