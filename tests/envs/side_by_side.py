"""Batched envs and their definition, a ``DummyVecEnv`` of the same envs, played side by side."""

from functools import partial

import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv

from engram.envs import make_env, make_vec_env
from engram.envs.tasks.mazes.shortest_paths import shortest_path


def both(env_id, n_envs=5, seed=0, **arguments):
    """Make the VecEnv of the factory and its definition."""
    definition = DummyVecEnv([partial(make_env, env_id, **{"monitor": True, **arguments})] * n_envs)
    definition.seed(seed)
    return make_vec_env(env_id, n_envs=n_envs, seed=seed, **arguments), definition


def parts(observation):
    """Return an observation as a dictionary of arrays."""
    return observation if isinstance(observation, dict) else {"": observation}


def comparable(info):
    """Return an info in a form to compare by ==, with the order and the types of all values, but without seconds."""
    found = []
    for key, value in info.items():
        if key == "episode":
            value = [(name, type(part), part) for name, part in value.items() if name != "t"]
        elif key == "terminal_observation":
            value = [(name, part.dtype, part.shape, part.tobytes()) for name, part in parts(value).items()]
        found.append((key, type(value), value))
    return found


def assert_same_arrays(one, other):
    one, other = parts(one), parts(other)
    assert list(one) == list(other)
    for ours, expected in zip(one.values(), other.values(), strict=True):
        assert (ours.dtype, ours.shape, ours.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())


def assert_same_step(ours, expected):
    """Compare what two resets, or two steps, have returned; return it."""
    if not isinstance(ours, tuple):
        assert_same_arrays(ours, expected)
        return ours
    for one, other in zip(ours[:3], expected[:3], strict=True):
        assert_same_arrays(one, other)
    assert list(map(comparable, ours[3])) == list(map(comparable, expected[3]))
    return ours


def assert_same_play(ours, definition, steps, seed=0, chances=None):
    """Reset and step both; return how the episodes ended, as (success, truncated)."""
    assert_same_step(ours.reset(), definition.reset())
    assert ours.reset_infos == definition.reset_infos
    ends = set()
    actions_of_steps = np.random.default_rng(seed).choice(ours.action_space.n, (steps, ours.num_envs), p=chances)
    for actions in actions_of_steps:
        *_, infos = assert_same_step(ours.step(actions), definition.step(actions))
        assert ours.reset_infos == definition.reset_infos
        ends |= {(info["is_success"], info["TimeLimit.truncated"]) for info in infos if "is_success" in info}
    return ends


def action_towards_a_choice(env):
    """Return the first action of the shortest path to a cell where a maze judges, another one in every episode."""
    bare = env.unwrapped
    places = bare.judged_cells() if hasattr(bare, "judged_cells") else (bare.success_pos, bare.failure_pos)
    goal = places[env.get_wrapper_attr("episodes_begun") % len(places)]
    cells = [(x, y) for x in range(bare.width) for y in range(bare.height)]
    open_cells = {cell for cell in cells if (thing := bare.grid.get(*cell)) is None or thing.can_overlap()}
    pose = (tuple(map(int, bare.agent_pos)), int(bare.agent_dir))
    return next(iter(shortest_path(open_cells, pose, lambda pose: pose[0] == goal) or [0]))
