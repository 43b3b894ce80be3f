"""What a reader of a comparison has to know before believing it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engram.evidence.runs.recorded_run import RecordedRun

FEW = 5  # seeds


def caveats(
    agents: Mapping[str, Sequence[RecordedRun]], evaluations: Mapping[RecordedRun, Mapping[str, Any]]
) -> tuple[str, ...]:
    """List, in one sentence each, what makes a comparison weaker than it looks.

    Args:
        agents: label -> runs.
        evaluations: of every run, the content of its `evaluation.json` or of its `horizon.json`.
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
        "Different checkpoints were evaluated": lambda run: evaluations[run].get("checkpoint"),
        "Different numbers of test episodes were played": lambda run: evaluations[run].get("episodes"),
        "The test episodes began from different seeds": lambda run: evaluations[run].get("seed"),
    }
    for words, aspect in aspects.items():
        values = {label: sorted({aspect(run) for run in runs}, key=str) for label, runs in agents.items()}
        if len({value for several in values.values() for value in several}) > 1:
            found.append(f"{words}: {'; '.join(f'{label} {_listed(several)}' for label, several in values.items())}.")
    for run, evaluation in evaluations.items():
        if both := evaluation.get("layouts_in_both"):
            found.append(f"{run.path}: {both} of the layouts that it was tested on had been trained on.")
        found += [f"{run.path}: {caveat}" for caveat in trained_on(evaluation)]
    return tuple(found)


def trained_on(evaluation: Mapping[str, Any]) -> tuple[str, ...]:
    """List, in one sentence each, the other sizes and delays in which layouts of the training were met.

    Args:
        evaluation: the content of an `evaluation.json`.
    """
    both = evaluation.get("test_settings_layouts_in_both") or {}
    return tuple(
        f"{label}: {count:,} of the layouts that it was tested on had been trained on."
        for label, count in both.items()
        if count
    )


def _listed(values: Sequence[Any]) -> str:
    return " and ".join(f"{value:,}" if isinstance(value, int) else str(value) for value in values)
