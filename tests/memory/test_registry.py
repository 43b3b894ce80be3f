"""Names and arguments from a config become modules, or one clear line."""

import inspect

import pytest
import torch
from cores import ENCODED, EventEncoder, events
from own_memories import Counting

from engram.memory import CONTROLLERS, MEMORIES, Controller, Core, Memory, tree_map
from engram.memory.episodic.memory import EpisodicMemory
from engram.memory.registry import build_controller, build_memory

EVENT = tree_map(lambda leaf: leaf[0, :1], events(1, 1))


def core(**kwargs):
    return Core(EventEncoder(), EVENT, ENCODED, **kwargs)


def test_the_registries_name_classes():
    assert {"lstm", "gru", "feedforward"} <= set(CONTROLLERS)
    assert {"none", "episodic"} <= set(MEMORIES)
    assert all(issubclass(controller, Controller) for controller in CONTROLLERS.values())
    assert all(issubclass(memory, Memory) for memory in MEMORIES.values())


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"^unknown controller 'lstn'; choose one of feedforward, gru, lstm"):
        core(controller="lstn")
    with pytest.raises(ValueError, match=r"^unknown memory 'ntm2'; choose one of .*episodic, .*none"):
        core(memory="ntm2")


def test_an_unknown_argument_is_answered_with_the_nearest_and_all():
    with pytest.raises(ValueError, match=r"memory 'episodic' has no argument 'slot'; did you mean 'slots'\? .* heads,"):
        core(memory_kwargs={"slot": 3})
    with pytest.raises(ValueError, match=r"controller 'gru' has no argument 'units'; its arguments are: hidden_size"):
        core(controller="gru", controller_kwargs={"units": 3})
    with pytest.raises(ValueError, match=r"memory 'none' has no argument 'slots'; its arguments are: none"):
        core(memory="none", memory_kwargs={"slots": 3})


def test_what_the_core_gives_cannot_be_given_by_the_user():
    with pytest.raises(ValueError, match="has no argument 'encoded_size'"):
        core(memory_kwargs={"encoded_size": 3})


def test_defaults_can_be_left_out():
    assert build_controller("lstm", 5).hidden_size == 64
    default = inspect.signature(EpisodicMemory).parameters["slots"].default
    assert build_memory("episodic", EventEncoder(), EVENT, ENCODED, 7).slots == default


def test_an_own_memory_is_one_entry(monkeypatch):
    monkeypatch.setitem(MEMORIES, "counting", Counting)
    assert isinstance(core(memory="counting", controller="gru").memory, Counting)
    assert core(memory="counting", controller="gru").from_feedback.in_features == 1


@pytest.mark.parametrize("size", ["read_size", "feedback_size"])
def test_an_own_memory_that_does_not_tell_its_sizes_is_told_which_to_set(monkeypatch, size):
    class Forgetful(Counting):
        feedback_size = 0 if size == "feedback_size" else 1

    if size == "read_size":
        monkeypatch.delattr(Counting, "read_size")
    monkeypatch.setitem(MEMORIES, "forgetful", Forgetful)
    with pytest.raises(ValueError, match=rf"^Forgetful has to set {size}: "):
        core(memory="forgetful")


@pytest.mark.parametrize("kind", ["controller", "memory"])
def test_what_is_no_name_or_no_dictionary_is_refused(kind):
    with pytest.raises(ValueError, match=rf"^unknown {kind} \['lstm'\]; choose one of"):
        core(**{kind: ["lstm"]})
    with pytest.raises(ValueError, match=rf"^{kind}_kwargs=\['slots'\] must be a dictionary from names to values$"):
        core(**{f"{kind}_kwargs": ["slots"]})


def test_a_memory_that_feeds_nothing_back_says_so():
    memory = core(memory="none").memory
    with pytest.raises(TypeError, match="NoMemory feeds nothing back"):
        memory.feedback(())


def test_without_a_memory_the_heads_see_the_hidden_vector():
    plain = core(memory="none", controller_kwargs={"hidden_size": 7})
    unrolled = plain.unroll(events(4, 2), plain.initial_state(2), torch.zeros(4, 2, dtype=torch.bool))
    assert plain.feature_size == 7
    assert unrolled.features.shape == (4, 2, 7)
