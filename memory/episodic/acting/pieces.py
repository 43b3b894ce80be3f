"""What C has to know of a log to append to it: where its parts lie, and those of a step's events; see `event_log.h`."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable

from torch import Tensor

from engram.memory.episodic.event_log import EventLog, is_constant
from engram.memory.native.build import addresses
from engram.memory.state import leaves

PIECE = 32
"""Bytes of a `Piece`."""


class LogPieces:
    """The parts of a log that are written.

    Args:
        log: of the state, for its shape.
    """

    def __init__(self, log: EventLog) -> None:
        written = [leaf for leaf in leaves(log) if not is_constant(leaf)]
        self.has_constants = len(written) < len(list(leaves(log)))
        self.count = len(written)
        self._rows = [(leaf.dtype, (1, len(leaf), *leaf.shape[2:])) for leaf in written]

    def of(self, log: EventLog, step: EventLog) -> tuple[bytes, list[Tensor]] | None:
        """Return `Piece` of the C code for each, and what must outlive the call; None if a type is another one.

        Args:
            log: of the state.
            step: what is appended, leaves [1, B, ...].
        """
        pairs = [pair for pair in zip(leaves(log), leaves(step), strict=True) if not is_constant(pair[0])]
        rows = [row.contiguous() for _, row in pairs]
        if any(row.dtype != dtype or row.shape != shape for row, (dtype, shape) in zip(rows, self._rows, strict=True)):
            return None
        return pieces_of((entries for entries, _ in pairs), rows), rows


def pieces_of(log: Iterable[Tensor], events: Iterable[Tensor]) -> bytes:
    """Return `Piece` of the C code for each leaf [B, C, ...] of a log, and events beside it."""
    pairs = zip(log, events, strict=True)
    return b"".join(addresses(leaf, some) + struct.pack("2q", size_of(leaf), leaf.shape[1]) for leaf, some in pairs)


def size_of(leaf: Tensor) -> int:
    """Return how many bytes an entry of a leaf of a log has."""
    return leaf.element_size() * math.prod(leaf.shape[2:])
