"""Which key is which action."""

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, NamedTuple

import gymnasium as gym
from minigrid.core.actions import Actions
from minigrid.minigrid_env import MiniGridEnv

from engram.envs.tasks.tmaze.env import TMaze
from engram.envs.wrappers.actions import ActionSubset

_DIGITS = "0123456789"
_SHOWN = {"up": "↑", "down": "↓", "left": "←", "right": "→"}


class Command(Enum):
    """What a player can ask for besides an action."""

    NEW = "new episode"
    QUIT = "quit"


class Names(NamedTuple):
    """What actions are called, in the order of their numbers, and their keys besides these."""

    actions: tuple[str, ...]
    arrows: dict[str, str]  # key: action
    letters: dict[str, str]


_TMAZE = Names(
    ("forward", "up", "down", "back"),
    {"right": "forward", "up": "up", "down": "down", "left": "back"},
    {"f": "forward", "u": "up", "d": "down", "b": "back"},
)
_GRID = Names(
    tuple(action.name for action in Actions),
    {"left": "left", "right": "right", "up": "forward"},
    {"f": "forward", "u": "forward", "l": "left", "r": "right", "p": "pickup", "d": "drop", "t": "toggle"},
)


def has_keys(space: gym.spaces.Space[Any]) -> bool:
    """Return whether there are keys for the actions of a space."""
    return isinstance(space, gym.spaces.Discrete) and space.n <= len(_DIGITS)


class Controls:
    """The keys of a task with Discrete actions.

    Every action has its number. Those of MiniGrid and of the T-Maze have arrows, which a terminal sends, or letters,
    so that they can be written into a pipe, too. There "r" is right; at a terminal, where right is an arrow, "r" is a
    new episode.

    Args:
        env: the environment, as ``make_env`` wraps it.
        at_terminal: whether keys are pressed at a terminal.

    Raises:
        ValueError: if its actions are not Discrete, or more than there are number keys.
    """

    def __init__(self, env: gym.Env[Any, Any], at_terminal: bool):
        space = env.action_space
        if not isinstance(space, gym.spaces.Discrete) or not has_keys(space):
            raise ValueError(f"there are no keys for the actions {space}: let a random player show them with --random")
        count = int(space.n)
        self._first = int(space.start)
        names = _names(env, count)
        self._names = names.actions
        letters, arrows = (
            {key: name for key, name in keys.items() if name in names.actions} for keys in (names.letters, names.arrows)
        )
        if at_terminal:
            letters = {key: name for key, name in letters.items() if name not in arrows.values()} | arrows
        self._keys = dict(zip(_DIGITS[:count], names.actions, strict=True)) | letters
        actions = {key: self._first + names.actions.index(name) for key, name in self._keys.items()}
        self._meanings: dict[str, Any] = {"n": Command.NEW, "r": Command.NEW, "q": Command.QUIT} | actions

    def commands(self, keys: Iterable[str]) -> Iterator[Any]:
        """Yield the action or the `Command` of each key; keys that have none are left out."""
        return (self._meanings[key] for key in keys if key in self._meanings)

    def name(self, action: Any) -> str:
        """Return the name of an action."""
        return self._names[int(action) - self._first]

    def help(self, ascii_only: bool = False) -> str:
        """Name the keys in a line.

        Args:
            ascii_only: names arrows by words.
        """
        shown = {} if ascii_only else _SHOWN
        named = {name: [shown.get(key, key) for key in self._keys if self._keys[key] == name] for name in self._names}
        actions = [f"{' '.join(keys)} {name}" for name, keys in named.items()]
        if self._names[0] in _DIGITS:
            actions = [f"{self._names[0]}-{self._names[-1]} actions"]
        new = "r" if self._meanings["r"] is Command.NEW else "n"
        return "   ".join([*actions, f"{new} new episode", "q quit"])


def _names(env: gym.Env[Any, Any], count: int) -> Names:
    bare = env.unwrapped
    if isinstance(bare, TMaze):
        return _TMAZE
    if not isinstance(bare, MiniGridEnv):
        return Names(tuple(_DIGITS[:count]), {}, {})
    kept = list(range(count))
    layer: gym.Env[Any, Any] = env
    while isinstance(layer, gym.Wrapper):
        if isinstance(layer, ActionSubset):
            kept = [layer.action(number) for number in kept]
        layer = layer.env
    return _GRID._replace(actions=tuple(_GRID.actions[number] for number in kept))
