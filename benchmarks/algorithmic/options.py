"""The command line of `benchmarks.algorithmic`."""

from __future__ import annotations

import argparse
import ast
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.algorithmic.tasks import TASKS, span_text
from benchmarks.arguments import count, make_parser, positive, seed
from engram.memory import CONTROLLERS, MEMORIES

_SWITCHES = {"true": True, "false": False}
LEARNING_RATES = {"adam": 1e-3, "amsgrad": 1e-3, "rmsprop": 1e-4}
STAYS = 5
"""Evaluations in a row below `--stop-below` that end a training."""


def parse(arguments: Sequence[str] | None, description: str | None) -> argparse.Namespace:
    """Return the options of `benchmarks.algorithmic`, with the defaults of the task filled in.

    A wrong option ends the program with one line and status 2.

    Args:
        arguments: of the command line; None for those of the process.
        description: what `--help` begins with.
    """
    parser = make_parser("benchmarks.algorithmic", description, _tasks())
    parser.add_argument("task", choices=TASKS, metavar="TASK", help=f"{', '.join(TASKS)}; see below")

    group = parser.add_argument_group("sequences")
    group.add_argument(
        "--lengths", type=_lengths, metavar="LOW-HIGH", help="to train on, drawn for every batch (default: see below)"
    )
    group.add_argument(
        "--test-lengths", type=_whole_numbers, metavar="L,L,...", help="to test on after training (default: see below)"
    )
    pairs: dict[str, Any] = {"nargs": "+", "action": _Pairs, "default": {}, "metavar": "KEY=VALUE"}
    group.add_argument("--task-set", **pairs, help="arguments of the task, such as bits=4 or repeats=(1,5)")
    group.add_argument("--test-set", **pairs, help="test again with these arguments of the task changed")

    group = parser.add_argument_group("network")
    group.add_argument(
        "--controller", metavar="NAME", default="lstm", help=f"{_names(CONTROLLERS)} (default: %(default)s)"
    )
    group.add_argument(
        "--memory", metavar="NAME", default="episodic", help=f"{_names(MEMORIES)} (default: %(default)s)"
    )
    group.add_argument("--controller-set", **pairs, help="its arguments, such as hidden_size=100")
    group.add_argument("--memory-set", **pairs, help="its arguments, such as slots=64")

    group = parser.add_argument_group("training")
    group.add_argument(
        "--batches", metavar="N", type=count, default=30_000, help="optimizer steps (default: %(default)s)"
    )
    group.add_argument(
        "--batch-size", metavar="N", type=count, default=16, help="sequences in a batch (default: %(default)s)"
    )
    group.add_argument(
        "--optimizer",
        choices=LEARNING_RATES,
        default="adam",
        help="amsgrad: Adam that does not forget large gradients; rmsprop: momentum 0.9 (default: %(default)s)",
    )
    group.add_argument(
        "--learning-rate", metavar="RATE", type=positive, help="default: 1e-3 for adam and amsgrad, 1e-4 for rmsprop"
    )
    group.add_argument(
        "--schedule",
        choices=("constant", "linear"),
        default="constant",
        help="of the learning rate; linear: it falls to zero (default: %(default)s)",
    )
    group.add_argument(
        "--clip", metavar="NORM", type=positive, default=1.0, help="largest gradient norm (default: %(default)s)"
    )
    group.add_argument(
        "--evaluate-every",
        metavar="N",
        type=count,
        default=500,
        help="batches between two validations (default: %(default)s)",
    )
    group.add_argument(
        "--stop-below",
        type=positive,
        metavar="BITS",
        help=f"end once the validation error, in wrong bits, was below this in {STAYS} evaluations in a row",
    )
    group.add_argument(
        "--validation-sequences",
        metavar="N",
        type=count,
        default=200,
        help="in a validation, at least (default: %(default)s)",
    )
    group.add_argument(
        "--test-sequences",
        metavar="N",
        type=count,
        default=100,
        help="of each test length, at least (default: %(default)s)",
    )

    group = parser.add_argument_group("runs")
    seeds = group.add_mutually_exclusive_group()
    seeds.add_argument(
        "--seed", metavar="S", type=seed, default=0, help="of weights and sequences (default: %(default)s)"
    )
    seeds.add_argument("--seeds", type=_seeds, metavar="S,S,...", help="train one after the other")
    group.add_argument("--device", metavar="NAME", default="auto", help="auto, cpu, cuda, ... (default: %(default)s)")
    group.add_argument(
        "--threads", metavar="N", type=count, default=1, help="of torch on the CPU (default: %(default)s)"
    )
    group.add_argument(
        "--out",
        metavar="FOLDER",
        type=Path,
        default=Path("runs/algorithmic"),
        help="where every run makes a new folder TASK-CONTROLLER-MEMORY/seedS-TIME (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    task = TASKS[options.task]
    options.lengths = options.lengths or task.lengths
    options.test_lengths = options.test_lengths or list(task.test_lengths)
    options.seeds = options.seeds or [options.seed]
    options.learning_rate = options.learning_rate or LEARNING_RATES[options.optimizer]
    return options


class _Pairs(argparse.Action):
    """Collects KEY=VALUE into a dictionary; values are true, false or Python literals, anything else is a string."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        pairs = dict(getattr(namespace, self.dest))
        for pair in values:
            key, equals, value = pair.partition("=")
            if not equals or not key:
                parser.error(f"{option}: '{pair}' is not of the form KEY=VALUE")
            try:
                pairs[key] = _SWITCHES[value] if value in _SWITCHES else ast.literal_eval(value)
            except (ValueError, SyntaxError):
                pairs[key] = value
        setattr(namespace, self.dest, pairs)


def _tasks() -> str:
    lines = ["tasks (trained on / tested on; arguments for --task-set and --test-set):"]
    for name, task in TASKS.items():
        arguments = [
            f"{parameter.name}={str(parameter.default).replace(' ', '')}"
            for parameter in inspect.signature(task.draw).parameters.values()
            if parameter.name not in ("generator", "batch", "lengths")
        ]
        tests = ",".join(map(str, task.test_lengths))
        lines.append(f"  {name:<20}{span_text(task.lengths):>5} / {tests:<8} {task.counts}; {', '.join(arguments)}")
    return "\n".join(lines)


def _names(classes: dict[str, Any]) -> str:
    return ", ".join(sorted(classes))


def _lengths(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    pair = (count(low), count(high or low))
    if pair[0] > pair[1]:
        raise argparse.ArgumentTypeError(f"'{text}' must be LOW-HIGH, such as 1-20")
    return pair


def _whole_numbers(text: str) -> list[int]:
    return [count(part) for part in text.split(",")]


def _seeds(text: str) -> list[int]:
    return [seed(part) for part in text.split(",")]
