"""`python train.py replay=RUN`: the step that ended a training is worked out once more, and what was wrong is named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from stable_baselines3.common.logger import Logger

from engram.agents import MemoryPPO
from engram.agents.learning.failing import replayed
from engram.agents.learning.lesson import prepare
from engram.cli.training.prepare import agent_arguments, refusing, training_envs
from engram.configs import CannotRun
from engram.evidence.runs.open import load_config, refusing_foreign_errors
from engram.evidence.runs.settings import trained_setting
from engram.evidence.runs.user_modules import split_modules
from engram.storage import read_archive
from engram.tracking import RunFolder

WORD = "replay="


def asks_to_replay(words: Sequence[str]) -> bool:
    """Return whether a command line is about a step that failed."""
    return any(word.startswith(WORD) for word in words)


def replay(words: Sequence[str]) -> str:
    """Work the step out that a run has kept, and say in a line which tensor is the first that is not finite.

    Raises:
        CannotRun: if nothing is kept, or it is not of this run.
    """
    given, modules = split_modules(words)
    if len(given) != 1:
        raise CannotRun(f"{WORD}RUN: one run folder and nothing else, and not {' '.join(given)}")
    folder = RunFolder.open(Path(given[0].removeprefix(WORD)), without_model=True)
    if not folder.failing.is_file():
        raise CannotRun(f"{folder.path}: no step of it has failed, there is no {folder.failing.name}")
    config = load_config(folder.config, modules)
    torch.set_num_threads(config.torch_threads)
    with refusing_foreign_errors("env: "), refusing("", config):
        env = training_envs(config, trained_setting(config.env))
        model = MemoryPPO("MemoryPolicy", env, **agent_arguments(config))
        model.set_logger(Logger(None, []))
    # A rollout, since its minibatches have the form of those that were kept.
    _, callback = model._setup_learn(model.n_steps * model.n_envs)
    model.collect_rollouts(env, callback, model.rollout_buffer, model.n_steps)
    events, lesson = prepare(model.policy, model.chunks)
    try:
        return replayed(model.policy, events, lesson, cast(Any, read_archive(folder.failing, "step")))
    except (ValueError, KeyError, TypeError, OSError, RuntimeError, IndexError) as error:
        raise CannotRun(f"{folder.failing}: it is no step of this run ({' '.join(str(error).split()):.200})") from error
