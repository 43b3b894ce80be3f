"""How much memory a training will take, said before it begins."""

from __future__ import annotations

import os

import torch

from engram.agents import MemoryPPO
from engram.agents.learning.memory_needed import memory_needed
from engram.agents.learning.numbers import numbers_now
from engram.tracking.peak_memory import resident_mb

COPIES = 2
"""How often a rollout is there at the same time: as it was collected, and as it is learned."""
BESIDE = 30.0
"""MiB for what comes with the first steps: the optimizer, buffers of libraries, what was freed and not given back."""


def memory_lines(model: MemoryPPO, n_envs: int) -> list[str]:
    """Say in a line how much memory the training will take, and in another if there is not so much.

    The evaluation after it needs more for its figures, some 300 MiB.

    Args:
        model: the agent.
        n_envs: envs that play side by side in this process.
    """
    rollout, minibatch = memory_needed(
        model.policy, numbers_now(vars(model), 1.0), model.n_steps, n_envs, model.chunks.chunk_length
    )
    parts = {"a rollout": COPIES * rollout / 2**20, "a minibatch": minibatch / 2**20}
    if model.device.type == "cpu":
        there, where = resident_mb(), ""
        limit = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20 if hasattr(os, "sysconf") else None
    else:
        there, where = torch.cuda.memory_allocated(model.device) / 2**20, f" of {model.device}"
        limit = torch.cuda.mem_get_info(model.device)[1] / 2**20
    if there is None:
        return []
    needed = there + BESIDE + sum(parts.values())
    told = ", ".join(f"{size:,.0f} for {what}" for what, size in parts.items())
    lines = [f"memory{where}: about {needed:,.0f} MiB in training ({there:,.0f} as it begins, {told})"]
    if limit is not None and needed > limit:
        lines.append(f"warning: there are {limit:,.0f} MiB; fewer envs (env.n_envs) or steps (ppo.n_steps) take less")
    return lines
