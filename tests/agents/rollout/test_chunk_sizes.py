"""Which sizes of rollouts, chunks and minibatches fit together."""

import pytest

from engram.agents.rollout.buffer import fit_chunks


@pytest.mark.parametrize(
    ("n_steps", "n_envs", "chunk_length", "batch_size"),
    [
        (64, 64, 64, 256),  # a sixteenth of the rollout
        (256, 8, 64, 128),
        (256, 128, 64, 256),  # but no more than 256
        (256, 1, 64, 64),  # and no less than a chunk
        (100, 32, 50, 200),
        (96, 32, 48, 192),
        (10, 3, 10, 10),
        (5, 1, 5, 5),
        (1, 1, 1, 2),
    ],
)
def test_sizes_left_out_are_chosen_to_fit(n_steps, n_envs, chunk_length, batch_size):
    assert fit_chunks(n_steps, n_envs, None, None) == (chunk_length, batch_size)


def test_what_is_chosen_always_fits():
    for n_steps in range(1, 400):
        if n_steps > 64 and all(n_steps % length for length in range(8, 65)):
            with pytest.raises(ValueError, match=f"n_steps={n_steps} has no divisor"):
                fit_chunks(n_steps, 7, None, None)
            continue
        chunk_length, batch_size = fit_chunks(n_steps, 7, None, None)
        assert n_steps % chunk_length == 0
        assert batch_size % chunk_length == 0
        assert min(8, n_steps) <= chunk_length <= 64
        assert 1 <= batch_size <= 256


def test_what_is_given_is_kept():
    assert fit_chunks(60, 3, 15, 45) == (15, 45)
    assert fit_chunks(60, 3, 1, 7) == (1, 7)


@pytest.mark.parametrize(
    ("sizes", "line"),
    [
        ((0, None, None), "n_steps=0 must be at least 1"),
        ((60, 7, 14), "chunk_length=7 must be a divisor of n_steps=60"),
        ((60, 0, 14), "chunk_length=0 must be a divisor of n_steps=60"),
        ((60, 15, 50), "batch_size=50 must be a multiple of chunk_length=15, .*for example 45"),
        ((60, 15, 3), "batch_size=3 must be a multiple of chunk_length=15, .*for example 15"),
        ((60, 1, 1), "batch_size=1 must be .*at least 2, for example [2-9]"),
        ((127, None, None), "n_steps=127 has no divisor from 8 to 64"),
        ((60.0, None, None), "n_steps=60.0 must be a whole number"),
        ((60, 15, "45"), "batch_size='45' must be a whole number"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(sizes, line):
    with pytest.raises(ValueError, match=f"^{line}") as caught:
        fit_chunks(sizes[0], 3, *sizes[1:])
    assert "\n" not in str(caught.value)
