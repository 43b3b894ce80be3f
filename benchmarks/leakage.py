"""How many mazes there are, and that no two sides of the split share one: the report of a training, at length.

    python -m benchmarks.leakage
    python -m benchmarks.leakage Engram-RoomS11-v0 MiniGrid-MemoryS13-v0 --resets 1000

Layouts are counted over resets without a split; then every side is reset a third of the times given, and an independent
hash of the whole grid looks for mazes met on two of them.
"""

import argparse
import sys
from functools import partial
from typing import Any

import gymnasium as gym
from rich.progress import track

from engram.envs import make_env, measure_leakage
from engram.envs.split.by_layout import Side

SMALLEST = ("Engram-MazeMatch-S9-v0", "Engram-MazeSequence-S13-v0", "Engram-MazeReturn-S9-v0", "Engram-MatchS9-v0")


def _of_side(env_id: str, side: Side) -> gym.Env[Any, Any]:
    return make_env(env_id, split=side)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' must be a whole number of at least 1")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"'{text}' must be a whole number from 0 to 2,147,483,647")
    return int(text)


def main() -> int:
    """Print two lines for every environment; return 1 if any maze was found on two sides."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ids", nargs="*", default=SMALLEST, help="by default the recall mazes at their smallest")
    parser.add_argument(
        "--counted", type=_positive, default=10_000, help="resets to count layouts over (default %(default)s)"
    )
    parser.add_argument("--resets", type=_positive, default=100_000, help="resets of all sides (default %(default)s)")
    parser.add_argument("--seed", type=_seed, default=0, help="of the first episodes (default %(default)s)")
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
