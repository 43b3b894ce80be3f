"""Window attention and gates in C on a CPU: the products with weights are torch's, the numbers between them are not.

`WindowAttention.forward` and `Gate.forward` are the definitions.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_int64
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engram.memory.native.build import addresses, library, why_not_native
from engram.memory.paths import FUSED, NATIVE
from engram.memory.precision import full_precision

_SOURCE = Path(__file__).with_suffix(".c")
_MOST_BYTES = 2**18
"""What the C code may keep on the stack; longer windows are left to torch."""


class Sizes(NamedTuple):
    """What is compiled in."""

    heads: int
    width: int  # D of all heads
    window: int

    def library(self, dtype: torch.dtype) -> Any:
        """Return the library; None if there is none."""
        return library(_SOURCE, dtype, **self._macros())

    def path(self, like: Tensor) -> str:
        """Return which implementation runs (see `memory.paths`)."""
        if not like.is_cpu:
            return FUSED
        reason = "the window is too long for the C code" if self.too_long(1, like.itemsize) else ""
        reason = reason or why_not_native(_SOURCE, like.dtype, **self._macros())
        return f"{FUSED}: {reason}" if reason else NATIVE

    def too_long(self, steps: int, itemsize: int) -> bool:
        """Return whether a sequence of so many steps takes too much of the stack."""
        width = self.width // self.heads
        return (5 * (self.window + steps) + 3 * (self.window + 1)) * width * itemsize > _MOST_BYTES

    def _macros(self) -> dict[str, int]:
        return {"R": self.heads, "W": self.width // self.heads, "N": self.window}


def attend(
    compiled: Any,
    own: Tensor,
    carried: Tensor,
    position: Tensor,
    content_bias: Tensor,
    position_bias: Tensor,
    filled: Tensor,
    episode_starts: Tensor,
) -> Tensor:
    """Let each of T steps attend to the window before it and to itself.

    Args:
        compiled: the library.
        own: [B, T, 3D] queries, keys and values of the steps.
        carried: [B, N, 2D] keys and values of the window before the first step.
        position: [N + 1, D] of the distances from N down to 0.
        content_bias, position_bias: [R, 1, W].
        filled: [B, N] bool.
        episode_starts: [T, B] bool.

    Returns:
        [B, T, D].
    """
    apply: Callable[..., Tensor] = _Attend.apply
    return apply(compiled, own, carried, position, content_bias, position_bias, filled, episode_starts)


class _Attend(torch.autograd.Function):
    """See `attend`."""

    @staticmethod
    def forward(ctx: Any, compiled: Any, own: Tensor, *others: Tensor) -> Tensor:
        given = [tensor.contiguous() for tensor in (own, *others)]
        batch, time, width = own.shape[0], own.shape[1], own.shape[2] // 3
        heads, reach = others[2].shape[0], others[1].shape[0]
        weights, attended = own.new_empty(heads, batch, time, reach), own.new_empty(batch, time, width)
        compiled.attend_forward(c_int64(batch), c_int64(time), addresses(*given, weights, attended))
        ctx.compiled = compiled
        ctx.save_for_backward(*given, weights)
        return attended

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_attended: Tensor) -> tuple[Tensor | None, ...]:
        *given, weights = ctx.saved_tensors
        of_attended = of_attended.contiguous()
        of_own, of_carried = torch.empty_like(given[0]), torch.empty_like(given[1])
        of_others = [torch.zeros_like(tensor) for tensor in given[2:5]]
        back = addresses(of_attended, of_own, of_carried, *of_others)
        sizes = map(c_int64, given[0].shape[:2])
        ctx.compiled.attend_backward(*sizes, addresses(*given, weights, None), back)
        return None, of_own, of_carried, *of_others, None, None


def gate(
    compiled: Any,
    stream: Tensor,
    update: Tensor,
    from_update: Tensor,
    from_stream: Tensor,
    from_reset: Tensor,
    bias: Tensor,
) -> Tensor:
    """Join what flows by with what a layer made of it, both [..., D], see `memory.transformer.block.Gate`.

    Args:
        compiled: the library.
        stream, update: [..., D].
        from_update, from_stream, from_reset: [3D, D], [2D, D], [D, D] weights of the products.
        bias: [D].
    """
    apply: Callable[..., Tensor] = _Gate.apply
    flat = (part.reshape(-1, part.shape[-1]) for part in (stream, update))
    return apply(compiled, *flat, from_update, from_stream, from_reset, bias).view(stream.shape)


class _Gate(torch.autograd.Function):
    """See `gate`."""

    @staticmethod
    def forward(
        ctx: Any,
        compiled: Any,
        stream: Tensor,
        update: Tensor,
        from_update: Tensor,
        from_stream: Tensor,
        from_reset: Tensor,
        bias: Tensor,
    ) -> Tensor:
        stream, count = stream.contiguous(), c_int64(len(stream))
        sums = update @ from_update.t()
        sums[:, : from_stream.shape[0]].addmm_(stream, from_stream.t())
        reset, openness, kept, out = (torch.empty_like(stream) for _ in range(4))
        bias = bias.contiguous()
        at = addresses(bias, stream, sums, reset, openness, kept)
        compiled.gate_open(count, at + _NOTHING)
        candidate = kept @ from_reset.t()
        compiled.gate_close(count, at + addresses(candidate, out) + _NOTHING)
        ctx.compiled = compiled
        ctx.save_for_backward(
            stream, update, from_update, from_stream, from_reset, bias, reset, openness, kept, candidate
        )
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_out: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        stream, update, from_update, from_stream, from_reset, bias, reset, openness, kept, candidate = saved
        of_out, count, width = of_out.contiguous(), c_int64(len(of_out)), of_out.shape[1]
        of_sums, of_stream = of_out.new_empty(len(of_out), 3 * width), torch.empty_like(of_out)
        at = addresses(bias, stream, of_sums, reset, openness, kept, candidate, None, of_out)
        ctx.compiled.gate_close_backward(count, at + addresses(None, of_stream))
        with full_precision(of_out):
            of_candidate, of_both = of_sums[:, 2 * width :], of_sums[:, : 2 * width]
            of_kept = of_candidate @ from_reset
            ctx.compiled.gate_open_backward(count, at + addresses(of_kept, of_stream))
            of_update, of_stream = of_sums @ from_update, of_stream.addmm_(of_both, from_stream)
            of_weights = of_sums.t() @ update, of_both.t() @ stream, of_candidate.t() @ kept
            of_bias = of_sums[:, width : 2 * width].sum(0).neg_()
        return None, of_stream, of_update, *of_weights, of_bias


_NOTHING = addresses(*[None] * 8)
