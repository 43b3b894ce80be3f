"""The verdict: from what was played, episode by episode the same, to what may be said of this agent."""

from collections.abc import Mapping
from math import sqrt
from typing import Literal

from engram.evidence.runs.files import Score
from engram.evidence.statistics import surely_above

Verdict = Literal[
    "needs its memory",
    "does worse without it",
    "breaks without it",
    "follows it without needing it",
    "depends on it",
    "does better without it",
    "the controller's state suffices",
    "makes no difference",
    "looks again",
    "has not solved the task",
    "chance is unknown",
    "not the same episodes",
    "episodes were cut",
    "inconclusive",
]
LEADS: dict[Verdict, str] = {
    "needs its memory": "This agent needs its memory",
    "does worse without it": "This agent does worse with its memory wiped",
    "breaks without it": "This agent does worse with its memory wiped, but what is in it makes no difference",
    "follows it without needing it": "This agent follows what it reads, but does without it",
    "depends on it": "What this agent achieves depends on its memory; whether for the better, too few episodes tell",
    "does better without it": "This agent does better with its memory wiped",
    "the controller's state suffices": "The controller's state suffices this agent",
    "makes no difference": "Wiping its memory makes no difference to what this agent achieves",
    "looks again": "This agent looks again instead of remembering",
    "has not solved the task": "This agent has not solved the task",
    "chance is unknown": "Nothing is concluded without a chance level (--chance, or env.chance of the training)",
    "not the same episodes": "Nothing is concluded, for the episodes were not the same (env.split=true repeats them)",
    "episodes were cut": "Nothing is concluded, for some episodes had no end and were cut (max_episode_steps sets one)",
    "inconclusive": "Too few episodes to tell",
}
LEADS_WITHOUT: dict[Verdict, str] = {
    "the controller's state suffices": "The controller's state suffices this agent, which has no memory beside it",
    "makes no difference": "This agent has no memory beside its controller, and wiping that makes no difference",
}
MARGIN = 0.05
"""An intervention makes no difference if surely fewer episodes end otherwise; it makes one if surely more do."""
OFTEN = 0.5
"""An agent that sees the cue again in a larger share of its episodes, left alone, looks again."""
OTHERS = ("reads_shuffled", "swapped_after_cue")
"""Interventions that exchange what is remembered for what another episode has left."""


def verdict(scores: Mapping[str, Score], chance: float | None, has_memory: bool = True) -> Verdict | None:
    """Return what the scores show of this agent; None if its memory was never wiped.

    Every statement rests on exact tests at a level of 2.5 % (`surely_above`), in which repeats of an episode count
    once. "Needs its memory" is said only if wiping it costs success, and another episode's memory does, too: an agent
    that has never met an empty memory may break without one whatever is in it. Where the exchange was not played, or
    shows nothing, only what was seen is said. Of a return there is no chance level, so that no agent is said to need
    anything for it.

    Args:
        scores: by the name of the intervention; `intact` is there, others may be missing.
        chance: success of a player that cannot recall; None if it is unknown.
        has_memory: whether there is a memory beside the controller.
    """
    intact, by_success = scores["intact"], scores["intact"].success is not None
    if "wiped" not in scores:
        return None
    if by_success and chance is None:
        return "chance is unknown"
    if not beats(intact, chance) and by_success and chance is not None:
        failures = intact.episodes - (intact.successes or 0)
        return "has not solved the task" if _surely(failures, intact, (1 - chance) / 2) else "inconclusive"
    if scores["wiped"].changed is None:
        return "episodes were cut" if intact.cut or scores["wiped"].cut else "not the same episodes"
    wiped, others = scores["wiped"], [scores[name] for name in OTHERS if name in scores]
    if not has_memory or changes_nothing(wiped):
        if any(map(changes, others)) and has_memory:
            return "follows it without needing it"
        if costs(scores.get("controller_wiped")) or costs(scores.get("both_wiped")):
            return "the controller's state suffices"
        state_shown = has_memory or changes_nothing(scores.get("both_wiped"))
        return "makes no difference" if state_shown else "inconclusive"
    if gains(wiped):
        return "does better without it"
    if not costs(wiped):
        return "depends on it" if changes(wiped) else "inconclusive"
    again = 0 if intact.looked_again is None else intact.looked_again.episodes
    once = scores.get("wiped_after_cue")
    if again > OFTEN * intact.episodes and not costs(once):
        return "looks again" if changes_nothing(once) and by_success else "does worse without it"
    if any(map(costs, others)) and by_success:
        return "needs its memory"
    return "breaks without it" if others and all(map(changes_nothing, others)) else "does worse without it"


def beats(score: Score, chance: float | None) -> bool:
    """Return whether success is surely above chance; nothing is above a chance that is unknown."""
    return score.successes is not None and chance is not None and _surely(score.successes, score, chance)


def costs(score: Score | None) -> bool:
    """Return whether an intervention costs success, or return where success is not told.

    Success: of the episodes that only one of the two agents got right, the one left alone got more (an exact sign test,
    McNemar 1947). Return: the whole interval of the mean difference is below zero, and enough episodes differ for such
    a test to be sure.
    """
    if score is None or score.lost is None or score.changed is None:
        return False
    if score.success is None:
        return _return_surely(score, -1)
    return _surely_more(score.lost, score)


def gains(score: Score) -> bool:
    """Return whether it adds to it, by the same tests."""
    if score.gained is None or score.changed is None:
        return False
    if score.success is None:
        return _return_surely(score, +1)
    return _surely_more(score.gained, score)


def changes(score: Score | None) -> bool:
    """Return whether surely more episodes than the margin end otherwise, be it better or worse."""
    changed = None if score is None else score.changed
    return score is not None and changed is not None and _surely(changed, score, MARGIN)


def changes_nothing(score: Score | None) -> bool:
    """Return whether surely fewer do: not to see a difference is not to see that there is none."""
    if score is None or score.changed is None:
        return False
    return _surely(score.episodes - score.changed, score, 1 - MARGIN)


def _surely(episodes: int, score: Score, level: float) -> bool:
    """Return whether surely a larger share than the level are such episodes; repeats of one count once."""
    n = score.episodes if score.independent is None else score.independent
    return surely_above(episodes * n // score.episodes, n, level)


def _surely_more(episodes: int, score: Score) -> bool:
    """Return whether surely more than half of those that ended otherwise are such episodes; repeats count once."""
    changed = score.changed or 0
    n = changed if score.changed_independent is None else score.changed_independent
    return surely_above(episodes * n // max(changed, 1), n, 0.5)


def _return_surely(score: Score, sign: int) -> bool:
    """Return whether the whole interval of the difference, as wide as without repeats, is on one side of zero."""
    end = score.difference_high if sign < 0 else score.difference_low
    if score.difference is None or end is None or score.changed is None or not _surely_more(score.changed, score):
        return False
    repeats = score.episodes / (score.independent or score.episodes)
    return sign * (score.difference + sqrt(repeats) * (end - score.difference)) > 0
