"""Counts the layouts of tasks, and checks at length that no two sides of the split share one.

    python -m benchmarks.leakage
    python -m benchmarks.leakage Engram-RoomS11-v0 MiniGrid-MemoryS13-v0 --resets 1000

Layouts are counted over resets without a split; then every side is reset a third of the times given, and an independent
hash of the whole grid looks for mazes met on two of them.
"""

import sys
from functools import partial
from typing import Any

import gymnasium as gym
from rich.progress import track

from benchmarks.arguments import count, make_parser, seed
from engram.envs import make_env, measure_leakage
from engram.envs.split.by_layout import Side

SMALLEST = ("Engram-MazeMatch-S9-v0", "Engram-MazeSequence-S13-v0", "Engram-MazeReturn-S9-v0", "Engram-MatchS9-v0")


def _of_side(env_id: str, side: Side) -> gym.Env[Any, Any]:
    return make_env(env_id, split=side)


def main() -> int:
    """Print two lines for every environment; return 1 if any maze was found on two sides."""
    parser = make_parser("benchmarks.leakage", __doc__)
    parser.add_argument(
        "ids", nargs="*", default=SMALLEST, metavar="ID", help="by default the recall mazes at their smallest"
    )
    parser.add_argument(
        "--counted", type=count, default=10_000, help="resets to count layouts over (default: %(default)s)"
    )
    parser.add_argument("--resets", type=count, default=100_000, help="resets of all sides (default: %(default)s)")
    parser.add_argument("--seed", type=seed, default=0, help="of the first episodes (default: %(default)s)")
    options = parser.parse_args()
    leaks = False
    for env_id in options.ids:
        try:
            env = make_env(env_id, seed=options.seed)
            keys = {env.reset()[1]["layout"] for _ in track(range(options.counted), description=env_id, transient=True)}
        except (ValueError, KeyError, gym.error.Error) as error:
            reason = f"{env_id} has no layouts" if isinstance(error, KeyError) else " ".join(str(error).split())
            print(f"leakage: {reason}", file=sys.stderr)
            return 2
        print(f"{env_id}: {len(keys):,} distinct layouts in {options.counted:,} resets", flush=True)
        report = measure_leakage(
            partial(_of_side, env_id),
            seed=options.seed,
            resets=-(-options.resets // 3),
            seconds=float("inf"),
        )
        print(f"{env_id}: {report}", flush=True)
        leaks = leaks or report.shared > 0
    return int(leaks)


if __name__ == "__main__":
    sys.exit(main())
