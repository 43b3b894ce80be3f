"""A film of an episode beside its memory: what the agent sees, what every slot holds, and which slots are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from PIL import Image, ImageDraw, ImageOps

from engram.agents.evaluation.recording import RecordedStep, Recording
from engram.evidence.explanation.edits import WRITTEN
from engram.evidence.explanation.rendering import Picture, picture
from engram.tracking.atomic import replacing

_SCENE = 240
_SLOT, _GAP, _COLUMNS = 30, 4, 8
_LINE = 16
_READ, _EMPTY, _PAPER, _INK = (230, 120, 0), (214, 214, 214), (250, 250, 250), (40, 40, 40)
MOST_FRAMES = 400


def write_film(
    recording: Recording, space: spaces.Space[Any], path: Path, names: tuple[str, ...] = (), seconds: float = 0.25
) -> None:
    """Write a GIF.

    Args:
        recording: the episode; of a longer one, the first 400 steps.
        space: of its observations.
        path: of the GIF.
        names: of the actions.
        seconds: duration of each step.
    """
    steps = recording.steps[:MOST_FRAMES]
    held: list[Picture | None] = [None] * (0 if steps[0].access is None else steps[0].access.written.shape[1])
    frames = []
    for number, step in enumerate(steps):
        seen = picture(step.raw_observation, space)
        frames.append(_frame(number, step, seen, held, names))
        if step.access is not None:
            for slot in np.flatnonzero(step.access.written[0].cpu().numpy() >= WRITTEN):
                held[slot] = seen
    duration = round(1000 * seconds)
    with replacing(path) as file:
        frames[0].save(file, "gif", save_all=True, append_images=frames[1:], duration=duration, loop=0, optimize=True)


def _frame(
    number: int, step: RecordedStep, seen: Picture, held: list[Picture | None], names: tuple[str, ...]
) -> Image.Image:
    """Draw one step: the scene to the left, the slots as they are read at this step to the right."""
    rows = -(-len(held) // _COLUMNS)
    right = _COLUMNS * (_SLOT + _GAP) + _GAP if held else 0
    height = max(_SCENE, rows * (_SLOT + _GAP)) + 2 * _LINE
    image = Image.new("RGB", (_SCENE + right, height), _PAPER)
    pen = ImageDraw.Draw(image)
    image.paste(_square(seen if step.world is None else step.world, _SCENE), (0, _LINE))
    pen.text((4, 2), f"step {number}", _INK)
    pen.text((4, height - _LINE + 2), _caption(step, names), _INK)
    if step.access is None:
        return image
    weights = step.access.read[0].amax(0).cpu().numpy()
    pen.text((_SCENE + _GAP, 2), "memory (orange: read at this step)", _INK)
    for slot, content in enumerate(held):
        left = _SCENE + _GAP + slot % _COLUMNS * (_SLOT + _GAP)
        top = _LINE + slot // _COLUMNS * (_SLOT + _GAP)
        if content is None:
            pen.rectangle((left, top, left + _SLOT - 1, top + _SLOT - 1), outline=_EMPTY)
            continue
        image.paste(_square(content, _SLOT), (left, top))
        if weights[slot] >= 0.05:
            mixed = float(weights[slot]) * np.array(_READ) + (1 - float(weights[slot])) * np.array(_PAPER)
            box = left - 2, top - 2, left + _SLOT + 1, top + _SLOT + 1
            pen.rectangle(box, outline=tuple(mixed.round().astype(int).tolist()), width=2)
    return image


def _caption(step: RecordedStep, names: tuple[str, ...]) -> str:
    action = step.action[0].cpu().numpy()
    if action.ndim:
        return f"value {step.value:.2f}"
    name = names[int(action)] if int(action) < len(names) else f"action {int(action)}"
    sure = "" if step.probabilities is None else f" ({step.probabilities[int(action)]:.0%})"
    gate = "" if step.access is None else f", write gate {float(step.access.gate[0]):.2f}"
    return f"{name}{sure}, value {step.value:.2f}{gate}"


def _square(content: Picture, side: int) -> Image.Image:
    """Scale a picture into a square and keep its proportions."""
    return ImageOps.pad(Image.fromarray(content), (side, side), Image.Resampling.NEAREST, _PAPER)
