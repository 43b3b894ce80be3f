"""The same bonus for a peer: news pays in the rewards that sb3-contrib's RecurrentPPO learns from."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.buffers import RecurrentDictRolloutBuffer
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from engram.agents.actions import PreviousAction
from engram.agents.exploration.interface import Seen
from engram.agents.exploration.registry import build_bonus
from engram.agents.exploration.reward import coef_now, news_rate, novelty_bonus
from engram.agents.spaces import constants_of, observation_tree
from engram.memory import State
from engram.memory.state import stack


class Explored(VecEnvWrapper):
    """Notes what is seen and done, and works the bonus out; changes nothing.

    Args:
        venv: B envs, as the env's own observations come out of them.
        bonus: name of the bonus.
        left_out: keys of the observations that do not count, beside those that are constant over an episode.
    """

    def __init__(self, venv: VecEnv, bonus: str = "sights", left_out: Collection[str] = ()) -> None:
        super().__init__(venv)
        left_out = {*left_out, *constants_of(self.observation_space)}
        self.novelty = build_bonus(bonus, self.observation_space, self.action_space, left_out)
        self.stored = PreviousAction(self.action_space)
        self.observations: list[State] = []  # of X + 1 steps, leaves [B, ...]
        self.starts: list[torch.Tensor] = []  # of X + 1 steps, [B] each
        self.actions: list[torch.Tensor] = []  # of X steps, [B, A] each

    def reset(self) -> Any:
        observations = self.venv.reset()
        self.novelty.forget()
        self.observations, self.starts, self.actions = [], [], []
        self._see(observations, np.ones(self.num_envs, dtype=bool))
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        self.actions.append(self.stored.store(torch.tensor(actions)))
        self.venv.step_async(actions)

    def step_wait(self) -> Any:
        observations, rewards, dones, infos = self.venv.step_wait()
        self._see(observations, dones)
        return observations, rewards, dones, infos

    def bonus(self, coef: float) -> NDArray[np.float32]:
        """Return the bonus [T, B] of the steps since the last call."""
        seen = Seen(stack(self.observations), torch.stack(self.actions), torch.stack(self.starts))
        self.observations, self.starts, self.actions = self.observations[-1:], self.starts[-1:], []
        novelty = self.novelty.paid(coef)
        if novelty is None:
            return np.zeros(seen.actions.shape[:2], dtype=np.float32)
        news = novelty(seen)
        return novelty_bonus(news, news_rate(news, seen.starts[1:]), coef).numpy()

    def _see(self, observations: Any, starts: NDArray[np.bool_]) -> None:
        """Note the next observations."""
        self.observations.append(observation_tree(observations, self.observation_space, "cpu"))
        self.starts.append(torch.tensor(starts))


class RewardsWithBonus(RecurrentDictRolloutBuffer):
    """The rollout buffer of RecurrentPPO; adds the bonus before it computes advantages, as `MemoryPPO` does.

    The bonus of a rollout depends on how much news all of it has, so that no wrapper of the env could give it step by
    step. Rewards that are monitored stay as they are.
    """

    model: RecurrentPPO
    visits: Explored
    coef: float
    fraction: float

    @classmethod
    def replace(cls, model: RecurrentPPO, visits: Explored, coef: float, fraction: float) -> None:
        """Give a model that has not learned yet such a buffer.

        Args:
            model: its envs lie around `visits`.
            visits: the wrapper that notes what is new.
            coef: bonus for what is new at the start of the training.
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
        self.rewards += self.visits.bonus(coef_now(self.coef, self.fraction, done))
        super().compute_returns_and_advantage(last_values, dones)
