"""How a rollout is cut into chunks, and which sizes fit."""

from __future__ import annotations

LONGEST_CHUNK = 64
SHORTEST_CHUNK = 8
USUAL_BATCH = 256


def fit_chunks(n_steps: int, chunk_length: int | None, batch_size: int | None) -> tuple[int, int]:
    """Complete or check the sizes of chunks and minibatches.

    Args:
        n_steps: steps of every env in a rollout.
        chunk_length: steps of truncated back-propagation, a divisor of `n_steps`; None for the largest up to 64.
        batch_size: transitions in a minibatch, a multiple of the chunk; None for the largest up to 256.

    Returns:
        chunk length and batch size.

    Raises:
        ValueError: one line that names the values and what would be right.
    """
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
        batch_size = max(1, USUAL_BATCH // chunk_length) * chunk_length
    elif batch_size < max(2, chunk_length) or batch_size % chunk_length:
        near = max(2, max(1, round(batch_size / chunk_length)) * chunk_length)
        raise ValueError(
            f"batch_size={batch_size} must be a multiple of chunk_length={chunk_length}, at least 2, for example {near}"
        )
    return chunk_length, batch_size
