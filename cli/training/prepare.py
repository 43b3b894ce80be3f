"""Builds everything that a run needs, before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, NamedTuple

from gymnasium.error import Error as GymnasiumError
from stable_baselines3.common.utils import LinearSchedule, get_device
from stable_baselines3.common.vec_env import VecEnv

from engram.agents import MemoryPPO
from engram.configs import CannotRun, TrainConfig, own_keys
from engram.envs import TensorVecEnv, make_tensor_env
from engram.envs.closing import close
from engram.envs.split.leakage import Leakage
from engram.evidence.runs.open import check_device, env_arguments, make_envs, open_envs
from engram.evidence.runs.settings import Setting, evaluated_settings, settings_of_delays, trained_setting

# Validation episodes begin from seeds of their own; the split keeps the layouts apart in any case.
VALIDATION_SEED = 500_000_000

# What torch says of sizes that it cannot allocate, or count.
_TOO_MUCH = r"allocate|[Oo]verflow|out of memory"

# Keys of the env that its form on a device lacks, with the values that it can have.
NOT_ON_DEVICE = {
    "pixels": None,
    "mission": True,
    "previous_reward": False,
    "random_actions": 0.0,
    "subprocess": False,
}


class Prepared(NamedTuple):
    """What a training needs."""

    env: VecEnv
    validation_env: VecEnv
    model: MemoryPPO
    leaks: Leakage | None = None  # what the sides of the split share, once that has been measured


def prepare(config: TrainConfig) -> Prepared:
    """Build envs of the training and the validation side and the agent, and try whatever the run needs later.

    Raises:
        CannotRun: if something does not exist, does not fit or is out of range.
    """
    check_device("device=", config.device)
    task = trained_setting(config.env)
    with refusing("env: "):
        env = training_envs(config, task)
        n_envs = min(config.eval.n_envs, config.eval.episodes)
        validation_env = make_envs(config, task, "validation", n_envs, VALIDATION_SEED)
        validation_env.reset()
    with refusing("", config):
        model = MemoryPPO("MemoryPolicy", env, **agent_arguments(config))
    try:
        model.policy.initial_state(config.env.n_envs)
    except RuntimeError as error:
        raise CannotRun(f"the memory of {config.env.n_envs} envs cannot be held: {error}".splitlines()[0]) from error
    with refusing("env: "):
        for test_env in open_envs(config, evaluated_settings(config), 1, model):
            close(test_env)
    if config.eval.horizon:
        settings_of_delays(config.env, config.eval.horizon, "eval.horizon")
    return Prepared(env, validation_env, model)


def training_envs(config: TrainConfig, task: Setting) -> VecEnv:
    """Make the envs to train in, on the agent's device if that is asked for.

    Raises:
        ValueError: if the task has no such envs, or none with what else is asked for.
    """
    if not config.env.on_device:
        return make_envs(config, task, "train", config.env.n_envs, config.seed)
    arguments = env_arguments(config, task, "train")
    for name, neutral in NOT_ON_DEVICE.items():
        value = arguments.pop(name, config.env.subprocess)
        if value != neutral:
            raise ValueError(f"on_device=true: envs on a device have no {name}; leave env.{name} out")
    device = str(get_device(config.device))
    return TensorVecEnv(make_tensor_env(**arguments, n_envs=config.env.n_envs, device=device, seed=config.seed))


@contextmanager
def refusing(what: str, config: TrainConfig | None = None) -> Iterator[None]:
    """Take what is raised for a value that cannot be used, not for a bug: nothing but construction happens inside.

    Arguments of the agent are named as they are in a config, if one is given.
    """
    try:
        yield
    except (ValueError, GymnasiumError, AssertionError) as error:  # an assertion is Stable-Baselines3's
        line = " ".join(str(error).split())
        raise CannotRun(what + (line if config is None else with_keys(line, config))) from error
    except (MemoryError, OverflowError, RuntimeError, TypeError) as error:
        if not isinstance(error, MemoryError | OverflowError) and not re.search(_TOO_MUCH, str(error)):
            raise
        line = " ".join(str(error).split()) or type(error).__name__
        raise CannotRun(f"{what}this needs more memory than there is, or than can be counted: {line:.200}") from error


def with_keys(line: str, config: TrainConfig) -> str:
    """Put the part of the config before the arguments that a line names: `slots=7` becomes `memory.slots=7`.

    Of parts that have the same key, it is the one whose value stands in the line.
    """
    parts = {part: asdict(getattr(config, part)) for part in ("memory", "controller", "encoder", "ppo")}

    def keyed(found: re.Match[str]) -> str:
        name = found[1]
        having = {part: keys[name] for part, keys in parts.items() if name in keys}
        shown = [part for part, value in having.items() if re.search(rf"\b{name}='?{re.escape(str(value))}\b", line)]
        owners = shown if len(having) > 1 else [*having]
        return f"{owners[0]}.{name}=" if len(owners) == 1 else found[0]

    return re.sub(r"(?<![\w.])(\w+)=", keyed, line)


def agent_arguments(config: TrainConfig) -> dict[str, Any]:
    """Return the keyword arguments of MemoryPPO."""
    ppo = asdict(config.ppo)
    learning_rate, final_rate = ppo.pop("learning_rate"), ppo.pop("learning_rate_final")
    ppo["precision"] = config.ppo.precision.value
    ent_coef, final_coef = ppo.pop("ent_coef"), ppo.pop("ent_coef_final")
    return {
        "memory": config.memory.name,
        "memory_kwargs": own_keys(config.memory),
        "controller": config.controller.name,
        "controller_kwargs": own_keys(config.controller),
        "encoder": config.encoder.name,
        "encoder_kwargs": own_keys(config.encoder),
        "learning_rate": learning_rate if final_rate is None else LinearSchedule(learning_rate, final_rate, 1.0),
        "ent_coef": ent_coef if final_coef is None else LinearSchedule(ent_coef, final_coef, 1.0),
        "policy_kwargs": {
            "features_dim": ppo.pop("features_dim"),
            "net_arch": ppo.pop("net_arch"),
            "ignored_keys": tuple(config.env.ignored_keys),
            "constant_keys": tuple(config.env.constant_keys),
        },
        "seed": config.seed,
        "device": config.device,
        **ppo,
    }
