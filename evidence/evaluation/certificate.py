"""The certificate of memory: how an agent fares with its memory intact and intervened on, and what it proves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engram.evidence.runs.files import CertificatePart, Score

Verdict = Literal[
    "needs its memory",
    "breaks without it",
    "follows it without needing it",
    "does not use it",
    "the controller's state suffices",
    "looks again",
    "has not solved the task",
    "inconclusive",
]
LEADS: dict[Verdict, str] = {
    "needs its memory": "The agent needs its memory",
    "breaks without it": "The agent breaks without its memory, but what is in it makes no difference",
    "follows it without needing it": "The agent follows what it reads, but does without it",
    "does not use it": "The agent does not use its memory",
    "the controller's state suffices": "The controller's state suffices",
    "looks again": "The agent looks again instead of remembering",
    "has not solved the task": "The agent has not solved the task",
    "inconclusive": "Too few episodes to tell",
}
LEADS_WITHOUT: dict[Verdict, str] = {
    "the controller's state suffices": "The controller's state suffices, without a memory beside it",
    "does not use it": "The agent needs no memory, and has none beside its controller",
}
MARGIN = 0.05
"""An intervention costs nothing if success is surely not lower by more (return: by more than this share of it)."""
OFTEN = 0.5
"""An agent that sees the cue again in a larger share of its episodes, left alone, looks again."""
SELDOM = 0.1
"""Below this share of episodes it is not worth a sentence that the agent looked again."""
CERTIFICATE = {
    "intact": "nothing",
    "wiped": "memory wiped before every step",
    "wiped_after_cue": "memory wiped once, after the cue",
    "frozen_after_cue": "nothing written after the cue",
    "reads_shuffled": "reads from another episode's memory",
    "swapped_after_cue": "memory of another episode after the cue",
    "controller_wiped": "controller wiped before every step",
    "both_wiped": "memory and controller wiped",
}
"""Names of interventions and what they are, in the order of the table."""
STATELESS = "feedforward"
"""The controller that has no state to wipe."""


def acts(name: str, has_memory: bool, has_state: bool) -> bool:
    """Return whether an intervention has something to act on; where not, it shows another one a second time."""
    on_memory, on_controller = name not in ("intact", "controller_wiped"), name in ("controller_wiped", "both_wiped")
    return (has_memory or not on_memory) and (has_state or not on_controller)


@dataclass(frozen=True)
class Certificate:
    """What was played, and what it shows."""

    scores: Mapping[str, Score]
    """By the name of the intervention; `intact` is there, others may be missing."""
    chance: float | None
    """Success of a player that cannot recall, if known."""
    has_memory: bool = True
    """Whether there is a memory beside the controller at all."""
    has_state: bool = True
    """Whether the controller has a state."""

    @property
    def listed(self) -> list[str]:
        """Names of what was played and has something to act on, in the order of the table."""
        return [name for name in CERTIFICATE if name in self.scores and acts(name, self.has_memory, self.has_state)]

    def costs(self, name: str) -> bool:
        """Return whether it costs success (or return): the whole interval of the difference is below zero."""
        score = self.scores.get(name)
        return score is not None and score.difference_high is not None and score.difference_high < 0

    def costs_nothing(self, name: str) -> bool:
        """Return whether it surely costs less than the margin: not to see a cost is not to see that there is none."""
        score, intact = self.scores.get(name), self.scores["intact"]
        margin = MARGIN if intact.success is not None else MARGIN * abs(intact.mean_return)
        return score is not None and score.difference_low is not None and score.difference_low > -margin

    @property
    def verdict(self) -> Verdict | None:
        """Return what the scores prove; None if the memory was never wiped.

        The agent needs its memory if wiping it costs success, and another episode's memory does, too: an agent that has
        never met an empty memory may break without one whatever is in it. If the agent, left alone, sees the cue again
        in most episodes, and can do without what it knew before, it has not kept it either: it looks again.
        """
        intact = self.scores["intact"]
        if "wiped" not in self.scores:
            return None
        if intact.success is not None:
            chance = self.chance or 0.0
            if (intact.success_low or 0.0) <= chance:
                solved = (intact.success_high or 0.0) > (1 + chance) / 2
                return "inconclusive" if solved else "has not solved the task"
        others = [name for name in ("reads_shuffled", "swapped_after_cue") if name in self.scores]
        content_matters = any(self.costs(name) for name in others)
        if not self.has_memory or self.costs_nothing("wiped"):
            if content_matters:
                return "follows it without needing it"
            if self.costs("controller_wiped") or self.costs("both_wiped"):
                return "the controller's state suffices"
            return "does not use it" if self.costs_nothing("both_wiped") else "inconclusive"
        if not self.costs("wiped"):
            return "inconclusive"
        if others and not content_matters:
            return "breaks without it" if all(map(self.costs_nothing, others)) else "inconclusive"
        again = 0 if intact.looked_again is None else intact.looked_again.episodes
        if again > OFTEN * intact.episodes and self.costs_nothing("wiped_after_cue"):
            return "looks again"
        return "needs its memory"

    @property
    def sentence(self) -> str:
        """The verdict with its figures in one sentence."""
        intact, wiped = self.scores["intact"], self.scores.get("wiped")
        figures = _figure(intact, "intact")
        for name, condition in (("wiped", "wiped"), ("reads_shuffled", "with another episode's memory")):
            if self.has_memory and name in self.scores:
                figures += f", {_figure(self.scores[name], condition)}"
        if self.chance is not None and intact.success is not None:
            figures += f", chance is {self.chance:.1%}"
        if self.verdict is None:
            return f"Its memory was left alone: {figures}."
        lead = (LEADS if self.has_memory else LEADS | LEADS_WITHOUT)[self.verdict]
        beats_chance = self.chance is not None and wiped is not None and (wiped.success_low or 0.0) > self.chance
        in_part = ", in part" if self.verdict == "needs its memory" and beats_chance else ""
        return f"{lead}{in_part}: {figures}.{self._when_wiped_once()}"

    def _when_wiped_once(self) -> str:
        """Return what an agent does whose memory is lost once, if it tends to look again then."""
        once = self.scores.get("wiped_after_cue")
        again = None if once is None else once.looked_again
        if once is None or again is None or again.success is None or again.episodes < SELDOM * once.episodes:
            return ""
        share = again.episodes / once.episodes
        sentence = f" Wiped once, it looked again in {share:.0%} of episodes ({again.success:.0%} right)"
        rest = once.without_looking
        return f"{sentence}." if rest is None else f"{sentence}; it was right in {rest:.0%} of the others."

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each intervention that is listed, all with the same columns."""
        rows = []
        for name in self.listed:
            score = self.scores[name]
            numbers = score.model_dump(exclude={"looked_again", "fewest_per_layout", "most_per_layout"})
            again = None if score.looked_again is None else score.looked_again.episodes / score.episodes
            rest = {"looked_again": again, "right_without": score.without_looking}
            rows.append({"done to the agent": CERTIFICATE[name], **numbers, **rest})
        return rows

    def as_part(self) -> CertificatePart:
        """Return the part `certificate` of `evaluation.json`."""
        conditions = {name: self.scores[name] for name in self.listed}
        return CertificatePart(verdict=self.verdict, sentence=self.sentence, conditions=conditions)


def _figure(score: Score, condition: str) -> str:
    if score.success is None:
        return f"mean return {score.mean_return:.3f} {condition}"
    return f"{score.success:.1%} {condition}"
