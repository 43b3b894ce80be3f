"""The parts of a training that are carried over a rollout's boundary, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engram.agents.carried.interface import Part
from engram.agents.carried.parts import PARTS
from engram.storage import Plain

CARRIED: dict[str, Part] = {**PARTS}


def register_carried(name: str, take: Callable[[Any], Plain], put: Callable[[Any, Any], None]) -> None:
    """Register a part; a subclass that carries more over a rollout registers that.

    Raises:
        ValueError: if the name is taken.
    """
    if name in CARRIED:
        raise ValueError(f"{name!r} is registered already")
    CARRIED[name] = Part(take, put)


def carried(model: Any) -> dict[str, Plain]:
    """Return all that a training carries over a rollout's boundary but for its envs and callbacks, by part."""
    return {name: part.take(model) for name, part in CARRIED.items()}


def resume(model: Any, state: Mapping[str, Any]) -> None:
    """Bring a training to where another stood: its next rollout is bit for bit that one's.

    Args:
        model: made with the same settings, for the same envs.
        state: what `carried` returned.

    Raises:
        ValueError: in one line that names the part, if it is not that of such a training.
    """
    if missing := ", ".join(sorted(CARRIED.keys() ^ state.keys())):
        raise ValueError(f"the state has other parts than this training: {missing}")
    for name, part in CARRIED.items():
        try:
            part.put(model, state[name])
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RuntimeError, OverflowError) as error:
            raise ValueError(f"{name}: {' '.join(str(error).split())[:300]}") from error
