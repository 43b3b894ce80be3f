"""Another number of reads a step at evaluation: who takes it, and that it is said."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from engram.agents import MemoryPPO
from engram.agents.actor_critic import MemoryActorCritic
from engram.configs import CannotRun
from engram.evidence.runs.more_hops import said, set_hops, split_hops

SPACE = spaces.Box(-1.0, 1.0, (3,), np.float32)


def agent(**arguments):
    made = MemoryPPO("MemoryPolicy", None, _init_setup_model=False)
    made.policy = MemoryActorCritic(SPACE, spaces.Discrete(2), lambda _: 1e-3, features_dim=8, **arguments)
    return made


def features(model, length=6, batch=2):
    """What the heads see along random steps."""
    torch.manual_seed(5)
    policy, starts = model.policy, torch.zeros(length, batch, dtype=torch.bool)
    state = policy.initial_state(batch)
    previous = state.previous_action.expand(length, *state.previous_action.shape)
    with torch.no_grad():
        return policy.core.unroll(policy.events(torch.randn(length, batch, 3), previous, starts), state.core, starts)[0]


def test_the_word_is_taken_out_of_the_others():
    assert split_hops(["runs/a", "memory.hops=4", "runs/b"]) == (["runs/a", "runs/b"], 4)
    assert split_hops(["runs/a", "memory.module=mine"]) == (["runs/a", "memory.module=mine"], None)
    for wrong in ("memory.hops=", "memory.hops=two", "memory.hops=-1", "memory.hops=2.5"):
        with pytest.raises(CannotRun, match=f"{wrong}: must be a whole number of reads per step"):
            split_hops([wrong])


def test_more_reads_are_what_an_agent_of_so_many_with_the_same_weights_does():
    two, three = (agent(memory_kwargs={"hops": hops}) for hops in (2, 3))
    three.policy.load_state_dict(two.policy.state_dict())
    before = features(two)
    assert set_hops(two, 3) == (2, 3)
    assert torch.equal(features(two), features(three))
    assert not torch.allclose(features(two), before)
    assert set_hops(two, 3) is None
    assert set_hops(two, 2) == (3, 2)
    assert torch.equal(features(two), before)


@pytest.mark.parametrize(
    ("arguments", "hops", "message"),
    [
        ({"memory": "none"}, 3, "memory.hops=3: the agent's memory has no hops, as an episodic one has"),
        ({"memory_kwargs": {"hops": 1}}, 3, "memory.hops=3: hops=3 for a memory trained with 1"),
        ({"memory_kwargs": {"hops": 2}}, 1, "memory.hops=1: hops=1 for a memory trained with 2"),
        ({"memory_kwargs": {"hops": 2}}, 0, "memory.hops=0: hops=0 must be a whole number of at least 1"),
    ],
)
def test_what_has_no_further_reads_is_refused(arguments, hops, message):
    with pytest.raises(CannotRun, match=message):
        set_hops(agent(**arguments), hops)


def test_it_is_said():
    assert said(None) == []
    assert said((3, 4)) == ["Played with 4 reads a step (memory.hops=4); trained with 3."]
