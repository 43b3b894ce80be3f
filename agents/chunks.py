"""How a rollout is cut into chunks, and which sizes fit."""

from __future__ import annotations


def default_chunk_length(n_steps: int) -> int:
    """Return the largest divisor of `n_steps` up to 64."""
    return next(length for length in range(min(64, n_steps), 0, -1) if n_steps % length == 0)


def check_batch_size(n_steps: int, batch_size: int, chunk_length: int) -> None:
    """Check that rollouts cut into chunks and minibatches hold whole chunks.

    Raises:
        ValueError: one line that names the values and what would be right.
    """
    if n_steps < 1 or chunk_length < 1 or n_steps % chunk_length:
        raise ValueError(f"chunk_length={chunk_length} must be a divisor of n_steps={n_steps}")
    if batch_size < chunk_length or batch_size % chunk_length:
        near = max(1, round(batch_size / chunk_length)) * chunk_length
        raise ValueError(
            f"batch_size={batch_size} must be a multiple of chunk_length={chunk_length}, for example {near}"
        )
