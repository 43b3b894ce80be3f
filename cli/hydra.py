"""The command line of the training: Hydra, with its errors in one line and a help of our own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

import hydra
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from engram.agents.ranks import are_several, is_first
from engram.cli.grid.run import MULTIRUN, asks_for_grid, recorded, run_grid
from engram.cli.help import help_text
from engram.configs.loading import checked
from engram.configs.messages import CONFIG_ERRORS, CannotRun, one_line
from engram.configs.schema import TrainConfig, register
from engram.configs.whole_numbers import whole
from engram.evidence.runs.user_modules import import_modules, split_modules
from engram.tracking.commands import program

FLAGS = (*MULTIRUN, "--config-dir", "-cd", "--cfg", "-c", "--info", "-i", "--package", "-p", "--resolve")


def run(task: Callable[[TrainConfig, str], None], arguments: Sequence[str]) -> int:
    """Compose what the arguments ask for and carry it out, once or for every point of a grid.

    Args:
        task: called with a configuration and with what the run is called: its experiment or env, memory, controller.
        arguments: without the name of the program.

    Returns:
        the exit code; 2 if something was asked for that cannot be done, which has been reported in one line.
    """
    # Hydra prints several lines and hides tracebacks otherwise.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    register()
    started = False

    @hydra.main(config_path="pkg://engram.configs", config_name="train", version_base="1.3")
    def composed(config: DictConfig) -> None:
        nonlocal started
        started = True
        try:
            task(checked(config), config.name or _name(config, HydraConfig.get()))
        except CONFIG_ERRORS as error:
            # An exception would make Hydra add lines of its own.
            raise SystemExit(_refuse(one_line(error))) from error

    try:
        record = None
        if asks_for_grid(arguments):
            record, arguments = recorded(arguments)
        words = [word for word in arguments if not word.startswith("-")]
        import_modules(split_modules(words)[1])
        if "--help" in arguments or "-h" in arguments:
            print(help_text(words))
            return 0
        _check_flags(arguments)
        # argparse wants all overrides in one piece; what looks like one goes to the end.
        given = [whole(word) for word in sorted(arguments, key=lambda word: "=" in word or word.startswith("~"))]
        if record is not None:
            return run_grid(record, given)
        sys.argv[1:] = given
        composed()
    except (*CONFIG_ERRORS, ValueError, OSError) as error:
        if started:
            raise
        return _refuse(one_line(error))
    return 0


def _refuse(message: str) -> int:
    if is_first():
        print(f"{program('train')}: {message}", file=sys.stderr)
    return 2


def _check_flags(arguments: Sequence[str]) -> None:
    if are_several() and {*MULTIRUN} & {*arguments}:
        raise CannotRun("-m: several processes train one run, and no grid; leave torchrun out, or -m")
    for word in arguments:
        if word.startswith("-") and word.partition("=")[0] not in FLAGS:
            raise CannotRun(f"{word}: no such option; write key=value, or one of {', '.join(('--help', *FLAGS))}")


def _name(config: DictConfig, job: HydraConf) -> str:
    choices = job.runtime.choices
    task = choices["env"] if choices["experiment"] == "default" else choices["experiment"]
    if any(word.startswith("env.id=") for word in job.overrides.task):
        task = str(config.env.id).rpartition(":")[2]
    if config.env.odometry:
        task += "-odometry"
    if not config.env.mission:
        task += "-mission-hidden"
    return f"{task}-{choices['memory']}-{choices['controller']}"
