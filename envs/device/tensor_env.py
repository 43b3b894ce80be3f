"""What the envs on a device have in common."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, cast

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

Observations = Tensor | dict[str, Tensor]
"""[B, ...], by key if the space is a Dict."""


class TensorStep(NamedTuple):
    """What a step of B envs returns; where an episode ended, the next one has begun."""

    observations: Observations  # [B, ...] what the agent sees next
    rewards: Tensor  # [B] float32
    terminated: Tensor  # [B] bool
    truncated: Tensor  # [B] bool, ended by the time limit and not terminated
    final_observations: Observations  # [B, ...] what this step led to: where an episode ended, its last one
    successes: Tensor  # [B] bool, the episode ended in success
    cue_visible: Tensor  # [B] bool, in `observations`


class TensorEnv(ABC):
    """B envs of one task on a device.

    Shapes are static, nothing is asked of the device, and where the envs stand is kept in the same tensors from step to
    step, so that a step can be part of a CUDA graph. Given the same draws it is equal to the single env.

    Args:
        env: the single env, as ``make_env`` makes it.
        n_envs: B.
        device: where everything is kept.
        seed: of the draws; None is a new one every time.
    """

    def __init__(self, env: gym.Env[Any, Any], n_envs: int, device: torch.device | str, seed: int | None):
        self.n_envs, self.device = n_envs, torch.device(device)
        self.observation_space, self.action_space = env.observation_space, env.action_space
        self._n_actions = int(cast(gym.spaces.Discrete, env.action_space).n)
        self.layouts: list[str] = []
        """Keys of the layouts that can be drawn, by their numbers; empty if the task has none (see `layout_key`)."""
        self.seeds: list[int] = []
        """Of the episodes of the bank; empty if there is none."""
        self.generator = torch.Generator(self.device)
        if seed is None:
            self.generator.seed()
        else:
            self.generator.manual_seed(seed)

    @abstractmethod
    def reset(self) -> tuple[Observations, Tensor]:
        """Begin an episode in every env; return the observations [B, ...] and where the cue is in sight [B]."""

    @abstractmethod
    def step(self, actions: Tensor) -> TensorStep:
        """Take one step in every env.

        Args:
            actions: [B] int64.

        Raises:
            ValueError: on a CPU, if there is no such action; see `check_actions`.
        """

    @abstractmethod
    def standing(self) -> dict[str, Tensor]:
        """Return the tensors that say where the envs stand, by name; with the generator they decide all that follows.

        Who changes them moves the envs.
        """

    def draw_bank(self, seeds: list[int]) -> None:
        """Draw the episodes of the bank anew; all envs have to begin anew, too.

        Args:
            seeds: one for each episode.

        Raises:
            ValueError: if there is no bank, or the seeds are not as many.
        """
        raise ValueError(f"{type(self).__name__} has no bank of episodes")

    def check_actions(self, actions: Tensor) -> None:
        """Refuse actions [B] that there are not, on a CPU.

        Elsewhere to look at them would be to wait for the device at every step: there a T-Maze and a sequence task take
        them for wrong ones, and a maze stops the device, or takes a negative one from the end.
        """
        if self.device.type == "cpu" and bool(((actions < 0) | (actions >= self._n_actions)).any()):
            raise ValueError(f"actions={actions.tolist()!s:.80}: must be from 0 to {self._n_actions - 1}")

    def layout_numbers(self) -> Tensor:
        """Return the numbers of the layouts that are played now [B]; all 0 if the task has none."""
        return torch.zeros(self.n_envs, dtype=torch.int64, device=self.device)

    def below(self, bounds: Tensor | int) -> Tensor:
        """Draw B whole numbers from 0 to below a bound [B], or one for all."""
        return self.up_to(bounds).long()

    def up_to(self, bounds: Tensor | int) -> Tensor:
        """Draw B numbers [B] float64 from 0 to below a bound, in the same way."""
        return torch.rand(self.n_envs, generator=self.generator, device=self.device, dtype=torch.float64) * bounds


def bank_seeds(seed: int | None, episodes: int) -> list[int]:
    """Draw the seeds of the episodes of a bank, so that any of them can be played again by the single env."""
    seeds: list[int] = np.random.default_rng(seed).integers(2**31, size=episodes).tolist()
    return seeds


def check_bank(present: list[int], seeds: list[int]) -> None:
    """Refuse to draw a bank anew with more or fewer episodes than are present; none are present at first.

    Raises:
        ValueError: if the seeds are not as many.
    """
    if present and len(seeds) != len(present):
        raise ValueError(f"a bank of {len(present)} episodes takes as many seeds, not {len(seeds)}")
