"""Texts to features: what stands where, and what there is at all."""

import torch
from gymnasium import spaces

from engram.agents.encoder import ObservationEncoder
from engram.agents.encoders.words import WordEncoder, is_text
from engram.envs.wrappers.words import Words

FEATURES = 11


def test_only_a_space_that_says_so_is_a_text():
    assert is_text(Words(7))
    assert not is_text(spaces.MultiDiscrete([1024] * 7))
    assert isinstance(ObservationEncoder(Words(7), FEATURES).parts[0], WordEncoder)


def test_words_and_their_order_are_seen():
    space = Words(9)
    encoder = WordEncoder(space, FEATURES)
    texts = ("put the ball near the box", "put the box near the ball", "put the ball near the key")
    one, swapped, other = encoder(torch.stack([torch.as_tensor(space.numbers_of(text)) for text in texts]))
    assert not torch.allclose(one, swapped)
    assert not torch.allclose(one, other)


def test_tables_give_the_same():
    space = Words(9)
    encoder = WordEncoder(space, FEATURES)
    numbers = torch.as_tensor(space.numbers_of("go to the red door , then look")).expand(3, -1)
    assert torch.allclose(encoder(numbers, encoder.all_tables()), encoder(numbers), atol=1e-6)
