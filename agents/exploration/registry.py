"""Names of bonuses: from the word in a config or script to the class."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from gymnasium import spaces

from engram.agents.exploration.e3b import E3B
from engram.agents.exploration.first_visits import Places, Sights
from engram.agents.exploration.interface import Bonus
from engram.agents.exploration.noveld import NovelD
from engram.agents.exploration.rnd import RND
from engram.memory.named_classes import NamedClasses

BONUSES: NamedClasses[Bonus] = NamedClasses(
    "bonus",
    Bonus,
    {"observation_space", "action_space", "left_out"},
    {"sights": Sights, "places": Places, "rnd": RND, "noveld": NovelD, "e3b": E3B},
)
register_bonus = BONUSES.register
"""Give a `Bonus` of one's own a name; see `memory.named_classes.NamedClasses.register`."""


def build_bonus(
    chosen: str | type[Bonus],
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    left_out: Collection[str] = (),
    device: torch.device | str = "cpu",
) -> Bonus:
    """Build a bonus, chosen by name or class; nothing else is drawn differently because of it.

    Raises:
        ValueError: if the name is unknown, or the observations lack what it needs.
    """
    cls, _ = BONUSES.resolve(chosen, None)
    with torch.random.fork_rng(devices=[]):
        built: Bonus = cls(observation_space, action_space, left_out)
    return built.to(device)
