"""Episodic novelty: a bonus for the first visit of an observation in an episode, so that the agent goes and looks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engram.memory import State, tree_map
from engram.memory.event_hash import event_hash

MOST_KNOWN = 2**20
"""Observations that are remembered in all envs together; in episodes that show more, the oldest are forgotten."""


class EpisodicNovelty:
    """Finds the observations that are the first of their kind in their episode.

    It depends on observations only, so it is the same for every memory and every baseline. They are worked out for a
    whole rollout at once, where the observations are.

    Args:
        compared: which leaves of an observation count, from left to right; None for all.
    """

    def __init__(self, compared: Sequence[bool] | None = None) -> None:
        self.compared = compared
        self._hashes: list[Tensor] = []  # [1, B] each
        self._starts: list[Tensor] = []  # [B] each
        # What the episodes that go on have shown: row and hash, [C] each.
        self._known: tuple[Tensor, Tensor] | None = None

    def see(self, observation: State, episode_start: Tensor) -> None:
        """Look at the next observation of every env.

        Args:
            observation: leaves [B, ...].
            episode_start: [B] bool.
        """
        self._hashes.append(event_hash(tree_map(lambda leaf: leaf.unsqueeze(0), observation), self.compared))
        self._starts.append(episode_start)

    def first_visits(self) -> Tensor:
        """Return which of the observations seen since the last call were first visits, [X, B] bool.

        The first observation of an episode is none, since no action led to it.
        """
        hashes, starts = torch.cat(self._hashes), torch.stack(self._starts)
        self._hashes, self._starts = [], []
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


def first_visit_rate(first_visits: Tensor, ended: Tensor) -> float:
    """Return the share of first visits among the steps of a rollout that could be one.

    Args:
        first_visits: [T, B] bool.
        ended: [T, B] bool, the episode ended after the step, so that the next observation is a first one.
    """
    return int(first_visits.sum()) / max(1, int((~ended).sum()))


def novelty_bonus(first_visits: Tensor, rate: float, coef: float) -> Tensor:
    """Turn first visits into rewards; if every step is a first visit, they are worth nothing.

    Where noise makes every observation new, a bonus would only pay for time. So it falls as first visits become
    frequent: to 94 % if half of all steps are first visits, to 34 % if nine of ten are, to nothing if all are.

    Args:
        first_visits: [T, B] bool, from one rollout.
        rate: share of first visits in the rollout, see `first_visit_rate`.
        coef: reward for a first visit where they are rare.

    Returns:
        [T, B] `coef * first_visits * (1 - rate ** 4)`.
    """
    return torch.where(first_visits, coef * (1.0 - rate**4), 0.0)
