"""From played episodes to their score, with intervals and the difference to the same episodes left alone."""

from collections import Counter

from engram.agents.evaluation.episodes import Episodes
from engram.evidence.runs.files import LookedAgain, Score
from engram.evidence.statistics import mean_interval, paired_difference_interval, wilson_interval


def score(played: Episodes, knows_success: bool, intact: Episodes | None = None) -> Score:
    """Sum up finished episodes of an env that tells success or does not.

    They are compared with the same episodes, in the same order, with the memory left alone, if these are not those.
    """
    n, successes = len(played.success), int(played.success.sum())
    low, high = wilson_interval(successes, n) if knows_success else (None, None)
    return_low, return_high = mean_interval(played.episode_return) if n > 1 else (None, None)
    looked_again, again = None, played.success[played.looked_again]
    if knows_success and played.cue_known:
        looked_again = LookedAgain(episodes=len(again), success=float(again.mean()) if len(again) else None)
    per_layout = Counter(key for key in played.layout if key)
    difference = (None, None, None) if intact is None else _difference(played, intact, knows_success)
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
        difference=difference[0],
        difference_low=difference[1],
        difference_high=difference[2],
    )


def _difference(
    played: Episodes, intact: Episodes, by_success: bool
) -> tuple[float | None, float | None, float | None]:
    """Return success (or return) less that of the same episodes intact, and the ends of its interval."""
    a, b = played.success, intact.success
    if by_success:
        counts = (int((x & y).sum()) for x, y in ((a, b), (a, ~b), (~a, b), (~a, ~b)))
        return float(a.mean() - b.mean()), *paired_difference_interval(*counts)
    returns = played.episode_return - intact.episode_return
    return (float(returns.mean()), *mean_interval(returns)) if len(returns) > 1 else (None, None, None)
