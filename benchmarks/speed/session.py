"""What a part of the benchmark is given: how much to do, and whom to tell how far it is."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

Measured = TypeVar("Measured")


BASE = "e56b832"
"""The commit that the default experiment is compared with, if no other is named."""


class Missing(Exception):
    """A part cannot run here; its text says why, in one line."""


class Session(NamedTuple):
    """How a part is to be measured."""

    quick: bool
    tell: Callable[[str], None]
    """Is told in a few words what is being measured."""
    base: str = BASE
    """The commit to compare the default experiment with."""

    def rounds(self, full: int, quick: int = 1) -> int:
        """Return one of two numbers."""
        return quick if self.quick else full

    def in_turns(
        self, cases: Mapping[str, Callable[[], Measured]], rounds: int, warm_up: bool = True
    ) -> dict[str, list[Measured]]:
        """Let cases take turns, so that a busy moment of the machine hits all of them.

        Args:
            cases: name -> what does one turn and returns what it has measured.
            rounds: turns of each.
            warm_up: whether there is one more turn at first, which does not count.

        Returns:
            name -> what was measured, [rounds].
        """
        found: dict[str, list[Measured]] = {name: [] for name in cases}
        for turn in range(-warm_up, rounds):
            for name, case in cases.items():
                self.tell(f"{name}: " + ("warming up" if turn < 0 else f"round {turn + 1} of {rounds}"))
                gc.collect()  # what one has left is not to be paid for by the next
                measured = case()
                if turn >= 0:
                    found[name].append(measured)
        return found


def ratios(values: list[float], others: list[float]) -> list[float]:
    """Divide what was measured in the same rounds."""
    return [value / other for value, other in zip(values, others, strict=True)]
