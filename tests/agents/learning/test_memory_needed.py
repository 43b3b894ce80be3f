"""The memory that a training needs, estimated from invented steps, against what real ones take."""

import pytest
import torch
from small import controller_sizes, small
from staggered import ACTIONS, OBSERVATIONS, ROWS, MaskedByObservation, vec_env

from engram.agents.learning.lesson import loss_of, prepare
from engram.agents.learning.memory_needed import _bytes, _counting, memory_needed
from engram.agents.learning.numbers import numbers_now
from engram.memory import CONTROLLERS, MEMORIES, tree_map

SIZES = {"episodic": {"slots": 4, "heads": 2}}
PAIRS = [*(("lstm", memory) for memory in MEMORIES), *((name, "episodic") for name in CONTROLLERS if name != "lstm")]


def learned(controller, memory, **kwargs):
    kwargs = {"memory_kwargs": SIZES.get(memory, {}), "n_steps": 40, "batch_size": 60, **kwargs}
    return small(memory=memory, controller=controller, controller_kwargs=controller_sizes(controller), **kwargs)


@pytest.mark.parametrize(("controller", "memory"), PAIRS)
def test_it_is_what_a_rollout_and_a_minibatch_take(controller, memory):
    model = learned(controller, memory)
    model.learn(40 * ROWS)
    numbers = numbers_now(vars(model), 1.0)
    events, lesson = prepare(model.policy, model.chunks)
    stored = sum(map(_bytes, (model.chunks.steps, tuple(model.chunks.states), events, lesson)))
    chunks = tree_map(lambda leaf: leaf[:12], lesson)  # 60 steps of 5
    with _counting(model.policy) as sizes:
        loss_of(model.policy, events, chunks, numbers, numbers.reward_coef)
    rollout, minibatch = memory_needed(model.policy, numbers, 40, ROWS, 5)
    assert rollout == pytest.approx(stored, rel=0.15)
    assert minibatch == pytest.approx(sum(sizes.values()), rel=0.35)


def test_twice_the_envs_take_twice_the_rollout_and_twice_the_minibatch_twice_that():
    model = learned("lstm", "episodic")
    numbers = numbers_now(vars(model), 1.0)
    once, twice = (memory_needed(model.policy, numbers, 40, rows, 5) for rows in (ROWS, 2 * ROWS))
    assert twice[0] == pytest.approx(2 * once[0], rel=1e-3)
    assert twice[1] == once[1]
    larger = memory_needed(model.policy, numbers._replace(batch_size=120), 40, 2 * ROWS, 5)
    assert larger[1] == pytest.approx(2 * once[1], rel=1e-3)


def test_nothing_is_drawn_or_changed():
    model = learned("lstm", "episodic")
    weights = {name: leaf.clone() for name, leaf in model.policy.state_dict().items()}
    before = torch.get_rng_state()
    memory_needed(model.policy, numbers_now(vars(model), 1.0), 40, ROWS, 5)
    assert torch.equal(torch.get_rng_state(), before)
    for name, leaf in model.policy.state_dict().items():
        assert torch.equal(leaf, weights[name])


@pytest.mark.parametrize("actions", ["discrete", "multidiscrete"])
def test_masks_in_the_observation_allow_something(actions):
    model = small(vec_env(env=MaskedByObservation, action_space=ACTIONS[actions]))
    rollout, minibatch = memory_needed(model.policy, numbers_now(vars(model), 1.0), 40, ROWS, 5)
    assert rollout > 0
    assert minibatch > 0


@pytest.mark.parametrize("name", [*OBSERVATIONS, *ACTIONS])
def test_for_every_space(name):
    spaces = {"observation_space": OBSERVATIONS[name]} if name in OBSERVATIONS else {"action_space": ACTIONS[name]}
    model = small(vec_env(**spaces))
    rollout, minibatch = memory_needed(model.policy, numbers_now(vars(model), 1.0), 40, ROWS, 5)
    assert rollout > 0
    assert minibatch > 0
