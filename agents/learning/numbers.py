"""The numbers of an update: what each is at the moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from engram.agents.settings import SCHEDULES, check_settings, number_now


class UpdateNumbers(NamedTuple):
    """What an update depends on beside the rollout; the schedules have their values of now."""

    n_epochs: int
    batch_size: int  # transitions
    clip_range: float
    clip_range_vf: float | None
    ent_coef: float
    vf_coef: float
    reward_coef: float
    recall_coef: float
    gamma: float
    normalize_advantage: bool
    max_grad_norm: float
    target_kl: float | None


def numbers_now(settings: Mapping[str, Any], progress: float) -> UpdateNumbers:
    """Return the numbers of an update as they are at the moment: a callback may have set them.

    Args:
        settings: the attributes of MemoryPPO.
        progress: share of the training that is left.

    Raises:
        ValueError: if one is out of range.
    """
    check_settings(settings)
    now = {name: settings[name] for name in UpdateNumbers._fields}
    for name in SCHEDULES.keys() & now.keys():
        now[name] = None if now[name] is None else number_now(name, now[name], progress)
    return UpdateNumbers(**now)
