"""Keys that do not count when events are compared: a clock makes no two of them different, and is remembered."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from staggered import ROWS, Staggered, agent, collect_one, replay_error, rollouts, vec_env

from engram.agents.exploration.first_visits import EpisodicNovelty

SPACE = spaces.Dict({"clock": spaces.Box(0, 1e6, (1,), np.float32), "sight": spaces.Discrete(3)})
MEMORIES = [
    ("episodic", {"slots": 5, "heads": 2}),
    ("episodic", {"slots": 5, "heads": 2, "read": "sparse", "k": 2}),
    ("transformer", {"window": 4}),
]


class Clocked(Staggered):
    """Few sights, and a clock that never shows the same twice."""

    def __init__(self, row=0, action_space=None):
        super().__init__(row, SPACE)
        self.clock = 0

    def observe(self):
        self.clock += 1
        return {"clock": np.array([self.clock / 64], np.float32), "sight": np.int64((self.clock // 2) % 3)}


def clocked(ignored_keys=("clock",), memory="episodic", memory_kwargs=MEMORIES[0][1]):
    policy = {"features_dim": 11, "ignored_keys": ignored_keys}
    return agent(vec_env(env=Clocked), memory=memory, memory_kwargs=memory_kwargs, policy_kwargs=policy)


@pytest.mark.parametrize(("memory", "kwargs"), MEMORIES)
def test_what_is_learned_from_is_what_was_acted_on(memory, kwargs):
    model = clocked(memory=memory, memory_kwargs=kwargs)
    for _ in range(2):
        rollouts(model)
        size = max(1.0, model.chunks.steps.values.abs().max().item())  # values near 5, in single precision
        assert replay_error(model) <= 1e-5 * size  # equal events are encoded once, but these are not equal in all
        model.train()


@pytest.mark.parametrize(("memory", "kwargs"), MEMORIES[:2])
def test_events_that_differ_in_the_clock_alone_replace_one_another(memory, kwargs):
    def kinds(ignored_keys):
        model = clocked(ignored_keys, memory, kwargs)
        with torch.no_grad():  # every gate is the same: only the rule of the newer equal replaces
            model.policy.core.memory.attention.from_event.weight[-1] = 0.0
            model.policy.core.encoder.of_action.weight.zero_()
        distinct = filled = 0
        for _ in range(5):
            rollouts(model, 1)
            state = model._state.core.memory
            distinct += sum(len(set(state.event_hash[row, state.filled[row]].tolist())) for row in range(ROWS))
            filled += int(state.filled.sum())
        return distinct, filled, state

    distinct, filled, state = kinds(())
    assert distinct == filled
    assert state.filled.all(1).any()  # the slots of some row were full
    distinct, filled, state = kinds(("clock",))
    assert distinct < filled
    assert (state.events.observation[0][state.filled] > 0).all()  # the clock is stored


def test_no_sight_is_new_twice_in_an_episode():
    novelty = EpisodicNovelty((False, True))
    time = torch.arange(5).view(5, 1)
    assert novelty.first_visits((time, time % 2), time == 0).flatten().tolist() == [False, True, False, False, False]
    model = clocked()
    assert model.novelty.compared == (False, True)
    collect_one(model)
    other = clocked(())
    collect_one(other)
    assert other.logger.name_to_value["novelty/rate"] > model.logger.name_to_value["novelty/rate"]


def test_they_are_saved_with_the_agent(tmp_path):
    model = clocked()
    model.save(tmp_path / "agent")
    loaded = type(model).load(tmp_path / "agent", device="cpu")
    assert loaded.policy.ignored_keys == ("clock",)
    assert loaded.policy.core.memory.compared == (False, True, True)
    observation = model.env.reset()
    assert np.array_equal(
        loaded.predict(observation, deterministic=True)[0], model.predict(observation, deterministic=True)[0]
    )


@pytest.mark.parametrize(
    ("space", "keys", "message"),
    [
        (SPACE, ("time",), "ignored_keys: the observation space has no key 'time'; its keys are clock, sight"),
        (SPACE, ("clock", "sight"), "these are all keys of the observation"),
        (spaces.Discrete(3), ("clock",), "has no key 'clock'; it has no keys"),
    ],
)
def test_what_cannot_be_ignored_is_refused(space, keys, message):
    class Silent(gym.Env):
        observation_space, action_space = space, spaces.Discrete(2)

    with pytest.raises(ValueError, match=message):
        agent(vec_env(1, env=lambda row, **_: Silent()), policy_kwargs={"features_dim": 11, "ignored_keys": keys})


class Place(spaces.Box):
    """A space that says that it tells a place."""

    tells_place = True


class Walking(Staggered):
    """Two sights, and a place that never comes again."""

    def __init__(self, row=0, action_space=None):
        super().__init__(row, spaces.Dict({"sight": spaces.Discrete(2), "place": Place(-1, 1, (1,), np.float32)}))

    def observe(self):
        return {"sight": np.int64(self.time % 2), "place": np.array([self.time / 64], np.float32)}


@pytest.mark.parametrize(
    ("ignored_keys", "by_memory", "by_novelty"),
    [
        ((), None, (False, True)),  # a corridor is no news at another place, but another event
        (("place",), (False, True), (False, True)),
        (("sight",), (True, False), (True, False)),  # nothing but the place is left: first visits are of places
    ],
)
def test_a_place_tells_events_apart_and_is_no_new_sight(ignored_keys, by_memory, by_novelty):
    policy = {"features_dim": 11, "ignored_keys": ignored_keys}
    model = agent(vec_env(env=Walking), memory_kwargs=MEMORIES[0][1], policy_kwargs=policy)
    memory = model.policy.core.memory.compared
    assert (memory and memory[:-1]) == by_memory  # the last is the action before
    assert model.novelty.compared == by_novelty
    collect_one(model)
    assert model.novelty.compared == by_novelty
