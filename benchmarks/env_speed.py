"""Steps per second of the environments, ours beside stock MiniGrid in the same run, under random play.

Both sides run behind a `DummyVecEnv`, with the same ids, view, number of copies and actions; MiniGrid's own is its
environment with `ImgObsWrapper`. The T-Maze has no peer and is also measured bare.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from minigrid.wrappers import ImgObsWrapper
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from envs import make_vec_env

GRIDS = (
    ("MiniGrid-MemoryS9-v0", 3),
    ("MiniGrid-MemoryS9-v0", 7),
    ("MiniGrid-MemoryS13-v0", 3),
    ("MiniGrid-MemoryS13-v0", 7),
    ("MiniGrid-DoorKey-8x8-v0", 3),
    ("MiniGrid-DoorKey-8x8-v0", 7),
    ("MiniGrid-FourRooms-v0", 3),
    ("MiniGrid-FourRooms-v0", 7),
    ("Engram-MatchS9-v0", 3),
    ("Engram-MatchS13-v0", 3),
    ("Engram-MatchS13-v0", 7),
)
TMAZES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Engram-TMaze-v0", {}),
    ("Engram-TMazeLong-v0", {}),
    ("Engram-TMazeActive-v0", {"noise": 2, "distractors": 3}),
)
ALL_ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle", "done")


def main() -> None:
    """Print two tables: grid tasks beside their peer, and the T-Maze."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each is played (default 2)")
    parser.add_argument("--n-envs", type=int, default=16, help="copies behind the DummyVecEnv (default 16)")
    arguments = parser.parse_args()
    n_envs, seconds = arguments.n_envs, arguments.seconds

    print(f"{'environment':<27}{'view':>5}{'MiniGrid':>11}{'ours':>11}{'ratio':>8}   (steps/s, {n_envs} copies)")
    for env_id, view_size in GRIDS:
        stock = DummyVecEnv([partial(_stock, env_id, view_size)] * n_envs)
        ours = make_vec_env(
            env_id, n_envs=n_envs, view_size=view_size, useful_actions=ALL_ACTIONS, monitor=False, seed=0
        )
        peer, speed = _vec_speed(stock, seconds), _vec_speed(ours, seconds)
        print(f"{env_id:<27}{view_size:>5}{peer:>11,.0f}{speed:>11,.0f}{speed / peer:>8.1f}")

    print(f"\n{'environment':<27}{'bare':>16}{'vectorised':>11}   (steps/s)")
    for env_id, kwargs in TMAZES:
        bare = gym.make(env_id, disable_env_checker=True, **kwargs).unwrapped
        vec_env = make_vec_env(env_id, n_envs=n_envs, kwargs=kwargs, monitor=False, seed=0)
        print(f"{env_id:<27}{_bare_speed(bare, seconds):>16,.0f}{_vec_speed(vec_env, seconds):>11,.0f}")


def _stock(env_id: str, view_size: int) -> gym.Env[Any, Any]:
    untyped: Any = ImgObsWrapper
    env: gym.Env[Any, Any] = untyped(gym.make(env_id, disable_env_checker=True, agent_view_size=view_size))
    return env


def _vec_speed(vec_env: VecEnv, seconds: float) -> float:
    assert isinstance(vec_env.action_space, gym.spaces.Discrete)
    actions = np.random.default_rng(0).integers(vec_env.action_space.n, size=(1024, vec_env.num_envs))
    vec_env.reset()
    return vec_env.num_envs * _rate(lambda step: vec_env.step(actions[step % 1024]), seconds)


def _bare_speed(env: gym.Env[Any, Any], seconds: float) -> float:
    actions = np.random.default_rng(0).integers(4, size=1024).tolist()

    def step(count: int) -> None:
        *_, terminated, truncated, _ = env.step(actions[count % 1024])
        if terminated or truncated:
            env.reset()

    env.reset(seed=0)
    return _rate(step, seconds)


def _rate(step: Callable[[int], Any], seconds: float) -> float:
    """Count calls per second, after a tenth of the time to warm up."""
    for share in (0.1, 1.0):
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < share * seconds:
            for _ in range(100):
                step(count)
                count += 1
        rate = count / (time.perf_counter() - start)
    return rate


if __name__ == "__main__":
    main()
