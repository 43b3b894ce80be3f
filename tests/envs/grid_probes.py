"""What tests of the grid tasks share: looking at a maze, and drawing it again with another chance."""

import gymnasium as gym
import numpy as np


def kind_at(env: gym.Env, cell: tuple[int, int]) -> tuple[str, str]:
    thing = env.unwrapped.grid.get(*cell)
    return thing.type, thing.color


def shown(env: gym.Env, image: np.ndarray, cell: tuple[int, int]) -> bool:
    """Whether a frame that MiniGrid drew shows a cell."""
    place = env.relative_coords(*cell)
    return place is not None and image[tuple(place)][0] != 0


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
