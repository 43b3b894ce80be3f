"""Compares evaluated agents: their scores over seeds, and how probably a run of one is better than one of a control."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engram.configs import CannotRun
from engram.evidence.runs.caveats import caveats
from engram.evidence.runs.files import EvaluationFile, Score, score_over_seeds
from engram.evidence.runs.groups import agents, read_each, tasks
from engram.evidence.runs.recorded_run import RecordedRun, read_evaluation
from engram.evidence.runs.settings import AS_TRAINED
from engram.evidence.statistics import LEAST_SEEDS, Estimate, Metric, probability_of_improvement

Scores = Mapping[str, Estimate | None]
"""Of one agent in one setting: `success` and `mean_return` (memory intact, most likely actions), `sampled` (success
with sampled actions), `wiped` and `wiped_return` (memory wiped before every step); None where it was not measured."""


@dataclass(frozen=True)
class AgentResult:
    """The scores of one agent, trained with one or more seeds."""

    label: str
    is_control: bool
    """It has no memory beside its controller."""
    seeds: tuple[int, ...]
    runs: tuple[str, ...]
    """Run folders, in the order of the seeds."""
    settings: Mapping[str, Scores]
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
    left_out: tuple[str, ...]
    """Runs that are not compared, and why."""


def compare(runs: Sequence[RecordedRun]) -> Comparison:
    """Compare evaluated runs; those of the same configuration up to the seed are seeds of one agent.

    Raises:
        CannotRun: if no run was evaluated, or runs were trained on different tasks.
    """
    task = only_task(runs)
    read, left_out = read_each(agents(runs), read_evaluation)
    if not read:
        raise CannotRun(left_out[0])
    every = [found for group in read.values() for found in group.values()]
    metric: Metric = "success" if all(found.intact.success is not None for found in every) else "return"
    labels = tuple(dict.fromkeys([AS_TRAINED, *(label for found in every for label in found.test_settings)]))
    scores = {
        label: {setting: _scores(list(group.values()), setting) for setting in labels} for label, group in read.items()
    }
    rates = {label: _by_run(of_agent[AS_TRAINED], metric) for label, of_agent in scores.items()}
    known = {label for label, found in rates.items() if len(found) >= LEAST_SEEDS}
    controls = [label for label, (run, *_) in read.items() if run.config["memory.name"] == "none"]
    results = []
    for label, group in read.items():
        better_than = {
            control: Estimate(*probability_of_improvement(rates[label], rates[control]), by_run=(), over="seeds")
            for control in controls
            if control != label and {control, label} <= known
        }
        seeds, paths = tuple(run.seed for run in group), tuple(str(run.path) for run in group)
        results.append(AgentResult(label, label in controls, seeds, paths, scores[label], better_than))
    chance = next((found.chance for found in every if found.chance is not None), None)
    return Comparison(task, chance, metric, labels, tuple(results), caveats(read), tuple(left_out))


def only_task(runs: Sequence[RecordedRun]) -> str:
    """Return the name of the task that all runs were trained on.

    Raises:
        CannotRun: if there are several; it names two runs.
    """
    found = list(tasks(runs).items())
    if len(found) > 1:
        (one, (ours, *_)), (other, (theirs, *_)) = found[:2]
        differ = f"{ours.path} was trained on {one}, {theirs.path} on {other}"
        raise CannotRun(f"runs of different tasks cannot be compared: {differ}")
    return found[0][0]


def _scores(evaluations: Sequence[EvaluationFile], setting: str) -> Scores:
    """Sum up the runs of an agent in one setting; those that have not played it are left out."""
    trained, has_memory = setting == AS_TRAINED, any(found.memory != "none" for found in evaluations)
    played = [found if trained else found.test_settings.get(setting) for found in evaluations]
    intact = [found.intact for found in played if found]
    wiped = [found.wiped for found in played if found and has_memory]
    sampled: list[Score] = [found.sampled.intact for found in evaluations if trained and found.sampled]
    return {
        "success": score_over_seeds(intact, "success"),
        "mean_return": score_over_seeds(intact, "return"),
        "sampled": score_over_seeds(sampled, "success"),
        "wiped": score_over_seeds(wiped, "success"),
        "wiped_return": score_over_seeds(wiped, "return"),
    }


def _by_run(scores: Scores, metric: Metric) -> tuple[float, ...]:
    found = scores["success" if metric == "success" else "mean_return"]
    return found.by_run if found else ()
