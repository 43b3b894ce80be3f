"""The same bonus for a peer: first visits pay in the rewards that sb3-contrib's RecurrentPPO learns from."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.buffers import RecurrentDictRolloutBuffer
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from engram.agents.rollout.novelty import EpisodicNovelty, first_visit_rate, novelty_bonus
from engram.agents.spaces import observation_tree, sights_of


class FirstVisits(VecEnvWrapper):
    """Notes which observations are first visits in their episode; changes nothing.

    Args:
        venv: B envs, as the env's own observations come out of them.
        ignored_keys: keys of the observations that do not count.
    """

    def __init__(self, venv: VecEnv, ignored_keys: Collection[str] = ()) -> None:
        super().__init__(venv)
        self.novelty = EpisodicNovelty(sights_of(self.observation_space, ignored_keys))
        self.ended: list[torch.Tensor] = []

    def reset(self) -> Any:
        observations = self.venv.reset()
        self._see(observations, np.ones(self.num_envs, dtype=bool))
        return observations

    def step_wait(self) -> Any:
        observations, rewards, dones, infos = self.venv.step_wait()
        self.ended.append(self._see(observations, dones))
        return observations, rewards, dones, infos

    def bonus(self, coef: float) -> NDArray[np.float32]:
        """Return the bonus [T, B] of the steps since the last call."""
        ended = torch.stack(self.ended)
        first_visits = self.novelty.first_visits()[-len(ended) :]
        self.ended = []
        return novelty_bonus(first_visits, first_visit_rate(first_visits, ended), coef).numpy()

    def _see(self, observations: Any, starts: NDArray[np.bool_]) -> torch.Tensor:
        """Look at the next observations; return the starts [B]."""
        episode_start = torch.tensor(starts)
        self.novelty.see(observation_tree(observations, self.observation_space, "cpu"), episode_start)
        return episode_start


class RewardsWithBonus(RecurrentDictRolloutBuffer):
    """The rollout buffer of RecurrentPPO; adds the bonus before it computes advantages, as `MemoryPPO` does.

    The bonus of a rollout depends on how many first visits all of it has, so that no wrapper of the env could give it
    step by step. Rewards that are monitored stay as they are.
    """

    model: RecurrentPPO
    visits: FirstVisits
    coef: float
    fraction: float

    @classmethod
    def replace(cls, model: RecurrentPPO, visits: FirstVisits, coef: float, fraction: float) -> None:
        """Give a model that has not learned yet such a buffer.

        Args:
            model: its envs lie around `visits`.
            visits: the wrapper that notes first visits.
            coef: bonus of a first visit at the start of the training.
            fraction: share of the training over which it falls linearly to zero.
        """
        before = cast(RecurrentDictRolloutBuffer, model.rollout_buffer)
        buffer = cls(
            before.buffer_size,
            before.observation_space,
            before.action_space,
            before.hidden_state_shape,
            before.device,
            before.gae_lambda,
            before.gamma,
            before.n_envs,
        )
        buffer.model, buffer.visits, buffer.coef, buffer.fraction = model, visits, coef, fraction
        model.rollout_buffer = buffer

    def compute_returns_and_advantage(self, last_values: torch.Tensor, dones: NDArray[np.bool_]) -> None:
        """Add the bonus of the rollout, then do what the stock buffer does."""
        # As in MemoryPPO: the progress before this rollout.
        done = 1.0 - self.model._current_progress_remaining
        self.rewards += self.visits.bonus(self.coef * max(0.0, 1.0 - done / self.fraction))
        super().compute_returns_and_advantage(last_values, dones)
