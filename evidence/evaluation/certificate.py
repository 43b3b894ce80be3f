"""The certificate of memory: how an agent fares with its memory intact and intervened on, and what it proves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engram.evidence.evaluation.verdict import LEADS, LEADS_WITHOUT, OTHERS, Verdict, beats, verdict
from engram.evidence.runs.files import CertificatePart, Score

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
RESTS_ON = {
    "intact": "intact",
    "wiped": "wiped",
    "reads_shuffled": "reading another episode's memory",
    "swapped_after_cue": "with another episode's memory after the cue",
    "controller_wiped": "with its controller wiped",
    "both_wiped": "with both wiped",
}
"""The same in a sentence, of those that a verdict rests on."""
OF_CONTENT: tuple[Verdict, ...] = ("needs its memory", "breaks without it", "follows it without needing it")
"""Verdicts on what is in the memory: they rest on the exchange with another episode's."""
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

    @property
    def verdict(self) -> Verdict | None:
        """What the scores show of this agent; None if the memory was never wiped."""
        return verdict(self.scores, self.chance, self.has_memory)

    @property
    def sentence(self) -> str:
        """The verdict with its figures in one sentence."""
        intact, wiped = self.scores["intact"], self.scores.get("wiped")
        figures = ", ".join(_figure(self.scores[name], RESTS_ON[name]) for name in self._rests_on())
        if self.chance is not None and intact.success is not None:
            figures += f", chance is {self.chance:.1%}"
        if self.verdict is None:
            return f"Its memory was left alone: {figures}."
        lead = (LEADS if self.has_memory else LEADS | LEADS_WITHOUT)[self.verdict]
        in_part = self.verdict == "needs its memory" and wiped is not None and beats(wiped, self.chance)
        more = self._repeats(), self._acted(), self._when_wiped_once()
        return f"{lead}{', in part' if in_part else ''}: {figures}.{''.join(more)}"

    def _rests_on(self) -> list[str]:
        """Return the names of what the verdict rests on."""
        names = ["intact", *(["wiped"] if self.has_memory else [])]
        if self.verdict in OF_CONTENT:
            names += OTHERS
        if not self.has_memory or self.verdict == "the controller's state suffices":
            names += ["controller_wiped", "both_wiped"]
        return [name for name in names if name in self.listed]

    def _repeats(self) -> str:
        """Return what the episodes count for, where some repeat others."""
        intact = self.scores["intact"]
        if intact.independent is None or intact.independent == intact.episodes:
            return ""
        return f" Some of the {intact.episodes} episodes repeat others: together they count as {intact.independent}."

    def _acted(self) -> str:
        """Return in how many episodes wiping the memory made an agent act otherwise, where its outcomes do not tell."""
        wiped = self.scores["wiped"]
        if self.verdict != "makes no difference" or not wiped.acted_otherwise:
            return ""
        return f" It acted otherwise in {wiped.acted_otherwise} of {wiped.episodes} episodes, all the same."

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
    by_success = score.success is not None
    figure = f"{score.success:.1%} {condition}" if by_success else f"mean return {score.mean_return:.3f} {condition}"
    if score.changed is None:
        return figure
    return f"{figure} ({score.changed} of {score.episodes} {'outcomes' if by_success else 'returns'} changed)"
