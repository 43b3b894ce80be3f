"""The certificate of memory in a report: a column for each agent, over its seeds, and how each run was played."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from engram.configs import CannotRun
from engram.evidence.comparison.table import LEGEND
from engram.evidence.evaluation.certificate import CERTIFICATE, STATELESS, acts
from engram.evidence.report.html import TaskRuns, folded, missing, note, table
from engram.evidence.runs.recorded_run import RecordedRun, read_certificate, read_evaluation
from engram.evidence.statistics import Metric, aggregate_over_seeds
from engram.evidence.tables import Rows, as_number, as_percent

LEGEND_OF_RETURNS = (
    "Test side. Over seeds: interquartile mean and 95 % interval of a stratified bootstrap; of a single run: mean and "
    "95 % bootstrap interval."
)
LOOKED_AGAIN = "looked again after the memory was wiped once"
NOTHING = " - where it was not played, or there is nothing to do it to: no memory, or a controller without a state."
PLAYED = {
    "checkpoint": "checkpoint",
    "checkpoint_timesteps": "steps of training",
    "episodes": "episodes",
    "seed": "seed of the episodes",
}
"""How a certificate was played: key in its file, and what it is."""


def certificate_part(runs: TaskRuns) -> str:
    """Show what every intervention leaves of the success, or return, what is concluded, and how it was played."""
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
    agents = {label: [run for run in group if run in certificates] for label, group in runs.agents.items()}
    agents = {label: group for label, group in agents.items() if group}
    scores = {
        name: [[_score(certificates[r], name, r) for r in group] for group in agents.values()] for name in CERTIFICATE
    }
    tells_success = any(aggregate_over_seeds(by_run, "success") for by_agent in scores.values() for by_run in by_agent)
    metric: Metric = "success" if tells_success else "return"
    rows: Rows = [
        ("", *agents),
        ("verdict", *(_verdicts([certificates[run].get("verdict") for run in group]) for group in agents.values())),
    ]
    for name, meaning in CERTIFICATE.items():
        estimates = [aggregate_over_seeds(by_run, metric) for by_run in scores[name]]
        if any(estimates):
            rows.append((meaning, *map(as_percent if tells_success else as_number, estimates)))
    about = {run: _about(run, found) for run, found in certificates.items()}
    legend, nothing = LEGEND if tells_success else LEGEND_OF_RETURNS, NOTHING if any("-" in row for row in rows) else ""
    return "\n".join(
        [
            table(rows),
            note(f"What was done to the agent, and its {metric} then. {legend}{nothing}"),
            _otherwise(agents, about),
            missing(lacking),
            folded("each run", table(_each_run(agents, certificates, about), words=True)),
        ]
    )


def _score(found: Mapping[str, Any], name: str, run: RecordedRun) -> Mapping[str, Any] | None:
    has_memory, has_state = run.config["memory.name"] != "none", run.config["controller.name"] != STATELESS
    return found["conditions"].get(name) if acts(name, has_memory, has_state) else None


def _about(run: RecordedRun, found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how a certificate was played: its own file says it, or the evaluation that it is a part of."""
    return found if "checkpoint" in found else _evaluation(run)


def _evaluation(run: RecordedRun) -> Mapping[str, Any]:
    try:
        return read_evaluation(run)
    except CannotRun:
        return {}


def _otherwise(agents: Mapping[str, Sequence[RecordedRun]], about: Mapping[RecordedRun, Mapping[str, Any]]) -> str:
    """Say which certificates were not played as the scores on the test side were, and in what they differ."""
    otherwise = []
    for label, group in agents.items():
        for run in group:
            evaluation = _evaluation(run)
            differ = [
                f"{what} {_plain(about[run][key])}, there {_plain(evaluation[key])}"
                for key, what in PLAYED.items()
                if key in about[run] and key in evaluation and about[run][key] != evaluation[key]
            ]
            if differ:
                otherwise.append(f"{label}, seed {run.seed} ({'; '.join(differ)})")
    return note(f"Not played as the scores on the test side were: {', '.join(otherwise)}.") if otherwise else ""


def _each_run(
    agents: Mapping[str, Sequence[RecordedRun]],
    certificates: Mapping[RecordedRun, Mapping[str, Any]],
    about: Mapping[RecordedRun, Mapping[str, Any]],
) -> Rows:
    rows: Rows = [("agent", "seed", "checkpoint", "episodes", "what it shows", LOOKED_AGAIN, "measured with")]
    for label, group in agents.items():
        for run in group:
            found, how = certificates[run], about[run]
            steps = f" ({_plain(how['checkpoint_timesteps'])} steps)" if "checkpoint_timesteps" in how else ""
            rows.append(
                (
                    label,
                    str(run.seed),
                    _plain(how.get("checkpoint")) + steps,
                    _plain(how.get("episodes")),
                    str(found.get("sentence", "-")),
                    _looked_again(_score(found, "wiped_after_cue", run) or {}),
                    _plain(how.get("command")),
                )
            )
    told = any(row[5] != "-" for row in rows[1:])
    return [row if told else (*row[:5], *row[6:]) for row in rows]


def _plain(value: Any) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _verdicts(found: list[str | None]) -> str:
    counts = Counter(verdict or "its memory was left alone" for verdict in found)
    if len(counts) == 1 and len(found) == 1:
        return next(iter(counts))
    return "\n".join(f"{verdict} ({count} of {len(found)})" for verdict, count in counts.most_common())


def _looked_again(score: Mapping[str, Any]) -> str:
    again = score.get("looked_again")
    if not isinstance(again, dict):
        return "-"
    right = "" if again.get("success") is None else f", {100 * again['success']:.0f} % of them right"
    return f"{again['episodes']} of {score['episodes']} episodes{right}"
