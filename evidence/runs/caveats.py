"""What a reader of a comparison has to know before believing it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engram.evidence.runs.more_hops import said
from engram.evidence.runs.recorded_run import RecordedRun
from engram.evidence.statistics import LEAST_SEEDS

ASPECTS = {
    "checkpoint": "Different checkpoints were evaluated",
    "episodes_played": "Different numbers of test episodes were played",
    "seed": "The test episodes began from different seeds",
}
"""What should be the same in all evaluations -> what to write where it is not."""


def caveats(read: Mapping[str, Mapping[RecordedRun, Any]]) -> tuple[str, ...]:
    """List, in one sentence each, what makes a comparison weaker than it looks.

    Args:
        read: label -> run -> its `EvaluationFile` or its `HorizonFile`.
    """
    found = []
    if few := [label for label, runs in read.items() if len(runs) < LEAST_SEEDS]:
        found.append(f"Fewer than {LEAST_SEEDS} seeds, so that nothing is concluded over seeds: {', '.join(few)}.")
    for label, runs in read.items():
        seeds = [run.seed for run in runs]
        if twice := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
            found.append(f"Not independent, for they have the same seed ({_listed(twice)}): runs of {label}.")
    if short := [f"{run.path} {run.cut_short}" for group in read.values() for run in group if run.cut_short]:
        found.append(
            f"Failed, stopped or still in training, so that they are no seeds of the others: {'; '.join(short)}."
        )
    steps = {label: [_trained(run) for run in group] for label, group in read.items()}
    found += _differences("Trained for different numbers of steps", steps)
    for name, words in ASPECTS.items():
        found += _differences(words, {label: [getattr(it, name) for it in of.values()] for label, of in read.items()})
    for run, file in (both for of in read.values() for both in of.items()):
        ranges = trained_on_ranges(getattr(file, "curriculum", {}))
        found += [f"{run.path}: {line}" for line in (*ranges, *said(getattr(file, "hops", None)))]
        other_settings = getattr(file, "test_settings_layouts_in_both", {})
        met = {str(run.path): getattr(file, "layouts_in_both", None)}
        found += trained_on(met | {f"{run.path}: {label}": count for label, count in other_settings.items()})
    return tuple(found)


def trained_on(layouts_in_both: Mapping[str, int | None]) -> list[str]:
    """List, in one sentence each, where layouts of the training were met.

    Args:
        layouts_in_both: by run or setting, as an `evaluation.json` has it.
    """
    met = {label: count for label, count in layouts_in_both.items() if count}
    return [f"{label}: {n:,} of the layouts that it was tested on had been trained on." for label, n in met.items()]


def trained_on_ranges(curriculum: Mapping[str, tuple[int, int]]) -> list[str]:
    """Say, in one sentence, of which difficulties the training was; nothing if it was of one.

    Args:
        curriculum: as an `evaluation.json` has it.
    """
    ranges = ", ".join(f"{name} from {least} to {most}" for name, (least, most) in curriculum.items())
    return [f"Trained on episodes with {ranges}; validated and tested at the hard end."] if ranges else []


def _trained(run: RecordedRun) -> Any:
    """Return the steps of a training: those asked for, or if it did not come so far, those that it took."""
    asked = run.config.get("total_timesteps")
    if run.steps is None or not isinstance(asked, int):
        return "?" if run.cut_short else asked
    return min(run.steps, asked)


def _differences(words: str, values: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    distinct = {label: sorted(set(several), key=str) for label, several in values.items()}
    if len({value for several in distinct.values() for value in several}) > 1:
        yield f"{words}: {'; '.join(f'{label} {_listed(several)}' for label, several in distinct.items())}."


def _listed(values: Sequence[Any]) -> str:
    return " and ".join(f"{value:,}" if isinstance(value, int) else str(value) for value in values)
