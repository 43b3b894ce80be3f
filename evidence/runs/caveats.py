"""What a reader of a comparison has to know before believing it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engram.evidence.runs.recorded_run import RecordedRun
from engram.evidence.statistics import LEAST_SEEDS

ASPECTS = {
    "checkpoint": "Different checkpoints were evaluated",
    "episodes": "Different numbers of test episodes were played",
    "seed": "The test episodes began from different seeds",
}
"""What should be the same in all evaluations -> what to write where it is not."""


def caveats(agents: Mapping[str, Sequence[RecordedRun]], evaluations: Mapping[RecordedRun, Any]) -> tuple[str, ...]:
    """List, in one sentence each, what makes a comparison weaker than it looks.

    Args:
        agents: label -> runs.
        evaluations: of every run, its `EvaluationFile` or its `HorizonFile`.
    """
    found = []
    if few := [label for label, runs in agents.items() if len(runs) < LEAST_SEEDS]:
        found.append(f"Fewer than {LEAST_SEEDS} seeds, so that nothing is concluded over seeds: {', '.join(few)}.")
    for label, runs in agents.items():
        seeds = [run.seed for run in runs]
        if twice := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
            found.append(f"Not independent, for they have the same seed ({_listed(twice)}): runs of {label}.")
    steps = {label: [run.config.get("total_timesteps") for run in runs] for label, runs in agents.items()}
    found += _differences("Trained for different numbers of steps", steps)
    for name, words in ASPECTS.items():
        values = {label: [getattr(evaluations[run], name) for run in runs] for label, runs in agents.items()}
        found += _differences(words, values)
    for run, evaluation in evaluations.items():
        if both := getattr(evaluation, "layouts_in_both", None):
            found.append(f"{run.path}: {both} of the layouts that it was tested on had been trained on.")
        found += [
            f"{run.path}: {line}" for line in trained_on(getattr(evaluation, "test_settings_layouts_in_both", {}))
        ]
    return tuple(found)


def trained_on(layouts_in_both: Mapping[str, int | None]) -> list[str]:
    """List, in one sentence each, the other sizes and delays in which layouts of the training were met.

    Args:
        layouts_in_both: by size or delay, as `test_settings_layouts_in_both` of an `evaluation.json`.
    """
    met = {label: count for label, count in layouts_in_both.items() if count}
    return [f"{label}: {n:,} of the layouts that it was tested on had been trained on." for label, n in met.items()]


def _differences(words: str, values: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    distinct = {label: sorted(set(several), key=str) for label, several in values.items()}
    if len({value for several in distinct.values() for value in several}) > 1:
        yield f"{words}: {'; '.join(f'{label} {_listed(several)}' for label, several in distinct.items())}."


def _listed(values: Sequence[Any]) -> str:
    return " and ".join(f"{value:,}" if isinstance(value, int) else str(value) for value in values)
