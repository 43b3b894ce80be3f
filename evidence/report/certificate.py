"""The certificate of memory in a report: a column for each agent, over its seeds, and how each run was played."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from engram.configs import CannotRun
from engram.evidence.comparison.table import LEGEND
from engram.evidence.evaluation.certificate import CERTIFICATE
from engram.evidence.report.blocks import Block, TaskRuns, each_run
from engram.evidence.runs.files import CertificateFile, Score, score_over_seeds
from engram.evidence.runs.recorded_run import RecordedRun, read_certificate, read_evaluation
from engram.evidence.statistics import Metric
from engram.evidence.tables import Rows, as_number, as_percent

LOOKED_AGAIN = "looked again after the memory was wiped once"
NOTHING = " - where it was not played, or there is nothing to do it to: no memory, or a controller without a state."
PLAYED = {
    "checkpoint": "checkpoint",
    "checkpoint_timesteps": "steps of training",
    "episodes_played": "episodes",
    "seed": "seed of the episodes",
}
"""How a certificate was played: key of its file, and what it is."""


def certificate_section(runs: TaskRuns) -> list[Block]:
    """Show what every intervention leaves of the success, or return, what is concluded, and how it was played."""
    found, lacking = runs.read(read_certificate)
    if not found:
        return [Block("missing", lacking)]
    every = [(label, run, its) for label, group in found.items() for run, its in group.items()]
    for _, run, its in every:
        if run.config["memory.name"] != "none" and "reads_shuffled" not in its.conditions:
            lacking.append(f"only a part of the certificate of {run.path}: {run.evaluate_command} --certificate")
    by_success = any(score.success is not None for _, _, its in every for score in its.conditions.values())
    metric: Metric = "success" if by_success else "return"
    verdicts = [_verdicts([its.verdict for its in group.values()]) for group in found.values()]
    rows: Rows = [("", *found), ("verdict", *verdicts)]
    for name, meaning in CERTIFICATE.items():
        scores = [[its.conditions.get(name) for its in group.values()] for group in found.values()]
        estimates = [score_over_seeds(by_run, metric) for by_run in scores]
        if any(estimates):
            rows.append((meaning, *map(as_percent if by_success else as_number, estimates)))
    nothing = NOTHING if any("-" in row for row in rows) else ""
    notes = [f"What was done to the agent, and its {metric} then. {LEGEND}{nothing}"]
    differ = [f"{label}, seed {run.seed} ({how})" for label, run, its in every if (how := _otherwise(run, its))]
    if differ:
        notes.append(f"Not played as the scores on the test side were: {', '.join(differ)}.")
    again = {run: shown for _, run, its in every if (shown := _looked_again(its.conditions.get("wiped_after_cue")))}

    def cells(run: RecordedRun, its: CertificateFile) -> list[str]:
        steps = "" if its.checkpoint_timesteps is None else f" ({its.checkpoint_timesteps:,} steps)"
        shown = [again.get(run, "-")] if again else []
        return [its.checkpoint + steps, _plain(its.episodes_played), its.sentence, *shown, its.command or "-"]

    headings = ["checkpoint", "episodes", "what it shows", *([LOOKED_AGAIN] if again else []), "measured with"]
    blocks = [Block("table", rows), *(Block("note", line) for line in notes), Block("missing", lacking)]
    return [*blocks, each_run(found, headings, cells)]


def _otherwise(run: RecordedRun, found: CertificateFile) -> str:
    """Return in what a certificate was not played as the scores on the test side were, if these are known."""
    try:
        evaluation = read_evaluation(run)
    except CannotRun:
        return ""
    pairs = {what: (getattr(found, key), getattr(evaluation, key)) for key, what in PLAYED.items()}
    return "; ".join(f"{what} {_plain(a)}, there {_plain(b)}" for what, (a, b) in pairs.items() if a != b)


def _plain(value: Any) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _verdicts(found: Sequence[str | None]) -> str:
    counts = Counter(verdict or "its memory was left alone" for verdict in found)
    if len(found) == 1:
        return next(iter(counts))
    return "\n".join(f"{verdict} ({count} of {len(found)})" for verdict, count in counts.most_common())


def _looked_again(score: Score | None) -> str:
    again = None if score is None else score.looked_again
    if score is None or again is None:
        return ""
    right = "" if again.success is None else f", {100 * again.success:.0f} % of them right"
    return f"{again.episodes} of {score.episodes} episodes{right}"
