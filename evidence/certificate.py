"""The certificate of memory: how an agent fares with its memory intact and intervened on, and what it proves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, cast

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from evidence.scores import Score
from evidence.statistics import difference_interval

Verdict = Literal[
    "needs its memory",
    "does not use it",
    "the controller's state suffices",
    "looks again",
    "has not solved the task",
]

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


class Difference(NamedTuple):
    """Success under an intervention less that of the same agent left alone, with its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Certificate:
    """What was played, and what it shows."""

    scores: Mapping[str, Score]
    """By the name of the intervention; `intact` is there, others may be missing."""
    chance: float | None
    """Success of a player that cannot recall, if known."""

    def difference(self, name: str) -> Difference | None:
        """Return what an intervention changes; None if it was not played.

        Of success the interval is Newcombe's. Where the env tells none it is that of the mean return, from the ends of
        the two bootstrap intervals, which is wider than it need be.
        """
        intact, other = self.scores["intact"], self.scores.get(name)
        if other is None:
            return None
        if intact.successes is not None and other.successes is not None:
            low, high = difference_interval(other.successes, other.episodes, intact.successes, intact.episodes)
            return Difference(other.successes / other.episodes - intact.successes / intact.episodes, low, high)
        ends = (intact.return_low, intact.return_high, other.return_low, other.return_high)
        if None in ends:  # of a single episode
            return None
        least, most, others_least, others_most = cast(tuple[float, float, float, float], ends)
        return Difference(other.mean_return - intact.mean_return, others_least - most, others_most - least)

    def costs(self, name: str) -> bool:
        """Say whether it costs success (or return): the whole interval of the difference is below zero."""
        found = self.difference(name)
        return found is not None and found.high < 0

    @property
    def verdict(self) -> Verdict | None:
        """Tell what the scores prove; None if the memory was never wiped.

        Wiping the memory must cost success, or it was not needed. If the agent, left alone, sees the cue again in most
        episodes, and can do without what it knew before, it has not kept it either: it looks again.
        """
        intact = self.scores["intact"]
        if "wiped" not in self.scores:
            return None
        if intact.success is not None and self.chance is not None and (intact.success_low or 0.0) <= self.chance:
            return "has not solved the task"
        if self.costs("wiped"):
            again = 0 if intact.looked_again is None else intact.looked_again.episodes
            can_do_without = "wiped_after_cue" in self.scores and not self.costs("wiped_after_cue")
            return "looks again" if again > intact.episodes / 2 and can_do_without else "needs its memory"
        if self.costs("controller_wiped") or self.costs("both_wiped"):
            return "the controller's state suffices"
        return "does not use it"

    @property
    def sentence(self) -> str:
        """Say the verdict with its figures in one sentence."""
        intact, wiped = self.scores["intact"], self.scores.get("wiped")
        figures = _figure(intact, "intact") + ("" if wiped is None else f", {_figure(wiped, 'wiped')}")
        if self.chance is not None and intact.success is not None:
            figures += f", chance is {self.chance:.1%}"
        if self.verdict is None:
            return f"Its memory was left alone: {figures}."
        lead = {
            "needs its memory": "The agent needs its memory",
            "does not use it": "The agent does not use its memory",
            "the controller's state suffices": "The controller's state suffices",
            "looks again": "The agent looks again instead of remembering",
            "has not solved the task": "The agent has not solved the task",
        }[self.verdict]
        in_part = (
            self.verdict == "needs its memory"
            and self.chance is not None
            and wiped is not None
            and (wiped.success_low or 0.0) > self.chance
        )
        return f"{lead}{', in part' if in_part else ''}: {figures}.{self._looking()}"

    def _looking(self) -> str:
        """Say what an agent does whose memory is lost once, if it tends to look again then."""
        once = self.scores.get("wiped_after_cue")
        again = None if once is None else once.looked_again
        if once is None or again is None or again.success is None or again.episodes < once.episodes / 10:
            return ""
        share = again.episodes / once.episodes
        sentence = f" Wiped once, it looked again in {share:.0%} of episodes ({again.success:.0%} right)"
        rest = once.without_looking
        return f"{sentence}." if rest is None else f"{sentence}; it was right in {rest:.0%} of the others."

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each intervention that was played, all with the same columns."""
        rows = []
        for name, meaning in CERTIFICATE.items():
            score, found = self.scores.get(name), None if name == "intact" else self.difference(name)
            if score is None:
                continue
            again = score.looked_again
            rows.append(
                {
                    "done to the agent": meaning,
                    "success": score.success,
                    "low": score.success_low,
                    "high": score.success_high,
                    "difference": None if found is None else found.mean,
                    "difference low": None if found is None else found.low,
                    "difference high": None if found is None else found.high,
                    "mean return": score.mean_return,
                    "looked again": None if again is None else again.episodes / score.episodes,
                    "right without": score.without_looking,
                }
            )
        return rows

    def as_json(self) -> dict[str, Any]:
        """Return the part `certificate` of `evaluation.json`."""
        conditions = {}
        for name, score in self.scores.items():
            found = None if name == "intact" else self.difference(name)
            conditions[name] = {
                **asdict(score),
                "difference": None if found is None else found.mean,
                "difference_low": None if found is None else found.low,
                "difference_high": None if found is None else found.high,
            }
        return {"verdict": self.verdict, "sentence": self.sentence, "conditions": conditions}


def _figure(score: Score, condition: str) -> str:
    if score.success is None:
        return f"mean return {score.mean_return:.3f} {condition}"
    return f"{score.success:.1%} {condition}"


def _points(found: Difference, scale: float) -> str:
    mean, low, high = (scale * number for number in (found.mean, found.low, found.high))
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def print_certificate(certificate: Certificate, console: Console) -> None:
    """Print every intervention with what it changes."""
    table = Table(title="certificate of memory", box=SIMPLE, padding=(0, 1, 0, 0), title_justify="left")
    table.add_column("done to the agent")
    for name in ("success (95 % int.)", "difference (95 % int.)", "looked again (right; else)"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, meaning in CERTIFICATE.items():
        score = certificate.scores.get(name)
        if score is None:
            continue
        found = None if name == "intact" else certificate.difference(name)
        again = score.looked_again
        seen = "-"
        if again is not None:
            rates = ("-" if rate is None else f"{rate:.0%}" for rate in (again.success, score.without_looking))
            seen = f"{again.episodes / score.episodes:.0%} ({', '.join(rates)})"
        table.add_row(
            meaning,
            score.shown if score.success is not None else f"return {score.mean_return:.3f}",
            "" if found is None else _points(found, 1 if score.success is None else 100),
            seen,
        )
    console.print(table)
