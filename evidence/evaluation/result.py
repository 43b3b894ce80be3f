"""What an evaluation found: scores with their uncertainty, a table, and one sentence."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from engram.evidence.evaluation.certificate import CERTIFICATE, STATELESS, Certificate, acts
from engram.evidence.evaluation.scores import Score

AS_TRAINED = "as trained"
FEW_LAYOUTS = 20
WIPED = {"intact": "nothing", "wiped": "memory", "controller_wiped": "controller", "both_wiped": "both"}
"""What is emptied before every step; the other interventions stand in the certificate."""
JSON_KEYS = """
keys of evaluation.json:
  success                     success rate on test-side layouts, memory intact, most likely actions (the headline)
  verdict                     one sentence: was the memory needed?
  intact, wiped, controller_wiped, both_wiped
                              score on test-side layouts with nothing, the memory, the controller's state or both
                              emptied before every step; the most likely actions are taken
  sampled.intact, sampled.wiped
                              the same with sampled actions
  certificate                 its verdict, its sentence, and the score under each intervention that was played and
                              has something to act on, with the difference to the agent left alone and its 95 %
                              interval (Newcombe); after --certificate also in certificate.json, which stays
                              when the run is evaluated anew without it
  harder.SETTING.intact, harder.SETTING.wiped
                              other sizes and delays, not split by layout
  run, env, split, memory, controller, checkpoint, checkpoint_timesteps, episodes, seed, command, git_commit, git_dirty
                              what was evaluated, and how
  chance                      success of a player that cannot recall, as the config says; null if unknown
  layouts_trained_on, layouts_tested, layouts_in_both
                              distinct layouts of the training, of this evaluation as trained, and common to both;
                              null if the run has not recorded those of its training
  harder_layouts_in_both.SETTING
                              layouts of another size or delay that had been trained on; null as above
keys of a score:
  success, success_low, success_high
                              success rate and its 95 % Wilson interval; null if the env tells no success
  mean_return, return_low, return_high
                              mean return and its 95 % bootstrap interval
  mean_length, episodes, distinct_layouts
  fewest_per_layout, most_per_layout
                              episodes of the layout that was played least and most often; null without layouts
  looked_again                episodes in which the cue came into sight again, and the success rate among them
  applied                     episodes in which the intervention was done (one may wait in vain for the cue to be lost)
"""


@dataclass(frozen=True)
class Condition:
    """Under which circumstances episodes are played."""

    setting: str = AS_TRAINED
    intervention: str = "intact"
    deterministic: bool = True


@dataclass
class EvaluationResult:
    """The scores of all conditions, and what is needed to read and repeat them."""

    about: dict[str, Any]
    """What was evaluated and how; among it `env`, the names `memory` and `controller`, and `chance` (may be None)."""
    scores: dict[Condition, Score] = field(default_factory=dict)

    @property
    def certificate(self) -> Certificate:
        """What the interventions show on the task as trained, with the most likely actions."""
        scores = {name: self.scores[Condition(intervention=name)] for name in CERTIFICATE if self.has(name)}
        has_memory, has_state = self.about["memory"] != "none", self.about["controller"] != STATELESS
        return Certificate(scores, self.about["chance"], has_memory, has_state)

    def has(self, intervention: str) -> bool:
        """Say whether an intervention was played on the task as trained."""
        return Condition(intervention=intervention) in self.scores

    def as_json(self) -> dict[str, Any]:
        """Return the content of `evaluation.json`; `python evaluate.py --help` lists its keys."""
        content: dict[str, Any] = {
            "success": self.scores[Condition()].success,
            "verdict": self.certificate.sentence,
            **self.about,
            "certificate": self.certificate.as_json(),
        }
        for condition, result in self.scores.items():
            place = content
            if condition.setting != AS_TRAINED:
                place = place.setdefault("harder", {}).setdefault(condition.setting, {})
            if not condition.deterministic:
                place = place.setdefault("sampled", {})
            place[condition.intervention] = asdict(result)
        return content

    def as_csv(self) -> str:
        """Return the content of `evaluation.csv`: one row for each condition."""
        rows = []
        for condition, result in self.scores.items():
            again = result.looked_again
            row = {**asdict(condition), **asdict(result), "looked_again": None if again is None else again.episodes}
            rows.append(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()


def print_report(report: EvaluationResult, console: Console) -> None:
    """Print the scores as a table, and the verdict."""
    certificate, tells_success = report.certificate, any(score.success is not None for score in report.scores.values())
    table = Table(title=report.about["env"], box=SIMPLE, padding=(0, 1, 0, 0), title_justify="left")
    for name in ("setting", "wiped", "actions"):
        table.add_column(name, no_wrap=True)
    for name in (*(("success (95 % int.)", "return") if tells_success else ("return (95 % int.)",)), "length"):
        table.add_column(name, justify="right", no_wrap=True)
    before = AS_TRAINED
    for condition, result in report.scores.items():
        name = condition.intervention
        if name not in WIPED or not acts(name, certificate.has_memory, certificate.has_state):
            continue
        if condition.setting != before:
            table.add_section()
        table.add_row(
            condition.setting if condition.setting != before or not table.row_count else "",
            WIPED[name],
            "greedy" if condition.deterministic else "sampled",
            *((result.shown, f"{result.mean_return:.3f}") if tells_success else (result.shown_return,)),
            f"{result.mean_length:.1f}",
        )
        before = condition.setting
    console.print(table)
    console.print(certificate.sentence, highlight=False, soft_wrap=True)
    if said := _layouts(report.scores[Condition()]):
        console.print(said, highlight=False, soft_wrap=True)


def _layouts(score: Score) -> str:
    """Say how often few layouts were played; only where they had to be played again are they all that there are."""
    layouts, fewest, most = score.distinct_layouts, score.fewest_per_layout, score.most_per_layout
    if not 0 < layouts < FEW_LAYOUTS or fewest is None or most is None:
        return ""
    often = f"{fewest if fewest == most else f'{fewest} to {most}'} {'episode' if most == 1 else 'episodes'}"
    each = often if layouts == 1 else f"each in {often}"
    return f"Distinct layouts met: {layouts}, {each}" + (
        "; the intervals are of chance in the play, not over mazes." if most > 1 else "."
    )
