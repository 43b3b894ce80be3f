"""Trains an agent with an external memory, and evaluates it on layouts that it has never seen.

`python train.py --help` lists everything that can be set.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from functools import partial
from typing import cast

import torch
from rich.console import Console
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from engram.agents import MemoryPPO
from engram.agents.ranks import RankLost, is_first
from engram.cli.hydra import run
from engram.cli.terminal import stderr_console, warn_in_one_line
from engram.cli.training.ending import end_early
from engram.cli.training.final_evaluation import evaluate_trained
from engram.cli.training.held_out import check_leakage, few_to_train_on, held_out
from engram.cli.training.memory_line import memory_lines
from engram.cli.training.prepare import VALIDATION_SEED, Prepared, prepare
from engram.cli.training.record import make_folder, note_resumed, open_writer
from engram.cli.training.replaying import asks_to_replay, replay
from engram.cli.training.resuming import Resumed, asks_to_resume, bring_back, callbacks_of, open_resumed
from engram.cli.training.together import help_along, join, prepared_by_all, share_of
from engram.configs import CannotRun, TrainConfig
from engram.configs.messages import CONFIG_ERRORS, one_line
from engram.envs import warn_if_few_layouts
from engram.envs.closing import close
from engram.envs.state import get_state
from engram.evidence.runs.caveats import trained_on_ranges
from engram.evidence.runs.identity import run_digest
from engram.evidence.runs.open import drawn_in_training, refusing_foreign_errors
from engram.tracking import RunFolder, StopRequest
from engram.tracking.atomic import write_json, write_text
from engram.tracking.callbacks import (
    Boundary,
    GateSelectivity,
    LayoutCount,
    ProgressLine,
    Snapshots,
    StateDrift,
    StopOnRequest,
    Validation,
)
from engram.tracking.commands import program
from engram.tracking.interrupt import Stopped
from engram.tracking.writers import MetricsFile


def train(config: TrainConfig, name: str, resumed: Resumed | None = None) -> None:
    """Train, keep the best model, and evaluate it.

    Args:
        config: what to train.
        name: what the run folder is called.
        resumed: where a training goes on that was stopped; None to begin.

    Raises:
        CannotRun: if the configuration cannot be carried out; nothing has been written then.
        SystemExit: if the training was stopped by a signal, after the model was saved.
    """
    warning = warning_of(config)
    torch.set_num_threads(config.torch_threads)
    ranks = join(config)

    def prepared() -> Prepared:
        with refusing_foreign_errors("env: "):
            parts = prepare(share_of(config, ranks))
            return parts if ranks.index else parts._replace(leaks=check_leakage(config))

    parts = prepared_by_all(ranks, prepared)
    parts.model.join(ranks)
    with StopRequest(warning) as request:
        try:
            if ranks.index:
                close(parts.validation_env)
                help_along(config, parts.env, parts.model, request, resumed)
            else:
                carry_out(config, name, resumed, request, parts)
        except KeyboardInterrupt:  # where there is nothing to save yet, or all is saved
            if request.signal is None:
                raise
            print(f"{program('train')}: interrupted", file=sys.stderr)
            raise SystemExit(request.exit_code) from None
        if request.signal is not None:
            raise SystemExit(request.exit_code)


def warning_of(config: TrainConfig) -> int | None:
    """Return the number of the signal by which a scheduler warns; None if none is named.

    Raises:
        CannotRun: if this system has no such signal.
    """
    named = config.snapshots.signal
    if named is not None and not hasattr(signal, named.value):
        raise CannotRun(f"snapshots.signal={named.name}: this system has no such signal; leave it null")
    return None if named is None else int(getattr(signal, named.value))


def carry_out(
    config: TrainConfig,
    name: str,
    resumed: Resumed | None,
    request: StopRequest,
    prepared: Prepared,
) -> None:
    """Do as `train`, with what has been prepared; the request knows of a stop."""
    env, validation_env, model, leaks = prepared
    request.raise_at_once()
    console = stderr_console()
    print_line = partial(console.print, highlight=False, markup=False, soft_wrap=True)
    paths = model.policy.core.paths()
    model.set_logger(Logger(None, []))  # what a training that goes on has recorded stands in it already
    if resumed is None:
        folder = make_folder(config, name, paths)
    else:
        folder = resumed.folder
        for line in (*bring_back(model, resumed), *note_resumed(config, folder, resumed.timesteps, paths)):
            print_line(line)
    model.of_run = run_digest(folder.config)
    print_line(f"run folder: {folder.path}")
    print_line(f"implementations: {'; '.join(f'{operator} {path}' for operator, path in paths.items())}")
    for line in memory_lines(model, env.num_envs):
        print_line(line)
    if split := held_out(config, env, leaks):
        print_line(split)
    for line in trained_on_ranges(drawn_in_training(config)):
        print_line(line)
    few = few_to_train_on(leaks)
    if few:
        print_line(f"warning: {few}")
    if leaks is not None:
        write_json(folder.leakage, leaks.as_json())
        if leaks.shared:
            print_line("warning: two sides share episodes, so success on the test side proves little about new ones")
    wandb_writer = open_writer(config, folder, name, print_line)
    metrics = MetricsFile(folder.metrics, resumed.timesteps if resumed else None)
    model.logger.output_formats.append(metrics)
    if wandb_writer:
        model.logger.output_formats.append(wandb_writer)
    try:
        if model.num_timesteps < config.total_timesteps:
            learn(config, model, validation_env, folder, request, console, resumed)
        if request.signal is None:
            request.raise_at_once()
            if config.env.split and not few:
                warn_if_few_layouts(env)
            close(env)
            close(validation_env)
            if config.eval.final_episodes:
                evaluate_trained(config, folder, console, wandb_writer)
            print(f"everything is in {folder.path}")
        else:
            metrics.keep(model.num_timesteps)
            if not model.num_timesteps:  # by its last row one knows that it was stopped
                model.logger.record("time/total_timesteps", 0)
                model.logger.dump(0)
            print_line(f"stopped after {model.num_timesteps:,} steps; the agent is in {folder.checkpoint('latest')}")
    except CannotRun:
        raise
    except BaseException as error:  # whatever an env does, and be it to leave
        raise SystemExit(end_early(error, model, folder, request, print_line)) from error
    finally:
        if wandb_writer:
            wandb_writer.exit_code = int(sys.exc_info()[0] is not None or request.signal is not None)
        model.logger.close()


def go_on(words: Sequence[str]) -> int:
    """Go on with a training that was stopped; return the exit code."""
    try:
        train(*open_resumed(words))
    except CONFIG_ERRORS as error:
        if is_first():
            print(f"{program('train')}: {one_line(error)}", file=sys.stderr)
        return 2
    return 0


def work_out_again(words: Sequence[str]) -> int:
    """Work a step out that has failed; return the exit code."""
    try:
        print(f"the first that is not finite: {replay(words)}")
    except (*CONFIG_ERRORS, ValueError) as error:
        print(f"{program('train')}: {one_line(error)}", file=sys.stderr)
        return 2
    return 0


def learn(
    config: TrainConfig,
    model: MemoryPPO,
    validation_env: VecEnv,
    folder: RunFolder,
    request: StopRequest,
    console: Console,
    resumed: Resumed | None = None,
) -> None:
    """Let the agent learn, or until a stop is asked for; either way its latest weights and a snapshot are saved.

    What ends it in the middle of a rollout or an update leaves the agent with which the rollout began.
    """
    layouts, boundary = LayoutCount(), Boundary()
    validation = Validation(
        validation_env,
        folder,
        every=config.eval.every,
        episodes=config.eval.episodes,
        seed=VALIDATION_SEED,
        request=request,
        stop_at=config.eval.stop_at,
        print_line=partial(console.print, highlight=False, markup=False, soft_wrap=True),
    )
    progress = ProgressLine(config.total_timesteps, console)
    selectivity = GateSelectivity()
    snapshots = Snapshots(
        folder,
        lambda: get_state(cast(VecEnv, model.get_env())),
        {"layouts": layouts, "selectivity": selectivity, "validation": validation},
        every=config.snapshots.every,
        keep=config.snapshots.keep,
        states=callbacks_of(resumed, model.ranks) if resumed else None,
        request=request,
    )
    callbacks = [StopOnRequest(request), layouts, selectivity, StateDrift(), progress, boundary, validation, snapshots]
    request.finish_first()
    try:
        left = config.total_timesteps - model.num_timesteps
        model.learn(left, callback=callbacks, reset_num_timesteps=resumed is None)
        request.heed_warning()
    except (Stopped, RankLost) as error:
        if isinstance(error, RankLost) and request.signal is None:
            raise
        progress.on_training_end()
        boundary.go_back()
        folder.save_model(model, "latest")
    finally:
        boundary.go_back()
        snapshots.save()
        seen = layouts.seen.union(*(other["callbacks"]["layouts"] for other in snapshots.others))
        if seen:
            write_text(folder.layouts, "".join(f"{key}\n" for key in sorted(seen)))


def main() -> int:
    """Run the command line; return the exit code."""
    warn_in_one_line()
    try:
        if asks_to_replay(sys.argv[1:]):
            return work_out_again(sys.argv[1:])
        if asks_to_resume(sys.argv[1:]):
            return go_on(sys.argv[1:])
        return run(train, sys.argv[1:])
    except KeyboardInterrupt:
        print(f"{program('train')}: interrupted", file=sys.stderr)
        return 130
