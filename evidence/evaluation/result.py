"""What an evaluation found: scores with their uncertainty, a table, and one sentence."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass, field
from typing import Any

from engram.evidence.evaluation.certificate import CERTIFICATE, STATELESS, Certificate
from engram.evidence.evaluation.scores import Score
from engram.evidence.runs.settings import AS_TRAINED, Condition

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
  test_settings.SETTING.intact, test_settings.SETTING.wiped
                              other sizes and delays, not split by layout
  run, env, split, memory, controller, checkpoint, checkpoint_timesteps, episodes, seed, command, git_commit, git_dirty
                              what was evaluated, and how
  chance                      success of a player that cannot recall, as the config says; null if unknown
  layouts_trained_on, layouts_tested, layouts_in_both
                              distinct layouts of the training, of this evaluation as trained, and common to both;
                              null if the run has not recorded those of its training
  test_settings_layouts_in_both.SETTING
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
                place = place.setdefault("test_settings", {}).setdefault(condition.setting, {})
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
