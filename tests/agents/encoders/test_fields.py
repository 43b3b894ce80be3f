"""Fields of symbols: what they share, and what is refused."""

import pytest
import torch
from gymnasium import spaces

from engram.agents.encoder import Extract, ObservationEncoder
from engram.agents.encoders.fields import FieldEncoder, alphabets_of, nothing_of
from engram.envs import make_env


def space_of(sizes, alphabets):
    space = spaces.MultiDiscrete(sizes)
    space.alphabets = alphabets
    return space


def test_it_sums_what_symbols_mean_in_their_field_and_in_any_of_their_alphabet():
    made = FieldEncoder(space_of([2, 5, 3, 5], (7, 1, 0, 1)), 11)
    assert made.meaning.weight.shape == (2 + 5 + 3 + 5 + 5, 11)
    of_field = dict(enumerate(made.meaning.weight.split([2, 5, 3, 5, 5])))
    symbols = torch.tensor([[1, 4, 2, 0], [0, 3, 0, 3]])
    with torch.no_grad():
        expected = [
            sum(of_field[field][row[field]] for field in range(4)) + of_field[4][row[1]] + of_field[4][row[3]]
            for row in symbols
        ]
        assert torch.allclose(made(symbols), torch.stack(expected), atol=1e-6)


def test_a_space_that_names_alphabets_gets_it_and_its_symbols_as_they_are():
    space = space_of([2, 5, 5], (0, 1, 1))
    encoder = ObservationEncoder(space, 11)
    (part,) = encoder.parts
    assert isinstance(part, FieldEncoder)
    symbols = torch.tensor([[1, 4, 0], [0, 3, 3]])
    extract = Extract(encoder, space, normalize_images=True)
    assert torch.equal(extract(symbols), part(symbols))
    (other,) = ObservationEncoder(spaces.MultiDiscrete([2, 5, 5]), 11).parts
    assert not isinstance(other, FieldEncoder)


@pytest.mark.parametrize(
    ("sizes", "alphabets", "message"),
    [
        ([2, 5, 5], (0, 1), r"alphabets=\(0, 1\) of the observation space must be one for each of 3 fields"),
        ([2, 5, 4], (0, 1, 1), r"alphabets=\(0, 1, 1\): fields of one alphabet must have as many values"),
    ],
)
def test_alphabets_that_do_not_fit_are_refused(sizes, alphabets, message):
    with pytest.raises(ValueError, match=message):
        alphabets_of(space_of(sizes, alphabets))


def test_no_symbol_begins_a_little_like_another():
    made = FieldEncoder(space_of([2, 5, 5], (0, 1, 1)), 64)
    meaning = made.meaning.weight
    likeness = meaning @ meaning.t()
    assert torch.allclose(likeness, torch.diag(likeness.diagonal()), atol=1e-4)
    length = meaning.square().sum(1)
    assert torch.allclose(length, (64 / 17) * torch.tensor([1.0] * 12 + [9.0] * 5), rtol=1e-4)


def test_what_shows_nothing_begins_without_a_meaning():
    space = space_of([2, 5, 5], (0, 1, 1))
    space.nothing = (None, 4, 2)
    made = FieldEncoder(space, 11)
    both_empty, none_empty = made(torch.tensor([[1, 4, 2], [1, 3, 1]]))
    of_field = made.meaning.weight.split([2, 5, 5, 5])
    assert torch.equal(both_empty, of_field[0][1])
    assert torch.allclose(
        none_empty, of_field[0][1] + of_field[1][3] + of_field[2][1] + of_field[3][3] + of_field[3][1]
    )
    assert (of_field[0].abs().sum(1) > 0).all()  # of this field nothing is empty


@pytest.mark.parametrize("nothing", [(None, 4), (None, 5, 4), (None, 4, -1)])
def test_what_is_no_value_of_a_field_is_refused(nothing):
    space = space_of([2, 5, 5], (0, 1, 1))
    space.nothing = nothing
    with pytest.raises(ValueError, match=r"^nothing=\(.*\) of the observation space must be a value of each field"):
        nothing_of(space)


def test_in_a_chain_a_step_that_shows_nothing_is_like_no_binding():
    env = make_env("Engram-Chain2-v0", kwargs={"delay": (3, 3)})
    made = FieldEncoder(env.observation_space, 64)
    env.reset(seed=0)
    seen = torch.as_tensor(env.unwrapped.observations[:-1])
    empty = (seen[:, 1:] == torch.tensor(env.observation_space.nothing[1:])).all(1)
    assert 0 < empty.sum() < len(seen)
    likeness = made(seen[~empty]) @ made(seen[empty]).t()
    one_in_common = made(seen[~empty]).square().sum(1).min()
    assert likeness.abs().max() < 0.1 * one_in_common
