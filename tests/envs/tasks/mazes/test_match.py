from collections import Counter
from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
from grid_probes import kind_at, shown
from gymnasium.utils.env_checker import check_env as gymnasium_check
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrid.minigrid_env import MiniGridEnv
from scipy.stats import binomtest
from stable_baselines3.common.env_checker import check_env as sb3_check

from benchmarks.players.episode import random_episode
from benchmarks.players.grids import blind, oracle
from engram.envs import make_env
from engram.envs.tasks.mazes.match import Match
from engram.envs.visibility import HEADINGS

SIZES = (9, 13, 17, 25)


def frames(env):
    """Every frame that an agent can get to see in this maze, drawn by MiniGrid itself."""
    corridor = env.scene.corridor
    for place in (*corridor.path[1:], *corridor.doorsteps):
        for heading in range(4):
            env.agent_pos, env.agent_dir = place, heading
            yield place, heading, MiniGridEnv.gen_obs(env)["image"]


mazes = st.tuples(st.sampled_from((7, 8, 9, 11, 13, 17)), st.sampled_from((3, 5)), st.integers(0, 10**6))


@given(mazes)
@settings(max_examples=60, deadline=None)
def test_cue_and_choice_never_share_a_frame_and_the_start_never_shows_the_cue(maze):
    size, view_size, seed = maze
    env = Match(size=size, agent_view_size=view_size)
    if size < 9 and view_size > 3:
        return
    env.reset(seed=seed)
    corridor = env.scene.corridor
    seen_cue = seen_choice = False
    for place, _, image in frames(env):
        cue = shown(env, image, corridor.cue)
        choice = any(shown(env, image, arm) for arm in corridor.arms)
        assert not (cue and choice)
        assert not (cue and place == env.scene.start)
        seen_cue, seen_choice = seen_cue or cue, seen_choice or choice
    assert seen_cue
    assert seen_choice


@given(mazes)
@settings(max_examples=60, deadline=None)
def test_geometry(maze):
    size, _, seed = maze
    env = Match(size=size)
    env.reset(seed=seed)
    corridor, start, heading, right_arm = env.scene
    way = corridor.path
    assert env.length(env.width)[0] <= len(way) <= env.length(env.width)[1]
    assert start in way[1:-1]
    assert 0 <= heading < 4
    # A tree whose only leaves are the cue and the two choices: one way from each cell to each other.
    neighbors = {
        cell: [other for dx, dy in HEADINGS if (other := (cell[0] + dx, cell[1] + dy)) in corridor.open_cells]
        for cell in corridor.open_cells
    }
    assert sum(map(len, neighbors.values())) == 2 * (len(corridor.open_cells) - 1)
    assert {cell for cell, beside in neighbors.items() if len(beside) == 1} == {corridor.cue, *corridor.arms}
    assert set(neighbors[way[-1]]) == {way[-2], *corridor.doorsteps}
    assert all(one in neighbors[other] for one, other in pairwise(way))
    # The grid shows just that.
    for x in range(size):
        for y in range(size):
            thing = env.grid.get(x, y)
            if (x, y) not in corridor.open_cells:
                assert thing.type == "wall"
            elif (x, y) in (corridor.cue, *corridor.arms):
                assert thing.type in ("key", "ball")
            else:
                assert thing is None
    cue, right, wrong = (
        kind_at(env, cell) for cell in (corridor.cue, corridor.arms[right_arm], corridor.arms[1 - right_arm])
    )
    assert cue == right != wrong


@pytest.mark.parametrize("end", [0, 1])
def test_reward_and_end(end):
    env = make_env("Engram-MatchS9-v0", split="test")
    env.reset(seed=4)
    rng = np.random.default_rng(end)
    for _ in range(40):
        played = blind(env, rng)
        right = env.unwrapped.agent_pos == env.unwrapped.scene.corridor.doorsteps[env.unwrapped.scene.right_arm]
        assert played.success == right


def test_a_right_choice_pays_less_the_longer_it_took():
    env = make_env("Engram-MatchS9-v0")
    for seed in range(30):
        env.reset(seed=seed)
        rewards = []
        rng = np.random.default_rng(seed)
        while True:
            _, reward, terminated, truncated, info = env.step(int(rng.integers(3)))
            rewards.append(reward)
            if terminated or truncated:
                break
        assert not any(rewards[:-1])
        assert terminated != truncated
        expected = 1 - 0.9 * len(rewards) / env.unwrapped.max_steps if info["is_success"] else 0
        assert rewards[-1] == pytest.approx(expected)
        assert truncated == (len(rewards) == env.unwrapped.max_steps and not terminated)


@pytest.mark.parametrize(("env_id", "stated"), [("Engram-MatchS9-v0", 0.39), ("Engram-MatchS13-v0", 0.33)])
def test_what_players_get_on_the_test_side(env_id, stated):
    env = make_env(env_id, split="test")
    env.reset(seed=9)
    rng = np.random.default_rng(9)
    by_oracle = [oracle(env) for _ in range(200)]
    assert all(played.success for played in by_oracle)
    assert max(played.steps for played in by_oracle) < env.unwrapped.max_steps / 2
    assert len({played.layout for played in by_oracle}) > 180
    by_blind = [blind(env, rng).success for _ in range(400)]
    assert binomtest(sum(by_blind), len(by_blind), 0.5).pvalue > 0.001
    lucky = [random_episode(env, rng).success for _ in range(150)]
    assert binomtest(sum(lucky), len(lucky), stated).pvalue > 0.001


def test_shortest_solution_is_the_oracles_at_most():
    env = make_env("Engram-MatchS13-v0")
    env.reset(seed=1)
    steps = [(oracle(env).steps, env.unwrapped.shortest_solution()) for _ in range(150)]
    # The oracle takes the nearest look, which may leave it facing the longer way round.
    assert all(shortest <= taken for taken, shortest in steps)
    assert np.mean([taken == shortest for taken, shortest in steps]) > 0.9


def test_info_tells_when_the_cue_is_in_sight():
    env = make_env("Engram-MatchS9-v0")
    rng = np.random.default_rng(0)
    sights = 0
    for seed in range(20):
        observation, info = env.reset(seed=seed)
        assert not info["cue_visible"]
        for _ in range(60):
            observation, _, terminated, truncated, info = env.step(int(rng.integers(3)))
            assert info["cue_visible"] == shown(env.unwrapped, observation, env.unwrapped.cues[0])
            sights += info["cue_visible"]
            if terminated or truncated:
                break
    assert sights > 20


def test_cue_and_side_are_independent_of_each_other_and_of_the_start():
    env = Match()
    env.reset(seed=0)
    counts = Counter()
    for _ in range(2000):
        env.reset()
        counts[kind_at(env, env.cues[0])[0], env.scene.right_arm, env.scene.heading] += 1
    assert len(counts) == 16
    assert min(counts.values()) > 80


def test_more_than_two_objects():
    env = Match(objects=(("key", "green"), ("ball", "green"), ("box", "red")))
    env.reset(seed=0)
    pairs = Counter()
    for _ in range(300):
        env.reset()
        corridor, right = env.scene.corridor, env.scene.right_arm
        cue, match, other = (
            kind_at(env, cell) for cell in (corridor.cue, corridor.arms[right], corridor.arms[1 - right])
        )
        assert cue == match != other
        pairs[cue, other] += 1
    assert len(pairs) == 6


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped:UserWarning")
@pytest.mark.parametrize("size", SIZES)
def test_checkers_accept_every_size(size):
    env = make_env(f"Engram-MatchS{size}-v0")
    gymnasium_check(env, skip_render_check=True)
    sb3_check(env)
    gymnasium_check(gym.make(f"Engram-MatchS{size}-v0").unwrapped, skip_render_check=True)


def test_only_walking_does_anything():
    env = Match()
    env.reset(seed=0)
    for place, heading, _ in frames(env):
        env.step_count, env.agent_pos, env.agent_dir = 0, place, heading
        if place in env.scene.corridor.doorsteps:
            continue
        for action in (3, 4, 5, 6):
            env.step(action)
            assert (env.agent_pos, env.agent_dir) == (place, heading)
            assert env.carrying is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 5}, "size=5 must be a whole number from 7 to 1000"),
        ({"length": (4, 9)}, r"length=\(4, 9\) must be a pair \(fewest, most\) of whole numbers with 5 <="),
        ({"length": 9}, "length=9 must be a pair"),
        ({"length": (9, 8)}, r"length=\(9, 8\)"),
        ({"length": (9, 60)}, r"length=\(9, 60\) must not be above 16 at size=9"),
        ({"objects": (("key", "green"),)}, r"at least two .* pairs, all different"),
        ({"objects": (("key", "green"), ("key", "green"))}, r"at least two .* pairs, all different"),
        ({"objects": (("key", "green"), ("sofa", "green"))}, r"\(sofa, green\) must be one of key, ball, box"),
        ({"objects": (("key", "green"), ("ball", "pink"))}, r"\(ball, pink\)"),
    ],
)
def test_impossible_mazes_are_refused_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        Match(**arguments)
    assert "\n" not in str(error.value)


def test_a_maze_too_small_for_the_view_is_refused():
    env = Match(size=9, agent_view_size=9)
    with pytest.raises(ValueError, match="hides the cue from a view of 9 cells"):
        env.reset(seed=0)
