"""The state of envs in mid-episode as plain data: written, and given to others that go on as they would have."""

from engram.envs.state.plain.writing import Plain
from engram.envs.state.state import get_state, restore, set_state

__all__ = ["Plain", "get_state", "restore", "set_state"]
