"""The NTM's step in C: what `memory.ntm.fused` does with operations on tensors, several times faster on a CPU."""

from __future__ import annotations

from pathlib import Path

from engram.memory.feedback.native_step import Layout, NativeStep
from engram.memory.ntm.fused import FusedNTM

_SOURCE = Path(__file__).with_suffix(".c")


class NativeNTM(NativeStep, FusedNTM):
    """A step that is taken in C where that is possible; arguments as for `FusedNTM`."""

    def layout(self, slots: int) -> Layout | str:
        n, w, r, shift = slots, self.per_head[0], self.reads, self.shift
        if self.bound != int(self.bound):
            return f"a bound of {self.bound} has no C code"
        return Layout(
            source=_SOURCE,
            sizes={"N": n, "W": w, "R": r, "SHIFT": shift, "BOUND": int(self.bound)},
            vector=sum(self.groups),
            leaves=[(n, w), (r, n), (1, n), (r * w,)],
            choice=None,
            stack=(r + 4) * (n + 2 * (w + 2 * shift + 4)) + 4 * w,
        )
