"""Everything recurrent: controllers, memories, and the core that joins them. Depends on torch only."""

from memory.controller import Controller
from memory.core import Core, CoreState, Unrolled
from memory.interface import Access, Memory, Recall, SequentialMemory, Steps
from memory.registry import CONTROLLERS, MEMORIES
from memory.state import State, reset, tree_map

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
