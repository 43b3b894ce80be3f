"""Episodic novelty: a bonus for the first visit of an observation in an episode, so that the agent goes and looks."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs


class EpisodicNovelty:
    """Finds the observations that are the first of their kind in their episode.

    It depends on observations only, so it is the same for every memory and every baseline.

    Args:
        n_envs: B.
        ignored_keys: keys of a dict of observations that do not count.
    """

    def __init__(self, n_envs: int, ignored_keys: Collection[str] = ()) -> None:
        self.ignored_keys = ignored_keys
        self.seen: list[set[bytes]] = [set() for _ in range(n_envs)]

    def __call__(self, observations: VecEnvObs, episode_starts: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Look at the next observation of every env.

        Args:
            observations: [B, ...], or a dict of these.
            episode_starts: [B] bool; the first observation of an episode is no first visit, since no action led to it.

        Returns:
            [B] bool, first visits.
        """
        parts = [np.asarray(observations)]
        if isinstance(observations, dict):
            parts = [part for key, part in observations.items() if key not in self.ignored_keys]
        first_visits = np.zeros(len(self.seen), dtype=bool)
        for row, start in enumerate(episode_starts.tolist()):
            observation = blake2b(b"".join(part[row].tobytes() for part in parts), digest_size=16).digest()
            if start:
                self.seen[row] = {observation}
            elif observation not in self.seen[row]:
                self.seen[row].add(observation)
                first_visits[row] = True
        return first_visits


def first_visit_rate(first_visits: NDArray[np.bool_], ended: NDArray[np.bool_]) -> float:
    """Return the share of first visits among the steps of a rollout that could be one.

    Args:
        first_visits: [T, B] bool.
        ended: [T, B] bool, the episode ended after the step, so that the next observation is a first one.
    """
    return float(first_visits.sum() / max(1, (~ended).sum()))


def novelty_bonus(first_visits: NDArray[np.bool_], rate: float, coef: float) -> NDArray[np.float32]:
    """Turn first visits into rewards; if every step is a first visit, they are worth nothing.

    Where noise makes every observation new, a bonus would only pay for time. So it falls as first visits become
    frequent: to 94 % if half of all steps are first visits, to 34 % if nine of ten are, to nothing if all are.

    Args:
        first_visits: [T, B] bool, from one rollout.
        rate: share of first visits in the rollout, see `first_visit_rate`.
        coef: reward for a first visit where they are rare.

    Returns:
        [T, B] `coef * first_visits * (1 - rate ** 4)`.
    """
    return np.where(first_visits, coef * (1.0 - rate**4), 0.0).astype(np.float32)
