import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from engram.envs import make_env
from engram.envs.tasks.control.position_only import PositionOnly

IDS = {"Engram-PositionCartPole-v0": "CartPole-v1", "Engram-PositionPendulum-v0": "Pendulum-v1"}


@pytest.mark.parametrize(
    ("env_id", "kept"), [("Engram-PositionCartPole-v0", [0, 2]), ("Engram-PositionPendulum-v0", [0, 1])]
)
def test_it_is_gymnasiums_task_with_only_the_positions_shown(env_id, kept):
    env, whole = make_env(env_id), gym.make(IDS[env_id])
    env.action_space.seed(1)
    np.testing.assert_array_equal(env.reset(seed=4)[0], whole.reset(seed=4)[0][kept])
    ended = False
    while not ended:
        action = env.action_space.sample()
        observation, *outcome, _ = env.step(action)
        state, *expected, _ = whole.step(action)
        np.testing.assert_array_equal(observation, state[kept])
        assert env.observation_space.contains(observation)
        assert outcome == expected
        ended = any(outcome[1:])


@pytest.mark.parametrize("env_id", IDS)
def test_episodes_are_as_long_as_gymnasiums(env_id):
    assert gym.spec(env_id).max_episode_steps == gym.spec(IDS[env_id]).max_episode_steps


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("env_id", IDS)
def test_env_checker_accepts_it(env_id):
    check_env(gym.make(env_id), skip_render_check=True)


@pytest.mark.parametrize(("positions", "message"), [((0, 4), "indices from 0 to 3"), ((), "indices from 0 to 3")])
def test_positions_that_are_none_are_refused(positions, message):
    with pytest.raises(ValueError, match=message):
        PositionOnly(gym.make("CartPole-v1"), positions)


def test_what_is_no_vector_is_refused():
    with pytest.raises(ValueError, match="entries of a Box of one axis, and this env shows Discrete"):
        PositionOnly(gym.make("FrozenLake-v1"), (0,))


def mean_return(env_id, player, episodes, seed=0):
    """Play episodes; a player is told the observation, the one before, the whole state and a source of chance."""
    env, rng, total = make_env(env_id, seed=seed), np.random.default_rng(seed), 0.0
    for _ in range(episodes):
        observation, _ = env.reset()
        before, ended = observation, False
        while not ended:
            action = player(observation, before, env.unwrapped.state, rng)
            before = observation
            observation, reward, terminated, truncated, _ = env.step(action)
            total, ended = total + float(reward), terminated or truncated
    return total / episodes


def balance(x, x_speed, angle, angle_speed):
    return int(0.1 * x + 0.4 * x_speed + angle + 0.5 * angle_speed > 0)


def balance_by_difference(now, before):
    return balance(now[0], (now[0] - before[0]) / 0.02, now[1], (now[1] - before[1]) / 0.02)


def swing(angle, speed):
    """Gain the energy of the upright pendulum, then hold it there."""
    angle = (angle + np.pi) % (2 * np.pi) - np.pi
    lacking = 5 * (1 - np.cos(angle)) - speed**2 / 6
    torque = -10 * angle - 2.5 * speed if abs(angle) < 0.5 else 2 * np.sign(speed * lacking)
    return np.array([np.clip(torque, -2, 2)], dtype=np.float32)


def swing_by_difference(now, before):
    angle, angle_before = np.arctan2(now[1], now[0]), np.arctan2(before[1], before[0])
    return swing(angle, ((angle - angle_before + np.pi) % (2 * np.pi) - np.pi) / 0.05)


def torque_by_chance(rng):
    return rng.uniform(-2, 2, 1).astype(np.float32)


# The players without memory are the best of their kind that a search by cross-entropy has found: a logistic policy of
# the positions, and a torque that is a function of the angle.
PLAYERS = {
    "cartpole": {
        "random": lambda now, before, state, rng: rng.integers(2),
        "memoryless": lambda now, before, state, rng: int(rng.random() < 1 / (1 + np.exp(0.6 * now[0] - 25 * now[1]))),
        "one step back": lambda now, before, state, rng: balance_by_difference(now, before),
        "full state": lambda now, before, state, rng: balance(*state),
    },
    "pendulum": {
        "random": lambda now, before, state, rng: torque_by_chance(rng),
        "memoryless": lambda now, before, state, rng: np.clip([-10.8 * now[1]], -2, 2).astype(np.float32),
        "one step back": lambda now, before, state, rng: swing_by_difference(now, before),
        "full state": lambda now, before, state, rng: swing(*state),
    },
}


@pytest.mark.parametrize(
    ("player", "low", "high"),
    [("random", 19, 26), ("memoryless", 45, 60), ("one step back", 499, 500), ("full state", 500, 500)],
)
def test_cartpole_is_balanced_by_who_knows_the_velocities(player, low, high):
    episodes = 15 if low > 400 else 100
    assert low <= mean_return("Engram-PositionCartPole-v0", PLAYERS["cartpole"][player], episodes) <= high


@pytest.mark.parametrize(
    ("player", "low", "high"),
    [("random", -1350, -1100), ("memoryless", -1150, -900), ("one step back", -200, -100), ("full state", -200, -100)],
)
def test_pendulum_is_swung_up_by_who_knows_the_velocity(player, low, high):
    assert low <= mean_return("Engram-PositionPendulum-v0", PLAYERS["pendulum"][player], 40) <= high
