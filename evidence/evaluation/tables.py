"""An evaluation of one run on the terminal: its scores, and its certificate."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from engram.evidence.evaluation.certificate import CERTIFICATE, Certificate, acts
from engram.evidence.evaluation.result import WIPED, EvaluationResult
from engram.evidence.runs.files import Score
from engram.evidence.runs.settings import Condition, task_name
from engram.evidence.statistics import Metric
from engram.evidence.tables import Rows, as_number, as_percent, as_table, print_line

FEW_LAYOUTS = 20
INTERVALS = (
    "Intervals are over episodes of this agent; how agents of other seeds do, other seeds must show, and whether the"
    " task needs a memory, agents without one."
)


def print_result(result: EvaluationResult, console: Console) -> None:
    """Print the scores as a table, and the verdict."""
    certificate, by_success = result.certificate, any(score.success is not None for score in result.scores.values())
    numbers = ("success (95 % int.)", "return") if by_success else ("return (95 % int.)",)
    rows: Rows = [("setting", "wiped", "actions", *numbers, "length")]
    before = None
    for condition, score in result.scores.items():
        name = condition.intervention
        if name not in WIPED or not acts(name, certificate.has_memory, certificate.has_state):
            continue
        if before not in (None, condition.setting):
            rows.append(())
        setting = condition.setting if condition.setting != before else ""
        actions = "greedy" if condition.deterministic else "sampled"
        shown = (_shown(score, "success"), f"{score.mean_return:.3f}") if by_success else (_shown(score, "return"),)
        rows.append((setting, WIPED[name], actions, *shown, f"{score.mean_length:.1f}"))
        before = condition.setting
    console.print(as_table(rows, _task_name(result.about), words=3))
    for line in (certificate.sentence, _layouts(result.scores[Condition()]), INTERVALS):
        if line:
            print_line(console, line)


def print_certificate(certificate: Certificate, console: Console) -> None:
    """Print every intervention that is listed with what it changes."""
    metric: Metric = "return" if certificate.scores["intact"].success is None else "success"
    tells_again = any(certificate.scores[name].looked_again is not None for name in certificate.listed)
    again_heading = ["looked again (right; else)"] if tells_again else []
    rows: Rows = [("done to the agent", f"{metric} (95 % int.)", "difference (95 % int.)", *again_heading)]
    for name in certificate.listed:
        score = certificate.scores[name]
        its_metric: Metric = metric if score.success is not None else "return"
        done = "" if score.applied in (None, score.episodes) else f" (done in {score.applied / score.episodes:.0%})"
        shown = ("" if its_metric == metric else "return ") + _shown(score, its_metric)
        again = [_looked_again(score)] if tells_again else []
        rows.append((CERTIFICATE[name] + done, shown, _difference(score, its_metric), *again))
    console.print(as_table(rows, "certificate of memory"))


def _task_name(about: Mapping[str, Any]) -> str:
    return task_name(about["env"], about.get("odometry", False), about.get("mission", True))


def _shown(score: Score, metric: Metric) -> str:
    return (as_percent if metric == "success" else as_number)(score.estimate(metric))


def _difference(score: Score, metric: Metric) -> str:
    """Write a difference of success in points, of returns as they are."""
    scale, digits = (100, 1) if metric == "success" else (1, 3)
    found = (score.difference, score.difference_low, score.difference_high)
    shown = [f"{scale * number:+.{digits}f}" for number in found if number is not None]
    return f"{shown[0]} ({shown[1]} to {shown[2]})" if shown else ""


def _looked_again(score: Score) -> str:
    again = score.looked_again
    if again is None:
        return "-"
    rates = ("-" if rate is None else f"{rate:.0%}" for rate in (again.success, score.without_looking))
    return f"{again.episodes / score.episodes:.0%} ({', '.join(rates)})"


def _layouts(score: Score) -> str:
    """Return how often few layouts were played; only where they had to be played again are they all that there are."""
    layouts, fewest, most = score.distinct_layouts, score.fewest_per_layout, score.most_per_layout
    if not 0 < layouts < FEW_LAYOUTS or fewest is None or most is None:
        return ""
    often = f"{fewest if fewest == most else f'{fewest} to {most}'} {'episode' if most == 1 else 'episodes'}"
    each = often if layouts == 1 else f"each in {often}"
    return f"Distinct layouts met: {layouts}, {each}" + (
        "; the intervals are of chance in the play, not over mazes." if most > 1 else "."
    )
