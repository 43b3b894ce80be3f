"""What all figures share: their files, and one color for one agent."""

from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

PALETTE = mpl.color_sequences["tab10"]


def save_figure(figure: Figure, path: Path) -> tuple[Path, Path]:
    """Save a figure as PNG and as SVG; return the two files.

    Args:
        figure: it is not changed.
        path: without a suffix, or with .png or .svg; its folder is made if it is not there.
    """
    stem = path.name.removesuffix(".png").removesuffix(".svg")
    png, svg = path.with_name(f"{stem}.png"), path.with_name(f"{stem}.svg")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(png, dpi=130)
    # Names of its parts from a fixed seed and no date: the same figure is the same file.
    with mpl.rc_context({"svg.hashsalt": "engram"}):
        figure.savefig(svg, metadata={"Date": None})
    return png, svg


def colors_of(labels: Iterable[str]) -> dict[str, str]:
    """Give every label a color; the same labels get the same ones, whatever their order."""
    return {label: mpl.colors.to_hex(PALETTE[i % len(PALETTE)]) for i, label in enumerate(sorted(set(labels)))}
