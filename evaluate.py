"""Evaluates a run on layouts that it was never trained on, with its memory intact and wiped.

Plays layouts of the test side, then harder settings: those that the run's config names, or --sizes and --delays. Prints
a table and writes RUN/evaluation.json.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from gymnasium.error import Error as GymnasiumError
from rich.console import Console
from stable_baselines3.common.vec_env import VecEnv

from agents import MemoryPPO
from configs import CannotRun, TrainConfig, load, one_line
from configs.messages import CONFIG_ERRORS
from configs.settings import Setting, harder_settings, settings_of_delays, settings_of_sizes, trained_setting
from envs import make_vec_env
from envs.split import Side
from tracking import JSON_KEYS, Condition, Report, RunFolder, StopRequest, Trial, examine, git_commit, print_report
from tracking.atomic import write_json
from tracking.terminal import remarks, results, warn_in_one_line
from tracking.versions import command_line

# Far from the seeds that one trains with; the split keeps the layouts apart in any case.
TEST_SEED = 1_000_000_000
STANDARD = (
    Condition(),
    Condition(deterministic=False),
    Condition(intervention="wiped"),
    Condition(intervention="wiped", deterministic=False),
    Condition(intervention="controller_wiped"),
    Condition(intervention="both_wiped"),
)


def env_arguments(config: TrainConfig, setting: Setting, side: Side) -> dict[str, Any]:
    """Return the arguments of `envs.make_env` for one setting, as it is played on one side.

    Args:
        config: of the run.
        setting: the task as trained, or a harder one.
        side: whose layouts are shown, if the setting is split.
    """
    return {
        "env_id": setting.env_id,
        "split": side if setting.split else None,
        "view_size": config.env.view_size,
        "useful_actions": config.env.actions,
        "pixels": config.env.pixels,
        "previous_reward": config.env.previous_reward,
        "random_actions": config.env.random_actions if side == "train" else 0.0,
        "reward_scale": config.env.reward_scale if side == "train" else 1.0,
        "kwargs": setting.kwargs,
        "module": config.env.module,
    }


def make_envs(config: TrainConfig, setting: Setting, side: Side, n_envs: int, seed: int) -> VecEnv:
    """Make the envs of one setting.

    Args:
        config, setting, side: see `env_arguments`.
        n_envs: how many play side by side.
        seed: of the first episodes.

    Raises:
        ValueError: if there is no such env, or an argument does not fit it.
    """
    arguments = env_arguments(config, setting, side)
    return make_vec_env(**arguments, n_envs=n_envs, seed=seed, subprocess=config.env.subprocess and side == "train")


def open_envs(config: TrainConfig, settings: Sequence[Setting], episodes: int, model: MemoryPPO) -> list[VecEnv]:
    """Make the test-side envs of all settings, and see that they work and fit the agent.

    Raises:
        ValueError: if one does not exist, has no layout on the test side, or shows or takes something else than what
            the agent was trained with.
    """
    envs = []
    for setting in settings:
        env = make_envs(config, setting, "test", min(config.eval.n_envs, episodes), TEST_SEED)
        env = MemoryPPO._wrap_env(env)  # shows images as the agent met them in training, channels first
        envs.append(env)
        env.reset()
        spaces = ((env.observation_space, model.observation_space), (env.action_space, model.action_space))
        for space, trained in spaces:
            if space != trained:
                raise ValueError(f"{setting.label}: the agent was trained with {trained}, and this env has {space}")
    return envs


def evaluate_run(
    folder: RunFolder,
    config: TrainConfig,
    model: MemoryPPO,
    envs: Mapping[Setting, VecEnv],
    *,
    checkpoint: str,
    episodes: int,
    seed: int,
    console: Console,
) -> Report:
    """Play all conditions and write the run's `evaluation.json`.

    Args:
        folder: the run.
        config: its configuration.
        model: its agent.
        envs: the settings and their envs, from `open_envs`; first the task as trained. They are closed in the end.
        checkpoint: which of its weights these are, for the record.
        episodes: per condition.
        seed: of the episodes.
        console: where the progress is shown.
    """
    (trained, env), *harder = envs.items()
    trials = [Trial(condition, env, episodes) for condition in STANDARD]
    for setting, env in harder:
        for condition in (Condition(setting.label), Condition(setting.label, "wiped")):
            trials.append(Trial(condition, env, setting.episodes or episodes))
    examined = examine(model, trials, seed=seed, console=console)
    for env in envs.values():
        env.close()

    tested = examined.layouts[trained.label]
    known = set(folder.layouts.read_text().split()) if folder.layouts.is_file() else None
    commit, dirty = git_commit(Path(__file__).parent)
    about = {
        "run": str(folder.path),
        "env": trained.env_id,
        "split": "test" if trained.split else None,
        "chance": config.env.chance,
        "memory": config.memory.name,
        "controller": config.controller.name,
        "checkpoint": checkpoint,
        "checkpoint_timesteps": model.num_timesteps,
        "episodes": episodes,
        "seed": seed,
        "layouts_trained_on": None if known is None else len(known),
        "layouts_tested": len(tested),
        "layouts_in_both": None if known is None else len(tested & known),
        "command": command_line(),
        "git_commit": commit,
        "git_dirty": dirty,
    }
    report = Report(about, examined.scores)
    write_json(folder.evaluation, report.as_json())
    return report


def check_device(option: str, device: str) -> None:
    """Try whether torch can use a device.

    Raises:
        CannotRun: if it cannot; the message names the option.
    """
    try:
        torch.empty(0, device=None if device == "auto" else device)
    except (RuntimeError, AssertionError) as error:
        raise CannotRun(f"{option}{device}: torch cannot use it here; take {option}auto or {option}cpu") from error


def load_run(path: Path, checkpoint: str | None, device: str) -> tuple[RunFolder, TrainConfig, MemoryPPO, str]:
    """Load a run's configuration and agent.

    Args:
        path: the run folder.
        checkpoint: "best" or "latest"; None takes the best, or the latest if none was ever validated.
        device: where the agent computes.

    Raises:
        CannotRun: if the run folder lacks something.
    """
    try:
        folder = RunFolder.open(path)
    except ValueError as error:
        raise CannotRun(str(error)) from error
    try:
        config = load(folder.config)
    except CONFIG_ERRORS as error:
        raise CannotRun(f"{folder.config}: {one_line(error)}") from error
    name = checkpoint or ("best" if folder.checkpoint("best").is_file() else "latest")
    if not folder.checkpoint(name).is_file():
        raise CannotRun(f"{path}: there is no {name}.zip; take --checkpoint {'latest' if name == 'best' else 'best'}")
    torch.set_num_threads(config.torch_threads)
    try:
        model = MemoryPPO.load(folder.checkpoint(name), device=device)
    except Exception as error:  # a broken archive, other versions: whatever it is, it is this file's
        reason = " ".join(str(error).split())
        raise CannotRun(f"{folder.checkpoint(name)}: cannot be loaded ({reason[:200]})") from error
    return folder, config, model, name


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong with the arguments without repeating the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = OneLineParser(description=__doc__, epilog=JSON_KEYS, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="the run folder that train.py has made")
    parser.add_argument("--episodes", type=int, help="per line of the table (default: as the run's config says)")
    parser.add_argument("--checkpoint", choices=("best", "latest"), help="which weights (default: best)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, ... (default: auto)")
    parser.add_argument("--seed", type=int, default=TEST_SEED, help="of the episodes (default: %(default)s)")
    parser.add_argument("--sizes", nargs="+", default=[], metavar="SIZE", help="other sizes, such as 13 17Random")
    parser.add_argument("--delays", nargs="+", default=[], type=int, metavar="DELAY", help="other delays, in steps")
    parser.add_argument("--no-harder", action="store_true", help="leave the harder settings out")
    options = parser.parse_args(arguments)
    warn_in_one_line()
    with StopRequest() as request:
        request.raise_at_once()
        try:
            return _run(options)
        except CannotRun as error:
            print(f"evaluate.py: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("interrupted; nothing was written", file=sys.stderr)
            return request.exit_code


def _run(options: argparse.Namespace) -> int:
    if options.episodes is not None and options.episodes < 1:
        raise CannotRun(f"--episodes {options.episodes}: must be at least 1")
    if not 0 <= options.seed < 2**32 - 1000:
        raise CannotRun(f"--seed {options.seed}: must be from 0 to {2**32 - 1001}")
    check_device("--device ", options.device)
    folder, config, model, checkpoint = load_run(options.run, options.checkpoint, options.device)
    harder = settings_of_sizes(config.env, options.sizes) + settings_of_delays(config.env, options.delays)
    if not (options.sizes or options.delays or options.no_harder):
        harder = harder_settings(config.env)
    settings = [trained_setting(config.env), *harder]
    episodes = options.episodes or config.eval.final_episodes or config.eval.episodes
    try:
        envs = open_envs(config, settings, episodes, model)
    except (ValueError, GymnasiumError) as error:
        raise CannotRun(" ".join(str(error).split())) from error
    report = evaluate_run(
        folder,
        config,
        model,
        dict(zip(settings, envs, strict=True)),
        checkpoint=checkpoint,
        episodes=episodes,
        seed=options.seed,
        console=remarks(),
    )
    print_report(report, results())
    print(f"written to {folder.evaluation}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
