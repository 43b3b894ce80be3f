"""The certificate of memory in a report: a column for each agent, over its seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from configs import CannotRun
from evidence.certificate import CERTIFICATE
from evidence.comparison_table import LEGEND, Rows, as_percent
from evidence.estimate import estimate_of
from evidence.recorded_run import RecordedRun, read_certificate
from evidence.report_html import TaskRuns, folded, missing, note, table


def certificate_part(runs: TaskRuns) -> str:
    """Show what every intervention leaves of the success, and what is concluded from it."""
    certificates: dict[RecordedRun, Mapping[str, Any]] = {}
    lacking = []
    for run in (run for group in runs.agents.values() for run in group):
        try:
            found = read_certificate(run)
        except CannotRun:  # said where the evaluation is shown
            found = None
        if found is not None:
            certificates[run] = found
            if run.config["memory.name"] != "none" and "reads_shuffled" not in found["conditions"]:
                lacking.append(f"only a part of the certificate of {run.path}: {run.evaluate_command} --certificate")
        else:
            lacking.append(f"no certificate of {run.path}: {run.evaluate_command} --certificate")
    if not certificates:
        return missing(lacking)
    grouped = {
        label: [certificates[run] for run in group if run in certificates] for label, group in runs.agents.items()
    }
    grouped = {label: found for label, found in grouped.items() if found}
    rows: Rows = [
        ("", *grouped),
        ("verdict", *(_verdicts([c.get("verdict") for c in found]) for found in grouped.values())),
    ]
    for name, meaning in CERTIFICATE.items():
        estimates = [estimate_of([c["conditions"].get(name) for c in found], "success") for found in grouped.values()]
        if any(estimates):
            rows.append((meaning, *map(as_percent, estimates)))
    sentences: Rows = [("agent", "seed", "what it shows", "looked again after the memory was wiped once")]
    for label, group in runs.agents.items():
        for run in group:
            if found_of_run := certificates.get(run):
                again = _looked_again(found_of_run["conditions"].get("wiped_after_cue") or {})
                sentences.append((label, str(run.seed), str(found_of_run.get("sentence", "-")), again))
    return "\n".join(
        [
            table(rows),
            note("What was done to the agent, and its success then. " + LEGEND),
            missing(lacking),
            folded("each run", table(sentences, words=True)),
        ]
    )


def _verdicts(found: list[str | None]) -> str:
    counts = Counter(verdict or "no success is told" for verdict in found)
    if len(counts) == 1 and len(found) == 1:
        return next(iter(counts))
    return "\n".join(f"{verdict} ({count} of {len(found)})" for verdict, count in counts.most_common())


def _looked_again(score: Mapping[str, Any]) -> str:
    again = score.get("looked_again")
    if not isinstance(again, dict):
        return "-"
    right = "" if again.get("success") is None else f", {100 * again['success']:.0f} % of them right"
    return f"{again['episodes']} of {score['episodes']} episodes{right}"
