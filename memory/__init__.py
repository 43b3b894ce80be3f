"""Everything recurrent: controllers, memories, and the core that joins them. Depends on torch only."""

from engram.memory.controllers.interface import Controller
from engram.memory.core import Core, CoreState, Unrolled
from engram.memory.interface import Access, Memory, Recall, SequentialMemory, Steps
from engram.memory.registry import CONTROLLERS, MEMORIES
from engram.memory.state import State, reset, tree_map

__all__ = [
    "CONTROLLERS",
    "MEMORIES",
    "Access",
    "Controller",
    "Core",
    "CoreState",
    "Memory",
    "Recall",
    "SequentialMemory",
    "State",
    "Steps",
    "Unrolled",
    "reset",
    "tree_map",
]
