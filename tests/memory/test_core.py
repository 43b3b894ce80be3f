"""What the heads see, and that a copy of a core is on its own."""

import copy
import io

import torch
from cores import BATCH, TIME, Spec, build, carried_state, episode_starts, events

from engram.memory import tree_map

SIZES = {"slots": 4, "heads": 2, "key_size": 3, "value_size": 13, "step_embedding_size": 6}
EPISODIC = Spec("gru", "episodic", SIZES)


def read_of(core, sequence, state, starts):
    """Hidden vectors, encoded events and reads, one module after the other."""
    encoded = core.encoder(tree_map(lambda leaf: leaf.flatten(0, 1), sequence)).unflatten(0, (TIME, BATCH))
    hidden, _ = core.controller(encoded, state.controller, starts)
    seen = []
    handle = core.memory.register_forward_hook(lambda module, given, recall: seen.append(recall.read))
    core.unroll(sequence, state, starts)
    handle.remove()
    return hidden, encoded, seen[0]


def test_the_heads_see_the_hidden_vector_the_read_and_their_products():
    core = build(EPISODIC)
    sequence, state, starts = events(), carried_state(core), episode_starts("staggered")
    hidden, encoded, read = read_of(core, sequence, state, starts)
    products = core.seen_factor(torch.cat([hidden, encoded], dim=-1)) * core.read_factor(read)
    expected = torch.cat([hidden, read, products], dim=-1)
    features = core.unroll(sequence, state, starts).features
    assert features.shape[-1] == core.feature_size
    assert torch.allclose(features, expected, atol=1e-6)


def test_a_copy_encodes_stored_events_with_its_own_weights():
    core = build(EPISODIC)
    sequence, state, starts = events(), carried_state(core), episode_starts("none")
    before = core.unroll(sequence, state, starts).features
    twin = copy.deepcopy(core)
    assert torch.equal(twin.unroll(sequence, state, starts).features, before)
    with torch.no_grad():
        twin.encoder.linear.weight.mul_(1.5)
    assert torch.equal(core.unroll(sequence, state, starts).features, before)
    # What was carried is encoded by the twin, too: its keys and values come from the encoder that has changed.
    own = twin.memory.encode(tree_map(lambda leaf: leaf[0], sequence))
    assert torch.equal(own, twin.encoder(tree_map(lambda leaf: leaf[0], sequence)))


def test_weights_can_be_saved_and_loaded():
    core, other = build(EPISODIC), build(EPISODIC)
    sequence, starts = events(), episode_starts("staggered")
    file = io.BytesIO()
    torch.save(core.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file))
    results = [made.unroll(sequence, made.initial_state(BATCH), starts).features for made in (core, other)]
    assert torch.equal(*results)
