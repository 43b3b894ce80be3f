"""The NTM's equations one by one, with gates set by hand, and its behavior at the edges."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from memory_steps import assert_fused_equals_naive, finite, gradients_of, standing_alone, take

from engram.memory.ntm.memory import NTM, erase_and_add, sharpen, shift_weights

WORD, SLOTS, HIDDEN = 4, 7, 5


def ntm(**kwargs):
    return standing_alone(NTM, HIDDEN, {"slots": SLOTS, "word_size": WORD, **kwargs})


def one_hot(slot, slots=SLOTS):
    return torch.nn.functional.one_hot(torch.tensor(slot), slots).float()


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_rotation_is_the_circular_convolution(reach):
    weights = torch.randn(3, 2, SLOTS).softmax(2)
    shifts = torch.randn(3, 2, 2 * reach + 1).softmax(2)
    expected = torch.zeros_like(weights)
    for index in range(2 * reach + 1):
        expected += shifts[..., index : index + 1] * weights.roll(index - reach, dims=2)
    assert torch.allclose(shift_weights(weights, shifts), expected, atol=1e-7)


def test_sharpening_is_the_power_on_the_simplex():
    weights, exponents = torch.randn(3, 2, SLOTS).softmax(2), 1 + torch.rand(3, 2, 1) * 9
    power = weights**exponents
    assert torch.allclose(sharpen(weights, exponents), power / power.sum(2, keepdim=True), atol=1e-5)


def test_writing_erases_before_it_adds_whatever_the_number_of_heads():
    memory = torch.randn(3, SLOTS, WORD)
    for heads in (1, 2):
        weights = torch.randn(3, heads, SLOTS).softmax(2)
        erase, add = torch.rand(3, heads, WORD), torch.randn(3, heads, WORD)
        expected = memory.clone()
        for head in range(heads):
            expected *= 1 - weights[:, head].unsqueeze(2) * erase[:, head].unsqueeze(1)
        for head in range(heads):
            expected += weights[:, head].unsqueeze(2) * add[:, head].unsqueeze(1)
        assert torch.allclose(erase_and_add(memory, weights, erase, add), expected, atol=1e-6)


@given(st.integers(0, 10_000), st.floats(0, 30), st.integers(0, 3))
def test_addresses_are_on_the_simplex(seed, size, reach):
    torch.manual_seed(seed)
    memory = ntm(shift=reach)
    parameters = size * torch.randn(3, 2, sum(memory.per_head))
    weights = memory.address(parameters, size * torch.randn(3, SLOTS, WORD), torch.randn(3, 2, SLOTS).softmax(2))
    assert (weights >= 0).all()
    assert torch.allclose(weights.sum(2), torch.ones(3, 2), atol=1e-5)


@pytest.mark.parametrize("reach", [0, 1, 3])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_the_fused_step_equals_the_definition_forward_and_backward(reach, dtype, tolerance):
    torch.manual_seed(3)
    memory = ntm(shift=reach, read_heads=3).to(dtype)
    torch.nn.init.normal_(memory.from_hidden.weight)
    state = memory.initial_state(2)
    with torch.no_grad():
        for now in torch.randn(11, 2, HIDDEN, dtype=dtype).unbind(0):
            state, _, _ = take(memory, now, state)
    assert_fused_equals_naive(memory, torch.randn(2, HIDDEN, dtype=dtype), state, tolerance)


class Dial(torch.nn.Module):
    """Stands in for the layer that makes the interface vector, so that a test can set it."""

    def __init__(self, memory):
        super().__init__()
        self.weight, self.memory, self.vector = memory.from_hidden.weight, memory, None

    def head(self, *, key=None, move=0):
        """A head that goes to what is like `key`, or moves from where it was."""
        key, gate = (torch.zeros(WORD), -19.0) if key is None else (key, 19.0)
        shifts = torch.full((2 * self.memory.shift + 1,), -19.0)
        shifts[self.memory.shift + move] = 19.0
        return torch.cat([key, torch.tensor([19.0, 19.0, gate]), shifts])

    def set(self, reader, writer, add=None):
        erase = torch.full((WORD,), -19.0 if add is None else 19.0)
        add = torch.zeros(WORD) if add is None else add
        heads = torch.cat([self.head(**reader), self.head(**writer)])
        self.vector = torch.cat([heads, erase, add]).unsqueeze(0)

    def forward(self, hidden):
        return self.vector


def test_words_written_one_after_the_other_are_read_back_in_order_and_by_content():
    memory = ntm()
    with torch.no_grad():
        memory.start_weights.copy_(60 * torch.stack([one_hot(2), one_hot(6)]))
    dial = memory.from_hidden = Dial(memory)
    words = torch.tensor([[3.0, 0, -3, 0], [0, 3, 0, 3], [-3, 3, 3, 0]])
    state = memory.initial_state(1)
    stay, on = {"move": 0}, {"move": 1}
    for word in words:  # written to slots 0, 1, 2, the writer having started at 6
        dial.set(stay, on, add=word)
        state, _, _ = take(memory, torch.zeros(1, HIDDEN), state)
    assert torch.allclose(state.memory[0, :3], torch.tanh(words), atol=1e-3)
    assert torch.allclose(state.read[0], torch.tanh(words[2]), atol=1e-3)  # the reader waited at 2

    reads = []
    for reader in ({"key": words[0]}, on, on, {"move": -1}):
        dial.set(reader, stay)
        state, _, _ = take(memory, torch.zeros(1, HIDDEN), state)
        reads.append(state.read[0])
    expected = torch.tanh(words[[0, 1, 2, 1]])
    assert torch.allclose(torch.stack(reads), expected, atol=1e-3)


def test_what_is_watched_is_what_was_done():
    memory = ntm()
    with torch.no_grad():
        memory.start_weights.copy_(torch.stack([60 * one_hot(2), torch.zeros(SLOTS)]))
    dial = memory.from_hidden = Dial(memory)
    state = memory.initial_state(1)
    for add, erased in ((torch.ones(WORD), 1.0), (None, 0.0)):
        dial.set({"move": 0}, {"move": 0}, add)
        state, trace, _ = take(memory, torch.zeros(1, HIDDEN), state)
        assert trace["erase"].item() == pytest.approx(erased, abs=1e-4)
        assert trace["read_focus"].item() == pytest.approx(1.0, abs=1e-4)


def test_what_it_starts_with_is_learned():
    memory = ntm(read_heads=2)
    state = memory.initial_state(3)
    assert (state.memory == 1e-6).all()
    for now in torch.randn(4, 3, HIDDEN).unbind(0):
        state, _, _ = take(memory, now, state)
    gradients = gradients_of(state.read, [memory.start_weights, memory.start_read])
    assert gradients[0].abs().max() > 0
    assert gradients_of(memory.initial_state(3).read + 1, [memory.start_read])[0].abs().max() > 0


@pytest.mark.parametrize("sizes", [{}, {"slots": 1, "shift": 0}, {"write_heads": 2, "read_heads": 3}], ids=str)
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
def test_values_and_gradients_are_finite(sizes, size):
    memory = ntm(**sizes)
    hidden = (size * torch.randn(9, 3, HIDDEN)).requires_grad_()
    state = memory.initial_state(3)
    for now in hidden.unbind(0):
        state, _, _ = take(memory, now, state)
    assert finite(state)
    assert finite(gradients_of(state.read, [hidden, *memory.parameters()]))


@torch.no_grad()
def test_ten_thousand_steps_stay_finite_and_on_the_simplex():
    memory = ntm(slots=5)
    torch.nn.init.normal_(memory.from_hidden.weight, std=2.0)
    state = memory.initial_state(2)
    for _ in range(10_000):
        state, _, _ = take(memory, torch.randn(2, HIDDEN), state)
    assert finite(state)
    assert torch.allclose(state.read_weights.sum(2), torch.ones(2, 1), atol=1e-5)
    assert torch.allclose(state.write_weights.sum(2), torch.ones(2, 1), atol=1e-5)


@torch.no_grad()
def test_addressing_is_in_full_precision_under_autocast():
    memory = ntm()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        state, _, _ = take(memory, torch.randn(3, HIDDEN), memory.initial_state(3))
    assert all(leaf.dtype == torch.float32 for leaf in state)
    assert torch.allclose(state.read_weights.sum(2), torch.ones(3, 1), atol=1e-6)
    assert torch.allclose(state.read, (state.read_weights @ state.memory).flatten(1), atol=1e-7)


@pytest.mark.parametrize("size", ["slots", "word_size", "read_heads", "write_heads"])
def test_an_empty_memory_is_refused(size):
    with pytest.raises(ValueError, match=f"{size}=0 must be a whole number of at least 1"):
        ntm(**{size: 0})


def test_a_shift_wider_than_the_memory_is_refused():
    with pytest.raises(ValueError, match="shift=4 reaches over 9 slots, but there are slots=7: shift may be 3 at most"):
        ntm(shift=4)
    with pytest.raises(ValueError, match="shift=-1 must be a whole number of at least 0"):
        ntm(shift=-1)
