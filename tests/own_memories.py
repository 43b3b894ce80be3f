"""Memories as a user would write them: what the tests register to see that the laws hold for them too."""

from typing import NamedTuple

import torch
from torch import nn

from engram.memory import FeedbackMemory, Memory, MemoryOutput, MemoryStep, reset


class CountState(NamedTuple):
    count: torch.Tensor  # [B, 1]


class Counting(FeedbackMemory[CountState]):
    """Reads how many steps the episode has had, so that resets read as [1, 2, 1, 2, 3]; it is fed back, too.

    It leaves every reset to the loop.
    """

    read_size = 1
    feedback_size = 1

    def __init__(self, encode, event, encoded_size, hidden_size):
        super().__init__(encode, event, encoded_size, hidden_size)
        self.register_buffer("zero", torch.zeros(1, 1), persistent=False)  # it follows the core's dtype and device

    def initial_state(self, batch_size):
        return CountState(self.zero.expand(batch_size, -1))

    def step(self, hidden, encoded, state, decision=None):
        count = state.count + 1
        return MemoryStep(CountState(count), {"count": count.squeeze(1)})


class RegistersState(NamedTuple):
    registers: torch.Tensor  # [B, K, W]
    read: torch.Tensor  # [B, W]


class Registers(Memory[RegistersState]):
    """A user's memory: K registers with a learned start, one overwritten at each step (a discrete, recorded choice)."""

    read_size = 2

    def __init__(self, encode, event, encoded_size, hidden_size, registers=3, feedback=True):
        super().__init__(encode, event, encoded_size, hidden_size)
        self.feedback_size = self.read_size if feedback else 0
        self.start = nn.Parameter(torch.randn(registers, self.read_size))
        self.choose = nn.Linear(encoded_size, registers)
        self.value = nn.Linear(hidden_size, self.read_size)
        self.query = nn.Linear(hidden_size, self.read_size)

    def initial_state(self, batch_size):
        registers = self.start.expand(batch_size, -1, -1)
        return RegistersState(registers, registers[:, 0])

    def forward(self, steps, state, decisions=None, cache=None):
        chosen = self.choose(steps.encoded).argmax(-1) if decisions is None else decisions
        initial, reads = self.initial_state(steps.hidden.shape[1]), []
        each = torch.arange(len(self.start), device=chosen.device)
        for hidden, choice, start in zip(steps.hidden, chosen, steps.episode_starts, strict=True):
            registers = reset(state, initial, start).registers
            weights = torch.einsum("bw,bkw->bk", self.query(hidden), registers).softmax(1)
            reads.append(torch.einsum("bk,bkw->bw", weights, registers))
            here = (choice.unsqueeze(1) == each).unsqueeze(2)
            registers = torch.where(here, torch.tanh(self.value(hidden)).unsqueeze(1).to(registers.dtype), registers)
            state = RegistersState(registers, reads[-1].to(registers.dtype))
        return MemoryOutput(torch.stack(reads), state, chosen, None, {"chosen": chosen.float()})

    def feedback(self, state):
        return state.read


OWN_MEMORIES = {"counting": Counting, "registers": Registers}
