"""The explanation of an episode: what was stored and read at every step, and the effects of editing the memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from engram.agents import MemoryPPO
from engram.agents.evaluation.counterfactual import holds_events, is_density
from engram.agents.evaluation.recording import RecordedStep, Recording
from engram.evidence.explanation.counterfactuals import as_json
from engram.evidence.explanation.decisions import LEAST_CHANGE, find_decisions
from engram.evidence.explanation.edits import WRITTEN, Replacement, event_sets, replacements, written_steps
from engram.evidence.explanation.provenance import HeadRead, total_read_weight, trace_reads_to_writes
from engram.evidence.explanation.rendering import as_png, caption, picture, texts

PICTURED = 3  # events of a set whose replacements have pictures on the page


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
        about: title, run and so on, as they stand on the page.
        channels: names of an observation's channels, if the env has names for them.
        names: names of the actions, the same.
        donors: other episodes of the task by their names, whose observations replace those of this one.
        on_progress: called with (steps replayed, steps in all).

    Returns:
        the content of the page, as `page/assets/1_episode.js` describes it.
    """
    steps, space, memory = recording.steps, recording.space, model.policy.core.memory
    accesses = [step.access for step in steps if step.access is not None]
    reads = trace_reads_to_writes(accesses, memory.reads_before_writing)
    captions = [caption(step.raw_observation, space, channels) for step in steps]
    images: dict[str, int] = {}  # each picture once, in order, with its number
    replaces = holds_events(model.policy)
    content: dict[str, Any] = {
        **about,
        "layout": recording.layout,
        "texts": texts(steps[0].raw_observation, space, constant=True) if steps else {},
        "success": recording.success,
        "return": recording.episode_return,
        "length": len(steps),
        "action_names": [*names] if names else None,
        "heads": accesses[0].read.shape[1] if accesses else 0,
        "slots": accesses[0].read.shape[2] if accesses else 0,
        "likelihood": "log density" if is_density(model.policy) else "probability",
        "replaces": replaces,
        "reads_before_writing": memory.reads_before_writing,
        "notes": [] if recording.finished else [f"cut after {len(steps):,} steps, before the episode ended"],
        "decisions": [],
        "left_out": [],
        "tried_alone": None,
        "least_change": LEAST_CHANGE,
        "steps": [],
    }

    def number(image: np.ndarray[Any, Any]) -> int:
        return images.setdefault(as_png(image), len(images))

    filled = np.zeros(content["slots"], dtype=bool)
    for time, step in enumerate(steps):
        pictures = {
            "world": None if step.world is None else number(step.world),
            "seen": number(picture(step.raw_observation, space)),
            "caption": captions[time],
        }
        content["steps"].append(pictures | _step(step, reads[time] if reads else [], filled))
    if not memory.read_size:
        content["notes"].append("the agent has no memory beside its controller")
        return content | {"images": [*images]}
    instead: list[Replacement | None] = [None] * len(steps)
    if replaces:
        instead = replacements(model.policy, recording, donors or {})
    sets = [
        (chosen, label or captions[chosen[0]] or ("equal events" if chosen[1:] else "one event"))
        for chosen, label in event_sets(recording, total_read_weight(reads, len(steps)))
    ]
    decisions, left_out = find_decisions(model.policy, recording, sets, instead, on_progress)
    tried_alone = [sum(len(chosen) == 1 for chosen, _ in sets), len(written_steps(recording))]
    content.update(decisions=decisions, left_out=left_out, tried_alone=tried_alone)
    replaced = (effect for decision in decisions for effect in decision["effects"] if effect["replaced"])
    for time in {time for effect in replaced for time in effect["steps"][:PICTURED]}:
        if other := instead[time]:
            content["steps"][time]["instead"] = {
                "seen": number(picture(other.raw_observation, space)),
                "caption": caption(other.raw_observation, space, channels),
                "source": other.source,
            }
    content["notes"].append("only the contents of the memory are edited; the controller keeps its own state")
    return content | {"images": [*images]}


def _step(step: RecordedStep, read: Sequence[HeadRead], filled: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return a step as the page expects it, without its pictures; marks the slots [N] that it writes as filled."""
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
                "from": [[source.step, source.slot, round(source.weight, 4)] for source in head.sources],
            }
            for head in read
        ],
    }
