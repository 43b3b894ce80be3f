"""How many distinct layouts were played, and a warning where they are few."""

import warnings

from stable_baselines3.common.vec_env import VecEnv

_FEW = 100


def distinct_layouts(vec_env: VecEnv) -> int:
    """Count the distinct layouts that the environments of a ``VecEnv`` have played, 0 if they have none to split by.

    Each environment remembers its first 50,000; beyond them the count is a lower bound.
    """
    if not vec_env.has_attr("layouts_seen"):
        return 0
    return len(set[str]().union(*vec_env.get_attr("layouts_seen")))


def warn_if_few_layouts(vec_env: VecEnv) -> None:
    """Warn if fewer than 100 distinct layouts come up again and again: "held out" does not mean much then."""
    seen = distinct_layouts(vec_env)
    if seen and are_few(seen, sum(vec_env.get_attr("episodes_begun"))):
        warnings.warn(few_layouts(seen), stacklevel=2)


def are_few(distinct: int, met: int) -> bool:
    """Return whether so many distinct layouts, met so often in all, come up again and again and are fewer than 100."""
    return distinct < _FEW and met > 3 * distinct


def few_layouts(distinct: int) -> str:
    """Return what that means, in a line."""
    return f"only {distinct} distinct layouts were met: success on held-out ones is weak evidence for new mazes"
