"""Steps per second of the environments under random play, beside their peers in the same run.

    python -m benchmarks.speed.envs --seconds 1 Engram-RoomS11-v0 Engram-TMaze-v0

Grid tasks: ours and stock MiniGrid with `ImgObsWrapper` (symbols) or `RGBImgPartialObsWrapper` (pixels), both behind a
`DummyVecEnv`, with the same ids, view, number of copies and actions. T-Maze: the `VecEnv` of `make_vec_env` and a
`DummyVecEnv` of the same environments, which returns the same. Seconds are CPU time, so that
other programs on the machine matter little.
"""

import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from minigrid.wrappers import ImgObsWrapper, RGBImgPartialObsWrapper
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from benchmarks.arguments import count, make_parser, positive
from benchmarks.speed.report.result import Row, Table
from benchmarks.speed.report.terminal import SpeedProgress, print_table
from benchmarks.speed.session import Session, ratios
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
    ("Engram-TMaze-v0", {"noise": 2, "distractors": 3}),
)
KNOWN = frozenset(env_id for env_id, _ in (*GRIDS, *PIXELS, *TMAZES))
CORRIDORS = 64
TILE_SIZE = 8
ALL_ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle", "done")


def measure(session: Session) -> list[Table]:
    """Return the tables of all tasks."""
    return compared(KNOWN, 0.06 if session.quick else 0.6, 16, session.tell)


def compared(chosen: Collection[str], seconds: float, n_envs: int, tell: Callable[[str], None]) -> list[Table]:
    """Compare the tasks with these ids, those of a grid with `n_envs` copies."""
    tables = []
    for name, listed, pixels in (("symbols", GRIDS, None), ("pixels", PIXELS, TILE_SIZE)):
        rows = []
        for env_id, view_size in listed:
            if env_id not in chosen:
                continue
            tell(f"{env_id}, {name}")
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
            rows.append(
                _row(f"{env_id}, view {view_size}{', pixels' if pixels else ''}", stock, ours, _random(ours), seconds)
            )
        if rows:
            title = f"MiniGrid tasks as {name}, {n_envs} copies"
            tables.append(Table(name=name, title=title, columns=_headings("stock MiniGrid"), rows=rows))
    rows = []
    for env_id, kwargs in TMAZES:
        if env_id not in chosen:
            continue
        single = DummyVecEnv([partial(make_env, env_id, kwargs=kwargs, monitor=True)] * CORRIDORS)
        ours = make_vec_env(env_id, n_envs=CORRIDORS, kwargs=kwargs, seed=0)
        shown = {key: value[0] if isinstance(value, tuple) else value for key, value in kwargs.items()}
        options = "".join(f", {key} {value:,}" for key, value in shown.items())
        for name, actions in (("random", _random(ours)), ("forward", np.full((1, CORRIDORS), FORWARD))):
            tell(f"{env_id}, {name}")
            rows.append(_row(f"{env_id}{options}, {name}", single, ours, actions, seconds))
    if rows:
        title = f"T-Maze, {CORRIDORS} corridors"
        tables.append(Table(name="tmaze", title=title, columns=_headings("DummyVecEnv"), rows=rows))
    return tables


def main() -> None:
    """Print the grid tasks, as symbols and as pixels, and the T-Maze, each beside its peer."""
    parser = make_parser("benchmarks.speed.envs", __doc__)
    parser.add_argument("--seconds", type=positive, default=2.0, help="of each measurement (default: %(default)s)")
    parser.add_argument("--n-envs", type=count, default=16, help="copies of a grid task (default: %(default)s)")
    parser.add_argument("ids", nargs="*", default=KNOWN, metavar="ID", help="tasks to measure (default: all)")
    arguments = parser.parse_args()
    unknown = set(arguments.ids) - KNOWN
    if unknown:
        parser.error(f"{min(unknown)} is not one of {', '.join(sorted(KNOWN))}")
    with SpeedProgress({"envs": 2.5 * arguments.seconds * 44 * len(arguments.ids) / len(KNOWN)}) as progress:
        progress.begin("envs")
        tables = compared(arguments.ids, arguments.seconds, arguments.n_envs, progress.tell)
    for table in tables:
        print_table(table)


def _headings(peer: str) -> dict[str, str]:
    return {"peer": f"{peer}, steps/s", "ours": "ours, steps/s", "ratio": "times faster"}


def _stock(env_id: str, view_size: int, pixels: int | None) -> gym.Env[Any, Any]:
    image_only: Any = ImgObsWrapper
    as_pixels: Any = RGBImgPartialObsWrapper
    env = gym.make(env_id, disable_env_checker=True, agent_view_size=view_size)
    stock: gym.Env[Any, Any] = image_only(env if pixels is None else as_pixels(env, tile_size=pixels))
    return stock


def _row(name: str, peer: VecEnv, ours: VecEnv, actions: npt.NDArray[np.int64], seconds: float) -> Row:
    """Measure both speeds three times, alternately."""
    turns = [[_speed(vec_env, actions, seconds / 3) for vec_env in (peer, ours)] for _ in range(3)]
    slow, fast = ([float(turn[side]) for turn in turns] for side in (0, 1))
    return Row(name=name, cells={"peer": slow, "ours": fast, "ratio": ratios(fast, slow)})


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
