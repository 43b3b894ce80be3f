"""A made-up explained episode for tests of its page: it looks, remembers and reads as an agent in a maze might."""

from __future__ import annotations

import base64
import io
import math
import random
from typing import Any

from PIL import Image

ACTIONS = ["left", "right", "forward"]
PLACES = 23  # distinct places on the way, coprime to the numbers of steps and slots
FLOOR, WALL, AGENT, KEY, BALL = (24, 26, 30), (120, 120, 120), (220, 60, 40), (230, 200, 40), (60, 110, 230)
CUE_STEPS = (3, 4, 5)


def png(rows: list[list[tuple[int, int, int]]], scale: int) -> str:
    """Draw a picture of cells as a data URL."""
    image = Image.new("RGB", (len(rows[0]), len(rows)))
    image.putdata([cell for row in rows for cell in row])
    file = io.BytesIO()
    image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def scene(place: int) -> list[list[tuple[int, int, int]]]:
    """Draw the maze with the agent at one of its places."""
    walls = random.Random(7)
    rows = [
        [WALL if walls.random() < 0.3 or x in (0, 24) or y in (0, 12) else FLOOR for x in range(25)] for y in range(13)
    ]
    rows[6] = [WALL, *[FLOOR] * 23, WALL]
    rows[3][2] = rows[4][22] = KEY
    rows[8][22] = BALL
    rows[6][1 + place] = AGENT
    return rows


def view(place: int) -> list[list[tuple[int, int, int]]]:
    """Draw what is seen from one of the places."""
    rows = scene(place)
    left = min(max(place - 2, 0), 18)
    seen = [row[left : left + 7] for row in rows[3:10]]
    # A tile of its own for every place, so that pictures tell places apart.
    seen[6][6] = (10 * place, 255 - 10 * place, 90)
    return seen


def explanation(
    length: int = 61, slots: int = 64, heads: int = 4, decisions: int = 3, **changes: Any
) -> dict[str, Any]:
    """Make up an explained episode; `changes` replace what stands at the top."""
    draw = random.Random(length)
    images: list[str] = []
    world = [_add(images, png(scene(place), 12)) for place in range(PLACES)]
    seen = [_add(images, png(view(place), 12)) for place in range(PLACES)]
    slot_of = {step: step % slots for step in range(length)} if slots else {}
    made: dict[str, Any] = {
        "title": "Why did it go left? Engram-RoomS11-v0, episode 2",
        "env": "Engram-RoomS11-v0",
        "memory": "episodic",
        "controller": "lstm",
        "run": "runs/room-episodic-lstm/seed0",
        "command": "python train.py memory=episodic seed=0",
        "checkpoint": "best.zip",
        "git_commit": "0123abc",
        "episode": 2,
        "seed": 17,
        "layout": "room-11-4",
        "texts": {"mission": "go to the red ball"},
        "success": True,
        "return": 0.94,
        "length": length,
        "action_names": ACTIONS,
        "heads": heads,
        "slots": slots,
        "likelihood": "probability",
        "replaces": True,
        "reads_before_writing": True,
        "images": images,
        "steps": [_step(draw, step, length, slot_of, slots, heads, world, seen) for step in range(length)],
        "decisions": [],
        "left_out": [],
        "least_change": 0.05,
        "tried_alone": [length, length],
        "notes": ["Actions are the most probable ones.", "Made up for a test."],
    }
    made["decisions"] = [_decision(made, (place + 1) * length // (decisions + 1)) for place in range(decisions)]
    return made | changes


def _add(images: list[str], image: str) -> int:
    if image not in images:
        images.append(image)
    return images.index(image)


def _step(
    draw: random.Random,
    step: int,
    length: int,
    slot_of: dict[int, int],
    slots: int,
    heads: int,
    world: list[int],
    seen: list[int],
) -> dict[str, Any]:
    place = step % PLACES
    cue = step in CUE_STEPS
    probabilities = [0.02 + draw.random() * 0.1, 0.02 + draw.random() * 0.1]
    probabilities.append(1 - sum(probabilities))
    if step % 9 == 8:
        probabilities.reverse()
    return {
        "world": world[place],
        "seen": seen[place],
        "caption": "cue: key" if cue else f"corridor, place {place}",
        "action": probabilities.index(max(probabilities)),
        "probabilities": probabilities,
        "value": 0.9 - 0.6 * math.exp(-step / 20) + 0.02 * draw.random(),
        "reward": 0.94 if step == length - 1 else 0.0,
        "cue": cue,
        "instead": {"seen": seen[(place + 7) % PLACES], "caption": "cue: ball", "source": "the other cue"}
        if cue
        else None,
        "gate": 0.97 if cue else 0.9 + 0.05 * draw.random(),
        "written": [[slot_of[step], 1.0]] if slots else [],
        "occupancy": min(1.0, step / slots) if slots else 0.0,
        "read": [_read(draw, step, head, slots, slot_of) for head in range(heads)],
    }


def _read(draw: random.Random, step: int, head: int, slots: int, slot_of: dict[int, int]) -> dict[str, Any]:
    oldest = max(0, step - slots) if slots else 0
    if step == 0:
        return {"nothing": 1.0, "from": []}
    nothing = 0.1 + 0.2 * draw.random()
    # The first head looks for the cue, the others look back by a fixed time.
    wanted = next((cue for cue in CUE_STEPS if oldest <= cue < step), None) if head == 0 else step - 1 - 7 * (head - 1)
    first = wanted if wanted is not None and oldest <= wanted < step else step - 1
    origins = dict.fromkeys([first, *(draw.randrange(oldest, step) for _ in range(5))])
    rest = 1 - nothing
    weights = []
    for _ in origins:
        weights.append(rest * 0.7)
        rest -= weights[-1]
    return {
        "nothing": nothing,
        "from": [[origin, slot_of.get(origin, -1), weight] for origin, weight in zip(origins, weights, strict=True)],
    }


def _decision(made: dict[str, Any], step: int) -> dict[str, Any]:
    taken = made["steps"][step]["action"]
    before = (made["steps"][step]["probabilities"] or [1.0] * 3)[taken]

    def outcome(change: float) -> dict[str, Any]:
        then = max(0.0, before + change)
        return {
            "likelihood": then,
            "likelihood_change": then - before,
            "value_change": change * 0.6,
            "action_after": (taken + 1) % 3 if change < -0.5 else taken,
        }

    kinds: list[tuple[list[int], str, bool, bool, float, float | None]] = [
        ([cue for cue in CUE_STEPS if cue < step], "all sights of the key", True, True, -0.41, -0.83),
        ([4], "cue: key", False, True, -0.31, -0.12),
        (list(range(6, min(step, 40))), "all of the corridor", True, False, 0.02, None),
        *(
            ([step - age], f"corridor, place {(step - age) % PLACES}", False, False, -0.02 / age, None)
            for age in (1, 2, 5)
        ),
    ]
    effects = [
        {
            "steps": steps,
            "label": label,
            "group": group,
            "shows_cue": shows_cue,
            "deleted": outcome(deleted),
            "replaced": None if replaced is None else outcome(replaced),
        }
        for steps, label, group, shows_cue, deleted, replaced in kinds
        if steps
    ]
    control = {
        "events": len(effects[0]["steps"]) if effects else 0,
        "draws": 10,
        "deleted": {"likelihood_change": [0.013, 0.074], "value_change": [0.026, 0.058], "other_action": 0},
        "replaced": {"likelihood_change": [0.037, 0.191], "value_change": [0.042, 0.083], "other_action": 3},
    }
    made_of = {"effects": effects, "tried": len(effects), "control": control}
    return {"step": step, "action": taken, "likelihood": before, **made_of}
