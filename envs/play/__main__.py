"""Plays a task by keyboard in the terminal, or shows how a random player plays it.

python -m engram.envs.play Engram-MazeMatch-S9-v0                                  # as its agent sees it
python -m engram.envs.play MiniGrid-MemoryS13-v0 --whole --split test --seed 7     # the whole grid
python -m engram.envs.play Engram-Binding-v0 --kwargs cues=3 'delay=[2,5]'         # other arguments of the task
python -m engram.envs.play Engram-TMaze-v0 --random
python -m engram.envs.play --list
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import gymnasium as gym
import numpy as np
import yaml
from rich.console import Console
from rich.live import Live

from engram.cli.terminal import OneLineParser
from engram.envs.factory import make_env
from engram.envs.play.controls import Command, Controls, has_keys
from engram.envs.play.game import Game
from engram.envs.play.keyboard import at_terminal, pressed_keys
from engram.envs.play.screen import Screen, about
from engram.envs.split.by_layout import Side

_AS_MODULE = "python -m engram.envs.play"
_PAUSE = 0.15  # seconds between the steps of a random player, where someone watches
_KEYS = """\
keys at a terminal:
  arrows      turn left, turn right, go forward (up); in the T-Maze forward (right), up, down, back (left)
  0-9         the actions of any task, by number
  r           a new episode
  q, Ctrl-C   quit
keys from a pipe are letters, as in: echo 'uulr q' | python -m engram.envs.play Engram-MatchS9-v0
  f u l r     forward (f or u), left, right; in the T-Maze f u d b: forward, up, down, back
  0-9 n q     the actions by number, a new episode, quit
"""


def play(game: Game, commands: Iterable[Any], show: Callable[[], None]) -> None:
    """Play until the commands end.

    Args:
        game: what is played.
        commands: actions and commands; actions after the end of an episode do nothing.
        show: called at the start and after everything that changes something.
    """
    show()
    for command in commands:
        if command is Command.QUIT:
            return
        if command is Command.NEW:
            game.begin()
        elif not game.over:
            game.act(command)
        else:
            continue
        show()


def random_actions(game: Game, pause: float) -> Iterator[Any]:
    """Yield random actions until the episode is over, with so many seconds before each."""
    while not game.over:
        time.sleep(pause)
        yield game.env.action_space.sample()


@contextmanager
def _commands(game: Game, controls: Controls | None, pause: float) -> Iterator[Iterable[Any]]:
    """Return what the keys ask for, or a random player's actions."""
    if controls is None:
        yield random_actions(game, pause)
    else:
        with pressed_keys() as keys:
            yield controls.commands(keys)


@contextmanager
def _shown(screen: Screen, console: Console, in_place: bool) -> Iterator[Callable[[], None]]:
    """Return a function that shows the game, in place or one page below the other."""
    if not in_place:
        yield lambda: console.print(screen.page())
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda: live.update(screen.page(), refresh=True)


def _parser() -> argparse.ArgumentParser:
    program = "engram-play" if Path(sys.argv[0]).stem == "engram-play" else _AS_MODULE
    parser = OneLineParser(
        prog=program,
        description=__doc__.replace(_AS_MODULE, program),
        epilog=_KEYS.replace(_AS_MODULE, program),
    )
    parser.add_argument("id", nargs="?", help="of the task, as it is registered with Gymnasium")
    parser.add_argument("--list", action="store_true", help="list our tasks, and leave")
    parser.add_argument("--seed", type=int, help="of the first episode (default: another one every time)")
    parser.add_argument("--split", choices=get_args(Side), help="play mazes of one side only (default: of all)")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--view", action="store_true", help="show what the agent sees (the default)")
    shown.add_argument("--whole", action="store_true", help="show the whole grid, with the agent's view marked")
    parser.add_argument(
        "--kwargs", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="arguments of the task, as YAML"
    )
    parser.add_argument("--module", help="a module to import first, which registers the id")
    parser.add_argument("--random", action="store_true", help="let a random player play one episode")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    if options.list:
        for spec in gym.registry.values():
            if spec.id.startswith("Engram-"):
                console.print(_in_a_line(spec), soft_wrap=True, markup=False)
        return 0
    if options.id is None:
        parser.error("name a task; --list shows ours")
    if options.seed is not None and options.seed < 0:
        parser.error(f"--seed {options.seed}: must be 0 or more")
    try:
        try:
            game, screen, controls = _set_up(options, console)
        except (ValueError, AssertionError, gym.error.Error) as error:
            reason = " ".join(str(error).split()) or f"{options.id} refuses {' '.join(options.kwargs)}"
            parser.exit(2, f"{parser.prog}: {reason}\n")
        in_place = console.is_terminal and (options.random or at_terminal())
        pause = _PAUSE if console.is_terminal else 0.0
        with _commands(game, controls, pause) as commands, _shown(screen, console, in_place) as show:
            play(game, commands, show)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    console.print(game.summary())
    return 0


def _set_up(options: argparse.Namespace, console: Console) -> tuple[Game, Screen, Controls | None]:
    """Begin a game; no controls if a random player plays it."""
    env = make_env(options.id, split=options.split, kwargs=_arguments(options.kwargs), module=options.module)
    seed = int(np.random.default_rng().integers(2**31)) if options.seed is None else options.seed
    game = Game(env, seed)
    title = f"{options.id}, {options.split or 'every'} side, seed {seed}"
    if options.random and not has_keys(env.action_space):
        return game, Screen(game, console, title, str, whole=options.whole), None
    controls = Controls(env, at_terminal())
    keys = "" if options.random else controls.help(console.options.ascii_only)
    screen = Screen(game, console, title, controls.name, keys, options.whole)
    return game, screen, None if options.random else controls


def _arguments(pairs: Sequence[str]) -> dict[str, Any]:
    """Read KEY=VALUE pairs, whose values are YAML: numbers, true, null, words, lists in brackets.

    Raises:
        ValueError: if one is no such pair.
    """
    arguments = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        try:
            arguments[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            equals = ""
        if not key.isidentifier() or not equals:
            raise ValueError(f"--kwargs {pair}: must be KEY=VALUE, such as size=13 or delay=[5,9]")
    return arguments


def _in_a_line(spec: gym.envs.registration.EnvSpec) -> str:
    kwargs = ", ".join(f"{key}={value}" for key, value in spec.kwargs.items())
    return f"{spec.id:<34}{about(spec)}" + (f" ({kwargs})" if kwargs else "")


if __name__ == "__main__":
    sys.exit(main())
