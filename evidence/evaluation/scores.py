"""What the episodes of one condition amount to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from engram.agents.evaluation.episodes import Episodes
from engram.evidence.statistics import mean_interval, wilson_interval
from engram.evidence.tables import shown_rate


@dataclass(frozen=True)
class LookedAgain:
    """Episodes in which the cue came into sight again after it had been lost."""

    episodes: int
    success: float | None
    """Success rate among them; None if there are none."""


@dataclass(frozen=True)
class Score:
    """Success, return and length of episodes that were played alike."""

    episodes: int
    success: float | None
    """Success rate in [0, 1]; None if the env does not tell success."""
    success_low: float | None
    """Ends of its 95 % Wilson interval."""
    success_high: float | None
    mean_return: float
    mean_length: float
    distinct_layouts: int
    looked_again: LookedAgain | None = None
    """None where the env does not tell success or the cue."""
    applied: int | None = None
    """Episodes in which the intervention was done: one that waits for the cue to be lost may wait in vain."""
    return_low: float | None = None
    """Ends of the 95 % bootstrap interval of the mean return; None for a single episode."""
    return_high: float | None = None
    fewest_per_layout: int | None = None
    """Episodes of the layout that was played least often, of those that were met; None if the env has no layouts."""
    most_per_layout: int | None = None

    @property
    def successes(self) -> int | None:
        """Number of episodes that succeeded."""
        return None if self.success is None else round(self.success * self.episodes)

    @property
    def without_looking(self) -> float | None:
        """Success rate of the episodes in which the cue did not come into sight again; None if unknown."""
        again = self.looked_again
        if again is None or self.successes is None or again.episodes == self.episodes:
            return None
        return (self.successes - round((again.success or 0.0) * again.episodes)) / (self.episodes - again.episodes)

    @property
    def shown(self) -> str:
        """The success rate with its interval, for a table."""
        return shown_rate(self.success, self.success_low, self.success_high)

    @property
    def shown_return(self) -> str:
        """The mean return with its interval, for a table."""
        if self.return_low is None or self.return_high is None:
            return f"{self.mean_return:.3f}"
        until = " to " if self.return_low < 0 else "-"  # a dash would look like another sign
        return f"{self.mean_return:.3f} ({self.return_low:.3f}{until}{self.return_high:.3f})"


def score(played: Episodes, knows_success: bool) -> Score:
    """Sum up episodes.

    Args:
        played: finished episodes.
        knows_success: whether the env tells success at all.
    """
    n, successes = len(played.success), int(played.success.sum())
    low, high = wilson_interval(successes, n)
    of_return = mean_interval(played.episode_return) if n > 1 else (None, None)
    again = played.success[played.looked_again]
    per_layout = Counter(key for key in played.layout if key)
    return Score(
        episodes=n,
        success=successes / n if knows_success else None,
        success_low=low if knows_success else None,
        success_high=high if knows_success else None,
        mean_return=float(played.episode_return.mean()),
        mean_length=float(played.length.mean()),
        distinct_layouts=len(per_layout),
        looked_again=LookedAgain(len(again), float(again.mean()) if len(again) else None)
        if knows_success and played.cue_known
        else None,
        applied=int(played.applied.sum()),
        return_low=of_return[0],
        return_high=of_return[1],
        fewest_per_layout=min(per_layout.values(), default=None),
        most_per_layout=max(per_layout.values(), default=None),
    )
