"""Balanced episodes: the seeds of the next episodes, chosen so that all layouts are played equally often."""

from collections import Counter

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

_BATCH = 64
# Seeds tried for each episode, those on other sides included: a layout that is rarer gets fewer episodes.
_DRAWS = 200
# After 10 draws for each known layout (and for 5 more) without a new one, no other is expected: a layout that is a
# third as likely as the others would be missed in 4 % of cases, one as likely as the others in 5 of 100,000.
_NOTHING_NEW, _MORE = 10, 5


def balanced_seeds(vec_env: VecEnv, episodes: int, seed: int) -> list[list[int]]:
    """Choose the seeds of the next episodes, so that the numbers of episodes of any two layouts differ by one at most.

    Seeds are drawn, and the layout of each is looked at, until there are enough of every layout; then each layout gets
    a first episode, each a second one, and so on. Where there are more layouts than episodes, all episodes are of
    different layouts.

    Args:
        vec_env: B environments of one kind, as ``make_vec_env`` makes them; the first is reset meanwhile.
        episodes: at least so many, rounded up to a multiple of B.
        seed: the same seed chooses the same episodes.

    Returns:
        B lists of seeds, for ``queue_seeds``; empty ones where the environments have no layouts. A layout that is much
        rarer than the others gets as many episodes as were found within 200 draws for each.
    """
    n_envs = vec_env.num_envs
    if not vec_env.has_attr("layouts_of"):
        return [[] for _ in range(n_envs)]
    episodes = -(-episodes // n_envs) * n_envs
    rng = np.random.default_rng(seed)
    met: Counter[str] = Counter()
    found: list[tuple[int, int]] = []  # how often its layout had been drawn before, seed
    drawn = nothing_new = 0
    while drawn < _DRAWS * episodes and not _enough(met, episodes, nothing_new):
        seeds = rng.integers(2**31, size=_BATCH).tolist()
        drawn += _BATCH
        (keys,) = vec_env.env_method("layouts_of", seeds, indices=0)
        for episode_seed, key in zip(seeds, keys, strict=True):
            if key is not None:
                nothing_new = nothing_new + 1 if key in met else 0
                found.append((met[key], episode_seed))
                met[key] += 1
    chosen = [episode_seed for _, episode_seed in sorted(found, key=lambda one: one[0])][:episodes]
    return [chosen[row::n_envs] for row in range(n_envs)]


def queue_seeds(vec_env: VecEnv, seeds: list[list[int]]) -> None:
    """Let each environment play the episodes of its seeds, from its next reset on, and random ones after them.

    Args:
        vec_env: B environments; all are reset.
        seeds: B lists of seeds, from ``balanced_seeds``.
    """
    vec_env.reset()  # uses up a seed that waits for the next reset, which would come before these
    for row, queue in enumerate(seeds):
        if queue:
            vec_env.env_method("queue_seeds", queue, indices=row)


def _enough(met: Counter[str], episodes: int, nothing_new: int) -> bool:
    if len(met) >= episodes:
        return True
    if not met or nothing_new < _NOTHING_NEW * (len(met) + _MORE):
        return False
    rounds, left = divmod(episodes, len(met))
    return min(met.values()) >= rounds and sum(count > rounds for count in met.values()) >= left
