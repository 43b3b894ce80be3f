"""What a player sees of a game: the view, what the step brought, and the keys."""

import importlib
from collections.abc import Callable
from typing import Any

import gymnasium as gym
from gymnasium import spaces
from minigrid.minigrid_env import MiniGridEnv
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from engram.envs.play.game import Game
from engram.envs.play.text_view import agents_view, carried, cut_out, draw, legend, whole_grid
from engram.envs.play.words import in_words
from engram.envs.visibility import Image
from engram.envs.wrappers.symbols import is_symbols

# What stands around a picture: title, task, border, legend, keys; border and what the step brought.
_LINES_AROUND, _COLUMNS_BESIDE = 10, 38


class Screen:
    """Lays out a game on a console.

    Args:
        game: what is played.
        console: where it will be shown; its size and the characters it knows count.
        title: names the task.
        name: returns the name of an action.
        keys: names the keys in a line, empty if there are none.
        whole: whether to show the whole grid instead of the agent's view.

    Raises:
        ValueError: if there is no grid to show.
    """

    def __init__(
        self, game: Game, console: Console, title: str, name: Callable[[Any], str], keys: str = "", whole: bool = False
    ):
        bare: Any = game.env.unwrapped
        space = game.env.observation_space
        shown = space["image"] if isinstance(space, spaces.Dict) and "image" in space.spaces else space
        self._is_grid = isinstance(bare, MiniGridEnv) and is_symbols(shown)
        if whole and not self._is_grid:
            raise ValueError("--whole is for MiniGrid tasks: this one has no grid to show")
        self._game, self._console, self._title, self._whole = game, console, title, whole
        self._name, self._keys = name, keys
        self._ascii = console.options.ascii_only

    def page(self) -> RenderableType:
        """Show the game as it stands now; beyond an episode's start only a terminal repeats what it is about."""
        lines = self._grid() if self._is_grid else self._words()
        if self._console.is_terminal or not self._game.steps:
            lines.insert(0, Text(f"{self._title}, episode {self._game.episode}", "bold"))
            bare: Any = self._game.env.unwrapped
            task = bare.mission if isinstance(bare, MiniGridEnv) else about(self._game.env.spec)
            if task:
                lines.insert(1, Text(task, "italic"))
            if self._keys:
                lines.append(Text(self._keys, "dim"))
        return Group(*lines)

    def _words(self) -> list[RenderableType]:
        """Return what is shown, and below it what the step brought."""
        words = Text(in_words(self._game.env, self._game.observation))
        return [Panel.fit(words, padding=(0, 1)), Text("   ").join(self._facts())]

    def _grid(self) -> list[RenderableType]:
        """Return the picture beside what the step brought, and its legend."""
        image = self._image()
        view = whole_grid(self._game.env, image) if self._whole else agents_view(image)
        if self._console.is_terminal:
            columns, rows = (self._console.width - _COLUMNS_BESIDE) // 2, self._console.height - _LINES_AROUND
            view = cut_out(view, max(columns, 3), max(rows, 3))
        beside = Table.grid(padding=(0, 3))
        beside.add_row(Panel.fit(draw(view, self._ascii), padding=(0, 1)), Text("\n").join(self._facts()))
        return [beside, legend(view, self._ascii)]

    def _image(self) -> Image:
        """Return the symbols that are seen."""
        shown = self._game.observation
        image: Image = shown["image"] if isinstance(shown, dict) else shown
        return image

    def _facts(self) -> list[Text]:
        """Return what the step brought."""
        game, bare = self._game, self._game.env.unwrapped
        limit = getattr(bare, "max_steps", None) or (game.env.spec and game.env.spec.max_episode_steps)
        facts = [Text(f"step {game.steps}" + (f" of at most {limit}" if limit else ""))]
        if game.steps:
            facts.append(Text(f"action {self._name(game.last_action)}"))
            facts.append(Text(f"reward {game.reward:.3g}, return {game.episode_return:.3g}"))
        if "cue_visible" in game.info:
            cue = game.info["cue_visible"]
            facts.append(Text("cue visible", "bold green") if cue else Text("cue not visible", "dim"))
        if self._is_grid and carried(self._image()):
            facts.append(Text(f"carrying a {carried(self._image())}"))
        if game.over:
            facts.append(self._end())
        return facts

    def _end(self) -> Text:
        """Return how the episode ended."""
        game = self._game
        end = ["the end" if game.terminated else "the end, out of steps"]
        if game.info.get("is_success") is not None:
            end.append("success" if game.info["is_success"] else "no success")
        if "score" in game.info:
            end.append(f"score {game.info['score']:.3g}")
        return Text(": ".join([end[0], ", ".join(end[1:])]) if end[1:] else end[0], "bold")


def about(spec: gym.envs.registration.EnvSpec | None) -> str:
    """Return what a task asks, in a line: the first one of the docstring of its module, if there is one."""
    entry = spec.entry_point if spec else None
    module = entry.partition(":")[0] if isinstance(entry, str) else getattr(entry, "__module__", None)
    lines = (importlib.import_module(module).__doc__ or "").strip().splitlines() if module else []
    return lines[0] if lines else ""
