"""Keys that are constant over an episode are stored once for each, and nothing else changes."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from staggered import ROWS, Staggered, agent, replay_error, rollouts, vec_env

from engram.agents import WrongStep
from engram.memory import tree_map

SPACE = spaces.Dict({"mission": spaces.MultiDiscrete([7] * 13), "sight": spaces.Discrete(3)})
MEMORIES = [
    ("episodic", {"slots": 5, "heads": 2}),
    ("episodic", {"slots": 1, "heads": 2}),
    ("episodic", {"slots": 5, "heads": 2, "read": "sparse", "k": 2}),
    ("transformer", {"window": 4}),
]


class Sent(Staggered):
    """Few sights, and a mission that is another one in every episode."""

    changes_at = -1  # the step of each episode at which the mission becomes another one

    def __init__(self, row=0, action_space=None):
        super().__init__(row, SPACE)

    def observe(self):
        mission = (self.row + 3 * self.episode + np.arange(13)) % 7
        if self.time == self.changes_at:
            mission = 6 - mission
        return {"mission": mission, "sight": np.int64((self.time // 2) % 3)}


class SentElsewhere(Sent):
    changes_at = 4


def sent(constant_keys=("mission",), memory="episodic", memory_kwargs=MEMORIES[0][1], env=Sent, **policy):
    policy = {"features_dim": 11, "constant_keys": constant_keys, **policy}
    return agent(vec_env(env=env), memory=memory, memory_kwargs=memory_kwargs, policy_kwargs=policy)


@pytest.mark.parametrize(("memory", "kwargs"), MEMORIES)
def test_an_agent_learns_the_same_to_the_last_bit(memory, kwargs):
    def learned(constant_keys):
        model = sent(constant_keys, memory, kwargs)
        for _ in range(3):
            rollouts(model)
            size = max(1.0, model.chunks.steps.values.abs().max().item())  # values near 5, in single precision
            assert replay_error(model) <= 1e-5 * size
            model.train()
        return list(model.policy.parameters())

    for one, other in zip(learned(("mission",)), learned(()), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("memory", "kwargs"), [MEMORIES[0], MEMORIES[2]])
def test_they_are_stored_once_for_each_row(memory, kwargs):
    def after_two_rollouts(constant_keys):
        model = sent(constant_keys, memory, kwargs)
        rollouts(model, 2)
        return model._state.core.memory

    state, full = after_two_rollouts(("mission",)), after_two_rollouts(())
    mission, sight = state.log.events.observation
    assert mission.shape == (ROWS, 1, 13)
    assert len(sight) == ROWS
    assert sight.shape[1] > 5
    assert state.filled.any(1).sum() > 1
    for one, same in zip(state.events.observation, full.events.observation, strict=True):
        assert torch.equal(one[state.filled], same[full.filled])


@pytest.mark.parametrize(("memory", "kwargs"), [MEMORIES[0], MEMORIES[2]])
def test_a_state_keeps_the_mission_of_its_own_episode(memory, kwargs):
    model = sent(memory=memory, memory_kwargs=kwargs)
    env, state = model.env, model.policy.initial_state(ROWS)
    observation, starts = env.reset(), np.ones(ROWS, bool)
    handed_out = []
    for _ in range(31):
        actions, state = model.predict(observation, state, starts)
        memory_state = state.core.memory
        handed_out.append((memory_state, tree_map(torch.clone, memory_state.events), observation["mission"].copy()))
        observation, _, starts, _ = env.step(actions)
    assert len({tuple(mission[0]) for *_, mission in handed_out}) > 3
    for memory_state, events, mission in handed_out:
        filled = memory_state.filled
        assert torch.equal(memory_state.events.observation[0][filled], events.observation[0][filled])
        expected = torch.as_tensor(mission).unsqueeze(1).expand(-1, filled.shape[1], -1)
        assert torch.equal(memory_state.events.observation[0][filled], expected[filled])


def test_neither_events_nor_novelty_are_compared_by_them():
    model = sent(("mission",))
    assert model.policy.core.memory.compared == (False, True, True)
    assert model.novelty.compared == (False, True)
    assert sent((), ignored_keys=("mission",)).policy.core.memory.compared == (False, True, True)


def test_one_that_changes_within_an_episode_is_refused():
    model = sent(env=SentElsewhere)
    with pytest.raises(WrongStep, match="env 1 changed 'mission' within an episode, but constant_keys names it"):
        model.learn(60)
    sent((), env=SentElsewhere).learn(60)


def test_they_are_saved_with_the_agent(tmp_path):
    model = sent()
    model.save(tmp_path / "agent")
    loaded = type(model).load(tmp_path / "agent", device="cpu")
    assert loaded.policy.constant_keys == ("mission",)
    assert loaded.policy.core.memory.constant == (True, False, False)


@pytest.mark.parametrize(
    ("space", "keys", "message"),
    [
        (SPACE, {"constant_keys": ("goal",)}, "constant_keys: the observation space has no key 'goal'; its keys are"),
        (SPACE, {"constant_keys": ("mission",), "ignored_keys": ("sight",)}, "these are all keys of the observation"),
        (spaces.Discrete(3), {"constant_keys": ("mission",)}, "has no key 'mission'; it has no keys"),
    ],
)
def test_what_cannot_be_constant_is_refused(space, keys, message):
    class Silent(gym.Env):
        observation_space, action_space = space, spaces.Discrete(2)

    with pytest.raises(ValueError, match=message):
        agent(vec_env(1, env=lambda row, **_: Silent()), policy_kwargs={"features_dim": 11, **keys})
