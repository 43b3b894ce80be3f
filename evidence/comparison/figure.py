"""A comparison as a figure: a panel for each setting, and in it a line of points with intervals for each agent."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engram.evidence.comparison.compare import Comparison
from engram.evidence.plotting import colors_of, save_figure
from engram.evidence.statistics import Estimate

COLUMNS = 3
MARKS: dict[str, dict[str, Any]] = {
    "memory intact": {"marker": "o", "linestyle": "", "color": "black", "markersize": 5},
    "memory wiped": {"marker": "o", "linestyle": "", "color": "black", "markerfacecolor": "white", "markersize": 5},
    "single seeds": {"marker": "|", "linestyle": "", "color": "black", "alpha": 0.5, "markersize": 7},
    "chance": {"color": "grey", "linestyle": ":", "linewidth": 1},
}


def draw_comparison(
    comparison: Comparison, path: Path, *, colors: Mapping[str, str] | None = None
) -> tuple[Path, Path]:
    """Draw what decides (success, or return) of all agents in all settings, memory intact and wiped.

    Path and returned files are those of `evidence.plotting.save_figure`; colors are by default in alphabetical order of
    the labels.
    """
    by_success = comparison.metric == "success"
    columns = min(COLUMNS, len(comparison.settings))
    rows = -(-len(comparison.settings) // columns)
    height = 0.9 + 0.42 * len(comparison.agents)
    names = [f"{agent.label} ({len(agent.seeds)})" for agent in comparison.agents]
    width = 0.9 + 0.065 * max(map(len, names)) + 2.7 * columns
    figure = Figure(figsize=(width, 0.5 + height * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=by_success, sharey=True).ravel()
    colors = colors or colors_of(agent.label for agent in comparison.agents)
    for panel, setting in zip(panels, comparison.settings, strict=False):
        for place, agent in enumerate(comparison.agents):
            scores = agent.settings[setting]
            intact, wiped = ("success", "wiped") if by_success else ("mean_return", "wiped_return")
            _point(panel, scores[intact], place - 0.12, colors[agent.label], filled=True)
            _point(panel, scores[wiped], place + 0.2, colors[agent.label], filled=False)
        if by_success and comparison.chance is not None:
            panel.axvline(comparison.chance, color="grey", linestyle=":", linewidth=1)
        panel.set_title(setting, fontsize=9)
        panel.grid(axis="x", alpha=0.25)
        if by_success:
            panel.set_xlim(-0.04, 1.04)
    for panel in panels[len(comparison.settings) :]:
        panel.remove()
    panels[0].set_yticks(range(len(names)), names, fontsize=8)
    panels[0].set_ylim(len(names) - 0.5, -0.5)  # the first agent on top
    figure.supxlabel("success on the test side" if by_success else "return on the test side", fontsize=9)
    for name, look in MARKS.items():
        if name != "chance" or (by_success and comparison.chance is not None):
            panels[0].plot([], [], **look, label=name)
    figure.legend(fontsize=8, frameon=False, ncols=len(MARKS), loc="outside upper center")
    return save_figure(figure, path)


def _point(panel: Axes, estimate: Estimate | None, place: float, color: str, filled: bool) -> None:
    if estimate is None:
        return
    if estimate.low is not None and estimate.high is not None:
        panel.plot([estimate.low, estimate.high], [place, place], color=color, linewidth=1.6, solid_capstyle="butt")
    if len(estimate.by_run) > 1:
        panel.plot(estimate.by_run, [place] * len(estimate.by_run), "|", color=color, alpha=0.5, markersize=7)
    fill = color if filled else "white"
    panel.plot(estimate.value, place, "o", color=color, markerfacecolor=fill, markersize=5.5, zorder=3)
