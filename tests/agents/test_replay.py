"""THE REPLAY LAW: before any update, what is recomputed of a rollout equals what was collected.

And the opposite: the law is seen to fail when a reset is broken.
"""

from itertools import pairwise

import pytest
import torch
from registered import pairs
from staggered import (
    ACTIONS,
    LENGTHS,
    OBSERVATIONS,
    ROWS,
    STEPS,
    Masked,
    MaskedByObservation,
    agent,
    collect_one,
    replay_error,
    rollouts,
    vec_env,
)

from engram.agents.rollout.buffer import ChunkBuffer
from engram.memory import tree_map
from engram.memory.controllers.gru.definition import GRU
from engram.memory.controllers.lstm.definition import LSTM
from engram.memory.episodic import reach
from engram.memory.episodic.acting.native import NativeStep
from engram.memory.episodic.attention import EventAttention

TOLERANCE = 1e-5
BROKEN = 1e-3

SIZES = {
    "episodic": [
        {"slots": 4, "heads": 2, "hops": 2},
        {"slots": 31, "heads": 1, "step_embedding_size": 0},
        {"slots": 11, "heads": 2, "read": "sparse", "k": 3},
    ],
    "ntm": [{"slots": 7, "word_size": 4, "read_heads": 2}],
    "dnc": [{"slots": 7, "word_size": 4, "read_heads": 2}],
    "fast_weight": [{"heads": 2, "key_size": 5, "value_size": 9, "half_life": 2.0}],
    "registers": [{"feedback": True}],
    "transformer": [{"width": 6, "heads": 3, "window": 4}],
}
CORES = [
    pytest.param(controller, memory, kwargs, id="-".join([controller, memory, *map(str, kwargs.values())]))
    for controller, memory, kwargs in pairs(SIZES)
]


def without_resets(state, initial_state, episode_start):
    return state


def in_double(model):
    """Let an agent compute in double precision; what it is judged by, it still rounds to single."""
    model.policy.double()
    extractor = model.policy.features_extractor
    extractor.register_forward_pre_hook(lambda _, given: (given[0].double(), *given[1:]))
    return model


@pytest.mark.parametrize(("controller", "memory", "kwargs"), CORES)
def test_what_is_recomputed_equals_what_was_collected(controller, memory, kwargs):
    model = agent(controller=controller, memory=memory, memory_kwargs=kwargs)
    if kwargs.get("hops", 1) > 1:  # what a read rounds, the next asks with, many times as sharply
        model = in_double(model)
    for _ in range(3):  # the state is carried from rollout to rollout
        collect_one(model)
        assert replay_error(model) <= TOLERANCE
        model.train()


@pytest.mark.parametrize("observations", OBSERVATIONS)
def test_for_every_kind_of_observation(observations):
    model = agent(vec_env(observation_space=OBSERVATIONS[observations]))
    for _ in range(2):
        collect_one(model)
        assert replay_error(model) <= TOLERANCE
        model.train()


@pytest.mark.parametrize("actions", ACTIONS)
def test_for_every_kind_of_action(actions):
    model = agent(vec_env(action_space=ACTIONS[actions]))
    for _ in range(2):
        collect_one(model)
        assert replay_error(model) <= TOLERANCE
        model.train()


@pytest.mark.parametrize("env", [Masked, MaskedByObservation])
@pytest.mark.parametrize("actions", ["discrete", "multidiscrete"])
def test_with_action_masks(env, actions):
    model = agent(vec_env(env=env, action_space=ACTIONS[actions]))
    for _ in range(2):
        collect_one(model)
        assert replay_error(model) <= TOLERANCE
        model.train()


def test_the_episodes_of_the_test_end_at_different_times_and_across_chunk_borders():
    model = agent()
    rollouts(model, 2)
    starts = model.chunks.steps.episode_start
    assert len({tuple(row) for row in starts.t().tolist()}) == ROWS
    assert starts[1:].any()
    assert any(starts[border].any() for border in (5, 10))
    assert not starts[0].all()
    assert starts.float().mean() < 0.5


@pytest.mark.parametrize(("controller", "memory", "kwargs"), CORES)
def test_every_episode_replayed_alone_from_a_fresh_state_gives_the_same(controller, memory, kwargs):
    """The truth without any reset: it fails too where acting and learning forget a reset alike."""
    assert episodes_alone_error(agent(controller=controller, memory=memory, memory_kwargs=kwargs)) <= 2 * TOLERANCE


def episodes_alone_error(model):
    recorded = []
    for _ in range(3):
        collect_one(model)
        recorded.append(model.chunks.steps)
    whole = tree_map(lambda *parts: torch.cat(parts), *recorded)
    error, episodes = 0.0, 0
    for row in range(ROWS):
        borders = [*whole.episode_start[:, row].nonzero().flatten().tolist(), 3 * STEPS]
        for first, last in pairwise(borders):
            steps = tree_map(lambda leaf, span=slice(first, last), row=row: leaf[span, row : row + 1], whole)
            with torch.no_grad():
                now = model.policy.evaluate_chunk(
                    steps.observation,
                    steps.actions,
                    model.policy.initial_state(1),
                    torch.zeros(last - first, 1, dtype=torch.bool),
                    None,
                )
            error = max(error, (now.log_probs - steps.log_probs).abs().max().item())
            error = max(error, (now.values - steps.values).abs().max().item())
            episodes += 1
    assert episodes >= sum(len(lengths) for lengths in LENGTHS)
    return error


# The law fails when something is broken.


@pytest.fixture
def looped(monkeypatch):
    """The naive loop resets where it can be broken from outside."""
    for controller in (LSTM, GRU):
        monkeypatch.setattr(controller, "run", controller.run_naive)


@pytest.mark.usefixtures("looped")
@pytest.mark.parametrize("controller", ["lstm", "gru"])
def test_it_fails_without_the_reset_of_the_controller_in_learning(controller, monkeypatch):
    model = agent(controller=controller, memory="none")
    rollouts(model)
    assert replay_error(model) <= TOLERANCE
    monkeypatch.setattr("engram.memory.controllers.interface.reset", without_resets)
    assert replay_error(model) > BROKEN


@pytest.mark.usefixtures("looped")
@pytest.mark.parametrize("controller", ["lstm", "gru"])
def test_it_fails_without_the_reset_of_the_controller_in_acting(controller, monkeypatch):
    model = agent(controller=controller, memory="none")
    with monkeypatch.context() as broken:
        broken.setattr("engram.memory.controllers.interface.reset", without_resets)
        rollouts(model)
    assert replay_error(model) > BROKEN


@pytest.mark.usefixtures("looped")
@pytest.mark.parametrize("controller", ["lstm", "gru"])
def test_the_truth_fails_without_the_reset_of_the_controller_in_both(controller, monkeypatch):
    monkeypatch.setattr("engram.memory.controllers.interface.reset", without_resets)
    assert episodes_alone_error(agent(controller=controller, memory="none")) > BROKEN


def test_it_fails_without_the_reset_of_a_memory_with_feedback(monkeypatch):
    model = agent(memory="counting")
    rollouts(model)
    assert replay_error(model) <= TOLERANCE
    monkeypatch.setattr("engram.memory.feedback.loop.reset", without_resets)
    assert replay_error(model) > BROKEN


def test_it_fails_without_the_reset_of_a_memory_in_one_loop_with_an_lstm(monkeypatch):
    monkeypatch.setattr("engram.memory.feedback.loop.native_loop", lambda *args: None)
    model = agent(controller="lstm", memory="ntm", memory_kwargs=SIZES["ntm"][0])
    rollouts(model)
    assert replay_error(model) <= TOLERANCE
    monkeypatch.setattr("engram.memory.feedback.fused_loop.reset", without_resets)
    assert replay_error(model) > BROKEN


def test_it_fails_without_the_mask_of_the_episodic_memory(monkeypatch):
    model = agent(controller="feedforward")
    rollouts(model)
    assert replay_error(model) <= TOLERANCE
    masked = reach.readable_mask
    monkeypatch.setattr(
        reach, "readable_mask", lambda decisions, filled, starts: masked(decisions, filled, torch.zeros_like(starts))
    )
    assert replay_error(model) > BROKEN


def test_it_fails_without_the_reset_of_the_previous_action(monkeypatch):
    model = agent(controller="feedforward", memory="none")
    rollouts(model)
    assert replay_error(model) <= TOLERANCE
    monkeypatch.setattr("engram.agents.actor_critic.reset", without_resets)
    assert replay_error(model) > BROKEN


@pytest.mark.parametrize("memory", ["none", "episodic"])
def test_it_fails_when_the_state_after_the_step_is_stored(memory, monkeypatch):
    def add_late(self, state, transition):
        self._transitions.append(transition)
        if len(self._transitions) % self.chunk_length == 2:  # one step late
            self.states.append(state)

    model = agent(memory=memory)
    with monkeypatch.context() as broken:
        broken.setattr(ChunkBuffer, "add", add_late)
        rollouts(model)
    assert replay_error(model) > BROKEN


def test_it_fails_when_the_state_is_not_carried_to_the_next_rollout():
    model = agent()
    rollouts(model)
    kept = model._state
    collect_one(model)
    assert replay_error(model) <= TOLERANCE
    states = list(model.chunks.states)
    model.chunks.states[0] = model.policy.initial_state(ROWS)
    assert replay_error(model) > BROKEN
    model.chunks.states[:] = [kept, *states[1:]]
    assert replay_error(model) <= TOLERANCE


def test_it_fails_when_recorded_writes_are_not_replayed_and_the_gates_have_changed(monkeypatch):
    attend = EventAttention.forward

    def blind_to_gates(self, hidden, encoded, now, events, reach):
        equal = torch.cat([events.projected[..., :-1], torch.zeros_like(events.projected[..., -1:])], dim=-1)
        return attend(self, hidden, encoded, now, events._replace(projected=equal), reach)

    # What can be read is then all that the gates have a say in.
    monkeypatch.setattr(EventAttention, "forward", blind_to_gates)
    monkeypatch.setattr(NativeStep, "of", lambda *_: None)  # in C it attends by itself
    model = agent(controller="feedforward", memory_kwargs={"slots": 2, "step_embedding_size": 0})
    rollouts(model)
    assert replay_error(model) <= TOLERANCE
    assert replay_error(model, decisions=None) <= TOLERANCE  # with the same weights it decides the same
    with torch.no_grad():
        model.policy.core.memory.attention.from_event.weight[-1] *= -1.0  # what was important is unimportant now
    assert replay_error(model) <= TOLERANCE
    assert replay_error(model, decisions=None) > BROKEN
