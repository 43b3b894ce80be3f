"""What a part of a training is that is carried over a rollout's boundary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from engram.storage import Plain


class Part(NamedTuple):
    """A part of a training, of a MemoryPPO, that has to be saved for it to go on exactly.

    Both functions are called between two rollouts. `take` returns copies: what goes on does not change them. `put` gets
    what `take` returned, tuples as lists, from a file: it checks it, and raises a ValueError in one line.
    """

    take: Callable[[Any], Plain]
    put: Callable[[Any, Any], None]
    learned: bool = False
    """Whether it is the agent's, and saved with it; all else is of the training only: where it stands. In several
    processes that train one agent, what is learned is the same in all of them; where each stands is its own."""
