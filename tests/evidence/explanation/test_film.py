"""The film of an episode: a frame for each step, with the slots as they are when they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageSequence
from taught_agent import DELAY, NAMES, SLOTS, agent, maze, taught

from engram.agents import MemoryPPO
from engram.agents.evaluation.recording import record
from engram.envs.tasks.tmaze.env import UP
from engram.evidence.explanation.film import write_film

SCENE, SLOT, GAP, COLUMNS, LINE = 240, 30, 4, 8, 16  # pixels, and slots in a row


def film(model: MemoryPPO, path: Path, names: tuple[str, ...] = NAMES) -> list[NDArray[np.int64]]:
    recording = record(model.policy, maze(UP), 99)
    write_film(recording, model.observation_space, path / "film.gif", names, seconds=0.3)
    with Image.open(path / "film.gif") as image:
        assert image.info["duration"] == 300
        return [np.array(frame.convert("RGB")).astype(int) for frame in ImageSequence.Iterator(image)]


def slot(frame: NDArray[np.int64], number: int, border: int = 0) -> NDArray[np.int64]:
    """What a frame shows in a slot, and so many pixels around it."""
    left, top = SCENE + GAP + number % COLUMNS * (SLOT + GAP), LINE + number // COLUMNS * (SLOT + GAP)
    return frame[top - border : top + SLOT + border, left - border : left + SLOT + border]


def orange(picture: NDArray[np.int64]) -> int:
    red, green, blue = picture.reshape(-1, 3).T
    return int(((red > 200) & (green < 170) & (blue < 100)).sum())


def test_a_slot_holds_what_was_seen_from_the_step_after_its_write_on(tmp_path: Path) -> None:
    frames = film(taught(), tmp_path)
    assert len(frames) == DELAY + 1
    assert {frame.shape for frame in frames} == {(SCENE + 2 * LINE, SCENE + COLUMNS * (SLOT + GAP) + GAP, 3)}
    for time, frame in enumerate(frames):
        for number in range(SLOTS):
            inner = slot(frame, number)[1:-1, 1:-1]
            bars = (inner[..., 2] > inner[..., 0] + 50).any()  # blue
            assert bars == (number < time), (time, number)
            if number > time:  # an empty slot has an outline all around it
                inside, edge = slot(frame, number), np.ones((SLOT, SLOT), bool)
                edge[1:-1, 1:-1] = False
                assert (inside.mean(2) < 235).tolist() == edge.tolist()


def test_the_slot_that_is_read_has_an_orange_border(tmp_path: Path) -> None:
    frames = film(taught(), tmp_path)
    borders = [orange(slot(frames[DELAY], number, border=2)) for number in range(SLOTS)]
    assert borders[0] == (SLOT + 4) ** 2 - SLOT**2  # the cue, with all the weight of a head
    assert orange(slot(frames[0], 0, border=2)) == 0


def test_without_slots_there_is_the_scene_alone(tmp_path: Path) -> None:
    frames = film(agent("none", "lstm"), tmp_path, ())
    assert {frame.shape for frame in frames} == {(SCENE + 2 * LINE, SCENE, 3)}


def test_a_long_episode_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engram.evidence.explanation.film.MOST_FRAMES", 3)
    assert len(film(taught(), tmp_path)) == 3
