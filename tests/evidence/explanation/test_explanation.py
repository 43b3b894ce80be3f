"""The explanation of an episode of an agent that was taught to recall its cue."""

from __future__ import annotations

import functools
import json
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv
from taught_agent import ABOUT, DELAY, HEADS, NAMES, SLOTS, agent, explained, maze, taught

from engram.agents import MemoryPPO
from engram.agents.evaluation.recording import RecordedStep, Recording, record
from engram.envs.tasks.tmaze.env import DOWN, FORWARD, UP
from engram.evidence.explanation.edits import DRAWS, WRITTEN, event_sets
from engram.evidence.explanation.explain import explain
from engram.evidence.explanation.page import render_page


@pytest.mark.parametrize("answer", [UP, DOWN])
def test_the_choice_is_explained_by_the_cue(answer: int) -> None:
    recording, content = explained(taught(), answer)
    assert recording.success
    assert content["success"]
    assert content["length"] == DELAY + 1
    choice = content["decisions"][-1]
    assert (choice["step"], choice["action"]) == (DELAY, answer)
    first, *others = choice["effects"]
    assert (first["steps"], first["label"], first["shows_cue"]) == ([0], "everything that shows the cue", True)
    deleted, replaced = first["deleted"], first["replaced"]
    assert deleted["likelihood_change"] < -0.3
    assert choice["likelihood"] == pytest.approx(content["steps"][DELAY]["probabilities"][answer], abs=2e-4)
    assert deleted["likelihood"] == pytest.approx(choice["likelihood"] + deleted["likelihood_change"], abs=2e-4)
    assert (replaced["likelihood"] < 0.1, replaced["action_after"]) == (True, UP + DOWN - answer)
    assert content["steps"][0]["instead"]["source"] == "the other cue"
    assert content["steps"][0]["instead"]["caption"] == f"cue {NAMES[UP + DOWN - answer]}, corridor"
    assert all(abs(other["deleted"]["likelihood_change"]) < -deleted["likelihood_change"] / 2 for other in others)
    assert not any(other["shows_cue"] for other in others)


@pytest.mark.parametrize("answer", [UP, DOWN])
def test_beside_the_strongest_events_stand_as_many_others(answer: int) -> None:
    _, content = explained(taught(), answer)
    choice = content["decisions"][-1]
    control, first = choice["control"], choice["effects"][0]
    assert (control["events"], control["draws"]) == (1, DRAWS)
    for kind in ("deleted", "replaced"):
        mean, largest = control[kind]["likelihood_change"]
        assert 0 <= mean <= largest < abs(first[kind]["likelihood_change"]) / 2
        assert control[kind]["other_action"] == 0
        # A draw is one of the single events, whose effects are shown, too: a mean of them, and one of them.
        alone = [
            abs(e[kind]["likelihood_change"]) for e in choice["effects"] if len(e["steps"]) == 1 and e is not first
        ]
        assert len(alone) == DELAY - 1
        assert min(alone) - 1e-4 <= mean <= max(alone) + 1e-4
        assert min(abs(largest - size) for size in alone) < 2e-4
    assert explained(taught(), answer)[1]["decisions"] == content["decisions"]  # the same draws again


def strength(effect: dict[str, Any]) -> float:
    changes: list[float] = [effect[kind]["likelihood_change"] for kind in ("deleted", "replaced") if effect[kind]]
    return max(map(abs, changes))


def test_effects_are_of_events_before_the_step_the_largest_first() -> None:
    _, content = explained(taught(), UP)
    steps = [decision["step"] for decision in content["decisions"]]
    assert steps == sorted(set(steps))
    for decision in content["decisions"]:
        sizes = [strength(effect) for effect in decision["effects"]]
        assert sizes == sorted(sizes, reverse=True)
        for effect in decision["effects"]:
            assert all(step < decision["step"] for step in effect["steps"])
            assert effect["steps"]
            assert effect["group"] or len(effect["steps"]) == 1
    alike = [effect for effect in content["decisions"][-1]["effects"] if effect["group"]]
    assert [effect["steps"] for effect in alike] == [list(range(1, DELAY))]  # the corridor looks the same
    assert alike[0]["label"] == "corridor"
    shown = {step for effect in alike for step in effect["steps"][:3]}
    assert {(content["steps"][step]["instead"]["caption"]) for step in shown} == {"junction"}
    assert {(content["steps"][step]["instead"]["source"]) for step in shown} == {f"episode 7, step {DELAY}"}


def test_every_step_lists_what_was_seen_stored_and_read() -> None:
    recording, content = explained(taught(), DOWN)
    captions = ["cue down, corridor", *["corridor"] * (DELAY - 1), "junction"]
    assert [step["caption"] for step in content["steps"]] == captions
    assert [step["cue"] for step in content["steps"]] == [True, *[False] * DELAY]
    assert [step["action"] for step in content["steps"]] == [FORWARD] * DELAY + [DOWN]
    assert [step["written"] for step in content["steps"]] == [[[slot, 1.0]] for slot in range(DELAY + 1)]
    assert [step["reward"] for step in content["steps"]] == [0] * DELAY + [1]
    assert content["return"] == 1
    assert content["steps"][-1]["occupancy"] == pytest.approx((DELAY + 1) / SLOTS, abs=1e-4)
    assert (content["heads"], content["slots"], content["action_names"]) == (HEADS, SLOTS, [*NAMES])
    for time, (step, recorded) in enumerate(zip(content["steps"], recording.steps, strict=True)):
        assert len(step["read"]) == HEADS
        for number, head in enumerate(step["read"]):
            assert all(source < time and slot == source for source, slot, _ in head["from"])
            assert head["nothing"] + sum(weight for *_, weight in head["from"]) == pytest.approx(
                1, abs=0.05
            )  # faint parts are left out
            assert recorded.access is not None
            for source, slot, weight in head["from"]:
                assert weight == pytest.approx(float(recorded.access.read[0, number, slot]), abs=1e-4), source
        assert step["world"] is None
        assert content["images"][step["seen"]].startswith("data:image/png;base64,")
    assert len(content["images"]) == len(set(content["images"])) == 4  # each of them once, and the other cue
    assert content["notes"] == ["only the contents of the memory are edited; the controller keeps its own state"]


def test_what_is_left_out_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole = explained(taught(), UP)
    assert (whole["left_out"], whole["tried_alone"]) == ([], [DELAY + 1, DELAY + 1])
    monkeypatch.setattr("engram.evidence.explanation.decisions.LEAST_CHANGE", 0.0)  # any step is a decision
    monkeypatch.setattr("engram.evidence.explanation.decisions.BUDGET", 3 * (DELAY + 1))
    monkeypatch.setattr("engram.evidence.explanation.decisions.LEAST_DECISIONS", 2)
    monkeypatch.setattr("engram.evidence.explanation.edits.BUDGET", 4 * (DELAY + 1))
    monkeypatch.setattr("engram.evidence.explanation.edits.LEAST_SINGLE", 2)
    monkeypatch.setattr("engram.evidence.explanation.decisions.MOST_EFFECTS", 2)
    _, content = explained(taught(), UP)
    shown = [decision["step"] for decision in content["decisions"]]
    assert len(shown) == 3
    assert sorted([*shown, *content["left_out"]]) == list(range(DELAY + 1))
    alone, written = content["tried_alone"]
    assert (alone in (4, 5), written) == (True, DELAY + 1)  # the cue is a set of its own
    assert content["decisions"][-1]["tried"] > len(content["decisions"][-1]["effects"]) == 2


def test_an_episode_of_two_hundred_steps_is_examined_whole() -> None:
    shown = 200 * [taught_step()]
    sets = list(event_sets(Recording(taught().policy.initial_state(1), shown, None, "", True)))
    assert sum(len(steps) == 1 for steps, _ in sets) == 200


@functools.cache
def taught_step() -> RecordedStep:
    return record(taught().policy, maze(UP), 99).steps[1]


def test_edits_are_replayed_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = explained(taught(), UP)[1]["decisions"]
    monkeypatch.setattr("engram.agents.evaluation.counterfactual.BATCH", 3)
    parts = explained(taught(), UP)[1]["decisions"]
    assert [decision["step"] for decision in parts] == [decision["step"] for decision in whole]
    for one, other in zip(parts[-1]["effects"], whole[-1]["effects"], strict=True):
        assert one["steps"] == other["steps"]
        for kind in ("deleted", "replaced"):
            assert one[kind]["likelihood"] == pytest.approx(other[kind]["likelihood"], abs=2e-4)


def test_the_page_can_show_it() -> None:
    _, content = explained(taught())
    assert json.loads(json.dumps(content)) == content
    render_page(content, "page.html")


def assert_only_deleted(content: dict[str, Any]) -> None:
    effects = [effect for decision in content["decisions"] for effect in decision["effects"]]
    assert effects
    assert all(effect["replaced"] is None for effect in effects)
    assert (content["replaces"], {step["instead"] is None for step in content["steps"]}) == (False, {True})


@pytest.mark.parametrize("memory", ["ntm", "dnc"])
def test_a_memory_that_blends_its_writes_is_explained_too(memory: str) -> None:
    recording, content = explained(agent(memory, "lstm"), most_steps=9)
    assert not content["reads_before_writing"]
    written = [
        time
        for time, step in enumerate(recording.steps)
        if step.access is not None and float(step.access.written.max()) >= WRITTEN
    ]
    assert [time for time, step in enumerate(content["steps"]) if step["written"]] == written
    assert any(head["from"] for step in content["steps"] for head in step["read"])
    assert all(
        source <= time
        for time, step in enumerate(content["steps"])
        for head in step["read"]
        for source, *_ in head["from"]
    )
    assert content["decisions"][-1]["step"] == 8
    sizes = [strength(effect) for effect in content["decisions"][-1]["effects"]]
    assert sizes == sorted(sizes, reverse=True)
    assert_only_deleted(content)
    assert content["notes"][0] == "cut after 9 steps, before the episode ended"
    render_page(content, "page.html")


@pytest.mark.parametrize("memory", ["fast_weight", "transformer"])
def test_a_memory_without_slots_is_explained_by_its_effects(memory: str) -> None:
    _, content = explained(agent(memory, "lstm"), most_steps=3)
    assert (content["heads"], content["slots"]) == (0, 0)
    (decision,) = (decision for decision in content["decisions"] if decision["step"] == 2)
    assert {tuple(effect["steps"]) for effect in decision["effects"]} == {(0,), (1,)}
    assert any(abs(effect["deleted"]["value_change"]) > 1e-3 for effect in decision["effects"])
    assert_only_deleted(content)
    render_page(content, "page.html")


def test_continuous_actions_are_explained_by_their_density() -> None:
    env = DummyVecEnv([lambda: gym.make("Engram-PositionPendulum-v0")])
    sizes = {"slots": SLOTS, "heads": HEADS}
    model = MemoryPPO("MemoryPolicy", env, controller="feedforward", memory_kwargs=sizes, seed=0, device="cpu")
    with torch.no_grad():  # an agent that has learned nothing does not heed its memory
        model.policy.action_net.weight.copy_(100 * model.policy.action_net.weight)
        model.policy.log_std.fill_(-3)
    env.seed(3)
    recording = record(model.policy, env, 8)
    content = explain(model, recording, ABOUT, donors={"episode 1": record(model.policy, env, 8)})
    assert content["likelihood"] == "log density"
    assert [len(step["action"]) for step in content["steps"]] == [1] * 8
    last = content["decisions"][-1]
    action, deviation = content["steps"][7]["action"][0], np.exp(-3)
    assert last["likelihood"] == pytest.approx(-np.log(deviation * np.sqrt(2 * np.pi)), abs=2e-4)
    for effect in last["effects"]:
        for kind in ("deleted", "replaced"):
            shift = (effect[kind]["action_after"][0] - action) / deviation
            assert effect[kind]["likelihood_change"] == pytest.approx(-(shift**2) / 2, abs=2e-2)
    assert strength(last["effects"][0]) > 0.01
    assert last["control"]["draws"] == DRAWS
    for kind in ("deleted", "replaced"):  # of the draws, which differ
        mean, largest = last["control"][kind]["value_change"]
        assert 0 < mean < largest
    render_page(content, "page.html")


def test_without_a_memory_nothing_is_deleted() -> None:
    _, content = explained(agent("none", "lstm"), most_steps=3)
    assert (content["heads"], content["slots"], content["decisions"]) == (0, 0, [])
    assert content["notes"][-1] == "the agent has no memory beside its controller"
    assert np.isfinite([step["value"] for step in content["steps"]]).all()
    render_page(content, "page.html")


def test_progress_is_reported() -> None:
    reported: list[tuple[int, int]] = []
    recording = record(taught().policy, maze(), 4)
    explain(taught(), recording, {}, on_progress=lambda done, total: reported.append((done, total)))
    assert reported == [(done, 8) for done in range(1, 9)]  # once with the events changed, once with others
