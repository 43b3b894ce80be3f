"""Players of the recall mazes."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

import numpy as np
from minigrid.core.constants import OBJECT_TO_IDX

from benchmarks.players.best_search import best_search
from benchmarks.players.episode import Env, Played, number_of_actions
from engram.envs.tasks.mazes.maze import Maze
from engram.envs.tasks.mazes.maze_match import MazeMatch
from engram.envs.tasks.mazes.maze_return import MazeReturn
from engram.envs.tasks.mazes.maze_sequence import SIGNS, MazeSequence
from engram.envs.tasks.mazes.shortest_paths import Pose, shortest_path
from engram.envs.visibility import Cell, cell_in_view


class Game:
    """One episode of a maze as a player goes through it."""

    def __init__(self, env: Env):
        self.env = env
        self.maze: Any = env.unwrapped
        assert isinstance(self.maze, Maze)
        self.observation, self.info = env.reset()
        self.steps, self.reward, self.over = 0, 0.0, False

    def act(self, action: int) -> None:
        """Take a step."""
        self.observation, reward, terminated, truncated, self.info = self.env.step(int(action))
        self.steps, self.reward, self.over = self.steps + 1, self.reward + float(reward), terminated or truncated

    def walk(
        self,
        arrived: Callable[[Pose], bool],
        forbidden: Collection[Cell] = (),
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Take the shortest path to a pose; `stop` is called before every step, and ends the walk if it is true."""
        path = shortest_path(self.maze.open_cells.difference(forbidden), self.maze.pose, arrived)
        assert path is not None
        for action in path:
            if self.over or stop():
                return
            self.act(action)

    def seen(self, cell: Cell) -> tuple[int, ...] | None:
        """Return the symbols that the frame shows of a cell, None where it shows nothing."""
        position, heading = self.maze.pose
        place = cell_in_view(position, heading, len(self.observation), cell)
        symbols = None if place is None else tuple(int(value) for value in self.observation[place])
        return symbols if symbols and symbols[0] != OBJECT_TO_IDX["unseen"] else None

    def played(self) -> Played:
        """Return how the episode went."""
        assert self.over
        return Played(self.info["is_success"], self.steps, self.info.get("layout", ""))


def oracle(env: Env) -> Played:
    """Play knowing the maze, and remembering what has been seen."""
    game = Game(env)
    maze = game.maze
    if isinstance(maze, MazeMatch):
        doorsteps, ends = maze.scene.fork.doorsteps, maze.scene.fork.choices
        cues = [game.seen(cell) for cell in maze.scene.cues]
        assert None not in cues
        here = [thing is not None and thing.encode() in cues for thing in (maze.grid.get(*cell) for cell in ends)]
        assert sum(here) == 1
        _choose(game, doorsteps, here.index(True))
    elif isinstance(maze, MazeSequence):
        signs: dict[int, int] = {}

        def look() -> bool:
            for number, cell in enumerate(maze.scene.signs):
                symbols = game.seen(cell)
                if symbols:
                    signs[number] = int(symbols[0] == OBJECT_TO_IDX[SIGNS[1][0]])
            return False

        first = maze.scene.forks[0]
        game.walk(lambda pose: _before(pose[0], first), (), look)
        look()
        for number, fork in enumerate(maze.scene.forks):
            _choose(game, fork, signs[number])
    else:
        goal = search(game)
        while not game.over:
            _go(game, goal)
    return game.played()


def blind(env: Env, rng: np.random.Generator) -> Played:
    """Play knowing the maze, and guessing what had to be remembered; in *return* searching every time, the best way."""
    game = Game(env)
    maze = game.maze
    if isinstance(maze, MazeMatch):
        doorsteps = maze.scene.fork.doorsteps
        _choose(game, doorsteps, int(rng.integers(len(doorsteps))))
    elif isinstance(maze, MazeSequence):
        for fork in maze.scene.forks:
            if not game.over:
                _choose(game, fork, int(rng.integers(2)))
    else:
        _search_every_time(game, best_search(maze)[0])
    return game.played()


def nearest_first(env: Env) -> Played:
    """Play *return* knowing the maze, and looking at the nearest cell not seen yet on every trip."""
    game = Game(env)
    _search_every_time(game, ())
    return game.played()


def at_random(env: Env, rng: np.random.Generator) -> Played:
    """Play at random."""
    game = Game(env)
    while not game.over:
        game.act(int(rng.integers(number_of_actions(env))))
    return game.played()


def search(game: Game, walk: Iterable[int] = ()) -> Cell:
    """Take a walk, then look at the nearest cell not seen yet, until the goal is in sight; return where it is."""
    maze = game.maze
    unseen: set[Cell] = set(maze.open_cells)
    found: list[Cell] = []

    def goal_in_sight() -> bool:
        for cell in list(unseen):
            symbols = game.seen(cell)
            if symbols:
                unseen.discard(cell)
                if symbols[0] == OBJECT_TO_IDX["goal"]:
                    found.append(cell)
        return bool(found)

    def enough() -> bool:
        before = len(unseen)
        return goal_in_sight() or len(unseen) < before

    for action in walk:
        if goal_in_sight():
            break
        game.act(action)
    while not goal_in_sight():
        unseen.discard(maze.pose[0])
        game.walk(lambda pose: pose[0] in unseen, (), enough)
    return found[0]


def _search_every_time(game: Game, walk: Iterable[int]) -> None:
    assert isinstance(game.maze, MazeReturn)
    while not game.over:
        _go(game, search(game, walk))


def _go(game: Game, goal: Cell) -> None:
    game.walk(lambda pose: pose[0] == goal)


def _choose(game: Game, ends: tuple[Cell, ...], number: int) -> None:
    game.walk(lambda pose: pose[0] == ends[number], set(ends) - {ends[number]})


def _before(cell: Cell, fork: tuple[Cell, Cell]) -> bool:
    """Return whether a cell is the fork's node, which lies between its arms."""
    (left_x, left_y), (right_x, right_y) = fork
    return cell == ((left_x + right_x) // 2, (left_y + right_y) // 2)
