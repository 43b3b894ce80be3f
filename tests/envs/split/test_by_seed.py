import gymnasium as gym
import numpy as np
import pytest

from engram.envs import make_env
from engram.envs.split.by_layout import SIDES, side_of


@pytest.mark.parametrize("side", SIDES)
def test_without_layouts_every_episode_has_a_seed_of_its_side(side):
    env = make_env("CartPole-v1", split=side, seed=3)
    seeds = []
    for _ in range(40):
        observation, info = env.reset()
        seeds.append(info["episode_seed"])
        np.testing.assert_array_equal(observation, gym.make("CartPole-v1").reset(seed=seeds[-1])[0])
    assert len(set(seeds)) == 40
    assert {side_of(f"seed {seed}") for seed in seeds} == {side}
    again = make_env("CartPole-v1", split=side, seed=3)
    assert [again.reset()[1]["episode_seed"] for _ in range(40)] == seeds


def test_an_unknown_side_is_refused():
    with pytest.raises(ValueError, match="split='dev' must be one of train, validation, test"):
        make_env("CartPole-v1", split="dev")
