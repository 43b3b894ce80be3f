"""Grids of symbols: the tables of kinds of cells are held equal to one-hot rows and products for every cell."""

import os
import shutil

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch.nn import functional

from engram.agents.encoders import look_ups, symbols
from engram.agents.encoders.look_ups import look_up, look_up_by_torch
from engram.agents.encoders.symbols import SymbolEncoder

IN_C = shutil.which("cc") is not None and os.environ.get("ENGRAM_NATIVE") != "0"
FEATURES, EMBEDDED, BATCH = 13, 7, 11
SPACES = {
    "few kinds": spaces.Box(0, np.broadcast_to([2, 1, 1], (5, 3, 3)).astype(np.uint8), (5, 3, 3), np.uint8),
    "more kinds than places": spaces.Box(0, np.broadcast_to([9, 5], (3, 2, 2)).astype(np.uint8), (3, 2, 2), np.uint8),
    "one channel": spaces.Box(0, 12, (3, 5, 1), np.uint8),
    "too many kinds for tables of all": spaces.Box(0, 30, (2, 5, 3), np.uint8),
}


def defined(encoder: SymbolEncoder, grid: torch.Tensor) -> torch.Tensor:
    """The definition: every cell is embedded by a one-hot row and seen by both layers."""
    channels = zip(grid.long().unbind(3), encoder.ids, strict=True)
    one_hot = torch.cat([functional.one_hot(channel, ids) for channel, ids in channels], dim=3)
    cells = one_hot.to(encoder.embedding.weight.dtype) @ encoder.embedding.weight
    where = torch.relu(encoder.where(cells.flatten(1)))
    what = torch.relu(encoder.what(cells).flatten(1, 2).max(1).values)
    return torch.relu(encoder.join(torch.cat([where, what], dim=1)))


def grids(space: spaces.Box) -> torch.Tensor:
    space.seed(0)
    return torch.as_tensor(np.stack([space.sample() for _ in range(BATCH)]))


@pytest.fixture(params=SPACES)
def case(request):
    space = SPACES[request.param]
    return SymbolEncoder(space, FEATURES, EMBEDDED).double(), grids(space)


def test_features_and_gradients_are_those_of_the_definition(case):
    encoder, grid = case
    weights = torch.randn(BATCH, FEATURES, dtype=torch.float64)
    found = []
    for encode in (encoder, lambda grid: defined(encoder, grid)):
        encoder.zero_grad()
        features = encode(grid)
        (features * weights).sum().backward()
        found.append([features.detach(), *(parameter.grad.clone() for parameter in encoder.parameters())])
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-9)
    assert all(gradient.abs().max() > 0 for gradient in found[0])


def test_tables_of_all_kinds_give_the_same(case):
    encoder, grid = case
    tables = encoder.all_tables()
    assert (tables is None) == (encoder.kinds > symbols.MOST_KINDS)
    torch.testing.assert_close(encoder(grid, tables), encoder(grid), rtol=0, atol=1e-9)


def test_no_grid_at_all(case):
    encoder, grid = case
    assert encoder(grid[:0]).shape == (0, FEATURES)


def test_without_a_gradient_the_same_is_found(case):
    encoder, grid = case
    with torch.no_grad():
        found = encoder(grid)
    torch.testing.assert_close(found, encoder(grid), rtol=0, atol=1e-9)


def test_a_device_that_is_not_waited_for_takes_all_kinds(case, monkeypatch):
    encoder, grid = case
    expected = encoder(grid)
    monkeypatch.setattr(torch.Tensor, "is_cpu", property(lambda tensor: False))
    torch.testing.assert_close(encoder(grid), expected, rtol=0, atol=1e-9)


PLACES, KINDS, SIZE = 5, 7, 3


def given(dtype=torch.float64):
    torch.manual_seed(0)
    tables = (torch.randn(PLACES, KINDS, SIZE), torch.randn(KINDS, SIZE), torch.randn(SIZE))
    return [table.to(dtype).requires_grad_() for table in tables], torch.randint(0, KINDS, (BATCH, PLACES))


@pytest.mark.parametrize("look", [look_up, look_up_by_torch])
def test_look_ups_and_their_gradients(look):
    (where, what, bias), cells = given()
    found = look(where, what, bias, cells)
    sums = torch.stack([where[place, cells[:, place]] for place in range(PLACES)]).sum(0) + bias
    torch.testing.assert_close(found, torch.cat([sums, what[cells].amax(1)], dim=1))
    assert torch.autograd.gradcheck(lambda *tables: look(*tables, cells), (where, what, bias))


@pytest.mark.skipif(not IN_C, reason="no C compiler (cc) here, or switched off")
def test_on_a_cpu_with_a_compiler_look_ups_are_in_c(monkeypatch):
    monkeypatch.setattr(look_ups, "look_up_by_torch", None)
    tables, cells = given(torch.float32)
    look_up(*tables, cells).sum().backward()


@pytest.mark.parametrize("kind", [-1, KINDS])
def test_a_cell_of_no_kind_is_refused(kind):
    tables, cells = given()
    cells[3, 2] = kind
    with pytest.raises(IndexError):
        look_up(*tables, cells)
