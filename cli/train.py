"""Trains an agent with an external memory, and evaluates it on layouts that it has never seen.

`python train.py --help` lists everything that can be set.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import torch
from gymnasium.error import Error as GymnasiumError
from omegaconf import OmegaConf
from rich.console import Console
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecEnv

from engram.agents import MemoryPPO
from engram.cli.hydra import run
from engram.cli.terminal import remarks, results, warn_in_one_line
from engram.configs import CannotRun, TrainConfig, own_keys
from engram.envs import make_env, measure_leakage, warn_if_few_layouts
from engram.envs.split.by_layout import Side
from engram.envs.split.leakage import Leakage
from engram.evidence.evaluation.run import evaluate_run
from engram.evidence.evaluation.tables import print_certificate, print_result
from engram.evidence.explanation.run import film_episode
from engram.evidence.horizon.measure import horizon_of, print_horizon
from engram.evidence.runs.open import TEST_SEED, check_device, env_arguments, make_envs, open_envs
from engram.evidence.runs.settings import Setting, settings_of_config, settings_of_delays, trained_setting
from engram.tracking import (
    GateSelectivity,
    LayoutCount,
    MetricsFile,
    ProgressLine,
    RunFolder,
    StateDrift,
    StopOnRequest,
    StopRequest,
    Validation,
    WandbWriter,
    open_wandb,
    versions,
)
from engram.tracking.atomic import write_json, write_text
from engram.tracking.writers.wandb import Mode

# Validation episodes begin from seeds of their own; the split keeps the layouts apart in any case.
VALIDATION_SEED = 500_000_000
LEAKAGE_SEED = 700_000_000
LEAKAGE_SECONDS = 10.0  # at most
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO}


def train(config: TrainConfig, name: str) -> None:
    """Train, keep the best model, and evaluate it.

    Args:
        config: what to train.
        name: what the run folder is called.

    Raises:
        CannotRun: if the configuration cannot be carried out; nothing has been written then.
        SystemExit: if the training was stopped by a signal, after the model was saved.
    """
    torch.set_num_threads(config.torch_threads)
    env, validation_env, model = prepare(config)
    leaks = check_leakage(config)
    console = remarks()

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    with StopRequest() as request:
        paths = model.policy.core.paths()
        folder = make_folder(config, name, paths)
        say(f"run folder: {folder.path}")
        say(f"implementations: {'; '.join(f'{operator} {path}' for operator, path in paths.items())}")
        if split := held_out(config, env, leaks):
            say(split)
        if leaks is not None:
            write_json(folder.leakage, leaks.as_json())
            if leaks.shared:
                say("warning: two sides show the same, so that success on the test side says little about new episodes")
        wandb_writer = open_writer(config, folder, name, say)
        writers: list[KVWriter] = [MetricsFile(folder.metrics)]
        model.set_logger(Logger(str(folder.path), [*writers, wandb_writer] if wandb_writer else writers))
        try:
            learn(config, model, validation_env, folder, request, console)
            if request.signal is not None:
                say(f"stopped after {model.num_timesteps:,} steps; the agent is in {folder.checkpoint('latest')}")
                raise SystemExit(request.exit_code)
            request.raise_at_once()
            if config.env.split:
                warn_if_few_layouts(env)
            env.close()
            validation_env.close()
            if config.eval.final_episodes:
                finish(config, folder, console, wandb_writer)
            print(f"everything is in {folder.path}")
        except KeyboardInterrupt:
            say(f"interrupted; to evaluate what there is: python evaluate.py {folder.path}")
            raise SystemExit(request.exit_code) from None
        except FloatingPointError as error:
            say(f"{error}; what was saved before is in {folder.path}")
            raise SystemExit(1) from error
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise
            say(f"cannot write to {folder.path} ({error.strerror}); what was saved before is there still")
            raise SystemExit(1) from error
        finally:
            if wandb_writer:
                wandb_writer.exit_code = int(sys.exc_info()[0] is not None)
            model.logger.close()


def learn(
    config: TrainConfig,
    model: MemoryPPO,
    validation_env: VecEnv,
    folder: RunFolder,
    request: StopRequest,
    console: Console,
) -> None:
    """Let the agent learn, or until a stop is asked for; either way its latest weights are saved."""
    layouts = LayoutCount()
    validation = Validation(
        validation_env,
        folder,
        every=config.eval.every,
        episodes=config.eval.episodes,
        seed=VALIDATION_SEED,
        request=request,
        say=lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True),
    )
    progress = ProgressLine(config.total_timesteps, console)
    callbacks = [StopOnRequest(request), layouts, GateSelectivity(), StateDrift(), progress, validation]
    try:
        model.learn(config.total_timesteps, callback=callbacks)
    finally:
        if layouts.seen:
            write_text(folder.layouts, "".join(f"{key}\n" for key in sorted(layouts.seen)))


def prepare(config: TrainConfig) -> tuple[VecEnv, VecEnv, MemoryPPO]:
    """Build envs of the training and the validation side and the agent, and try whatever the run needs later.

    Raises:
        CannotRun: if something does not exist, does not fit or is out of range.
    """
    check_device("device=", config.device)
    task = trained_setting(config.env)
    with refusing("env: "):
        env = make_envs(config, task, "train", config.env.n_envs, config.seed)
        n_envs = min(config.eval.n_envs, config.eval.episodes)
        validation_env = make_envs(config, task, "validation", n_envs, VALIDATION_SEED)
        validation_env.reset()
    with refusing(""):
        model = MemoryPPO("MemoryPolicy", env, **agent_arguments(config))
    try:
        model.policy.initial_state(config.env.n_envs)
    except RuntimeError as error:
        raise CannotRun(f"the memory of {config.env.n_envs} envs cannot be held: {error}".splitlines()[0]) from error
    with refusing("env: "):
        for test_env in open_envs(config, settings_of(config), 1, model):
            test_env.close()
    if config.eval.horizon:
        settings_of_delays(config.env, config.eval.horizon, "eval.horizon")
    return env, validation_env, model


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


def held_out(config: TrainConfig, env: VecEnv, leaks: Leakage | None) -> str:
    """Say in a line what the split holds out; empty if nobody looked, or if there are no layouts."""
    if leaks is not None:
        return str(leaks)
    if config.env.split or not env.has_attr("layouts_seen"):
        return ""
    return "no mazes are held out: env.split=true trains, validates and tests on different ones"


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Take a ValueError for a value that cannot be used, not for a bug: nothing but construction happens inside."""
    try:
        yield
    except (ValueError, GymnasiumError) as error:
        raise CannotRun(what + " ".join(str(error).split())) from error


def agent_arguments(config: TrainConfig) -> dict[str, Any]:
    """Return the keyword arguments of MemoryPPO."""
    ppo = asdict(config.ppo)
    learning_rate, final_rate = ppo.pop("learning_rate"), ppo.pop("learning_rate_final")
    ent_coef, final_coef = ppo.pop("ent_coef"), ppo.pop("ent_coef_final")
    return {
        "memory": config.memory.name,
        "memory_kwargs": own_keys(config.memory),
        "controller": config.controller.name,
        "controller_kwargs": own_keys(config.controller),
        "learning_rate": learning_rate if final_rate is None else LinearSchedule(learning_rate, final_rate, 1.0),
        "ent_coef": ent_coef if final_coef is None else LinearSchedule(ent_coef, final_coef, 1.0),
        "policy_kwargs": {"features_dim": ppo.pop("features_dim"), "net_arch": ppo.pop("net_arch")},
        "seed": config.seed,
        "device": config.device,
        **ppo,
    }


def make_folder(config: TrainConfig, name: str, paths: dict[str, str]) -> RunFolder:
    """Make the run folder and note in it what is about to be done, and with what.

    Args:
        config: what to train.
        name: what the run folder is called.
        paths: which implementations run, by operator (see `Core.paths`).
    """
    try:
        folder = RunFolder.create(Path(config.runs_dir), name, config.seed)
    except ValueError as error:
        raise CannotRun(str(error)) from error
    write_text(folder.config, OmegaConf.to_yaml(OmegaConf.structured(config)))
    write_json(folder.versions, {**versions(Path(__file__).resolve().parents[1]), "paths": paths})
    return folder


def open_writer(config: TrainConfig, folder: RunFolder, name: str, say: Callable[[str], None]) -> WandbWriter | None:
    """Start Weights & Biases as the config says."""
    content = OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True)
    return open_wandb(
        mode=cast(Mode, config.tracking.mode.name),
        folder=folder.path,
        project=config.tracking.project,
        entity=config.tracking.entity,
        group=config.tracking.group or name,
        tags=config.tracking.tags,
        config=cast(dict[str, Any], content),
        timeout=config.tracking.timeout,
        say=say,
    )


def finish(config: TrainConfig, folder: RunFolder, console: Console, wandb_writer: WandbWriter | None) -> None:
    """Evaluate the best model on the test side, as `python evaluate.py RUN` does, and show what was found."""
    model = MemoryPPO.load(folder.checkpoint("best"), device=config.device)
    settings, episodes, step = settings_of(config), config.eval.final_episodes, model.num_timesteps
    how: dict[str, Any] = {"checkpoint": "best", "seed": TEST_SEED, "console": console}
    envs = dict(zip(settings, open_envs(config, settings, episodes, model), strict=True))
    result = evaluate_run(folder, config, model, envs, episodes=episodes, certificate=config.eval.certificate, **how)
    if config.eval.horizon:
        horizon = horizon_of(folder, config, model, config.eval.horizon, episodes=episodes, **how)
    if config.eval.film:
        film_episode(folder, config, model, seed=TEST_SEED)
    if wandb_writer:
        wandb_writer.summarize({"evaluation": result.as_json()})
        wandb_writer.tabulate("evaluation/certificate", result.certificate.rows(), step)
        if config.eval.horizon:
            wandb_writer.show("evaluation/horizon", folder.horizon.with_suffix(".png"), step)
        if config.eval.film:
            wandb_writer.show("evaluation/film", folder.film, step)
        for name in ("best", "latest"):
            wandb_writer.keep_model([folder.checkpoint(name), folder.config, folder.versions], name)
    print_result(result, results())
    if config.eval.certificate:
        print_certificate(result.certificate, results())
    if config.eval.horizon:
        print_horizon(horizon, results())


def settings_of(config: TrainConfig) -> list[Setting]:
    """List the settings of the final evaluation."""
    others = settings_of_config(config.env) if config.eval.test_settings else []
    return [trained_setting(config.env), *others]


def main() -> int:
    """Run the command line; return the exit code."""
    warn_in_one_line()
    try:
        return run(train, sys.argv[1:])
    except KeyboardInterrupt:
        print("train.py: interrupted", file=sys.stderr)
        return 130
