"""First visits: what has not been observed before in an episode."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor

from engram.agents.exploration.interface import Bonus, Seen
from engram.agents.spaces import sights_of
from engram.memory import State, tree_map
from engram.memory.event_hash import event_hash
from engram.storage import Plain

MOST_KNOWN = 2**20
"""Observations that are remembered in all envs together; in episodes that show more, the oldest are forgotten."""


class EpisodicNovelty:
    """Finds the observations that are the first of their kind in their episode.

    They are worked out for a whole rollout at once, where the observations are.

    Args:
        compared: which leaves of an observation count, from left to right; None for all.
    """

    def __init__(self, compared: Sequence[bool] | None = None) -> None:
        self.compared = compared
        # What the episodes that go on have shown: row and hash, [C] each.
        self._known: tuple[Tensor, Tensor] | None = None

    def first_visits(self, observations: State, starts: Tensor) -> Tensor:
        """Return which observations are first visits, [X, B] bool.

        The first observation of an episode is none, since no action led to it.

        Args:
            observations: those that follow the ones of the last call, leaves [X, B, ...].
            starts: [X, B] bool, the observation is the first of an episode.
        """
        # Step by step: all at once would take many times the memory of the observations.
        hashes = torch.cat(
            [
                event_hash(tree_map(lambda leaf, time=time: leaf[time : time + 1], observations), self.compared)
                for time in range(len(starts))
            ]
        )
        size = starts.shape[1]
        rows = torch.arange(size, device=starts.device)
        number = starts.cumsum(0)  # of the episode in its row; 0 is the one that goes on
        known_rows, known = self._known or (rows[:0], hashes[0, :0])
        episodes = torch.cat([known_rows, (number * size + rows).flatten()])
        hashes = torch.cat([known, hashes.flatten()])
        # Equals stand side by side, in the order of time.
        order = hashes.argsort(stable=True)
        order = order[episodes[order].argsort(stable=True)]
        changes = [part[order][1:] != part[order][:-1] for part in (episodes, hashes)]
        is_first = torch.ones_like(hashes, dtype=torch.bool)
        is_first[order[1:]] = changes[0] | changes[1]
        goes_on = is_first & (episodes // size == number[-1][episodes % size])
        self._known = (episodes % size)[goes_on][-MOST_KNOWN:], hashes[goes_on][-MOST_KNOWN:]
        return is_first[len(known) :].view_as(starts) & ~starts

    def forget(self) -> None:
        """Forget what the episodes that go on have shown."""
        self._known = None

    def shown(self) -> Plain:
        """Return what the episodes that go on have shown."""
        return None if self._known is None else list(self._known)

    def set_shown(self, shown: Any) -> None:
        """Go on with what `shown` returned.

        Raises:
            ValueError: if it is none of that.
        """
        if shown is not None:
            rows, hashes = shown
            if not rows.dtype == hashes.dtype == torch.int64 or not rows.shape == hashes.shape == (len(rows),):
                raise ValueError("what was shown is a row and a hash for each observation")
            shown = rows, hashes
        self._known = shown


class FirstVisits(Bonus):
    """1 for the first visit of an observation in its episode, 0 for every other one.

    Args:
        observation_space, action_space, left_out: see `Bonus`.
        compared: which leaves of an observation count, from left to right; None for all.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        left_out: Collection[str] = (),
        *,
        compared: Sequence[bool] | None,
    ) -> None:
        super().__init__(observation_space, action_space, left_out)
        self.compared = compared
        self.episodic = EpisodicNovelty(compared)

    def news(self, seen: Seen) -> Tensor:
        return self.episodic.first_visits(seen.observations, seen.starts)[1:].float()

    def forget(self) -> None:
        self.episodic.forget()

    def shown(self) -> Plain:
        return self.episodic.shown()

    def set_shown(self, shown: Any) -> None:
        self.episodic.set_shown(shown)


class Sights(FirstVisits):
    """First visits of sights: a place that odometry tells does not count (see `sights_of`)."""

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        left_out: Collection[str] = (),
    ) -> None:
        compared = sights_of(observation_space, left_out)
        super().__init__(observation_space, action_space, left_out, compared=compared)


class Places(FirstVisits):
    """First visits of a place and heading: of the keys whose spaces say `tells_place`, such as odometry.

    They count even if the memory leaves them out.

    Raises:
        ValueError: if there is no such key.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        left_out: Collection[str] = (),
    ) -> None:
        parts = observation_space.spaces if isinstance(observation_space, spaces.Dict) else {}
        compared = tuple(getattr(parts[key], "tells_place", False) for key in sorted(parts))
        if not any(compared):
            raise ValueError(
                "bonus='places': nothing in the observation tells a place; give a MiniGrid env odometry "
                "(env.odometry=true, make_vec_env(..., odometry=True)), or take bonus='sights'"
            )
        super().__init__(observation_space, action_space, left_out, compared=compared)
