"""The why-trace of an episode: what was stored and read at every step, and what other memories would have done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from engram.agents import MemoryPPO
from engram.agents.evaluation.counterfactual import holds_events, is_density
from engram.agents.evaluation.recording import RecordedStep, Recording
from engram.evidence.explanation.counterfactuals import as_json
from engram.evidence.explanation.decisions import LEAST_CHANGE, MOST_SHOWN, decisions
from engram.evidence.explanation.event_sets import WRITTEN, read_in_all, sets_to_forget, written_steps
from engram.evidence.explanation.provenance import HeadRead, trace
from engram.evidence.explanation.rendering import as_png, caption, picture
from engram.evidence.explanation.replacements import Replacement, replacements

PICTURED = 3  # events of a set whose replacements are shown


def explain(
    model: MemoryPPO,
    recording: Recording,
    about: dict[str, Any],
    channels: tuple[str, ...] = (),
    names: tuple[str, ...] = (),
    donors: Mapping[str, Recording] | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Explain a recorded episode.

    Args:
        model: the agent that played it.
        recording: the episode.
        about: what the page says of the run.
        channels: names of an observation's channels, if the env has names for them.
        names: names of the actions, the same.
        donors: other episodes of the task by their names, whose events are put in the place of this one's.
        on_progress: called with (steps played back, steps in all).

    Returns:
        what `evidence.explanation.page.write_page` shows.
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
        "likelihood": "log density" if is_density(model.policy) else "probability",
        "replaces": holds_events(model.policy),
        "reads_before_writing": model.policy.core.memory.reads_before_writing,
        "notes": [] if recording.finished else [f"cut after {len(steps):,} steps; the episode went on"],
        "decisions": [],
        "left_out": [],
        "tried_alone": None,
        "least_change": LEAST_CHANGE,
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
        return content
    instead: list[Replacement | None] = [None] * len(steps)
    if holds_events(model.policy):
        instead = replacements(model.policy, recording, donors or {})
    else:
        content["notes"].append("this memory keeps no events: what it wrote can be deleted, but not replaced")
    sets = [
        (chosen, label or captions[chosen[0]] or ("events alike" if chosen[1:] else "one event"))
        for chosen, label in sets_to_forget(recording, read_in_all(origins, len(steps)))
    ]
    content["decisions"], content["left_out"] = decisions(model.policy, recording, sets, instead, on_progress)
    alone, written = sum(len(chosen) == 1 for chosen, _ in sets), len(written_steps(recording))
    content["tried_alone"] = [alone, written]
    content["notes"] += _left_out(content)
    for time in _pictured(content["decisions"]):
        if other := instead[time]:
            content["steps"][time]["instead"] = {
                "seen": images.number(as_png(picture(other.shown, space))),
                "caption": caption(other.shown, space, channels),
                "source": other.source,
            }
    content["notes"].append("changed is what the memory holds; the controller's state goes on as it was")
    if not accesses:
        content["notes"].append("this memory has no slots to be looked into")
    return content


def _left_out(content: Mapping[str, Any]) -> Iterator[str]:
    """Say what the page does not have."""
    shown, (alone, written) = content["decisions"], content["tried_alone"]
    if content["left_out"]:
        found = len(shown) + len(content["left_out"])
        yield f"{len(shown)} of {found} decisions are shown, those that something stored moved most"
    if alone < written:
        yield f"{alone} of {written} events were changed one by one, those that were read most"
    if any(decision["tried"] > len(decision["effects"]) for decision in shown):
        yield f"of each decision the {MOST_SHOWN} sets of events are shown that moved it most"


def _pictured(found: Iterable[Mapping[str, Any]]) -> set[int]:
    """Return the steps of which the page shows what they are replaced by."""
    return {
        step
        for decision in found
        for effect in decision["effects"]
        if effect["replaced"]
        for step in effect["steps"][:PICTURED]
    }


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
    return {
        "action": as_json(step.action[0].cpu().numpy()),
        "probabilities": None if step.probabilities is None else [round(float(p), 4) for p in step.probabilities],
        "value": round(step.value, 4),
        "reward": round(step.reward, 6),
        "cue": step.cue,
        "instead": None,
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
