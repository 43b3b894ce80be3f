"""The memory panel: figures of the memory while the agent plays, and whether the memory changes what it does."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.distributions import CategoricalDistribution
from torch import Tensor

from engram.agents.evaluation.slot_statistics import SlotStatistics
from engram.agents.policy import MemoryPolicy
from engram.agents.spaces import observation_tree
from engram.agents.steps import AgentState
from engram.memory import State, tree_map

UNUSED = 0.02
"""An agent with a smaller `use` (see `MemoryPanel.figures`) does not use its memory."""


class MemoryPanel:
    """Measures the memory of the first rows of an evaluation; a `Watch`.

    Args:
        policy: the agent.
        rows: how many.
    """

    def __init__(self, policy: MemoryPolicy, rows: int) -> None:
        self.policy, self.rows = policy, rows
        self.slots = SlotStatistics(rows, policy.core.memory.reads_before_writing)
        # The largest change of the probabilities in each row's episode so far, and in the episodes that have ended: a
        # memory that is needed at one step of a thousand is used.
        self.change, self.changes = torch.zeros(rows), list[float]()
        self.gates, self.cue_steps = np.zeros(2), np.zeros(2)  # on cue, elsewhere
        self.has_slots = self.has_begun = False

    @torch.no_grad()
    def __call__(
        self, observations: Any, state: AgentState, starts: NDArray[np.bool_], cue: NDArray[np.bool_] | None
    ) -> None:
        """Add one step, before it is taken.

        Args:
            observations: as the VecEnv returned them.
            state: the agent's, leaves [B, ...].
            starts: [B].
            cue: [B] whether the cue is in sight; None if the env does not report it.
        """
        device, policy = self.policy.device, self.policy
        tensors, _ = policy.obs_to_tensor(observations)
        whole = observation_tree(tensors, policy.observation_space, device)
        observed = tree_map(lambda leaf: leaf[: self.rows], whole)
        state = tree_map(lambda leaf: leaf[: self.rows], state)
        starting = torch.as_tensor(starts[: self.rows], dtype=torch.bool, device=device)
        events, unrolled = policy.unroll_step(observed, state, starting)
        without = state._replace(core=state.core._replace(memory=policy.core.memory.wiped(state.core.memory)))
        _, wiped = policy.unroll_step(observed, without, starting)
        intact, forgetful = (self._action_probabilities(observed, run.features[0]) for run in (unrolled, wiped))
        if self.has_begun:
            self.changes += self.change[starts[: self.rows]].tolist()
        self.has_begun = True
        self.change[starts[: self.rows]] = 0.0
        self.change = torch.maximum(self.change, _distance(intact, forgetful).cpu())
        access = policy.core.access(events, state.core, starting.unsqueeze(0), unrolled)
        if access is None:
            return
        self.has_slots = True
        self.slots.step(access, starting)
        if cue is not None:
            in_sight, gates = cue[: self.rows], access.gate.cpu().numpy()
            self.gates += gates[in_sight].sum(), gates[~in_sight].sum()
            self.cue_steps += in_sight.sum(), (~in_sight).sum()

    def _action_probabilities(self, observed: State, features: Tensor) -> Tensor:
        """Return the probabilities [B, A] of discrete actions, or the most likely actions of another kind.

        Not the distribution itself: SB3 has a single one, which the next call overwrites.
        """
        distribution = self.policy.distribution(features, observed, None)
        if isinstance(distribution, CategoricalDistribution):
            return distribution.distribution.probs
        return distribution.mode().float().flatten(1)

    def figures(self) -> dict[str, float]:
        """Return the figures by name.

        * use: how far the action probabilities change when the memory is wiped (total variation; for actions that are
          not discrete, half the distance of the most likely ones, at most 1): the largest change of each episode,
          averaged over episodes
        * write_rate, occupancy: share of the steps that wrote, of the slots that are filled
        * nothing_read, read_entropy, read_age: weight of reads that came from no write, entropy of reads in nats, steps
          between write and read
        * never_read: share of writes that were never read before they were overwritten or the episode ended
        * overwritten_unread: share of overwritten writes that had never been read
        * write_selectivity: mean write gate while the cue is in sight minus mean write gate at other steps
        """
        counts = self.slots.finish()
        found = {"use": float(np.mean([*self.changes, *self.change.tolist()]))}
        if not self.has_slots:
            return found
        found |= {
            "write_rate": counts.writes / counts.steps,
            "occupancy": counts.filled / counts.steps,
            "nothing_read": counts.nothing / counts.reads,
            "read_entropy": counts.entropy / counts.reads,
        }
        for name, part, whole in (
            ("read_age", counts.age, counts.read_weight),
            ("never_read", counts.never_read, counts.stored),
            ("overwritten_unread", counts.overwritten_unread, counts.overwritten),
        ):
            if whole:
                found[name] = part / whole
        if self.cue_steps.all():
            in_sight, elsewhere = self.gates / self.cue_steps
            found["write_selectivity"] = float(in_sight - elsewhere)
        return found


def _distance(one: Tensor, other: Tensor) -> Tensor:
    """Return the distance of two action distributions, [B] in 0..1, given what `_action_probabilities` returns."""
    return ((one - other).abs().sum(1) / 2).clamp(max=1.0)
