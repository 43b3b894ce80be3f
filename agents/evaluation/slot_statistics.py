"""Statistics of slots: which writes are read, which are overwritten, and how old they are when they are read."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from engram.memory.interface import SlotAccess


class SlotCounts(NamedTuple):
    """Sums over all steps of all rows so far."""

    steps: float = 0.0
    reads: float = 0.0  # reads of single heads
    writes: float = 0.0  # steps that wrote
    filled: float = 0.0  # shares of the slots that are filled
    nothing: float = 0.0  # weights of reads that came from no write
    entropy: float = 0.0  # of the weights of reads, the part from no write included, in nats
    read_weight: float = 0.0  # weights of reads that came from a write
    age: float = 0.0  # steps since the write, times the weight of the read
    stored: float = 0.0  # writes that were overwritten, or whose episode has ended
    never_read: float = 0.0  # of `stored`
    overwritten: float = 0.0
    overwritten_unread: float = 0.0  # of `overwritten`


class SlotStatistics:
    """Follows the slots of B rows from step to step.

    A slot holds the last write with a weight of at least `written`; a write counts as read once some head reads its
    slot with a weight of at least `read`.

    Args:
        rows: B.
        reads_before_writing: see `Memory`.
        written, read: the least weights that count.
    """

    def __init__(self, rows: int, reads_before_writing: bool, written: float = 0.2, read: float = 0.1) -> None:
        self.reads_before_writing = reads_before_writing
        self.least_written, self.least_read = written, read
        self.counts = SlotCounts()
        self.now = torch.zeros(rows, dtype=torch.int64)
        self.birth: Tensor | None = None  # [B, N] int64, -1 where nothing was written
        self.was_read: Tensor | None = None  # [B, N] bool

    def step(self, access: SlotAccess, starts: Tensor) -> None:
        """Add one step.

        Args:
            access: leaves [B, ...].
            starts: [B] bool, an episode starts at this step.
        """
        access = SlotAccess(*(leaf.detach().cpu() for leaf in access))
        starts = starts.cpu()
        if self.birth is None or self.was_read is None:
            self.birth = torch.full(access.written.shape, -1, dtype=torch.int64)
            self.was_read = torch.zeros(access.written.shape, dtype=torch.bool)
        self._end(starts)
        if self.reads_before_writing:
            self._read(access, self.birth, self.was_read)
            self._write(access, self.birth, self.was_read)
        else:
            self._write(access, self.birth, self.was_read)
            self._read(access, self.birth, self.was_read)
        self._add(steps=len(starts), filled=float((self.birth >= 0).float().mean(1).sum()))
        self.now += 1

    def finish(self) -> SlotCounts:
        """End all episodes and return the sums."""
        self._end(torch.ones_like(self.now, dtype=torch.bool))
        return self.counts

    def _end(self, rows: Tensor) -> None:
        self.now[rows] = 0
        if self.birth is None or self.was_read is None:
            return
        held = (self.birth >= 0) & rows.unsqueeze(1)
        self._add(stored=int(held.sum()), never_read=int((held & ~self.was_read).sum()))
        self.birth[rows], self.was_read[rows] = -1, False

    def _read(self, access: SlotAccess, birth: Tensor, was_read: Tensor) -> None:
        weights = access.read * (birth >= 0).unsqueeze(1)  # [B, R, N]
        nothing = (1 - weights.sum(2)).clamp(min=0)
        entropy = torch.special.entr(weights).sum(2) + torch.special.entr(nothing)
        age = (self.now.unsqueeze(1) - birth).unsqueeze(1) * weights
        was_read |= weights.amax(1) >= self.least_read
        self._add(
            reads=nothing.numel(),
            nothing=float(nothing.sum()),
            entropy=float(entropy.sum()),
            read_weight=float(weights.sum()),
            age=float(age.sum()),
        )

    def _write(self, access: SlotAccess, birth: Tensor, was_read: Tensor) -> None:
        taken = access.written >= self.least_written
        lost = taken & (birth >= 0)
        unread = int((lost & ~was_read).sum())
        self._add(
            writes=int(taken.any(1).sum()),
            stored=int(lost.sum()),
            never_read=unread,
            overwritten=int(lost.sum()),
            overwritten_unread=unread,
        )
        birth[taken] = self.now.unsqueeze(1).expand_as(birth)[taken]
        was_read[taken] = False

    def _add(self, **more: float) -> None:
        self.counts = self.counts._replace(**{name: getattr(self.counts, name) + value for name, value in more.items()})
