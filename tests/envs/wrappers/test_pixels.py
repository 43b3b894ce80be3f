import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check
from minigrid.core.constants import COLOR_NAMES
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball, Box, Door, Floor, Goal, Key, Lava, Wall
from minigrid.wrappers import RGBImgPartialObsWrapper
from stable_baselines3.common.env_checker import check_env as sb3_check
from stable_baselines3.common.preprocessing import is_image_space
from tiny_runs import TINY, composed

from engram.agents import MemoryPPO
from engram.agents.encoders.images import ImageEncoder
from engram.cli.evaluate import main as evaluate
from engram.cli.train import train
from engram.configs import load
from engram.envs import make_env, make_vec_env
from engram.envs.wrappers.pixels import PixelView
from engram.envs.wrappers.symbols import SymbolView

# Doors of all states, keys, balls and boxes, things carried from the start, moving obstacles, lava, see-through walls.
IDS = [
    "MiniGrid-BlockedUnlockPickup-v0",
    "MiniGrid-DoorKey-5x5-v0",
    "MiniGrid-Dynamic-Obstacles-6x6-v0",
    "MiniGrid-Fetch-5x5-N2-v0",
    "MiniGrid-FourRooms-v0",
    "MiniGrid-GoToDoor-5x5-v0",
    "MiniGrid-KeyCorridorS3R2-v0",
    "MiniGrid-LavaGapS5-v0",
    "MiniGrid-MemoryS9-v0",
    "MiniGrid-ObstructedMaze-1Dlhb-v0",
    "MiniGrid-Playground-v0",
    "MiniGrid-RedBlueDoors-6x6-v0",
    "BabyAI-PutNextS5N2Carrying-v0",
    "Engram-RoomS11-v0",
]
EVERY_KIND = [
    *(kind(color) for kind in (Wall, Floor, Key, Ball, Box, Goal) for color in COLOR_NAMES),
    *(Door(color, is_open, is_locked) for color in COLOR_NAMES for is_open, is_locked in ((1, 0), (0, 0), (0, 1))),
    Lava(),
]


def stock_image(env, tile_size):
    return env.unwrapped.get_frame(tile_size=tile_size, agent_pov=True)


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("view_size", [3, 7])
@pytest.mark.parametrize("tile_size", [8, 5])
def test_image_is_bit_equal_to_minigrids_own(env_id, view_size, tile_size):
    stock = gym.make(env_id, disable_env_checker=True, agent_view_size=view_size)
    stock = RGBImgPartialObsWrapper(stock, tile_size=tile_size)
    ours = PixelView(SymbolView(gym.make(env_id, disable_env_checker=True), view_size), tile_size)
    assert ours.observation_space == stock.observation_space["image"]
    rng = np.random.default_rng(view_size + tile_size)
    expected, _ = stock.reset(seed=5)
    seen, _ = ours.reset(seed=5)
    for _ in range(60):
        assert seen.dtype == np.uint8
        np.testing.assert_array_equal(seen, expected["image"])
        action = int(rng.choice(7, p=(0.1, 0.1, 0.4, 0.15, 0.05, 0.15, 0.05)))
        expected, _, terminated, truncated, _ = stock.step(action)
        seen, *_ = ours.step(action)
        if terminated or truncated:
            np.testing.assert_array_equal(seen, expected["image"])
            expected, _ = stock.reset()
            seen, _ = ours.reset()


@pytest.mark.parametrize("tile_size", [8, 5])
def test_every_kind_of_tile_is_minigrids_own_seen_and_carried(tile_size):
    env = make_env("MiniGrid-Empty-16x16-v0", view_size=7, pixels=tile_size)
    env.reset(seed=0)
    bare = env.unwrapped
    bare.agent_pos, bare.agent_dir = (3, 3), 0
    ahead = [(x, y) for x in (4, 5) for y in range(1, 7)]
    for first in range(0, len(EVERY_KIND), len(ahead)):
        for cell, thing in zip(ahead, EVERY_KIND[first:], strict=False):
            bare.grid.set(*cell, thing)
        np.testing.assert_array_equal(env.step(6)[0], stock_image(env, tile_size))
    for thing in EVERY_KIND:
        bare.carrying = thing
        np.testing.assert_array_equal(env.step(6)[0], stock_image(env, tile_size))


def test_a_thing_that_draws_itself_is_drawn_so():
    class Spot(Ball):
        def encode(self):
            return (*super().encode()[:2], 3)

        def render(self, img):
            img[8:16, 8:16] = (7, 90, 200)

    env = make_env("MiniGrid-Empty-8x8-v0", view_size=3, pixels=8)
    env.reset(seed=0)
    before = env.step(6)[0]
    env.unwrapped.grid.set(2, 1, Spot("red"))
    seen = env.step(6)[0]
    assert (seen != before).any()
    np.testing.assert_array_equal(seen, stock_image(env, 8))


def test_what_has_been_drawn_is_not_drawn_again(monkeypatch):
    env = make_env("MiniGrid-FourRooms-v0", view_size=7, pixels=8)
    shown = [env.reset(seed=3)[0]]
    actions = np.random.default_rng(0).integers(3, size=60).tolist()
    shown += [env.step(action)[0] for action in actions]
    monkeypatch.delattr(Grid, "render_tile")
    again = [env.reset(seed=3)[0], *(env.step(action)[0] for action in actions)]
    np.testing.assert_array_equal(shown, again)


def test_an_image_is_the_callers_to_change():
    env = make_env("MiniGrid-Empty-8x8-v0", pixels=8)
    first, _ = env.reset(seed=0)
    kept = first.copy()
    first[:] = 9
    np.testing.assert_array_equal(env.step(6)[0], kept)


@pytest.mark.parametrize("env_id", ["MiniGrid-MemoryS9-v0", "Engram-MatchS9-v0", "Engram-RoomS11-v0"])
def test_infos_and_rewards_are_those_of_the_symbols(env_id):
    def play(pixels):
        env = make_env(env_id, split="train", seed=8, view_size=3, pixels=pixels)
        rng, outcomes = np.random.default_rng(0), [env.reset()[1]]
        for _ in range(1500):
            _, *outcome, info = env.step(int(rng.integers(3)))
            outcomes.append((outcome, info))
            if outcome[1] or outcome[2]:
                outcomes.append(env.reset()[1])
        return outcomes

    symbols, pixels = play(None), play(8)
    assert symbols == pixels
    infos = [entry if isinstance(entry, dict) else entry[1] for entry in pixels]
    assert {info["cue_visible"] for info in infos} == {True, False}
    assert {info.get("is_success") for info in infos} == {True, False, None}


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped:UserWarning")
@pytest.mark.filterwarnings("ignore:The minimal resolution for an image:UserWarning")
def test_sb3_takes_it_for_an_image_and_the_agent_too():
    env = make_env("Engram-RoomS11-v0", pixels=8)
    assert is_image_space(env.observation_space, check_channels=True)
    gymnasium_check(env, skip_render_check=True)
    sb3_check(env)

    vec_env = make_vec_env("Engram-RoomS11-v0", n_envs=3, seed=0, pixels=8, previous_reward=False)
    sizes = {"slots": 7, "heads": 2, "key_size": 5, "value_size": 3}
    model = MemoryPPO("MemoryPolicy", vec_env, memory_kwargs=sizes, n_steps=16, n_epochs=1)
    model.learn(48)
    assert model.observation_space.shape == (3, 24, 24)
    (encoder,) = model.policy.features_extractor.parts
    assert isinstance(encoder, ImageEncoder)
    # What the envs show has its channels last; acting on it is acting on what was learned from.
    images = vec_env.reset()
    assert images.shape == (3, 24, 24, 3)
    states = [model.predict(shown, deterministic=True)[1] for shown in (images, images.transpose(0, 3, 1, 2))]
    np.testing.assert_array_equal(*(state.core.controller[0].numpy() for state in states))


def test_previous_reward_stands_beside_the_image():
    observation = make_vec_env("Engram-RoomS11-v0", n_envs=2, pixels=5, previous_reward=True).reset()
    assert observation["observation"].shape == (2, 15, 15, 3)
    assert observation["previous_reward"].tolist() == [[0], [0]]


def test_a_run_on_pixels_is_trained_and_evaluated(tmp_path, capsys):
    options = [option for option in TINY if not option.startswith("env")]
    options += ["env=room", "+env.kwargs={max_steps: 12}", "env.n_envs=6", "env.pixels=8", f"runs_dir={tmp_path}"]
    train(composed(*options), "pixels")
    (run,) = (tmp_path / "pixels").iterdir()
    assert load(run / "config.yaml").env.pixels == 8
    assert MemoryPPO.load(run / "latest.zip").observation_space.shape == (3, 24, 24)
    assert evaluate([str(run), "--episodes", "2", "--no-test-settings"]) == 0
    assert "Engram-RoomS11-v0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("env_id", "pixels", "message"),
    [
        ("Engram-RoomS11-v0", 4, "pixels=4 must be a whole number from 5 to 100"),
        ("Engram-RoomS11-v0", 101, "pixels=101 must be a whole number from 5 to 100"),
        ("Engram-RoomS11-v0", 0, "pixels=0 must be"),
        ("Engram-RoomS11-v0", 8.5, "pixels=8.5 must be a whole number"),
        ("CartPole-v1", 8, "CartPole-v1: pixels is for MiniGrid environments only"),
        ("Engram-TMaze-v0", 8, "Engram-TMaze-v0: pixels is for MiniGrid environments only"),
    ],
)
def test_impossible_pixels_are_refused_in_one_line(env_id, pixels, message):
    with pytest.raises(ValueError, match=message) as error:
        make_vec_env(env_id, pixels=pixels)
    assert "\n" not in str(error.value)


def test_pixels_are_made_of_symbols_only():
    for env_id, kind in (("MiniGrid-Empty-5x5-v0", "EmptyEnv"), ("CartPole-v1", "CartPoleEnv")):
        with pytest.raises(ValueError, match=f"PixelView needs a MiniGrid environment's symbols, got {kind}"):
            PixelView(gym.make(env_id))
