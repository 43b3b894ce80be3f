"""The parts of a training that are carried over a rollout's boundary, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engram.agents.carried.interface import Part
from engram.agents.carried.parts import PARTS
from engram.storage import Plain

CARRIED: dict[str, Part] = {**PARTS}


def register_carried(
    name: str, take: Callable[[Any], Plain], put: Callable[[Any, Any], None], *, learned: bool = False
) -> None:
    """Register a part; a subclass that carries more over a rollout registers that; see `Part`.

    Raises:
        ValueError: if the name is taken.
    """
    if name in CARRIED:
        raise ValueError(f"{name!r} is registered already")
    CARRIED[name] = Part(take, put, learned)


def carried(model: Any) -> dict[str, Plain]:
    """Return all that a training carries over a rollout's boundary but for its envs and callbacks, by part."""
    return {name: part.take(model) for name, part in CARRIED.items()}


def own_of_process(model: Any) -> dict[str, Plain]:
    """Return what of it differs between processes that train one agent together, by part."""
    return {name: part.take(model) for name, part in CARRIED.items() if not part.learned}


def learned(model: Any) -> dict[str, Plain]:
    """Return what of it is the agent's: what `save` saves, by part."""
    return {name: part.take(model) for name, part in CARRIED.items() if part.learned}


def resume(model: Any, state: Mapping[str, Any]) -> None:
    """Bring a training to where another stood: its next rollout is bit for bit that one's.

    Args:
        model: made with the same settings, for the same envs.
        state: what `carried` returned.

    Raises:
        ValueError: in one line that names the part, if it is not that of such a training.
    """
    _put(model, state, CARRIED, "this training")


def set_learned(model: Any, state: Mapping[str, Any]) -> None:
    """Give an agent what another of the same kind had learned.

    Args:
        model: made with the same arguments.
        state: what `learned` returned.

    Raises:
        ValueError: in one line that names the part, if it is not that of such an agent.
    """
    before = learned(model)
    parts = {name: part for name, part in CARRIED.items() if part.learned}
    try:
        _put(model, state, parts, "this agent")
    except ValueError:
        _put(model, before, parts, "this agent")  # all of it or nothing
        raise


def _put(model: Any, state: Mapping[str, Any], parts: Mapping[str, Part], whose: str) -> None:
    if missing := ", ".join(sorted(map(str, parts.keys() ^ state.keys()))):
        raise ValueError(f"the state has other parts than {whose}: {missing[:120]}")
    for name, part in parts.items():
        try:
            part.put(model, state[name])
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RuntimeError, OverflowError) as error:
            raise ValueError(f"{name}: {' '.join(str(error).split())[:300]}") from error
