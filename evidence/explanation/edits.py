"""Which events of an episode are edited to see their effect: together or one by one, and what replaces them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engram.agents.evaluation.recording import RecordedStep, Recording
from engram.agents.policy import MemoryPolicy
from engram.agents.spaces import observation_tree
from engram.memory import State

BUDGET = 40_000
"""Single events that are edited, times steps of the episode; the same for decisions on the page. All in 200 steps."""
LEAST_SINGLE = 64
WRITTEN = 0.05
"""Least weight in some slot that counts as a write."""
DRAWS = 10


def event_sets(recording: Recording, read: NDArray[Any] | None = None) -> Iterator[tuple[list[int], str]]:
    """Yield sets of events to edit: all that show the cue, those with equal observations, and single ones.

    Args:
        recording: the episode, T steps.
        read: [T] total weight with which each step's write was read, to choose the single events by if they are too
            many; None for the earliest.

    Yields:
        the steps of the events in order, and a label; "" for the caption of their observation.
    """
    steps = recording.steps
    read = np.zeros(len(steps)) if read is None else read
    written = written_steps(recording)
    cue = [time for time in written if steps[time].cue]
    if cue:
        yield cue, "everything that shows the cue"
    equal: dict[bytes, list[int]] = {}
    for time in written:
        equal.setdefault(_content(steps[time].raw_observation), []).append(time)
    for group in sorted(equal.values(), key=lambda group: -read[group].sum()):
        if len(group) > 1 and group != cue:
            yield group, ""
    most = max(LEAST_SINGLE, BUDGET // max(1, len(steps)))
    for time in sorted(written, key=lambda time: -read[time])[:most]:
        if cue != [time]:
            yield [time], ""


def random_others(chosen: Sequence[int], among: Sequence[int], rng: np.random.Generator) -> list[list[int]]:
    """Draw sets of other steps, each of the size of the chosen set.

    Args:
        chosen: steps.
        among: steps to draw from; the chosen ones are left out.
        rng: source of randomness.

    Returns:
        `DRAWS` sets, each in order; if there are no more others than chosen steps, one set of all the others.
    """
    others = sorted(set(among) - set(chosen))
    if len(others) <= len(chosen):
        return [others] if others else []
    return [sorted(rng.choice(others, len(chosen), replace=False).tolist()) for _ in range(DRAWS)]


def written_steps(recording: Recording) -> list[int]:
    """Return the steps whose events were stored; all steps if the memory has no slots."""
    accesses = [step.access for step in recording.steps]
    return [t for t, access in enumerate(accesses) if access is None or float(access.written.max()) >= WRITTEN]


class Replacement(NamedTuple):
    """An observation that is stored in place of an event's own."""

    observation: State  # leaves [1, ...]
    raw_observation: Any  # the same as an env would return it
    source: str  # where it is from, in words


def replacements(
    policy: MemoryPolicy, recording: Recording, donors: Mapping[str, Recording]
) -> list[Replacement | None]:
    """Choose for every step of an episode the observation that replaces the one of its event.

    An event that shows the cue gets the other cue, if the task knows what that looks like. Any other event gets the
    observation of another episode that is nearest in time, among those that differ from its own and show a cue if and
    only if it does.

    Args:
        policy: the agent.
        recording: the episode, T steps.
        donors: other episodes of the same task by their names.

    Returns:
        T replacements; None where there is none.
    """
    candidates = [(name, time, step) for name, donor in donors.items() for time, step in enumerate(donor.steps)]
    numbers: dict[bytes, int] = {}

    def kind(step: RecordedStep) -> tuple[int, int]:
        content = _content(step.raw_observation)
        return numbers.setdefault(content, len(numbers)), -1 if step.cue is None else int(step.cue)

    kinds = np.array([(time, *kind(step)) for _, time, step in candidates], dtype=np.int64).reshape(-1, 3)
    found: list[Replacement | None] = []
    for time, step in enumerate(recording.steps):
        if step.other_cue is not None and _content(step.other_cue) != _content(step.raw_observation):
            tensors, _ = policy.obs_to_tensor(_batch_of_one(step.other_cue))
            observation = observation_tree(tensors, policy.observation_space, policy.device)
            found.append(Replacement(observation, step.other_cue, "the other cue"))
            continue
        content, cue = kind(step)
        usable = np.flatnonzero((kinds[:, 1] != content) & (kinds[:, 2] == cue))
        if not len(usable):
            found.append(None)
            continue
        name, when, other = candidates[usable[np.abs(kinds[usable, 0] - time).argmin()]]
        found.append(Replacement(other.observation, other.raw_observation, f"{name}, step {when}"))
    return found


def _batch_of_one(observation: Any) -> Any:
    if isinstance(observation, dict):
        return {key: part[None] for key, part in observation.items()}
    return observation[None]


def _content(observation: Any) -> bytes:
    """Return what is equal for equal observations."""
    if isinstance(observation, dict):
        return b"".join(np.ascontiguousarray(observation[key]).tobytes() for key in sorted(observation))
    return np.ascontiguousarray(observation).tobytes()
