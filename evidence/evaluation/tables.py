"""An evaluation of one run as tables on the terminal: its scores, and its certificate."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from engram.evidence.evaluation.certificate import CERTIFICATE, Certificate, Difference, acts
from engram.evidence.evaluation.result import WIPED, EvaluationResult
from engram.evidence.evaluation.scores import Score
from engram.evidence.runs.settings import AS_TRAINED, Condition

FEW_LAYOUTS = 20


def print_result(result: EvaluationResult, console: Console) -> None:
    """Print the scores as a table, and the verdict."""
    certificate, tells_success = result.certificate, any(score.success is not None for score in result.scores.values())
    table = Table(title=result.about["env"], box=SIMPLE, padding=(0, 1, 0, 0), title_justify="left")
    for name in ("setting", "wiped", "actions"):
        table.add_column(name, no_wrap=True)
    for name in (*(("success (95 % int.)", "return") if tells_success else ("return (95 % int.)",)), "length"):
        table.add_column(name, justify="right", no_wrap=True)
    before = AS_TRAINED
    for condition, score in result.scores.items():
        name = condition.intervention
        if name not in WIPED or not acts(name, certificate.has_memory, certificate.has_state):
            continue
        if condition.setting != before:
            table.add_section()
        table.add_row(
            condition.setting if condition.setting != before or not table.row_count else "",
            WIPED[name],
            "greedy" if condition.deterministic else "sampled",
            *((score.shown, f"{score.mean_return:.3f}") if tells_success else (score.shown_return,)),
            f"{score.mean_length:.1f}",
        )
        before = condition.setting
    console.print(table)
    console.print(certificate.sentence, highlight=False, soft_wrap=True)
    if said := _layouts(result.scores[Condition()]):
        console.print(said, highlight=False, soft_wrap=True)


def _layouts(score: Score) -> str:
    """Say how often few layouts were played; only where they had to be played again are they all that there are."""
    layouts, fewest, most = score.distinct_layouts, score.fewest_per_layout, score.most_per_layout
    if not 0 < layouts < FEW_LAYOUTS or fewest is None or most is None:
        return ""
    often = f"{fewest if fewest == most else f'{fewest} to {most}'} {'episode' if most == 1 else 'episodes'}"
    each = often if layouts == 1 else f"each in {often}"
    return f"Distinct layouts met: {layouts}, {each}" + (
        "; the intervals are of chance in the play, not over mazes." if most > 1 else "."
    )


def _shown(found: Difference, tells_success: bool) -> str:
    """Write a difference of success in points, of returns as they are."""
    scale, digits = (100, 1) if tells_success else (1, 3)
    mean, low, high = (f"{scale * number:+.{digits}f}" for number in found)
    return f"{mean} ({low} to {high})"


def print_certificate(certificate: Certificate, console: Console) -> None:
    """Print every intervention that is listed with what it changes."""
    metric = "success" if certificate.tells_success else "return"
    tells_again = any(certificate.scores[name].looked_again is not None for name in certificate.listed)
    table = Table(title="certificate of memory", box=SIMPLE, padding=(0, 1, 0, 0), title_justify="left")
    table.add_column("done to the agent")
    again_heading = ["looked again (right; else)"] if tells_again else []
    for heading in (f"{metric} (95 % int.)", "difference (95 % int.)", *again_heading):
        table.add_column(heading, justify="right", no_wrap=True)
    for name in certificate.listed:
        score, found = certificate.scores[name], None if name == "intact" else certificate.difference(name)
        again = score.looked_again
        seen = "-"
        if again is not None:
            rates = ("-" if rate is None else f"{rate:.0%}" for rate in (again.success, score.without_looking))
            seen = f"{again.episodes / score.episodes:.0%} ({', '.join(rates)})"
        told = certificate.tells_success and score.success is not None
        shown = score.shown if told else score.shown_return
        done = "" if score.applied in (None, score.episodes) else f" (done in {score.applied / score.episodes:.0%})"
        table.add_row(
            CERTIFICATE[name] + done,
            shown if told or not certificate.tells_success else f"return {shown}",
            "" if found is None else _shown(found, told),
            *([seen] if tells_again else []),
        )
    console.print(table)
