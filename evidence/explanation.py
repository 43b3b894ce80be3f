"""The why-trace of an episode: what was stored and read at every step, and what would have been done without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from agents import MemoryPPO
from agents.counterfactual import Effects, without
from agents.recording import RecordedStep, Recording
from evidence.origins import HeadRead, trace
from evidence.pictures import as_png, caption, picture
from memory import Access

MOST_SINGLE = 64
"""Events that are deleted one by one: those that were read most."""
MOST_DECISIONS = 40
WRITTEN = 0.05
"""A write of less weight in every slot is none."""
LEAST_CHANGE = 0.05
"""A step at which no deletion moves the action's probability so far is no decision to explain, but for the last."""


def explain(
    model: MemoryPPO,
    recording: Recording,
    about: dict[str, Any],
    channels: tuple[str, ...] = (),
    names: tuple[str, ...] = (),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Explain a recorded episode.

    Args:
        model: the agent that played it.
        recording: the episode.
        about: what the page says of the run.
        channels: names of an observation's channels, if the env has names for them.
        names: names of the actions, the same.
        on_progress: called with (steps played back, steps in all).

    Returns:
        what `evidence.page.write_page` shows.
    """
    steps, space = recording.steps, model.observation_space
    accesses = [step.access for step in steps if step.access is not None]
    origins = trace(accesses, model.policy.core.memory.reads_before_writing)
    captions = [caption(step.shown, space, channels) for step in steps]
    images = Images()
    content: dict[str, Any] = {
        **about,
        "layout": recording.layout,
        "success": recording.success,
        "return": recording.episode_return,
        "length": len(steps),
        "action_names": [*names] if names else None,
        "heads": accesses[0].read.shape[1] if accesses else 0,
        "slots": accesses[0].read.shape[2] if accesses else 0,
        "reads_before_writing": model.policy.core.memory.reads_before_writing,
        "notes": [] if recording.finished else [f"cut after {len(steps):,} steps; the episode went on"],
        "decisions": [],
    }
    filled = np.zeros(content["slots"], dtype=bool)
    content["steps"] = []
    for time, step in enumerate(steps):
        shown = {
            "world": None if step.world is None else images.number(as_png(step.world)),
            "seen": images.number(as_png(picture(step.shown, space))),
            "caption": captions[time],
        }
        read = origins[time] if origins else []
        content["steps"].append({**shown, **_step(step, read, filled)})
    content["images"] = images.found
    if not model.policy.core.memory.read_size:
        content["notes"].append("there is no memory beside the controller")
    elif steps[0].probabilities is None:
        content["notes"].append("actions are not discrete: no event was deleted to see what changes")
    else:
        groups = [
            (
                forgotten,
                label or captions[forgotten[0]] or ("events alike" if forgotten[1:] else "one event"),
            )
            for forgotten, label in sets_to_forget(recording, _read_in_all(origins, len(steps)))
        ]
        effects = without(model.policy, recording, [group for group, _ in groups], on_progress)
        content["decisions"] = list(_decisions(recording, groups, effects))
        content["notes"].append("deleted is what the memory holds; the controller's state goes on as it was")
        if not accesses:
            content["notes"].append("this memory has no slots to be looked into")
    return content


class Images:
    """Pictures, each of them once."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, image: str) -> int:
        """Return the number of a picture, a new one if it has none."""
        if image not in self._numbers:
            self._numbers[image] = len(self.found)
            self.found.append(image)
        return self._numbers[image]


def _step(step: RecordedStep, read: Sequence[HeadRead], filled: np.ndarray[Any, Any]) -> dict[str, Any]:
    access = step.access
    written: list[list[float]] = []
    if access is not None:
        weights = access.written[0].cpu().numpy()
        written = [[int(slot), round(float(weights[slot]), 4)] for slot in np.flatnonzero(weights >= WRITTEN)]
        filled |= weights >= WRITTEN
    action = step.action[0].cpu().numpy()
    return {
        "action": int(action) if action.ndim == 0 else [round(float(part), 4) for part in action],
        "probabilities": None if step.probabilities is None else [round(float(p), 4) for p in step.probabilities],
        "value": round(step.value, 4),
        "reward": round(step.reward, 6),
        "cue": step.cue,
        "gate": None if access is None else round(float(access.gate[0]), 4),
        "written": written,
        "occupancy": round(float(filled.mean()), 4) if len(filled) else 0.0,
        "read": [
            {
                "nothing": round(head.nothing, 4),
                "from": [[part.step, part.slot, round(part.weight, 4)] for part in head.parts],
            }
            for head in read
        ],
    }


def sets_to_forget(recording: Recording, read: np.ndarray[Any, Any] | None = None) -> Iterator[tuple[list[int], str]]:
    """Yield sets of steps to forget: all that show the cue, those that show the same, and single ones.

    Args:
        recording: the episode.
        read: [T] how much each step's write was read in all, to choose the single ones by; None for all of them.

    Yields:
        the steps in order, and a label, empty where the observation says it.
    """
    steps = recording.steps
    read = np.zeros(len(steps)) if read is None else read
    written = [time for time, step in enumerate(steps) if step.access is None or _was_written(step.access)]
    cue = [time for time in written if steps[time].cue]
    if cue:
        yield cue, "everything that shows the cue"
    alike: dict[bytes, list[int]] = {}
    for time in written:
        alike.setdefault(_look(steps[time].shown), []).append(time)
    for group in sorted(alike.values(), key=lambda group: -read[group].sum()):
        if len(group) > 1 and group != cue:
            yield group, ""
    for time in sorted(written, key=lambda time: -read[time])[:MOST_SINGLE]:
        if cue != [time]:
            yield [time], ""


def _was_written(access: Access) -> bool:
    return float(access.written.max()) >= WRITTEN


def _read_in_all(origins: Sequence[Sequence[HeadRead]], length: int) -> np.ndarray[Any, Any]:
    read = np.zeros(length)
    for heads in origins:
        for head in heads:
            for part in head.parts:
                read[part.step] += part.weight
    return read


def _look(shown: Any) -> bytes:
    if isinstance(shown, dict):
        return b"".join(np.ascontiguousarray(shown[key]).tobytes() for key in sorted(shown))
    return np.ascontiguousarray(shown).tobytes()


def _decisions(
    recording: Recording, groups: Sequence[tuple[list[int], str]], effects: Effects
) -> Iterator[dict[str, Any]]:
    """Yield the steps at which something forgotten makes a difference, and the last one, in order."""
    if not groups:
        return
    last = len(recording.steps) - 1
    largest = np.abs(effects.probability_change).max(0)  # [T]
    chosen = [
        int(time) for time in np.argsort(-largest, kind="stable") if largest[time] >= LEAST_CHANGE or time == last
    ]
    for time in sorted({*chosen[: MOST_DECISIONS - 1], last}):
        found: list[dict[str, Any]] = []
        for number, (group, label) in enumerate(groups):
            change = float(effects.probability_change[number, time])
            before = [step for step in group if step < time]
            if not before:  # what a step stores is missed after it at the earliest
                continue
            found.append(
                {
                    "steps": before,
                    "label": label,
                    "group": len(group) > 1,
                    "shows_cue": None
                    if recording.steps[group[0]].cue is None
                    else any(recording.steps[step].cue for step in group),
                    "probability": round(float(effects.probability_without[number, time]), 4),
                    "probability_change": round(change, 4),
                    "value_change": round(float(effects.value_without[number, time] - effects.value[time]), 4),
                    "action_after": int(effects.action_without[number, time]),
                }
            )
        found.sort(key=lambda effect: -abs(effect["probability_change"]))
        yield {"step": time, "action": int(recording.steps[time].action[0]), "effects": found[:20]}
