"""What of a MemoryPPO is saved, and how one is made of it again."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.utils import check_for_correct_spaces, get_system_info

from engram.agents.actor_critic import MemoryActorCritic
from engram.agents.arguments import NOT_SUPPORTED, refuse_unknown
from engram.agents.carried.registry import learned, set_learned
from engram.agents.exploration.registry import BONUSES
from engram.agents.policy import NAMES
from engram.agents.settings import check_settings
from engram.storage.agent import naming, read_agent, write_agent

Agent = TypeVar("Agent", bound=PPO)

KIND = "agent"
NOT_SAVED = {"self", "env", "device", "policy", "_init_setup_model", "tensorboard_log", *NOT_SUPPORTED}
"""Arguments that are another's to choose whenever an agent is loaded; no file says where logs are written."""
OF_THE_AGENT = {*inspect.signature(MemoryActorCritic).parameters, "bonus"} - {"self", "lr_schedule", "kwargs"}
"""What a saved agent is made of."""
PARAMETERS = ("weights", "optimizer", "bonus")
OF_LOAD = {"policy", "env", "device", "_init_setup_model"}


def save_agent(
    model: PPO, path: str | Path | BufferedIOBase, exclude: Iterable[str] | None, include: Iterable[str] | None
) -> None:
    """Save an agent; see `MemoryPPO.save`."""
    if include := [*(include or ())]:
        raise ValueError(f"include={include!r}: nothing can be added to the file of an agent; see register_carried")
    left_out = {*(exclude or ())}
    if unknown := ", ".join(sorted(left_out - _settings(type(model)))):
        raise ValueError(f"exclude: {unknown} is no setting, and cannot be left out")
    parts = [name for names in model._get_torch_save_params() for name in names]
    if more := ", ".join(sorted({name.partition(".")[0] for name in parts} - {"policy", "novelty"})):
        raise ValueError(f"{more}: a part of one's own is saved with an agent by register_carried(…, learned=True)")
    kept = {
        name: vars(model)[name]
        for name in sorted(_settings(type(model)))
        if name in vars(model) and name not in left_out
    }
    kept |= {"policy": _policy_name(model), "n_envs": model.n_envs, "of_run": getattr(model, "of_run", None)}
    write_agent(
        path, KIND, model.observation_space, model.action_space, kept, {**NAMES, "bonus": BONUSES}, learned(model)
    )


def load_agent(
    cls: type[Agent],
    path: str | Path | BufferedIOBase,
    env: GymEnv | None,
    device: torch.device | str,
    custom_objects: Mapping[str, Any] | None,
    print_system_info: bool,
    given: dict[str, Any],
) -> Agent:
    """Load an agent; see `MemoryPPO.load`, whose arguments these are.

    Args:
        cls: the class of the agent.
        given: settings that shall be others than those that were saved.
    """
    settings = _settings(cls)
    given = {
        **{name: value for name, value in (custom_objects or {}).items() if name in settings - OF_THE_AGENT},
        **given,
    }
    _refuse_changes(given, settings)
    again = {**(custom_objects or {}), **given, **_by_name("policy_kwargs", given.get("policy_kwargs"))}
    saved = read_agent(path, KIND, {*settings, "policy", "n_envs", "of_run"}, again)
    arguments = saved.arguments
    there = {*(settings - OF_THE_AGENT), *_by_name("policy_kwargs", arguments.get("policy_kwargs"))}
    for name in custom_objects or {}:
        if name not in ("policy", "bonus") and not any(f"{each}.".startswith(f"{name}.") for each in there):
            raise ValueError(f"custom_objects[{name!r}]: the saved agent has no such argument")
    if print_system_info:
        _print_system_info(saved.system)
    if "policy_kwargs" in given and given["policy_kwargs"] != arguments.get("policy_kwargs"):
        raise ValueError(
            f"policy_kwargs={given['policy_kwargs']} cannot be changed by load: the saved agent's are "
            f"{arguments.get('policy_kwargs')}"
        )
    policy, n_envs = arguments.pop("policy", None), arguments.pop("n_envs", None)
    if not isinstance(arguments.setdefault("of_run", None), str | None):
        raise ValueError(f"{path}: of_run={arguments['of_run']!r:.60} must be a text, or None")
    if env is not None:
        env = cls._wrap_env(env, int(bool(arguments.get("verbose"))))
        check_for_correct_spaces(env, saved.observation_space, saved.action_space)
        n_envs = env.num_envs
    with naming(path):
        model = cls(policy=policy, env=cast(Any, env), device=device, _init_setup_model=False)
        vars(model).update(observation_space=saved.observation_space, action_space=saved.action_space, n_envs=n_envs)
        vars(model).update(arguments)
        check_settings(vars(model))
    vars(model).update(given)
    with naming(path, but=ValueError):  # whose lines are those of the constructor, and may be of what was given
        model._setup_model()
    with naming(path):
        set_learned(model, saved.learned)
    model.set_random_seed(model.seed)  # now that it knows how many steps it has had
    return model


def set_saved_parameters(model: PPO, path: str | Path | BufferedIOBase, exact_match: bool) -> None:
    """Set weights and optimizers of an agent to those of a saved one.

    Raises:
        ValueError: if they are those of another kind of agent, or only some of them shall be set.
    """
    if not exact_match:
        raise ValueError(
            "exact_match=False: a file is of a whole agent; load it, and give some of its get_parameters()"
        )
    saved = read_agent(path, KIND)
    set_learned(model, {**learned(model), **{name: saved.learned[name] for name in PARAMETERS}})


def _settings(cls: type[PPO]) -> set[str]:
    """Return the names of an agent's arguments, those of its parents included."""
    constructors = (
        vars(owner)["__init__"] for owner in cls.__mro__ if "__init__" in vars(owner) and owner is not object
    )
    return {name for one in constructors for name in inspect.signature(one).parameters} - NOT_SAVED


def _policy_name(model: PPO) -> Any:
    """Return the name by which the constructor knows the policy's class, or else the class."""
    cls = model.policy_class
    return next((name for name, known in model.policy_aliases.items() if known is cls), cls)


def _by_name(name: str, given: Any) -> dict[str, Any]:
    """Return what is in a dictionary, and in those within it, by dotted names."""
    if not isinstance(given, Mapping):
        return {name: given}
    return {key: value for own, part in given.items() for key, value in _by_name(f"{name}.{own}", part).items()}


def _refuse_changes(given: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse what would change a saved agent, or is no setting of it.

    Raises:
        ValueError: if there is such a name.
    """
    for name in given:
        if name in OF_THE_AGENT:
            raise ValueError(f"{name} belongs to the saved agent and cannot be changed by load; leave it out")
    refuse_unknown("MemoryPPO", given, {*known, "tensorboard_log"} - OF_THE_AGENT - OF_LOAD)


def _print_system_info(saved: Mapping[str, Any]) -> None:
    print("== CURRENT SYSTEM INFO ==")  # what Stable-Baselines3 prints
    get_system_info()
    print("== SAVED MODEL SYSTEM INFO ==")
    print("\n".join(f"- {name}: {version}" for name, version in saved.items()))
