"""Ages and step numbers: exact where they are small, usable where they are huge."""

import math

import pytest
import torch

from engram.memory.positions import AgeBias, StepEmbedding, bucket_starts

MILLION = 1_000_000


def bucket(age, exact=6, per_octave=3, buckets=50):
    starts = torch.tensor(bucket_starts(exact, per_octave, buckets))
    assert len(starts) == buckets - 1
    return torch.bucketize(torch.as_tensor(age), starts, right=True)


def test_every_age_below_the_limit_has_a_bucket_of_its_own():
    assert bucket(range(6)).tolist() == [0, 1, 2, 3, 4, 5]


def test_beyond_the_limit_every_doubling_takes_the_same_number_of_buckets():
    assert bucket([6, 12, 24, 48, 6 * 2**10]).tolist() == [6, 9, 12, 15, 36]
    assert bucket([11, 23, 47]).tolist() == [8, 11, 14]  # the step before a doubling is in the bucket before


def test_every_bucket_is_that_of_the_formula():
    expected = [6 + math.floor(3 * math.log2(age / 6) + 1e-9) for age in range(6, 3000)]
    assert bucket(range(6, 3000)).tolist() == expected


def test_buckets_are_monotone_without_gaps_and_the_last_takes_the_rest():
    buckets = bucket(range(20 * MILLION // 100))
    steps = buckets.diff()
    assert steps.min() >= 0
    assert steps.max() <= 1
    assert bucket([2**40, 2**62], buckets=17).tolist() == [16, 16]


def test_the_age_bias_is_zero_at_first_and_learned_for_every_age_apart():
    bias = AgeBias(heads=3)
    ages = torch.tensor([[0, 1, 5, 63], [64, 1000, MILLION, 2**50]])
    assert bias(bias.bucket(ages)).shape == (3, 2, 4)
    assert bias(bias.bucket(ages)).abs().max() == 0
    bias(torch.tensor([5])).sum().backward()
    assert bias.table.grad.nonzero()[:, 0].unique().tolist() == [5]
    with torch.no_grad():
        bias.table -= 0.1 * bias.table.grad
    assert (bias(bias.bucket(ages))[:, 0, 2] < 0).all()
    assert bias(bias.bucket(ages))[:, 0, [0, 1, 3]].abs().max() == 0


def test_adam_moves_a_bias_ten_times_as_fast_as_a_weight():
    bias, weight = AgeBias(heads=2), torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.Adam([*bias.parameters(), weight], lr=1e-3)
    ages = torch.tensor([3, 1000])
    (bias(bias.bucket(ages)).sum() + weight.sum()).backward()
    optimizer.step()
    assert torch.allclose(bias(bias.bucket(ages)), 10 * weight.unsqueeze(1).expand(2, 2), rtol=1e-5)


def test_the_table_has_64_ages_and_two_more_for_each_of_20_doublings():
    bias = AgeBias(heads=1)
    bucket_of_age = {0: 0, 63: 63, 64: 64, 90: 64, 91: 65, 128: 66, 64 * 2**19: 102, 64 * 2**20: 103, 2**40: 103}
    with torch.no_grad():
        bias.table.copy_(torch.arange(104.0).unsqueeze(1) / 10)
    assert bias(bias.bucket(torch.tensor(list(bucket_of_age))))[0].round().tolist() == list(bucket_of_age.values())


def test_a_million_steps_are_within_the_table():
    bias = AgeBias(heads=1)
    buckets = bias.bucket(torch.tensor([MILLION, 2 * MILLION]))
    assert buckets[0] < buckets[1] < len(bias.table) - 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("step", [0, 1, 77, MILLION, MILLION + 1, 50 * MILLION])
def test_step_embeddings_are_exact_for_any_episode_length(step, dtype):
    size = 10
    embedded = StepEmbedding(size)(torch.tensor([[step]]), dtype)
    assert embedded.shape == (1, 1, size)
    assert embedded.dtype == dtype
    angles = [step * 10_000 ** (-2 * i / size) for i in range(size // 2)]
    expected = [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
    assert torch.allclose(embedded.double(), torch.tensor(expected, dtype=torch.float64), atol=1e-7, rtol=0)


def test_neighboring_steps_can_be_told_apart_after_a_million():
    embedded = StepEmbedding(8)(torch.arange(MILLION, MILLION + 100))
    distances = torch.cdist(embedded, embedded) + 10 * torch.eye(100)
    assert distances.min() > 0.05


def test_the_embedding_has_no_parameters_and_nothing_to_save():
    embedding = StepEmbedding(8)
    assert not list(embedding.parameters())
    assert not embedding.state_dict()


@pytest.mark.parametrize("size", [-2, 1, 5])
def test_an_odd_embedding_is_refused(size):
    with pytest.raises(ValueError, match=f"step_embedding_size={size} must be even and at least 2"):
        StepEmbedding(size)
