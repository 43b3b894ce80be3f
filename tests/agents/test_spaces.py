"""Spaces that are not supported are refused in one clear line; the others become trees of tensors."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from staggered import ACTIONS, GRID, IMAGE, OBSERVATIONS, VECTOR

from engram.agents import MemoryPolicy, MemoryPPO
from engram.agents.spaces import blank_observation, check_spaces, observation_tree
from engram.memory.state import leaves


class Spaced(gym.Env):
    def __init__(self, observation_space, action_space):
        self.observation_space, self.action_space = observation_space, action_space


CHOICE = spaces.Discrete(3)
MASKED = {"seen": VECTOR, "action_mask": spaces.MultiBinary(4)}
REFUSED = {
    "tuple": (spaces.Tuple((VECTOR, VECTOR)), CHOICE, "observation space Tuple is not supported; use Box, "),
    "nested dict": (
        spaces.Dict({"a": spaces.Dict({"b": VECTOR})}),
        CHOICE,
        "observation space Dict under the key 'a' is not supported",
    ),
    "text": (spaces.Text(5), CHOICE, "observation space Text is not supported"),
    "text in a dict": (
        spaces.Dict({"mission": spaces.Text(5), "seen": VECTOR}),
        CHOICE,
        "observation space Text under the key 'mission' is not supported",
    ),
    "empty dict": (spaces.Dict({}), CHOICE, "the Dict observation space is empty"),
    "scalar box": (spaces.Box(0, 1, ()), CHOICE, "observation space Box .*shape"),
    "observations from 2": (spaces.Discrete(4, start=2), CHOICE, "observation space Discrete must start at 0"),
    "many observations from 2": (
        spaces.MultiDiscrete([4, 3], start=[2, 0]),
        CHOICE,
        "observation space MultiDiscrete must",
    ),
    "actions from 1": (VECTOR, spaces.Discrete(3, start=1), "action space Discrete must start at 0, not at 1"),
    "many actions from 1": (VECTOR, spaces.MultiDiscrete([2, 3], start=[1, 1]), "action space MultiDiscrete must"),
    "two-axis choices": (VECTOR, spaces.MultiDiscrete([[2, 3], [2, 2]]), "action space MultiDiscrete must"),
    "two-axis bits": (
        VECTOR,
        spaces.MultiBinary([2, 3]),
        r"MultiBinary has shape \(2, 3\); give it one axis, 6",
    ),
    "bits by a tuple": (
        VECTOR,
        spaces.MultiBinary((4,)),
        r"MultiBinary\(\(4,\)\), of a tuple; make it MultiBinary\(4\)$",
    ),
    "tuple of actions": (VECTOR, spaces.Tuple((CHOICE, CHOICE)), "action space Tuple is not supported; use Discrete"),
    "endless actions": (VECTOR, spaces.Box(-np.inf, np.inf, (2,)), "action space Box needs finite bounds"),
    "whole actions": (
        VECTOR,
        spaces.Box(-2, 2, (2,), np.int64),
        "action space Box is of int64; make it",
    ),
    "mask of another size": (spaces.Dict(MASKED), CHOICE, r"'action_mask' must be MultiBinary\(3\)"),
    "mask of numbers": (
        spaces.Dict({**MASKED, "action_mask": spaces.Box(-10, 10, (3,))}),
        CHOICE,
        r"'action_mask' must be MultiBinary\(3\)",
    ),
    "mask of a box": (spaces.Dict(MASKED), spaces.Box(-1, 1, (4,)), "needs a Discrete or MultiDiscrete action space"),
}


# The policy cannot read these; of an env they are made flat.
MADE_FLAT = {
    "tuple",
    "nested dict",
    "text",
    "text in a dict",
    "scalar box",
    "observations from 2",
    "many observations from 2",
}


@pytest.mark.parametrize("case", sorted(MADE_FLAT))
def test_an_env_is_made_flat(case):
    model = MemoryPPO("MemoryPolicy", Spaced(*REFUSED[case][:2]), n_steps=8)
    check_spaces(model.observation_space, model.action_space)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_supported_is_refused_in_one_line(case):
    observation_space, action_space, line = REFUSED[case]
    for attempt in (
        lambda: check_spaces(observation_space, action_space),
        lambda: MemoryPolicy(observation_space, action_space, lambda _: 1e-3),
        lambda: MemoryPPO("MemoryPolicy", Spaced(observation_space, action_space)),
    )[: 2 if case in MADE_FLAT else 3]:
        with pytest.raises(ValueError, match=line) as caught:
            attempt()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("observations", OBSERVATIONS)
@pytest.mark.parametrize("actions", ACTIONS)
def test_what_is_supported_passes(observations, actions):
    check_spaces(OBSERVATIONS[observations], ACTIONS[actions])


@pytest.mark.parametrize("mask", [spaces.MultiBinary(3), spaces.Box(0, 1, (3,), np.int8), spaces.Box(0, 1, (3,), bool)])
def test_masks_of_zeros_and_ones_pass(mask):
    check_spaces(spaces.Dict({"seen": VECTOR, "action_mask": mask}), CHOICE)


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (np.uint8, torch.uint8),
        (np.int64, torch.int64),
        (np.float32, torch.float32),
        (np.float64, torch.float32),  # nothing computes in double precision
        (np.uint16, torch.int32),  # torch cannot index what it stores as uint16
        (np.int8, torch.int8),
    ],
)
def test_observations_keep_their_type_where_torch_can(kind, stored):
    space = spaces.Box(0, 100, (2, 3), kind)
    observation = np.stack([space.sample() for _ in range(5)])
    tree = observation_tree(observation, space, "cpu")
    assert tree.dtype == stored
    assert np.allclose(tree, observation)
    assert blank_observation(space).dtype == stored
    assert blank_observation(space).shape == (1, 2, 3)


def test_a_dict_becomes_a_tuple_in_the_order_of_its_keys():
    space = spaces.Dict({"z": IMAGE, "a": VECTOR, "m": spaces.Discrete(4), "g": GRID})
    batch = {key: np.stack([part.sample() for _ in range(5)]) for key, part in space.spaces.items()}
    tree = observation_tree(dict(reversed(batch.items())), space, "cpu")
    assert [tuple(leaf.shape) for leaf in leaves(tree)] == [(5, 4), (5, 3, 2, 2), (5,), (5, 10, 14, 3)]
    assert np.array_equal(tree[2], batch["m"])
    blank = blank_observation(space)
    assert [leaf.dtype for leaf in leaves(blank)] == [leaf.dtype for leaf in leaves(tree)]


def test_observations_are_copied():
    observation = np.zeros((2, 4), np.float32)
    tree = observation_tree(observation, VECTOR, "cpu")
    observation += 1
    assert tree.abs().max() == 0
