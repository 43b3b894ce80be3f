"""The gated Transformer: the chunk against the loop, how far it sees, relative positions, and gates near identity."""

import pytest
import torch
from cores import ENCODED, EventEncoder, assert_equal_trees, events
from starts import BATCH, no_starts, some_starts

from engram.memory import tree_map
from engram.memory.controllers.transformer import Transformer
from engram.memory.interface import RecordedSteps, StepSequence
from engram.memory.registry import build_memory
from engram.memory.state import leaves
from engram.memory.transformer.block import Block, Gate
from engram.memory.transformer.stack import Standardized, TransformerStack, TransformerState
from engram.memory.transformer.window_attention import by_token, within_reach

INPUTS, WIDTH, HEADS = 5, 14, 7


def controller(dtype=torch.float64, noise=0.3, **sizes):
    """A Transformer all of whose parameters matter."""
    made = Transformer(INPUTS, WIDTH, heads=HEADS, **{"feedforward_size": 11, **sizes}).to(dtype)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(noise * torch.randn_like(parameter))
    return made


# The chunk equals the loop.


@pytest.mark.parametrize("starts_of", [no_starts, some_starts])
@pytest.mark.parametrize(
    ("time", "sizes"),
    [
        (53, {"window": 3, "layers": 2}),
        (6, {"window": 31, "layers": 2}),
        (13, {"window": 13, "layers": 1}),
        (17, {"window": 1, "layers": 5}),
        (1, {"window": 4, "layers": 3}),
    ],
    ids=str,
)
def test_the_chunk_equals_the_loop_in_outputs_state_and_all_gradients(time, sizes, starts_of):
    transformer, starts = controller(**sizes), starts_of(time)
    inputs = torch.randn(time, BATCH, INPUTS, dtype=torch.float64, requires_grad=True)
    earlier = torch.randn(7, BATCH, INPUTS, dtype=torch.float64)
    carried = transformer(earlier, transformer.initial_state(BATCH), no_starts(7))[1]
    carried = tree_map(lambda leaf: leaf.detach().requires_grad_(leaf.is_floating_point()), carried)
    mixing = torch.randn(time, BATCH, WIDTH, dtype=torch.float64)
    wanted = [inputs, *carried.tokens, *transformer.parameters()]

    def outcome(run):
        outputs, after = run(transformer.from_input(inputs), carried, starts)
        loss = (outputs * mixing).sum() + sum(tokens.square().sum() for tokens in after.tokens)
        gradients = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
        return outputs, after, gradients

    chunk, loop = outcome(transformer.run), outcome(transformer.run_naive)
    assert_equal_trees(chunk, loop, 1e-9)
    assert all(gradient.abs().max() > 0 for gradient in chunk[2][0].unbind(0))  # every step counts


def test_the_gradient_reaches_the_whole_window_passed_in_and_nothing_of_another_episode():
    transformer = controller(window=6, layers=2)
    earlier = torch.randn(9, BATCH, INPUTS, dtype=torch.float64)
    starts = no_starts(9)
    starts[5, 2] = True  # four steps of its last episode
    state = transformer(earlier, transformer.initial_state(BATCH), starts)[1]
    assert state.filled.sum(1).tolist() == [6, 6, 4]
    state = state._replace(tokens=tuple(tokens.detach().requires_grad_() for tokens in state.tokens))
    now = no_starts(1)
    now[0, 1] = True
    outputs, _ = transformer(torch.randn(1, BATCH, INPUTS, dtype=torch.float64), state, now)
    for gradient in torch.autograd.grad(outputs.square().sum(), state.tokens):
        felt = gradient.abs().sum(2) > 0
        assert felt.tolist() == [[True] * 6, [False] * 6, [False] * 2 + [True] * 4]


# How far it sees.


@pytest.mark.parametrize(("window", "layers"), [(1, 1), (3, 1), (2, 3)])
@pytest.mark.parametrize("run", ["run", "run_naive"])
def test_a_step_sees_exactly_layers_times_window_steps_back_within_its_episode(window, layers, run):
    time, begins = 23, 9
    transformer = controller(window=window, layers=layers)
    inputs = torch.randn(time, BATCH, INPUTS, dtype=torch.float64, requires_grad=True)
    starts = no_starts(time)
    starts[begins, 1] = True
    projected = transformer.from_input(inputs)
    outputs, _ = getattr(transformer, run)(projected, transformer.initial_state(BATCH), starts)
    for t in (0, begins - 1, begins, begins + 2, time - 1):
        for row in range(BATCH):
            (influence,) = torch.autograd.grad(outputs[t, row].square().sum(), inputs, retain_graph=True)
            first = begins if row == 1 and t >= begins else 0
            expected = torch.zeros(time, BATCH, dtype=torch.bool)
            expected[max(first, t - layers * window) : t + 1, row] = True
            assert torch.equal(influence.abs().sum(2) > 0, expected)


def test_a_nan_ends_with_its_episode_inside_a_chunk_too():
    transformer = controller(window=8)
    inputs, starts = torch.randn(11, BATCH, INPUTS, dtype=torch.float64), no_starts(11)
    starts[5, :2] = True
    state = transformer.initial_state(BATCH)
    clean, clean_state = transformer(inputs, state, starts)
    inputs[3, 0] = torch.nan
    spoilt, spoilt_state = transformer(inputs, state, starts)
    assert spoilt[3:5, 0].isnan().all()  # within the episode it shows
    assert torch.equal(spoilt[5:, 0], clean[5:, 0])
    assert torch.equal(spoilt[:, 1:], clean[:, 1:])
    assert_equal_trees(tuple(spoilt_state), tuple(clean_state))


def test_garbage_in_slots_that_are_not_read_reaches_no_gradient():
    transformer = controller(window=4)
    state = transformer.initial_state(BATCH)
    filled = torch.tensor([[False, False, True, True], [True] * 4, [False] * 4])
    starts = no_starts(3)
    starts[0, 1] = True
    dead = ~filled | starts[0].unsqueeze(1)
    tokens = [torch.randn_like(tokens).masked_fill(dead.unsqueeze(2), torch.nan) for tokens in state.tokens]
    state = state._replace(tokens=tuple(leaf.requires_grad_() for leaf in tokens), filled=filled)
    outputs, after = transformer(torch.randn(3, BATCH, INPUTS, dtype=torch.float64), state, starts)
    loss = outputs.square().sum() + sum(leaf.square().sum() for leaf in after.tokens)
    gradients = torch.autograd.grad(loss, [*state.tokens, *transformer.parameters()])
    assert all(torch.isfinite(leaf).all() for leaf in (outputs, *after.tokens, *gradients))
    assert all((gradient[dead] == 0).all() for gradient in gradients[: len(state.tokens)])


# Relative positions.


def test_only_distance_counts_and_order_does():
    transformer = controller(window=5)
    inputs = torch.randn(6, BATCH, INPUTS, dtype=torch.float64)
    last = transformer(inputs, transformer.initial_state(BATCH), no_starts(6))[0][-1]
    late = torch.cat([torch.randn(4, BATCH, INPUTS, dtype=torch.float64), inputs])
    starts = no_starts(10)
    starts[4] = True
    assert torch.allclose(transformer(late, transformer.initial_state(BATCH), starts)[0][-1], last, atol=1e-12)
    swapped = inputs[[1, 0, 2, 3, 4, 5]]
    assert (transformer(swapped, transformer.initial_state(BATCH), no_starts(6))[0][-1] - last).abs().max() > 1e-3


def test_a_longer_window_changes_nothing_while_the_episode_fits_into_the_shorter():
    short, long = controller(window=6), controller(window=17)
    long.load_state_dict(short.state_dict())  # no parameter belongs to a distance
    inputs = torch.randn(9, BATCH, INPUTS, dtype=torch.float64)
    read = [made(inputs, made.initial_state(BATCH), no_starts(9))[0] for made in (short, long)]
    assert torch.allclose(read[0][:7], read[1][:7], atol=1e-12)
    assert ((read[0] - read[1])[7:].abs() > 1e-6).any(2).all()


# Gates, precision, sizes.


def test_gates_start_near_identity():
    gate = Gate(WIDTH)
    stream, update = torch.randn(101, WIDTH), torch.randn(101, WIDTH)
    with torch.no_grad():
        for linear in (gate.from_update, gate.from_stream, gate.from_reset):
            linear.weight.zero_()
        # z = σ(-2) of a candidate that is tanh(0) = 0
        assert torch.allclose(gate(stream, update), stream * torch.sigmoid(torch.tensor(2.0)))
    block = Block(64, 4, 128, 64)
    tokens = torch.randn(BATCH, 20, 64)
    through = block(tokens, torch.randn(10, 64), within_reach(11, 9, tokens.device).expand(BATCH, -1, -1))
    alike = torch.cosine_similarity(through, tokens[:, 9:], dim=2)
    assert alike.min() > 0.9  # two gates of the kind
    with torch.no_grad():
        block.after_attention.bias.fill_(-2.0)
        block.after_feedforward.bias.fill_(-2.0)
    through = block(tokens, torch.randn(10, 64), within_reach(11, 9, tokens.device).expand(BATCH, -1, -1))
    assert torch.cosine_similarity(through, tokens[:, 9:], dim=2).mean() < 0.5


def test_autocast_halves_neither_state_nor_logits(monkeypatch):
    transformer = controller(torch.float32, noise=0.0, window=4)
    seen = []

    def watched(logits):
        seen.append(logits.dtype)
        return by_token(logits)

    monkeypatch.setattr("engram.memory.transformer.window_attention.by_token", watched)
    inputs, state = torch.randn(9, BATCH, INPUTS), transformer.initial_state(BATCH)
    exact, exact_state = transformer(inputs, state, some_starts(9))
    seen.clear()
    with torch.autocast("cpu", torch.bfloat16):
        assert transformer.from_input(inputs).dtype == torch.bfloat16
        outputs, after = transformer(inputs, state, some_starts(9))
        outputs.float().square().sum().backward()
    assert seen == [torch.float32] * 2
    assert [leaf.dtype for leaf in leaves(after)] == [leaf.dtype for leaf in leaves(state)]
    assert (outputs - exact).abs().max() < 0.1
    assert torch.equal(after.filled, exact_state.filled)


def test_the_number_of_parameters_is_that_of_the_paper():
    width, units = 8, 13
    layer = 5 * width**2 + 2 * width  # query, key, value, position and output; u and v
    layer += 2 * width * units + units + width + 2 * 2 * width  # feed-forward network, two normalizations
    layer += 2 * (6 * width**2 + width)  # two gates
    stack = TransformerStack(width, layers=3, heads=2, window=5, feedforward_size=units)
    assert sum(parameter.numel() for parameter in stack.parameters()) == 3 * layer + 2 * width


@pytest.mark.parametrize("size", ["hidden_size", "layers", "heads", "window", "feedforward_size"])
@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, None])
def test_a_size_that_is_none_is_refused(size, wrong):
    with pytest.raises(ValueError, match=rf"^{size}={wrong} must be a whole number of at least 1$"):
        Transformer(INPUTS, **{size: wrong})


def test_heads_that_do_not_divide_the_width_are_refused():
    message = r"^heads={} must divide the width of 12; heads={} would$"
    for heads, fitting in ((5, 4), (8, 6), (13, 12)):
        with pytest.raises(ValueError, match=message.format(heads, fitting)):
            Transformer(INPUTS, 12, heads=heads)
        with pytest.raises(ValueError, match=message.format(heads, fitting)):
            memory(width=12, heads=heads)


# As a memory.


def memory(**sizes):
    event = tree_map(lambda leaf: leaf[0, :1], events(1, 1))
    return build_memory("transformer", EventEncoder(), event, ENCODED, 7, sizes)


def test_the_memory_reads_the_stack_over_what_the_controller_says_and_what_is_seen():
    transformer = memory(width=6, heads=3, window=4)
    assert transformer.read_size == 6
    hidden, encoded, starts = torch.randn(9, BATCH, 7), torch.randn(9, BATCH, ENCODED), some_starts(9)
    steps = StepSequence(hidden.requires_grad_(), encoded.requires_grad_(), events(9, BATCH), starts)
    recall = transformer(steps, transformer.initial_state(BATCH))
    assert recall.read.shape == (9, BATCH, 6)
    counts = (recall.trace["occupancy"] * 4).t().tolist()
    assert counts[0] == [0, 1, 2, 3, 0, 0, 1, 2, 3]
    assert counts[1] == [0, 1, 2, 3, 4, 4, 4, 4, 4]
    assert counts[2] == [0, 1, 2, 3, 4, 4, 4, 4, 0]
    for part in (hidden, encoded):
        (influence,) = torch.autograd.grad(recall.read[3, 0].square().sum(), part, retain_graph=True)
        assert (influence.abs().sum(2) > 0)[:, 0].tolist() == [True] * 4 + [False] * 5


def test_a_wiped_memory_reads_the_step_itself():
    transformer = memory(width=6, heads=3, window=4)
    steps = StepSequence(torch.randn(9, BATCH, 7), torch.randn(9, BATCH, ENCODED), events(9, BATCH), no_starts(9))
    state = transformer(steps, transformer.initial_state(BATCH)).state
    last = StepSequence(*(part[-1:] for part in steps[:2]), steps.events, no_starts(1))
    wiped = transformer(last, transformer.wiped(state)).read
    assert torch.equal(wiped, transformer(last, transformer.initial_state(BATCH)).read)
    assert (wiped - transformer(last, state).read).abs().max() > 1e-4


# The C code and the definition.


def in_c(stack):
    """Skip where there is no C code to compare with."""
    if stack.path() != "native":
        pytest.skip(stack.path())


@pytest.mark.parametrize("starts_of", [no_starts, some_starts])
@pytest.mark.parametrize(
    ("time", "sizes"),
    [
        (53, {"window": 3, "layers": 2}),
        (6, {"window": 31, "layers": 2}),
        (13, {"window": 13, "layers": 1}),
        (17, {"window": 1, "layers": 3}),
        (1, {"window": 4, "layers": 2}),
    ],
    ids=str,
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_the_c_code_equals_the_definition_forward_and_backward(time, sizes, starts_of, dtype, tolerance):
    stack, starts = controller(dtype, **sizes).stack, starts_of(time)
    in_c(stack)
    inputs = torch.randn(time, BATCH, WIDTH, dtype=dtype, requires_grad=True)
    tokens = [torch.randn(BATCH, sizes["window"], WIDTH, dtype=dtype, requires_grad=True) for _ in stack.layers]
    filled = torch.rand(BATCH, sizes["window"]) < 0.7  # with holes, which no sequence leaves behind
    state, mixing = TransformerState(tuple(tokens), filled), torch.randn(time, BATCH, WIDTH, dtype=dtype)

    def outcome(run):
        outputs, after = run(inputs, state, starts)
        loss = (outputs * mixing).sum() + sum(part.square().sum() for part in after.tokens)
        wanted = [inputs, *tokens, *stack.parameters()]
        return outputs, after, torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)

    fast, naive = outcome(stack), outcome(stack.forward_naive)
    assert_equal_trees(fast[:2], naive[:2], tolerance)
    for one, other in zip(fast[2], naive[2], strict=True):
        assert torch.allclose(one, other, atol=tolerance * max(1.0, float(other.abs().max())), rtol=tolerance)


@pytest.mark.parametrize("starts_of", [no_starts, some_starts])
def test_a_planned_window_is_recalled_with_the_same_gradients(starts_of):
    made, time = memory(width=WIDTH, heads=HEADS, window=4).double(), 7
    in_c(made.stack)
    state = made.initial_state(BATCH)
    state = TransformerState(
        tuple(torch.randn_like(part) for part in state.tokens), torch.rand(BATCH, made.stack.window) < 0.7
    )
    starts, inputs = starts_of(time), torch.randn(time, BATCH, WIDTH, dtype=torch.float64)
    planned = made.plan([state], RecordedSteps(torch.zeros(time, BATCH), starts, ()))
    assert isinstance(planned, Standardized)
    parameters = list(made.stack.parameters())
    mixing = torch.randn_like(inputs)
    outcomes = [
        (outputs, torch.autograd.grad((outputs * mixing).sum(), parameters))
        for outputs in (made.stack.recall(inputs, planned, starts), made.stack.forward_naive(inputs, state, starts)[0])
    ]
    assert_equal_trees(outcomes[0], outcomes[1], 1e-9)


def test_acting_takes_the_keys_and_values_of_the_window_from_the_step_before():
    made = memory(width=WIDTH, heads=HEADS, window=4)
    in_c(made.stack)
    state, windows = made.initial_state(BATCH), None
    starts = some_starts(9).unsqueeze(1)
    asked = []
    for layer in made.stack.layers:
        layer.keys_and_values = lambda part, layer=layer: asked.append(1) or Block.keys_and_values(layer, part)
    with torch.no_grad():
        for start in starts:
            inputs = torch.randn(1, BATCH, WIDTH)
            expected = made.stack.forward_naive(inputs, state, start)
            outputs, state, windows = made.stack.run(inputs, state, start, windows)
            assert_equal_trees((outputs, state), expected, 1e-5)
    assert len(asked) == len(made.stack.layers)


def test_a_window_too_long_for_the_c_code_is_left_to_torch():
    stack = controller(torch.float32, window=9000).stack
    assert stack.path() == "fused: the window is too long for the C code"
    stack(torch.randn(1, BATCH, WIDTH), stack.initial_state(BATCH), no_starts(1))
