"""Trains a controller and a memory, supervised, on the algorithmic tasks of the NTM and DNC papers.

    python -m benchmarks.algorithmic copy --memory ntm --memory-set slots=128 --controller-set hidden_size=100
    python -m benchmarks.algorithmic associative_recall --memory none --controller-set hidden_size=256 --seeds 0,1,2
    python -m benchmarks.algorithmic repeat_copy --test-lengths 10,20 --test-set repeats=20
    python -m benchmarks.algorithmic copy_stream --controller feedforward --memory dnc --memory-set slots=10

Needs torch, and nothing of reinforcement learning. Every run makes a folder of its own with config.json, progress.csv
(validation on the training's lengths), evaluation.json (the test lengths), model.pt (a state_dict) and memory.png.
Errors are wrong bits per sequence.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Sequence
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
from engram.tracking.atomic import write_json
from engram.tracking.interrupt import Stopped, StopRequest
from engram.tracking.run_folder import RunFolder
from engram.tracking.versions import versions

ROOT = Path(__file__).parents[2]


class Run(NamedTuple):
    """What a training left."""

    seed: int
    folder: Path
    result: dict[str, Any]  # the content of evaluation.json


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = parse(arguments, __doc__)
    torch.set_num_threads(options.threads)
    runs: list[Run] = []
    try:
        plan = make_plan(options)
        with StopRequest() as stop:
            for seed in options.seeds:
                runs.append(_run(options, plan, seed, stop))
                if stop.signal is not None:
                    return stop.exit_code
    except (ValueError, OSError) as error:
        print(f"algorithmic: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped at once", file=sys.stderr)
        return 130
    _print_table(runs, options, plan)
    return 1 if any(run.result["ended"] == "diverged" for run in runs) else 0


def _run(options: argparse.Namespace, plan: Plan, seed: int, stop: StopRequest) -> Run:
    """Train and evaluate with one seed."""
    torch.manual_seed(seed)
    model = make_model(options, plan)
    folder = RunFolder.create(options.out, f"{options.task}-{options.controller}-{options.memory}", seed).path
    write_json(folder / "config.json", _config(options, plan, seed, model))
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
    write_json(folder / "evaluation.json", result)
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
    write_json(folder / "evaluation.json", result)
    if stop.signal is not None:
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
    stop: StopRequest,
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
    with (
        progress_file.open("w", newline="", encoding="utf-8") as file,
        BatchProgress(options.task, options.batches, console) as progress,
    ):
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
    """Return the random generator of one purpose, which no other purpose or seed shares."""
    purposes = ("train", "validation", "test", "picture")
    return Generator().manual_seed(len(purposes) * seed + purposes.index(purpose))


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
        "versions": versions(ROOT),
    }


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


if __name__ == "__main__":
    sys.exit(main())
