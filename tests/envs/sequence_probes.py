"""What tests of the sequence tasks share: random numbers set beforehand, and all that an episode shows."""

import gymnasium as gym
import numpy as np


class Rigged:
    """Dice whose throws are known before, whatever is asked of them."""

    def __init__(self, *throws):
        self._throws = [np.array(throw, dtype=np.int64) for throw in throws]

    def integers(self, *args, **kwargs):
        return self._throws.pop(0)

    permutation = choice = integers


def transcript(env: gym.Env, actions: list[int]) -> tuple[list, list[bool], list[float], dict]:
    """Play actions to the episode's end; return its observations, what was `cue_visible`, rewards and last info."""
    observation, info = env.reset()
    observations, visible, rewards = [observation.tolist()], [info["cue_visible"]], []
    for number, action in enumerate(actions, start=1):
        observation, reward, terminated, truncated, info = env.step(action)
        observations.append(observation.tolist())
        visible.append(info["cue_visible"])
        rewards.append(reward)
        assert terminated == (number == len(actions))
        assert not truncated
    return observations, visible, rewards, info


def record(env_id: str, seed: int) -> list:
    """Return all that an episode of random actions shows and reports."""
    env, rng = gym.make(env_id), np.random.default_rng(seed)
    observation, info = env.reset(seed=seed)
    recorded, terminated = [[observation.tolist(), info]], False
    while not terminated:
        observation, reward, terminated, _, info = env.step(int(rng.integers(env.action_space.n)))
        recorded.append([observation.tolist(), reward, info])
    return recorded
