"""Whether whoever calls `predict` tells it where episodes start: if not, an agent remembers what is over."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NEVER = (
    "predict was given a state for {steps:,} steps and was told of no episode's start, but no episode of the training"
    " was longer than {longest:,}: pass episode_start=dones of the step before, or the memory goes on over the end"
)
ALWAYS = (
    "predict was told at each of {steps:,} steps that an episode starts, though those of the training had up to"
    " {longest:,}: pass episode_start=dones of the step before, or nothing is remembered"
)


class Told(NamedTuple):
    """What a sequence of calls, each with the state that the one before returned, has been told so far."""

    state: object  # that the last call returned
    steps: int  # since an episode's start was told, or since the first call
    ever: bool  # whether a start was told
    at_each: int  # calls in a row of which all envs were said to start an episode


class StartsTold:
    """Warns, once, of calls that cannot have been told right.

    A loop that has told starts is believed when it says that there is none, however long the episode.

    Args:
        longest_episode: steps of the longest episode of the training; 0 while none is known, and nothing is said.
    """

    def __init__(self, longest_episode: int = 0) -> None:
        self.longest_episode = longest_episode
        self._told: Told | None = None
        self._said = False

    def __reduce__(self) -> tuple[type[StartsTold], tuple[int]]:
        return StartsTold, (self.longest_episode,)  # a copy follows calls of its own

    def note(self, state: object | None, after: object, episode_start: NDArray[np.bool_] | None) -> None:
        """Note a call: the state that it was given, None at the very first, the state that it returns, and [B] starts.

        Of a state that is not what the last call has returned nothing is known: the count begins anew.
        """
        longest = self.longest_episode
        if self._said or not longest:
            return
        before = self._told if self._told is not None and self._told.state is state else Told(state, 0, False, 0)
        any_told = episode_start is not None and bool(np.any(episode_start))
        at_each = before.at_each + 1 if any_told and bool(np.all(episode_start)) else 0
        told = Told(after, 1 if any_told else before.steps + 1, any_told or before.ever, at_each)
        never = told.steps > longest and (episode_start is None or not told.ever)
        if never or told.at_each > longest > 1:
            text, steps = (NEVER, told.steps) if never else (ALWAYS, told.at_each)
            warnings.warn(text.format(steps=steps, longest=longest), stacklevel=4)
            self._said = True
        self._told = told
