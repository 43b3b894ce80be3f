"""What all seeds of `benchmarks.algorithmic.__main__` share, checked before anything is made."""

from __future__ import annotations

import argparse
import difflib
import inspect
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Generator

from benchmarks.algorithmic.tasks import TASKS, Task
from benchmarks.algorithmic.training import Draw, SequenceModel
from benchmarks.speed.timing import device_called


class Test(NamedTuple):
    """One column of the results."""

    label: str
    length: int
    changed: dict[str, Any]  # arguments of the task that differ from the training
    draw: Draw


class Plan(NamedTuple):
    """What all seeds share."""

    device: torch.device
    draw: Draw  # of the training
    in_size: int
    out_size: int
    tests: list[Test]


def make_plan(options: argparse.Namespace) -> Plan:
    """Return the plan that the options ask for; a model is built once, to see that it can be.

    Raises:
        ValueError: if an option is wrong.
    """
    try:
        device = device_called(options.device)
    except ValueError as error:
        raise ValueError(f"--device {error}") from error
    task, sizes, changed = TASKS[options.task], options.task_set, options.test_set
    for settings in (sizes, changed):
        _check_arguments(options.task, task, settings)
    draw = partial(task.draw, lengths=options.lengths, **sizes)
    tests = [
        Test(
            f"{length} {task.counts}" + "".join(f", {key}={value}" for key, value in settings.items()),
            length,
            settings,
            partial(task.draw, lengths=length, **{**sizes, **settings}),
        )
        for settings in ([{}, changed] if changed else [{}])
        for length in options.test_lengths
    ]
    sample, tried = draw(Generator(), 1), [test.draw(Generator(), 1) for test in tests]
    in_size, out_size = sample.inputs.shape[2], sample.targets.shape[2]
    for test, drawn in zip(tests, tried, strict=True):
        if (drawn.inputs.shape[2], drawn.targets.shape[2]) != (in_size, out_size):
            raise ValueError(f"--test-set: {test.label} would change the width of what the network sees")
    plan = Plan(device, draw, in_size, out_size, tests)
    make_model(options, plan)
    return plan


def make_model(options: argparse.Namespace, plan: Plan) -> SequenceModel:
    """Return a new model, with weights from torch's global generator.

    Raises:
        ValueError: if a name or an argument of the network is wrong.
    """
    sizes = (plan.in_size, plan.out_size)
    settings = (options.controller_set, options.memory_set)
    try:
        return SequenceModel(*sizes, options.controller, options.memory, *settings).to(plan.device)
    except TypeError as error:  # such as a word where a number belongs
        raise ValueError(f"--controller-set, --memory-set: {error}") from error


def _check_arguments(name: str, task: Task, settings: dict[str, Any]) -> None:
    valid = [key for key in inspect.signature(task.draw).parameters if key not in ("generator", "batch", "lengths")]
    for key in settings:
        if key not in valid:
            close = difflib.get_close_matches(key, valid, n=1)
            hint = f"did you mean '{close[0]}'? " if close else ""
            raise ValueError(f"task '{name}' has no argument '{key}'; {hint}its arguments are: {', '.join(valid)}")
