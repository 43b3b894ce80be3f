"""Interventions on single events: those that show the cue, or as many others."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from cued import SCRIPTS, CuedInDict, Watched, WithoutCueInfo, cued, cued_agent, scripted, stored
from staggered import ROWS

from engram.agents.evaluation.episodes import evaluate
from engram.agents.evaluation.event_interventions import CueDeleted, CueEvents, CueReplaced, OthersDeleted
from engram.memory.event_hash import event_hash

CUE = 3  # the last part of what is observed


def play(kind, *arguments, scripts=SCRIPTS, n_episodes=12, **kwargs):
    model = cued_agent()
    watched = Watched(kind(model.policy, len(scripts), *arguments, **kwargs))
    evaluate(model, cued(scripts), n_episodes, intervention=watched)
    return model, watched


def episodes_of(watched, row):
    """The memory that one row acts from at every step, episode by episode, without their first steps.

    There the episode before still stands in it, which the agent does not see.
    """
    found = {}
    for episode, time, _, acted, _ in watched.of(row):
        if time:
            found.setdefault(episode, []).append(acted)
    return found


def observed(row, episode, scripts=SCRIPTS):
    """What is observed in an episode, up to the last step."""
    script = scripts[row][episode % len(scripts[row])]
    return [[row, episode, time, int(cue)] for time, cue in enumerate(script[:-1])]


@pytest.mark.parametrize("row", range(ROWS))
def test_events_that_show_the_cue_are_never_seen_again(row):
    _, watched = play(CueDeleted)
    for episode, memories in episodes_of(watched, row).items():
        for time, memory in enumerate(memories, start=1):
            expected = [seen for seen in observed(row, episode)[:time] if not seen[CUE]]
            assert sorted(stored(memory)) == expected


@pytest.mark.parametrize("row", range(ROWS))
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_as_many_others_are_deleted_and_none_that_shows_the_cue(row, seed):
    _, watched = play(OthersDeleted, seed=seed)
    for episode, memories in episodes_of(watched, row).items():
        for time, memory in enumerate(memories, start=1):
            seen = observed(row, episode)[:time]
            cues, others = ([one for one in seen if one[CUE] == cue] for cue in (1, 0))
            left = stored(memory)
            assert [one for one in sorted(left) if one[CUE]] == cues
            gone = len(others) - sum(not one[CUE] for one in left)
            assert gone <= len(cues)
            # Those that come later than the cue have to be waited for.
            assert gone == min(len(cues), len(others))


def test_which_others_are_deleted_is_drawn():
    scripts = (("0000001000",), ("0000001000",))
    left = set()
    for seed in range(8):
        _, watched = play(OthersDeleted, scripts=scripts, n_episodes=2, seed=seed)
        for row in (0, 1):
            (memories,) = episodes_of(watched, row).values()
            times = [time for _, _, time, _ in stored(memories[6])]
            (gone,) = set(range(7)) - set(times)
            left.add(gone)
    assert len(left) > 2
    assert 6 not in left


def other(row, observation):
    """An involution on what is seen of the cue: done twice it would show."""
    assert observation[CUE] in (1, 2)
    assert observation[0] == row
    changed = observation.copy()
    changed[CUE] = 3 - observation[CUE]
    return changed


@pytest.mark.parametrize("row", range(ROWS))
def test_events_show_the_other_cue_from_the_next_step_on(row):
    _, watched = play(CueReplaced, other)
    for episode, memories in episodes_of(watched, row).items():
        for time, memory in enumerate(memories, start=1):
            expected = [[*seen[:CUE], 2 * seen[CUE]] for seen in observed(row, episode)[:time]]
            assert stored(memory) == expected
            assert memory.birth[memory.filled].tolist() == list(range(time))  # as if it had happened then
            assert torch.equal(event_hash(memory.events)[memory.filled], memory.event_hash[memory.filled])


def test_of_a_dict_the_part_with_the_cue_is_replaced_and_the_others_stay():
    model = cued_agent(cued(env=CuedInDict))
    replaced = CueReplaced(model.policy, ROWS, lambda row, seen: {**seen, "image": other(row, seen["image"])})
    watched = Watched(replaced)
    evaluate(model, cued(env=CuedInDict), 12, intervention=watched)
    for row in range(ROWS):
        for episode, memories in episodes_of(watched, row).items():
            for time, memory in enumerate(memories, start=1):
                clock, image = (part[memory.filled] for part in memory.events.observation)
                assert image.tolist() == [[*seen[:CUE], 2 * seen[CUE]] for seen in observed(row, episode)[:time]]
                assert clock.flatten().tolist() == list(range(time))
                assert torch.equal(event_hash(memory.events)[memory.filled], memory.event_hash[memory.filled])


def test_every_event_is_replaced_once_only():
    requested = []

    def counted(row, observation):
        requested.append(tuple(observation.astype(int)))
        return other(row, observation)

    _, watched = play(CueReplaced, counted)
    steps = [(row, *pair) for row in range(ROWS) for pair in pairwise(scripted(row, len(watched.steps)))]
    # An event is there from the step after it on, if the episode has one.
    seen = [(row, now[0], now[1], 1) for row, now, then in steps if now[2] and then[0] == now[0]]
    assert sorted(requested) == seen


@torch.no_grad()
def test_the_agent_acts_from_what_was_replaced_and_not_from_what_it_knew_of_it():
    # Encodings of events are kept from step to step: here they are those of another event.
    model, watched = play(CueReplaced, other)
    policy, none = model.policy, torch.zeros(ROWS, dtype=torch.bool)
    *_, own, acted, kept = watched.steps[2]  # row 0 has just seen its cue, and has it replaced
    seen = torch.tensor([[0.0, 0, 2, 0], [1, 0, 2, 1], [2, 0, 2, 0]])
    assert torch.equal(kept.core.memory.events.observation[:, 2], seen)
    expected, other_action = (policy.act(seen, state, none, deterministic=True).actions for state in (acted, own))
    assert torch.allclose(kept.previous_action[0], policy.stored_action.store(expected)[0], atol=1e-6)
    assert (expected - other_action)[0].abs().max() > 1e-5


def test_the_base_class_changes_nothing():
    _, watched = play(CueEvents)
    assert all(acted is state for _, _, state, acted, _ in watched.steps)


@pytest.mark.parametrize(("memory", "name"), [("dnc", "DNC"), ("none", "NoMemory")])
def test_only_an_episodic_memory_has_single_events(memory, name):
    model = cued_agent(memory=memory, memory_kwargs={})
    with pytest.raises(ValueError, match=f"edited only in an episodic memory, not in {name}"):
        CueDeleted(model.policy, ROWS)


def test_an_env_has_to_report_its_cue():
    model = cued_agent()
    with pytest.raises(ValueError, match="CueDeleted needs an env with"):
        evaluate(model, cued(env=WithoutCueInfo), n_episodes=3, intervention=CueDeleted(model.policy, ROWS))


def test_the_same_seed_deletes_the_same():
    plays = [play(OthersDeleted, seed=seed)[1] for seed in (5, 5, 6)]
    filled = [np.array([step[3].core.memory.filled.numpy() for step in watched.steps]) for watched in plays]
    assert (filled[0] == filled[1]).all()
    assert (filled[0] != filled[2]).any()
