"""From played episodes to their score, with intervals and the difference to the same episodes left alone."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import compress
from typing import Any

import numpy as np

from engram.agents.evaluation.episodes import Episodes
from engram.evidence.runs.files import LookedAgain, Score
from engram.evidence.statistics import effective_number, mean_interval, paired_difference_interval, wilson_interval

SAME_RETURN = 1e-9
"""Returns that differ by less, of their size or of 1, are the same up to rounding."""


def score(played: Episodes, knows_success: bool, intact: Episodes | None = None) -> Score:
    """Sum up finished episodes of an env that tells success or does not.

    They are compared with the same episodes, in the same order, with the memory left alone, if these are not those.
    Episodes that go the same way throughout are repeats of one: a greedy agent in few mazes plays no others.
    """
    n, successes = len(played.success), int(played.success.sum())
    low, high = wilson_interval(successes, n) if knows_success else (None, None)
    return_low, return_high = mean_interval(played.episode_return) if n > 1 else (None, None)
    looked_again, again = None, played.success[played.looked_again]
    if knows_success and played.cue_known:
        looked_again = LookedAgain(episodes=len(again), success=float(again.mean()) if len(again) else None)
    same_episodes = intact is not None and np.array_equal(played.first_seen, intact.first_seen)
    alone = intact if intact is not None and same_episodes else played
    went = list(zip(alone.layout, alone.seen, alone.acted, alone.success, alone.episode_return, strict=True))
    per_layout = Counter(key for key in played.layout if key)
    return Score(
        episodes=n,
        success=successes / n if knows_success else None,
        success_low=low,
        success_high=high,
        mean_return=float(played.episode_return.mean()),
        mean_length=float(played.length.mean()),
        distinct_layouts=len(per_layout),
        looked_again=looked_again,
        applied=int(played.applied.sum()),
        return_low=return_low,
        return_high=return_high,
        fewest_per_layout=min(per_layout.values(), default=None),
        most_per_layout=max(per_layout.values(), default=None),
        cut=played.cut,
        independent=_effective(went),
        **(_compared(played, alone, knows_success, went) if same_episodes else {}),
    )


def _compared(played: Episodes, intact: Episodes, by_success: bool, went: Sequence[Hashable]) -> dict[str, Any]:
    """Return what success (or return) is less that of the same episodes intact, and in how many it is not the same."""
    a, b = (played.success, intact.success) if by_success else (played.episode_return, intact.episode_return)
    same = a == b if by_success else np.isclose(a, b, rtol=SAME_RETURN, atol=SAME_RETURN)
    lost, gained = int((~same & (a < b)).sum()), int((~same & (a > b)).sum())
    difference, low, high = float(a.mean() - b.mean()), None, None
    if by_success:
        both = int((played.success & intact.success).sum())
        low, high = paired_difference_interval(both, gained, lost, len(a) - both - lost - gained)
    elif len(a) > 1:
        low, high = mean_interval(a - b)
    ends = {"difference_low": low, "difference_high": high}
    otherwise = int((played.acted != intact.acted).sum())
    changed = _effective(compress(went, ~same))
    counts = {"lost": lost, "gained": gained, "acted_otherwise": otherwise, "changed_independent": changed}
    return {"difference": None if low is None else difference, **ends, **counts}


def _effective(went: Iterable[Hashable]) -> int:
    return int(effective_number(list(Counter(went).values())))
