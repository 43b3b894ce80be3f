"""NovelD: new is what is newer than what one came from, the first time in an episode."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

from gymnasium import spaces
from torch import Tensor

from engram.agents.exploration.embedding import in_parts
from engram.agents.exploration.first_visits import EpisodicNovelty
from engram.agents.exploration.interface import Seen
from engram.agents.exploration.rnd import RND
from engram.agents.spaces import leaves_without
from engram.storage import Plain


class NovelD(RND):
    """NovelD (Zhang et al. 2021): `max(n(s') - α n(s), 0)` at the first visit of s' in its episode.

    n is the error of random network distillation, `|f̂ - f|`. It pays for crossing the border to what is new.
    """

    alpha: ClassVar[float] = 0.5

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        left_out: Collection[str] = (),
    ) -> None:
        super().__init__(observation_space, action_space, left_out)
        self.episodic = EpisodicNovelty(leaves_without(observation_space, left_out))

    def raw_news(self, seen: Seen) -> Tensor:
        novelty = in_parts(self.squared_errors, seen.observations).sqrt()
        is_first = self.episodic.first_visits(seen.observations, seen.starts)[1:]
        return (novelty[1:] - self.alpha * novelty[:-1]).clamp(min=0.0) * is_first

    def forget(self) -> None:
        self.episodic.forget()

    def shown(self) -> Plain:
        return self.episodic.shown()

    def set_shown(self, shown: Any) -> None:
        self.episodic.set_shown(shown)
