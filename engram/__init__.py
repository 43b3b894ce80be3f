"""Reinforcement learning with an episodic external memory: one import name for everything that is installed.

In a checkout the packages (`agents/`, `envs/`, `memory/`, …) lie at the top of the repository, so that the folder tree
is the block diagram; they are imported as `engram.agents`, `engram.envs`, …, from there as from a wheel.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gymnasium import Env

    from engram.agents import AgentState, MemoryPolicy, MemoryPPO, register_encoder
    from engram.cli.training.resuming import resume_run
    from engram.envs import make_env, make_vec_env
    from engram.evidence.runs.open import load_run
    from engram.memory import register_controller, register_memory

__version__ = "0.1.0"

__all__ = [
    "AgentState",
    "MemoryPPO",
    "MemoryPolicy",
    "__version__",
    "load_run",
    "make_env",
    "make_vec_env",
    "register_controller",
    "register_encoder",
    "register_memory",
    "resume_run",
]

_HOMES = {
    "AgentState": "engram.agents",
    "MemoryPPO": "engram.agents",
    "MemoryPolicy": "engram.agents",
    "load_run": "engram.evidence.runs.open",
    "make_env": "engram.envs",
    "make_vec_env": "engram.envs",
    "register_controller": "engram.memory",
    "register_encoder": "engram.agents",
    "register_memory": "engram.memory",
    "resume_run": "engram.cli.training.resuming",
}

_checkout = Path(__file__).resolve().parent.parent
if (_checkout / "pyproject.toml").is_file() and (_checkout / "memory" / "core.py").is_file():
    # First, so that files have their real names in messages; the links beside this file are for type checkers only.
    __path__.insert(0, str(_checkout))


def adapt_env(env: Env[Any, Any] | str) -> Env[Any, Any]:
    """Show an env, or that of an id, as `make_env` would: so `MemoryPPO` takes any, though it knows no tasks."""
    adapted: Env[Any, Any] = import_module("engram.envs").adapt_env(env)
    return adapted


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, so that `engram.memory` alone needs torch alone."""
    if name not in _HOMES:
        raise AttributeError(f"module 'engram' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
