"""The figures of an agent that uses its memory, of one that cannot, and of one that has none."""

import numpy as np
import pytest
import torch
from staggered import agent, vec_env

from engram.agents.evaluation.episodes import evaluate
from engram.agents.evaluation.memory_panel import MemoryPanel, _distance
from engram.agents.evaluation.slot_statistics import SlotCounts

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


def test_figures_are_ratios_of_the_counts():
    model = agent()
    watching = MemoryPanel(model.policy, ROWS)
    watching.has_slots = True
    counts = SlotCounts(
        steps=101.0,
        reads=103.0,
        writes=11.0,
        filled=13.0,
        nothing=17.0,
        entropy=19.0,
        read_weight=23.0,
        age=29.0,
        stored=31.0,
        never_read=7.0,
        overwritten=5.0,
        overwritten_unread=3.0,
    )
    watching.slots.counts = counts
    watching.gates, watching.cue_steps = np.array([2.7, 0.9]), np.array([3, 9])
    expected = {
        "use": 0.0,
        "write_rate": 11 / 101,
        "occupancy": 13 / 101,
        "nothing_read": 17 / 103,
        "read_entropy": 19 / 103,
        "read_age": 29 / 23,
        "never_read": 7 / 31,
        "overwritten_unread": 3 / 5,
        "write_selectivity": 0.9 - 0.1,
    }
    assert watching.figures() == pytest.approx(expected)
    watching.slots.counts = counts._replace(read_weight=0.0, stored=0.0, overwritten=0.0)
    watching.cue_steps = np.array([0, 9])  # the cue was never in sight
    assert set(expected) - set(watching.figures()) == {
        "read_age",
        "never_read",
        "overwritten_unread",
        "write_selectivity",
    }


def test_selectivity_compares_the_gate_while_the_cue_is_in_sight_with_that_at_other_steps(monkeypatch):
    model = agent()
    watching, env = MemoryPanel(model.policy, ROWS - 1), vec_env()
    observations, state = env.reset(), model.policy.initial_state(ROWS)
    gates = iter([[0.9, 0.2], [0.7, 0.4], [0.3, 0.1]])
    access = model.policy.core.access
    monkeypatch.setattr(
        model.policy.core, "access", lambda *args: access(*args)._replace(gate=torch.tensor(next(gates)))
    )
    for cue in ([True, False, True], [False, True, True], [False, False, True]):  # the third row is not watched
        watching(observations, state, np.zeros(ROWS, bool), np.array(cue))
    expected = (0.9 + 0.4) / 2 - (0.2 + 0.7 + 0.3 + 0.1) / 4
    assert watching.figures()["write_selectivity"] == pytest.approx(expected)


def test_use_is_total_variation_or_at_most_one():
    one, other = torch.tensor([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]]), torch.tensor([[0.1, 0.3, 0.6], [0.0, 0.0, 1.0]])
    assert _distance(one, other).tolist() == pytest.approx([0.4, 1.0])
    assert _distance(torch.tensor([[9.0]]), torch.tensor([[-2.0]])).tolist() == [1.0]  # of continuous actions
    assert _distance(torch.tensor([[0.9]]), torch.tensor([[0.3]])).tolist() == pytest.approx([0.3])
