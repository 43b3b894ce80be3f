"""An episode recorded: all that was seen, done and remembered, as it is when the agent just plays."""

import numpy as np
import pytest
import torch
from cued import Cued, CuedInDict, cued
from own_memories import OWN_MEMORIES
from stable_baselines3.common.vec_env import DummyVecEnv
from staggered import ACTIONS, OBSERVATIONS, Masked, Staggered, agent, vec_env

from engram.agents import MemoryPPO
from engram.agents.evaluation.recording import record
from engram.memory import MEMORIES
from engram.memory.state import leaves

LENGTH = 17
every_memory = pytest.mark.parametrize("memory", [*MEMORIES, *OWN_MEMORIES])


def long_episode(env=Staggered, **kwargs):
    """An env whose first episode has 17 steps."""
    return DummyVecEnv([lambda: env(2, **kwargs)])


@every_memory
@pytest.mark.parametrize("controller", ["lstm", "feedforward"])
def test_it_is_what_the_agent_does_when_it_just_plays(memory, controller):
    model = agent(memory=memory, controller=controller)
    recording = record(model.policy, long_episode(), most_steps=99)
    env, state = long_episode(), None
    observation = env.reset()
    for step in recording.steps:
        action, state = model.predict(observation, state, deterministic=True)
        assert np.array_equal(step.raw_observation, observation[0])
        assert model.policy.env_actions(step.action).tolist() == action.tolist()
        observation, rewards, dones, infos = env.step(action)
        assert step.reward == pytest.approx(float(rewards[0]))
    assert dones[0]
    assert len(recording.steps) == LENGTH
    assert (recording.success, recording.layout, recording.finished) == (infos[0]["is_success"], "", True)
    assert recording.episode_return == pytest.approx(sum(step.reward for step in recording.steps))


def test_values_are_told_in_the_envs_own_rewards():
    policy = agent().policy
    plain, ours = (record(policy, long_episode(), most_steps=99, return_scale=scale) for scale in (1.0, 8.0))
    assert [step.value for step in ours.steps] == [8 * step.value for step in plain.steps]
    assert [step.reward for step in ours.steps] == [step.reward for step in plain.steps]


@every_memory
@torch.no_grad()
def test_probabilities_values_and_slots_are_those_of_the_step(memory):
    policy = agent(memory=memory).policy
    recording = record(policy, long_episode(), most_steps=99)
    state, starts = recording.start, torch.tensor([True])
    for step in recording.steps:
        acted = policy.act(step.observation, state, starts, deterministic=True)
        probability = step.probabilities[int(step.action)]
        assert probability == step.probabilities.max()
        assert np.isclose(np.log(probability), float(acted.log_probs), atol=1e-5)
        assert step.value == pytest.approx(float(acted.values), abs=1e-5)
        assert all(torch.equal(a, b) for a, b in zip(leaves(step.decisions), leaves(acted.decisions), strict=True))
        assert (step.access is not None) == (memory in ("episodic", "ntm", "dnc"))
        if step.access is not None:
            assert {len(part) for part in step.access} == {1}
        if memory == "episodic":
            (slot,) = step.decisions.tolist()
            assert step.access.written[0].tolist() == [float(number == slot) for number in range(4)]
            assert step.access.read[0].sum(1).mean() == pytest.approx(1 - float(acted.trace["null_read"]), abs=1e-5)
        state, starts = acted.state, torch.tensor([False])


def test_the_cue_is_recorded_step_by_step():
    scripts = (("0110100",),)
    recording = record(agent(cued()).policy, cued(scripts), most_steps=99)
    assert [int(step.cue) for step in recording.steps] == [0, 1, 1, 0, 1, 0]
    assert [int(step.raw_observation[3]) for step in recording.steps] == [0, 1, 1, 0, 1, 0]
    assert (recording.success, recording.layout) == (True, "maze 0")


class WithOtherCue(Cued):
    def other_cue(self, observation):
        """Depends on the time, so that a call at another step would be seen."""
        return observation * [1, 1, 1, 2 + self.time]


def test_where_the_cue_is_in_sight_the_other_one_is_recorded_too():
    recording = record(agent(cued()).policy, cued((("0110100",),), WithOtherCue), most_steps=99)
    assert [step.other_cue is not None for step in recording.steps] == [step.cue for step in recording.steps]
    assert [step.other_cue.tolist() for step in recording.steps if step.cue] == [[0, 0, t, 2 + t] for t in (1, 2, 4)]
    without = record(agent(cued()).policy, cued((("0110100",),)), most_steps=99)
    assert all(step.other_cue is None for step in without.steps)


class WithOtherCueUnder(CuedInDict):
    """Its `other_cue` knows nothing of the Dict, as that of a task below the wrappers of `make_env`."""

    def other_cue(self, observation):
        return observation * np.float32([1, 1, 1, 2 + self.time])


class WithOtherCueElsewhere(WithOtherCueUnder):
    key = "sight"


def test_of_a_dict_the_cue_changes_where_the_scene_is_shown():
    def recorded(env):
        return record(agent(cued(env=env)).policy, cued((("0110100",),), env), most_steps=99).steps

    steps = recorded(WithOtherCueUnder)
    assert [step.other_cue is not None for step in steps] == [step.cue for step in steps]
    for step in filter(lambda step: step.cue, steps):
        (time,) = step.raw_observation["clock"].tolist()
        assert step.raw_observation["image"].tolist() == [0, 0, time, 1]
        assert step.other_cue["image"].tolist() == [0, 0, time, 2 + time]
        assert step.other_cue["clock"].tolist() == [time]
    # Where no part is known to show the scene, the env is not asked.
    assert all(step.other_cue is None for step in recorded(WithOtherCueElsewhere))


def test_what_the_env_does_not_report_is_unknown():
    recording = record(agent().policy, long_episode(), most_steps=5)
    assert {step.cue for step in recording.steps} == {None}
    assert {step.world is None for step in recording.steps} == {True}
    assert {step.mask for step in recording.steps} == {None}
    assert (recording.success, recording.finished, len(recording.steps)) == (None, False, 5)


def test_a_failure_is_no_success():
    env = long_episode()
    env.reset()  # the second episode is truncated
    recording = record(agent().policy, env, most_steps=99)
    assert (recording.success, recording.finished, len(recording.steps)) == (False, True, 2)


def test_masks_are_kept_and_what_they_forbid_has_no_probability():
    recording = record(agent(vec_env(env=Masked)).policy, long_episode(Masked), most_steps=99, deterministic=False)
    for time, step in enumerate(recording.steps):
        forbidden = (2 + time) % 3
        assert step.mask.tolist() == [[number != forbidden for number in range(3)]]
        assert step.probabilities[forbidden] == pytest.approx(0, abs=1e-9)
        assert int(step.action) != forbidden


@pytest.mark.parametrize("kind", ACTIONS)
def test_probabilities_are_those_of_a_single_discrete_action(kind):
    spaces = {"action_space": ACTIONS[kind]}
    recording = record(agent(vec_env(**spaces)).policy, long_episode(**spaces), most_steps=3)
    for step in recording.steps:
        assert (step.probabilities is not None) == (kind == "discrete")
        assert np.isfinite(step.value)


@pytest.mark.parametrize("kind", OBSERVATIONS)
def test_observations_are_recorded_as_the_env_returned_them(kind):
    space = {"observation_space": OBSERVATIONS[kind]}
    env, again = (MemoryPPO._wrap_env(long_episode(**space)) for _ in range(2))  # images channels first
    recording = record(agent(vec_env(**space)).policy, env, most_steps=7)
    seen = again.reset()
    for step in recording.steps:
        assert env.observation_space.contains(step.raw_observation)
        now = {key: value[0] for key, value in seen.items()} if kind == "dict" else seen[0]
        np.testing.assert_equal(step.raw_observation, now)
        seen, *_ = again.step([0])


class Drawn(Cued):
    def get_frame(self, highlight, tile_size):
        return np.full((3 * tile_size, 5 * tile_size, 3), 10 * self.time, np.uint8)


def test_the_scene_is_drawn_as_it_was_when_the_agent_saw_it():
    recording = record(agent(cued()).policy, cued((("0100",),), Drawn), most_steps=99)
    assert [step.world.mean() for step in recording.steps] == [0, 10, 20]


def test_actions_are_sampled_if_not_deterministic():
    policy = agent().policy
    played = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        recording = record(policy, long_episode(), most_steps=99, deterministic=False)
        played.append([int(step.action) for step in recording.steps])
    assert played[0] == played[1] != played[2]


def test_one_episode_is_of_one_env():
    with pytest.raises(ValueError, match="an episode is recorded in one env, not in 3"):
        record(agent().policy, vec_env(), most_steps=9)
