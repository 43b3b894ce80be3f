"""Which events of an episode belong together, and which to set beside them: what is changed to see what it did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engram.agents.evaluation.recording import RecordedStep, Recording
from engram.evidence.explanation.provenance import HeadRead

TRIED = 40_000
"""Events that are changed one by one, or decisions that are shown, times steps of the episode: all, in 200 steps."""
LEAST_SINGLE = 64
WRITTEN = 0.05
"""A write of less weight in every slot is none."""
DRAWS = 10


def sets_to_forget(recording: Recording, read: NDArray[Any] | None = None) -> Iterator[tuple[list[int], str]]:
    """Yield sets of steps to forget: all that show the cue, those that show the same, and single ones.

    Args:
        recording: the episode.
        read: [T] how much each step's write was read in all, to choose the single ones by where not all can be tried;
            None for the earliest.

    Yields:
        the steps in order, and a label, empty where the observation says it.
    """
    steps = recording.steps
    read = np.zeros(len(steps)) if read is None else read
    written = written_steps(recording)
    cue = [time for time in written if steps[time].cue]
    if cue:
        yield cue, "everything that shows the cue"
    alike: dict[bytes, list[int]] = {}
    for time in written:
        alike.setdefault(look(steps[time].shown), []).append(time)
    for group in sorted(alike.values(), key=lambda group: -read[group].sum()):
        if len(group) > 1 and group != cue:
            yield group, ""
    most = max(LEAST_SINGLE, TRIED // max(1, len(steps)))
    for time in sorted(written, key=lambda time: -read[time])[:most]:
        if cue != [time]:
            yield [time], ""


def random_others(chosen: Sequence[int], among: Sequence[int], rng: np.random.Generator) -> list[list[int]]:
    """Draw sets of other events, each as many as were chosen.

    Args:
        chosen: steps.
        among: steps to draw from; those chosen are left out.
        rng: source of chance.

    Returns:
        `DRAWS` sets, each in order; if there are not more others than were chosen, all of these once.
    """
    others = sorted(set(among) - set(chosen))
    if len(others) <= len(chosen):
        return [others] if others else []
    return [sorted(rng.choice(others, len(chosen), replace=False).tolist()) for _ in range(DRAWS)]


def written_steps(recording: Recording) -> list[int]:
    """Return the steps whose events were stored; all of them, where a memory does not tell."""
    return [time for time, step in enumerate(recording.steps) if _was_written(step)]


def _was_written(step: RecordedStep) -> bool:
    return step.access is None or float(step.access.written.max()) >= WRITTEN


def read_in_all(origins: Sequence[Sequence[HeadRead]], length: int) -> NDArray[Any]:
    """Sum up over an episode how much the write of each step was read, as [T]."""
    read = np.zeros(length)
    for heads in origins:
        for head in heads:
            for part in head.parts:
                read[part.step] += part.weight
    return read


def look(shown: Any) -> bytes:
    """Return the content of an observation, to see whether two are alike."""
    if isinstance(shown, dict):
        return b"".join(np.ascontiguousarray(shown[key]).tobytes() for key in sorted(shown))
    return np.ascontiguousarray(shown).tobytes()
