"""One training in several processes, as `torchrun` starts them: the first does all that `train` does, others help."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar, cast

import torch
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from engram.agents import MemoryPPO
from engram.agents.ranks import ALONE, RankLost, Ranks, are_several
from engram.cli.training.resuming import Resumed, bring_back, callbacks_of
from engram.configs import CannotRun, TrainConfig
from engram.configs.messages import CONFIG_ERRORS, one_line
from engram.envs.state import get_state
from engram.tracking import StopRequest
from engram.tracking.callbacks import LayoutCount, Snapshots, StopOnRequest
from engram.tracking.failure import failure_line
from engram.tracking.interrupt import Stopped

Prepared = TypeVar("Prepared")


def join(config: TrainConfig) -> Ranks:
    """Meet the other processes of the training, if there are any.

    Raises:
        CannotRun: if they cannot be met, or the envs cannot be dealt out to them.
    """
    if not are_several():
        return ALONE
    count = int(os.environ["WORLD_SIZE"])
    if config.env.n_envs % count:
        near = max(1, round(config.env.n_envs / count)) * count
        raise CannotRun(f"env.n_envs={config.env.n_envs}: {count} processes share the envs equally; take {near}")
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    try:
        return Ranks.join()
    except RankLost as error:
        raise CannotRun(str(error)) from error


def share_of(config: TrainConfig, ranks: Ranks) -> TrainConfig:
    """Return the configuration with the envs that one process has."""
    return replace(config, env=replace(config.env, n_envs=config.env.n_envs // ranks.count))


def prepared_by_all(ranks: Ranks, prepare: Callable[[], Prepared]) -> Prepared:
    """Prepare in every process, and go on only if all could.

    Raises:
        CannotRun: in all of them, if one could not.
    """
    problem, prepared = "", None
    try:
        prepared = prepare()
    except CONFIG_ERRORS as error:
        if ranks.is_alone:
            raise
        problem = one_line(error)
    for line in ranks.told(problem):
        if line:
            raise CannotRun(line)
    return cast(Prepared, prepared)


def help_along(
    config: TrainConfig, env: VecEnv, model: MemoryPPO, request: StopRequest, resumed: Resumed | None
) -> None:
    """Train as one of the others: nothing is written, and nothing said but what goes wrong here.

    Raises:
        SystemExit: if an env of this process fails.
    """
    ranks = model.ranks
    model.set_logger(Logger(None, []))
    if resumed is not None:
        bring_back(model, resumed)
    layouts = LayoutCount()
    snapshots = Snapshots(
        None,
        lambda: get_state(env),
        {"layouts": layouts},
        every=config.snapshots.every,
        keep=config.snapshots.keep,
        states=None if resumed is None else callbacks_of(resumed, ranks),
        request=request,
    )
    request.finish_first()
    try:
        left = config.total_timesteps - model.num_timesteps
        model.learn(left, callback=[StopOnRequest(request), layouts, snapshots], reset_num_timesteps=resumed is None)
    except BaseException as error:  # whatever an env does, and be it to leave
        if isinstance(error, Stopped) or request.signal is not None:
            return
        if isinstance(error, RankLost):  # the first one says what there is to say
            raise SystemExit(1) from error
        line = f"process {ranks.index}: failed after {model.num_timesteps:,} steps: {failure_line(error)}"
        print(line, file=sys.stderr)
        raise SystemExit(1) from error
