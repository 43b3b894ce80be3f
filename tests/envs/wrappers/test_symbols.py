import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check
from minigrid.core.world_object import Ball, Door, Key
from minigrid.minigrid_env import MiniGridEnv
from minigrid.wrappers import ImgObsWrapper
from stable_baselines3.common.env_checker import check_env as sb3_check

from engram.envs import make_env
from engram.envs.wrappers.symbols import SymbolView

# Doors, keys, boxes, carrying from the start, moving obstacles, lava, see-through walls, many rooms.
REPRESENTATIVE = [
    "MiniGrid-BlockedUnlockPickup-v0",
    "MiniGrid-DoorKey-8x8-v0",
    "MiniGrid-Dynamic-Obstacles-8x8-v0",
    "MiniGrid-Fetch-8x8-N3-v0",
    "MiniGrid-FourRooms-v0",
    "MiniGrid-GoToDoor-5x5-v0",
    "MiniGrid-KeyCorridorS3R3-v0",
    "MiniGrid-LavaCrossingS9N2-v0",
    "MiniGrid-LockedRoom-v0",
    "MiniGrid-MemoryS13Random-v0",
    "MiniGrid-ObstructedMaze-2Dlhb-v1",
    "MiniGrid-PutNear-6x6-N2-v0",
    "MiniGrid-RedBlueDoors-8x8-v0",
    "BabyAI-PutNextS5N2Carrying-v0",
    "BabyAI-UnlockPickup-v0",
    "Engram-MatchS13-v0",
]
ALL = [
    env_id
    for env_id, spec in gym.registry.items()
    if str(spec.entry_point).startswith(("minigrid.", "engram.envs.tasks.mazes.match:")) and "-WFC-" not in env_id
]


def play_side_by_side(env_id, view_size, steps, seed):
    stock = ImgObsWrapper(gym.make(env_id, disable_env_checker=True))
    stock.unwrapped.agent_view_size = view_size
    ours = SymbolView(gym.make(env_id, disable_env_checker=True), view_size)
    rng = np.random.default_rng(seed)
    expected, _ = stock.reset(seed=seed)
    seen, _ = ours.reset(seed=seed)
    for _ in range(steps):
        assert seen.dtype == np.uint8
        np.testing.assert_array_equal(seen, expected, err_msg=env_id)
        assert ours.observation_space.contains(seen)
        # Forward, pickup and toggle are played more often, so that doors open and things move.
        action = int(rng.choice(7, p=(0.1, 0.1, 0.4, 0.15, 0.05, 0.15, 0.05)))
        expected, reward, terminated, truncated, _ = stock.step(action)
        seen, *outcome, info = ours.step(action)
        assert outcome == [reward, terminated, truncated]
        assert ("is_success" in info) == (terminated or truncated)
        if terminated or truncated:
            np.testing.assert_array_equal(seen, expected, err_msg=env_id)
            assert info["is_success"] == (terminated and reward > 0)
            expected, _ = stock.reset()
            seen, _ = ours.reset()


@pytest.mark.parametrize("env_id", REPRESENTATIVE)
@pytest.mark.parametrize("view_size", [3, 7])
def test_image_is_bit_equal_to_minigrids_own(env_id, view_size):
    play_side_by_side(env_id, view_size, steps=250, seed=11)


@pytest.mark.slow
@pytest.mark.parametrize("view_size", [3, 5, 7, 9])
def test_image_is_bit_equal_on_every_registered_id(view_size):
    for env_id in ALL:
        if "MatchS9" not in env_id or view_size < 7:  # too small to hide its cue from a wide view
            play_side_by_side(env_id, view_size, steps=200, seed=3)


def test_play_meets_doors_and_carried_things():
    env = SymbolView(gym.make("MiniGrid-DoorKey-5x5-v0", disable_env_checker=True), 3)
    observation, _ = env.reset(seed=2)
    bare, rng = env.unwrapped, np.random.default_rng(0)
    carried = opened = False
    for _ in range(3000):
        observation, _, terminated, truncated, _ = env.step(int(rng.integers(7)))
        if bare.carrying is not None:
            carried = True
            assert tuple(observation[1, 2]) == bare.carrying.encode()
        opened = opened or any(cell is not None and cell.type == "door" and cell.is_open for cell in bare.grid.grid)
        if terminated or truncated:
            env.reset()
    assert carried
    assert opened


def test_a_change_of_the_grid_from_outside_shows_at_once():
    env = make_env("MiniGrid-Empty-8x8-v0", view_size=5)
    env.reset(seed=0)
    bare = env.unwrapped
    for change in (
        lambda: bare.grid.set(3, 1, Ball("red")),
        lambda: setattr(bare.grid.get(3, 1), "color", "blue"),
        lambda: bare.grid.set(2, 2, Door("green")),
        lambda: setattr(bare.grid.get(2, 2), "is_open", True),
        lambda: setattr(bare, "carrying", Key("grey")),
    ):
        change()
        observation, *_ = env.step(6)
        np.testing.assert_array_equal(observation, MiniGridEnv.gen_obs(bare)["image"])


def test_an_observation_is_the_callers_to_change():
    env = make_env("MiniGrid-Empty-8x8-v0")
    first, _ = env.reset(seed=0)
    kept = first.copy()
    first[:] = 9
    second, *_ = env.step(6)
    np.testing.assert_array_equal(second, kept)


def test_an_env_that_draws_its_own_view_keeps_it():
    class Blind(type(gym.make("MiniGrid-Empty-5x5-v0").unwrapped)):
        def gen_obs(self):
            return {**super().gen_obs(), "image": np.zeros((7, 7, 3), dtype=np.uint8)}

    observation, _ = SymbolView(Blind(size=5)).reset(seed=0)
    assert not observation.any()


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped:UserWarning")
@pytest.mark.parametrize("view_size", [3, 7])
@pytest.mark.parametrize("env_id", ["MiniGrid-DoorKey-5x5-v0", "MiniGrid-MemoryS9-v0", "Engram-MatchS13-v0"])
def test_env_checkers_accept_it(env_id, view_size):
    env = make_env(env_id, view_size=view_size)
    gymnasium_check(env, skip_render_check=True)
    sb3_check(env)
    space = env.observation_space
    assert space.shape == (view_size, view_size, 3)
    assert space.high.reshape(-1, 3).max(axis=0).tolist() == [10, 5, 3]


@pytest.mark.parametrize("view_size", [1, 4, -3])
def test_a_view_that_is_even_or_too_small_is_refused(view_size):
    with pytest.raises(ValueError, match=f"view_size={view_size} must be an odd number"):
        SymbolView(gym.make("MiniGrid-Empty-8x8-v0"), view_size)


def test_only_minigrid_has_a_symbol_view():
    with pytest.raises(ValueError, match="SymbolView needs a MiniGrid environment, got CartPole"):
        SymbolView(gym.make("CartPole-v1"))
