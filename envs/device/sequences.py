"""Sequence tasks as tensors on a device."""

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from engram.envs.device.tensor_env import TensorEnv, TensorStep, bank_seeds, check_bank
from engram.envs.tasks.sequences.sequence_task import SequenceTask


class TensorSequences(TensorEnv):
    """Sequence tasks whose episodes come from a bank that the single env has drawn, in random order.

    Arguments are those of `TensorEnv`, and `episodes`, how many there are in the bank.

    Raises:
        ValueError: if the env is no sequence task.
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
        task = env.unwrapped
        if not isinstance(task, SequenceTask) or type(task).step is not SequenceTask.step:
            raise ValueError("TensorSequences is for sequence tasks")
        self._env = env
        self.draw_bank(bank_seeds(seed, episodes))
        # Of every env: the number of its episode, the time, and its right answers so far.
        self.episodes, self._times, self._right = torch.zeros((3, n_envs), dtype=torch.int64, device=self.device)

    def draw_bank(self, seeds: list[int]) -> None:
        check_bank(self.seeds, seeds)
        task: Any = self._env.unwrapped
        drawn, answers, shown = [], [], []
        self.seeds = seeds
        for episode_seed in seeds:
            self._env.reset(seed=episode_seed)
            drawn.append(task.observations)
            answers.append(task.right_answers)
            shown.append(task.shown)
        longest, most = max(map(len, drawn)), max(map(len, answers))
        # [E, T + 1, parts], [E, most scored], and [E] each
        padded = np.stack([np.pad(seen, ((0, longest - len(seen)), (0, 0))) for seen in drawn])
        self.observations = torch.as_tensor(padded, device=self.device)
        padded = np.stack([np.pad(right, (0, most - len(right))) for right in answers])
        self.answers = torch.as_tensor(padded, device=self.device)
        self.lengths = torch.as_tensor([len(seen) - 1 for seen in drawn], device=self.device)
        self.scored = torch.as_tensor([len(right) for right in answers], device=self.device)
        self.shown = torch.as_tensor(shown, device=self.device)

    def standing(self) -> dict[str, Tensor]:
        return {"episodes": self.episodes, "times": self._times, "right": self._right}

    def reset(self) -> tuple[Tensor, Tensor]:
        self._begin(torch.ones(self.n_envs, dtype=torch.bool, device=self.device))
        return self._observe()

    def step(self, actions: Tensor) -> TensorStep:
        self.check_actions(actions)
        lengths, scored = self.lengths[self.episodes], self.scored[self.episodes]
        answer = self._times - lengths + scored
        due = answer >= 0
        right = due & (self.answers[self.episodes, answer.clamp(min=0)] == actions)
        self._right += right
        self._times += 1
        terminated = self._times == lengths
        successes = terminated & (self._right == scored)
        rewards = (right.double() - (due & ~right).double()).div(scored).float()
        final, _ = self._observe()
        self._begin(terminated)
        observations, cue_visible = self._observe()
        truncated = torch.zeros_like(terminated)
        return TensorStep(observations, rewards, terminated, truncated, final, successes, cue_visible)

    def _begin(self, rows: Tensor) -> None:
        """Begin the next episode of some rows [B]."""
        self.episodes.copy_(torch.where(rows, self.below(len(self.lengths)), self.episodes))
        self._times.masked_fill_(rows, 0)
        self._right.masked_fill_(rows, 0)

    def _observe(self) -> tuple[Tensor, Tensor]:
        return self.observations[self.episodes, self._times], self._times < self.shown[self.episodes]
