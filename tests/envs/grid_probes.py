"""What tests of the grid tasks share: looking at a maze, and drawing it again with another chance."""

import math

import gymnasium as gym
import numpy as np

from engram.envs.tasks.mazes.maze_return import MazeReturn


class CarriedElsewhere(MazeReturn):
    """Maze return in which the agent is carried to a corner of the maze that is far from the goal, and turned."""

    def judged_cells(self):
        return super().judged_cells()

    def step(self, action):
        done = self.legs_done
        observation, reward, terminated, truncated, info = super().step(action)
        if self.legs_done > done and not terminated:
            self.agent_pos = max(sorted(self.open_cells), key=lambda cell: math.dist(cell, self.goal))
            self.agent_dir = (self.start[1] + self.legs_done) % 4
            observation = self.gen_obs()
            info["cue_visible"] = self._sees_cue(observation)
        return observation, reward, terminated, truncated, info


CARRIED_ELSEWHERE = "CarriedElsewhere-v0"
gym.register(CARRIED_ELSEWHERE, CarriedElsewhere, kwargs={"trips": 4})


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
