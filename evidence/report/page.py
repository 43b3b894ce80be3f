"""One page for a set of runs, which needs no other file: a section for each task, with its tables and figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from engram.evidence.plotting import colors_of
from engram.evidence.report.certificate import certificate_part
from engram.evidence.report.html import TaskRuns, missing
from engram.evidence.report.parts import comparison_part, cost_part, curves_part, horizon_part, runs_part
from engram.evidence.runs.groups import agents, tasks
from engram.evidence.runs.recorded_run import RecordedRun
from engram.tracking.atomic import write_text

PARTS: dict[str, Callable[[TaskRuns], str]] = {
    "Learning curves": curves_part,
    "On the test side": comparison_part,
    "Certificate of memory": certificate_part,
    "Horizon": horizon_part,
    "Cost": cost_part,
    "Runs": runs_part,
}


def write_report(
    runs: Sequence[RecordedRun],
    folder: Path,
    *,
    command: str,
    title: str = "EvaluationResult",
    left_out: Sequence[str] = (),
) -> Path:
    """Write `report.html`, and beside it every figure as PNG and SVG, and the comparisons as CSV and JSON.

    What a run lacks is said on the page, with the command that makes it.

    Args:
        runs: of one or more tasks.
        folder: made if it is not there.
        command: that this was made with, for the page.
        title: of the page.
        left_out: what is wrong with folders that could not be read, for the page.

    Returns:
        the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    by_task = tasks(runs)
    sections = []
    for number, (task, its_runs) in enumerate(by_task.items()):
        grouped = agents(its_runs)
        prefix = f"{re.sub(r'[^A-Za-z0-9.-]+', '_', task)}-" if len(by_task) > 1 else ""
        task_runs = TaskRuns(task, grouped, folder, prefix, colors_of(grouped), command)
        parts = "\n".join(f"<h3>{name}</h3>\n{make(task_runs)}" for name, make in PARTS.items())
        sections.append(f'<h2 id="task{number}">{escape(task)}</h2>\n{parts}')
    links = "".join(f'<a href="#task{number}">{escape(task)}</a>' for number, task in enumerate(by_task))
    page = Template((files("engram.evidence.report") / "template.html").read_text("utf-8")).substitute(
        title=escape(title),
        about=f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}; made with <code>{escape(command)}</code>",
        content="\n".join(
            [*(missing([line]) for line in left_out), f"<nav>{links}</nav>" if len(by_task) > 1 else "", *sections]
        ),
    )
    path = folder / "report.html"
    write_text(path, page)
    return path
