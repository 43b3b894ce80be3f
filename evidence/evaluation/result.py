"""What an evaluation of one run found: the scores of all conditions, as they are written to its files."""

from dataclasses import asdict, dataclass, field
from typing import Any

from engram.evidence.evaluation.certificate import CERTIFICATE, STATELESS, Certificate
from engram.evidence.runs.files import Score
from engram.evidence.runs.settings import AS_TRAINED, Condition
from engram.evidence.tables import as_csv

WIPED = {"intact": "nothing", "wiped": "memory", "controller_wiped": "controller", "both_wiped": "both"}
"""What is emptied before every step; the other interventions stand in the certificate."""


@dataclass
class EvaluationResult:
    """The scores of all conditions, and what is needed to read and repeat them."""

    about: dict[str, Any]
    """What was evaluated and how; among it `env`, the names `memory` and `controller`, and `chance` (may be None)."""
    scores: dict[Condition, Score] = field(default_factory=dict)

    @property
    def certificate(self) -> Certificate:
        """What the interventions show on the task as trained, with the most likely actions."""
        played = {name: Condition(intervention=name) for name in CERTIFICATE}
        scores = {name: self.scores[condition] for name, condition in played.items() if condition in self.scores}
        has_memory, has_state = self.about["memory"] != "none", self.about["controller"] != STATELESS
        return Certificate(scores, self.about["chance"], has_memory, has_state)

    def as_json(self) -> dict[str, Any]:
        """Return the content of `evaluation.json`, see `evidence.runs.files.EvaluationFile`."""
        certificate = self.certificate.as_part().model_dump()
        content: dict[str, Any] = {"success": self.scores[Condition()].success, "verdict": certificate["sentence"]}
        content |= {**self.about, "certificate": certificate}
        for condition, score in self.scores.items():
            place = content
            if condition.setting != AS_TRAINED:
                place = place.setdefault("test_settings", {}).setdefault(condition.setting, {})
            if not condition.deterministic:
                place = place.setdefault("sampled", {})
            place[condition.intervention] = score.model_dump()
        return content

    def as_csv(self) -> str:
        """Return the content of `evaluation.csv`: one row for each condition."""
        rows = [{**asdict(condition), **score.model_dump()} for condition, score in self.scores.items()]
        return as_csv([{**row, "looked_again": (row["looked_again"] or {}).get("episodes")} for row in rows])
