"""The agents that are compared: ours with each memory, and the peers, all on one task and with the same sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gymnasium as gym
from gymnasium.wrappers import FlattenObservation
from minigrid.wrappers import ImgObsWrapper
from stable_baselines3 import PPO
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from benchmarks.speed.session import Missing
from engram.agents import MemoryPPO
from engram.envs import make_vec_env

ENV, VIEW_SIZE, N_ENVS, N_STEPS = "MiniGrid-MemoryS13Random-v0", 7, 16, 128
LEARNING: dict[str, Any] = {"n_epochs": 4, "batch_size": 512, "seed": 0, "device": "cpu"}
CHUNK, HIDDEN = 32, 128
ALL_ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle", "done")


class Ours(NamedTuple):
    """What one of our agents is made of."""

    memory: str
    memory_kwargs: Mapping[str, Any] = {}
    controller: str = "lstm"


OURS = {
    "LSTM, no memory": Ours("none"),
    "GRU, no memory": Ours("none", controller="gru"),
    "episodic, 64 slots": Ours("episodic", {"slots": 64}),
    "DNC 32 × 32, 2 heads": Ours("dnc", {"slots": 32, "word_size": 32, "read_heads": 2}),
    "fast weights": Ours("fast_weight"),
    "NTM": Ours("ntm"),
    "Transformer": Ours("transformer"),
}
PEER = "RecurrentPPO"
STOCK, STOCK_ON_OURS = "PPO without recurrence", "PPO without recurrence, our env"


def make_ours(agent: Ours, env: VecEnv | None = None, **others: Any) -> MemoryPPO:
    """Build one of our agents, on the common task if no other is given; `others` replace arguments of MemoryPPO."""
    arguments: dict[str, Any] = {"n_steps": N_STEPS, "chunk_length": CHUNK, **LEARNING, **others}
    return MemoryPPO(
        "MemoryPolicy",
        env or our_env(N_ENVS),
        memory=agent.memory,
        memory_kwargs=dict(agent.memory_kwargs),
        controller=agent.controller,
        controller_kwargs={"hidden_size": HIDDEN},
        **arguments,
    )


def our_env(n_envs: int) -> VecEnv:
    """Return the common task as we make it."""
    return make_vec_env(ENV, n_envs=n_envs, view_size=VIEW_SIZE, useful_actions=ALL_ACTIONS, seed=0)


def makers() -> dict[str, Callable[[], OnPolicyAlgorithm]]:
    """Return how to build each agent, the peer first.

    Raises:
        Missing: if the peer is not installed.
    """
    try:
        from sb3_contrib import RecurrentPPO
    except ImportError as error:
        raise Missing("sb3-contrib is not installed: pip install -e '.[baselines]'") from error

    def recurrent() -> OnPolicyAlgorithm:
        sizes: dict[str, Any] = {"lstm_hidden_size": HIDDEN, "net_arch": []}
        model: OnPolicyAlgorithm = RecurrentPPO(
            "MlpLstmPolicy", _stock_env(), n_steps=N_STEPS, policy_kwargs=sizes, **LEARNING
        )
        return model

    found: dict[str, Callable[[], OnPolicyAlgorithm]] = {PEER: recurrent}
    for name, agent in OURS.items():
        found[name] = lambda agent=agent: make_ours(agent)  # type: ignore[misc]
    found[STOCK] = lambda: PPO("MlpPolicy", _stock_env(), n_steps=N_STEPS, **LEARNING)
    found[STOCK_ON_OURS] = lambda: PPO("MlpPolicy", our_env(N_ENVS), n_steps=N_STEPS, **LEARNING)
    return found


def _stock_env() -> VecEnv:
    def make() -> gym.Env[Any, Any]:
        image_only: Any = ImgObsWrapper  # has no annotations
        stock: gym.Env[Any, Any] = FlattenObservation(image_only(gym.make(ENV, disable_env_checker=True)))
        return stock

    return DummyVecEnv([make] * N_ENVS)
