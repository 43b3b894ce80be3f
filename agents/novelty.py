"""Episodic novelty: a bonus for the first visit of an observation in an episode, so that the agent goes and looks."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs


class EpisodicNovelty:
    """Tells which observations are the first of their kind in their episode.

    It looks at nothing but observations, so it is the same for every memory and every control.

    Args:
        n_envs: B.
    """

    def __init__(self, n_envs: int) -> None:
        self.seen: list[set[bytes]] = [set() for _ in range(n_envs)]

    def __call__(self, observations: VecEnvObs, episode_starts: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Look at the next observation of every env.

        Args:
            observations: [B, ...], or a dict of these.
            episode_starts: [B] bool; a first observation is not news, since no action led to it.

        Returns:
            [B] bool, news.
        """
        parts = list(observations.values()) if isinstance(observations, dict) else [np.asarray(observations)]
        first_visits = np.zeros(len(self.seen), dtype=bool)
        for row, start in enumerate(episode_starts):
            digest = blake2b(digest_size=16)
            for part in parts:
                digest.update(part[row].tobytes())
            observation = digest.digest()
            if start:
                self.seen[row] = {observation}
            elif observation not in self.seen[row]:
                self.seen[row].add(observation)
                first_visits[row] = True
        return first_visits


def first_visit_rate(first_visits: NDArray[np.bool_], ended: NDArray[np.bool_]) -> float:
    """Return the share of news among the steps of a rollout that could bring any.

    Args:
        first_visits: [T, B] bool.
        ended: [T, B] bool, the episode ended after the step, so that the next observation is a first one.
    """
    return float(first_visits.sum() / max(1, (~ended).sum()))


def novelty_bonus(first_visits: NDArray[np.bool_], rate: float, coef: float) -> NDArray[np.float32]:
    """Turn news into rewards; news that comes at every step is worth nothing.

    Where a noise channel makes every observation new, a bonus would only pay for time. So it fades as news becomes
    the rule: to 94 % where half of all steps are news, to 34 % at nine of ten, to nothing where all are.

    Args:
        first_visits: [T, B] bool, from one rollout.
        rate: share of news in the rollout, see `first_visit_rate`.
        coef: reward for news where news is rare.

    Returns:
        [T, B] `coef * news * (1 - rate ** 4)`.
    """
    return np.where(first_visits, coef * (1.0 - rate**4), 0.0).astype(np.float32)
