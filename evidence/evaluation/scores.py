"""From played episodes to their score, with intervals and the difference to the same episodes left alone."""

from __future__ import annotations

from collections import Counter

import numpy as np

from engram.agents.evaluation.episodes import Episodes
from engram.evidence.runs.files import LookedAgain, Score
from engram.evidence.statistics import mean_interval, paired_difference_interval, wilson_interval


def score(played: Episodes, knows_success: bool, intact: Episodes | None = None) -> Score:
    """Sum up episodes.

    Args:
        played: finished episodes.
        knows_success: whether the env tells success at all.
        intact: the same episodes with the memory left alone; None if these are those.
    """
    n, successes = len(played.success), int(played.success.sum())
    low, high = wilson_interval(successes, n) if knows_success else (None, None)
    of_return = mean_interval(played.episode_return) if n > 1 else (None, None)
    again = played.success[played.looked_again]
    per_layout = Counter(key for key in played.layout if key)
    difference = (None, None, None) if intact is None else paired_difference(played, intact, knows_success)
    return Score(
        episodes=n,
        success=successes / n if knows_success else None,
        success_low=low,
        success_high=high,
        mean_return=float(played.episode_return.mean()),
        mean_length=float(played.length.mean()),
        distinct_layouts=len(per_layout),
        looked_again=LookedAgain(episodes=len(again), success=float(again.mean()) if len(again) else None)
        if knows_success and played.cue_known
        else None,
        applied=int(played.applied.sum()),
        return_low=of_return[0],
        return_high=of_return[1],
        fewest_per_layout=min(per_layout.values(), default=None),
        most_per_layout=max(per_layout.values(), default=None),
        difference=difference[0],
        difference_low=difference[1],
        difference_high=difference[2],
    )


def paired_difference(
    played: Episodes, intact: Episodes, knows_success: bool
) -> tuple[float, float, float] | tuple[None, None, None]:
    """Return success (without success: return) less that of the same episodes intact, and the ends of its interval.

    Args:
        played: episodes in the order in which `intact` has them.
        intact: the same episodes with the memory left alone.
        knows_success: whether the env tells success.

    Returns:
        mean, low and high; None for the return of a single episode.
    """
    a, b = played.success, intact.success
    if knows_success:
        counts = (int((x & y).sum()) for x, y in ((a, b), (a, ~b), (~a, b), (~a, ~b)))
        return float(a.mean() - b.mean()), *paired_difference_interval(*counts)
    differences = np.asarray(played.episode_return - intact.episode_return)
    if len(differences) < 2:
        return None, None, None
    return float(differences.mean()), *mean_interval(differences)
