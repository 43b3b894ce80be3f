"""MemoryPPO: stock PPO's constructor, schedules, saving and callbacks around a recurrent policy with a memory."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable
from io import BufferedIOBase
from operator import index
from pathlib import Path
from typing import Any, ClassVar, Never, Self, cast

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import HumanOutputFormat, Logger
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.common.vec_env import VecEnv

import engram
from engram.agents.arguments import (
    NOT_SUPPORTED,
    refuse_unknown,
    refuse_unsupported,
    refuse_vector_env,
    with_architecture,
)
from engram.agents.carried.saved import load_agent, save_agent, set_saved_parameters
from engram.agents.exploration.interface import Bonus
from engram.agents.exploration.registry import build_bonus
from engram.agents.exploration.reward import coef_now
from engram.agents.exploration.together import learned_together
from engram.agents.learning.numbers import numbers_now
from engram.agents.learning.update import metrics, update
from engram.agents.policy import MemoryPolicy
from engram.agents.ranks import ALONE, Ranks
from engram.agents.rollout.buffer import ChunkBuffer, fit_chunks
from engram.agents.rollout.collect import RolloutCursor, collect
from engram.agents.rollout.observation_check import ObservationCheck
from engram.agents.rollout.questions import declare_normalized, of_episode, success_of
from engram.agents.rollout.returns import largest_return
from engram.agents.rollout.targets import targets_of
from engram.agents.rollout.view import NoBuffer, RolloutView
from engram.agents.settings import SCHEDULES, autocast, check_settings, number_now, plain
from engram.agents.spaces import check_spaces
from engram.agents.steps import AgentState
from engram.memory import Controller, Memory

ARCHITECTURE = ("memory", "memory_kwargs", "controller", "controller_kwargs", "encoder", "encoder_kwargs")


class MemoryPPO(PPO):
    """PPO for policies with a memory.

    The arguments up to `device` are those of `stable_baselines3.PPO`, in its order; those that are ours have to be
    named. What the agent is made of may be given here or, as for any SB3 algorithm, in `policy_kwargs`.

    Args:
        policy: "MemoryPolicy" or a subclass of it.
        env: env, VecEnv, or a registered id; None only with `_init_setup_model=False`.
        n_steps: T, steps of every env in a rollout.
        batch_size: transitions in a minibatch, a multiple of the chunk length; by default a sixteenth of the rollout,
            at most 256 and at least one chunk. Where it does not divide the rollout, minibatches are a little smaller.
        ent_coef: weight of the entropy bonus, a number or a schedule.
        policy_kwargs: arguments of the policy, see `MemoryActorCritic`: `features_dim`, `net_arch`, `memory`, ...
        memory, memory_kwargs: name in `memory.MEMORIES` or class, and its own arguments; by default "episodic".
        controller, controller_kwargs: name in `memory.CONTROLLERS` or class, and its own arguments; by default "lstm".
        encoder, encoder_kwargs: name in `agents.ENCODERS` or class of what encodes observations, and its own arguments;
            by default "auto", which chooses by the space.
        chunk_length: L, steps of truncated back-propagation, a divisor of `n_steps`; by default the largest up to 64.
        reward_coef: weight of predicting what a step pays, see `RewardHead`, times the steps that add up to a return.
        recall_coef: weight of recalling stored events by a part of them, see `RecallHead`; 0 leaves it out, for good.
            No effect on memories that hold no events, or read nothing but what was found while acting (sparse reads).
        bonus: name in `agents.BONUSES` or class of what says how new what a step led to is; by default "sights", first
            visits of an observation in an episode.
        novelty_coef: bonus for what is new, as a share of the largest return; 0 for none. It is added to the rewards
            that are learned from, never to those observed, logged or returned.
        novelty_fraction: share of the training over which the bonus falls linearly to zero.
        precision: "float32", or "bf16" to collect and to learn under autocast; what addresses a memory stays in full
            precision, and so does evaluation.
        normalize_returns: whether rewards are divided by the largest magnitude of a discounted return met so far, for
            learning; it is saved with the agent. What is observed, logged and returned stays the env's own; values are
            in units of `return_scale`.

    Raises:
        ValueError: if a space is not supported, sizes do not fit, or a name is unknown.
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"MemoryPolicy": MemoryPolicy}
    policy: MemoryPolicy
    longest_episode: int = 0
    """Steps of the longest episode of the training, as far as a Monitor told them; saved with the agent."""
    of_run: str | None = None
    """Which run the agent is of, for whoever keeps such; saved with the agent."""
    ranks: Ranks = ALONE
    """The processes that train it together, see `join`."""
    largest_return: float = 0.0
    """Largest magnitude of a discounted return within a rollout so far, 0 if there was none; saved with the agent."""

    def __init__(
        self,
        policy: str | type[MemoryPolicy],
        env: GymEnv | str | None,
        learning_rate: float | Schedule = 1e-3,
        n_steps: int = 256,
        batch_size: int | None = None,
        n_epochs: int = 4,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        clip_range: float | Schedule = 0.2,
        clip_range_vf: float | Schedule | None = None,
        normalize_advantage: bool = True,
        ent_coef: float | Schedule = 0.01,
        vf_coef: float = 0.5,
        max_grad_norm: float = 0.5,
        use_sde: bool = False,
        sde_sample_freq: int = -1,
        rollout_buffer_class: type[RolloutBuffer] | None = None,
        rollout_buffer_kwargs: dict[str, Any] | None = None,
        target_kl: float | None = None,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
        *,
        memory: str | type[Memory[Any]] | None = None,
        memory_kwargs: dict[str, Any] | None = None,
        controller: str | type[Controller[Any]] | None = None,
        controller_kwargs: dict[str, Any] | None = None,
        encoder: str | type[BaseFeaturesExtractor] | None = None,
        encoder_kwargs: dict[str, Any] | None = None,
        chunk_length: int | None = None,
        reward_coef: float = 0.5,
        recall_coef: float = 0.0,
        bonus: str | type[Bonus] = "sights",
        novelty_coef: float = 0.02,
        novelty_fraction: float = 0.8,
        precision: str = "float32",
        normalize_returns: bool = True,
        **unknown: Never,  # type checkers refuse any; at run time the nearest name is suggested
    ) -> None:
        given = locals()
        refuse_unknown("MemoryPPO", unknown, inspect.signature(MemoryPPO).parameters.keys() - NOT_SUPPORTED.keys())
        refuse_unsupported(**{name: given[name] for name in NOT_SUPPORTED})
        check_settings(given)
        if env is None and _init_setup_model:
            raise ValueError("env=None: the agent is built for the spaces of an env; give one")
        if env is not None:
            given["env"] = env = self._wrap_env(env, verbose)
        self.chunk_length = chunk_length
        self.reward_coef = reward_coef
        self.recall_coef = recall_coef
        self.bonus = bonus
        self.novelty_coef = novelty_coef
        self.novelty_fraction = novelty_fraction
        self.precision = precision
        self.normalize_returns = normalize_returns
        stock = {name: given[name] for name in inspect.signature(PPO).parameters if name in given}
        n_envs = getattr(env, "num_envs", 1)
        fitting = fit_chunks(n_steps, n_envs, chunk_length, batch_size)[1]
        # The whole rollout: of any other size stock PPO may warn of a truncated minibatch, which there is none of here.
        stock["batch_size"] = max(2, n_steps * n_envs)
        architecture = {**{name: given[name] for name in ARCHITECTURE}, "recalls": recall_coef > 0 or None}
        stock["policy_kwargs"] = with_architecture(policy_kwargs, architecture)
        super().__init__(**{**stock, "_init_setup_model": False})
        self.batch_size = fitting
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        if not issubclass(self.policy_class, MemoryPolicy):
            raise ValueError(f"an agent of {self.policy_class.__name__} has no memory: load it by its own algorithm")
        check_settings(vars(self))  # here, too: `load` may have been given others
        for name in SCHEDULES:
            setattr(self, name, plain(getattr(self, name)))
        self.rollout_buffer_class: Any = NoBuffer
        super()._setup_model()
        length, self.batch_size = fit_chunks(self.n_steps, self.n_envs, self.chunk_length, self.batch_size)
        self.chunks = ChunkBuffer(length)
        self.check = ObservationCheck(self.observation_space)
        self.rollout_buffer: Any = RolloutView(self.chunks)
        left_out = {*self.policy.ignored_keys, *self.policy.constant_keys}
        self.novelty = build_bonus(self.bonus, self.observation_space, self.action_space, left_out, self.device)
        self._state: AgentState | None = None
        self.policy.starts_told.longest_episode = self.longest_episode

    @staticmethod
    def _wrap_env(env: GymEnv | str, verbose: int = 0, monitor_wrapper: bool = True) -> VecEnv:
        """Show an env as the factory would (MiniGrid's symbols, missions, tuples), before SB3 wraps it."""
        if isinstance(env, gym.Env | str):
            env = engram.adapt_env(env)
        else:
            refuse_vector_env(env)
            declare_normalized(env)
        check_spaces(env.observation_space, env.action_space)
        return PPO._wrap_env(env, verbose, monitor_wrapper)

    @property
    def return_scale(self) -> float:
        """What a return and a value of 1 are in the env's own rewards: 1 until a return differs from 0."""
        return (self.largest_return or 1.0) if self.normalize_returns else 1.0

    def set_random_seed(self, seed: int | None = None) -> None:
        """Seed all generators; a resumed run goes on with other mazes instead of replaying its first ones."""
        before = self.ranks.index * self.n_envs  # envs of other processes
        super().set_random_seed(None if seed is None else (index(seed) + self.num_timesteps + before) % 2**32)

    def join(self, ranks: Ranks) -> None:
        """Learn together with agents in other processes, made with the same settings for as many envs of their own.

        From now on `batch_size`, `num_timesteps` and the episodes told of are those of all processes together, and so
        is what is learned. Each plays with envs, and draws by generators, of its own.
        """
        self.ranks = ranks
        for module in (self.policy, self.novelty):
            ranks.take_from_first(module)
        if ranks.index:
            self.set_random_seed(self.seed)

    def _setup_lr_schedule(self) -> None:
        self.learning_rate = plain(self.learning_rate)
        super()._setup_lr_schedule()
        self._rate_of_schedule = self.learning_rate  # another one later was set by a callback

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

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        modules, others = super()._get_torch_save_params()
        return [*modules, *self.novelty.saved_as("novelty")], others

    def save(
        self,
        path: str | Path | BufferedIOBase,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
    ) -> None:
        """Save the agent: a zip of JSON and safetensors.

        What no file holds, such as a function, or a class of one's own without a registered name, is named in it, and
        has to be given again at `load`.

        Args:
            path: of the file, to which `.zip` is added where it has no suffix, or an open one.
            exclude: settings that are left out; a loaded agent has them at their defaults.
            include: not supported.
        """
        save_agent(self, path, exclude, include)

    @classmethod
    def load(
        cls,
        path: str | Path | BufferedIOBase,
        env: GymEnv | None = None,
        device: torch.device | str = "auto",
        custom_objects: dict[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Load a saved agent, with the arguments of stock PPO. Nothing that the file holds is executed.

        Args:
            path: of the file, or an open one.
            env: that it goes on learning in; without one it can only act.
            device: where it computes.
            custom_objects: what no file holds, by the name that the file calls it by, such as
                `{"policy_kwargs.memory": MyMemory}`. Names that the user has registered are known once the module that
                registers them is imported.
            print_system_info: whether versions are printed, those of today and those with which it was saved.
            force_reset: of no effect: where the training's envs stood is not the agent's; see `train.py resume=`.
            **kwargs: settings that shall be others than those that were saved.

        Raises:
            ValueError: in one line, if the file is damaged or no agent's, something has to be given again, what the
                saved agent is made of was given, or a name is unknown.
        """
        return load_agent(cls, path, env, device, custom_objects, print_system_info, kwargs)

    @classmethod
    def resume(cls, run: str | Path) -> MemoryPPO:
        """Return the agent of a run of `train.py`, in its envs, where its training stands; see `engram.resume_run`."""
        model: MemoryPPO = engram.resume_run(run).model
        return model

    def set_parameters(
        self,
        load_path_or_dict: str | dict[str, Any],
        exact_match: bool = True,
        device: torch.device | str = "auto",
    ) -> None:
        """Set weights and optimizers to those of a saved agent, or to what `get_parameters` returned."""
        if isinstance(load_path_or_dict, dict):
            super().set_parameters(load_path_or_dict, exact_match, device)
        else:
            set_saved_parameters(self, load_path_or_dict, exact_match)

    def collect_rollouts(self, env: VecEnv, callback: BaseCallback, rollout_buffer: Any, n_rollout_steps: int) -> bool:
        """Fill the chunk buffer with `n_rollout_steps` steps of every env; False if a callback ended the training."""
        self.policy.set_training_mode(False)
        callback.on_rollout_start()
        check_settings(vars(self))  # which the callback may have changed
        length, _ = fit_chunks(n_rollout_steps, env.num_envs, self.chunk_length, self.batch_size)
        self.chunks.chunk_length = length
        ended: list[dict[str, Any]] = []

        def on_step(names: dict[str, Any]) -> bool:
            self.num_timesteps += env.num_envs * self.ranks.count
            callback.update_locals({"self": self, "env": env, "rollout_buffer": self.rollout_buffer, **names})
            if not self.ranks.all_agree(callback.on_step()):
                return False
            if self.ranks.is_alone:
                self._update_info_buffer(names["infos"], names["dones"])
            else:
                ended.extend(info for info, done in zip(names["infos"], names["dones"], strict=False) if done)
            return True

        starts = cast(NDArray[np.bool_], self._last_episode_starts).astype(bool)
        coef = coef_now(self.novelty_coef, self.novelty_fraction, 1.0 - self._current_progress_remaining)
        if self._state is None or len(self._state.previous_action) != env.num_envs:
            self._state = self.policy.initial_state(env.num_envs)
            self.novelty.forget()
        paid = self.novelty.paid(coef)
        novelty = None if paid is None else learned_together(paid, self.ranks)
        cursor = RolloutCursor(self._last_obs, starts, self._state)
        try:
            with autocast(self.precision, self.device):
                cursor, rollout = collect(
                    self.policy, env, cursor, self.chunks, novelty, self.check, n_rollout_steps, on_step
                )
        except BaseException:
            # A step failed, or was interrupted: nobody knows where the envs stand, so the next `learn` resets them.
            self._last_obs = self._state = None
            raise
        self._last_obs, self._last_episode_starts, self._state = cursor
        if rollout is None:
            return False
        of_all = [info for told in self.ranks.told([*map(of_episode, ended), *rollout.episodes]) for info in told]
        self._update_info_buffer(of_all, np.ones(len(of_all), dtype=bool))
        callback.update_locals({"episodes": rollout.episodes})

        steps = self.chunks.steps
        if self.normalize_returns:
            met = largest_return(steps.rewards, steps.terminated | steps.truncated, self.gamma)
            self.largest_return = max(self.largest_return, self.ranks.largest(met))
        targets = targets_of(
            steps,
            rollout,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            novelty_coef=coef,
            return_scale=self.return_scale,
        )
        self.chunks.set_targets(targets.advantages, targets.returns, targets.rewards)

        traced = {f"memory/{name}": value for name, value in rollout.trace.items()}
        for name, value in {**targets.figures, **traced}.items():
            self.logger.record(name, value)
        callback.on_rollout_end()
        return True

    def _update_info_buffer(self, infos: list[dict[str, Any]], dones: NDArray[np.bool_] | None = None) -> None:
        infos = [{} if info.get("reset_only") else info for info in infos]  # a VecMonitor counts these steps, too
        infos = [{**info, "is_success": success_of(info)} if "is_success" in info else info for info in infos]
        super()._update_info_buffer(infos, dones)
        lengths = (int(info["episode"]["l"]) for info in infos if "episode" in info)
        self.longest_episode = max(self.longest_episode, *lengths, 0)
        self.policy.starts_told.longest_episode = self.longest_episode

    def train(self) -> None:
        """Update the policy on the rollout: `n_epochs` passes over minibatches of chunks."""
        self.policy.set_training_mode(True)
        # As they are now: a callback may have set them.
        numbers = numbers_now(vars(self), self._current_progress_remaining)
        if self.recall_coef and not self.policy.recalls:
            raise ValueError(f"recall_coef={self.recall_coef}: the agent was made with 0, and has nothing to recall by")
        fit_chunks(len(self.chunks.steps.rewards), self.n_envs, self.chunks.chunk_length, self.batch_size)
        if self.learning_rate != self._rate_of_schedule:
            self._setup_lr_schedule()
        number_now("learning_rate", self.lr_schedule, self._current_progress_remaining)
        self._update_learning_rate(self.policy.optimizer)
        with autocast(self.precision, self.device):
            losses, completed = update(self.policy, self.chunks, numbers, self.ranks)
        self._n_updates += completed
        if self.policy.observes:  # not before: what was collected is learned as it was seen
            self.policy.observe(self.ranks.rows_of_all(self.chunks.steps.observation))
        for name, value in metrics(losses, self.chunks, self.policy, numbers, self.ranks).items():
            self.logger.record(f"train/{name}", value)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")

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
