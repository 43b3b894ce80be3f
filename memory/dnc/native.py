"""The DNC's step in C: what `memory.dnc.fused` does with operations on tensors, several times faster on a CPU."""

from __future__ import annotations

from pathlib import Path

from engram.memory.dnc.fused import FusedDNC
from engram.memory.feedback.native_step import Layout, NativeStep

_SOURCE = Path(__file__).with_suffix(".c")


class NativeDNC(NativeStep, FusedDNC):
    """A step that is taken in C where that is possible; arguments as for `FusedDNC`."""

    def layout(self, slots: int) -> Layout | str:
        if not self.has_links:
            return "links=False has no C code"
        n, w, r = slots, self.width, self.reads
        return Layout(
            source=_SOURCE,
            sizes={"N": n, "W": w, "R": r},
            vector=sum(self.groups),
            leaves=[(n, w), (n,), (n,), (n, n), (n,), (r, n), (r * w,)],
            choice=(n,),
            stack=n * (w + 8 * r + 16) + 3 * w,
        )
