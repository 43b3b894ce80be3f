"""One page for a set of runs, which needs no other file: a section for each task, with its tables and figures."""

import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from engram.evidence.plotting import colors_of
from engram.evidence.report.blocks import TaskRuns
from engram.evidence.report.sections import SECTIONS
from engram.evidence.runs.groups import agents, tasks
from engram.evidence.runs.recorded_run import RecordedRun
from engram.tracking.atomic import write_text


def write_report(
    runs: Sequence[RecordedRun], folder: Path, *, command: str, title: str, left_out: Sequence[str] = ()
) -> Path:
    """Write `report.html`, and beside it every figure as PNG and SVG, and the comparisons as CSV and JSON.

    Where a run lacks something, the page has the command that makes it.

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
    by_task, sections = tasks(runs), {}
    for task, its_runs in by_task.items():
        grouped = agents(its_runs)
        prefix = f"{re.sub(r'[^A-Za-z0-9.-]+', '_', task)}-" if len(by_task) > 1 else ""
        task_runs = TaskRuns(grouped, folder, prefix, colors_of(grouped))
        sections[task] = {name: make(task_runs) for name, make in SECTIONS.items()}
    loader = PackageLoader("engram.evidence.report", ".")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    about = {"title": title, "command": command, "n_runs": len(runs), "left_out": left_out}
    page = made.get_template("template.html").render(**about, sections=sections)
    path = folder / "report.html"
    write_text(path, page)
    return path
