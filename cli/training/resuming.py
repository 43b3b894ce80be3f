"""`python train.py resume=RUN`: a training that was stopped goes on as if it had not been."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import torch
from omegaconf import DictConfig, OmegaConf
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv

from engram.agents import MemoryPPO
from engram.agents.carried import learned, resume, set_learned
from engram.agents.ranks import Ranks
from engram.cli.grid.run import asks_for_grid
from engram.cli.training.prepare import agent_arguments, refusing, training_envs
from engram.configs import CannotRun, TrainConfig
from engram.configs.loading import checked
from engram.configs.whole_numbers import whole
from engram.envs.state import restore
from engram.evidence.runs.identity import MAY_CHANGE, run_digest
from engram.evidence.runs.open import LoadedRun, load_config, refusing_foreign_errors
from engram.evidence.runs.settings import trained_setting
from engram.evidence.runs.user_modules import split_modules
from engram.storage import read_archive
from engram.tracking import RunFolder

WORD = "resume="


class Resumed(NamedTuple):
    """Where a training goes on."""

    folder: RunFolder
    timesteps: int
    state: dict[str, Any]  # see `Snapshots`
    lines: list[str]  # to be printed


def asks_to_resume(words: Sequence[str]) -> bool:
    """Return whether a command line is about a run that there is."""
    return any(word.startswith(WORD) for word in words) and not asks_for_grid(words)


def open_resumed(words: Sequence[str]) -> tuple[TrainConfig, str, Resumed]:
    """Find out from a command line which training goes on, and from where.

    Returns:
        its configuration, what the runs of all its seeds are called, and where it stands.

    Raises:
        CannotRun: in one line, if there is no such run, it has no snapshot that can be read, or something is given that
            cannot be another.
    """
    (run, *more), given = _sorted_out(words)
    if more:
        raise CannotRun(f"{WORD}: one run at a time, and not {', '.join([run, *more])}")
    changes, modules = split_modules(given)
    try:
        folder = RunFolder.open(Path(run), without_model=True)
    except ValueError as error:
        raise CannotRun(str(error)) from error
    config = load_config(folder.config, modules)
    lines: list[str] = []
    timesteps, state = newest_snapshot(folder, lines.append)
    lines.append(f"goes on after {timesteps:,} steps")
    total = config.total_timesteps
    config = _changed(config, changes)
    if config.total_timesteps != total and config.total_timesteps < timesteps:
        raise CannotRun(
            f"total_timesteps={config.total_timesteps}: {folder.path} has taken {timesteps:,} steps already"
        )
    if config.total_timesteps != total:
        lines.append(
            f"total_timesteps was {total:,} so far: schedules are stretched from here on, so that this is not what "
            f"{config.total_timesteps:,} from the start would have been"
        )
    return config, folder.path.resolve().parent.name, Resumed(folder, timesteps, state, lines)


def resume_run(run: str | Path, *, modules: Mapping[str, str] = MappingProxyType({})) -> LoadedRun:
    """Bring the agent and the envs of a run of `train.py` to where its training stands, for a script.

    `run.model.learn(run.config.total_timesteps - run.model.num_timesteps, reset_num_timesteps=False)` then goes on bit
    for bit. Validation, snapshots and the rows of `metrics.csv` are callbacks of `train.py`; nothing is written here.
    It sets torch's number of threads to that of the run.

    Args:
        run: the run folder.
        modules: part -> module of the user's own that the run uses, such as {"memory": "my_memories"}.

    Returns:
        model, env (that of the training, in mid-episode) and config of the run.

    Raises:
        CannotRun: in one line, if there is no snapshot that can be read, or it is not of this run.
    """
    words = [f"{part}.module={module}" for part, module in modules.items()]
    config, _, resumed = open_resumed([f"{WORD}{run}", *words])
    torch.set_num_threads(config.torch_threads)
    with refusing_foreign_errors("env: "), refusing("", config):
        env = training_envs(config, trained_setting(config.env))
        model = MemoryPPO("MemoryPolicy", env, **agent_arguments(config))
        model.set_logger(Logger(None, []))
        for line in bring_back(model, resumed)[len(resumed.lines) :]:
            warnings.warn(line, stacklevel=2)
    return LoadedRun(model, env, config)


def newest_snapshot(folder: RunFolder, print_line: Callable[[str], None]) -> tuple[int, dict[str, Any]]:
    """Read the latest snapshot of a run that can be read.

    Args:
        folder: of the run.
        print_line: called with one line for each that cannot.

    Returns:
        the steps taken, and the state.

    Raises:
        CannotRun: if there is none.
    """
    of_run, wrong = run_digest(folder.config), ""
    for path in folder.snapshots:
        try:
            found = cast(Any, read_archive(path, "snapshot"))
            timesteps, state = found["timesteps"], found["state"]
            if type(timesteps) is int and isinstance(state, dict) and state.get("of_run") in (None, of_run):
                return timesteps, state
            is_foreign = isinstance(state, dict) and state.get("of_run") not in (None, of_run)
            reason = f"{path}: {'of another run' if is_foreign else 'not a snapshot of a training'}"
        except (ValueError, KeyError, TypeError) as error:
            reason = str(error)
        except OSError as error:
            reason = f"{path}: {error.strerror}"
        print_line(f"warning: {reason}; an earlier one is looked for")
        wrong = wrong or f" ({reason})"
    raise CannotRun(f"{folder.path}: there is no snapshot to go on from{wrong}")


def bring_back(model: MemoryPPO, resumed: Resumed) -> list[str]:
    """Bring an agent and its envs to where a training stands.

    Args:
        model: made as for the training; its logger is set. It has joined the processes that train it together.
        resumed: where the training goes on.

    Returns:
        lines to be printed.

    Raises:
        CannotRun: if what was saved is not of this training.
    """
    try:
        state = state_of(resumed, model.ranks)
        if state is None:
            set_learned(model, {name: resumed.state["agent"][name] for name in learned(model)})
            model.set_random_seed(model.seed)
            there, count = 1 + len(resumed.state.get("others", ())), model.ranks.count
            line = (
                f"it was trained by {there} and goes on with {count} {'process' if count == 1 else 'processes'}: all"
                " episodes begin anew, so that this is not bit for bit the same"
            )
            return [*resumed.lines, line]
        restored = restore(cast(VecEnv, model.get_env()), state["envs"])
        resume(model, state["agent"])
    except (ValueError, KeyError, TypeError) as error:
        raise CannotRun(f"{resumed.folder.path}: it cannot go on ({' '.join(str(error).split())[:300]})") from error
    if not isinstance(resumed.state.get("callbacks"), dict) or model.num_timesteps != resumed.timesteps:
        raise CannotRun(f"{resumed.folder.path}: its snapshot is not of one training")
    for row, observation in restored.begun.items():
        begin_anew(model, row, observation)
    return [*resumed.lines, *restored.lines]


def state_of(resumed: Resumed, ranks: Ranks) -> dict[str, Any] | None:
    """Return where a training stands in this process; None if so many processes have not trained it.

    Raises:
        ValueError: if what was saved is of no training.
    """
    state, others = resumed.state, resumed.state.get("others", [])
    if not isinstance(others, list) or not all(isinstance(other, dict) for other in others):
        raise ValueError("what stood in the other processes is not told")
    if 1 + len(others) != ranks.count:
        return None
    if not ranks.index:
        return state
    other = others[ranks.index - 1]
    return {**other, "agent": {**state["agent"], **other["agent"]}}


def callbacks_of(resumed: Resumed, ranks: Ranks) -> Any:
    """Return the states of this process's callbacks; None if they have none yet."""
    state = state_of(resumed, ranks)
    if state is not None:
        return state["callbacks"]
    if ranks.index:
        return None
    callbacks = resumed.state["callbacks"]
    met = {key for each in (resumed.state, *resumed.state.get("others", [])) for key in each["callbacks"]["layouts"]}
    return {**callbacks, "layouts": sorted(met), "selectivity": None}


def begin_anew(model: MemoryPPO, row: int, observation: Any) -> None:
    """Let the agent know that an env could not be brought back and shows the first observation of a new episode."""
    seen: Any = model._last_obs
    if isinstance(seen, dict):
        for key, part in seen.items():
            part[row] = observation[key]
    else:
        seen[row] = observation
    starts: Any = model._last_episode_starts
    starts[row] = True


def _sorted_out(words: Sequence[str]) -> tuple[list[str], list[str]]:
    runs = [word.removeprefix(WORD) for word in words if word.startswith(WORD)]
    return runs, [word for word in words if not word.startswith(WORD)]


def _changed(config: TrainConfig, words: Sequence[str]) -> TrainConfig:
    """Return a configuration with the keys changed that a command line gives."""
    for word in words:
        key = word.partition("=")[0].lstrip("+")
        if "=" not in word or key not in MAY_CHANGE:
            raise CannotRun(f"{word}: belongs to the run that goes on; what may be another is {', '.join(MAY_CHANGE)}")
    changes = OmegaConf.from_dotlist([whole(word.lstrip("+")) for word in words])
    return checked(cast(DictConfig, OmegaConf.merge(OmegaConf.structured(config), changes)))
