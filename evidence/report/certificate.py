"""The certificate of memory in a report: a column for each agent, over its seeds, and how each run was played."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engram.configs import CannotRun
from engram.evidence.comparison.table import LEGEND
from engram.evidence.evaluation.certificate import CERTIFICATE, STATELESS, acts
from engram.evidence.runs.files import CertificateFile, Score, score_over_seeds
from engram.evidence.runs.recorded_run import RecordedRun, read_certificate, read_evaluation
from engram.evidence.statistics import Metric
from engram.evidence.tables import Rows, as_number, as_percent

LOOKED_AGAIN = "looked again after the memory was wiped once"
NOTHING = " - where it was not played, or there is nothing to do it to: no memory, or a controller without a state."
PLAYED = {
    "checkpoint": "checkpoint",
    "checkpoint_timesteps": "steps of training",
    "episodes": "episodes",
    "seed": "seed of the episodes",
}
"""How a certificate was played: key in its file, and what it is."""


class CertificateTables(NamedTuple):
    """What the certificates of some agents show."""

    scores: Rows
    notes: list[str]
    runs: Rows


def certificate_tables(
    agents: Mapping[str, Sequence[RecordedRun]],
) -> tuple[CertificateTables | None, list[str]]:
    """Show what every intervention leaves of the success, or return, what is concluded, and how it was played.

    Args:
        agents: label -> runs.

    Returns:
        the tables, None if there is no certificate at all; and what runs lack, with the command that makes it.
    """
    found: dict[RecordedRun, CertificateFile] = {}
    lacking = []
    for run in (run for group in agents.values() for run in group):
        try:
            certificate = read_certificate(run)
        except CannotRun:  # stands where the evaluation is shown
            certificate = None
        if certificate is None:
            lacking.append(f"no certificate of {run.path}: {run.evaluate_command} --certificate")
            continue
        found[run] = certificate
        if run.config["memory.name"] != "none" and "reads_shuffled" not in certificate.conditions:
            lacking.append(f"only a part of the certificate of {run.path}: {run.evaluate_command} --certificate")
    agents = {label: shown for label, group in agents.items() if (shown := [run for run in group if run in found])}
    if not agents:
        return None, lacking
    played = {(run, name): score for run in found for name in CERTIFICATE if (score := _score(run, found[run], name))}
    tells_success = any(score.success is not None for score in played.values())
    metric: Metric = "success" if tells_success else "return"
    verdicts = [_verdicts([found[run].verdict for run in group]) for group in agents.values()]
    rows: Rows = [("", *agents), ("verdict", *verdicts)]
    for name, meaning in CERTIFICATE.items():
        scores = [[played.get((run, name)) for run in group] for group in agents.values()]
        estimates = [score_over_seeds(by_run, metric) for by_run in scores]
        if any(estimates):
            rows.append((meaning, *map(as_percent if tells_success else as_number, estimates)))
    nothing = NOTHING if any("-" in row for row in rows) else ""
    notes = [f"What was done to the agent, and its {metric} then. {LEGEND}{nothing}"]
    if otherwise := ", ".join(_otherwise(agents, found)):
        notes.append(f"Not played as the scores on the test side were: {otherwise}.")
    return CertificateTables(rows, notes, _each_run(agents, found)), lacking


def _score(run: RecordedRun, found: CertificateFile, name: str) -> Score | None:
    has_memory, has_state = run.config["memory.name"] != "none", run.config["controller.name"] != STATELESS
    return found.conditions.get(name) if acts(name, has_memory, has_state) else None


def _otherwise(
    agents: Mapping[str, Sequence[RecordedRun]], found: Mapping[RecordedRun, CertificateFile]
) -> Iterator[str]:
    """Yield which certificates were not played as the scores on the test side were, and in what they differ."""
    for label, group in agents.items():
        for run in group:
            try:
                evaluation = read_evaluation(run)
            except CannotRun:
                continue
            pairs = {what: (getattr(found[run], key), getattr(evaluation, key)) for key, what in PLAYED.items()}
            differ = [f"{what} {_plain(a)}, there {_plain(b)}" for what, (a, b) in pairs.items() if a != b]
            if differ:
                yield f"{label}, seed {run.seed} ({'; '.join(differ)})"


def _each_run(agents: Mapping[str, Sequence[RecordedRun]], found: Mapping[RecordedRun, CertificateFile]) -> Rows:
    rows: Rows = [("agent", "seed", "checkpoint", "episodes", "what it shows", LOOKED_AGAIN, "measured with")]
    for label, group in agents.items():
        for run in group:
            its = found[run]
            steps = "" if its.checkpoint_timesteps is None else f" ({its.checkpoint_timesteps:,} steps)"
            again = _looked_again(_score(run, its, "wiped_after_cue"))
            how = (its.checkpoint + steps, _plain(its.episodes), its.sentence, again, its.command or "-")
            rows.append((label, str(run.seed), *how))
    tells_again = any(row[5] != "-" for row in rows[1:])
    return [row if tells_again else (*row[:5], *row[6:]) for row in rows]


def _plain(value: Any) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _verdicts(found: list[str | None]) -> str:
    counts = Counter(verdict or "its memory was left alone" for verdict in found)
    if len(found) == 1:
        return next(iter(counts))
    return "\n".join(f"{verdict} ({count} of {len(found)})" for verdict, count in counts.most_common())


def _looked_again(score: Score | None) -> str:
    again = None if score is None else score.looked_again
    if score is None or again is None:
        return "-"
    right = "" if again.success is None else f", {100 * again.success:.0f} % of them right"
    return f"{again.episodes} of {score.episodes} episodes{right}"
