"""How stale the agent's state is: what it carried over an update, beside what the new weights make of it."""

from __future__ import annotations

import torch
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from engram.agents import MemoryPPO
from engram.agents.spaces import observation_tree
from engram.agents.steps import AgentState
from engram.memory import CoreState, tree_map

ROWS = 16


class StateDrift(BaseCallback):
    """Records how far a stale state moves what the heads see, before every rollout but the first.

    The last chunk of the rollout before is run again, from the state that was carried into it and with the decisions
    recorded, with the weights as they are now: what they change in that chunk is a lower bound of what they would
    change in all. `memory/drift` is the distance between the features that the next observation gives with the memory
    carried and with the one recomputed, relative to their length; `memory/controller_drift` is the same for the
    controller's state. A memory of events keeps nothing that changes with the weights: its drift is zero.
    """

    model: MemoryPPO

    def _on_rollout_start(self) -> None:
        if self.model._state is None or not hasattr(self.model.chunks, "steps"):
            return
        chunk, policy = self.model.chunks.last_chunk(), self.model.policy
        steps = tree_map(lambda leaf: leaf[:, :ROWS], chunk[0])
        before, carried = (tree_map(lambda leaf: leaf[:ROWS], state) for state in (chunk[1], self.model._state))
        with torch.no_grad():
            stored = policy.stored_action.store(steps.actions)
            previous = torch.cat([before.previous_action.unsqueeze(0), stored[:-1]])
            events = policy.events(steps.observation, previous, steps.episode_start)
            again = policy.core.unroll(events, before.core, steps.episode_start, steps.decisions).state
            now = self._features(carried._replace(core=again))
            with_old_memory = self._features(carried._replace(core=CoreState(again.controller, carried.core.memory)))
            with_old_controller = self._features(
                carried._replace(core=CoreState(carried.core.controller, again.memory))
            )
        if policy.core.memory.read_size:
            self.logger.record("memory/drift", _distance(with_old_memory, now))
        self.logger.record("memory/controller_drift", _distance(with_old_controller, now))

    def _on_step(self) -> bool:
        return True

    def _features(self, state: AgentState) -> Tensor:
        """Return what the heads would see at the next step, [B, F]."""
        policy, rows = self.model.policy, len(state.previous_action)
        seen = observation_tree(self.model._last_obs, policy.observation_space, policy.device)
        starts = torch.as_tensor(self.model._last_episode_starts, dtype=torch.bool, device=policy.device)
        _, unrolled = policy.unroll_step(tree_map(lambda leaf: leaf[:rows], seen), state, starts[:rows])
        return unrolled.features[0]


def _distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm().clamp(min=1e-9))
