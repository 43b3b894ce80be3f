"""What the events of an episode could have shown instead: the other cue, or what another episode showed just then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from engram.agents.evaluation.recording import RecordedStep, Recording
from engram.agents.policy import MemoryPolicy
from engram.agents.spaces import observation_tree
from engram.evidence.explanation.event_sets import look
from engram.memory import State


class Replacement(NamedTuple):
    """What is stored in place of an event's observation."""

    observation: State  # leaves [1, ...]
    shown: Any  # the same as an env would return it
    source: str  # in words


def replacements(
    policy: MemoryPolicy, recording: Recording, donors: Mapping[str, Recording]
) -> list[Replacement | None]:
    """Choose for every step of an episode what its event is to show instead.

    An event that shows the cue shows the other one, where the task can tell what that would look like. Any other shows
    what another episode showed as near to that step as possible, of all that looks different and shows a cue if this
    does.

    Args:
        policy: the agent that played.
        recording: the episode.
        donors: other episodes of the same task by their names.

    Returns:
        one a step; None where nothing else was found.
    """
    places = [(name, time, step) for name, donor in donors.items() for time, step in enumerate(donor.steps)]
    numbers: dict[bytes, int] = {}

    def kind(step: RecordedStep) -> tuple[int, int]:
        return numbers.setdefault(look(step.shown), len(numbers)), -1 if step.cue is None else int(step.cue)

    theirs = np.array([(time, *kind(step)) for _, time, step in places], dtype=np.int64).reshape(-1, 3)
    found: list[Replacement | None] = []
    for time, step in enumerate(recording.steps):
        if step.other_cue is not None and look(step.other_cue) != look(step.shown):
            tensors, _ = policy.obs_to_tensor(step.other_cue[None])
            observation = observation_tree(tensors, policy.observation_space, policy.device)
            found.append(Replacement(observation, step.other_cue, "the other cue"))
            continue
        shows, cue = kind(step)
        usable = np.flatnonzero((theirs[:, 1] != shows) & (theirs[:, 2] == cue))
        if not len(usable):
            found.append(None)
            continue
        name, when, other = places[usable[np.abs(theirs[usable, 0] - time).argmin()]]
        found.append(Replacement(other.observation, other.shown, f"{name}, step {when}"))
    return found
