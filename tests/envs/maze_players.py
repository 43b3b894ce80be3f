"""Scripted players for the recall mazes: what a maze is worth to one who remembers, and to one who guesses."""

from minigrid.core.constants import OBJECT_TO_IDX
from players import Played
from search_order import best_search

from engram.envs.tasks.mazes.maze_match import MazeMatch
from engram.envs.tasks.mazes.maze_return import MazeReturn
from engram.envs.tasks.mazes.maze_sequence import SIGNS, MazeSequence
from engram.envs.tasks.mazes.shortest_paths import shortest_way
from engram.envs.visibility import cell_in_view


class Game:
    """One episode of a maze as a player goes through it."""

    def __init__(self, env):
        self.env, self.maze = env, env.unwrapped
        self.observation, self.info = env.reset()
        self.steps, self.reward, self.over = 0, 0.0, False

    def act(self, action):
        self.observation, reward, terminated, truncated, self.info = self.env.step(int(action))
        self.steps, self.reward, self.over = self.steps + 1, self.reward + reward, terminated or truncated

    def walk(self, arrived, forbidden=(), watch=lambda: None):
        """Take the shortest way to a pose; `watch` is called before every step and may say that it is enough."""
        way = shortest_way(self.maze.open_cells.difference(forbidden), self.maze.pose, arrived)
        for action in way:
            if self.over or watch():
                return
            self.act(action)

    def seen(self, cell):
        """Return the symbols that the frame shows of a cell, None where it shows nothing."""
        place = cell_in_view(*self.maze.pose, len(self.observation), cell)
        symbols = None if place is None else tuple(int(value) for value in self.observation[place])
        return symbols if symbols and symbols[0] != OBJECT_TO_IDX["unseen"] else None

    def played(self):
        assert self.over
        assert abs(self.reward - self.info["score"]) < 1e-6
        return Played(self.info["is_success"], self.steps, self.info.get("layout", ""))


def oracle(env):
    """Play knowing the maze, and remembering what has been seen."""
    game = Game(env)
    maze = game.maze
    if isinstance(maze, MazeMatch):
        fork = maze.scene.fork
        cues = [game.seen(cell) for cell in maze.scene.cues]
        assert None not in cues
        here = [maze.grid.get(*cell).encode() in cues for cell in fork.choices]
        assert sum(here) == 1
        _choose(game, fork.doorsteps, here.index(True))
    elif isinstance(maze, MazeSequence):
        signs = {}

        def look():
            for number, cell in enumerate(maze.scene.signs):
                symbols = game.seen(cell)
                if symbols:
                    signs[number] = int(symbols[0] == OBJECT_TO_IDX[SIGNS[1][0]])

        first = maze.scene.forks[0]
        game.walk(lambda pose: _before(pose[0], first), (), look)
        look()
        for number, fork in enumerate(maze.scene.forks):
            _choose(game, fork, signs[number])
    else:
        goal = None
        while not game.over:
            goal = goal or search(game)
            game.walk(lambda pose, goal=goal: pose[0] == goal)
    return game.played()


def blind(env, rng):
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


def nearest_first(env):
    """Play *return* knowing the maze, and looking at the nearest cell not seen yet on every trip."""
    game = Game(env)
    _search_every_time(game, ())
    return game.played()


def at_random(env, rng):
    game = Game(env)
    while not game.over:
        game.act(rng.integers(env.action_space.n))
    return game.played()


def search(game, walk=()):
    """Take a walk, then look at the nearest cell not seen yet, until the goal is in sight; return where it is."""
    maze, unseen = game.maze, set(game.maze.open_cells)

    def goal_in_sight():
        for cell in list(unseen):
            symbols = game.seen(cell)
            if symbols:
                unseen.discard(cell)
                if symbols[0] == OBJECT_TO_IDX["goal"]:
                    found.append(cell)
        return bool(found)

    def enough():
        before = len(unseen)
        return goal_in_sight() or len(unseen) < before

    found = []
    for action in walk:
        if goal_in_sight():
            break
        game.act(action)
    while not goal_in_sight():
        unseen.discard(maze.pose[0])
        game.walk(lambda pose: pose[0] in unseen, (), enough)
    return found[0]


def _search_every_time(game, walk):
    assert isinstance(game.maze, MazeReturn)
    while not game.over:
        goal = search(game, walk)
        game.walk(lambda pose, goal=goal: pose[0] == goal)


def _choose(game, ends, number):
    game.walk(lambda pose: pose[0] == ends[number], set(ends) - {ends[number]})


def _before(cell, fork):
    """Say whether a cell is the fork's node, which lies between its arms."""
    (left_x, left_y), (right_x, right_y) = fork
    return cell == ((left_x + right_x) // 2, (left_y + right_y) // 2)


def variants(maze, number):
    """Draw the maze of the next reset again and again, from where on chance goes on differently each time."""
    state = maze.np_random.bit_generator.state
    draw_rest = maze._begin
    for steps in range(number):
        maze.np_random.bit_generator.state = state

        def begin(*arguments, steps=steps):
            maze.np_random.bit_generator.advance(steps)
            draw_rest(*arguments)

        maze._begin = begin
        maze.reset()
        yield maze
    del maze._begin
