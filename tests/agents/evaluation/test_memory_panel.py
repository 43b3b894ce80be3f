"""The figures of an agent that uses its memory, of one that cannot, and of one that has none."""

import numpy as np
import pytest
import torch
from staggered import agent, vec_env

from engram.agents.evaluation.episodes import evaluate
from engram.agents.evaluation.memory_panel import MemoryPanel

ROWS = 3


def panel(model, rows=ROWS):
    watching = MemoryPanel(model.policy, rows)
    evaluate(model, vec_env(), n_episodes=2, watch=watching)
    return watching.figures()


@pytest.mark.parametrize("memory", ["episodic", "ntm", "dnc"])
def test_figures_are_shares(memory):
    figures = panel(agent(memory=memory, memory_kwargs={"slots": 5}))
    assert {"use", "write_rate", "occupancy", "nothing_read", "read_entropy"} <= set(figures)
    for name in ("use", "write_rate", "occupancy", "nothing_read", "never_read", "overwritten_unread"):
        assert 0 <= figures.get(name, 0.0) <= 1
    assert figures["read_entropy"] >= 0


def test_watching_changes_nothing():
    alone = evaluate(agent(), vec_env(), n_episodes=2)
    model = agent()
    watched = evaluate(model, vec_env(), n_episodes=2, watch=MemoryPanel(model.policy, ROWS))
    assert np.array_equal(alone.episode_return, watched.episode_return)


def test_an_agent_whose_heads_do_not_see_its_memory_does_not_use_it():
    model = agent()
    core = model.policy.core
    assert panel(model)["use"] > 0
    with torch.no_grad():
        model.policy.action_net.weight[:, core.controller.hidden_size :] = 0.0
    assert panel(model)["use"] == 0.0


def test_a_memory_without_slots_has_its_use_as_the_only_figure():
    assert set(panel(agent(memory="fast_weight", memory_kwargs={"heads": 2}))) == {"use"}


def test_the_episodic_memory_writes_every_step_while_there_is_room():
    figures = panel(agent(memory_kwargs={"slots": 50}))
    assert figures["write_rate"] == 1.0
    assert "overwritten_unread" not in figures


def test_a_memory_that_is_needed_at_one_step_of_an_episode_is_used(monkeypatch):
    moves = iter([(0.0, 0.5), (0.9, 0.0), (0.0, 0.1), (0.2, 0.0)])
    monkeypatch.setattr("engram.agents.evaluation.memory_panel._distance", lambda one, other: torch.tensor(next(moves)))
    model = agent()
    watching, env = MemoryPanel(model.policy, 2), vec_env()
    observations, state = env.reset(), model.policy.initial_state(ROWS)
    for starts in ([True, True, True], [False, False, False], [False, True, False], [False, False, False]):
        watching(observations, state, np.array(starts), None)
    # Row 0 has one episode, row 1 has two: their largest are 0.9, 0.5 and 0.1.
    assert watching.figures()["use"] == pytest.approx((0.9 + 0.5 + 0.1) / 3)
