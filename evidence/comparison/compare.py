"""Compares evaluated agents: their scores over seeds, and how probably a run of one is better than one of a control."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from engram.configs import CannotRun
from engram.evidence.runs.caveats import caveats
from engram.evidence.runs.files import Conditions, EvaluationFile, score_over_seeds
from engram.evidence.runs.groups import agents, tasks
from engram.evidence.runs.recorded_run import RecordedRun, read_evaluation
from engram.evidence.runs.settings import AS_TRAINED
from engram.evidence.statistics import LEAST_SEEDS, Estimate, Metric, probability_of_improvement


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
    """The scores of one agent, trained with one or more seeds."""

    label: str
    is_control: bool
    """It has no memory beside its controller."""
    seeds: tuple[int, ...]
    runs: tuple[str, ...]
    """Run folders, in the order of the seeds."""
    settings: Mapping[str, SettingScores]
    """By the label of the setting; first the task as trained."""
    better_than: Mapping[str, Estimate]
    """Label of a control -> probability that a run of this agent scores higher; needs five runs of each."""


@dataclass(frozen=True)
class Comparison:
    """Agents that were trained on the same task, side by side."""

    task: str
    chance: float | None
    """Success of a player that cannot recall, if known."""
    metric: Metric
    """What decides which run is better: success where the env tells it."""
    settings: tuple[str, ...]
    agents: tuple[AgentResult, ...]
    caveats: tuple[str, ...]
    """What a reader has to know, one sentence each."""


def compare(runs: Sequence[RecordedRun]) -> Comparison:
    """Compare evaluated runs; those of the same configuration up to the seed are seeds of one agent.

    Raises:
        CannotRun: if a run was not evaluated, or runs were trained on different tasks.
    """
    task = only_task(runs)
    evaluations = {run: read_evaluation(run) for run in runs}
    tells_success = all(evaluation.intact.success is not None for evaluation in evaluations.values())
    metric: Metric = "success" if tells_success else "return"
    labels = (
        AS_TRAINED,
        *dict.fromkeys(label for evaluation in evaluations.values() for label in evaluation.test_settings),
    )
    grouped = agents(runs)
    scores = {
        label: {setting: _scores([evaluations[run] for run in group], setting) for setting in labels}
        for label, group in grouped.items()
    }
    controls = [label for label, group in grouped.items() if group[0].config["memory.name"] == "none"]
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
    chance = next((found.chance for found in evaluations.values() if found.chance is not None), None)
    return Comparison(task, chance, metric, labels, results, caveats(grouped, evaluations))


def only_task(runs: Sequence[RecordedRun]) -> str:
    """Return the name of the task that all runs were trained on.

    Raises:
        CannotRun: if there are several; it names two runs.
    """
    found = list(tasks(runs).items())
    if len(found) > 1:
        (one, ours), (other, theirs) = found[:2]
        raise CannotRun(
            f"runs of different tasks cannot be compared: {ours[0].path} was trained on {one}, "
            f"{theirs[0].path} on {other}"
        )
    return found[0][0]


def _scores(evaluations: Sequence[EvaluationFile], setting: str) -> SettingScores:
    """Sum up the runs of an agent in one setting; those that have not played it are left out."""
    places: list[Conditions] = []
    for evaluation in evaluations:
        if setting == AS_TRAINED or setting in evaluation.test_settings:
            places.append(evaluation if setting == AS_TRAINED else evaluation.test_settings[setting])
    has_memory = any(evaluation.memory != "none" for evaluation in evaluations)
    intact, wiped = [place.intact for place in places], [place.wiped if has_memory else None for place in places]
    sampled = [place.sampled.intact for place in places if isinstance(place, EvaluationFile) and place.sampled]
    return SettingScores(
        success=score_over_seeds(intact, "success"),
        mean_return=score_over_seeds(intact, "return"),
        sampled=score_over_seeds(sampled, "success"),
        wiped=score_over_seeds(wiped, "success"),
        wiped_return=score_over_seeds(wiped, "return"),
    )


def _improvements(
    label: str, controls: Sequence[str], scores: Mapping[str, Mapping[str, SettingScores]], metric: Metric
) -> Iterator[tuple[str, Estimate]]:
    ours = _by_run(scores[label][AS_TRAINED], metric)
    for control in controls:
        theirs = _by_run(scores[control][AS_TRAINED], metric)
        if control != label and min(len(ours), len(theirs)) >= LEAST_SEEDS:
            yield control, Estimate(*probability_of_improvement(ours, theirs), by_run=(), over="seeds")


def _by_run(scores: SettingScores, metric: Metric) -> tuple[float, ...]:
    found = scores.success if metric == "success" else scores.mean_return
    return found.by_run if found is not None else ()
