"""Trains a controller and a memory, supervised, on the algorithmic tasks of the NTM and DNC papers.

    python -m benchmarks.algorithmic copy --memory ntm --memory-set slots=128 --controller-set hidden_size=100
    python -m benchmarks.algorithmic associative_recall --memory none --controller-set hidden_size=256 --seeds 0,1,2
    python -m benchmarks.algorithmic repeat_copy --test-lengths 10,20 --test-set repeats=20
    python -m benchmarks.algorithmic copy_stream --controller feedforward --memory dnc --memory-set slots=10

Needs `memory/` and torch, and nothing of reinforcement learning. Every run makes a folder of its own with config.json,
progress.csv (validation on the training's lengths), evaluation.json (the test lengths), model.pt (a state_dict) and
memory.png. Errors are wrong bits per sequence.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from math import inf
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from torch import Generator

from benchmarks.algorithmic import picture
from benchmarks.algorithmic.options import STAYS, parse
from benchmarks.algorithmic.plan import Plan, make_model, make_plan
from benchmarks.algorithmic.progress import BatchProgress
from benchmarks.algorithmic.tasks import TASKS, span_text
from benchmarks.algorithmic.training import Diverged, SequenceModel, evaluate, make_optimizer, train

ROOT = Path(__file__).parents[2]


class Stopped(Exception):
    """Raised between two batches after Ctrl-C or a polite kill."""


class Run(NamedTuple):
    """What a training left."""

    seed: int
    folder: Path
    result: dict[str, Any]  # the content of evaluation.json


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse(arguments, __doc__)
    torch.set_num_threads(options.threads)
    stop = _StopOnSignal()
    runs: list[Run] = []
    try:
        plan = make_plan(options)
        for seed in options.seeds:
            runs.append(_run(options, plan, seed, stop))
            if stop.asked:
                return 130
    except (ValueError, OSError) as error:
        print(f"algorithmic: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped at once", file=sys.stderr)
        return 130
    finally:
        stop.release()
    _print_table(runs, options, plan)
    return 1 if any(run.result["ended"] == "diverged" for run in runs) else 0


def _run(options: argparse.Namespace, plan: Plan, seed: int, stop: _StopOnSignal) -> Run:
    """Train and evaluate with one seed."""
    torch.manual_seed(seed)
    model = make_model(options, plan)
    folder = _make_folder(options, seed)
    _write_json(folder / "config.json", _config(options, plan, seed, model))
    remarks = Console(stderr=True, width=None if sys.stderr.isatty() else 120)

    started = time.perf_counter()
    result: dict[str, Any] = {"task": options.task, "controller": options.controller, "memory": options.memory}
    result.update(seed=seed, ended="batches", batches=0, below_since=None, validation=None, tests=[])
    try:
        _train(options, plan, model, folder / "progress.csv", result, remarks, stop)
    except Stopped:
        result["ended"] = "stopped"
    except Diverged as error:
        result["ended"] = "diverged"
        print(f"algorithmic: seed {seed}: {error}; try a lower --learning-rate or --clip", file=sys.stderr)
    result["training_seconds"] = round(time.perf_counter() - started, 3)
    torch.save(model.state_dict(), folder / "model.pt")
    _write_json(folder / "evaluation.json", result)
    if result["ended"] == "diverged":
        return Run(seed, folder, result)
    try:
        stop.check()
        example = plan.tests[0].draw(_generator(seed, "picture"), 1)
        title = f"{options.task}, {plan.tests[0].label}: {options.controller}, {options.memory}, seed {seed}"
        picture.draw(model, example, folder / "memory.png", title)
        for test in plan.tests:
            measured = evaluate(
                model, test.draw, _generator(seed, "test"), options.test_sequences, options.batch_size, stop.check
            )
            result["tests"].append({"label": test.label, "length": test.length, **test.changed, **measured._asdict()})
    except Stopped:
        result["ended"] = "stopped"
    _write_json(folder / "evaluation.json", result)
    if stop.asked:
        print(f"stopped: seed {seed} after {result['batches']:,} batches; saved in {folder}", file=sys.stderr)
    else:
        remarks.print(f"seed {seed}: saved in {folder}", highlight=False, soft_wrap=True)
    return Run(seed, folder, result)


def _train(
    options: argparse.Namespace,
    plan: Plan,
    model: SequenceModel,
    progress_file: Path,
    result: dict[str, Any],
    console: Console,
    stop: _StopOnSignal,
) -> None:
    """Train until the last batch, or until the validation error stays low; keep `result` up to date.

    Raises:
        Stopped, Diverged: see there.
    """
    seed = result["seed"]
    optimizer = make_optimizer(options.optimizer, model, options.learning_rate)
    steps = train(
        model,
        plan.draw,
        _generator(seed, "train"),
        optimizer,
        options.batches,
        options.batch_size,
        options.clip,
        options.schedule == "linear",
    )
    started, losses, low = time.perf_counter(), [], 0
    with progress_file.open("w", newline="") as file, BatchProgress(options.task, options.batches, console) as progress:
        rows = csv.writer(file)
        rows.writerow(["batch", "loss", "wrong_bits", "seconds"])
        for batch, loss in enumerate(steps, start=1):
            result["batches"] = batch
            losses.append(loss)
            progress.update(batch, loss)
            stop.check()
            if batch % options.evaluate_every and batch != options.batches:
                continue
            # The same sequences every time.
            generator = _generator(seed, "validation")
            error = evaluate(
                model, plan.draw, generator, options.validation_sequences, options.batch_size, stop.check
            ).wrong_bits
            progress.wrong_bits = result["validation"] = error
            rows.writerow([batch, fmean(losses), error, round(time.perf_counter() - started, 3)])
            file.flush()
            losses.clear()
            if options.stop_below is None:
                continue
            low = low + 1 if error < options.stop_below else 0
            result["below_since"] = None if low == 0 else batch if low == 1 else result["below_since"]
            if low == STAYS:
                result["ended"] = "stop_below"
                return


def _generator(seed: int, purpose: str) -> Generator:
    """Return the source of chance of one purpose, which no other purpose and seed shares."""
    purposes = ("train", "validation", "test", "picture")
    return Generator().manual_seed(len(purposes) * seed + purposes.index(purpose))


def _make_folder(options: argparse.Namespace, seed: int) -> Path:
    stem = f"{options.task}-{options.controller}-{options.memory}-seed{seed}-{datetime.now():%Y%m%d-%H%M%S}"
    parent: Path = options.out
    parent.mkdir(parents=True, exist_ok=True)
    for again in range(1, 1000):
        folder = parent / (stem if again == 1 else f"{stem}-{again}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise ValueError(f"{parent / stem}: a thousand runs have this name already")


def _config(options: argparse.Namespace, plan: Plan, seed: int, model: SequenceModel) -> dict[str, Any]:
    given = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
    card = torch.cuda.get_device_name(plan.device) if plan.device.type == "cuda" else None
    return {
        **given,
        "seed": seed,
        "input_size": plan.in_size,
        "output_size": plan.out_size,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "used_device": card or str(plan.device),
        "versions": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "torch": torch.__version__,
            "git_commit": _git("rev-parse", "HEAD"),
            "git_dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
            "command": shlex.join(["python", *sys.argv]),
        },
    }


def _git(*arguments: str) -> str | None:
    # `tracking.versions` knows more, but its package brings the whole of reinforcement learning with it.
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


def _print_table(runs: list[Run], options: argparse.Namespace, plan: Plan) -> None:
    title = f"{options.task}: {options.controller}, {options.memory}; wrong bits per sequence"
    trained = f"trained: {span_text(options.lengths)} {TASKS[options.task].counts}"
    table = Table("seed", "ended by", "batches", trained, *(test.label for test in plan.tests), title=title)
    rows: list[list[float]] = []
    for run in runs:
        # A run that diverged has no figure; in the median and the worst it counts as infinitely bad.
        errors = [run.result["validation"], *(test["wrong_bits"] for test in run.result["tests"])]
        rows.append(errors if run.result["tests"] else [inf] * (1 + len(plan.tests)))
        cells = [f"{error:.2f}" for error in rows[-1]]
        table.add_row(str(run.seed), run.result["ended"], f"{run.result['batches']:,}", *cells)
    if len(runs) > 1:
        table.add_section()
        for name, of in (("median", median), ("worst", max)):
            table.add_row(name, "", "", *(f"{of(column):.2f}" for column in zip(*rows, strict=True)))
    Console(width=None if sys.stdout.isatty() else 120).print(table)


class _StopOnSignal:
    """Notes Ctrl-C or a polite kill, so that the batch under way is finished; a second one interrupts at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}

    def check(self) -> None:
        if self.asked:
            raise Stopped

    def release(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, *_: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


if __name__ == "__main__":
    sys.exit(main())
