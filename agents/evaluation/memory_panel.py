"""The memory panel: what the memory does while the agent plays, and whether the agent acts by it at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.distributions import CategoricalDistribution
from torch import Tensor

from engram.agents.evaluation.slot_statistics import SlotStatistics
from engram.agents.policy import AgentState, MemoryPolicy
from engram.agents.spaces import observation_tree
from engram.memory import State, tree_map

UNUSED = 0.02
"""An agent does not use its memory if its action probabilities move no more than this at any step when the memory is
wiped, on the average over episodes."""


class MemoryPanel:
    """Watches the first rows of an evaluation.

    Args:
        policy: the agent.
        rows: how many envs to watch.
    """

    def __init__(self, policy: MemoryPolicy, rows: int) -> None:
        self.policy, self.rows = policy, rows
        self.ledger = SlotStatistics(rows, policy.core.memory.reads_before_writing)
        # The largest movement of the probabilities in each row's episode so far, and in those that have ended: a memory
        # that is needed at one step of a thousand is used.
        self.moved, self.largest = torch.zeros(rows), list[float]()
        self.gates, self.cue_steps = np.zeros(2), np.zeros(2)  # on cue, elsewhere
        self.has_slots = self.begun = False

    @torch.no_grad()
    def __call__(
        self, observations: Any, state: AgentState, starts: NDArray[np.bool_], cue: NDArray[np.bool_] | None
    ) -> None:
        """Look at one step before it is taken.

        Args:
            observations: as the VecEnv returned them.
            state: the agent's, leaves [B, ...].
            starts: [B].
            cue: [B] whether the cue is in sight; None if the env does not tell.
        """
        device, policy = self.policy.device, self.policy
        tensors, _ = policy.obs_to_tensor(observations)
        whole = observation_tree(tensors, policy.observation_space, device)
        seen = tree_map(lambda leaf: leaf[: self.rows], whole)
        state = tree_map(lambda leaf: leaf[: self.rows], state)
        starting = torch.as_tensor(starts[: self.rows], dtype=torch.bool, device=device)
        events, unrolled = policy.unroll_step(seen, state, starting)
        without = state._replace(core=state.core._replace(memory=policy.core.memory.wiped(state.core.memory)))
        _, wiped = policy.unroll_step(seen, without, starting)
        likely, forgetful = (self._likely(seen, run.features[0]) for run in (unrolled, wiped))
        if self.begun:
            self.largest += self.moved[starts[: self.rows]].tolist()
        self.begun = True
        self.moved[starts[: self.rows]] = 0.0
        self.moved = torch.maximum(self.moved, _distance(likely, forgetful).cpu())
        access = policy.core.access(events, state.core, starting.unsqueeze(0), unrolled)
        if access is None:
            return
        self.has_slots = True
        self.ledger.step(access, starting)
        if cue is not None:
            shown, gates = cue[: self.rows], access.gate.cpu().numpy()
            self.gates += gates[shown].sum(), gates[~shown].sum()
            self.cue_steps += shown.sum(), (~shown).sum()

    def _likely(self, seen: State, features: Tensor) -> Tensor:
        """Return the probabilities [B, A] of discrete actions, or the most likely others.

        At once: SB3 has one distribution, which the next call overwrites.
        """
        distribution = self.policy.distribution(features, seen, None)
        if isinstance(distribution, CategoricalDistribution):
            return distribution.distribution.probs
        return distribution.mode().float().flatten(1)

    def figures(self) -> dict[str, float]:
        """Return what was seen, by name.

        * use: how far the action probabilities move when the memory is wiped (total variation; for actions that are not
          discrete, half the distance of the most likely ones, at most 1), the most at any step of an episode, on the
          average over episodes
        * write_rate, occupancy: share of steps that wrote, of slots that hold something
        * nothing_read, read_entropy, read_age: weight of what was read from nothing stored, spread of the reads in
          nats, steps since what is read was written
        * never_read: share of writes that nobody read before they were overwritten or the episode ended
        * overwritten_unread: share of overwritten slots that nobody had read
        * write_selectivity: mean gate where the cue is in sight less that elsewhere
        """
        counts = self.ledger.finish()
        found = {"use": float(np.mean([*self.largest, *self.moved.tolist()]))}
        if not self.has_slots:
            return found
        found |= {
            "write_rate": counts.decisions / counts.steps,
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
            on_cue, elsewhere = self.gates / self.cue_steps
            found["write_selectivity"] = float(on_cue - elsewhere)
        return found


def _distance(one: Tensor, other: Tensor) -> Tensor:
    """Return how far two action distributions are apart, [B] in 0..1, given what `_likely` returns."""
    return ((one - other).abs().sum(1) / 2).clamp(max=1.0)
