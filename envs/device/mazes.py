"""Mazes with one choice as tensors on a device: a maze is a table of sights and of what a step onto a cell means."""

from typing import Any, NamedTuple

import gymnasium as gym
import torch
from minigrid.envs.memory import MemoryEnv
from torch import Tensor

from engram.envs.batched.maze_tables import MazeTables, has_tables
from engram.envs.batched.sight import CUE
from engram.envs.batched.vec_env import find
from engram.envs.device.tensor_env import Observations, TensorEnv, TensorStep, bank_seeds, check_bank
from engram.envs.tasks.mazes.match import Match
from engram.envs.tasks.mazes.maze_match import MazeMatch
from engram.envs.visibility import Cell
from engram.envs.wrappers.odometry import PLACES, TURNS, OdometrySeen, from_start
from engram.envs.wrappers.symbols import EMPTY

_RIGHT = 3
"""What a step onto the right choice means, beside what `MazeTables` knows."""


class Walkers(NamedTuple):
    """Where the agents stand; all [B]."""

    mazes: Tensor  # number of the maze in the bank
    cells: Tensor  # numbered through all mazes
    headings: Tensor
    steps: Tensor


class TensorMazes(TensorEnv):
    """Room, Match, maze match or MiniGrid-Memory, in mazes of a bank that the single env has drawn, in random order.

    Arguments are those of `TensorEnv`, and `episodes`, how many there are in the bank.

    Raises:
        ValueError: if the env is none of these mazes, or is wrapped in more than the view, the actions, odometry
            and the split.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        n_envs: int,
        device: torch.device | str = "cpu",
        seed: int | None = None,
        episodes: int = 4096,
    ):
        super().__init__(env, n_envs, device, seed)
        bare: Any = env.unwrapped
        if not has_tables(env) or not isinstance(bare, Match | MazeMatch | MemoryEnv):
            raise ValueError("TensorMazes is for Room, Match, maze match and MiniGrid-Memory, with a view of at most 9")
        self._env = env
        self.draw_bank(bank_seeds(seed, episodes))
        self._has_odometry = find(env, OdometrySeen) is not None
        self._places, self._headings = self._tensor(PLACES), self._tensor(TURNS)
        self.walkers = Walkers(*torch.zeros((4, n_envs), dtype=torch.int64, device=self.device))

    def draw_bank(self, seeds: list[int]) -> None:
        check_bank(self.seeds, seeds)
        env, tables = self._env, MazeTables(self._env, len(seeds))
        bare: Any = env.unwrapped
        self.seeds, self.layouts, starts = seeds, [], []
        for maze, episode_seed in enumerate(seeds):
            _, info = env.reset(seed=episode_seed)
            self.layouts.append(info["layout"])
            tables.load(maze, env)
            tables.ground[maze, tables.numbers([_right_choice(bare)])] = _RIGHT
            cell = maze * tables.area + tables.numbers([bare.agent_pos])[0]
            starts.append((cell, int(bare.agent_dir), bare.max_steps))
        self._size = bare.agent_view_size
        sight, lights = tables.sight, tables.sight.lights
        self._starts, self._first_headings, self._limits = self._tensor(starts).T
        self._ground, self._codes, self._lines = map(self._tensor, (tables.ground.ravel(), sight.codes, sight.lines))
        self._codes, self._lines = self._codes.flatten(), self._lines.flatten()
        self._ahead, self._to_lines, self._to_cells, self._mirrored = map(
            self._tensor, (sight.ahead, sight.to_lines, sight.to_cells, sight.mirrored)
        )
        self._spread, self._masks, self._palette = map(self._tensor, (lights.spread, lights.masks, lights.palette))
        self._turns, self._goes = self._tensor(tables.turns), self._tensor(tables.goes)
        self._columns_and_rows = tables.columns_and_rows

    def standing(self) -> dict[str, Tensor]:
        return self.walkers._asdict()

    def reset(self) -> tuple[Observations, Tensor]:
        self._begin(torch.ones(self.n_envs, dtype=torch.bool, device=self.device))
        return self._observe()

    def step(self, actions: Tensor) -> TensorStep:
        self.check_actions(actions)
        mazes, cells, headings, steps = self.walkers
        headings.add_(self._turns[actions]).remainder_(4)
        ahead = cells + self._ahead[headings] * self._goes[actions]
        ground = self._ground[ahead]
        cells.copy_(torch.where(ground > 0, ahead, cells))
        steps += 1
        successes, terminated = ground == _RIGHT, ground > 1
        limits = self._limits[mazes]
        truncated = ~terminated & (steps >= limits)
        paid = 1 - 0.9 * (steps.double() / limits)  # in double precision, as the tasks pay
        final, _ = self._observe()
        self._begin(terminated | truncated)
        observations, cue_visible = self._observe()
        rewards = (successes * paid).float()
        return TensorStep(observations, rewards, terminated, truncated, final, successes, cue_visible)

    def layout_numbers(self) -> Tensor:
        return self.walkers.mazes

    def _begin(self, rows: Tensor) -> None:
        """Begin the next episode of some rows [B]."""
        mazes = self.below(len(self.seeds))
        drawn = Walkers(mazes, self._starts[mazes], self._first_headings[mazes], torch.zeros_like(mazes))
        for now, new in zip(self.walkers, drawn, strict=True):
            now.copy_(torch.where(rows, new, now))

    def _observe(self) -> tuple[Observations, Tensor]:
        """Return the observations, and where the cue is in sight [B]."""
        images, cue_visible = self._look()
        if not self._has_odometry:
            return images, cue_visible
        mazes, cells, headings, _ = self.walkers
        (x, y), (first_x, first_y) = map(self._columns_and_rows, (cells, self._starts[mazes]))
        ahead, right, turns = from_start(x - first_x, y - first_y, headings, self._first_headings[mazes])
        axes = (self._places[axis % len(self._places)] for axis in (ahead, right))
        return {"image": images, "odometry": torch.cat([*axes, self._headings[turns]], dim=1)}, cue_visible

    def _look(self) -> tuple[Tensor, Tensor]:
        """See as `Sight.look` does; return the images [B, V, V, 3] and where the cue is in sight [B]."""
        _, cells, headings, _ = self.walkers
        half = self._size // 2
        lines = self._lines[self._to_lines[:, headings] + cells] << self._size
        light = [torch.full_like(cells, 1 << half)]
        for line in lines:
            light.append(self._spread[line | light[-1]])
        lit = torch.stack(light)
        codes = self._codes[self._to_cells[:, headings] + cells[:, None]]
        codes = codes * self._masks[self._mirrored[headings], lit[:-1] | lit[1:]]
        codes[0, :, half] = codes[0, :, half] & CUE | EMPTY
        return self._palette[codes.flip(0).permute(1, 2, 0).long()], (codes >= CUE).any(2).any(0)

    def _tensor(self, array: Any) -> Tensor:
        return torch.as_tensor(array, device=self.device)


def _right_choice(bare: Any) -> Cell:
    if isinstance(bare, MemoryEnv):
        x, y = bare.success_pos
    elif isinstance(bare, MazeMatch):
        x, y = bare.scene.fork.doorsteps[bare.scene.right]
    else:
        x, y = bare.scene.corridor.doorsteps[bare.scene.right_arm]
    return x, y
