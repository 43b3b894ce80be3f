"""A state that is damaged, or of other envs, is refused by one line: whatever is wrong, and wherever."""

import copy
import random

import gymnasium as gym
import numpy as np
import pytest
from mid_episode import round_trip
from stable_baselines3.common.vec_env import VecFrameStack, VecMonitor, VecNormalize

from engram.envs import GymnasiumVecEnv, TensorVecEnv, make_tensor_env, make_vec_env
from engram.envs.state import get_state, set_state


def maze(env_id, **arguments):
    return make_vec_env(env_id, n_envs=2, seed=3, split="train", **arguments)


MAKES = {
    "grid": lambda: maze("Engram-MazeMatch-S9-v0", odometry=True, random_actions=0.3),
    "tmaze": lambda: maze("Engram-TMaze-v0", kwargs={"noise": 2, "distractors": 1}),
    "sequence": lambda: maze("Engram-Binding-v0"),
    "babyai": lambda: make_vec_env("BabyAI-PutNextLocal-v0", n_envs=1, seed=3),
    "rooms": lambda: make_vec_env("MiniGrid-MultiRoom-N2-S4-v0", n_envs=1, seed=3),
    "control": lambda: VecFrameStack(VecNormalize(VecMonitor(make_vec_env("CartPole-v1", n_envs=2, seed=3))), 2),
    "replayed": lambda: make_vec_env("FrozenLake-v1", n_envs=2, seed=3, split="test"),
    "device": lambda: TensorVecEnv(make_tensor_env("Engram-Chain1-v0", n_envs=2, seed=3, episodes=7)),
    "vector": lambda: GymnasiumVecEnv(gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync")),
}


def begun(make):
    vec_env = make()
    vec_env.reset()
    for _ in range(3):
        vec_env.step(np.zeros(vec_env.num_envs, dtype=int))
    return vec_env


def parts(state, path=()):
    """Yield the paths of all parts of a state."""
    yield path
    items = state.items() if isinstance(state, dict) else enumerate(state) if isinstance(state, list) else ()
    for key, part in items:
        yield from parts(part, (*path, key))


def part_at(state, path):
    for key in path:
        state = state[key]
    return state


def damaged(state, path, damage):
    """Return a copy of a state with a part changed."""
    state = copy.deepcopy(state)
    *above, key = path
    damage(part_at(state, above), key)
    return state


def is_refused(vec_env, state):
    """Return whether a state is refused, by one line."""
    try:
        set_state(vec_env, state)
    except ValueError as error:
        return "\n" not in str(error)
    return False


def some(paths, number=60):
    return random.Random(0).sample(paths, min(number, len(paths)))


@pytest.fixture(scope="module", params=MAKES)
def envs_and_state(request):
    vec_env = begun(MAKES[request.param])
    return vec_env, round_trip(get_state(vec_env))


def test_the_state_itself_is_taken(envs_and_state):
    vec_env, state = envs_and_state
    assert set_state(vec_env, state) == []


def test_a_missing_part_is_refused(envs_and_state):
    vec_env, state = envs_and_state
    named = [path for path in parts(state) if path and isinstance(path[-1], str) and "reset_infos" not in path]
    for path in some(named):
        assert is_refused(vec_env, damaged(state, path, lambda whole, key: whole.pop(key))), path


def test_an_unknown_part_is_refused(envs_and_state):
    vec_env, state = envs_and_state
    for path in some([path for path in parts(state) if isinstance(part_at(state, path), dict)], 30):
        # What was said at a reset may be anything.
        assert is_refused(vec_env, damaged(state, (*path, "more"), lambda whole, key: whole.update(more=1))), path


@pytest.mark.parametrize(
    "wrong", [{"__reduce__": "os.system"}, {"kind": "Popen", "attributes": {}}, [[1]], b"\x80", object()]
)
def test_what_is_no_such_part_is_refused(envs_and_state, wrong):
    vec_env, state = envs_and_state
    for path in some([path for path in parts(state) if path and "reset_infos" not in path], 40):

        def put(whole, key):
            whole[key] = wrong

        assert is_refused(vec_env, damaged(state, path, put)), path


def test_a_number_in_place_of_a_text_and_a_text_in_place_of_a_number_are_refused(envs_and_state):
    vec_env, state = envs_and_state
    free = ("mission", "reset_infos", "layout", "_layout")

    def put(whole, key):
        whole[key] = 7 if isinstance(whole[key], str) else "seven"

    paths = [path for path in parts(state) if type(part_at(state, path)) in (int, float, str)]
    for path in some([path for path in paths if not set(path) & set(free)]):
        assert is_refused(vec_env, damaged(state, path, put)), path


@pytest.mark.parametrize("name", ["step_count", "agent_pos", "mission", "grid", "scene", "open_cells", "cues"])
def test_nothing_in_place_of_something_is_refused(name):
    vec_env = begun(MAKES["grid"])
    state = round_trip(get_state(vec_env))
    state["envs"]["inside"][1]["layers"][-1]["attributes"]["values"][name] = None
    assert is_refused(vec_env, state)


@pytest.mark.parametrize(("row", "value"), [(0, 99), (0, -1), (1, 999), (2, 9)])
def test_a_place_beyond_a_tmaze_is_refused(row, value):
    vec_env = begun(MAKES["tmaze"])
    state = round_trip(get_state(vec_env))
    state["envs"]["inside"]["standing"][row, 1] = value
    assert is_refused(vec_env, state)


def test_arrays_of_another_type_or_number_of_axes_are_refused(envs_and_state):
    vec_env, state = envs_and_state
    paths = [path for path in parts(state) if isinstance(part_at(state, path), np.ndarray)]
    for path in some([path for path in paths if "reset_infos" not in path], 40):
        for change in (lambda array: array[None, None], lambda array: array.astype(np.complex64)):

            def put(whole, key, change=change):
                whole[key] = change(whole[key])

            assert is_refused(vec_env, damaged(state, path, put)), path


@pytest.mark.parametrize("name", MAKES)
def test_the_state_of_more_envs_is_refused(name):
    if name in ("grid", "sequence"):
        more = make_vec_env({"grid": "Engram-MazeMatch-S9-v0", "sequence": "Engram-Binding-v0"}[name], n_envs=3)
    else:
        more = make_vec_env("CartPole-v1", n_envs=3)
    more.reset()
    assert is_refused(begun(MAKES[name]), round_trip(get_state(more)))


@pytest.mark.parametrize(("name", "other"), [("grid", "tmaze"), ("tmaze", "sequence"), ("control", "grid")])
def test_the_state_of_other_envs_is_refused(name, other):
    with pytest.raises(ValueError, match="this is no state of these envs"):
        set_state(begun(MAKES[name]), round_trip(get_state(begun(MAKES[other]))))


def test_a_maze_of_another_size_is_refused():
    small, large = (begun(lambda size=size: maze("Engram-MatchS9-v0", kwargs={"size": size})) for size in (9, 11))
    with pytest.raises(ValueError, match="11 x 11"):
        set_state(large, round_trip(get_state(small)))


@pytest.mark.parametrize(("name", "value"), [("agent_pos", (9, 2)), ("agent_dir", 4), ("agent_pos", (-1, 2))])
def test_an_agent_beyond_its_maze_is_refused(name, value):
    env = make_vec_env("MiniGrid-Empty-5x5-v0")
    env.reset()
    setattr(env.envs[0].unwrapped, name, value)
    state = round_trip(get_state(env))
    with pytest.raises(ValueError, match="an agent at"):
        set_state(env, state)


def test_nothing_is_refused_twice_in_two_lines():
    env = begun(MAKES["control"])
    for nonsense in (None, [], {}, 4, {"wrappers": [], "envs": 3}, {"wrappers": [{}], "envs": {}}):
        assert is_refused(env, nonsense)
