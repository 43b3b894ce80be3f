"""What the split of a run keeps apart, measured before the training."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from stable_baselines3.common.vec_env import VecEnv

from engram.configs import CannotRun, TrainConfig
from engram.envs import make_env, measure_leakage
from engram.envs.split.by_layout import Side
from engram.envs.split.count import are_few, few_layouts
from engram.envs.split.leakage import Leakage
from engram.evidence.runs.open import env_arguments
from engram.evidence.runs.settings import trained_setting

LEAKAGE_SEED = 700_000_000
LEAKAGE_SECONDS = 10.0  # at most


def check_leakage(config: TrainConfig) -> Leakage | None:
    """Compare the sides of the split; None if there is no split.

    Raises:
        CannotRun: if the split is by layout and two sides share a maze all the same, unless that is allowed.
    """
    if not config.env.split or not config.eval.leakage_resets:
        return None
    task = trained_setting(config.env)

    def make(side: Side) -> gym.Env[Any, Any]:
        return make_env(**{**env_arguments(config, task, side), "random_actions": 0.0})

    leaks = measure_leakage(make, seed=LEAKAGE_SEED, resets=config.eval.leakage_resets, seconds=LEAKAGE_SECONDS)
    if leaks.shared and leaks.by == "layout" and not config.env.allow_overlap:
        raise CannotRun(
            f"env: {leaks.shared} mazes were found on two sides of the split by layout, so that its layout_key() misses"
            " something; env.allow_overlap=true trains all the same"
        )
    return leaks


def few_to_train_on(leaks: Leakage | None) -> str:
    """Return a warning if the training side has few layouts, as far as that was measured; else an empty line."""
    if leaks is None or leaks.by != "layout":
        return ""
    side = leaks.sides["train"]
    return few_layouts(side.met) if are_few(side.met, side.resets) else ""


def held_out(config: TrainConfig, env: VecEnv, leaks: Leakage | None) -> str:
    """Return a line on what the split holds out; empty if that was not measured, or if there are no layouts."""
    if leaks is not None:
        return str(leaks)
    if config.env.split or not env.has_attr("layouts_seen"):
        return ""
    return "no mazes are held out: env.split=true trains, validates and tests on different ones"
