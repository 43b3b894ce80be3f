"""What an evaluation found: scores with their uncertainty, a table, and one sentence."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from agents.evaluation import Episodes, Intervention, wilson_interval

AS_TRAINED = "as trained"
JSON_KEYS = """
keys of evaluation.json:
  success                     success rate on test-side layouts, memory intact, most likely actions (the headline)
  verdict                     one sentence: was the memory needed?
  intact, wiped, controller_wiped, both_wiped
                              score on test-side layouts with nothing, the memory, the controller's state or both
                              emptied before every step; the most likely actions are taken
  sampled.intact, sampled.wiped
                              the same with sampled actions
  harder.SETTING.intact, harder.SETTING.wiped
                              other sizes and delays, all of whose layouts are unseen
  run, env, split, memory, controller, checkpoint, checkpoint_timesteps, episodes, seed, command, git_commit, git_dirty
                              what was evaluated, and how
  chance                      success of a player that cannot recall, as the config says; null if unknown
  layouts_trained_on, layouts_tested, layouts_in_both
                              distinct layouts of the training, of this evaluation as trained, and common to both;
                              null if the run has not recorded those of its training
keys of a score:
  success, success_low, success_high
                              success rate and its 95 % Wilson interval; null if the env tells no success
  mean_return, mean_length, episodes, distinct_layouts
"""


@dataclass(frozen=True)
class Condition:
    """Under which circumstances episodes are played."""

    setting: str = AS_TRAINED
    intervention: Intervention = "intact"
    deterministic: bool = True


@dataclass(frozen=True)
class Score:
    """What the episodes of one condition amount to."""

    episodes: int
    success: float | None
    """Success rate in [0, 1]; None if the env does not tell success."""
    success_low: float | None
    """Ends of its 95 % Wilson interval."""
    success_high: float | None
    mean_return: float
    mean_length: float
    distinct_layouts: int


@dataclass
class Report:
    """The scores of all conditions, and what is needed to read and repeat them."""

    about: dict[str, Any]
    """What was evaluated and how; among it `env`, the name of the `memory`, and `chance` (may be None)."""
    scores: dict[Condition, Score] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the content of `evaluation.json`; `python evaluate.py --help` lists its keys."""
        content: dict[str, Any] = {
            "success": self.scores[Condition()].success,
            "verdict": verdict(self),
            **self.about,
        }
        for condition, result in self.scores.items():
            place = content
            if condition.setting != AS_TRAINED:
                place = place.setdefault("harder", {}).setdefault(condition.setting, {})
            if not condition.deterministic:
                place = place.setdefault("sampled", {})
            place[condition.intervention] = asdict(result)
        return content


def score(played: Episodes, knows_success: bool) -> Score:
    """Sum up episodes.

    Args:
        played: finished episodes.
        knows_success: whether the env tells success at all.
    """
    n, successes = len(played.success), int(played.success.sum())
    low, high = wilson_interval(successes, n)
    return Score(
        episodes=n,
        success=successes / n if knows_success else None,
        success_low=low if knows_success else None,
        success_high=high if knows_success else None,
        mean_return=float(played.episode_return.mean()),
        mean_length=float(played.length.mean()),
        distinct_layouts=len(set(played.layout) - {""}),
    )


def verdict(report: Report) -> str:
    """Say in one sentence whether the memory was needed.

    It was if the intervals with and without it are apart; only in part if the agent beats chance with it wiped, too.
    """
    intact, wiped = report.scores[Condition()], report.scores[Condition(intervention="wiped")]
    if intact.success is None or wiped.success is None:
        return f"This env tells no success: mean return {intact.mean_return:.3f} intact, {wiped.mean_return:.3f} wiped."
    if report.about["memory"] == "none":
        return f"Without a memory beside the controller: {intact.success:.1%}."
    figures = f"{intact.success:.1%} intact, {wiped.success:.1%} wiped"
    chance = report.about["chance"]
    if chance is not None:
        figures += f", chance is {chance:.1%}"
    if (intact.success_low or 0.0) <= (wiped.success_high or 0.0):
        return f"The memory was not shown to be needed: {figures}."
    if chance is not None and (wiped.success_low or 0.0) > chance:
        return f"The memory was needed in part: {figures}."
    return f"The memory was needed: {figures}."


def print_report(report: Report, console: Console) -> None:
    """Print the scores as a table, and the verdict."""
    table = Table(title=report.about["env"], box=SIMPLE, padding=(0, 1, 0, 0), title_justify="left")
    for name in ("setting", "wiped", "actions"):
        table.add_column(name, no_wrap=True)
    for name in ("success (95 % int.)", "return", "length"):
        table.add_column(name, justify="right", no_wrap=True)
    before = AS_TRAINED
    for condition, result in report.scores.items():
        if condition.setting != before:
            table.add_section()
        success = "-"
        if result.success is not None:
            low, high = 100 * (result.success_low or 0.0), 100 * (result.success_high or 0.0)
            success = f"{result.success:.1%} ({low:.1f}-{high:.1f})"
        table.add_row(
            condition.setting if condition.setting != before or not table.row_count else "",
            {"intact": "nothing", "wiped": "memory", "controller_wiped": "controller"}.get(
                condition.intervention, "both"
            ),
            "greedy" if condition.deterministic else "sampled",
            success,
            f"{result.mean_return:.3f}",
            f"{result.mean_length:.1f}",
        )
        before = condition.setting
    console.print(table)
    console.print(verdict(report), highlight=False, soft_wrap=True)
