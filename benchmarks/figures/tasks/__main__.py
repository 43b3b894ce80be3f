"""Draws the pictures of docs/reference/tasks.md: a still of every family of tasks, and oracles at play in mazes.

python -m benchmarks.figures.tasks [--out docs/figures/tasks]
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl

from benchmarks.arguments import make_parser
from benchmarks.figures.tasks.grids import draw_film, draw_grid
from benchmarks.figures.tasks.strips import draw_strip
from benchmarks.players import grids, mazes


class Still(NamedTuple):
    """A picture of an episode; the file is named after the task."""

    env_id: str
    seed: int
    kwargs: dict[str, Any]


class Film(NamedTuple):
    """An episode as an oracle plays it."""

    env_id: str
    seed: int
    player: Callable[[Any], Any]


GRIDS = {
    "room": Still("Engram-RoomS11-v0", 4, {}),
    "match": Still("Engram-MatchS13-v0", 1, {}),
    "maze_match": Still("Engram-MazeMatch-S13-v0", 7, {}),
    "maze_sequence": Still("Engram-MazeSequence-S13-v0", 8, {}),
    "maze_return": Still("Engram-MazeReturn-S13-v0", 2, {}),
    "minigrid_memory": Still("MiniGrid-MemoryS13-v0", 4, {}),
}
# Shorter than by default, so that a strip can be read.
STRIPS = {
    "tmaze": Still("Engram-TMaze-v0", 1, {"delay": (5, 14)}),
    "repeat_previous": Still("Engram-RepeatPreviousEasy-v0", 1, {"length": 16}),
    "reverse_recall": Still("Engram-ReverseRecallEasy-v0", 1, {"length": 8}),
    "binding": Still("Engram-Binding-v0", 1, {"cues": 6}),
    "chain": Still("Engram-Chain2-v0", 1, {}),
    "counting": Still("Engram-Counting-v0", 1, {}),
}
FILMS = {
    "room": Film("Engram-RoomS11-v0", 4, grids.oracle),
    "maze_match": Film("Engram-MazeMatch-S13-v0", 7, mazes.oracle),
    "maze_sequence": Film("Engram-MazeSequence-S13-v0", 8, mazes.oracle),
    "maze_return": Film("Engram-MazeReturn-S13-v0", 2, mazes.oracle),
}


def main() -> int:
    """Run the command line; return the exit code."""
    parser = make_parser("benchmarks.figures.tasks", __doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/figures/tasks"), help="folder (default: %(default)s)")
    out = parser.parse_args().out
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out {out}: {error.strerror}")
    mpl.use("Agg")
    for name, still in GRIDS.items():
        draw_grid(still.env_id, still.seed, out / f"{name}.png", **still.kwargs)
    for name, still in STRIPS.items():
        draw_strip(still.env_id, still.seed, out / f"{name}.png", **still.kwargs)
    for name, film in FILMS.items():
        draw_film(film.env_id, film.seed, film.player, out / f"{name}.gif")
    print(f"written to {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
