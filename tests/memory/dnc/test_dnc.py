"""The DNC with gates set by hand, and its behavior at the edges."""

import pytest
import torch
from memory_steps import assert_fused_equals_naive, finite, gradients_of, standing_alone, take

from engram.memory import StepSequence, tree_map
from engram.memory.dnc.memory import DNC, DNCState, sharpen_link_weights

WORD, READS, SLOTS, HIDDEN = 4, 2, 7, 5


def dnc(**kwargs):
    return standing_alone(DNC, HIDDEN, {"slots": SLOTS, "word_size": WORD, "read_heads": READS, **kwargs})


class Dial(torch.nn.Module):
    """Stands in for the layer that makes the interface vector, so that a test can set it."""

    def __init__(self, memory):
        super().__init__()
        self.weight, self.memory, self.vector = memory.from_hidden.weight, memory, None

    def set(self, *, write=None, key=None, free=False, mode="content"):
        """Write a word into free space, or look for a key; strong gates either way."""
        memory = self.memory
        vectors = torch.zeros(1, READS + 2, WORD)
        vectors[:, :READS] = torch.zeros(WORD) if key is None else key
        vectors[:, -1] = torch.zeros(WORD) if write is None else write
        strengths = torch.full((1, sum(memory.at_least_one)), 60.0)
        gates = torch.full((1, sum(memory.gates)), -60.0)
        gates[:, WORD : WORD + 2] = torch.tensor([60.0, -60.0 if write is None else 60.0])
        gates[:, WORD + 2 : WORD + 2 + READS] = 60.0 if free else -60.0
        modes = torch.zeros(1, READS, 3)
        modes[..., ["backward", "content", "forward"].index(mode)] = 60.0
        self.vector = torch.cat([vectors.flatten(1), strengths, gates, modes.flatten(1)], dim=1)

    def forward(self, hidden):
        return self.vector


def by_hand(script, memory=None):
    """The reads [R, W] after each step of a script of `Dial.set` arguments, and the last state."""
    memory = memory or dnc()
    dial = memory.from_hidden = Dial(memory)
    state, reads = memory.initial_state(1), []
    for line in script:
        dial.set(**line)
        state, _, _ = take(memory, torch.zeros(1, HIDDEN), state)
        reads.append(state.read.view(READS, WORD))
    return reads, state


WORDS = torch.tensor([[1.0, 0, 0, 2], [0, 3, 0, 1], [0, 0, 5, 1]])


def test_a_word_written_is_read_back_by_a_part_of_it():
    script = [{"write": word} for word in WORDS] + [{"key": torch.tensor([0.0, 1, 0, 0])}]
    reads, state = by_hand(script)
    assert torch.allclose(reads[-1], WORDS[1].expand(READS, -1), atol=1e-3)
    # Each write took a slot of its own: the first free one.
    assert torch.allclose(state.memory[0, :3], WORDS, atol=1e-4)
    assert state.memory[0, 3:].abs().max() < 1e-4


def test_words_are_read_in_the_order_of_writing_and_back():
    script = [{"write": word} for word in WORDS] + [{"key": WORDS[0]}, {"mode": "forward"}, {"mode": "forward"}]
    reads, _ = by_hand([*script, {"mode": "backward"}])
    for read, word in zip(reads[3:], [WORDS[0], WORDS[1], WORDS[2], WORDS[1]], strict=True):
        assert torch.allclose(read, word.expand(READS, -1), atol=1e-2)


def test_a_slot_that_was_freed_is_used_again_and_one_that_was_not_stays():
    # With two slots: both are written, the first is read and freed, and the third word takes its place.
    script = [{"write": WORDS[0]}, {"write": WORDS[1]}, {"key": WORDS[0]}]
    _, kept = by_hand([*script, {"write": WORDS[2]}], dnc(slots=2))
    _, freed = by_hand([*script, {"write": WORDS[2], "free": True}], dnc(slots=2, deallocate=True))
    assert torch.allclose(freed.memory[0], torch.stack([WORDS[2], WORDS[1]]), atol=1e-3)
    assert torch.allclose(kept.memory[0], torch.stack([WORDS[0], WORDS[1]]), atol=1e-3)


def test_what_is_watched_is_what_was_done():
    memory = dnc()
    dial = memory.from_hidden = Dial(memory)
    state, traces = memory.initial_state(1), []
    for line in ({"write": WORDS[0]}, {"key": WORDS[0]}, {"key": WORDS[0], "free": True}, {}):
        dial.set(**line)
        state, trace, _ = take(memory, torch.zeros(1, HIDDEN), state)
        traces.append({name: value.item() for name, value in trace.items()})
    used_slot = pytest.approx(1 / SLOTS, abs=1e-3)
    nothing, all_of_it = pytest.approx(0.0, abs=1e-3), pytest.approx(1.0, abs=1e-3)
    assert traces == [
        {"allocation_gate": all_of_it, "write_gate": all_of_it, "free_gate": nothing, "usage": nothing},
        {"allocation_gate": all_of_it, "write_gate": nothing, "free_gate": nothing, "usage": used_slot},
        {"allocation_gate": all_of_it, "write_gate": nothing, "free_gate": all_of_it, "usage": nothing},
        {"allocation_gate": all_of_it, "write_gate": nothing, "free_gate": nothing, "usage": nothing},
    ]


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_the_fused_step_equals_the_definition_forward_and_backward(links, dtype, tolerance):
    torch.manual_seed(3)
    memory = dnc(links=links).to(dtype)
    torch.nn.init.normal_(memory.from_hidden.weight)
    state = memory.initial_state(3)
    with torch.no_grad():
        for now in torch.randn(11, 3, HIDDEN, dtype=dtype).unbind(0):
            state, _, _ = take(memory, now, state)
    hidden = torch.randn(3, HIDDEN, dtype=dtype)
    assert_fused_equals_naive(memory, hidden, state, tolerance)
    order = torch.stack([torch.randperm(SLOTS) for _ in range(3)])
    assert_fused_equals_naive(memory, hidden, state, tolerance, order)


def test_the_order_of_free_slots_is_replayed():
    memory = dnc()
    state = memory.initial_state(3)
    order = torch.stack([torch.randperm(SLOTS) for _ in range(3)])
    after, _, replayed = take(memory, torch.randn(3, HIDDEN), state, order)
    assert torch.equal(replayed, order)
    with torch.no_grad():
        allocated_first = after.write_weights.gather(1, order)[:, 0]
    own, _, decided = take(memory, torch.randn(3, HIDDEN), state)
    assert torch.equal(decided, torch.arange(SLOTS).expand(3, -1))
    assert (allocated_first > after.write_weights.mean(1)).all()
    assert (own.write_weights[:, 0] > own.write_weights.mean(1)).all()


def test_masks_decide_what_of_a_word_is_compared():
    memory = dnc(masked_content=True, read_heads=1)
    content = torch.tensor([[[1.0, 0, 0, 9], [0, 1, 0, 9], [1, 0, 0, -9]]])
    dial = memory.from_hidden = Dial(memory)
    dial.vector = torch.zeros(1, sum(memory.groups))
    vectors, strengths, gates, modes = dial.vector.split(memory.groups, dim=1)
    vectors[:, :WORD] = torch.tensor([1.0, 0, 0, -9])
    strengths.fill_(60.0)
    modes[:, 1] = 60.0  # by content
    gates.fill_(-60.0)
    mask = gates[:, WORD + 3 : 2 * WORD + 3]  # behind erasing, allocation, writing and freeing

    def found(cares):
        mask.copy_(torch.tensor(cares) * 60.0)
        blank = torch.zeros(1, 3)
        state = DNCState(content, blank, blank, torch.zeros(1, 3, 3), blank, torch.zeros(1, 1, 3), torch.zeros(1, WORD))
        return take(memory, torch.zeros(1, HIDDEN), state).state

    assert found([1.0, 1, 1, 1]).read_weights.argmax() == 2
    by_the_first_three = found([1.0, 1, 1, -1]).read_weights[0, 0]
    assert torch.allclose(by_the_first_three, torch.tensor([0.5, 0.0, 0.5]), atol=1e-3)


def test_a_normalized_interface_does_not_depend_on_how_loud_the_controller_is():
    for normalized in (True, False):
        memory = dnc(normalize_interface=normalized)
        hidden, state = torch.randn(3, HIDDEN), memory.initial_state(3)
        quiet, loud = (take(memory, volume * hidden, state).state.memory for volume in (1.0, 3.0))
        assert torch.allclose(quiet, loud, atol=1e-4) == normalized


def test_many_slots_have_an_order_that_can_be_replayed():
    memory = standing_alone(DNC, HIDDEN, {"slots": 33_000, "word_size": 1, "read_heads": 1, "links": False})
    steps = StepSequence(
        torch.randn(1, 1, HIDDEN), torch.zeros(1, 1, 1), torch.zeros(1, 1, 1), torch.zeros(1, 1).bool()
    )
    output = memory(steps, memory.initial_state(1))
    assert output.decisions.min() == 0
    assert torch.equal(memory(steps, memory.initial_state(1), output.decisions).read, output.read)


def test_several_steps_at_once_are_refused():
    memory = dnc()
    two = StepSequence(torch.zeros(2, 1, HIDDEN), torch.zeros(2, 1, 1), torch.zeros(2, 1, 1), torch.zeros(2, 1).bool())
    with pytest.raises(ValueError, match="one step at a time"):
        memory(two, memory.initial_state(1))


def test_a_switch_is_true_or_false_and_no_text():
    with pytest.raises(ValueError, match="links='false' must be true or false"):
        dnc(links="false")


def test_without_links_there_are_none_in_the_state():
    state = dnc(links=False).initial_state(3)
    assert state.links.shape == (3, 0, 0)
    with pytest.raises(ValueError, match="sharpen_links=True needs links=True"):
        dnc(links=False, sharpen_links=True)


def test_sharpened_links_keep_their_sum():
    weights = 0.4 * torch.randn(3, READS, SLOTS).softmax(2)
    sharper = sharpen_link_weights(weights, torch.full((3, READS), 7.0))
    assert torch.allclose(sharper.sum(2), weights.sum(2))
    assert (sharper.amax(2) > weights.amax(2)).all()
    assert torch.allclose(sharpen_link_weights(weights, torch.ones(3, READS)), weights, atol=1e-4)
    assert sharpen_link_weights(torch.zeros(1, 1, SLOTS), torch.ones(1, 1)).abs().max() == 0


OPTIONS = [{}, {"links": False}, {"masked_content": True, "deallocate": True, "sharpen_links": True}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("size", [0.0, 1.0, 1e4])
def test_values_and_gradients_are_finite(options, size):
    memory = dnc(**options)
    hidden = (size * torch.randn(9, 3, HIDDEN)).requires_grad_()
    state = memory.initial_state(3)
    for now in hidden.unbind(0):
        state, _, _ = take(memory, now, state)
    assert finite(state)
    assert finite(gradients_of(state.read, [hidden, *memory.parameters()]))


@torch.no_grad()
def test_ten_thousand_steps_keep_every_quantity_in_its_range():
    memory = dnc(slots=5)
    torch.nn.init.normal_(memory.from_hidden.weight, std=2.0)
    state: DNCState = memory.initial_state(2)
    for _ in range(10_000):
        state, _, _ = take(memory, torch.randn(2, HIDDEN), state)
    assert finite(state)
    for part in (state.usage, state.precedence, state.links, state.write_weights, state.read_weights):
        assert (part >= -1e-6).all()
        assert (part <= 1 + 1e-4).all()
    for part in (state.links.sum(1), state.links.sum(2), state.write_weights.sum(1), state.read_weights.sum(2)):
        assert (part <= 1 + 1e-3).all()
    assert state.links.diagonal(dim1=1, dim2=2).abs().max() == 0


@torch.no_grad()
def test_addressing_is_in_full_precision_under_autocast():
    memory = dnc()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        state, _, _ = take(memory, torch.randn(3, HIDDEN), memory.initial_state(3))
    assert all(leaf.dtype == torch.float32 for leaf in state)
    # What autocast would have done to a product of two such matrices shows in its last bits.
    assert torch.allclose(state.read, (state.read_weights @ state.memory).flatten(1), atol=1e-7)


@pytest.mark.parametrize("size", ["slots", "word_size", "read_heads"])
def test_an_empty_memory_is_refused(size):
    with pytest.raises(ValueError, match=f"{size}=0 must be a whole number of at least 1"):
        dnc(**{size: 0})


def test_a_state_can_be_moved_and_copied_as_a_tree():
    state = dnc().initial_state(2)
    assert isinstance(tree_map(torch.clone, state), DNCState)
