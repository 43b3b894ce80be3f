"""Measures what the players get in the recall mazes, on the test side: the table of docs/reference/tasks.md.

python -m benchmarks.players
python -m benchmarks.players Engram-MazeMatch-S9-v0 Engram-MazeReturn-S9-v0
"""

import sys
from typing import Any

import gymnasium as gym
import numpy as np

from benchmarks.arguments import make_parser
from benchmarks.players.mazes import at_random, blind, oracle
from engram.envs import make_env

EPISODES = {"S9": (500, 1000, 300), "S13": (500, 1000, 300), "S25": (100, 200, 60), "S51": (20, 40, 10)}
"""Of the oracle, the cue-blind oracle and the random player, by the size of the maze."""


def main() -> int:
    """Print what each player gets in each maze; return the exit code."""
    mazes = [env_id for env_id in gym.registry if env_id.startswith("Engram-Maze")]
    parser = make_parser("benchmarks.players", __doc__)
    parser.add_argument("ids", nargs="*", choices=[*mazes, []], default=[], metavar="ID", help="default: all mazes")
    options = parser.parse_args()
    print(f"{'id':<30}{'random':>8}{'blind':>8}{'oracle':>8}{'steps':>8}{'longest':>9}{'limit':>8}")
    for env_id in options.ids or mazes:
        print(_row(env_id), flush=True)
    return 0


def _row(env_id: str) -> str:
    env, rng = make_env(env_id, split="test", seed=1), np.random.default_rng(0)
    bare: Any = env.unwrapped
    of_oracle, of_blind, of_random = EPISODES[env_id.split("-")[2]]
    played = [oracle(env) for _ in range(of_oracle)]
    steps = [one.steps for one in played]
    guessed = np.mean([blind(env, rng).success for _ in range(of_blind)])
    lucky = np.mean([at_random(env, rng).success for _ in range(of_random)])
    right = np.mean([one.success for one in played])
    return (
        f"{env_id:<30}{lucky:>8.2f}{guessed:>8.2f}{right:>8.2f}{np.mean(steps):>8.0f}{max(steps):>9,}"
        f"{bare.max_steps:>8,}"
    )


if __name__ == "__main__":
    sys.exit(main())
