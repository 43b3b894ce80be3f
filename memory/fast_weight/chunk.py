"""The fast path of the gated delta rule: chunks of matrix products, the backward pass written out.

Within a chunk, with `γ_t` the sum of log decays up to step t, the weights are
`S_t = exp(γ_t) S_0 + Σ_i exp(γ_t - γ_i) u_i k_iᵀ`, where `u_t = β_t (v_t - α_t S_{t-1} k_t)` is what step t adds.
Together they give the triangular system `(I + A) u = β (v - exp(γ) S_0 k)` with
`A_ti = β_t exp(γ_t - γ_i) k_t·k_i` for i < t (Yang et al. 2024, "Parallelizing linear transformers with the delta rule
over sequence length"; with decay Yang et al. 2025, "Gated delta networks"). All sums run over the steps of the same
episode only, so A is block-diagonal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from engram.memory.fast_weight.naive import DeltaSteps
from engram.memory.precision import in_full_precision

_NOTHING_LEFT = -1000.0
"""The exponential of less is zero even in double."""


def delta_chunks(
    steps: DeltaSteps, weights: Tensor, episode_starts: Tensor, chunk_length: int = 32
) -> tuple[Tensor, Tensor]:
    """Run over a sequence, all of it finite, in chunks: each a few matrix products and one triangular solve.

    Args:
        steps, episode_starts: as for `delta_loop`.
        weights: [B, R, V, K] before the first step and after its reset.
        chunk_length: C, steps taken at once; the work per step grows with it, the number of calls falls.

    Returns:
        the same as `delta_loop`.
    """
    apply: Callable[..., tuple[Tensor, Tensor]] = _DeltaChunk.apply
    by_head = (part.movedim(0, 2).contiguous().split(chunk_length, dim=2) for part in steps)  # [B, R, C, ...]
    reads = []
    for starts, *parts in zip(episode_starts.split(chunk_length), *by_head, strict=True):
        read, weights = apply(*parts, weights, starts)
        reads.append(read)
    return torch.cat(reads, dim=2).movedim(2, 0), weights


class Decays(NamedTuple):
    """What is left, at a write (after the decay of its step) and at a read (before it); 0 across episodes."""

    added: Tensor  # [B, R, 2, C, C] at step t of what step i has added, exp(γ_t - γ_i), for i < t
    carried: Tensor  # [B, R, 2, C] at step t of the weights before the chunk
    at_end: Tensor  # [B, R, C] after the chunk of what step i has added

    @classmethod
    def of(cls, log_decays: Tensor, same: Tensor, first: Tensor) -> Decays:
        """Compute them.

        Args:
            log_decays: [B, R, C].
            same: [B, C, C] 1 where two steps are of the same episode, else 0.
            first: [B, C] bool, where a step is of the episode of the weights before the chunk.
        """
        dtype = log_decays.dtype
        # In double, and bounded where nothing is left anyway: the difference of two large sums may be small.
        steps = log_decays.double().clamp(min=_NOTHING_LEFT)
        total = steps.cumsum(2)
        until = torch.stack([total, total - steps], dim=2)
        elapsed = (until.unsqueeze(4) - total[:, :, None, None]).to(dtype)
        # Masked before the exponential: what is later has a positive difference, which may overflow.
        added = elapsed.tril_(-1).exp_().mul_(same.tril(-1)[:, None, None])
        carried = until.to(dtype).exp_().mul_(first[:, None, None])
        at_end = (total[..., -1:] - total).to(dtype).exp_().mul_(same[:, -1].unsqueeze(1))
        return cls(added, carried, at_end)


class _DeltaChunk(torch.autograd.Function):
    """One chunk: `X` stands for B * R.

    Args:
        queries, keys: [B, R, C, K].
        values: [B, R, C, V].
        strengths, log_decays: [B, R, C].
        weights: [B, R, V, K] before the first step and before its reset.
        episode_starts: [C, B] bool.

    Returns:
        reads [B, R, C, V], and the weights after the last step.
    """

    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        strengths: Tensor,
        log_decays: Tensor,
        weights: Tensor,
        episode_starts: Tensor,
    ) -> tuple[Tensor, Tensor]:
        heads, episode = weights.shape[:2], episode_starts.t().cumsum(1)
        same = (episode.unsqueeze(2) == episode.unsqueeze(1)).to(weights.dtype)
        decays = Decays(*(decay.flatten(0, 1) for decay in Decays.of(log_decays, same, episode == 0)))
        queries, keys, values, strengths, weights = (
            part.flatten(0, 1) for part in (queries, keys, values, strengths.unsqueeze(3), weights)
        )
        (added_at_write, added_at_read), (fade_write, fade_read) = decays.added.unbind(1), _columns(decays.carried)
        # A write looks up with its key what it replaces.
        carried_by_key = torch.bmm(keys, weights.mT)
        wrong = torch.addcmul(values, carried_by_key, fade_write, value=-1)
        mixing = torch.bmm(keys, keys.mT).mul_(added_at_write)
        added = _solve(strengths * mixing, strengths * wrong, upper=False)  # u
        carried_by_query = torch.bmm(queries, weights.mT)
        mixing_read = torch.bmm(queries, keys.mT).mul_(added_at_read)
        reads = torch.baddbmm(carried_by_query * fade_read, mixing_read, added)
        at_end = decays.at_end.unsqueeze(2)
        after = torch.baddbmm(weights * fade_write[:, -1:], (added * at_end).mT, keys)
        ctx.save_for_backward(
            queries,
            keys,
            strengths,
            weights,
            same,
            *decays,
            carried_by_key,
            carried_by_query,
            wrong,
            mixing,
            mixing_read,
            added,
        )
        ctx.vanished = log_decays < _NOTHING_LEFT
        return reads.unflatten(0, heads), after.unflatten(0, heads)

    @staticmethod
    @in_full_precision
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        queries, keys, strengths, weights, same, decay_added, decay_carried, decay_at_end, *rest = ctx.saved_tensors
        carried_by_key, carried_by_query, wrong, mixing, mixing_read, added = rest
        (added_at_write, added_at_read), (fade_write, fade_read) = decay_added.unbind(1), _columns(decay_carried)
        at_end, heads = decay_at_end.unsqueeze(2), gradients[0].shape[:2]
        of_reads, of_after = (gradient.flatten(0, 1) for gradient in gradients)

        # From the reads and the weights after, through what the steps have added, to what was wrong.
        added_at_end = added * at_end
        of_added_at_end = torch.bmm(keys, of_after.mT)
        of_added = torch.baddbmm(of_added_at_end * at_end, mixing_read.mT, of_reads)
        of_wrong = _solve((strengths * mixing).mT, of_added, upper=True)
        of_strengths = (of_wrong * wrong).sum(2)
        of_mixing = torch.bmm(of_wrong, added.mT).neg_()  # before the strengths, and so is of_wrong
        of_strengths += (of_mixing * mixing).sum(2)
        of_mixing.mul_(strengths)
        of_wrong = of_wrong * strengths
        of_mixing_read = torch.bmm(of_reads, added.mT)

        # Logarithms of decays: what a decay multiplies times its gradient.
        of_elapsed = of_mixing * mixing, of_mixing_read * mixing_read
        of_by_key, of_by_query = of_wrong * -fade_write, of_reads * fade_read
        of_fade = (of_by_key * carried_by_key).sum(2), (of_by_query * carried_by_query).sum(2)
        of_at_end = (added_at_end * of_added_at_end).sum(2)
        of_weights = of_after * fade_write[:, -1:]
        of_until, of_until_read = (elapsed.sum(2) + fade for elapsed, fade in zip(of_elapsed, of_fade, strict=True))
        of_total = of_until + of_until_read - of_elapsed[0].sum(1) - of_elapsed[1].sum(1) - of_at_end
        of_total[:, -1] += of_at_end.sum(1) + (of_weights * weights).sum((1, 2))
        # A sum over all later steps, but not over those of other episodes, which would leave a rounding error behind.
        of_log_decays = of_total.unflatten(0, heads) @ same.tril() - of_until_read.unflatten(0, heads)
        of_log_decays.masked_fill_(ctx.vanished, 0.0)

        of_mixing.mul_(added_at_write)
        of_mixing_read.mul_(added_at_read)
        of_queries = torch.bmm(of_mixing_read, keys).baddbmm_(of_by_query, weights)
        of_keys = torch.bmm(of_mixing + of_mixing.mT, keys).baddbmm_(of_mixing_read.mT, queries)
        of_keys.baddbmm_(of_by_key, weights).baddbmm_(added_at_end, of_after)
        of_weights.baddbmm_(of_by_key.mT, keys).baddbmm_(of_by_query.mT, queries)
        of_steps = (part.unflatten(0, heads) for part in (of_queries, of_keys, of_wrong, of_strengths))
        return *of_steps, of_log_decays, of_weights.unflatten(0, heads), None


def _solve(mixing: Tensor, right: Tensor, upper: bool) -> Tensor:
    """Solve (I + mixing) x = right, with what mixes the steps strictly on one side of the diagonal."""
    return cast(Tensor, torch.linalg.solve_triangular(mixing, right, upper=upper, unitriangular=True))


def _columns(pair: Tensor) -> tuple[Tensor, ...]:
    """Part [X, 2, C] into two columns [X, C, 1]."""
    return pair.unsqueeze(3).unbind(1)
