"""The interventions by name, and those that act before every step."""

from __future__ import annotations

from engram.agents.evaluation.after_cue import FrozenAfterCue, SwappedAfterCue, WipedAfterCue
from engram.agents.evaluation.intervention import Flags, Intervention, TakeStep, with_memory
from engram.agents.policy import MemoryPolicy
from engram.agents.steps import AgentState
from engram.memory import tree_map


class Wiped(Intervention):
    """Empties the memory before every step."""

    def before(self, state: AgentState, starts: Flags, cue: Flags) -> AgentState:
        return with_memory(state, self.policy.core.memory.wiped(state.core.memory))


class ControllerWiped(Intervention):
    """Resets the controller's state before every step; the previous action is an input and stays."""

    def before(self, state: AgentState, starts: Flags, cue: Flags) -> AgentState:
        initial = self.policy.core.controller.initial_state(self.n_envs)
        return state._replace(core=state.core._replace(controller=initial))


class BothWiped(ControllerWiped):
    """Empties the memory and resets the controller's state before every step."""

    def before(self, state: AgentState, starts: Flags, cue: Flags) -> AgentState:
        state = super().before(state, starts, cue)
        return with_memory(state, self.policy.core.memory.wiped(state.core.memory))


class ReadsShuffled(Intervention):
    """Makes every env read the memory of another one, while each memory is written as if nothing had been done."""

    least_envs = 2

    def before(self, state: AgentState, starts: Flags, cue: Flags) -> AgentState:
        return with_memory(state, tree_map(lambda leaf: leaf.roll(1, 0), state.core.memory))

    def after(self, state: AgentState, acted: AgentState, after: AgentState, step: TakeStep) -> AgentState:
        return with_memory(after, step(state)[1].core.memory)


INTERVENTIONS: dict[str, type[Intervention]] = {
    "intact": Intervention,
    "wiped": Wiped,
    "controller_wiped": ControllerWiped,
    "both_wiped": BothWiped,
    "wiped_after_cue": WipedAfterCue,
    "frozen_after_cue": FrozenAfterCue,
    "reads_shuffled": ReadsShuffled,
    "swapped_after_cue": SwappedAfterCue,
}


def make_intervention(name: str, policy: MemoryPolicy, n_envs: int, seed: int = 0) -> Intervention:
    """Return an intervention by its name.

    Raises:
        ValueError: if there is none of this name, or there are too few envs.
    """
    if name not in INTERVENTIONS:
        raise ValueError(f"unknown intervention '{name}'; choose one of {', '.join(INTERVENTIONS)}")
    if n_envs < INTERVENTIONS[name].least_envs:
        raise ValueError(f"'{name}' needs {INTERVENTIONS[name].least_envs} envs or more side by side")
    return INTERVENTIONS[name](policy, n_envs, seed)
