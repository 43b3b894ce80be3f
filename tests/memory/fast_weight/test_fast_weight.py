"""The fast-weight memory with gates set by hand, its loop beside its chunks, and numbers at the edge."""

import math

import pytest
import torch
from torch import nn

from engram.memory.fast_weight import native
from engram.memory.fast_weight.memory import FastWeightMemory
from engram.memory.fast_weight.naive import delta_loop
from engram.memory.interface import StepSequence

HIDDEN, HEADS, KEY, VALUE, BATCH = 3, 2, 5, 7, 3
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-9}
OPEN, SHUT, KEEP, HALVE = 100.0, -100.0, 100.0, 0.0  # before the sigmoid


def identity(events):
    return events


def memory(heads=HEADS, encoded_size=11, **kwargs):
    sizes = {"heads": heads, "key_size": KEY, "value_size": VALUE, **kwargs}
    return FastWeightMemory(identity, torch.zeros(1, encoded_size), encoded_size, HIDDEN, **sizes)


def steps_of(length, encoded_size=11, batch=BATCH, dtype=torch.float32, scale=1.0):
    encoded = scale * torch.randn(length, batch, encoded_size, dtype=dtype)
    starts = torch.rand(length, batch) < 0.1
    return StepSequence(scale * torch.randn(length, batch, HIDDEN, dtype=dtype), encoded, encoded, starts)


@torch.no_grad()
def by_hand():
    """One head whose query, key, value and gates are the event itself; nothing is normalized after the read."""
    size = 2 * KEY + VALUE + 2
    made = memory(heads=1, encoded_size=size)
    made.normalize = nn.Identity()
    made.from_seen.weight.zero_()
    made.from_seen.bias.zero_()
    made.from_seen.weight[:, HIDDEN:] = torch.eye(size)
    return made


def step(query=None, key=None, value=None, strength=SHUT, decay=KEEP):
    """An event for `by_hand`; queries and keys are numbers of unit vectors, None the zero vector."""
    vectors = [torch.zeros(KEY) if name is None else torch.eye(KEY)[name] for name in (query, key)]
    value = torch.zeros(VALUE) if value is None else value
    return torch.cat([*vectors, value, torch.tensor([strength, decay])])


def recalled(*events, starts=()):
    """What is read at each step [T, V], in a chunk and step by step."""
    made, encoded = by_hand(), torch.stack(events).unsqueeze(1)
    begins = torch.zeros(len(events), 1, dtype=torch.bool)
    begins[list(starts)] = True
    steps = StepSequence(torch.zeros(len(events), 1, HIDDEN), encoded, encoded, begins)
    whole, looped = made(steps, made.initial_state(1)), made.forward_naive(steps, made.initial_state(1))
    assert torch.allclose(whole.read, looped.read, atol=1e-6)
    return whole.read[:, 0]


def take(way, monkeypatch):
    """Take the C code, or none; skip where there is none."""
    if way == "torch":
        monkeypatch.setattr(native, "library", lambda *args, **sizes: None)
    elif memory().path() != "native":
        pytest.skip(memory().path())


def test_a_word_is_written_and_read_back_from_the_next_step_on():
    word = torch.randn(VALUE)
    read = recalled(step(query=1, key=1, value=word, strength=OPEN), step(query=1), step(query=2), step(query=1))
    assert torch.allclose(read, torch.stack([0 * word, word, 0 * word, word]), atol=1e-5)


def test_a_second_write_to_a_key_replaces_the_first_and_leaves_other_keys_alone():
    first, second, other = torch.randn(3, VALUE)
    read = recalled(
        step(key=1, value=first, strength=OPEN),
        step(key=3, value=other, strength=OPEN),
        step(query=1, key=1, value=second, strength=OPEN),
        step(query=1),
        step(query=3),
    )
    assert torch.allclose(read[2:], torch.stack([first, second, other]), atol=1e-5)


def test_half_a_write_goes_half_the_way():
    first, second = torch.randn(2, VALUE)
    read = recalled(step(key=1, value=first, strength=OPEN), step(key=1, value=second, strength=0.0), step(query=1))
    assert torch.allclose(read[2], (first + second) / 2, atol=1e-5)


def test_a_shut_gate_writes_nothing():
    read = recalled(step(key=1, value=torch.ones(VALUE), strength=SHUT), step(query=1))
    assert read.abs().max() < 1e-6


def test_decay_halves_what_was_stored_before_and_not_what_is_written():
    word = torch.randn(VALUE)
    read = recalled(
        step(key=1, value=word, strength=OPEN, decay=HALVE),
        step(query=1, decay=HALVE),
        step(query=1, decay=HALVE),
        step(query=1),
        step(query=1),
    )
    assert torch.allclose(read[1:], word * torch.tensor([1, 0.5, 0.25, 0.25]).unsqueeze(1), atol=1e-5)


def test_an_episode_starts_with_nothing():
    word = torch.randn(VALUE)
    read = recalled(step(key=1, value=word, strength=OPEN), step(query=1), step(query=1), starts=[2])
    assert torch.allclose(read[1], word, atol=1e-5)
    assert read[2].abs().max() == 0


def test_as_many_associations_as_a_key_is_wide_are_kept_apart():
    words = torch.randn(KEY, VALUE)
    decisions = [step(key=k, value=word, strength=OPEN) for k, word in enumerate(words)]
    read = recalled(*decisions, *(step(query=k) for k in range(KEY)))
    assert torch.allclose(read[KEY:], words, atol=1e-5)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=["fp32", "fp64"])
@pytest.mark.parametrize("length", [1, 2, 11, 77, 128])
@pytest.mark.parametrize("way", ["C", "torch"])
def test_a_sequence_at_once_equals_the_loop(dtype, length, way, monkeypatch):
    take(way, monkeypatch)
    made = memory(half_life=3.0).to(dtype)
    steps = steps_of(length, dtype=dtype)
    state = made.forward_naive(steps_of(9, dtype=dtype), made.initial_state(BATCH)).state
    mixing = torch.randn(length, BATCH, made.read_size, dtype=dtype)

    def outcome(run):
        hidden, encoded = (part.clone().requires_grad_() for part in steps[:2])
        weights = state.weights.detach().requires_grad_()
        recall = run(steps._replace(hidden=hidden, encoded=encoded), state._replace(weights=weights))
        loss = (recall.read * mixing).sum() + recall.state.weights.square().sum()
        gradients = torch.autograd.grad(loss, [hidden, encoded, weights, *made.parameters()])
        return [recall.read, recall.state.weights, *recall.trace.values()], gradients

    (values, gradients), (looped, looped_gradients) = outcome(made), outcome(made.forward_naive)
    for one, other in zip(values, looped, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=TOLERANCE[dtype])
    for one, other in zip(gradients, looped_gradients, strict=True):
        scale = max(1.0, other.abs().max().item())  # a parameter's gradient is a sum over all steps
        assert (one - other).abs().max() <= TOLERANCE[dtype] * scale


@pytest.mark.parametrize("scale", [0.0, 1e-20, 1.0, 1e4])
def test_numbers_stay_finite_over_ten_thousand_steps(scale):
    made = memory()
    steps = steps_of(10_000, scale=scale, batch=2)._replace(episode_starts=torch.zeros(10_000, 2, dtype=torch.bool))
    encoded = steps.encoded.requires_grad_()
    recall = made(steps._replace(encoded=encoded), made.initial_state(2))
    (recall.read.sum() + recall.read.square().mean() + recall.state.weights.sum()).backward()
    assert recall.read.isfinite().all()
    assert recall.state.weights.isfinite().all()
    for gradient in (encoded.grad, *(parameter.grad for parameter in made.parameters())):
        assert gradient.isfinite().all()


def test_zero_keys_write_nothing_and_have_gradients():
    made = memory(heads=1)
    with torch.no_grad():
        made.from_seen.weight[KEY : 2 * KEY] = 0.0
    steps = steps_of(11)
    recall = made(steps, made.initial_state(BATCH))
    assert recall.state.weights.abs().max() == 0
    (recall.read * torch.randn_like(recall.read)).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in made.parameters())


def test_an_empty_memory_reads_the_bias_alone():
    made = memory()
    steps = steps_of(1)
    read = made(steps, made.initial_state(BATCH)).read
    assert torch.equal(read, made.normalize.bias.expand_as(read))


def test_what_is_seen_recalls_its_like_from_the_beginning():
    made = FastWeightMemory(identity, torch.zeros(1, 64), 64, HIDDEN)
    made.normalize = nn.Identity()
    sights = torch.randn(6, 1, 64)
    steps = StepSequence(torch.zeros(6, 1, HIDDEN), sights, sights, torch.zeros(6, 1, dtype=torch.bool))
    state = made(steps, made.initial_state(1)).state
    words = made.from_seen(torch.cat([steps.hidden, sights], dim=2)).split(made.parts, dim=2)[2][:, 0]
    for number in range(6):
        again = StepSequence(*(part[number : number + 1] for part in steps))
        likeness = torch.cosine_similarity(made(again, state).read[0], words)
        assert likeness.argmax() == number


@pytest.mark.parametrize("half_life", [0.01, 1.0, 1000.0, 1e12])
def test_the_decay_gate_starts_at_the_half_life(half_life):
    made = memory(half_life=half_life).double()
    steps = steps_of(1, dtype=torch.float64, scale=0.0)
    decay = made(steps, made.initial_state(BATCH)).trace["decay"]
    expected = torch.full_like(decay, 2 ** (-1 / half_life))
    assert torch.allclose(decay, expected, rtol=1e-6)
    assert (decay <= 1).all()


def test_the_trace_tells_the_gates():
    made = memory()
    trace = made(steps_of(11), made.initial_state(BATCH)).trace
    assert set(trace) == {"write_strength", "decay"}
    assert all(value.shape == (11, BATCH) and ((value > 0) & (value <= 1)).all() for value in trace.values())


@pytest.mark.parametrize("length", [1, 11])
def test_addressing_is_in_full_precision_under_autocast(length):
    made = memory()
    steps, state = steps_of(length), made.forward_naive(steps_of(9), made.initial_state(BATCH)).state
    with torch.autocast("cpu", torch.bfloat16):
        recall = made(steps, state)
        projected = made.from_seen(torch.cat([steps.hidden, steps.encoded], dim=-1))
    assert projected.dtype == torch.bfloat16
    assert recall.read.dtype == recall.state.weights.dtype == torch.float32
    reads, weights = delta_loop(made._by_head(projected.float()), state.weights, steps.episode_starts)
    assert torch.allclose(recall.read, made.normalize(reads.flatten(2)), atol=1e-5)
    assert torch.allclose(recall.state.weights, weights, atol=1e-5)


@torch.no_grad()
def test_a_nan_that_was_observed_ends_with_its_episode_within_a_chunk():
    made, steps = memory(), steps_of(11)
    steps.episode_starts.zero_()
    steps.episode_starts[4, 0] = steps.episode_starts[8, 1] = True
    clean = made(steps, made.initial_state(BATCH))
    steps.encoded[2, 0] = torch.nan
    spoilt = made(steps, made.initial_state(BATCH))
    assert spoilt.read[3, 0].isnan().all()
    assert torch.allclose(spoilt.read[4:], clean.read[4:], atol=1e-6)
    assert torch.allclose(spoilt.state.weights, clean.state.weights, atol=1e-6)


def test_wiped_is_the_initial_state():
    made = memory()
    state = made(steps_of(11), made.initial_state(BATCH)).state
    assert state.weights.abs().max() > 0
    assert torch.equal(made.wiped(state).weights, made.initial_state(BATCH).weights)


@pytest.mark.parametrize("name", ["heads", "key_size", "value_size"])
@pytest.mark.parametrize("size", [0, -1, 2.5, True])
def test_a_wrong_size_is_told(name, size):
    with pytest.raises(ValueError, match=f"^{name}={size} must be a whole number of at least 1"):
        memory(**{name: size})


@pytest.mark.parametrize("half_life", [0, -1.0, math.inf, math.nan])
def test_a_wrong_half_life_is_told(half_life):
    with pytest.raises(ValueError, match=f"^half_life={half_life} must be a positive number of steps"):
        memory(half_life=half_life)


@pytest.mark.parametrize("number", [math.nan, math.inf, 1e30])
@pytest.mark.parametrize("way", ["C", "torch"])
def test_garbage_of_an_ended_episode_has_no_gradient(number, way, monkeypatch):
    take(way, monkeypatch)
    made, steps = memory(), steps_of(5)
    steps.episode_starts[:] = False
    steps.episode_starts[0, 0] = steps.episode_starts[3, 1] = True
    weights = made.initial_state(BATCH).weights.clone()
    weights[0] = number
    encoded = steps.encoded.clone()
    encoded[2, 1] = math.nan
    encoded.requires_grad_(), weights.requires_grad_()
    read = made(steps._replace(encoded=encoded), made.initial_state(BATCH)._replace(weights=weights)).read
    assert read[3:, 1].isfinite().all()
    assert read[:, [0, 2]].isfinite().all()
    assert read[2, 1].isnan().all()
    (read[3:, 1].sum() + read[:, [0, 2]].sum()).backward()
    assert encoded.grad[3:].isfinite().all()
    assert encoded.grad[:, [0, 2]].isfinite().all()
    assert (weights.grad[0] == 0).all()
    assert weights.grad[2].isfinite().all()


def test_heads_too_large_for_the_c_code_are_left_to_torch():
    made = memory(key_size=300, value_size=300)
    assert made.path() == "fused: the heads are too large for the C code"
    made(steps_of(2), made.initial_state(BATCH))


def test_states_that_do_not_fit_are_refused_by_torch():
    made = memory()
    with pytest.raises(RuntimeError):
        made(steps_of(2), made.initial_state(BATCH + 1))
