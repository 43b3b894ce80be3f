"""Many mazes of MiniGrid stepped as one: what is seen and where a step leads are look-ups in tables of their grids."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from engram.envs.batched.maze_tables import JUDGED, MazeTables, has_tables
from engram.envs.batched.vec_env import BatchedVecEnv, Bools, Env, Numbers, find
from engram.envs.tasks.mazes.grid_task import GridTask
from engram.envs.wrappers.actions import ActionSubset
from engram.envs.wrappers.odometry import OdometrySeen, encoded, from_start


class GridVecEnv(BatchedVecEnv):
    """Mazes whose walls and objects stay as they are: tasks of this project that say so, and MiniGrid-Memory.

    For what it returns and what it takes see `BatchedVecEnv`.
    """

    def __init__(self, env_fns: list[Callable[[], Env]]):
        super().__init__(env_fns)
        self._bare: list[Any] = [env.unwrapped for env in self._single]
        alike = {(bare.width, bare.height, bare.agent_view_size) for bare in self._bare}
        subsets = [find(env, ActionSubset) for env in self._single]
        names = {subset and subset.action_names for subset in subsets}
        self._odometry = [found for env in self._single if (found := find(env, OdometrySeen))]
        if len(alike) > 1 or len(names) > 1 or len(self._odometry) not in (0, self.num_envs):
            raise ValueError(
                f"GridVecEnv cannot step mazes of different sizes, views or actions: {alike}, {names}"
                f" ({len(self._odometry)} of {self.num_envs} with odometry)"
            )
        self._tables = MazeTables(self._single[0], self.num_envs)
        # Where every env stands.
        self._cells, self._headings, self._steps, self._limits = np.zeros((4, self.num_envs), dtype=np.int64)
        # From where its odometry counts: cell and heading.
        self._first_cells, self._first_headings = np.zeros((2, self.num_envs), dtype=np.int64)

    @classmethod
    def understands(cls, env: Env) -> bool:
        return has_tables(env)

    def _load(self, row: int) -> None:
        bare, tables = self._bare[row], self._tables
        tables.load(row, self._single[row])
        self._cells[row] = row * tables.area + tables.numbers([bare.agent_pos])[0]
        self._headings[row], self._steps[row] = bare.agent_dir, bare.step_count
        self._limits[row] = bare.judged_step() if isinstance(bare, GridTask) else bare.max_steps
        if self._odometry:
            cell, self._first_headings[row] = self._odometry[row].start
            self._first_cells[row] = tables.numbers([cell])[0]

    def _store(self, row: int) -> list[float]:
        bare, steps = self._bare[row], int(self._steps[row])
        bare.agent_pos = self._tables.place(int(self._cells[row]))
        bare.agent_dir, bare.step_count = int(self._headings[row]), steps
        return [0.0] * steps

    def _advance(self, actions: Numbers) -> tuple[npt.NDArray[np.float64], Bools]:
        tables = self._tables
        headings = (self._headings + tables.turns[actions]) & 3
        ahead = self._cells + tables.sight.ahead[headings] * tables.goes[actions]
        ground = tables.ground.take(ahead)
        cells = np.where(ground, ahead, self._cells)
        alone = (ground == JUDGED) | (self._steps + 1 >= self._limits)
        usual = ~alone
        np.copyto(self._cells, cells, where=usual)
        np.copyto(self._headings, headings, where=usual)
        self._steps += usual
        return np.zeros(self.num_envs), alone

    def _observe(self) -> tuple[Any, Bools]:
        images, cue_visible = self._tables.sight.look(self._cells, self._headings)
        if not self._odometry:
            return images, cue_visible
        (x, y), (first_x, first_y) = map(self._tables.columns_and_rows, (self._cells, self._first_cells))
        way = from_start(x - first_x, y - first_y, self._headings, self._first_headings)
        return {"image": images, "odometry": encoded(*way)}, cue_visible
