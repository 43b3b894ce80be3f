"""The schema of the configuration: every key, its type and its one-line meaning.

The numbers stand in the YAML files beside this module; only what a file may leave out has a default here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from hydra.core.config_store import ConfigStore

from engram.configs.options import option
from engram.configs.parts import CHOICES, PartConfig


@dataclass
class TestSettingConfig:
    """A setting other than the one trained on, for the final evaluation, in which all layouts are played."""

    id: str | None = option("Gymnasium id, if it differs from the one trained on", None)
    kwargs: dict[str, Any] = option("arguments of the env that differ", {})
    episodes: int | None = option("episodes to play, if they differ from eval.final_episodes", None)


@dataclass
class EnvConfig:
    """The task."""

    id: str = option("Gymnasium id")
    n_envs: int = option("copies of the env that play side by side", 64, low=1, high=100_000)
    split: bool = option("train, validate and test on different layouts (or seeds, where there are none)", True)
    allow_overlap: bool = option("train even if two sides of the split by layout were found to share mazes", False)
    view_size: int | None = option("side of the agent's view in a MiniGrid env (odd); null keeps the env's own", None)
    useful_actions: list[str] | None = option(
        "names of the actions to keep in a MiniGrid env; null keeps them all", None
    )
    pixels: int | None = option("show a MiniGrid view as an image, with so many pixels a cell; null: symbols", None)
    odometry: bool = option(
        "let the agent of a MiniGrid env feel its own steps: place and heading relative to the start", False
    )
    mission: bool = option(
        "show the mission of a MiniGrid env where it changes from episode to episode; hidden, a control", True
    )
    kwargs: dict[str, Any] = option("arguments of the env itself", {})
    module: str | None = option("module to import first, if it registers the id", None)
    previous_reward: bool = option("show the reward of the previous step in the observation", False)
    ignored_keys: list[str] = option(
        "keys of a Dict observation that do not count when two events are compared (a place, a clock)", []
    )
    constant_keys: list[str] = option(
        "keys of a Dict observation that never change within an episode (a mission): stored once for each episode", []
    )
    random_actions: float = option(
        "probability that in training a random action begins at a step, held for a while", 0.0, low=0, high=1
    )
    chance: float | None = option(
        "success of a player that cannot recall, for the verdict; null if unknown", None, low=0, high=1
    )
    subprocess: bool = option("one process per training env; pays off only where a step of the env is slow", False)
    on_device: bool = option(
        "keep the training envs on the agent's device (T-Mazes, sequence tasks, mazes with one choice)", False
    )
    test_settings: dict[str, TestSettingConfig] = option(
        "settings beyond the one trained on, for the final evaluation", {}
    )


class Precision(Enum):
    """In which numbers the agent's layers compute."""

    float32 = "float32"
    bf16 = "bf16"


@dataclass
class PPOConfig:
    """The numbers of MemoryPPO."""

    learning_rate: float = option("step size of Adam", low=0, high=1)
    learning_rate_final: float | None = option(
        "step size at the end, reached linearly; null keeps it constant", low=0, high=1
    )
    n_steps: int = option("steps per env and rollout", low=1)
    batch_size: int = option("transitions per minibatch at most, a multiple of the chunk", low=1)
    n_epochs: int = option("passes over a rollout", low=1, high=1_000)
    chunk_length: int | None = option(
        "steps learned as one sequence; null takes the largest divisor of n_steps to 64", low=1
    )
    gamma: float = option("discount factor", low=0, high=1)
    gae_lambda: float = option("lambda of generalized advantage estimation", low=0, high=1)
    clip_range: float = option("clip range of the probability ratio", low=0, high=1)
    clip_range_vf: float | None = option("clip range of the value; null does not clip it", low=0)
    normalize_advantage: bool = option("normalize advantages in each minibatch")
    ent_coef: float = option("weight of the entropy bonus at the start", low=0)
    ent_coef_final: float | None = option(
        "weight of the entropy bonus at the end, reached linearly; null: constant", low=0
    )
    vf_coef: float = option("weight of the value loss", low=0)
    reward_coef: float = option(
        "weight of predicting what a step pays, times the steps that add up to a return; 0 leaves it out", low=0
    )
    recall_coef: float = option(
        "weight of recalling stored events by a part of them, if the memory holds events; 0 leaves it out", 0.0, low=0
    )
    max_grad_norm: float = option("clip range of the gradient's norm", low=0)
    target_kl: float | None = option(
        "stop the epochs of a rollout beyond 1.5 times this divergence; null never stops", low=0
    )
    normalize_returns: bool = option(
        "learn from rewards in units of the largest discounted return so far, which is saved with the agent", True
    )
    bonus: str = option(
        "what is new: sights, or places (with env.odometry), for the first time in an episode; rnd, noveld or e3b",
        "sights",
    )
    novelty_coef: float = option("bonus for what is new, in the same units; 0 turns it off", low=0)
    novelty_fraction: float = option("part of the training after which that bonus is zero", low=0, high=1)
    precision: Precision = option("float32, or bf16 by autocast", Precision.float32)
    features_dim: int = option("width of an encoded event: an observation and the action before it", low=1)
    net_arch: list[int] = option("hidden layers of the policy and value heads", [], low=1)


class TrackingMode(Enum):
    """What Weights & Biases does with the metrics."""

    auto = "auto"
    offline = "offline"
    online = "online"
    disabled = "disabled"


@dataclass
class TrackingConfig:
    """Weights & Biases; the metrics are in the run folder's metrics.csv in any case."""

    mode: TrackingMode = option("auto (online when an API key is there), offline, online or disabled")
    project: str | None = option("project; null takes WANDB_PROJECT, or engram")
    entity: str | None = option("user or team; null takes WANDB_ENTITY, or the account's own")
    group: str | None = option("group of runs; null takes WANDB_RUN_GROUP, or the name of the run folder")
    tags: list[str] = option("tags")
    timeout: float = option("seconds to wait for the server before going on offline", low=1)


@dataclass
class EvalConfig:
    """Evaluation on layouts that are not trained on."""

    leakage_resets: int = option(
        "resets of each side before training, to see that they share no maze; 0: none", 300, low=0
    )
    every: int = option("environment steps between evaluations on the validation side", low=1)
    episodes: int = option("episodes of each of them", low=1)
    stop_at: float | None = option(
        "success (or return) in validation that ends the training once reached twice in a row; null: never",
        None,
    )
    final_episodes: int = option("episodes per line of the final evaluation on the test side; 0 leaves it out", low=0)
    test_settings: bool = option("let the final evaluation play the settings of env.test_settings, too")
    certificate: bool = option("let the final evaluation play every intervention of the certificate of memory", False)
    horizon: list[int] = option("delays at which to measure success after the training, where the task has one", [])
    film: bool = option("film an episode of the test side after the training, with the memory drawn in", True)
    n_envs: int = option("copies of the env that play side by side, at most", low=1)


class WarningSignal(Enum):
    """The signal by which a scheduler warns that time is up soon."""

    USR1 = "SIGUSR1"
    USR2 = "SIGUSR2"
    TERM = "SIGTERM"
    INT = "SIGINT"
    HUP = "SIGHUP"


@dataclass
class SnapshotsConfig:
    """Files in the run folder from which a training that was stopped goes on: python train.py resume=RUN."""

    every: float = option("seconds between two of them; the first comes after a minute at the latest", 120.0, low=0)
    keep: int = option("how many are kept, the latest", 2, low=1)
    signal: WarningSignal | None = option(
        "what a scheduler sends before it stops a run, such as USR1: the rollout is finished, a snapshot saved", None
    )


@dataclass
class TrainConfig:
    """Everything that a run is made of."""

    env: EnvConfig = option("the task")
    memory: PartConfig = option("the memory")
    controller: PartConfig = option("the controller")
    encoder: PartConfig = option("the encoder of observations")
    ppo: PPOConfig = option("the algorithm")
    tracking: TrackingConfig = option("Weights & Biases")
    eval: EvalConfig = option("evaluation")
    snapshots: SnapshotsConfig = option("files from which a training goes on", SnapshotsConfig())
    total_timesteps: int = option("environment steps to train for, over all envs", low=1)
    seed: int = option("seed of everything random; the same seed gives the same weights", low=0, high=2**31 - 1)
    device: str = option("auto (CUDA if it is there), cpu, cuda, cuda:1, ...")
    torch_threads: int = option("threads of torch; small recurrent steps are slower with more than one", low=1)
    runs_dir: str = option("folder in which the run folders are made")
    name: str | None = option(
        "first part of the run folder's name; null: experiment (or env), odometry if on, memory and controller"
    )


GROUPS = ("experiment", "env", "memory", "controller", "encoder", "ppo", "tracking")


def register() -> None:
    """Make the schema known to Hydra, so that the YAML files and the command line are checked against it."""
    store = ConfigStore.instance()
    store.store(group="schema", name="train", node=TrainConfig)
    for part, schemas in CHOICES.items():
        for name, schema in schemas.items():
            store.store(group=f"schema/{part}", name=name, node=schema)
