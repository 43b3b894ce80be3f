"""T-Mazes as tensors on a device."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import gymnasium as gym
import torch
from torch import Tensor

from engram.envs.device.tensor_env import TensorEnv, TensorStep
from engram.envs.spans import chance_by_logarithm
from engram.envs.split.by_layout import Side, layout_key, side_of
from engram.envs.tasks.tmaze.env import BACK, DOWN, FORWARD, UP, TMaze, frames


class Corridors(NamedTuple):
    """What the episodes have drawn, and where the agents stand; all [B]."""

    answers: Tensor  # UP or DOWN
    cue_steps: Tensor  # passive only: the step that shows the cue
    junctions: Tensor  # cell of the junction
    shortest: Tensor  # steps of the shortest solution
    positions: Tensor
    steps: Tensor
    layouts: Tensor  # their numbers


class TensorTMaze(TensorEnv):
    """T-Mazes without noise and distractors; the same distribution of episodes as the single env's, on its side.

    Arguments are those of `TensorEnv`.

    Raises:
        ValueError: if the env is no such T-Maze, or has no layout on this side.
    """

    def __init__(
        self, env: gym.Env[Any, Any], n_envs: int, device: torch.device | str = "cpu", seed: int | None = None
    ):
        super().__init__(env, n_envs, device, seed)
        maze, side = env.unwrapped, env.get_wrapper_attr("side")
        if type(maze) is not TMaze or maze.noise or maze.distractors:
            raise ValueError("TensorTMaze is for T-Mazes without noise and distractors")
        self._active, self._random_cue, self._penalty = maze.active, maze.cue_at == "random", maze.penalty
        layouts = list(_layouts(maze, side))
        if not layouts:
            raise ValueError(f"no layout on the {side} side: widen the range of delays or use split=None")
        self.layouts = [key for *_, key in layouts]
        self._layouts = torch.tensor([drawn for *drawn, _ in layouts], device=self.device)  # [L, 2] delay, offset
        chances = [chance_by_logarithm(delay, maze.delays) if maze.by_logarithm else 1.0 for delay, *_ in layouts]
        self._up_to = torch.tensor(chances, dtype=torch.float64, device=self.device).cumsum(0)
        self._frames = torch.as_tensor(frames(4, 0)[:, :, 0].reshape(6, 4), device=self.device)
        self.corridors = self.draw()

    def draw(self) -> Corridors:
        """Draw an episode for every env."""
        layouts = torch.bucketize(self.up_to(self._up_to[-1]), self._up_to, right=True)
        delays, offsets = self._layouts[layouts].T
        cue_steps = self.below(delays + 1) if self._random_cue else torch.zeros_like(delays)
        junctions = cue_steps + delays
        answers = UP + self.below(2)
        shortest, steps = offsets + junctions + 1, torch.zeros_like(delays)
        return Corridors(answers, cue_steps, junctions, shortest, offsets, steps, layouts)

    def layout_numbers(self) -> Tensor:
        return self.corridors.layouts

    def standing(self) -> dict[str, Tensor]:
        return self.corridors._asdict()

    def reset(self) -> tuple[Tensor, Tensor]:
        self._begin(torch.ones(self.n_envs, dtype=torch.bool, device=self.device))
        return self._observe()

    def step(self, actions: Tensor) -> TensorStep:
        self.check_actions(actions)
        answers, _, junctions, shortest, positions, steps, _ = self.corridors
        at_junction = positions == junctions
        chosen = at_junction & ((actions == UP) | (actions == DOWN))
        right = chosen & (actions == answers)
        forward = ~at_junction & (actions == FORWARD)
        back = (positions > 0) & (actions == BACK) if self._active else torch.zeros_like(forward)
        lost = self._penalty / (2 * shortest).double()
        rewards = (right.double() - ~(chosen | forward | back) * lost).float()
        positions += forward.long() - back.long()
        steps += 1
        truncated = ~chosen & (steps >= 2 * shortest)
        final, _ = self._observe()
        self._begin(chosen | truncated)
        observations, cue_visible = self._observe()
        return TensorStep(observations, rewards, chosen, truncated, final, right, cue_visible)

    def _begin(self, rows: Tensor) -> None:
        """Begin the next episode of some rows [B]."""
        for now, drawn in zip(self.corridors, self.draw(), strict=True):
            now.copy_(torch.where(rows, drawn, now))

    def _observe(self) -> tuple[Tensor, Tensor]:
        answers, cue_steps, junctions, _, positions, steps, _ = self.corridors
        cue_visible = positions == 0 if self._active else steps == cue_steps
        return self._frames[3 * (positions == junctions) + cue_visible * answers], cue_visible


def _layouts(maze: TMaze, side: Side | None) -> Iterator[tuple[int, int, str]]:
    """Yield delay, offset and key of the layouts that can be drawn on a side."""
    (fewest, most), (nearest, farthest) = maze.delays, maze.offsets
    for maze.delay in range(fewest, most + 1):
        for maze.offset in range(nearest, farthest + 1):
            key = layout_key(maze)
            if side is None or side_of(key) == side:
                yield maze.delay, maze.offset, key
