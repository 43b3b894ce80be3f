"""Steps per second of the environments under random play, beside their peers in the same run.

    python -m benchmarks.speed.envs --seconds 1 Engram-RoomS11-v0 Engram-TMaze-v0

Grid tasks: ours and stock MiniGrid with `ImgObsWrapper` (symbols) or `RGBImgPartialObsWrapper` (pixels), both behind a
`DummyVecEnv`, with the same ids, view, number of copies and actions. T-Maze: the `VecEnv` of `make_vec_env` and a
`DummyVecEnv` of the same environments, which returns the same. Seconds are CPU time, so that
other programs on the machine matter little.
"""

import time
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from minigrid.wrappers import ImgObsWrapper, RGBImgPartialObsWrapper
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from benchmarks.arguments import count, make_parser, positive
from engram.envs import make_env, make_vec_env
from engram.envs.tasks.tmaze.env import FORWARD

GRIDS = (
    ("MiniGrid-MemoryS9-v0", 3),
    ("MiniGrid-MemoryS9-v0", 7),
    ("MiniGrid-MemoryS13-v0", 3),
    ("MiniGrid-MemoryS13-v0", 7),
    ("MiniGrid-MemoryS13Random-v0", 3),
    ("MiniGrid-MemoryS13Random-v0", 7),
    ("MiniGrid-DoorKey-8x8-v0", 3),
    ("MiniGrid-DoorKey-8x8-v0", 7),
    ("MiniGrid-KeyCorridorS3R3-v0", 3),
    ("MiniGrid-KeyCorridorS3R3-v0", 7),
    ("MiniGrid-FourRooms-v0", 3),
    ("MiniGrid-FourRooms-v0", 7),
    ("Engram-MatchS9-v0", 3),
    ("Engram-MatchS13-v0", 3),
    ("Engram-MatchS13-v0", 7),
    ("Engram-RoomS11-v0", 3),
    ("Engram-RoomS11-v0", 7),
    ("Engram-MazeMatch-S13-v0", 3),
    ("Engram-MazeMatch-S13-v0", 7),
    ("Engram-MazeSequence-S13-v0", 3),
    ("Engram-MazeReturn-S13-v0", 3),
    ("Engram-MazeReturn-S13-v0", 7),
)
PIXELS = (
    ("MiniGrid-MemoryS13Random-v0", 7),
    ("MiniGrid-KeyCorridorS3R3-v0", 7),
    ("Engram-RoomS11-v0", 3),
    ("Engram-RoomS11-v0", 7),
    ("Engram-MazeReturn-S13-v0", 7),
)
TMAZES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Engram-TMaze-v0", {}),
    ("Engram-TMazeActive-v0", {}),
    ("Engram-TMazeLong-v0", {}),
    ("Engram-TMaze-v0", {"delay": (1000, 1000)}),
    ("Engram-TMaze-v0", {"delay": (1_000_000, 1_000_000)}),
    ("Engram-TMaze-v0", {"noise": 2, "distractors": 3}),  # steps one by one
)
CORRIDORS = 64
TILE_SIZE = 8
ALL_ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle", "done")


def main() -> None:
    """Print the grid tasks, as symbols and as pixels, and the T-Maze, each beside its peer."""
    parser = make_parser("benchmarks.speed.envs", __doc__)
    parser.add_argument("--seconds", type=positive, default=2.0, help="of each measurement (default: %(default)s)")
    parser.add_argument("--n-envs", type=count, default=16, help="copies of a grid task (default: %(default)s)")
    known = {env_id for env_id, _ in (*GRIDS, *PIXELS, *TMAZES)}
    parser.add_argument("ids", nargs="*", default=known, metavar="ID", help="tasks to measure (default: all)")
    arguments = parser.parse_args()
    n_envs, seconds, chosen = arguments.n_envs, arguments.seconds, set(arguments.ids)
    if chosen - known:
        parser.error(f"{min(chosen - known)} is not one of {', '.join(sorted(known))}")

    for name, listed, pixels in (("symbols", GRIDS, None), ("pixels", PIXELS, TILE_SIZE)):
        tasks = [task for task in listed if task[0] in chosen]
        if not tasks:
            continue
        print(f"{name:<29}{'view':>9}{'MiniGrid':>13}{'ours':>11}{'ratio':>7}   (steps/s, {n_envs} copies)")
        for env_id, view_size in tasks:
            stock = DummyVecEnv([partial(_stock, env_id, view_size, pixels)] * n_envs)
            ours = make_vec_env(
                env_id,
                n_envs=n_envs,
                view_size=view_size,
                useful_actions=ALL_ACTIONS,
                pixels=pixels,
                monitor=False,
                seed=0,
            )
            print(f"{env_id:<29}{view_size:>9}{_compared(stock, ours, _random(ours), seconds)}", flush=True)
        print()

    tmazes = [task for task in TMAZES if task[0] in chosen]
    if not tmazes:
        return
    print(f"{'T-Maze':<29}{'actions':>9}{'DummyVecEnv':>13}{'ours':>11}{'ratio':>7}   (steps/s, {CORRIDORS} corridors)")
    for env_id, kwargs in tmazes:
        single = DummyVecEnv([partial(make_env, env_id, kwargs=kwargs, monitor=True)] * CORRIDORS)
        ours = make_vec_env(env_id, n_envs=CORRIDORS, kwargs=kwargs, seed=0)
        for name, actions in (("random", _random(ours)), ("forward", np.full((1, CORRIDORS), FORWARD))):
            row = _compared(single, ours, actions, seconds)
            print(f"{env_id:<29}{name:>9}{row}   {kwargs or ''}".rstrip(), flush=True)


def _stock(env_id: str, view_size: int, pixels: int | None) -> gym.Env[Any, Any]:
    image_only: Any = ImgObsWrapper
    as_pixels: Any = RGBImgPartialObsWrapper
    env = gym.make(env_id, disable_env_checker=True, agent_view_size=view_size)
    stock: gym.Env[Any, Any] = image_only(env if pixels is None else as_pixels(env, tile_size=pixels))
    return stock


def _compared(peer: VecEnv, ours: VecEnv, actions: npt.NDArray[np.int64], seconds: float) -> str:
    """Write both speeds and their ratio; each is the median of three turns, taken alternately."""
    turns = [[_speed(vec_env, actions, seconds / 3) for vec_env in (peer, ours)] for _ in range(3)]
    slow, fast = np.median(turns, axis=0)
    return f"{slow:>13,.0f}{fast:>11,.0f}{fast / slow:>7.1f}"


def _random(vec_env: VecEnv) -> npt.NDArray[np.int64]:
    assert isinstance(vec_env.action_space, gym.spaces.Discrete)
    return np.random.default_rng(0).integers(vec_env.action_space.n, size=(1024, vec_env.num_envs))


def _speed(vec_env: VecEnv, actions: npt.NDArray[np.int64], seconds: float) -> float:
    """Count the steps per second of all copies together, after a tenth of the time to warm up."""
    vec_env.reset()
    for share in (0.1, 1.0):
        start, count = time.process_time(), 0
        while time.process_time() - start < share * seconds:
            for _ in range(20):
                vec_env.step(actions[count % len(actions)])
                count += 1
        rate = count / (time.process_time() - start)
    return vec_env.num_envs * rate


if __name__ == "__main__":
    main()
