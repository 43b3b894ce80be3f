"""How a rollout is cut into chunks, and which sizes fit."""

from __future__ import annotations

from typing import SupportsIndex

LONGEST_CHUNK = 64
SHORTEST_CHUNK = 8
LARGEST_BATCH = 256
MINIBATCHES = 16


def fit_chunks(n_steps: int, n_envs: int, chunk_length: int | None, batch_size: int | None) -> tuple[int, int]:
    """Complete or check the sizes of chunks and minibatches.

    Many small minibatches are what breaks the plateau of a memory task (see
    `docs/how_it_works/exploration.md`), so by default a
    rollout is learned in 16 of them, as far as chunks allow.

    Args:
        n_steps: steps of every env in a rollout.
        n_envs: envs that play side by side.
        chunk_length: steps of truncated back-propagation, a divisor of `n_steps`; None for the largest up to 64.
        batch_size: transitions in a minibatch, a multiple of the chunk; None for a sixteenth of the rollout, at most
            256 and at least one chunk.

    Returns:
        chunk length and batch size.

    Raises:
        ValueError: one line that names the values and what would be right.
    """
    for name, size in {"n_steps": n_steps, "chunk_length": chunk_length, "batch_size": batch_size}.items():
        if size is not None and not isinstance(size, SupportsIndex):
            raise ValueError(f"{name}={size!r} must be a whole number")
    if n_steps < 1:
        raise ValueError(f"n_steps={n_steps} must be at least 1")
    if chunk_length is None:
        chunk_length = next(length for length in range(min(LONGEST_CHUNK, n_steps), 0, -1) if n_steps % length == 0)
        if chunk_length < min(SHORTEST_CHUNK, n_steps):
            near = round(n_steps / LONGEST_CHUNK) * LONGEST_CHUNK
            raise ValueError(
                f"n_steps={n_steps} has no divisor from {SHORTEST_CHUNK} to {LONGEST_CHUNK} for its chunks; "
                f"take n_steps={near}, or set chunk_length"
            )
    elif chunk_length < 1 or n_steps % chunk_length:
        raise ValueError(f"chunk_length={chunk_length} must be a divisor of n_steps={n_steps}")
    if batch_size is None:
        share = min(LARGEST_BATCH, n_steps * n_envs // MINIBATCHES)
        batch_size = max(2, max(1, share // chunk_length) * chunk_length)
    elif batch_size < max(2, chunk_length) or batch_size % chunk_length:
        near = max(2, max(1, round(batch_size / chunk_length)) * chunk_length)
        raise ValueError(
            f"batch_size={batch_size} must be a multiple of chunk_length={chunk_length}, at least 2, for example {near}"
        )
    return chunk_length, batch_size
