"""Everything recurrent: controllers, memories, and the core that joins them. Depends on torch only."""

from engram.memory.controllers.interface import Controller
from engram.memory.core import Cache, Core, CoreState, Replay, Unrolled
from engram.memory.feedback.feedback_memory import FeedbackMemory, MemoryStep
from engram.memory.interface import Memory, MemoryOutput, SlotAccess, StepSequence
from engram.memory.registry import CONTROLLERS, MEMORIES, register_controller, register_memory
from engram.memory.state import State, reset, tree_map

__all__ = [
    "CONTROLLERS",
    "MEMORIES",
    "Cache",
    "Controller",
    "Core",
    "CoreState",
    "FeedbackMemory",
    "Memory",
    "MemoryOutput",
    "MemoryStep",
    "Replay",
    "SlotAccess",
    "State",
    "StepSequence",
    "Unrolled",
    "register_controller",
    "register_memory",
    "reset",
    "tree_map",
]
