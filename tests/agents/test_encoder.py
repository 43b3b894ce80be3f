"""Encoders of symbols, images, vectors and Dicts of these."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import preprocess_obs
from staggered import GRID, IMAGE, OBSERVATIONS, VECTOR, agent, vec_env

from engram.agents.actions import PreviousAction
from engram.agents.encoder import Event, EventEncoder, Extract, ObservationEncoder
from engram.agents.encoders.images import ImageEncoder
from engram.agents.encoders.symbols import SymbolEncoder, is_symbol_grid

FEATURES, BATCH = 13, 5
CHANNELS_FIRST = spaces.Box(0, 255, (3, 10, 14), np.uint8)


def samples(space, batch=BATCH):
    if isinstance(space, spaces.Dict):
        return {key: samples(part, batch) for key, part in space.spaces.items()}
    return torch.as_tensor(np.stack([space.sample() for _ in range(batch)]))


@pytest.mark.parametrize(
    ("space", "symbols"),
    [
        (GRID, True),
        (spaces.Box(0, 10, (7, 7, 3), np.uint8), True),
        (spaces.Box(0, 10, (7, 7, 3), np.int64), True),
        (CHANNELS_FIRST, False),
        (spaces.Box(0, 200, (7, 7, 3), np.uint8), False),  # too many to be ids
        (spaces.Box(-1, 10, (7, 7, 3), np.int8), False),
        (spaces.Box(0, 10, (7, 7, 3), np.float32), False),
        (spaces.Box(0, 10, (7, 3), np.uint8), False),
        (spaces.Discrete(3), False),
    ],
)
def test_what_counts_as_symbols(space, symbols):
    assert is_symbol_grid(space) == symbols


def test_a_cell_is_the_sum_of_the_embeddings_of_its_channels():
    encoder = SymbolEncoder(GRID, FEATURES, embedding_size=7)
    assert encoder.embedding.weight.shape == (10 + 6, 7)  # ids 0..9 and 0..5
    grid = samples(GRID)
    encoded = encoder(grid.float())
    table = encoder.embedding.weight
    for x in range(BATCH):
        cells = [
            table[grid[x, i, j, 0].item()] + table[10 + grid[x, i, j, 1].item()] for i in range(3) for j in range(2)
        ]
        where = torch.relu(encoder.where(torch.cat(cells)))
        what = torch.stack([torch.relu(encoder.what(cell)) for cell in cells]).max(0).values
        assert torch.allclose(encoded[x], torch.relu(encoder.join(torch.cat([where, what]))), atol=1e-5)


def test_what_is_seen_is_told_apart_from_where():
    encoder, seen = SymbolEncoder(GRID, FEATURES), []
    encoder.join.register_forward_pre_hook(lambda module, given: seen.append(given[0].split(FEATURES, dim=1)))
    grid = samples(GRID).float()
    encoder(grid)
    encoder(grid.flip(1, 2))  # the same things elsewhere
    (where, what), (moved_where, moved_what) = seen
    assert torch.allclose(what, moved_what, atol=1e-6)
    assert not torch.allclose(where, moved_where)


def test_the_highest_ids_have_embeddings_of_their_own():
    encoder = SymbolEncoder(GRID, FEATURES)
    highest = torch.as_tensor(GRID.high).unsqueeze(0)
    other = highest.clone()
    other[..., 0] -= 1
    assert not torch.allclose(encoder(highest.float()), encoder(other.float()))


@pytest.mark.parametrize("size", [(8, 8), (10, 14), (64, 48), (7, 9)])
def test_images_of_any_size(size):
    space = spaces.Box(0, 255, (3, *size), np.uint8)
    encoder = ImageEncoder(space, FEATURES)
    image = torch.rand(BATCH, 3, *size, requires_grad=True)
    encoder(image).sum().backward()
    assert encoder(image).shape == (BATCH, FEATURES)
    assert (image.grad.abs().sum((0, 1)) > 0).float().mean() > 0.9  # all of the picture is seen


@pytest.mark.parametrize(
    ("space", "expected"), [(GRID, SymbolEncoder), (CHANNELS_FIRST, ImageEncoder), (VECTOR, torch.nn.Sequential)]
)
def test_the_encoder_is_chosen_by_the_space(space, expected):
    (part,) = ObservationEncoder(space, FEATURES).parts
    assert isinstance(part, expected)


@pytest.mark.parametrize("name", OBSERVATIONS)
def test_every_space_is_encoded(name):
    space = OBSERVATIONS[name] if name != "image" else CHANNELS_FIRST
    if isinstance(space, spaces.Dict):
        space = spaces.Dict({**space.spaces, "picture": CHANNELS_FIRST})
    encoder = ObservationEncoder(space, FEATURES)
    encoded = encoder(preprocess_obs(samples(space), space))
    assert encoded.shape == (BATCH, FEATURES)
    encoded.sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_the_keys_of_a_dict_are_told_apart_in_any_order():
    space = spaces.Dict({"b": VECTOR, "a": VECTOR, "with.dot": spaces.Discrete(3)})
    encoder = ObservationEncoder(space, FEATURES)
    observation = preprocess_obs(samples(space), space)
    encoded = encoder(observation)
    assert torch.equal(encoder(dict(reversed(observation.items()))), encoded)
    swapped = {**observation, "a": observation["b"], "b": observation["a"]}
    assert not torch.allclose(encoder(swapped), encoded)


def test_images_are_scaled_and_ids_are_not():
    seen = {}
    space = spaces.Dict({"picture": CHANNELS_FIRST, "cells": GRID})

    class Recording(ObservationEncoder):
        def forward(self, observations):
            seen.update(observations)
            return super().forward(observations)

    batch = samples(space)
    Extract(Recording(space, FEATURES), space, True)((batch["cells"], batch["picture"]))
    assert torch.allclose(seen["picture"], batch["picture"] / 255)
    assert torch.equal(seen["cells"], batch["cells"].float())


def test_an_event_is_the_observation_and_the_previous_action():
    previous = PreviousAction(spaces.Discrete(4))
    encoder = EventEncoder(torch.nn.Identity(), 4, previous, FEATURES)
    observation = torch.randn(BATCH, 4)
    actions = torch.tensor([[0], [1], [2], [3], [4]])
    at_first = encoder(Event(observation, actions))
    assert torch.equal(encoder(Event(observation, actions.roll(1, 0))), at_first)  # what was done plays no part yet
    torch.nn.init.normal_(encoder.of_action.weight)
    encoded = encoder(Event(observation, actions))
    assert encoded.shape == (BATCH, FEATURES)
    assert torch.allclose(encoded.mean(1), torch.zeros(BATCH), atol=1e-5)  # normalized
    assert not torch.allclose(encoder(Event(observation, actions.roll(1, 0))), encoded)
    assert not torch.allclose(encoder(Event(observation.roll(1, 0), actions)), encoded)
    same = encoder(Event(observation[:1].expand(BATCH, -1), actions))
    assert len(torch.unique((same * 1e4).round(), dim=0)) == BATCH


def test_channels_last_images_are_transposed_once():
    model = agent(vec_env(observation_space=IMAGE))
    assert model.observation_space.shape == (3, 10, 14)
    observation = vec_env(observation_space=IMAGE).reset()
    assert observation.shape == (3, 10, 14, 3)
    last, _ = model.predict(observation, deterministic=True)
    first, _ = model.predict(np.transpose(observation, (0, 3, 1, 2)), deterministic=True)
    assert np.array_equal(last, first)


@pytest.mark.parametrize("features", [0, -1])
def test_no_features_are_refused(features):
    with pytest.raises(ValueError, match=rf"features_dim={features} must be .*at least 1"):
        agent(policy_kwargs={"features_dim": features})
