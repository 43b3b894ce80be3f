"""Pictures of the grid tasks: a whole maze beside the agent's view, standing still or as an oracle walks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import imageio.v3 as imageio
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke
from minigrid.envs.memory import MemoryEnv
from numpy.typing import NDArray

from benchmarks.players.grids import choices
from engram.envs.factory import make_env
from engram.envs.tasks.mazes.match import Match
from engram.envs.tasks.mazes.maze_match import MazeMatch
from engram.envs.tasks.mazes.maze_return import MazeReturn
from engram.envs.tasks.mazes.maze_sequence import MazeSequence
from engram.envs.visibility import Cell

Frame = NDArray[np.uint8]
CUE, RIGHT, WRONG = "#ffd54a", "#5fd35f", "#ff6b5e"
_TILE = 32  # pixels a cell of a still picture
_BACKGROUND, _CUE_IN_SIGHT = 255, (255, 190, 0)


class Mark(NamedTuple):
    """Cells (x, y) of one meaning, which are outlined in one color; several are numbered in their order."""

    meaning: str
    color: str
    cells: tuple[Cell, ...]


def grid_env(env_id: str, **kwargs: Any) -> gym.Env[Any, Any]:
    """Make a task that can be drawn, with test-side layouts and a view of 3 cells."""
    return make_env(env_id, split="test", view_size=3, kwargs={"render_mode": "rgb_array", **kwargs})


def draw_grid(env_id: str, seed: int, out: Path, **kwargs: Any) -> None:
    """Draw an episode's first frame: the whole grid with what matters outlined, and what the agent sees.

    Args:
        env_id: a grid task.
        seed: of the episode.
        out: file to write, .png.
        **kwargs: of the task.
    """
    env = grid_env(env_id, **kwargs)
    env.reset(seed=seed)
    bare: Any = env.unwrapped
    figure = plt.figure(figsize=(6.4, 4.5), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))
    whole, view = figure.subplots(1, 2, width_ratios=[2.2, 1])
    whole.imshow(bare.get_frame(highlight=True, tile_size=_TILE))
    whole.set_title("the whole maze", fontsize=10)
    view.imshow(bare.get_frame(agent_pov=True, tile_size=_TILE))
    view.set_title("what the agent sees", fontsize=10)
    for axis in (whole, view):
        axis.axis("off")
    named = []
    for mark in marks(env):
        for number, (x, y) in enumerate(mark.cells, start=1):
            corner = (x * _TILE - 0.5, y * _TILE - 0.5)
            whole.add_patch(Rectangle(corner, _TILE, _TILE, fill=False, edgecolor=mark.color, linewidth=2.5))
            if len(mark.cells) > 1:
                name = whole.text(x * _TILE + 3, y * _TILE + 3, str(number), va="top", fontsize=9, color="white")
                name.set_path_effects([withStroke(linewidth=2, foreground="black")])
        named.append(Patch(edgecolor=mark.color, facecolor="black", linewidth=2.5, label=mark.meaning))
    figure.legend(handles=named, loc="outside lower center", ncols=len(named), fontsize=10, frameon=False)
    figure.savefig(out, dpi=80, metadata={"Software": None})
    plt.close(figure)


def marks(env: gym.Env[Any, Any]) -> list[Mark]:
    """Tell what matters in a maze, and where it is."""
    bare: Any = env.unwrapped
    if isinstance(bare, MazeReturn):
        return [Mark("goal, to be found again from the start", CUE, (bare.goal,))]
    if isinstance(bare, MazeSequence):
        scene = bare.scene
        right = tuple(fork[turn] for fork, turn in zip(scene.forks, scene.turns, strict=True))
        wrong = tuple(fork[1 - turn] for fork, turn in zip(scene.forks, scene.turns, strict=True))
        return [Mark("signs", CUE, scene.signs), Mark("right arms", RIGHT, right), Mark("wrong arms", WRONG, wrong)]
    if isinstance(bare, MazeMatch):
        cues, ends, number = bare.scene.cues, bare.scene.fork.choices, bare.scene.right
    else:
        assert isinstance(bare, Match | MemoryEnv)
        places = choices(env)
        cues, ends = (places.cue,), places.objects
        number = bare.scene.right_arm if isinstance(bare, Match) else places.doorsteps.index(bare.success_pos)
    wrong = (*ends[:number], *ends[number + 1 :])
    return [Mark("cue", CUE, cues), Mark("right choice", RIGHT, (ends[number],)), Mark("wrong choice", WRONG, wrong)]


class Recorder(gym.Wrapper[Any, Any, Any, Any]):
    """Keeps a picture of every step of an episode: the whole grid and the view, framed in yellow if it shows the cue.

    Args:
        env: a grid task.
        seed: of the episode, whatever seed a player may ask for.
        tile: pixels a cell of the whole grid; the view is twice as large.
    """

    def __init__(self, env: gym.Env[Any, Any], seed: int, tile: int):
        super().__init__(env)
        self.frames: list[Frame] = []
        self._seed, self._tile = seed, tile

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=self._seed, options=options)
        self.frames = [self._frame(info)]
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.frames.append(self._frame(info))
        return observation, reward, terminated, truncated, info

    def _frame(self, info: dict[str, Any]) -> Frame:
        bare: Any = self.env.unwrapped
        whole = bare.get_frame(highlight=True, tile_size=self._tile)
        view = bare.get_frame(agent_pov=True, tile_size=2 * self._tile)
        edge = self._tile // 2
        width = len(view) + 2 * edge
        beside = np.full((len(whole), width + edge, 3), _BACKGROUND, dtype=np.uint8)
        top = (len(whole) - width) // 2
        beside[top : top + width, edge:] = _CUE_IN_SIGHT if info["cue_visible"] else 90
        beside[top + edge : top + edge + len(view), 2 * edge : 2 * edge + len(view)] = view
        return np.concatenate((whole, beside), axis=1)


def draw_film(env_id: str, seed: int, player: Callable[[gym.Env[Any, Any]], Any], out: Path, tile: int = 20) -> int:
    """Let a player play one episode; write it as a GIF and return the number of steps.

    Args:
        env_id: a grid task.
        seed: of the episode.
        player: plays an episode of an environment and returns whether it succeeded.
        out: file to write, .gif.
        tile: pixels a cell.
    """
    recorder = Recorder(grid_env(env_id), seed, tile)
    played = player(recorder)
    assert played.success
    frames = recorder.frames
    durations = [200] * len(frames)
    durations[0], durations[-1] = 1000, 2000
    imageio.imwrite(out, np.stack(frames), duration=durations, loop=0)
    return len(frames) - 1
