"""Another number of reads a step than in training: an episodic memory's later reads share their weights."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from engram.agents import MemoryPPO
from engram.configs import CannotRun

KEY = "memory.hops"


def split_hops(words: Iterable[str]) -> tuple[list[str], int | None]:
    """Take `memory.hops=4` out of the words of a command line, such as `runs/chain`.

    Returns:
        the other words, and the reads per step; None if none are named.

    Raises:
        CannotRun: if it is not a whole number.
    """
    others, hops = [], None
    for word in words:
        if named := re.fullmatch(rf"\+*{re.escape(KEY)}=(.*)", word):
            if not named[1].isdecimal():
                raise CannotRun(f"{word}: must be a whole number of reads per step")
            hops = int(named[1])
        else:
            others.append(word)
    return others, hops


def set_hops(model: MemoryPPO, hops: int) -> tuple[int, int] | None:
    """Let an agent's memory read so many times a step.

    Returns:
        the reads per step of the training, and those of now; None if they are the same.

    Raises:
        CannotRun: if its memory has no hops, or a single one.
    """
    memory: Any = model.policy.core.memory
    trained = getattr(memory, "hops", None)
    if trained is None:
        raise CannotRun(f"{KEY}={hops}: the agent's memory has no hops, as an episodic one has")
    try:
        memory.hops = hops
    except ValueError as error:
        raise CannotRun(f"{KEY}={hops}: {error}") from error
    return None if hops == trained else (trained, hops)


def said(hops: tuple[int, int] | None) -> list[str]:
    """Say, in one sentence, that another number of reads was played with; nothing if it was that of the training.

    Args:
        hops: as an `evaluation.json` has it: the reads per step of the training, and of the evaluation.
    """
    return [] if hops is None else [f"Played with {hops[1]} reads a step ({KEY}={hops[1]}); trained with {hops[0]}."]
