"""What may be asked of a VecEnv beyond reset and step: one that does not answer is taken to know nothing of it.

Stock PPO asks nothing of the kind, so adapters of other libraries need not answer: they have no such method, or raise
whatever they like.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecNormalize

from engram.agents.rollout.observation_check import WrongStep

_SCENE = ("image", "observation")


def has_attribute(env: VecEnv, name: str) -> bool:
    """Return whether all envs have an attribute."""
    try:
        return bool(env.has_attr(name))
    except Exception:  # of any kind, see above
        return False


def innermost(env: VecEnv) -> VecEnv:
    """Return what all wrappers are around."""
    while isinstance(env, VecEnvWrapper):
        env = env.venv
    return env


def ends_by_itself(env: VecEnv) -> bool:
    """Return whether every episode is known to end: the env has a limit of steps, or says `always_ends`."""
    # The last is Gymnasium's TimeLimit. Its spec knows of it, too, but a process may end of sending that.
    return any(has_attribute(env, name) for name in ("always_ends", "max_steps", "_max_episode_steps"))


def reset_infos(env: VecEnv) -> list[dict[str, Any]]:
    """Return the infos of the envs' last resets; empty ones where they are not kept."""
    found = getattr(innermost(env), "reset_infos", None) or []  # wrappers have them, too, but never fill them
    return list(found) if len(found) == env.num_envs else [{} for _ in range(env.num_envs)]


def env_action_masks(env: VecEnv) -> NDArray[np.bool_] | None:
    """Return the actions that the envs allow [B, A], or None if they have no `action_masks()`."""
    if not has_attribute(env, "action_masks"):
        return None
    masks = np.stack(env.env_method("action_masks")).astype(bool)
    return masks.reshape(len(masks), -1)  # of several choices, [choices, n] or one behind the other


def other_cue(env: VecEnv, row: int, observation: Any) -> Any | None:
    """Return an observation of one env with the other cue in place of its own, or None if the env does not know it.

    Of a Dict the part changes that shows the scene, as the wrappers of `make_env` call it; what else there is stays.
    Envs change the symbols of a scene, not a picture of it.
    """
    if not has_attribute(env, "other_cue"):
        return None
    if not isinstance(observation, dict):
        if is_image_space(env.observation_space):
            return None
        return env.env_method("other_cue", observation, indices=[row])[0]
    scene = next((key for key in _SCENE if key in observation), None)
    if scene is None or is_image_space(cast(spaces.Dict, env.observation_space)[scene]):
        return None
    return {**observation, scene: env.env_method("other_cue", observation[scene], indices=[row])[0]}


def success_of(info: dict[str, Any]) -> bool | None:
    """Return what an info says of success, also as an array of one; None if it does not say, or says None or NaN.

    Raises:
        WrongStep: if it says something that is neither yes nor no.
    """
    said = info.get("is_success")
    if said is None:
        return None
    values = np.asarray(said)
    if values.dtype.kind not in "biuf":
        raise WrongStep(f"info['is_success']={said!r:.60} must be True or False, or None where nobody knows")
    return None if np.isnan(values).any() else bool(values.any())


def of_episode(info: dict[str, Any]) -> dict[str, Any]:
    """Return what an info tells of an episode that has ended: its return and length, and whether it was a success."""
    return {key: info[key] for key in ("episode", "is_success", "reset_only") if key in info}


def layout_of(info: dict[str, Any]) -> str:
    """Return the key of the layout in an info; "" if there is none, or the name means something else to its env."""
    layout = info.get("layout", "")
    return layout if isinstance(layout, str) else ""


def declare_normalized(env: VecEnv) -> None:
    """Let a VecNormalize around an env of whole numbers say that what it shows is none: their fractions count.

    Stable-Baselines3 does so for pictures only, and leaves the space of all others as the env declares it.
    """
    below: list[VecEnvWrapper] = []
    while isinstance(env, VecEnvWrapper) and not isinstance(env, VecNormalize):
        below.append(env)
        env = env.venv
    if not isinstance(env, VecNormalize) or not env.norm_obs:
        return
    was = env.observation_space
    if isinstance(was, spaces.Dict):
        keys = env.norm_obs_keys or []
        parts = {key: _normalized(part, env.clip_obs) if key in keys else part for key, part in was.spaces.items()}
        env.observation_space = spaces.Dict(parts)
    else:
        env.observation_space = _normalized(was, env.clip_obs)
    for wrapper in below:
        if wrapper.observation_space == was:
            wrapper.observation_space = env.observation_space


def _normalized(space: spaces.Space[Any], bound: float) -> spaces.Space[Any]:
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.integer):
        return spaces.Box(-bound, bound, space.shape, np.float32)
    return space
