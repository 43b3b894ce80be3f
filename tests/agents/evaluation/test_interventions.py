"""What is done to an agent's memory while it plays: each intervention does what it is for, and nothing else."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from cued import WithoutCueInfo, cued, cued_agent, equal, play, row_of, stored
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv
from staggered import ROWS, agent

from engram.agents.evaluation.episodes import evaluate
from engram.agents.evaluation.interventions import INTERVENTIONS, make_intervention
from engram.memory import MEMORIES, tree_map


def carried(model):
    state = None
    for observation in torch.randn(6, ROWS, 4).numpy():
        _, state = model.predict(observation, state)
    return state


# Before every step.


@pytest.mark.parametrize("controller", ["lstm", "gru", "feedforward"])
def test_what_is_emptied_before_every_step(controller):
    model = agent(controller=controller)
    state, initial = carried(model), model.policy.initial_state(ROWS).core.controller
    none, never = np.zeros(ROWS, bool), np.zeros(ROWS, bool)

    def before(name):
        return make_intervention(name, model.policy, ROWS).before(state, none, never)

    assert before("intact") is state
    for name, empties, forgets in [
        ("wiped", True, False),
        ("controller_wiped", False, True),
        ("both_wiped", True, True),
    ]:
        acted = before(name)
        assert acted.core.memory.filled.any() != empties
        assert equal(acted.core.controller, initial if forgets else state.core.controller)
        assert torch.equal(acted.core.memory.step, state.core.memory.step)
        assert torch.equal(acted.previous_action, state.previous_action)
    assert state.core.memory.filled.any()


@pytest.mark.parametrize("memory", ["none", "counting"])
def test_without_slots_there_may_be_little_to_wipe(memory):
    model = agent(memory=memory)
    state = carried(model)
    acted = make_intervention("wiped", model.policy, ROWS).before(state, np.zeros(ROWS, bool), np.zeros(ROWS, bool))
    assert equal(acted.core.memory, model.policy.initial_state(ROWS).core.memory)
    assert equal(acted.core.controller, state.core.controller)


class Shown(gym.Env):
    """Shows a number once, then nothing for three steps; the return is the last action."""

    observation_space, action_space = spaces.Box(0, 1, (2,), np.float32), spaces.Box(-1e3, 1e3, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.array([self.np_random.random(), 1.0], np.float32), {"cue_visible": True}

    def step(self, action):
        self.time += 1
        over = self.time == 4
        return np.zeros(2, np.float32), float(action[0]) if over else 0.0, over, False, {"cue_visible": False}


@pytest.mark.parametrize(
    ("controller", "forget"),
    [
        ("feedforward", {"wiped", "both_wiped", "wiped_after_cue"}),
        ("lstm", {"both_wiped"}),
    ],
)
@pytest.mark.parametrize("name", INTERVENTIONS)
def test_what_is_taken_away_does_not_influence_the_action(controller, forget, name):
    env = DummyVecEnv([Shown] * ROWS)
    model = agent(env, controller=controller, memory_kwargs={"slots": 9, "heads": 2, "step_embedding_size": 0})
    with torch.no_grad():
        model.policy.core.encoder.of_action.weight.zero_()  # an action could carry the cue to the next step
    last_actions = evaluate(model, env, n_episodes=4 * ROWS, intervention=name).episode_return
    differ = np.ptp(last_actions) > 1e-4
    assert differ == (name not in forget)


# Reads of another memory.


def test_shuffled_reads_come_from_the_next_env_and_each_memory_goes_on_by_itself():
    watched, _ = play("reads_shuffled")
    for _, _, state, acted, kept in watched.steps:
        for row in range(ROWS):
            assert equal(row_of(acted.core.memory, row), row_of(state.core.memory, row - 1))
        assert equal(acted.core.controller, state.core.controller)
        assert torch.equal(acted.previous_action, state.previous_action)
        assert torch.equal(kept.core.memory.step, 1 + (kept.core.memory.birth * kept.core.memory.filled).amax(1))
    for row in range(ROWS):
        for episode, time, *_, kept in watched.of(row):
            assert [seen[:3] for seen in stored(kept)] == [[row, episode, t] for t in range(time + 1)]


def test_with_shuffled_reads_an_action_depends_on_the_other_memory():
    model = cued_agent()
    shuffled = make_intervention("reads_shuffled", model.policy, ROWS)
    state = carried(model)
    forgotten = model.policy.initial_state(ROWS).core.memory
    one = torch.tensor([True, False, False])
    memory = tree_map(
        lambda new, old: torch.where(one.view(-1, *[1] * (old.dim() - 1)), new, old), forgotten, state.core.memory
    )
    changed = state._replace(core=state.core._replace(memory=memory))
    observation, none = np.ones((ROWS, 4), np.float32), np.zeros(ROWS, bool)
    actions = [
        model.predict(observation, shuffled.before(given, none, none), none, deterministic=True)[0]
        for given in (state, changed)
    ]
    assert (np.abs(actions[0] - actions[1])[:, 0] > 1e-5).tolist() == [False, True, False]


# All of them.


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("name", INTERVENTIONS)
def test_every_intervention_is_for_every_memory(memory, name):
    model = cued_agent(memory=memory, controller="lstm", memory_kwargs={} if memory != "episodic" else {"slots": 5})
    episodes = evaluate(model, cued(), n_episodes=6, deterministic=False, intervention=name)
    assert episodes.length.tolist() == [4, 5, 7, 1, 5, 5]
    assert np.isfinite(episodes.episode_return).all()


def test_the_error_for_an_unknown_intervention_lists_the_known_ones():
    model = agent()
    with pytest.raises(
        ValueError, match=r"unknown intervention 'whiped'; choose one of intact, wiped, controller_wiped"
    ):
        make_intervention("whiped", model.policy, ROWS)
    with pytest.raises(ValueError, match="unknown intervention 'whiped'"):
        evaluate(model, model.env, n_episodes=1, intervention="whiped")


@pytest.mark.parametrize("name", ["reads_shuffled", "swapped_after_cue"])
def test_one_env_alone_has_no_other_to_take_from(name):
    with pytest.raises(ValueError, match=f"'{name}' needs 2 envs or more side by side"):
        make_intervention(name, agent().policy, 1)


@pytest.mark.parametrize("name", [name for name, kind in INTERVENTIONS.items() if kind.needs_cue])
def test_interventions_after_the_cue_need_info_of_the_cue(name):
    env = cued(env=WithoutCueInfo)
    with pytest.raises(ValueError, match=r"AfterCue needs an env with info\['cue_visible'\] at every step"):
        evaluate(cued_agent(env), env, n_episodes=3, intervention=name)
    assert name.endswith("after_cue")
