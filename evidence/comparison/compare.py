"""Compares evaluated agents: success over seeds with its interval, and how probably one is better than a control."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engram.configs import CannotRun
from engram.evidence.runs.caveats import caveats
from engram.evidence.runs.groups import agents, tasks
from engram.evidence.runs.recorded_run import RecordedRun, read_evaluation, read_run
from engram.evidence.runs.settings import AS_TRAINED
from engram.evidence.statistics import Estimate, Metric, aggregate_over_seeds, probability_of_improvement


@dataclass(frozen=True)
class SettingScores:
    """The scores of one agent in one setting, on the test side; None where they were not measured or mean nothing."""

    success: Estimate | None
    """Greedy actions, nothing wiped."""
    mean_return: Estimate | None
    sampled: Estimate | None
    """Success with sampled actions."""
    wiped: Estimate | None
    """Success with the memory wiped before every step; None for an agent that has none."""
    wiped_return: Estimate | None


@dataclass(frozen=True)
class AgentResult:
    """What one agent, trained with one or more seeds, amounts to."""

    label: str
    is_control: bool
    """It has no memory beside its controller."""
    seeds: tuple[int, ...]
    runs: tuple[str, ...]
    """Run folders, in the order of the seeds."""
    settings: Mapping[str, SettingScores]
    """By the label of the setting; first the task as trained."""
    better_than: Mapping[str, Estimate]
    """Label of a control -> probability that a run of this agent scores higher; needs two runs of each."""


@dataclass(frozen=True)
class Comparison:
    """Agents that were trained on the same task, side by side."""

    task: str
    chance: float | None
    """Success of a player that cannot recall, if known."""
    metric: Metric
    """What decides which run is better."""
    settings: tuple[str, ...]
    agents: tuple[AgentResult, ...]
    caveats: tuple[str, ...]
    """What a reader has to know, one sentence each."""


def compare(
    folders: Sequence[Path], *, metric: Metric | None = None, settings: Sequence[str] | None = None
) -> Comparison:
    """Compare evaluated runs; those of the same configuration up to the seed are seeds of one agent.

    Over seeds, a score is the interquartile mean and its interval that of a stratified bootstrap; the success of a
    single run has its Wilson interval, and its return a bootstrap interval over its episodes.

    Args:
        folders: run folders.
        metric: what decides which run is better; None takes success where the env tells it.
        settings: labels of the test settings to show; None shows all that were played.

    Raises:
        CannotRun: if a folder is no evaluated run, lacks what was asked for, or was trained on another task.
    """
    return compare_runs([read_run(folder) for folder in folders], metric=metric, settings=settings)


def compare_runs(
    runs: Sequence[RecordedRun], *, metric: Metric | None = None, settings: Sequence[str] | None = None
) -> Comparison:
    """Compare runs whose configurations have been read; see `compare`."""
    task = only_task(runs)
    evaluations = {run: read_evaluation(run) for run in runs}
    tells_success = all(evaluation["intact"]["success"] is not None for evaluation in evaluations.values())
    if metric == "success" and not tells_success:
        silent = next(run for run, evaluation in evaluations.items() if evaluation["intact"]["success"] is None)
        raise CannotRun(f"{silent.path}: its env tells no success; compare by return")
    metric = metric or ("success" if tells_success else "return")
    labels = _settings(evaluations, settings)
    grouped = agents(runs)
    scores = {
        label: {name: _scores([evaluations[run] for run in group], name) for name in labels}
        for label, group in grouped.items()
    }
    controls = [label for label, group in grouped.items() if _is_control(group[0])]
    results = tuple(
        AgentResult(
            label=label,
            is_control=label in controls,
            seeds=tuple(run.seed for run in group),
            runs=tuple(str(run.path) for run in group),
            settings=scores[label],
            better_than=dict(_improvements(label, controls, scores, metric)),
        )
        for label, group in grouped.items()
    )
    chance = next((e["chance"] for e in evaluations.values() if e["chance"] is not None), None)
    return Comparison(task, chance, metric, labels, results, caveats(grouped, evaluations))


def only_task(runs: Sequence[RecordedRun]) -> str:
    """Return the name of the task that all runs were trained on.

    Raises:
        CannotRun: if there are several; it names two runs.
    """
    if not runs:
        raise CannotRun("there is nothing to compare; name run folders, such as runs/*/seed*")
    found = list(tasks(runs).items())
    if len(found) > 1:
        (one, ours), (other, theirs) = found[:2]
        raise CannotRun(
            f"runs of different tasks cannot be compared: {ours[0].path} was trained on {one}, "
            f"{theirs[0].path} on {other}"
        )
    return found[0][0]


def _settings(evaluations: Mapping[RecordedRun, Mapping[str, Any]], asked: Sequence[str] | None) -> tuple[str, ...]:
    played = {run: evaluation.get("test_settings") or {} for run, evaluation in evaluations.items()}
    if asked is None:
        return (AS_TRAINED, *dict.fromkeys(label for others in played.values() for label in others))
    for label in asked:
        for run, others in played.items():
            if label != AS_TRAINED and label not in others:
                had = f"it has {', '.join(others)}" if others else "it has none"
                raise CannotRun(
                    f"{run.path}: the setting '{label}' was not played ({had}); {run.evaluate_command} plays those of "
                    "its config, and --delays or --sizes others"
                )
    return tuple(dict.fromkeys([AS_TRAINED, *asked]))


def _scores(evaluations: Sequence[Mapping[str, Any]], setting: str) -> SettingScores:
    """Sum up the runs of an agent in one setting; those that have not played it are left out."""
    places = [e if setting == AS_TRAINED else (e.get("test_settings") or {}).get(setting) or {} for e in evaluations]
    has_memory = any(evaluation["memory"] != "none" for evaluation in evaluations)
    intact, sampled = [p.get("intact") for p in places], [(p.get("sampled") or {}).get("intact") for p in places]
    wiped = [place.get("wiped") if has_memory else None for place in places]
    return SettingScores(
        success=aggregate_over_seeds(intact, "success"),
        mean_return=aggregate_over_seeds(intact, "return"),
        sampled=aggregate_over_seeds(sampled, "success"),
        wiped=aggregate_over_seeds(wiped, "success"),
        wiped_return=aggregate_over_seeds(wiped, "return"),
    )


def _improvements(
    label: str, controls: Sequence[str], scores: Mapping[str, Mapping[str, SettingScores]], metric: Metric
) -> Iterator[tuple[str, Estimate]]:
    ours = _by_run(scores[label][AS_TRAINED], metric)
    for control in controls:
        theirs = _by_run(scores[control][AS_TRAINED], metric)
        if control != label and min(len(ours), len(theirs)) > 1:  # one run says nothing of the next
            found = probability_of_improvement([[value] for value in ours], [[value] for value in theirs])
            yield control, Estimate(*found, by_run=())


def _by_run(scores: SettingScores, metric: Metric) -> tuple[float, ...]:
    found = scores.success if metric == "success" else scores.mean_return
    return found.by_run if found is not None else ()


def _is_control(run: RecordedRun) -> bool:
    return bool(run.config["memory.name"] == "none")
