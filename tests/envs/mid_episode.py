"""Envs stopped in mid-episode and others that go on from there, side by side."""

import json

import numpy as np

from engram.envs.state import get_state, set_state


def round_trip(state):
    """Return a state as it comes out of JSON and a file of arrays."""
    arrays = []

    def written(part):
        if isinstance(part, np.ndarray):
            assert part.dtype.kind in "biuf"
            arrays.append(part.copy())
            return {"array number": len(arrays) - 1}
        if isinstance(part, dict):
            assert all(type(key) is str for key in part)
            return {key: written(one) for key, one in part.items()}
        return [written(one) for one in part] if isinstance(part, list) else part

    def read(part):
        if isinstance(part, dict):
            return arrays[part["array number"]] if "array number" in part else {k: read(one) for k, one in part.items()}
        return [read(one) for one in part] if isinstance(part, list) else part

    return read(json.loads(json.dumps(written(state))))


def assert_same(one, other, path=""):
    """Compare nested values to the last bit, with types and order, but for times."""
    assert type(one) is type(other), path
    if isinstance(one, dict):
        assert list(one) == list(other), path
        for key in one.keys() - {"t"}:
            assert_same(one[key], other[key], f"{path}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), path
        for place, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{path}/{place}")
    elif isinstance(one, np.ndarray | np.generic):
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes()), path
    else:
        assert one == other, path


def random_actions(vec_env, rng):
    """Draw an action for each env."""
    space, n_envs = vec_env.action_space, vec_env.num_envs
    if hasattr(space, "n"):
        return rng.integers(space.n, size=n_envs)
    if hasattr(space, "nvec"):
        return rng.integers(space.nvec, size=(n_envs, *space.shape))
    return rng.uniform(-1, 1, (n_envs, *space.shape)).astype(np.float32)


def play(vec_env, steps, rng):
    """Play at random."""
    for _ in range(steps):
        vec_env.step(random_actions(vec_env, rng))


def assert_goes_on(stopped, other, steps, seed=0, reset_infos=True):
    """Set the state of envs into others, and play on with both; return the lines, and how many episodes ended."""
    rng, ended = np.random.default_rng(seed), 0
    lines = set_state(other, round_trip(get_state(stopped)))
    for _ in range(steps):
        if reset_infos:
            assert_same(list(stopped.reset_infos), list(other.reset_infos))
        actions = random_actions(stopped, rng)
        ours, expected = other.step(actions), stopped.step(actions)
        assert_same(list(ours), list(expected))
        assert_same(other.action_space.sample(), stopped.action_space.sample())
        ended += int(expected[2].sum())
    for name in ("layouts_seen", "episodes_begun"):
        assert stopped.has_attr(name) == other.has_attr(name)
        if stopped.has_attr(name):
            assert other.get_attr(name) == stopped.get_attr(name)
    return lines, ended
