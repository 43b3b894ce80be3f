"""Attention over events against a plain loop, and the protection of its gates."""

import math

import pytest
import torch

from engram.memory.episodic import attention as attention_module
from engram.memory.episodic.attend import definition
from engram.memory.episodic.attend.definition import Events
from engram.memory.episodic.attention import EventAttention
from engram.memory.episodic.reach import Reach

TIME, BATCH, HIDDEN, ENCODED, HEADS, KEY, VALUE = 7, 3, 4, 5, 2, 3, 11
SLOTS, EVENTS = 6, 7  # two groups of candidates


@pytest.fixture(params=["as it is", "by its definition"], autouse=True)
def _implementation(request, monkeypatch):
    """Attention as it runs on this machine, in C if there is a compiler, and by operations in torch."""
    if request.param == "by its definition":
        monkeypatch.setattr(attention_module, "attend", definition.attend)


def attention(hops=1, step_embedding_size=8):
    made = EventAttention(ENCODED, HIDDEN, HEADS, KEY, VALUE, hops, 3.0, step_embedding_size)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return made


def project(made, encoded, birth):
    """Events [B, M, ...] that are projected, as one group of candidates: [B, M, S] and what is added to their keys."""
    return made.from_event(encoded), made.of_step(made.embedded(birth))


def attend(made, hidden, encoded, now, groups, event_hashes, alive, age):
    """Attention to all groups; the duplicates are counted one by one."""
    counts = torch.ones(alive.transpose(0, 1).shape)
    for t, b, m in alive.nonzero().tolist():
        counts[b, t, m] = (event_hashes[b, alive[t, b]] == event_hashes[b, m]).sum()
    bucket = made.age_bias.bucket(age.transpose(0, 1)).to(torch.uint8)
    reach = Reach(alive.transpose(0, 1), bucket, counts.log())
    return made(hidden, encoded, made.embedded(now.t()), events_of(groups), reach)


def candidates(made, number):
    """A group of random events."""
    kinds = torch.randn(4, ENCODED)
    encoded = torch.cat([kinds[torch.randint(0, 4, (BATCH, number - 2))], torch.randn(BATCH, 2, ENCODED)], dim=1)
    return project(made, encoded, torch.randint(0, 50, (BATCH, number)))


def inputs(made):
    hidden, encoded = torch.randn(TIME, BATCH, HIDDEN), torch.randn(TIME, BATCH, ENCODED)
    now = torch.randint(50, 90, (TIME, BATCH))
    groups = [candidates(made, SLOTS), candidates(made, EVENTS)]
    event_hashes = torch.randint(-5, 0, (BATCH, SLOTS + EVENTS))  # some are equal
    alive = torch.rand(TIME, BATCH, SLOTS + EVENTS) < 0.4
    alive[2, 1] = False  # nothing to recall
    age = torch.randint(0, 200, (TIME, BATCH, SLOTS + EVENTS))
    event_hashes = torch.randint(0, 5, (BATCH, SLOTS + EVENTS))  # some are equal
    return hidden, encoded, now, groups, event_hashes, alive, age


def join(groups):
    """The candidates of all groups as one."""
    projected, of_step = zip(*groups, strict=True)
    return torch.cat(projected, 1), None if of_step[0] is None else torch.cat(of_step, 1)


def events_of(groups):
    projected, of_step = join(groups)
    return Events(projected.flatten(0, 1), None, of_step)


def with_gates(group, change):
    """The same events, with other log gates."""
    projected, of_step = group
    log_gates = change(torch.nn.functional.logsigmoid(projected[..., -1]))
    gates = log_gates - torch.log1p(-log_gates.exp())
    return torch.cat([projected[..., :-1], gates.unsqueeze(-1)], dim=-1), of_step


def naive(made, hidden, encoded, now, groups, event_hashes, alive, age):
    """One step, row and head after the other."""
    projected, of_step = join(groups)
    keys, values, gates = projected.split([HEADS * KEY, HEADS * VALUE, 1], dim=2)
    keys = (keys if of_step is None else keys + of_step).unflatten(2, (HEADS, KEY))
    values, log_gates, reads = values.unflatten(2, (HEADS, VALUE)), gates.squeeze(2).sigmoid().log(), []
    for t in range(TIME):
        for b in range(BATCH):
            seen = torch.cat([hidden[t, b], encoded[t, b]])
            reach = alive[t, b].nonzero().flatten().tolist()
            of_hops, nulls, already_read = [seen[:0]], [], dict.fromkeys(reach, 0.0)
            for hop in range(made.hops):
                query = made.queries[min(hop, 1)](torch.cat([seen, of_hops[-1]]))
                if made.step_embedding is not None:
                    query = query + made.query_of_step(made.step_embedding(now[t, b]))
                query = query.view(HEADS, KEY)
                contents, read_now = [], dict.fromkeys(reach, 0.0)
                for r in range(HEADS):
                    logits = [query[r] @ made.null_key[r] / math.sqrt(KEY)]
                    for m in reach:
                        gate = log_gates[b, m] - max(log_gates[b, other] for other in reach)
                        equals = [other for other in reach if event_hashes[b, other] == event_hashes[b, m]]
                        crowd = math.log(len(equals)) + already_read[m]
                        bias = made.age_bias(made.age_bias.bucket(age[t, b, m]))[r] - made.duplicate_penalty[r] * crowd
                        logits.append(query[r] @ keys[b, m, r] / math.sqrt(KEY) + gate + bias)
                    weights = torch.stack(logits).softmax(0)
                    nulls.append(weights[0])
                    contents.append(weights[0] * made.null_value[r])
                    for weight, m in zip(weights[1:], reach, strict=True):
                        contents[-1] = contents[-1] + weight * values[b, m, r]
                        read_now[m] += attention_module.ALREADY_READ * weight.item() / HEADS
                already_read = {m: already_read[m] + read_now[m] for m in reach}
                of_hops.append(torch.cat([made.normalize(torch.cat(contents)), torch.stack(nulls[-HEADS:])]))
            _, first, *later = of_hops
            if later:
                scores = torch.stack([made.pool(torch.cat([seen, read]))[0] for read in later]).softmax(0)
                first = torch.cat([first, sum(score * read for score, read in zip(scores, later, strict=True))])
            reads.append(torch.cat([first, torch.stack(nulls).mean(0, keepdim=True)]))
    expected = torch.stack(reads).view(TIME, BATCH, -1)
    return expected[..., :-1], expected[..., -1]


@pytest.mark.parametrize("hops", [1, 3])
@pytest.mark.parametrize("step_embedding_size", [0, 8])
def test_it_equals_the_plain_loop(hops, step_embedding_size):
    made = attention(hops, step_embedding_size)
    given = inputs(made)
    read, null, _ = attend(made, *given)
    expected, of_null_slot = naive(made, *given)
    assert read.shape == (TIME, BATCH, made.read_size)
    assert torch.allclose(read, expected, atol=1e-5)
    assert torch.allclose(null, of_null_slot, atol=1e-5)


def test_a_later_query_starts_as_what_is_like_the_recalled_and_not_like_the_seen():
    made = EventAttention(ENCODED, 0, HEADS, 3, 11, 4, 3.0, 0)
    seen, recalled = torch.randn(2, 1, ENCODED)
    keys, values, _ = made.from_event(recalled).split([HEADS * 3, HEADS * 11, 1], dim=1)
    # As if the contents were those of one event; normalizing takes their size away, here they keep it.
    size = made.from_event.weight[HEADS * 3 : -1].square().sum(1).mean().sqrt()
    query = made.queries[1](torch.cat([seen, values / size, torch.zeros(1, HEADS)], dim=1)) - made.queries[1].bias
    less = torch.nn.functional.linear(seen, made.from_event.weight[: HEADS * 3])
    spread = made.queries[1].weight[:, ENCODED + HEADS * 11 :].abs().max()  # of the null slots' weights: as drawn
    assert torch.allclose(query / attention_module.SHARPNESS_OF_HOPS, keys - less, atol=1e-5)
    assert spread > 0


def test_more_hops_take_no_other_weights():
    two, four = attention(hops=2), attention(hops=4)
    four.load_state_dict(two.state_dict())
    assert four.read_size == two.read_size
    given = inputs(two)
    read_by_two, read_by_four = (attend(made, *given)[0] for made in (two, four))
    one = HEADS * VALUE + HEADS
    assert torch.equal(read_by_four[..., :one], read_by_two[..., :one])
    assert not torch.allclose(read_by_four[..., one:], read_by_two[..., one:])


@pytest.mark.parametrize("hops", [2, 3, 5])
def test_hops_begin_by_following_a_chain_from_its_start(hops):
    """Each link is like the one before, and the one before is no longer there: no learning is needed."""
    made = EventAttention(64, HIDDEN, 4, 64, 32, hops, 3.0, 0)
    symbols = 8 * torch.linalg.qr(torch.randn(64, 64))[0]
    links = symbols[:5] + symbols[1:6]  # from 0 to 1, from 1 to 2, ...
    others = symbols[10:16] + symbols[20:26]
    order = torch.randperm(11)
    events = project(made, torch.cat([links, others])[order].unsqueeze(0), torch.zeros(1, 11, dtype=torch.int64))
    alive, zero = torch.ones(1, 1, 11, dtype=torch.bool), torch.zeros(1, 1, 11, dtype=torch.int64)
    seen, now = (torch.zeros(1, 1, HIDDEN), symbols[:1].unsqueeze(0)), torch.zeros(1, 1, dtype=torch.int64)
    found = attend(made, *seen, now, [events], torch.arange(11)[None], alive, zero)
    for hop, weights in enumerate(found.weights[0, :, 0].unflatten(0, (hops, 4))):
        assert order[weights.mean(0).argmax()] == hop
        assert weights.mean(0)[order < hop].sum() < 0.01


def test_the_groups_are_one_set_of_candidates():
    made = attention()
    hidden, encoded, now, groups, event_hashes, alive, age = inputs(made)
    apart, *_ = attend(made, hidden, encoded, now, groups, event_hashes, alive, age)
    joined, *_ = attend(made, hidden, encoded, now, [join(groups)], event_hashes, alive, age)
    assert torch.allclose(apart, joined, atol=1e-6)


def test_where_nothing_is_alive_the_null_slot_is_read():
    made = attention()
    hidden, encoded, now, groups, event_hashes, alive, age = inputs(made)
    read, null, _ = attend(made, hidden, encoded, now, groups, event_hashes, torch.zeros_like(alive), age)
    assert torch.equal(null, torch.ones(TIME, BATCH))
    expected = torch.cat([made.normalize(made.null_value.flatten()), torch.ones(HEADS)])
    assert torch.allclose(read, expected.expand_as(read), atol=1e-6)


def test_gates_scaled_by_one_factor_change_nothing():
    made = attention()
    hidden, encoded, now, groups, event_hashes, alive, age = inputs(made)
    read, null, _ = attend(made, hidden, encoded, now, groups, event_hashes, alive, age)
    closed = [with_gates(group, lambda log_gates: log_gates - 20.0) for group in groups]
    read_closed, null_closed, _ = attend(made, hidden, encoded, now, closed, event_hashes, alive, age)
    assert torch.allclose(read_closed, read, atol=1e-4)
    assert torch.allclose(null_closed, null, atol=1e-5)


def test_no_gate_can_hide_the_most_open_event_from_the_null_slot():
    made = attention()
    hidden, encoded, now, groups, event_hashes, alive, age = inputs(made)
    for one in range(SLOTS):
        alone = torch.zeros_like(alive)
        alone[:, :, one] = True
        expected, *_ = attend(made, hidden, encoded, now, groups, event_hashes, alone, age)
        shut = [with_gates(group, lambda log_gates: torch.full_like(log_gates, -1e4)) for group in groups]
        read, *_ = attend(made, hidden, encoded, now, shut, event_hashes, alone, age)
        assert torch.allclose(read, expected, atol=1e-6)


def test_a_uniform_gradient_on_the_gates_vanishes():
    """What is learned from a read can rank events; it has no say in how open the memory is as a whole."""
    made = attention()
    hidden, encoded, now, groups, event_hashes, alive, age = inputs(made)
    projected, of_step = join(groups)
    gates = projected[..., -1:].detach().requires_grad_()
    joined = torch.cat([projected[..., :-1].detach(), gates], dim=-1), of_step
    read, *_ = attend(made, hidden, encoded, now, [joined], event_hashes, alive, age)
    (read * torch.randn_like(read)).sum().backward()
    of_log_gates = gates.grad / (1 - gates.sigmoid())
    assert of_log_gates.abs().max() > 1e-3
    assert of_log_gates.sum(1).abs().max() < 1e-4


def test_the_dead_have_no_say_and_no_gradient():
    made = attention()
    hidden, encoded, now, groups, event_hashes, alive, age = inputs(made)
    joined = [tensor.detach().requires_grad_() for tensor in join(groups)]
    alive[..., 4] = False
    read, *_ = attend(made, hidden, encoded, now, [joined], event_hashes, alive, age)
    projected, of_step = torch.autograd.grad(read.square().sum(), joined)
    for gradient in (*projected.split([HEADS * KEY, HEADS * VALUE, 1], dim=2), of_step):
        felt = gradient.abs().sum(2)
        assert felt[:, 4].max() == 0
        assert felt.max() > 0
    spoilt = joined[0].detach().clone()
    spoilt[:, 4, : HEADS * KEY] = spoilt[:, 4, -1] = torch.nan
    again, *_ = attend(made, hidden, encoded, now, [(spoilt, joined[1])], event_hashes, alive, age)
    assert torch.equal(again, read)


def test_a_read_tells_how_familiar_it_was():
    made = attention()
    given = inputs(made)
    read, null, _ = attend(made, *given)
    weights = read[..., HEADS * VALUE :]
    assert weights.shape == (TIME, BATCH, HEADS)
    assert torch.allclose(weights.mean(2), null)
    assert weights[2, 1].tolist() == [1.0, 1.0]


def test_what_is_seen_recalls_its_like_from_the_beginning():
    made = EventAttention(64, HIDDEN, 4, 32, 32, 1, 3.0, 0)
    events = torch.randn(1, 9, 64)
    keys = made.from_event(events)[0, :, : 4 * 32].unflatten(1, (4, 32)).transpose(0, 1)
    for m in range(9):
        query = made.queries[0](torch.cat([torch.zeros(HIDDEN), events[0, m]])).view(4, 32)
        assert torch.einsum("rw,rmw->m", query, keys).argmax() == m


def test_a_crowd_of_equals_weighs_as_much_as_one():
    made = EventAttention(ENCODED, HIDDEN, HEADS, KEY, VALUE, 1, 3.0, 0)
    hidden, seen = torch.randn(1, 1, HIDDEN), torch.randn(1, 1, ENCODED)
    cue, corridor = torch.randn(2, ENCODED)

    def recalled(times):
        encoded = torch.stack([cue] + [corridor] * times).unsqueeze(0)
        events = project(made, encoded, torch.zeros(1, 1 + times, dtype=torch.int64))
        alive, age = torch.ones(1, 1, 1 + times, dtype=torch.bool), torch.zeros(1, 1, 1 + times, dtype=torch.int64)
        event_hashes = torch.tensor([[1] + [2] * times])
        return attend(made, hidden, seen, torch.zeros(1, 1, dtype=torch.int64), [events], event_hashes, alive, age)[0]

    assert torch.allclose(recalled(50), recalled(1), atol=1e-5)
    with torch.no_grad():
        made.duplicate_penalty.zero_()
    assert (recalled(50) - recalled(1)).abs().max() > 0.05


def test_order_plays_no_part_at_first():
    made = EventAttention(ENCODED, HIDDEN, HEADS, KEY, VALUE, 1, 3.0, 8)
    hidden, encoded, now, _, event_hashes, alive, age = inputs(made)
    groups = [candidates(made, SLOTS + EVENTS)]
    read, *_ = attend(made, hidden, encoded, now, groups, event_hashes, alive, age)
    later, *_ = attend(made, hidden, encoded, now + 1000, groups, event_hashes, alive, age)
    assert torch.allclose(read, later, atol=1e-6)
