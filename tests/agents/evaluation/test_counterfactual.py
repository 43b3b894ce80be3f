"""Episodes replayed: as they were recorded, and with edited memories."""

import numpy as np
import pytest
import torch
from cued import cued, cued_agent
from own_memories import OWN_MEMORIES
from stable_baselines3.common.vec_env import DummyVecEnv
from staggered import ACTIONS, OBSERVATIONS, Masked, Staggered, agent, vec_env

from engram.agents import MemoryPPO
from engram.agents.encoder import Event
from engram.agents.evaluation.counterfactual import replay_with_edits
from engram.agents.evaluation.recording import record
from engram.memory import MEMORIES, tree_map
from engram.memory.episodic.edit import delete_events, happened_at, replace_events
from engram.memory.event_hash import event_hash

LENGTH = 17
# More slots than steps: nothing takes a slot that is not free.
ROOM = {"slots": 19, "heads": 2, "step_embedding_size": 4}
every_memory = pytest.mark.parametrize("memory", [*MEMORIES, *OWN_MEMORIES])


def recorded(env=Staggered, memory="episodic", controller="lstm", deterministic=True, action_space=None, **kwargs):
    """An agent, and an episode of 17 steps that it has played."""
    spaces = {"action_space": action_space or ACTIONS["discrete"]}
    policy = agent(vec_env(env=env, **spaces), memory=memory, controller=controller, **kwargs).policy
    episode = DummyVecEnv([lambda: env(2, **spaces)])
    torch.manual_seed(4)
    recording = record(policy, episode, most_steps=99, deterministic=deterministic)
    assert len(recording.steps) == LENGTH
    return policy, recording


def without(policy, recording, forgotten):
    """Play an episode back, once for each set of steps whose events are never stored."""
    return replay_with_edits(policy, recording, [dict.fromkeys(steps) for steps in forgotten])


@every_memory
@pytest.mark.parametrize("controller", ["lstm", "gru", "feedforward"])
def test_with_nothing_forgotten_it_is_as_it_was(memory, controller):
    policy, recording = recorded(memory=memory, controller=controller, deterministic=False)
    effects = without(policy, recording, [[], []])
    probabilities = np.array([step.probabilities for step in recording.steps])
    taken = probabilities[range(LENGTH), [int(step.action) for step in recording.steps]]
    values = np.array([step.value for step in recording.steps])
    assert np.allclose(effects.likelihood, taken, atol=1e-5)
    assert np.allclose(effects.value, values, atol=1e-5)
    assert np.allclose(effects.edited_likelihood, taken, atol=1e-5)
    assert np.allclose(effects.edited_value, values, atol=1e-5)
    assert np.abs(effects.likelihood_change).max() < 1e-5
    assert (effects.edited_action == probabilities.argmax(1)).all()


@every_memory
def test_a_step_forgotten_changes_nothing_until_it_is_over(memory):
    # Neither in a memory that reads before it writes, nor, by what `unwritten` says, in one that writes first: what
    # the step itself has read stays.
    policy, recording = recorded(memory=memory, memory_kwargs=ROOM if memory == "episodic" else None)
    forgotten = [[0], [5], [12], [5, 12], [LENGTH - 1]]
    effects = without(policy, recording, forgotten)
    for number, steps in enumerate(forgotten):
        change = np.abs(effects.likelihood_change[number]) + np.abs(effects.edited_value[number] - effects.value)
        assert change[: min(steps) + 1].max() < 1e-5
        if memory != "none" and min(steps) < LENGTH - 1:
            assert change[min(steps) + 1 :].max() > 1e-5
        if memory == "none":
            assert change.max() < 1e-5
    if memory != "none":
        assert np.abs(effects.edited_value[3] - effects.edited_value[1])[: 12 + 1].max() < 1e-5


@every_memory
def test_sets_of_steps_are_forgotten_each_by_itself(memory):
    policy, recording = recorded(memory=memory)
    forgotten = [[3], [0, 7], [2, 3, 11], []]
    together = without(policy, recording, forgotten)
    for number, steps in enumerate(forgotten):
        alone = without(policy, recording, [steps])
        assert np.allclose(alone.edited_likelihood[0], together.edited_likelihood[number], atol=1e-5)
        assert np.allclose(alone.edited_value[0], together.edited_value[number], atol=1e-5)
        assert (alone.edited_action[0] == together.edited_action[number]).all()


@torch.no_grad()
def test_an_event_never_stored_is_an_event_deleted():
    policy, recording = recorded(controller="feedforward", memory_kwargs=ROOM)
    forgotten = [[1], [6], [1, 2, 9]]
    effects = without(policy, recording, forgotten)
    felt = 0.0
    for number, gone in enumerate(forgotten):
        state = recording.start
        for time, step in enumerate(recording.steps):
            starts, memory = torch.tensor([time == 0]), state.core.memory
            left = delete_events(memory, happened_at(memory, torch.tensor([gone])))
            changed = state._replace(core=state.core._replace(memory=left))
            _, unrolled = policy.unroll_step(step.observation, changed, starts)
            distribution = policy.distribution(unrolled.features[0], step.observation, None)
            probability = float(distribution.log_prob(step.action).exp())
            assert effects.edited_likelihood[number, time] == pytest.approx(probability, abs=1e-5)
            felt = max(felt, abs(effects.likelihood_change[number, time]))
            state = policy.act(step.observation, state, starts, deterministic=True).state
    assert felt > 1e-3


@torch.no_grad()
def test_what_its_slot_held_before_is_there_again():
    # Slots are taken as they were recorded, and what is never stored replaces nothing.
    sizes = {"slots": 2, "heads": 2, "step_embedding_size": 0}
    policy, recording = recorded(controller="feedforward", memory_kwargs=sizes)
    taken = [time for time, step in enumerate(recording.steps) if int(step.decisions) >= 0]
    assert taken[:2] == [0, 1]
    assert len(taken) > 4
    effects = without(policy, recording, [taken[2:], [time for time in range(LENGTH) if time not in taken]])
    assert np.abs(effects.likelihood_change[1]).max() < 1e-6  # what was not stored is not missed
    state, first_two = recording.start, None
    for time, step in enumerate(recording.steps):
        if time == 2:
            first_two = state.core.memory
        starts, held = torch.tensor([time == 0]), state
        if first_two is not None:
            held = state._replace(core=state.core._replace(memory=first_two._replace(step=state.core.memory.step)))
        value = policy.values_of(step.observation, held, starts)
        assert effects.edited_value[0, time] == pytest.approx(float(value), abs=1e-5)
        state = policy.act(step.observation, state, starts, deterministic=True).state


def test_masks_hold_when_it_is_played_back():
    policy, recording = recorded(Masked, deterministic=False)
    effects = without(policy, recording, [list(range(LENGTH))])
    for time, action in enumerate(effects.edited_action[0]):
        assert action != (2 + time) % 3


@torch.no_grad()
@pytest.mark.parametrize("kind", ACTIONS)
def test_the_likelihood_is_a_probability_and_of_continuous_actions_the_log_of_a_density(kind):
    policy, recording = recorded(action_space=ACTIONS[kind])
    effects = without(policy, recording, [[2], [4]])
    state = recording.start
    for time, step in enumerate(recording.steps):
        acted = policy.act(step.observation, state, torch.tensor([time == 0]), deterministic=True)
        log_prob = float(acted.log_probs)
        expected = log_prob if "box" in kind else np.exp(log_prob)
        assert effects.likelihood[time] == pytest.approx(expected, abs=1e-5)
        state = acted.state
    assert (effects.likelihood < 0).all() == ("box" in kind)
    assert effects.edited_action.shape == (2, *(LENGTH, *recording.steps[0].action.shape[1:]))
    own = np.stack([step.action[0].numpy() for step in recording.steps])
    assert np.allclose(effects.edited_action[:, :3], own[:3], atol=1e-5)  # nothing is missed yet
    if "box" in kind:  # of a normal distribution, whose width does not depend on what is remembered
        (spread,) = {tuple(policy.log_std.exp().tolist())}
        shift = (effects.edited_action - own) / np.array(spread)
        assert np.allclose(effects.likelihood_change, -(shift**2).sum(-1) / 2, atol=1e-4)
        assert np.abs(effects.likelihood_change).max() > 1e-3


@torch.no_grad()
def test_an_event_replaced_is_acted_upon_as_if_it_had_been_seen():
    policy, recording = recorded(controller="feedforward", memory_kwargs=ROOM)
    observations = [step.observation for step in recording.steps]
    changes = [{1: observations[9]}, {0: None, 3: observations[0], 6: observations[2]}, {}]
    effects = replay_with_edits(policy, recording, changes)
    felt = 0.0
    for number, change in enumerate(changes):
        state = recording.start
        for time, step in enumerate(recording.steps):
            memory = state.core.memory
            for when, other in change.items():
                slots = happened_at(memory, torch.tensor([[when]]))
                if other is None:
                    memory = delete_events(memory, slots)
                else:
                    event = recording_event(policy, recording, when)._replace(observation=other)
                    memory = replace_events(memory, slots, event)
                    new = event_hash(tree_map(lambda leaf: leaf.unsqueeze(1), event))
                    assert torch.equal(memory.event_hash[slots], new.expand_as(slots)[slots])
            changed_state = state._replace(core=state.core._replace(memory=memory))
            starts = torch.tensor([time == 0])
            _, unrolled = policy.unroll_step(step.observation, changed_state, starts)
            distribution = policy.distribution(unrolled.features[0], step.observation, None)
            probability = float(distribution.log_prob(step.action).exp())
            assert effects.edited_likelihood[number, time] == pytest.approx(probability, abs=1e-5)
            assert effects.edited_action[number, time] == int(distribution.mode())
            felt = max(felt, abs(effects.likelihood_change[number, time]))
            state = policy.act(step.observation, state, starts, deterministic=True).state
    assert felt > 1e-3
    assert np.abs(effects.likelihood_change[2]).max() < 1e-6


def recording_event(policy, recording, time):
    """The event of a step: what was observed, and the action before."""
    action = recording.steps[time - 1].action
    return Event(recording.steps[time].observation, policy.stored_action.store(action))


@pytest.mark.parametrize("kind", OBSERVATIONS)
def test_observations_of_any_kind_can_be_replaced(kind):
    space = {"observation_space": OBSERVATIONS[kind]}
    policy = agent(vec_env(**space), controller="feedforward", memory_kwargs=ROOM).policy
    recording = record(policy, MemoryPPO._wrap_env(DummyVecEnv([lambda: Staggered(2, **space)])), most_steps=9)
    by_itself = {time: step.observation for time, step in enumerate(recording.steps)}
    effects = replay_with_edits(policy, recording, [by_itself, {1: by_itself[6], 2: by_itself[5], 3: by_itself[8]}])
    assert np.abs(effects.likelihood_change[0]).max() < 1e-6
    assert np.abs(effects.edited_value[1] - effects.value).max() > 1e-5


def test_what_was_not_stored_cannot_show_anything_else():
    policy, recording = recorded(memory_kwargs={"slots": 2, "heads": 2, "step_embedding_size": 0})
    missing = [time for time, step in enumerate(recording.steps) if int(step.decisions) < 0]
    assert missing
    effects = replay_with_edits(policy, recording, [dict.fromkeys(missing, recording.steps[0].observation)])
    assert np.abs(effects.likelihood_change).max() < 1e-6


@pytest.mark.parametrize("memory", ["dnc", "transformer"])
def test_a_memory_without_events_has_none_to_replace(memory):
    policy, recording = recorded(memory=memory)
    with pytest.raises(ValueError, match="events can be replaced only in an episodic memory, not in"):
        replay_with_edits(policy, recording, [{1: None}, {2: recording.steps[0].observation}])


def test_no_sets_at_all_are_played_back_too():
    policy, recording = recorded()
    effects = without(policy, recording, [])
    assert effects.likelihood.shape == (LENGTH,)
    assert effects.edited_likelihood.shape == effects.edited_action.shape == (0, LENGTH)


def test_values_are_told_in_the_envs_own_rewards():
    policy = cued_agent(cued()).policy
    recordings = (record(policy, cued((("01000",),)), 99, return_scale=scale) for scale in (1.0, 8.0))
    plain, ours = (replay_with_edits(policy, recording, [{1: None}]) for recording in recordings)
    assert np.array_equal(ours.value, 8 * plain.value)
    assert np.array_equal(ours.edited_value, 8 * plain.edited_value)
    assert np.array_equal(ours.edited_likelihood, plain.edited_likelihood)


def test_progress_is_reported_step_by_step():
    env = cued((("01000",),))
    model, reported = cued_agent(cued()), []
    replay_with_edits(
        model.policy, record(model.policy, env, 99), [{1: None}], lambda done, total: reported.append((done, total))
    )
    assert reported == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_dropout_is_off_when_it_is_recorded_and_when_it_is_replayed():
    policy = agent().policy
    policy.value_net = torch.nn.Sequential(torch.nn.Dropout(0.5), policy.value_net)
    policy.set_training_mode(True)
    recording = record(policy, DummyVecEnv([lambda: Staggered(2)]), most_steps=7)
    policy.set_training_mode(True)
    effects = replay_with_edits(policy, recording, [{}])
    assert np.allclose(effects.value, [step.value for step in recording.steps], atol=1e-6)
    assert np.allclose(effects.edited_value, effects.value, atol=1e-6)
