"""Microseconds of a step in one of many envs: stepped one by one in a `DummyVecEnv`, and batched, in turns.

    python -m benchmarks.speed.batched_envs --seconds 1 Engram-RoomS11-v0

Both return the same to the last bit. The time of resets is part of it, and also stands alone: the better an agent, the
shorter its episodes. Seconds are CPU time.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from benchmarks.arguments import count, make_parser, positive
from benchmarks.speed.report.result import Row, Table
from benchmarks.speed.report.terminal import SpeedProgress, print_table
from benchmarks.speed.session import Session, ratios
from engram.envs import make_env, make_vec_env

ALL_ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle", "done")
# View size and actions as they are trained; None where there is no view.
TASKS: dict[str, tuple[int, tuple[str, ...]] | None] = {
    "Engram-RoomS11-v0": (3, ALL_ACTIONS[:3]),
    "MiniGrid-MemoryS13Random-v0": (7, ALL_ACTIONS),
    "Engram-MatchS13-v0": (3, ALL_ACTIONS[:3]),
    "Engram-MazeMatch-S13-v0": (3, ALL_ACTIONS[:3]),
    "Engram-MazeSequence-S13-v0": (3, ALL_ACTIONS[:3]),
    "Engram-MazeReturn-S13-v0": (3, ALL_ACTIONS[:3]),
    "Engram-TMaze-v0": None,
    "Engram-Binding-v0": None,
    "Engram-RepeatPreviousEasy-v0": None,
}
FORWARD = 0.7
TURNS = 5


def measure(session: Session) -> list[Table]:
    """Return one table."""
    counts = [16] if session.quick else [16, 64]
    return [compared(list(TASKS), counts, 0.02 if session.quick else 0.2, session.tell)]


def compared(ids: Sequence[str], counts: Sequence[int], seconds: float, tell: Callable[[str], None]) -> Table:
    """Compare the tasks with these ids, with each number of envs and each way to play."""
    rows = []
    for env_id in ids:
        for n_envs in counts:
            for play in ("random", "forward") if TASKS[env_id] else ("random",):
                tell(f"{env_id}, {n_envs} envs, {play}")
                rows.append(_row(env_id, n_envs, play, seconds))
    columns = {"single": "one by one", "batched": "batched", "ratio": "times faster", "reset": "a reset"}
    return Table(name="step", title="A step of one env, microseconds of CPU time", columns=columns, rows=rows)


def main() -> None:
    """Print one line a task and way to play."""
    parser = make_parser("benchmarks.speed.batched_envs", __doc__)
    parser.add_argument("--seconds", type=positive, default=0.5, help="of each turn (default: %(default)s)")
    parser.add_argument("--n-envs", type=count, nargs="+", default=[16, 64], help="(default: %(default)s)")
    parser.add_argument("ids", nargs="*", default=list(TASKS), metavar="ID", help="tasks to measure (default: all)")
    arguments = parser.parse_args()
    if unknown := set(arguments.ids) - set(TASKS):
        parser.error(f"{min(unknown)} is not one of {', '.join(TASKS)}")
    expected = 2 * 1.4 * TURNS * arguments.seconds * 2 * len(arguments.n_envs) * len(arguments.ids)
    with SpeedProgress({"batched_envs": expected}) as progress:
        progress.begin("batched_envs")
        table = compared(arguments.ids, arguments.n_envs, arguments.seconds, progress.tell)
    print_table(table)


def _row(env_id: str, n_envs: int, play: str, seconds: float) -> Row:
    task = TASKS[env_id]
    options = {} if task is None else {"view_size": task[0], "useful_actions": task[1]}
    if env_id.startswith("Engram-"):
        options["split"] = "train"
    one_by_one = DummyVecEnv([partial(make_env, env_id, monitor=True, **options)] * n_envs)  # type: ignore[arg-type]
    one_by_one.seed(0)
    batched = make_vec_env(env_id, n_envs=n_envs, seed=0, **options)  # type: ignore[arg-type]
    actions = _actions(batched, play)
    for vec_env in (one_by_one, batched):
        vec_env.reset()
        _step(vec_env, actions, seconds / 5)
    turns = [[_step(vec_env, actions, seconds) for vec_env in (one_by_one, batched)] for _ in range(TURNS)]
    slow, fast = ([turn[side] for turn in turns] for side in (0, 1))
    cells = {"single": slow, "batched": fast, "ratio": ratios(slow, fast), "reset": [_reset(batched)]}
    return Row(name=f"{env_id}, {n_envs} envs, {play}", cells=cells)


def _actions(vec_env: VecEnv, play: str) -> npt.NDArray[np.int64]:
    assert isinstance(vec_env.action_space, gym.spaces.Discrete)
    number = int(vec_env.action_space.n)
    chances = None
    if play == "forward":
        chances = [FORWARD if action == 2 else (1 - FORWARD) / (number - 1) for action in range(number)]
    return np.random.default_rng(0).choice(number, size=(4096, vec_env.num_envs), p=chances)


def _step(vec_env: VecEnv, actions: npt.NDArray[np.int64], seconds: float) -> float:
    start, steps = time.process_time(), 0
    while (taken := time.process_time() - start) < seconds:
        for _ in range(20):
            vec_env.step(actions[steps % len(actions)])
            steps += 1
    return taken / steps / vec_env.num_envs * 1e6


def _reset(vec_env: VecEnv, resets: int = 200) -> float:
    (env, *_) = vec_env.get_attr("reset")
    start = time.process_time()
    for _ in range(resets):
        env()
    return (time.process_time() - start) / resets * 1e6


if __name__ == "__main__":
    main()
