"""Environments by id, wrapped and split, one or many at a time."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import gymnasium as gym
from minigrid.envs.memory import MemoryEnv
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from engram.envs.arguments import check_kinds
from engram.envs.batched.grid import GridVecEnv
from engram.envs.batched.sequences import SequenceVecEnv
from engram.envs.batched.tmaze import TMazeVecEnv
from engram.envs.closing import close
from engram.envs.device.mazes import TensorMazes
from engram.envs.device.sequences import TensorSequences
from engram.envs.device.tensor_env import TensorEnv
from engram.envs.device.tmaze import TensorTMaze
from engram.envs.processes import in_processes
from engram.envs.registered import make_drawing, make_registered
from engram.envs.split.by_layout import Side, SplitByLayout, has_layouts
from engram.envs.split.by_seed import SplitBySeed
from engram.envs.state.recording import Recorded
from engram.envs.state.single import is_known
from engram.envs.state.worker import Asked
from engram.envs.tasks.mazes.match import Match
from engram.envs.tasks.mazes.maze_match import MazeMatch
from engram.envs.tasks.sequences.sequence_task import SequenceTask
from engram.envs.tasks.tmaze.env import TMaze
from engram.envs.wrappers.actions import RandomActions
from engram.envs.wrappers.checked import Checked
from engram.envs.wrappers.flat_observation import flattened
from engram.envs.wrappers.minigrid import as_seen, is_minigrid, is_shown
from engram.envs.wrappers.reward import PreviousReward

_BATCHED = (TMazeVecEnv, GridVecEnv, SequenceVecEnv)


def make_env(
    env_id: str,
    *,
    split: Side | None = None,
    seed: int | None = None,
    view_size: int | None = None,
    useful_actions: Sequence[str] | None = None,
    pixels: int | None = None,
    odometry: bool = False,
    mission: bool = True,
    previous_reward: bool = False,
    random_actions: float = 0.0,
    kwargs: Mapping[str, Any] | None = None,
    module: str | None = None,
    monitor: bool = False,
) -> gym.Env[Any, Any]:
    """Make one environment of any registered id; MiniGrid ones show their symbol image and report ``is_success``.

    Where the mission of a MiniGrid one changes from episode to episode, it is seen, too, as numbers of its words; one
    that is registered with wrappers of MiniGrid's shows what these show.
    Observations that are tuples or nested dictionaries become one flat dictionary (see ``FlatObservation``).

    Args:
        env_id: the id under which it is registered with Gymnasium.
        split: the side of the split by layout, by seed where there are none, or None for all of them.
        seed: if given, the environment is reset once with it, and so is the sampling of its action space.
        view_size: side of a MiniGrid agent's view in cells, odd; None keeps that of the environment.
        useful_actions: names of the MiniGrid actions to keep; None keeps all, or those that a memory task needs.
        pixels: side of a cell in pixels, if a MiniGrid agent is to see an RGB image; None keeps the symbols.
        odometry: whether a MiniGrid agent also gets what its own steps add up to since the start (see `OdometrySeen`).
        mission: whether the mission of a MiniGrid environment is seen where it changes; hidden, a control.
        previous_reward: whether the observation holds the reward of the previous step.
        random_actions: probability that at a step a random action begins, which is repeated for a while; where mazes
            are few, this leads the agent to places that its own policy avoids. For Discrete actions.
        kwargs: arguments of the environment itself.
        module: a module to import first, so that its ids are registered.
        monitor: whether to wrap it in Stable-Baselines3's ``Monitor``.

    Raises:
        ValueError: if the id, the module or an argument does not exist or does not fit this environment.
    """
    check_kinds(locals())
    env = _recorded(make_registered(env_id, dict(kwargs or {}), module))
    bare = env.unwrapped
    if is_minigrid(env):
        env = as_seen(env, env_id, view_size, useful_actions, pixels, odometry, mission)
    elif view_size is not None or useful_actions is not None:
        raise ValueError(f"{env_id}: view_size and useful_actions are for MiniGrid environments only")
    elif pixels is not None:
        raise ValueError(f"{env_id}: pixels is for MiniGrid environments only")
    elif odometry:
        raise ValueError(f"{env_id}: odometry is for MiniGrid environments only")
    elif not mission:
        raise ValueError(f"{env_id}: mission is for MiniGrid environments only")
    else:
        env = flattened(env)
    if random_actions:
        env = RandomActions(env, random_actions)
    if has_layouts(env):
        env = SplitByLayout(env, split)
    elif split is not None:
        env = SplitBySeed(env, split)
    if previous_reward:
        env = PreviousReward(env)
    if monitor:
        reports = is_minigrid(env) or getattr(bare, "reports_success", False)
        env = Monitor(env, info_keywords=("is_success",) if reports else ())
    if seed is not None:
        env.reset(seed=seed)
        env.action_space.seed(seed)
    return env


def adapt_env(env: gym.Env[Any, Any] | str) -> gym.Env[Any, Any]:
    """Show an environment that is made already as ``make_env`` would show it; one that it made stays as it is.

    Args:
        env: as ``gym.make`` returns it, or in wrappers of its user; or an id.

    Raises:
        ValueError: if the id does not exist, or a part of the observation cannot be read.
    """
    if isinstance(env, str):
        env = make_drawing(env)
    if is_minigrid(env) and not is_shown(env):
        return as_seen(env, env.spec.id if env.spec is not None else type(env.unwrapped).__name__)
    return flattened(_recorded(env))


def make_vec_env(
    env_id: str,
    *,
    n_envs: int = 1,
    seed: int | None = None,
    split: Side | None = None,
    view_size: int | None = None,
    useful_actions: Sequence[str] | None = None,
    pixels: int | None = None,
    odometry: bool = False,
    mission: bool = True,
    previous_reward: bool = False,
    random_actions: float = 0.0,
    kwargs: Mapping[str, Any] | None = None,
    module: str | None = None,
    subprocess: bool = False,
    monitor: bool = True,
) -> VecEnv:
    """Make several environments as one Stable-Baselines3 ``VecEnv``; environment i is seeded with ``seed + i``.

    Args:
        n_envs: how many, at least 1.
        seed: the same seed gives the same episodes, in this process or any other; None is a new one every time.
        subprocess: whether each runs in a process of its own, which pays only where a step is slow.
        env_id, split, view_size, useful_actions, pixels, odometry, mission, previous_reward, random_actions, kwargs,
            module, monitor: as in ``make_env``.

    Raises:
        ValueError: as ``make_env``, and if ``n_envs`` is below 1.
    """
    check_kinds(locals())
    if n_envs < 1:
        raise ValueError(f"n_envs={n_envs} must be at least 1")
    make = partial(
        make_env,
        env_id,
        split=split,
        view_size=view_size,
        useful_actions=useful_actions,
        pixels=pixels,
        odometry=odometry,
        mission=mission,
        previous_reward=previous_reward,
        random_actions=random_actions,
        kwargs=kwargs,
        module=module,
        monitor=monitor,
    )
    vec_env: VecEnv
    if subprocess:
        close(make())  # raises errors of the user here, not in another process
        vec_env = in_processes([partial(_make_asked, make)] * n_envs)
    else:
        first = make()
        others = [make] * (n_envs - 1)
        kind = next((batched for batched in _BATCHED if batched.understands(first)), DummyVecEnv)
        vec_env = kind([lambda: first, *others])
    vec_env.seed(seed)
    return vec_env


def make_tensor_env(
    env_id: str,
    *,
    n_envs: int,
    device: str = "cpu",
    seed: int | None = None,
    split: Side | None = None,
    view_size: int | None = None,
    useful_actions: Sequence[str] | None = None,
    odometry: bool = False,
    kwargs: Mapping[str, Any] | None = None,
    module: str | None = None,
    episodes: int = 4096,
) -> TensorEnv:
    """Make many T-Mazes, sequence tasks or mazes with one choice that live on a device: tensors in, tensors out.

    Args:
        n_envs: how many.
        device: a torch device.
        seed: of all episodes; None is a new one every time.
        episodes: that mazes and sequence tasks draw beforehand, by the single env, and play in random order.
        env_id, split, view_size, useful_actions, odometry, kwargs, module: as in ``make_env``.

    Raises:
        ValueError: as ``make_env``, and if the task has no such form.
    """
    env = make_env(
        env_id,
        split=split,
        view_size=view_size,
        useful_actions=useful_actions,
        odometry=odometry,
        kwargs=kwargs,
        module=module,
    )
    bare = env.unwrapped
    if isinstance(bare, TMaze):
        return TensorTMaze(env, n_envs, device, seed)
    if isinstance(bare, SequenceTask):
        return TensorSequences(env, n_envs, device, seed, episodes)
    if isinstance(bare, Match | MazeMatch | MemoryEnv):
        return TensorMazes(env, n_envs, device, seed, episodes)
    raise ValueError(f"{env_id} has no form on a device: T-Mazes, sequence tasks and mazes with one choice have")


def _make_asked(make: Callable[[], gym.Env[Any, Any]]) -> gym.Env[Any, Any]:
    """Make an environment that can be asked for its state from another process."""
    return Asked(make())


def _recorded(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """Check what an env of others returns, and record its actions, by which it can be brought back to where it was."""
    return env if is_known(env) else Recorded(Checked(env))
