"""MemoryPPO: stock PPO's constructor, schedules, saving and callbacks around a recurrent policy with a memory."""

from __future__ import annotations

import inspect
import sys
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import HumanOutputFormat, Logger
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.common.utils import FloatSchedule, explained_variance
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from engram.agents.arguments import check_numbers, check_policy_arguments, check_stock_arguments
from engram.agents.buffer import ChunkBuffer
from engram.agents.chunks import fit_chunks
from engram.agents.losses import PPOLoss, clipped_values, normalized, ppo_loss
from engram.agents.novelty import EpisodicNovelty, first_visit_rate, novelty_bonus
from engram.agents.policy import AgentState, MemoryPolicy
from engram.agents.returns import generalized_advantages
from engram.agents.rollout import RolloutCursor, collect
from engram.agents.spaces import check_spaces
from engram.memory import tree_map


class MemoryPPO(PPO):
    """PPO for policies with a memory.

    Args:
        policy: "MemoryPolicy" or a subclass of it.
        env: env, VecEnv, or a registered id.
        memory, memory_kwargs: name in `memory.MEMORIES` and its sizes.
        controller, controller_kwargs: name in `memory.CONTROLLERS` and its sizes.
        n_steps: T, steps of every env in a rollout.
        batch_size: transitions in a minibatch, a multiple of the chunk length; by default a sixteenth of the rollout,
            at most 256 and at least one chunk.
        chunk_length: L, steps of truncated back-propagation, a divisor of `n_steps`; by default the largest up to 64.
        ent_coef: weight of the entropy bonus, a number or a schedule.
        novelty_coef: bonus for the first visit of an observation in an episode, in units of reward; 0 for none. It is
            added to the rewards that are learned from, never to those observed, logged or returned.
        novelty_fraction: share of the training over which the bonus falls linearly to zero.
        policy_kwargs: further arguments of the policy.
        **kwargs: of `stable_baselines3.PPO`.

    Raises:
        ValueError: if a space is not supported, sizes do not fit, or a name is unknown.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"MemoryPolicy": MemoryPolicy}
    policy: MemoryPolicy

    def __init__(
        self,
        policy: str | type[MemoryPolicy],
        env: GymEnv | str,
        memory: str = "episodic",
        memory_kwargs: dict[str, Any] | None = None,
        controller: str = "lstm",
        controller_kwargs: dict[str, Any] | None = None,
        learning_rate: float | Schedule = 1e-3,
        n_steps: int = 256,
        batch_size: int | None = None,
        n_epochs: int = 4,
        chunk_length: int | None = None,
        ent_coef: float | Schedule = 0.01,
        novelty_coef: float = 0.02,
        novelty_fraction: float = 0.8,
        policy_kwargs: dict[str, Any] | None = None,
        _init_setup_model: bool = True,
        **kwargs: Any,
    ) -> None:
        if env is not None and not isinstance(env, str):
            check_spaces(env.observation_space, env.action_space)
        chosen = {
            "memory": memory,
            "memory_kwargs": memory_kwargs,
            "controller": controller,
            "controller_kwargs": controller_kwargs,
        }
        check_stock_arguments(kwargs, own=inspect.signature(MemoryPPO).parameters)
        check_policy_arguments(policy_kwargs or {}, chosen)
        check_numbers(
            {**kwargs, "n_epochs": n_epochs, "novelty_coef": novelty_coef, "novelty_fraction": novelty_fraction}
        )
        self.chunk_length = chunk_length
        batch_size = fit_chunks(n_steps, getattr(env, "num_envs", 1), chunk_length, batch_size)[1]
        self.novelty_coef = novelty_coef
        self.novelty_fraction = novelty_fraction
        super().__init__(
            cast(Any, policy),
            env,
            learning_rate=learning_rate,
            n_steps=n_steps,
            batch_size=batch_size,
            n_epochs=n_epochs,
            ent_coef=cast(float, ent_coef),  # stock PPO only keeps it; our `train` reads it as a schedule
            policy_kwargs={**chosen, **(policy_kwargs or {})},
            _init_setup_model=False,
            **kwargs,
        )
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        super()._setup_model()
        self.entropy_schedule = FloatSchedule(self.ent_coef)
        # Checked here, too: `load` may have been given other sizes.
        length, self.batch_size = fit_chunks(self.n_steps, self.n_envs, self.chunk_length, self.batch_size)
        self.chunks = ChunkBuffer(length)
        self.novelty = EpisodicNovelty(self.n_envs)
        self._state: AgentState | None = None

    def set_random_seed(self, seed: int | None = None) -> None:
        """Seed all generators; a resumed run goes on with other mazes instead of replaying its first ones."""
        super().set_random_seed(None if seed is None else seed + self.num_timesteps)

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        # SB3's own logger makes a folder, in the temporary one if no other is named, even where it writes no file.
        needs_no_folder = self.tensorboard_log is None and not self._custom_logger
        if needs_no_folder:
            self.set_logger(Logger(None, [HumanOutputFormat(sys.stdout)] if self.verbose else []))
        total_timesteps, callback = super()._setup_learn(*args, **kwargs)
        if needs_no_folder:
            self._custom_logger = False  # the next `learn` looks again at what it shall write
        # The first rollout comes before SB3's own update: its bonus would be that of the end of the last `learn`.
        self._update_current_progress_remaining(self.num_timesteps, max(1, total_timesteps))
        return total_timesteps, callback

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "chunks", "novelty", "_state", "entropy_schedule"]

    def collect_rollouts(self, env: VecEnv, callback: BaseCallback, rollout_buffer: Any, n_rollout_steps: int) -> bool:
        """Fill the chunk buffer with `n_rollout_steps` steps of every env; False if a callback ended the training."""
        self.policy.set_training_mode(False)
        callback.on_rollout_start()

        def on_step(names: dict[str, Any]) -> bool:
            self.num_timesteps += env.num_envs
            callback.update_locals({"self": self, "env": env, **names})
            if not callback.on_step():
                return False
            self._update_info_buffer(names["infos"], names["dones"])
            return True

        starts = cast(NDArray[np.bool_], self._last_episode_starts).astype(bool)
        if self._state is None or len(self.novelty.seen) != env.num_envs:
            self._state, self.novelty = self.policy.initial_state(env.num_envs), EpisodicNovelty(env.num_envs)
        cursor = RolloutCursor(self._last_obs, starts, self._state)
        cursor, rollout = collect(self.policy, env, cursor, self.chunks, self.novelty, n_rollout_steps, on_step)
        self._last_obs, self._last_episode_starts, self._state = cursor
        if rollout is None:
            return False

        coef = self.novelty_coef * max(0.0, 1.0 - (1.0 - self._current_progress_remaining) / self.novelty_fraction)
        steps = self.chunks.steps
        ended = steps.terminated | steps.truncated
        rate = first_visit_rate(rollout.first_visits, ended.cpu().numpy())
        bonus = torch.as_tensor(novelty_bonus(rollout.first_visits, rate, coef), device=self.device)
        advantages = generalized_advantages(
            steps.rewards + bonus, steps.values, rollout.following, ended, self.gamma, self.gae_lambda
        )
        self.chunks.set_targets(advantages, advantages + steps.values)

        for name, value in rollout.trace.items():
            self.logger.record(f"memory/{name}", value)
        self.logger.record("novelty/coef", coef)
        self.logger.record("novelty/rate", rate)
        self.logger.record("novelty/bonus", bonus.mean().item())
        callback.on_rollout_end()
        return True

    def train(self) -> None:
        """Update the policy on the rollout: `n_epochs` passes over minibatches of chunks."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        progress = self._current_progress_remaining
        clip_range = cast(FloatSchedule, self.clip_range)(progress)
        value_range = None if self.clip_range_vf is None else cast(FloatSchedule, self.clip_range_vf)(progress)
        entropy_coef = self.entropy_schedule(progress)

        losses: list[PPOLoss] = []
        for _ in range(self.n_epochs):
            if not self._train_epoch(losses, clip_range, value_range, entropy_coef):
                break
            self._n_updates += 1

        means = tree_map(lambda *parts: torch.stack(parts).mean(), losses[0], *losses[1:])
        steps = self.chunks.steps
        self.logger.record("train/entropy_loss", means.entropy.item())
        self.logger.record("train/policy_gradient_loss", means.policy.item())
        self.logger.record("train/value_loss", means.value.item())
        self.logger.record("train/approx_kl", means.approx_kl.item())
        self.logger.record("train/clip_fraction", means.clip_fraction.item())
        self.logger.record("train/loss", means.total.item())
        variance = explained_variance(steps.values.flatten().cpu().numpy(), self.chunks.returns.flatten().cpu().numpy())
        self.logger.record("train/explained_variance", variance)
        if hasattr(self.policy, "log_std"):
            self.logger.record("train/std", self.policy.log_std.exp().mean().item())
        self.logger.record("train/ent_coef", entropy_coef)
        self.logger.record("train/clip_range", clip_range)
        if value_range is not None:
            self.logger.record("train/clip_range_vf", value_range)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")

    def _train_epoch(
        self, losses: list[PPOLoss], clip_range: float, value_range: float | None, entropy_coef: float
    ) -> bool:
        """Pass once over the rollout; False if the policy has moved further than `target_kl` allows."""
        for chunk in self.chunks.minibatches(self.batch_size):
            steps = chunk.steps
            masks = None if isinstance(steps.action_masks, tuple) else steps.action_masks
            now = self.policy.evaluate_chunk(
                steps.observation, steps.actions, chunk.state, steps.episode_start, steps.decisions, masks
            )
            loss = ppo_loss(
                now.log_probs,
                clipped_values(now.values, steps.values, value_range),
                now.entropies,
                steps.log_probs,
                normalized(chunk.advantages) if self.normalize_advantage else chunk.advantages,
                chunk.returns,
                clip_range,
                entropy_coef,
                self.vf_coef,
            )
            losses.append(loss._replace(total=loss.total.detach()))
            if self.target_kl is not None and loss.approx_kl.item() > 1.5 * self.target_kl:
                return False
            self.policy.optimizer.zero_grad()
            loss.total.backward()
            nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_grad_norm)
            self.policy.optimizer.step()
        return True

    def predict(  # type: ignore[override]  # SB3 knows states of arrays only; ours is a tree of tensors
        self,
        observation: NDArray[Any] | dict[str, NDArray[Any]],
        state: AgentState | None = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = False,
        action_masks: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[Any], AgentState]:
        """Choose actions, carrying the agent's state; see `MemoryPolicy.predict`."""
        return self.policy.predict(observation, state, episode_start, deterministic, action_masks)
