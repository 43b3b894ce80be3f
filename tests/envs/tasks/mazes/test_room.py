"""Room: the scene keeps its promises wherever it stands, and only the cue tells the answer."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check
from scipy.stats import binomtest
from stable_baselines3.common.env_checker import check_env as sb3_check

from benchmarks.players.episode import random_episode
from benchmarks.players.grids import blind, oracle
from engram.envs import make_env
from engram.envs.visibility import in_sight

IDS = ["Engram-RoomS11-v0", "Engram-RoomS13-v0"]
RANDOM = {"Engram-RoomS11-v0": 0.27, "Engram-RoomS13-v0": 0.28}


@pytest.mark.parametrize("env_id", IDS)
def test_checkers_accept_it(env_id):
    gymnasium_check(gym.make(env_id).unwrapped, skip_render_check=True)
    sb3_check(make_env(env_id))


@pytest.mark.parametrize("env_id", IDS)
def test_players_on_the_test_side(env_id):
    env = make_env(env_id, split="test", seed=4)
    rng = np.random.default_rng(4)
    by_oracle = [oracle(env) for _ in range(200)]
    assert all(played.success for played in by_oracle)
    by_blind = [blind(env, rng).success for _ in range(400)]
    assert binomtest(sum(by_blind), len(by_blind), 0.5).pvalue > 0.001
    lucky = [random_episode(env, rng).success for _ in range(300)]
    assert binomtest(sum(lucky), len(lucky), RANDOM[env_id]).pvalue > 0.001


@pytest.mark.parametrize(("env_id", "view_size"), [(env_id, view_size) for env_id in IDS for view_size in (3, 5, 7)])
def test_the_first_frame_hides_the_cue_and_no_frame_shows_cue_and_choice(env_id, view_size):
    env = make_env(env_id, view_size=view_size)
    for seed in range(60):
        _, info = env.reset(seed=seed)
        assert not info["cue_visible"]
        corridor = env.unwrapped.scene.corridor
        assert len(corridor.open_cells) == len(set(corridor.path)) + 4
        assert all(0 < x < env.unwrapped.width - 1 and 0 < y < env.unwrapped.height - 1 for x, y in corridor.open_cells)
        for place in (*corridor.path[1:], *corridor.doorsteps):
            for heading in range(4):
                shows = [
                    in_sight(corridor.open_cells, place, heading, view_size, cell)
                    for cell in (corridor.cue, *corridor.arms)
                ]
                assert not (shows[0] and any(shows[1:]))


def test_layouts_are_many():
    env = make_env("Engram-RoomS11-v0", seed=0)
    assert len({env.reset()[1]["layout"] for _ in range(1500)}) > 1400


def test_what_does_not_fit_is_refused_in_one_line():
    with pytest.raises(ValueError, match="size=9 must be a whole number from 10 to 1000"):
        make_env("Engram-RoomS11-v0", kwargs={"size": 9})
    with pytest.raises(ValueError, match="length is not for the room"):
        make_env("Engram-RoomS11-v0", kwargs={"length": [5, 7]})
    with pytest.raises(ValueError, match=r"no maze found at size=11 .* from a view of 11 cells"):
        make_env("Engram-RoomS11-v0", view_size=11).reset(seed=0)
