"""A MiniGrid env behind wrappers is shown as they show it."""

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import WrapperSpec
from gymnasium.wrappers import FilterObservation, FlattenObservation, FrameStackObservation
from minigrid import wrappers
from stable_baselines3.common.preprocessing import is_image_space

from engram.agents.spaces import check_spaces
from engram.envs import adapt_env, make_env, make_vec_env
from engram.envs.wrappers.words import number_of, words_of

EMPTY, FETCH = "MiniGrid-Empty-5x5-v0", "MiniGrid-Fetch-5x5-N2-v0"
# Of each wrapper: what an image becomes beside MiniGrid's own, whether it is a picture, and the keys.
CASES = {
    "FullyObsWrapper": ({}, False, ["direction", "image"]),
    "RGBImgPartialObsWrapper": ({"tile_size": 4}, True, ["direction", "image"]),
    "RGBImgObsWrapper": ({}, True, ["direction", "image"]),
    "ViewSizeWrapper": ({"agent_view_size": 5}, False, ["direction", "image"]),
    "OneHotPartialObsWrapper": ({}, False, ["direction", "image"]),
    "SymbolicObsWrapper": ({}, False, ["direction", "image"]),
    "DictObservationSpaceWrapper": ({}, False, ["direction", "image"]),
    "ImgObsWrapper": ({}, False, None),
    "FlatObsWrapper": ({}, False, None),
}


def wrapped(name, env_id=EMPTY, seed=None):
    env = gym.make(env_id, disable_env_checker=True)
    kwargs, *_ = CASES[name]
    return getattr(wrappers, name)(env, **kwargs)


def image_of(observation):
    return observation["image"] if isinstance(observation, dict) else observation


@pytest.mark.parametrize("env_id", [EMPTY, FETCH])
@pytest.mark.parametrize("name", CASES)
def test_it_shows_what_the_wrapper_shows(name, env_id):
    env, own = adapt_env(wrapped(name, env_id)), wrapped(name, env_id)
    _, is_picture, keys = CASES[name]
    check_spaces(env.observation_space, env.action_space)
    offset = 1 if name == "SymbolicObsWrapper" else 0
    observation, shown = env.reset(seed=5)[0], own.reset(seed=5)[0]
    rng, ends = np.random.default_rng(0), 0
    for _ in range(60):
        assert env.observation_space.contains(observation)
        np.testing.assert_array_equal(image_of(observation), image_of(shown) + offset)
        if keys:
            with_mission = [*keys, "mission"] if env_id == FETCH else keys
            assert sorted(observation) == with_mission
            assert observation["direction"] == shown["direction"]
            if env_id == FETCH:
                words = [number_of(word) for word in words_of(env.unwrapped.mission)]
                assert observation["mission"][: len(words)].tolist() == words
        action = rng.integers(env.action_space.n)
        observation, *outcome, info = env.step(action)
        shown, *expected, _ = own.step(action)
        assert outcome == expected
        assert ("is_success" in info) == any(outcome[1:])
        if any(outcome[1:]):
            ends += 1
            observation, shown = env.reset(seed=ends)[0], own.reset(seed=ends)[0]
    space = env.observation_space["image"] if keys else env.observation_space
    assert is_image_space(space) == is_picture


def test_a_slope_that_may_be_infinite_is_refused_and_an_angle_is_taken():
    env = gym.make(EMPTY, disable_env_checker=True)
    line = "MiniGrid-Empty-5x5-v0: DirectionObsWrapper shows an infinite slope .* make it with type='angle'"
    with pytest.raises(ValueError, match=line):
        adapt_env(wrappers.FullyObsWrapper(wrappers.DirectionObsWrapper(env)))
    shown = adapt_env(wrappers.DirectionObsWrapper(env, type="angle"))
    observation, _ = shown.reset(seed=3)
    assert shown.observation_space.contains(observation)
    assert observation["goal_direction"] == pytest.approx(np.pi / 4)


def test_a_picture_that_would_have_another_shape_is_refused():
    env = gym.make(EMPTY, disable_env_checker=True)
    for behind, side in (wrappers.ViewSizeWrapper(env, 3), 3), (wrappers.FullyObsWrapper(env), 5):
        line = f"{EMPTY}: RGBImgPartialObsWrapper draws the env's own view of 7 x 7 cells, but behind it are {side} x"
        with pytest.raises(ValueError, match=line):
            adapt_env(wrappers.RGBImgPartialObsWrapper(behind, tile_size=6))
    small = gym.make(EMPTY, disable_env_checker=True, agent_view_size=3)
    assert adapt_env(wrappers.RGBImgPartialObsWrapper(small, tile_size=6)).reset()[0]["image"].shape == (18, 18, 3)


def test_one_hot_is_of_symbols():
    env = gym.make(EMPTY, disable_env_checker=True)
    line = "OneHotPartialObsWrapper is for symbols, but behind it is RGBImgObsWrapper; leave one"
    with pytest.raises(ValueError, match=line):
        adapt_env(wrappers.OneHotPartialObsWrapper(wrappers.RGBImgObsWrapper(env)))


@pytest.mark.parametrize(
    "drawn", [wrappers.RGBImgObsWrapper, wrappers.OneHotPartialObsWrapper, wrappers.SymbolicObsWrapper]
)
def test_symbols_drawn_over_something_else_are_symbols(drawn):
    env = adapt_env(wrappers.ViewSizeWrapper(drawn(gym.make(EMPTY, disable_env_checker=True)), 3))
    assert env.observation_space["image"] == make_env(EMPTY, view_size=3).observation_space
    assert env.observation_space.contains(env.reset(seed=1)[0])


@pytest.mark.parametrize("keys", [["image"], ["image", "mission"]])
def test_choosing_keys_leaves_symbols_what_they_are(keys):
    env = adapt_env(FilterObservation(gym.make(FETCH, disable_env_checker=True), keys))
    assert env.observation_space["image"] == make_env(FETCH).observation_space["image"]
    assert sorted(env.reset(seed=0)[0]) == keys


@pytest.mark.parametrize(
    ("wrapper", "shape"), [(FlattenObservation, (147,)), (lambda env: FrameStackObservation(env, 2), (2, 7, 7, 3))]
)
def test_symbols_that_are_read_as_amounts_are_warned_of(wrapper, shape):
    image, picture = wrappers.ImgObsWrapper, wrappers.RGBImgObsWrapper
    with pytest.warns(UserWarning, match=r"^MiniGrid's symbols .* and are read as amounts: leave out") as caught:
        adapt_env(wrapper(image(gym.make(EMPTY, disable_env_checker=True))))
    assert str(shape) in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        adapt_env(wrapper(image(picture(gym.make(EMPTY, disable_env_checker=True)))))


def test_a_wrapper_of_ones_own_is_taken_at_its_word():
    class Inverted(gym.ObservationWrapper):
        def observation(self, observation):
            return {**observation, "image": 255 - observation["image"]}

        observation_space = gym.spaces.Dict(
            {"image": gym.spaces.Box(0, 255, (5, 5, 3), np.uint8), "far": gym.spaces.Discrete(3, start=1)}
        )

    class Far(Inverted):
        def observation(self, observation):
            return {"image": 255 - observation["image"], "far": 2}

    env = adapt_env(Far(wrappers.FullyObsWrapper(gym.make(EMPTY))))
    observation, _ = env.reset(seed=0)
    assert is_image_space(env.observation_space["image"])
    assert observation["image"].min() > 200
    assert observation["far"] == 1


def test_wrappers_that_leave_the_view_alone_change_nothing():
    env = adapt_env(wrappers.ActionBonus(gym.make(EMPTY)))
    assert env.observation_space == make_env(EMPTY).observation_space


def test_what_was_made_by_the_factory_stays_as_it_is():
    for made in (
        make_env(EMPTY),
        make_env(FETCH, pixels=8),
        make_env("CartPole-v1"),
        adapt_env(wrapped("ImgObsWrapper")),
    ):
        assert adapt_env(made) is made


@pytest.fixture
def registered():
    spec = WrapperSpec("Full", "minigrid.wrappers:FullyObsWrapper", {})
    gym.register("Seen-v0", entry_point="minigrid.envs:EmptyEnv", additional_wrappers=(spec,), kwargs={"size": 6})
    yield "Seen-v0"
    gym.registry.pop("Seen-v0")


def test_a_registered_one_is_shown_so_by_the_factory(registered):
    env = make_vec_env(registered, n_envs=2, seed=0, split="train")
    assert env.observation_space["image"].shape == (6, 6, 3)
    assert env.observation_space["image"].high.max() == 10
    with pytest.raises(
        ValueError, match="Seen-v0: view_size is for MiniGrid's own view, but its wrappers show another"
    ):
        make_env(registered, view_size=3)
    with pytest.raises(ValueError, match="Seen-v0: pixels is for MiniGrid's own view"):
        make_env(registered, pixels=8)
