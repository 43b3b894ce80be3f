"""No external memory: the control that leaves all remembering to the controller."""

from __future__ import annotations

from torch import Tensor

from engram.memory.interface import Memory, MemoryOutput, StepSequence
from engram.memory.state import State


class NoMemory(Memory[tuple[()]]):
    """Stores nothing and reads nothing."""

    read_size = 0

    def initial_state(self, batch_size: int) -> tuple[()]:
        return ()

    def forward(
        self, steps: StepSequence, state: tuple[()], decisions: State | None = None, cache: object = None
    ) -> MemoryOutput:
        nothing: Tensor = steps.hidden[..., :0]
        return MemoryOutput(nothing, (), (), None, {})
