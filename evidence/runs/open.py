"""Opening a run: its configuration, its agent, and the envs in which it is examined."""

import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from gymnasium.error import Error as GymnasiumError
from stable_baselines3.common.vec_env import VecEnv

from engram.agents import MemoryPPO
from engram.configs import CannotRun, TrainConfig, load, one_line
from engram.configs.messages import CONFIG_ERRORS
from engram.envs import make_vec_env
from engram.envs.curriculum import curriculum, hardest
from engram.envs.split.by_layout import SIDES, Side
from engram.envs.user_module import EXTRAS
from engram.evidence.runs.identity import run_digest
from engram.evidence.runs.result_files import made_by, what_made
from engram.evidence.runs.settings import Setting, trained_setting
from engram.evidence.runs.user_modules import import_modules, modules_of
from engram.tracking import RunFolder
from engram.tracking.failure import failure_line, is_foreign

# Far from the seeds that one trains with; the split keeps the layouts apart in any case.
TEST_SEED = 1_000_000_000


def env_arguments(config: TrainConfig, setting: Setting, side: Side) -> dict[str, Any]:
    """Return the arguments of `envs.make_env` for one setting, as it is played on one side of the split.

    What is trained on a range of difficulties is validated and tested on the hardest.
    """
    kwargs, module = setting.kwargs, config.env.module
    return {
        "env_id": setting.env_id,
        "split": side if setting.split else None,
        "view_size": config.env.view_size,
        "useful_actions": config.env.useful_actions,
        "pixels": config.env.pixels,
        "odometry": config.env.odometry,
        "mission": config.env.mission,
        "previous_reward": config.env.previous_reward,
        "random_actions": config.env.random_actions if side == "train" else 0.0,
        "kwargs": kwargs if side == "train" else hardest(setting.env_id, kwargs, module),
        "module": module,
    }


def drawn_in_training(config: TrainConfig) -> dict[str, tuple[int, int]]:
    """Return the arguments of the env that training draws for each episode; see `envs.curriculum.curriculum`."""
    return curriculum(config.env.id, config.env.kwargs, config.env.module)


def make_envs(config: TrainConfig, setting: Setting, side: Side, n_envs: int, seed: int) -> VecEnv:
    """Make so many envs of one setting, as it is played on one side of the split, which play side by side.

    Raises:
        ValueError: if there is no such env, or an argument does not fit it.
    """
    arguments = env_arguments(config, setting, side)
    return make_vec_env(**arguments, n_envs=n_envs, seed=seed, subprocess=config.env.subprocess and side == "train")


def open_envs(
    config: TrainConfig,
    settings: Sequence[Setting],
    episodes: int,
    model: MemoryPPO,
    n_envs: int | None = None,
    side: Side = "test",
    seed: int = TEST_SEED,
) -> list[VecEnv]:
    """Make the envs of all settings, reset once, and see that they fit the agent.

    Args:
        config, model: of the run.
        settings: each gets envs of its own.
        episodes: that are to be played in each setting.
        n_envs: how many play side by side; None for as many as the config says, and no more than there are episodes.
        side: whose layouts are shown.
        seed: of the first episodes.

    Raises:
        ValueError: if one does not exist, has no layout on this side, or shows or takes something else than what the
            agent was trained with.
    """
    envs = []
    for setting in settings:
        env = make_envs(config, setting, side, min(config.eval.n_envs, episodes) if n_envs is None else n_envs, seed)
        env = MemoryPPO._wrap_env(env)  # shows images as the agent met them in training, channels first
        env.reset()
        for ours, trained in ((env.observation_space, model.observation_space), (env.action_space, model.action_space)):
            if ours != trained:
                raise ValueError(f"{setting.label}: the agent was trained with {trained}, and this env has {ours}")
        envs.append(env)
    return envs


@contextmanager
def refusing_foreign_errors(what: str = "") -> Iterator[None]:
    """Take what an env of the user's raises for a run that cannot be carried out; errors of ours stay what they are.

    Args:
        what: begins the line.

    Raises:
        CannotRun: with what was raised, and where.
    """
    try:
        yield
    except (Exception, SystemExit, GeneratorExit) as error:
        if isinstance(error, CannotRun) or not is_foreign(error):
            raise
        raise CannotRun(f"{what}{failure_line(error)}") from error


def check_device(option: str, device: str) -> None:
    """Try whether torch can use a device.

    Raises:
        CannotRun: if it cannot; the message names the option.
    """
    try:
        torch.empty(0, device=None if device == "auto" else device)
    except (RuntimeError, AssertionError) as error:
        raise CannotRun(f"{option}{device}: torch cannot use it here; take {option}auto or {option}cpu") from error


def open_run(
    path: Path, checkpoint: str | None, device: str, modules: Mapping[str, str] = MappingProxyType({})
) -> tuple[RunFolder, TrainConfig, MemoryPPO, str]:
    """Load a run's configuration and agent.

    Arguments are those of `load_run`.

    Raises:
        CannotRun: if the run folder lacks something, no model of it can be loaded, or a module cannot be imported.
    """
    try:
        folder = RunFolder.open(path)
    except ValueError as error:
        raise CannotRun(str(error)) from error
    config = load_config(folder.config, modules)
    there = [name for name in ("best", "latest") if folder.checkpoint(name).is_file()]
    if checkpoint is not None and checkpoint not in there:
        other = "latest" if checkpoint == "best" else "best"
        raise CannotRun(f"{path}: there is no {checkpoint}.zip; take --checkpoint {other}")
    torch.set_num_threads(config.torch_threads)
    model, name = _first_whole(folder, [checkpoint] if checkpoint else there, device)
    made_of = {part: model.policy.core_arguments[part] for part in ("memory", "controller")}
    others = [part for part, name in made_of.items() if isinstance(name, str) and name != getattr(config, part).name]
    if model.of_run not in (None, run_digest(folder.config)) or others:
        raise CannotRun(f"{folder.checkpoint(name)}: of another run than {folder.config.name} beside it")
    return folder, config, model, name


def _first_whole(folder: RunFolder, names: Sequence[str], device: str) -> tuple[MemoryPPO, str]:
    """Load the first checkpoint that can be, and warn of those before it.

    Raises:
        CannotRun: if none can.
    """
    wrong: list[str] = []
    for name in names:
        try:
            model = MemoryPPO.load(folder.checkpoint(name), device=device)
        except Exception as error:  # cut off, damaged, of other versions: whatever it is, it is this file's
            reason = " ".join(str(error).split()) or type(error).__name__
            wrong.append(f"{folder.checkpoint(name)}: cannot be loaded ({reason[:200]})")
            continue
        if wrong:
            line = f"{wrong[0]}{_other_commit(folder.versions)}; {folder.checkpoint(name).name} is taken instead"
            warnings.warn(line, stacklevel=3)
        return model, name
    raise CannotRun(f"{'; '.join(wrong)}{_other_commit(folder.versions)}")


class LoadedRun(NamedTuple):
    """A run of `train.py`, for a script."""

    model: MemoryPPO
    env: VecEnv
    config: TrainConfig


def load_run(
    run: str | Path,
    side: Side = "test",
    n_envs: int | None = None,
    *,
    seed: int = TEST_SEED,
    checkpoint: str | None = None,
    device: str = "auto",
    modules: Mapping[str, str] = MappingProxyType({}),
) -> LoadedRun:
    """Load a run's agent, and its env with all wrappers as they were in the run.

    It sets torch's number of threads to that of the run.

    Args:
        run: the run folder.
        side: whose layouts the env shows: "train" (with the run's random actions), "validation" or "test".
        n_envs: how many play side by side; None for as many as the run evaluates with, or trains with.
        seed: of the first episodes.
        checkpoint: "best" or "latest"; None takes the best, or the latest if none was ever validated, or with a warning
            if the file of the best is damaged.
        device: where the agent computes.
        modules: part -> module of the user's own, such as {"memory": "my_memories"}, where it is another than when the
            run was made.

    Returns:
        model, env (a VecEnv) and config of the run.

    Raises:
        CannotRun: in one line, if the run folder lacks something, a module of the user's own cannot be imported, or the
            env cannot be made or is another than the agent was trained with.
    """
    if side not in SIDES:
        raise CannotRun(f"side={side!r}: must be one of {', '.join(SIDES)}")
    check_device("device=", device)
    _, config, model, _ = open_run(Path(run), checkpoint, device, modules)
    if n_envs is None:
        n_envs = config.env.n_envs if side == "train" else config.eval.n_envs
    try:
        with refusing_foreign_errors(f"{run}: "):
            (env,) = open_envs(config, [trained_setting(config.env)], 1, model, n_envs, side, seed)
    except (ValueError, GymnasiumError) as error:
        raise CannotRun(f"{run}: {' '.join(str(error).split())}") from error
    return LoadedRun(model, env, config)


def load_config(path: Path, modules: Mapping[str, str]) -> TrainConfig:
    """Read a run's configuration, after the modules of the user's own that are named.

    A run may be a stranger's: a module that its configuration names is imported only if it was imported already, is one
    that an extra of ours installs, or is named by the user, too.

    Args:
        path: of the configuration.
        modules: part -> module, as the user names them.

    Raises:
        CannotRun: if it cannot be read, or a module is not named or cannot be imported.
    """
    try:
        of_the_run = modules_of(path)
        for part, module in of_the_run.items():
            if part not in modules and module not in EXTRAS and module not in sys.modules:
                raise CannotRun(
                    f"the run uses code that does not come with it, {part}.module={module!r:.60}; if you trust it, "
                    f"name it, too: {part}.module={module:.60}"
                )
        named = {**of_the_run, **modules}
        try:
            import_modules(named)
        except CannotRun as error:
            key = str(error).partition("=")[0]
            raise CannotRun(f"{error}; go to the folder that holds it, or name another module, {key}=...") from error
        config = load(path)
    except CONFIG_ERRORS as error:
        raise CannotRun(f"{path}: {one_line(error)}") from error
    for part, module in named.items():
        getattr(config, part).module = module
    return config


def _other_commit(versions: Path) -> str:
    """Say by which commit a run was made, if not by this one."""
    made, here = what_made(versions).git_commit, made_by()["git_commit"]
    return f"; the run is of commit {made[:7]}, this is {here[:7]}" if made and here and made != here else ""
