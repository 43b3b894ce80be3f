"""Draws one sequence: inputs, targets, outputs, and where a memory reads and writes over time, if its state has it."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.algorithmic.tasks import Sequences
from benchmarks.algorithmic.training import SequenceModel
from engram.memory.state import State

WEIGHTS = ("write_weights", "read_weights")
"""Fields [B, N] or [B, R, N] of a memory's state that are drawn, wherever in its tree."""


def find_weights(state: State) -> dict[str, Tensor]:
    """Return the weights [B, R, N] in a state tree by the names of their fields; R = 1 if there is a single head."""
    found: dict[str, Tensor] = {}
    if isinstance(state, Tensor):
        return found
    for name, branch in zip(getattr(state, "_fields", [""] * len(state)), state, strict=True):
        if name in WEIGHTS and isinstance(branch, Tensor) and branch.dim() in (2, 3):
            found[name] = branch if branch.dim() == 3 else branch.unsqueeze(1)
        else:
            found.update(find_weights(branch))
    return found


def record(model: SequenceModel, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Run step by step along inputs [T, B, D_in].

    Returns:
        outputs [T, B, D_out] as probabilities, and weights [T, B, R, N] by name (none if the state has no such fields).
    """
    outputs, weights = [], []
    for logits, state in model.step_by_step(inputs):
        outputs.append(torch.sigmoid(logits))
        weights.append(find_weights(state.memory))
    return torch.stack(outputs), {name: torch.stack([now[name] for now in weights]) for name in weights[0]}


def draw(model: SequenceModel, sequences: Sequences, out: Path, title: str) -> None:
    """Draw and save the first row of a batch of sequences.

    Args:
        model: on any device.
        sequences: [T, B, ...].
        out: file to write, .png or .svg.
        title: of the figure.
    """
    mpl.use("Agg")
    outputs, weights = record(model, sequences.inputs[:, :1].to(model.output.weight.device))
    scored = sequences.mask[:, :1]
    panels: dict[str, NDArray[np.float32]] = {
        "inputs": _image(sequences.inputs[:, 0]),
        "targets": _image(sequences.targets[:, 0]),
        "outputs": _image(outputs[:, 0].cpu() * scored),
    }
    for name in WEIGHTS:
        if name in weights:
            heads = weights[name][:, 0].cpu().unbind(1)
            for number, head in enumerate(heads, start=1):
                label = name.replace("_", " ") + (f" {number}" if len(heads) > 1 else "")
                panels[label] = _image(head)
    heights = [max(0.5, min(0.08 * len(image), 1.8)) for image in panels.values()]
    width = max(5.0, min(0.07 * len(scored) + 2.0, 16.0))
    figure, axes = plt.subplots(
        len(panels),
        1,
        figsize=(width, sum(heights) + 0.3 * len(panels) + 0.8),
        sharex=True,
        layout="constrained",
        height_ratios=heights,
    )
    for axis, (name, image) in zip(axes, panels.items(), strict=True):
        colors = "magma" if "weights" in name else "Greys"
        lowest = min(0.0, float(image.min()))
        axis.imshow(image, aspect="auto", interpolation="nearest", cmap=colors, vmin=lowest, vmax=1)
        axis.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
        axis.set_yticks([])
    axes[-1].set_xlabel("step")
    figure.suptitle(title, fontsize=9)
    figure.savefig(out, dpi=110)
    plt.close(figure)


def _image(values: Tensor) -> NDArray[np.float32]:
    """Return [D, T] of [T, D]."""
    image: NDArray[np.float32] = values.t().float().numpy()
    return image
