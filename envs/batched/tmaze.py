"""Many T-Mazes stepped as one, with a few numpy operations."""

import time
from collections.abc import Callable
from itertools import chain, repeat
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.wrappers import OrderEnforcing
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from engram.envs.batched.vec_env import find, wrapped_in
from engram.envs.split.by_layout import SplitByLayout
from engram.envs.tasks.tmaze.env import BACK, DOWN, FORWARD, UP, Observation, TMaze, frames

Flags = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]


class TMazeVecEnv(DummyVecEnv):
    """T-Mazes that return bit for bit what a ``DummyVecEnv`` of them does, at many times its speed.

    Each environment still draws its own episodes, by its own ``reset``. What it has drawn is copied into arrays, and a
    step is taken in the arrays. The environments themselves never step: ask them for what holds over an episode (such
    as ``delay`` or ``layouts_seen``), not for where in it they stand, and not for what a ``Monitor`` has kept.

    Args:
        env_fns: make the environments, as ``make_env`` makes them.

    Raises:
        ValueError: if ``understands`` does not hold for one of them.
    """

    def __init__(self, env_fns: list[Callable[[], gym.Env[Any, Any]]]):
        super().__init__(env_fns)
        if not all(self.understands(env) for env in self.envs):
            raise ValueError("TMazeVecEnv is for T-Mazes without wrappers of other kinds: use DummyVecEnv")
        self._mazes: list[Any] = [env.unwrapped for env in self.envs]
        self._noise, self._has_false_cues = self._mazes[0].noise, len(self._mazes[0].channel_names) == 6
        if any((maze.noise, maze.channel_names) != (self._noise, self._mazes[0].channel_names) for maze in self._mazes):
            raise ValueError("TMazeVecEnv is for T-Mazes that show the same channels: use DummyVecEnv")
        self._monitors = [env if isinstance(env, Monitor) else None for env in self.envs]
        self._frames = frames(len(self._mazes[0].channel_names), self._noise)
        self._active = np.array([maze.active for maze in self._mazes])
        # One column an environment: what its reset has drawn, and where in the episode it stands.
        self._columns = np.zeros((7, self.num_envs), dtype=np.int64)
        self._no_op_rewards = np.zeros(self.num_envs)
        self._begun = False

    @staticmethod
    def understands(env: gym.Env[Any, Any]) -> bool:
        """Return whether an environment is a T-Maze without wrappers that change its steps."""
        bare: Any = env.unwrapped
        return (
            wrapped_in(env, (OrderEnforcing, SplitByLayout, Monitor))
            and find(env, SplitByLayout) is not None
            and type(bare) is TMaze
        )

    def reset(self) -> VecEnvObs:
        observations = super().reset()
        self._begin_all()
        return observations

    def standing(self) -> Numbers:
        """Return cells, steps and no-ops [3, N] of the episodes so far; see `go_on_from`."""
        return self._columns[-3:].copy()

    def go_on_from(self, standing: Numbers) -> None:
        """Go on in the episodes that the single envs have drawn.

        Args:
            standing: [3, N] int64, where in them to stand, as `standing` returned it.

        Raises:
            ValueError: if that is nowhere in them.
        """
        self._begin_all()
        _, _, junctions, limits, *_ = self._columns
        positions, steps, no_ops = standing
        is_within = (positions <= junctions) & (steps < limits) & (no_ops <= steps)
        if not (is_within.all() and (standing >= 0).all()):
            raise ValueError("a T-Maze has no such cell or step")
        self._columns[-3:] = standing

    def step_wait(self) -> VecEnvStepReturn:
        if not self._begun:
            return super().step_wait()  # which raises that a reset is missing
        actions = np.asarray(self.actions).reshape(self.num_envs)
        answers, cue_steps, junctions, limits, positions, steps, no_ops = self._columns
        at_junction = positions == junctions
        chosen = at_junction & ((actions == UP) | (actions == DOWN))
        right = chosen & (actions == answers)
        forward = ~at_junction & (actions == FORWARD)
        back = self._active & (positions > 0) & (actions == BACK)
        wrong_move = ~(chosen | forward | back)
        positions += forward
        positions -= back
        no_ops += wrong_move
        steps += 1
        rewards = (right + wrong_move * self._no_op_rewards).astype(np.float32)
        dones = chosen | (steps >= limits)
        cue_visible = np.where(self._active, positions == 0, steps == cue_steps)
        observations = self._observations(positions == junctions, cue_visible * answers, steps)
        infos = [{"cue_visible": visible, "TimeLimit.truncated": False} for visible in cue_visible.tolist()]
        for row in np.flatnonzero(dones).tolist():
            infos[row] = {
                "cue_visible": bool(cue_visible[row]),
                **self._outcome(row, bool(right[row])),
                "TimeLimit.truncated": not chosen[row],
                "terminal_observation": observations[row].copy(),
            }
            observations[row], self.reset_infos[row] = self.envs[row].reset()
            self._begin(row)
        return observations, rewards, dones, infos

    def _observations(self, at_junction: Flags, cues: Numbers, steps: Numbers) -> Observation:
        """Return what is seen, [N, channels]; `cues` are 0 where none is."""
        false_cues: Numbers | int = 0
        if self._has_false_cues:
            false_cues = np.array(
                [maze.false_cue(step) for maze, step in zip(self._mazes, steps.tolist(), strict=True)]
            )
        seen: Observation = self._frames[at_junction.astype(int), cues, false_cues]
        if self._noise:
            seen[:, -self._noise :] = [maze.next_noise() for maze in self._mazes]
        return seen

    def _outcome(self, row: int, success: bool) -> dict[str, Any]:
        """Return what the wrappers of an environment put into the info of an episode's last step."""
        outcome: dict[str, Any] = {"is_success": success, "layout": self.reset_infos[row]["layout"]}
        monitor = self._monitors[row]
        if monitor is not None:
            *_, steps, no_ops = self._columns[:, row].tolist()
            # Added up one by one, as the monitor does, so that every digit is the same.
            total = sum(chain(repeat(self._no_op_rewards[row].item(), no_ops), (float(success),)))
            seconds = round(time.time() - monitor.t_start, 6)
            outcome["episode"] = {"r": round(total, 6), "l": steps, "t": seconds, "is_success": success}
        return outcome

    def _begin_all(self) -> None:
        for row in range(self.num_envs):
            self._begin(row)
        self._begun = True

    def _begin(self, row: int) -> None:
        """Copy what an environment has drawn for its next episode."""
        maze = self._mazes[row]
        answer, cue_step, offset, junction, shortest = maze.episode()
        self._columns[:, row] = answer, cue_step, junction, 2 * shortest, offset, 0, 0
        self._no_op_rewards[row] = -maze.penalty / (2 * shortest)
