"""What a reader of a comparison has to know before believing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evidence.recorded_run import RecordedRun

FEW = 5  # seeds


def notes(
    agents: Mapping[str, Sequence[RecordedRun]], evaluations: Mapping[RecordedRun, Mapping[str, Any]]
) -> tuple[str, ...]:
    """List, in one sentence each, what makes a comparison weaker than it looks.

    Args:
        agents: label -> runs.
        evaluations: of every run.
    """
    found = []
    if few := [label for label, runs in agents.items() if len(runs) < FEW]:
        found.append(f"Fewer than {FEW} seeds, so that what is said over seeds is rough: {', '.join(few)}.")
    for label, runs in agents.items():
        seeds = [run.seed for run in runs]
        if twice := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
            found.append(f"Not independent, for they have the same seed ({_listed(twice)}): runs of {label}.")
    aspects: dict[str, Callable[[RecordedRun], Any]] = {
        "Trained for different numbers of steps": lambda run: run.config.get("total_timesteps"),
        "Different checkpoints were evaluated": lambda run: evaluations[run]["checkpoint"],
        "Different numbers of test episodes were played": lambda run: evaluations[run]["episodes"],
        "The test episodes began from different seeds": lambda run: evaluations[run]["seed"],
    }
    for words, aspect in aspects.items():
        values = {label: sorted({aspect(run) for run in runs}, key=str) for label, runs in agents.items()}
        if len({value for several in values.values() for value in several}) > 1:
            found.append(f"{words}: {'; '.join(f'{label} {_listed(several)}' for label, several in values.items())}.")
    for run, evaluation in evaluations.items():
        if both := evaluation.get("layouts_in_both"):
            found.append(f"{run.path}: {both} of the layouts that it was tested on had been trained on.")
    return tuple(found)


def _listed(values: Sequence[Any]) -> str:
    return " and ".join(f"{value:,}" if isinstance(value, int) else str(value) for value in values)
