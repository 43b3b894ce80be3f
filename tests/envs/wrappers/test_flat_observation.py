import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.vec_env import DummyVecEnv

from engram.agents.spaces import check_spaces
from engram.envs import adapt_env
from engram.envs.wrappers.flat_observation import FlatObservation, flat_space
from engram.envs.wrappers.words import number_of, words_of

CHOICE = spaces.Discrete(2)
BOX = spaces.Box(-1.0, 1.0, (3,))
GRID = spaces.Box(0, 7, (2, 3), np.uint8)
NUMBER = spaces.Box(np.float32(-2.0), np.float32(5.0), ())


class Showing(gym.Env[Any, Any]):
    """Shows what it is given, or else anything out of its space."""

    action_space = CHOICE

    def __init__(self, space, shown=None):
        self.observation_space = space
        self.observation_space.seed(3)
        self.shown = shown

    def _observe(self):
        return self.observation_space.sample() if self.shown is None else self.shown

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        return self._observe(), {}

    def step(self, action):
        return self._observe(), 0.0, False, False, {}


# space, flat space, an observation, the same made flat
CASES = {
    "tuple": (
        spaces.Tuple((spaces.Discrete(7), BOX)),
        spaces.Dict({"0": spaces.Discrete(7), "1": BOX}),
        (5, [1.0, 0.5, 0.25]),
        {"0": 5, "1": [1.0, 0.5, 0.25]},
    ),
    "nested": (
        spaces.Dict({"hand": spaces.Tuple((spaces.Discrete(13), spaces.Dict({"suit": spaces.Discrete(4)}))), "x": BOX}),
        spaces.Dict({"hand/0": spaces.Discrete(13), "hand/1/suit": spaces.Discrete(4), "x": BOX}),
        {"hand": (11, {"suit": 2}), "x": [0.0, 0.0, 1.0]},
        {"hand/0": 11, "hand/1/suit": 2, "x": [0.0, 0.0, 1.0]},
    ),
    "tuple of one": (spaces.Tuple((spaces.Discrete(3, start=5),)), spaces.Discrete(3), (7,), 2),
    "number": (NUMBER, spaces.Box(-2.0, 5.0, (1,)), np.float32(4.5), [4.5]),
    "choice from 10 on": (spaces.Discrete(4, start=10), spaces.Discrete(4), 13, 3),
    "choices from elsewhere": (
        spaces.MultiDiscrete([3, 5], start=[1, -2]),
        spaces.MultiDiscrete([3, 5]),
        np.array([3, 2]),
        [2, 4],
    ),
    "choices of two axes": (
        spaces.MultiDiscrete([[2, 3], [5, 7], [11, 13]]),
        spaces.MultiDiscrete([2, 3, 5, 7, 11, 13]),
        np.array([[1, 2], [4, 6], [10, 12]]),
        [1, 2, 4, 6, 10, 12],
    ),
    "a key among fine ones": (
        spaces.Dict({"level": spaces.Discrete(9, start=1), "view": BOX}),
        spaces.Dict({"level": spaces.Discrete(9), "view": BOX}),
        {"level": 1, "view": [0.0, 0.0, 0.0]},
        {"level": 0, "view": [0.0, 0.0, 0.0]},
    ),
}


@pytest.mark.parametrize(("space", "flat", "shown", "expected"), CASES.values(), ids=CASES)
def test_what_cannot_be_read_is_made_flat_and_keeps_its_meaning(space, flat, shown, expected):
    vec_env = DummyVecEnv([lambda: FlatObservation(Showing(space, shown))])
    assert vec_env.observation_space == flat
    observation = vec_env.reset()
    if not isinstance(flat, spaces.Dict):
        observation, expected = {"": observation}, {"": expected}
    assert set(observation) == set(expected)
    for key, value in expected.items():
        np.testing.assert_array_equal(observation[key][0], value)


FINE = [BOX, CHOICE, spaces.MultiDiscrete([2, 3]), spaces.MultiBinary(4), spaces.Dict({"a": BOX, "b": CHOICE})]


@pytest.mark.parametrize("space", FINE, ids=lambda space: type(space).__name__)
def test_what_can_be_read_stays_as_it_is(space):
    assert flat_space(space) == space


leaves = st.one_of(
    st.builds(lambda shape: spaces.Box(-3.0, 3.0, tuple(shape)), st.lists(st.integers(1, 3), max_size=3)),
    st.builds(lambda n, start: spaces.Discrete(n, start=start), st.integers(1, 5), st.integers(-3, 3)),
    st.builds(
        lambda shape, start: spaces.MultiDiscrete(
            np.arange(2, 2 + np.prod(shape)).reshape(shape), start=np.full(shape, start)
        ),
        st.lists(st.integers(1, 3), min_size=1, max_size=2),
        st.integers(-3, 3),
    ),
    st.builds(spaces.MultiBinary, st.integers(1, 5)),
)
nested = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(spaces.Tuple, st.lists(inner, min_size=1, max_size=3)),
        st.builds(spaces.Dict, st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=3)),
    ),
    max_leaves=6,
)


def numbers(space, value):
    """All numbers of an observation from left to right, choices counted from 0."""
    if isinstance(space, spaces.Dict):
        return [number for key in sorted(space.spaces) for number in numbers(space[key], value[key])]
    if isinstance(space, spaces.Tuple):
        return [number for inner, part in zip(space, value, strict=True) for number in numbers(inner, part)]
    return (np.asarray(value) - getattr(space, "start", 0)).flatten().tolist()


@given(nested)
@settings(max_examples=60, deadline=None)
def test_any_nesting_can_be_read_and_loses_no_number(space):
    inner = Showing(space)
    env = FlatObservation(inner)
    check_spaces(env.observation_space, env.action_space)
    shown = inner.shown = space.sample()
    observation, _ = env.reset()
    assert env.observation_space.contains(observation)
    assert numbers(env.observation_space, observation) == numbers(space, shown)
    assert flat_space(env.observation_space) == env.observation_space


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_env_checker_accepts_it():
    gym.register("Showing-v0", entry_point=Showing, kwargs={"space": CASES["nested"][0]})
    check_env(FlatObservation(gym.make("Showing-v0", disable_env_checker=True)), skip_render_check=True)
    gym.registry.pop("Showing-v0")


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Sequence(BOX), "the observation is of the space Sequence, which no agent here can read"),
        (spaces.Dict({"say": spaces.Tuple((BOX, spaces.Graph(BOX, None)))}), "the part 'say/1' of the observation is"),
        (spaces.Dict({"seen": spaces.Sequence(BOX)}), "the part 'seen' of the observation is of the space Sequence"),
        (spaces.Dict({"a/b": BOX, "a": spaces.Dict({"b": BOX})}), "two parts of the observation would be called 'a/b'"),
    ],
)
def test_what_no_agent_can_read_is_refused_in_one_line(space, message):
    with pytest.raises(ValueError, match=message) as error:
        FlatObservation(Showing(space))
    assert "\n" not in str(error.value)


TEXTS = [
    (4, "Go!", "Go!!"),
    (5, "+-=0123456789", "3+4=7"),
    (4, "()-1", "(-1)"),
    (10, "äöüß€", "€ä€ö€ü€ß€ä"),
    (6, "ab ", "a b ab"),
    (3, "?", "???"),
]


@pytest.mark.parametrize(("length", "charset", "text"), TEXTS)
def test_any_text_of_its_space_is_read_whole(length, charset, text):
    space = spaces.Text(length, charset=charset)
    assert space.contains(text)
    env = FlatObservation(Showing(space))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for shown in [text, *(space.sample() for _ in range(30))]:
            env.unwrapped.shown = shown
            words = [number_of(word) for word in words_of(shown)]
            assert env.reset()[0].tolist() == words + [0] * (length - len(words))


WRONG = {
    "no text": (spaces.Text(5), None, "is None, where its space Text announces a text"),
    "bytes": (spaces.Text(5), b"go", "is b'go', where its space Text announces a text"),
    "a text of a choice": (CHOICE, "1", "is '1', where its space Discrete announces numbers"),
    "no choice": (CHOICE, None, "is None, where its space Discrete announces numbers"),
    "a fraction of a choice": (CHOICE, 0.5, "is 0.5, where its space Discrete announces whole numbers from 0 to 1"),
    "a choice of nan": (CHOICE, float("nan"), "is nan, where its space Discrete announces whole numbers from 0 to 1"),
    "below the first choice": (spaces.Discrete(4, start=3), 2, "is 2, where .* announces whole numbers from 3 to 6"),
    "above the last choice": (spaces.Discrete(4, start=3), np.int64(7), "is 7, where .* whole numbers from 3 to 6"),
    "one of several choices": (
        spaces.MultiDiscrete([3, 5], start=[1, -2]),
        np.array([3, 3]),
        "is 3, where its space MultiDiscrete announces whole numbers from -2 to 2",
    ),
    "a bit": (
        spaces.MultiBinary(3),
        [0, 2, 1],
        "is 2, where its space MultiBinary announces whole numbers from 0",
    ),
    "a fraction in a grid": (
        GRID,
        np.full((2, 3), 1.5),
        "is 1.5, where its space Box announces whole numbers from 0",
    ),
    "a byte": (GRID, np.full((2, 3), -1), "is -1, where its space Box announces whole numbers from 0 to 255"),
    "a shape": (BOX, np.zeros(4), r"is an array of shape \(4,\), where its space Box announces the shape \(3,\)"),
    "no shape": (BOX, [[0.0], [1.0, 2.0]], "is .*, where its space Box announces numbers"),
    "one number of three": (BOX, 0.0, r"is an array of shape \(\), where its space Box announces the shape \(3,\)"),
    "no numbers": (BOX, None, "is None, where its space Box announces numbers"),
}


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("wrong", WRONG)
def test_what_storing_would_change_is_named_by_key_and_value(wrong, nested):
    space, shown, line = WRONG[wrong]
    if nested:
        space, shown = spaces.Dict({"a": spaces.Tuple((CHOICE, space))}), {"a": (1, shown)}
    env = adapt_env(Showing(space))
    env.unwrapped._observe = lambda: shown
    name = "the part 'a/1' of the observation" if nested else "the observation"
    with pytest.raises(ValueError, match=f"^{name} {line}") as error:
        env.reset()
    assert "\n" not in str(error.value)


def test_a_part_that_is_missing_is_named():
    env = adapt_env(Showing(spaces.Dict({"a": BOX, "b": CHOICE}), {"a": np.zeros(3), "c": 1}))
    with pytest.raises(ValueError, match=r"^the part 'b' of the observation is not there; there are the keys a, c$"):
        env.reset()


@pytest.mark.parametrize(
    ("space", "shown"),
    [
        (CHOICE, True),
        (CHOICE, np.array([1])),
        (CHOICE, 1.0),
        (BOX, [0, 1, 2]),
        (BOX, np.zeros((1, 3))),
        (GRID, np.full((2, 3), 4.0)),
        (spaces.MultiBinary(3), [True, False, True]),
    ],
)
def test_other_ways_to_show_the_same_are_taken(space, shown):
    vec_env = DummyVecEnv([lambda: adapt_env(Showing(space, shown))])
    np.testing.assert_array_equal(vec_env.reset(), np.array(shown).reshape(1, *space.shape))
