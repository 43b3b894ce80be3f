"""Pictures and captions of observations."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from PIL import Image

from engram.envs import make_env
from engram.envs.wrappers.odometry import Odometry, encoded
from engram.envs.wrappers.words import Words
from engram.evidence.explanation.rendering import as_png, caption, picture, texts

KEY, BALL, WALL, EMPTY = 5, 6, 2, 1
RED, GREEN, YELLOW, GREY = 0, 1, 4, 5
SIDE, TILE = 5, 16
GRID = spaces.Box(0, np.tile(np.array([10, 5, 3], np.uint8), (SIDE, SIDE, 1)), dtype=np.uint8)


def grid(*things: tuple[int, int, int, int]) -> np.ndarray[Any, Any]:
    """A view that is empty, but for things (column, row, kind, color)."""
    symbols = np.zeros((SIDE, SIDE, 3), np.uint8)
    symbols[..., 0] = EMPTY
    for column, row, kind, color in things:
        symbols[column, row, :2] = kind, color
    return symbols


def tile(image: np.ndarray[Any, Any], column: int, row: int) -> np.ndarray[Any, Any]:
    return image[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE].astype(int)


def test_a_grid_shows_its_objects_where_they_are_and_the_agent_below_the_middle() -> None:
    bare, image = picture(grid(), GRID), picture(grid((1, 0, KEY, GREEN)), GRID)
    assert image.shape == (SIDE * TILE, SIDE * TILE, 3)
    assert image.dtype == np.uint8
    changed = {
        (column, row)
        for column in range(SIDE)
        for row in range(SIDE)
        if not np.array_equal(tile(bare, column, row), tile(image, column, row))
    }
    assert changed == {(1, 0)}
    red, green, blue = tile(image, 1, 0).reshape(-1, 3).max(0)
    assert green > max(red, blue) + 50
    reddest = [(tile(bare, *at)[..., 0] - tile(bare, *at)[..., 1]).max() for at in np.ndindex(SIDE, SIDE)]
    assert np.argmax(reddest) == (SIDE // 2) * SIDE + SIDE - 1  # the agent is red
    agent = tile(bare, SIDE // 2, SIDE - 1)
    width = (agent[..., 0] > agent[..., 1] + 100).sum(1)  # of the arrow, row by row: it points up
    assert width[TILE // 4] < width[3 * TILE // 4]


def test_texts_are_shown_as_words_those_of_the_whole_episode_apart() -> None:
    mission, sign = Words(7, constant_over_episode=True), Words(5)
    space = spaces.Dict({"image": GRID, "mission": mission, "sign": sign})
    seen = {
        "image": grid((1, 0, KEY, GREEN)),
        "mission": mission.numbers_of("go to the red door"),
        "sign": sign.numbers_of("Beware, wolves"),
    }
    assert texts(seen, space, constant=True) == {"mission": "go to the red door"}
    assert caption(seen, space) == "green key; beware , wolves"
    assert picture(seen, space).shape == (SIDE * TILE, SIDE * TILE, 3)
    # Alone, too; and where there is something else to draw, no bars are drawn of words.
    assert caption(seen["sign"], sign) == "beware , wolves"
    assert picture(seen["sign"], sign).shape[1] == 5 * 12
    left = spaces.Dict({"at": spaces.Box(0, 1, (3,)), "sign": sign})
    assert picture({"at": np.zeros(3), "sign": seen["sign"]}, left).shape[1] == 3 * 12


def test_what_is_hidden_is_darker_than_what_is_empty() -> None:
    symbols = grid()
    symbols[0, 0] = 0
    image = picture(symbols, GRID)
    assert tile(image, 0, 0).mean() < tile(image, 1, 0).mean()


@pytest.mark.parametrize("shape", [(11, 7, 3), (3, 11, 7), (11, 7, 1), (1, 11, 7)])
def test_an_image_is_shown_as_it_is(shape: tuple[int, ...]) -> None:
    seen = np.random.default_rng(1).integers(256, size=shape, dtype=np.uint8)
    image = picture(seen, spaces.Box(0, 255, shape, np.uint8))
    assert image.shape == (11, 7, 3)
    expected = seen if shape[0] == 11 else seen.transpose(1, 2, 0)
    assert np.array_equal(image, np.broadcast_to(expected, image.shape))


@pytest.mark.parametrize(("channels", "newest"), [(4, 1), (2, 1), (12, 3), (6, 3)])
@pytest.mark.parametrize("first", [True, False])
def test_of_stacked_frames_the_newest_is_shown(channels: int, newest: int, first: bool) -> None:
    seen = np.random.default_rng(1).integers(256, size=(17, 13, channels), dtype=np.uint8)
    given = seen.transpose(2, 0, 1) if first else seen
    image = picture(given, spaces.Box(0, 255, given.shape, np.uint8))
    assert np.array_equal(image, np.broadcast_to(seen[..., -newest:], (17, 13, 3)))
    as_png(image)


@pytest.mark.parametrize(
    ("space", "observation", "levels"),
    [
        (spaces.Box(0, 1, (4,), np.float32), np.array([0, 1, 0.5, 0.25], np.float32), [0, 1, 0.5, 0.25]),
        (spaces.Box(-2, 2, (3,), np.float32), np.array([-2, 2, 0], np.float32), [0, 1, 0.5]),
        (spaces.Box(-np.inf, np.inf, (3,), np.float32), np.array([-99, 99, 0], np.float32), [0, 1, 0.5]),
        (spaces.Box(0, 1, (2, 2), np.float32), np.array([[0, 1], [0.5, 0]], np.float32), [0, 1, 0.5, 0]),
        (spaces.Discrete(3), 1, [0, 1, 0]),
        (spaces.MultiDiscrete([2, 3]), np.array([1, 0]), [0, 1, 1, 0, 0]),
        (spaces.MultiBinary(3), np.array([1, 0, 1], np.int8), [1, 0, 1]),
        (
            spaces.Dict({"a": spaces.Box(0, 1, (2,), np.float32), "b": spaces.Discrete(2)}),
            {"a": np.array([0.5, 1], np.float32), "b": 1},
            [0.5, 1, 0, 1],
        ),
    ],
)
def test_anything_else_is_bars(space: spaces.Space[Any], observation: Any, levels: list[float]) -> None:
    image = picture(observation, space).astype(int)
    bars = np.split(image, len(levels), axis=1)
    blue = [(bar[:, bar.shape[1] // 2, 2] > bar[:, bar.shape[1] // 2, 0]).mean() for bar in bars]
    assert blue == pytest.approx(levels, abs=1 / 32)


def test_of_a_dict_the_picture_is_what_is_shown() -> None:
    space = spaces.Dict({"at": spaces.Discrete(7), "view": GRID})
    seen = grid((3, 2, BALL, YELLOW))
    assert np.array_equal(picture({"at": 6, "view": seen}, space), picture(seen, GRID))
    assert caption({"at": 6, "view": seen}, space) == "yellow ball"
    assert caption({"at": 6}, spaces.Dict({"at": spaces.Discrete(7)})) == ""


def test_odometry_is_captioned_in_words() -> None:
    env = make_env("Engram-MatchS9-v0", odometry=True)
    space = spaces.Dict({"image": env.observation_space["image"], "odometry": Odometry()})

    def words(*felt: int) -> str:
        return caption({"image": np.zeros((3, 3, 3), np.uint8), "odometry": encoded(*felt)}, space)

    assert words(0, 0, 0) == "at the start, facing ahead"
    assert words(3, -2, 2) == "3 ahead, 2 left of the start, facing back"
    assert words(-1, 0, 3) == "1 back of the start, facing left"
    observation, _ = env.reset(seed=0)
    assert caption(observation, env.observation_space).endswith("at the start, facing ahead")


def test_a_grid_is_captioned_by_its_objects_each_once() -> None:
    seen = grid((0, 0, WALL, GREY), (1, 1, BALL, RED), (2, 3, KEY, GREEN), (4, 4, BALL, RED))
    assert caption(seen, GRID) == "red ball, green key"
    assert caption(grid(), GRID) == ""


def test_a_vector_is_captioned_by_the_channels_that_are_on() -> None:
    space, seen = spaces.Box(0, 1, (4,), np.float32), np.array([1, 0, 0, 1], np.float32)
    assert caption(seen, space, ("cue up", "cue down", "corridor", "junction")) == "cue up, junction"
    assert caption(seen, space) == "channel 0, channel 3"
    assert caption(seen / 2, space) == ""
    # Channels of noise have no names.
    noisy = spaces.Box(0, 1, (5,), np.float32)
    assert caption(np.array([0, 1, 0, 0.3, 0.4], np.float32), noisy, ("a", "b", "c")) == "b"
    assert caption(2, spaces.Discrete(5)) == "2"
    assert caption(np.array([1, 0]), spaces.MultiBinary(2)) == ""


def test_the_tasks_of_this_project_are_captioned_in_their_own_words() -> None:
    env = make_env("Engram-TMaze-v0", split=None)
    seen, _ = env.reset(seed=1)
    assert caption(seen, env.observation_space, env.get_wrapper_attr("channel_names")) in (
        "cue up, corridor",
        "cue down, corridor",
    )
    env = make_env("Engram-RoomS11-v0", split=None)
    seen, _ = env.reset(seed=1)
    side = env.observation_space.shape[0] * TILE
    assert picture(seen, env.observation_space).shape == (side, side, 3)


def test_a_picture_is_a_png_in_a_few_colors() -> None:
    image = picture(grid((1, 1, BALL, YELLOW)), GRID)
    kind, _, data = as_png(image).partition(",")
    assert kind == "data:image/png;base64"
    read = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)
    assert read.shape == image.shape
    assert np.abs(read - image).mean() < 4
    assert as_png(image) == as_png(image)
    assert len(as_png(image)) < 2000


def test_thousands_of_numbers_are_a_small_square() -> None:
    space = spaces.Box(0, 1, (4000,), np.float32)
    numbers = np.zeros(4000, np.float32)
    numbers[0] = 1
    drawn = picture(numbers, space)
    assert drawn.shape == (128, 128, 3)
    assert drawn[0, 0, 0] < drawn[0, 2, 0] == drawn[127, 127, 0]
