"""A recorded episode replayed with edited memories: some events never stored, others with another observation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from engram.agents.encoder import Event
from engram.agents.evaluation.recording import Recording
from engram.agents.policy import MemoryPolicy
from engram.agents.steps import AgentState
from engram.memory import State, reset, tree_map
from engram.memory.episodic.edit import happened_at, replace_events
from engram.memory.episodic.event_log import EpisodicState
from engram.memory.episodic.memory import EpisodicMemory
from engram.memory.state import concatenate

Edits: TypeAlias = "Mapping[int, State | None]"
"""From a step to the observation (leaves [1, ...]) that its event gets instead; None if it is never stored."""
BATCH = 512  # edits that are replayed side by side


class CounterfactualEffects(NamedTuple):
    """How the agent decides at each of T steps: as recorded, and with each of G edits of its memory."""

    likelihood: NDArray[np.float64]  # [T] probability of the recorded action; log of its density if continuous
    value: NDArray[np.float64]  # [T]
    edited_likelihood: NDArray[np.float64]  # [G, T] of the recorded action
    edited_value: NDArray[np.float64]  # [G, T]
    edited_action: NDArray[np.float64]  # [G, T] or [G, T, A] the most likely one

    @property
    def likelihood_change(self) -> NDArray[np.float64]:
        """[G, T] likelihood with the edits minus likelihood as recorded."""
        return self.edited_likelihood - self.likelihood


def is_density(policy: MemoryPolicy) -> bool:
    """Return whether the likelihood of an agent's actions is the log of a density instead of a probability."""
    return isinstance(policy.action_space, spaces.Box)


def holds_events(policy: MemoryPolicy) -> bool:
    """Return whether an agent's memory holds events, which can be replaced as well as deleted."""
    return isinstance(policy.core.memory, EpisodicMemory)


def replay_with_edits(
    policy: MemoryPolicy,
    recording: Recording,
    edits: Sequence[Edits],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> CounterfactualEffects:
    """Replay an episode once with each of several edits of what is stored.

    Observations and actions stay as they were recorded, and so do the memory's decisions, such as which slot was
    written: only the contents of the memory differ. Deleting works for every memory, by `Memory.unwritten`.

    Args:
        policy: the agent.
        recording: the episode, T steps.
        edits: G of them.
        on_progress: called with (steps done, steps in all).

    Returns:
        the agent's decisions, as recorded and with the edits.

    Raises:
        ValueError: if an event is to be replaced in a memory that holds no events.
    """
    if not holds_events(policy) and any(other is not None for edit in edits for other in edit.values()):
        name = type(policy.core.memory).__name__
        raise ValueError(f"events can be replaced only in an episodic memory, not in {name}: delete them instead")
    length = len(recording.steps)
    batches = [edits[start : start + BATCH] for start in range(0, max(1, len(edits)), BATCH)]
    parts = []
    for number, batch in enumerate(batches):

        def on_step(done: int, before: int = number * length) -> None:
            on_progress((before + done) // len(batches), length)

        parts.append(_replay(policy, recording, batch, on_step))
    edited = (np.concatenate([part[field] for part in parts]) for field in range(2, 5))
    return CounterfactualEffects(parts[0].likelihood, parts[0].value, *edited)


@torch.no_grad()
def _replay(
    policy: MemoryPolicy, recording: Recording, edits: Sequence[Edits], on_step: Callable[[int], None]
) -> CounterfactualEffects:
    """Replay an episode with all edits side by side."""
    policy.set_training_mode(False)
    edit_of_row: list[Edits] = [{}, *edits]  # row 0 is as recorded
    rows, device = len(edit_of_row), policy.device
    memory, state = policy.core.memory, policy.initial_state(rows)
    likelihoods, values, actions = [], [], []
    for time, step in enumerate(recording.steps):
        observation, decisions = (
            tree_map(lambda leaf: leaf.expand(rows, *leaf.shape[1:]), tree)
            for tree in (step.observation, step.decisions)
        )
        starts = torch.full((rows,), time == 0, device=device)
        events, unrolled = policy.unroll_step(observation, state, starts, decisions)
        features, after = unrolled.features[0], unrolled.state
        mask = None if step.mask is None else step.mask.expand(rows, -1)
        distribution = policy.distribution(features, observation, mask)
        action = step.action.expand(rows, *step.action.shape[1:])
        log_prob = distribution.log_prob(action)
        likelihoods.append(log_prob if is_density(policy) else log_prob.exp())
        values.append(recording.return_scale * policy.value(features))
        actions.append(distribution.get_actions(deterministic=True))
        edited = {row: edit[time] for row, edit in enumerate(edit_of_row) if time in edit}
        if edited:
            deleted = torch.tensor([edited.get(row, ...) is None for row in range(rows)], device=device)
            before = reset(state.core.memory, memory.initial_state(rows), starts)
            contents = reset(after.memory, memory.unwritten(before, after.memory), deleted)
            others = {row: other for row, other in edited.items() if other is not None}
            if others:
                event = tree_map(lambda leaf: leaf[0], events)
                contents = _replace_observations(contents, time, event, others, memory.compared)
            after = after._replace(memory=contents)
        state = AgentState(after, policy.stored_action.store(action))
        on_step(time + 1)
    likelihood, value, best_action = (
        torch.stack(steps, 1).double().cpu().numpy() for steps in (likelihoods, values, actions)
    )
    return CounterfactualEffects(likelihood[0], value[0], likelihood[1:], value[1:], best_action[1:])


def _replace_observations(
    memory: EpisodicState, time: int, event: Event, others: Mapping[int, State], compared: tuple[bool, ...] | None
) -> EpisodicState:
    """Give the event (leaves [B, ...]) of a step other observations in some rows, if it is stored there at all."""
    rows = len(memory.birth)
    own = (tree_map(lambda leaf, row=row: leaf[row : row + 1], event.observation) for row in range(rows))
    observation = concatenate([others.get(row, unedited) for row, unedited in enumerate(own)])
    steps = torch.full((rows, 1), time, device=memory.birth.device)
    return replace_events(memory, happened_at(memory, steps), event._replace(observation=observation), compared)
