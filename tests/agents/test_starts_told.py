"""Who never tells `predict` where an episode starts is warned, once, and nobody else is."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv
from staggered import LENGTHS, ROWS, Staggered, agent

from engram.agents import MemoryPPO
from engram.agents.evaluation.episodes import evaluate
from engram.agents.starts_told import StartsTold

NONE, ALL, ONE = np.zeros(ROWS, bool), np.ones(ROWS, bool), np.array([False, True, False])


def warned_at(calls, longest=5, states=None):
    """Return at which of some calls [episode_start or None, ...] a warning came."""
    told, found, state = StartsTold(longest), [], None
    for number, starts in enumerate(calls):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            after = (number,)
            told.note(state, after, starts)
            state = after if states is None else states[number]
        found += [number] * len(caught)
    return found


@pytest.mark.parametrize(
    ("calls", "at"),
    [
        ([None] * 20, [5]),
        ([NONE] * 20, [5]),
        ([ALL] + [None] * 20, [5]),
        ([None, None, ONE] + [None] * 20, [7]),
        ([None, None, None, ALL] * 6, []),
        ([ALL] + [NONE] * 40, []),  # whoever has told starts is believed: a longer episode than those of the training
        ([ALL] * 20, [5]),  # at each step, so that nothing is remembered
        ([ALL, ALL, ALL, ALL, ALL, NONE] * 6, []),
        ([ONE] * 40, []),  # of some envs
        ([None] * 5, []),
    ],
)
def test_a_warning_comes_at_the_first_step_that_no_episode_has_had(calls, at):
    assert warned_at(calls) == at


def test_nothing_is_said_while_no_episode_is_known_or_where_each_has_one_step():
    assert warned_at([None] * 20, longest=0) == []
    assert warned_at([ALL] * 20, longest=1) == []


def test_of_a_state_that_the_last_call_has_not_returned_nothing_is_known():
    assert warned_at([None] * 20, states=[object() for _ in range(20)]) == []


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda told: pickle.loads(pickle.dumps(told))])
def test_a_copy_knows_the_longest_episode_and_follows_calls_of_its_own(copied):
    told = StartsTold(2)
    told.note(None, "a", None)
    told.note("a", "b", None)
    other = copied(told)
    other.note("b", "c", None)
    assert other.longest_episode == 2
    with pytest.warns(UserWarning, match="given a state for 3 steps .* was longer than 2: pass episode_start=dones"):
        told.note("b", "c", None)


def env():
    return DummyVecEnv([lambda row=row: Monitor(Staggered(row)) for row in range(ROWS)])


def play(model, steps, tell):
    played = env()
    observations, state, starts = played.reset(), None, np.ones(ROWS, dtype=bool)
    for _ in range(steps):
        actions, state = model.predict(observations, state, starts if tell else None)
        observations, _, starts, _ = played.step(actions)


def test_a_loop_that_tells_no_starts_is_warned_once_also_of_a_loaded_agent(tmp_path):
    longest = max(map(max, LENGTHS))
    model = agent(env())
    assert model.longest_episode == 0
    model.learn(3 * ROWS * longest)
    assert model.longest_episode == longest
    model.save(tmp_path / "agent")
    loaded = MemoryPPO.load(tmp_path / "agent", device="cpu")
    assert loaded.longest_episode == longest
    for each in (model, loaded):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            play(each, 4 * longest, tell=True)
            evaluate(each, env(), n_episodes=6)
            play(each, longest, tell=False)
        with pytest.warns(UserWarning, match=f"for {longest + 1} steps and was told of no episode's start") as caught:
            play(each, 4 * longest, tell=False)
        assert len(caught) == 1
        assert caught[0].filename == __file__


def test_an_agent_saved_before_this_was_remembered_says_nothing():
    model = agent(env())
    assert "longest_episode" not in vars(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        play(model, 40, tell=False)
