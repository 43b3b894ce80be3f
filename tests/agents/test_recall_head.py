"""Recalling stored events by a part of them: what is asked, by hand, and what is learned of it."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from small import STEPS_OF_A_ROLLOUT, Logged, small, weights
from staggered import GRID, IMAGE, OBSERVATIONS, VECTOR, Staggered, agent, collect_one, vec_env

from engram.agents import MemoryPPO
from engram.agents.encoder import Event
from engram.agents.learning.lesson import prepare
from engram.agents.recall_head import PATCHES, SHARE, RecallHead, hidden
from engram.agents.spaces import observation_tree
from engram.memory import MEMORIES, tree_map

COUNT = 600
FRAMES = spaces.Box(0, 255, (3, 40, 24), np.uint8)


def sampled(space):
    space.seed(5)
    return observation_tree(np.stack([space.sample() for _ in range(COUNT)]), space, "cpu")


@pytest.mark.parametrize("space", [GRID, IMAGE, FRAMES, VECTOR], ids=["grid", "image", "frames", "vector"])
def test_about_half_is_hidden_cell_by_cell_and_the_rest_stays(space):
    leaf = sampled(space)
    leaf = torch.where(leaf == 0, leaf + 1, leaf)  # so that what is zero is hidden
    shown = hidden(leaf, space)
    is_hidden = shown == 0
    assert torch.equal(shown[~is_hidden], leaf[~is_hidden])
    assert is_hidden.float().mean().item() == pytest.approx(SHARE, abs=0.03)
    if leaf.dim() == 4:  # all channels of a cell together
        channels = 1 if space is FRAMES else 3
        assert torch.equal(is_hidden.any(channels), is_hidden.all(channels))
        is_hidden = is_hidden.any(channels)
    different = {tuple(row.flatten().tolist()) for row in is_hidden}
    assert len(different) == min(COUNT, 2 ** is_hidden[0].numel())
    if space is FRAMES:  # patches of five pixels by three
        patches = is_hidden.view(COUNT, PATCHES, 5, PATCHES, 3)
        assert torch.equal(patches, patches[:, :, :1, :, :1].expand_as(patches))


def test_what_is_hidden_shows_nothing():
    space = spaces.MultiDiscrete([3, 5, 7])
    space.nothing = (None, 4, 2)
    shown = hidden(torch.ones(COUNT, 3, dtype=torch.int64), space)
    assert [sorted(set(field.tolist())) for field in shown.t()] == [[0, 1], [1, 4], [1, 2]]


@pytest.mark.parametrize("name", OBSERVATIONS)
def test_events_of_every_kind_can_be_hidden_and_keep_what_they_are(name):
    space = OBSERVATIONS[name]
    space.seed(1)
    parts = space.spaces.values() if isinstance(space, spaces.Dict) else [space]
    leaves = tuple(sampled(part) for part in parts)
    if isinstance(space, spaces.Dict):
        leaves = tuple(sampled(space[key]) for key in sorted(space.spaces))
    event = Event(leaves if isinstance(space, spaces.Dict) else leaves[0], torch.arange(COUNT))
    shown = RecallHead(3, 2, space).hide(event)
    assert torch.equal(shown.previous_action, event.previous_action)
    kept = tree_map(lambda before, after: torch.tensor([before.dtype == after.dtype, before.shape == after.shape, not
                    torch.equal(before, after)]), event.observation, shown.observation)  # fmt: skip
    assert all(leaf.all() for leaf in (kept if isinstance(kept, tuple) else [kept]))


def test_the_error_is_the_cross_entropy_over_the_events_of_those_that_have_an_answer():
    head = RecallHead(3, 2, VECTOR)
    read, table, event = torch.randn(5, 3), torch.randn(7, 2), torch.tensor([6, -1, 0, 3, -1])
    assert head(read, table, event).item() == pytest.approx(np.log(7), rel=1e-5)  # no guess yet
    torch.nn.init.normal_(head.weight)
    torch.nn.init.normal_(head.bias)
    likeness = (read @ head.weight.t() + head.bias) @ table.t() / 2**0.5
    expected = -torch.stack([likeness[row].log_softmax(0)[event[row]] for row in (0, 2, 3)]).mean()
    assert head(read, table, event).item() == pytest.approx(expected.item(), rel=1e-5)
    assert head(read, table, torch.full((5,), -1)).item() == 0.0


def replayed(model):
    collect_one(model)
    collect_one(model)
    events, lesson = prepare(model.policy, model.chunks)
    return lesson, model.policy.core.replay(events, lesson.replay)


def test_events_are_drawn_of_those_that_a_step_can_read_and_different_ones_alike():
    torch.manual_seed(0)
    model = agent(vec_env(observation_space=spaces.Discrete(2)), recall_coef=1.0)
    lesson, now = replayed(model)
    memory, steps, reach = model.policy.core.memory, now.steps, lesson.replay.memory.reach
    candidates = torch.cat([*steps.stored, steps.event.t()], dim=1)
    draws = torch.stack([memory.drawn(steps, lesson.replay.memory) for _ in range(400)])
    found_copies = False
    for row, time in np.ndindex(reach.alive.shape[:2]):
        held = candidates[row, reach.alive[row, time]].tolist()
        drawn = draws[:, time, row].tolist()
        assert set(drawn) == (set(held) or {-1})
        found_copies |= len(set(held)) < len(held) and len(set(held)) > 1
        for event in set(held):
            assert drawn.count(event) / 400 == pytest.approx(1 / len(set(held)), abs=0.12)
    assert found_copies
    assert (draws == -1).any()


def test_what_is_asked_is_the_event_without_a_part_and_the_controller_has_no_part_in_it():
    model = agent(recall_coef=1.0)
    lesson, now = replayed(model)
    core, seen = model.policy.core, []

    def blank(event):
        seen.append(event)
        return tree_map(torch.zeros_like, event)

    asked = core.ask(now, lesson.replay, blank)
    is_held = asked.event >= 0
    assert 0 < is_held.float().mean() < 1
    whole = core.encoder(seen[0])[is_held]
    torch.testing.assert_close(whole, asked.table[asked.event[is_held]])
    steps = now.steps._replace(encoded=core.encoder(tree_map(torch.zeros_like, seen[0])).unflatten(0, (5, -1)))
    read = core.memory.recall(steps, lesson.replay.memory, lesson.replay.decisions.transpose(0, 1))
    torch.testing.assert_close(asked.read, read.flatten(0, 1))
    asked.read.square().sum().backward()
    assert all(weight.grad is None for weight in core.controller.parameters())
    assert all(weight.grad.abs().sum() > 0 for weight in core.encoder.of_observation.parameters())
    assert core.memory.attention.from_event.weight.grad.abs().sum() > 0


def test_nothing_is_played_otherwise():
    def played(coef):
        model = small(recall_coef=coef).learn(STEPS_OF_A_ROLLOUT)
        return model.policy.recall_head, model.chunks.steps

    (no_head, without), (head, with_it) = played(0.0), played(0.7)
    assert no_head is None
    assert head is not None
    assert torch.equal(with_it.log_probs, without.log_probs)
    assert torch.equal(with_it.decisions, without.decisions)


def test_the_error_falls_and_weighs_as_much_as_is_said():
    logged = Logged()
    alone = {"ent_coef": 0.0, "vf_coef": 0.0, "reward_coef": 0.0, "novelty_coef": 0.0, "learning_rate": 3e-3}
    model = small(**alone, recall_coef=2.0, chunk_length=10, batch_size=30)
    model.learn(60, logged)
    first = logged.names["train/recall_loss"]
    model.learn(3000, logged, reset_num_timesteps=False)
    names = logged.names
    assert 0 < names["train/recall_loss"] < 0.7 * first
    expected = names["train/policy_gradient_loss"] + 2.0 * names["train/recall_loss"]
    assert names["train/loss"] == pytest.approx(expected, abs=1e-5)
    small().learn(60, logged := Logged())
    assert "train/recall_loss" not in logged.names


@pytest.mark.parametrize("memory", sorted(MEMORIES))
def test_a_memory_that_holds_no_events_learns_as_without(memory):
    with_it, without = (small(memory=memory, memory_kwargs={}, recall_coef=coef).learn(60) for coef in (0.5, 0.0))
    holds_events = with_it.policy.core.memory.holds_events
    assert holds_events == (with_it.policy.recall_head is not None) == (memory == "episodic")
    assert torch.equal(weights(with_it)[: len(weights(without))], weights(without)) != holds_events


def test_sparse_reads_are_not_asked():
    sparse = {"slots": 4, "heads": 2, "read": "sparse", "k": 3}
    first, second = (weights(small(memory_kwargs=sparse, recall_coef=coef).learn(60)) for coef in (0.5, 0.0))
    assert torch.equal(first, second)


def test_it_is_saved_with_the_agent(tmp_path):
    model = small(recall_coef=0.5).learn(60)
    model.save(tmp_path / "agent")
    loaded = MemoryPPO.load(tmp_path / "agent", vec_env(env=Staggered), device="cpu")
    assert loaded.recall_coef == 0.5
    assert torch.equal(weights(loaded), weights(model))
    loaded.recall_coef = 0.0
    loaded.learn(30)


def test_an_agent_that_was_made_without_says_so():
    model = small()
    model.recall_coef = 0.5
    with pytest.raises(ValueError, match=r"^recall_coef=0.5: the agent was made with 0"):
        model.learn(30)
