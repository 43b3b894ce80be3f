"""An env that counts and a core that counts must agree in what the buffer stored."""

import warnings

import pytest
import torch
from staggered import CHUNK, LENGTHS, ROWS, STEPS, agent, collect_one, counting_agent, minibatches, vec_env

from engram.agents.rollout.buffer import ChunkBuffer, Transition
from engram.agents.steps import AgentState
from engram.memory.state import leaves


def stored(model):
    """row, episode, time and steps [T, B] of the stored observations."""
    return model.chunks.steps.observation.unbind(2)


def test_what_the_core_counted_is_what_the_env_counted():
    model = counting_agent()
    for _ in range(3):
        collect_one(model)
        _, _, time, _ = stored(model)
        assert torch.equal(model.chunks.steps.values, time + 1)


def test_rollouts_are_stored_without_gap_or_repetition():
    model = counting_agent()
    for rollout in range(3):
        collect_one(model)
        row, _, _, steps = stored(model)
        assert torch.equal(steps, (torch.arange(STEPS) + rollout * STEPS).view(-1, 1).expand(-1, ROWS).float())
        assert torch.equal(row, torch.arange(ROWS).expand(STEPS, -1).float())


def test_time_flags_have_one_meaning_each():
    model = counting_agent()
    collect_one(model)
    _, episode, time, _ = stored(model)
    steps = model.chunks.steps
    assert torch.equal(steps.episode_start, time == 0)
    for row in range(ROWS):
        lengths = torch.tensor([LENGTHS[row][int(e) % len(LENGTHS[row])] for e in episode[:, row]])
        last = time[:, row] + 1 == lengths
        assert torch.equal(steps.terminated[:, row], last & (episode[:, row] % 2 == 0))
        assert torch.equal(steps.truncated[:, row], last & (episode[:, row] % 2 == 1))
        assert torch.equal((steps.terminated | steps.truncated)[:-1, row], steps.episode_start[1:, row])


def test_the_state_of_a_chunk_is_the_one_before_its_reset():
    model = counting_agent()
    collect_one(model)
    _, _, last_times, _ = stored(model)
    collect_one(model)
    _, _, times, _ = stored(model)
    times = torch.cat([last_times, times])  # [2 T, B]
    at_border = False
    for chunk, state in enumerate(model.chunks.states):
        first = STEPS + chunk * CHUNK
        counted = state.core.memory.count.squeeze(1)
        assert torch.equal(counted, times[first - 1] + 1)  # of the step before, whether or not an episode starts now
        at_border |= bool((times[first] == 0).any())
    assert at_border, "no episode starts at a border: nothing was tested"


def test_the_state_is_kept_only_where_a_chunk_starts():
    model = counting_agent()
    collect_one(model)
    assert len(model.chunks.states) == STEPS // CHUNK


def test_chunks_are_contiguous_and_every_transition_comes_exactly_once():
    model = counting_agent()
    collect_one(model)
    collect_one(model)
    label = stored(model)[3] + 1000 * stored(model)[0]
    model.chunks.set_targets(label, -label, -label)
    seen = []
    sizes = []
    for chunk in minibatches(model.chunks, 2 * CHUNK):
        row, _, time, steps = chunk.steps.observation.unbind(2)
        sizes.append(row.shape[1])
        assert row.shape[0] == CHUNK
        assert (row == row[:1]).all()
        assert (steps.diff(dim=0) == 1).all()
        assert ((steps[0] - STEPS) % CHUNK == 0).all()
        assert torch.equal(chunk.steps.values, time + 1)
        # Targets and states travel with their steps.
        assert torch.equal(chunk.advantages, steps + 1000 * row)
        assert torch.equal(chunk.returns, -chunk.advantages)
        counted = chunk.state.core.memory.count.squeeze(1)
        inside = time[0] > 0
        assert torch.equal(counted[inside], time[0][inside])
        seen += chunk.advantages.flatten().tolist()
    assert sorted(seen) == sorted(label.flatten().tolist())
    assert sizes == [2, 2, 2, 2, 1]  # 9 chunks: a minibatch is smaller, and none is lost


@pytest.mark.parametrize(("most", "sizes"), [(1, [1] * 9), (4, [3, 3, 3]), (5, [5, 4]), (9, [9]), (11, [9])])
def test_minibatches_differ_by_one_chunk_at_most_and_stock_ppo_warns_of_no_truncated_one(most, sizes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = agent(batch_size=most * CHUNK)
    assert model.batch_size == most * CHUNK
    collect_one(model)
    model.chunks.set_targets(*[stored(model)[3]] * 3)
    assert [chunk.advantages.shape[1] for chunk in minibatches(model.chunks, model.batch_size)] == sizes


def test_of_several_buffers_each_gives_its_share_of_a_minibatch():
    model = counting_agent()
    collect_one(model)
    model.chunks.set_targets(*[stored(model)[3]] * 3)  # nine chunks
    assert [len(chosen) for chosen in model.chunks.order(4 * CHUNK, 2)] == [2, 2, 2, 2, 1]
    assert [len(chosen) for chosen in model.chunks.order(CHUNK, 7)] == [1] * 9, "one is the least"


def test_the_order_of_chunks_is_random():
    model = counting_agent()
    collect_one(model)
    model.chunks.set_targets(*[stored(model)[3]] * 3)
    orders = [[chunk.advantages[0].tolist() for chunk in minibatches(model.chunks, 2 * CHUNK)] for _ in range(4)]
    assert any(order != orders[0] for order in orders[1:])


@pytest.mark.parametrize("batch_size", [3, 12])
def test_trees_without_masks_writes_or_state_pass(batch_size):
    buffer = ChunkBuffer(3)
    for time in range(6):
        filled = torch.full((2,), float(time))
        buffer.add(
            AgentState((), filled.unsqueeze(1)),
            Transition(
                (filled, filled.unsqueeze(1)),
                filled,
                filled > 9,
                (),
                (),
                filled,
                filled,
                filled,
                filled > 9,
                filled > 9,
            ),
        )
    steps = buffer.finish()
    assert steps.observation[1].shape == (6, 2, 1)
    buffer.set_targets(*[steps.rewards] * 3)
    chunks = list(minibatches(buffer, batch_size))
    assert len(chunks) == 12 // batch_size
    for chunk in chunks:
        assert torch.equal(chunk.state.previous_action.squeeze(1), chunk.steps.rewards[0])
        assert chunk.steps.action_masks == ()


def test_a_reset_forgets_the_rollout():
    model = counting_agent()
    collect_one(model)
    model.chunks.reset()
    assert model.chunks.states == []
    collect_one(model)
    assert len(model.chunks.states) == STEPS // CHUNK


def test_what_a_large_memory_adds_to_a_rollout_is_a_fiftieth_of_its_states():
    def size(tree):
        return sum(leaf.numel() * leaf.element_size() for leaf in leaves(tree))

    kwargs = {"slots": 128, "word_size": 64}
    model = agent(
        vec_env(16), memory="dnc", memory_kwargs=kwargs, n_steps=128, chunk_length=64, batch_size=1024, n_epochs=1
    )
    collect_one(model)
    at_every_step = 128 * size(model._state)
    assert size(model.chunks.steps.log_probs) == 4 * 128 * 16
    assert size(tuple(model.chunks.states)) + size(model.chunks.steps.decisions) <= at_every_step / 50
