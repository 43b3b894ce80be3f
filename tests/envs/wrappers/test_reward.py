import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from engram.envs.wrappers.reward import PreviousReward


class Paying(gym.Env):
    """Pays the number of the step."""

    action_space = gym.spaces.Discrete(2)

    def __init__(self, as_dict=False):
        self.as_dict = as_dict
        space = gym.spaces.Box(-1, 1, (5,), np.float32)
        self.observation_space = gym.spaces.Dict({"seen": space}) if as_dict else space

    def _observe(self):
        seen = np.zeros(5, dtype=np.float32)
        return {"seen": seen} if self.as_dict else seen

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return self._observe(), {}

    def step(self, action):
        self.count += 1
        return self._observe(), float(self.count), self.count == 4, False, {}


@pytest.mark.parametrize(("as_dict", "name"), [(False, "observation"), (True, "seen")])
def test_previous_reward_is_shown_one_step_later_and_never_crosses_a_reset(as_dict, name):
    env = PreviousReward(Paying(as_dict))
    assert set(env.observation_space.spaces) == {name, "previous_reward"}
    for _ in range(2):
        observation, _ = env.reset()
        shown = [observation["previous_reward"].item()]
        terminated = False
        while not terminated:
            observation, _, terminated, *_ = env.step(0)
            assert env.observation_space.contains(observation)
            shown.append(observation["previous_reward"].item())
        assert shown == [0, 1, 2, 3, 4]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_env_checker_accepts_it():
    gym.register("Paying-v0", entry_point=Paying)
    check_env(PreviousReward(gym.make("Paying-v0")), skip_render_check=True)


def test_a_key_that_is_taken_is_refused():
    with pytest.raises(ValueError, match="already has a key 'previous_reward'"):
        PreviousReward(PreviousReward(Paying()))
