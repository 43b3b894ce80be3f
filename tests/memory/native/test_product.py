"""The product with a packed matrix is torch's, over sizes that fill no vector and many."""

import shutil
from ctypes import c_int64

import pytest
import torch

from engram.memory.native import product as native
from engram.memory.native.build import addresses, library
from engram.memory.native.product import Product, pack

needs_a_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc) here")
SIZES = [(3, 5, 7), (1, 1, 1), (2, 13, 33), (9, 31, 64), (17, 7, 130), (67, 128, 3), (16, 200, 512)]  # B, K, N
TYPES = [(torch.float32, 1e-6), (torch.float64, 1e-14)]


def factors(batch, depth, columns, dtype):
    torch.manual_seed(3)
    return [torch.randn(*shape, dtype=dtype) for shape in ((batch, depth), (depth, columns), (batch, columns))]


@needs_a_compiler
@pytest.mark.parametrize(("dtype", "tolerance"), TYPES)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("one_row", [False, True])
def test_it_is_torchs_product(sizes, dtype, tolerance, transposed, one_row):
    rows, matrix, start = factors(*sizes, dtype)
    start = start[0] if one_row else start
    product = Product(matrix.t().contiguous().t() if transposed else matrix, 2)
    assert product._library is not None
    found, expected = product(rows, start), start + rows @ matrix
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, atol=tolerance * sizes[1], rtol=0)


@needs_a_compiler
def test_arrays_need_not_lie_as_c_expects_them():
    rows, matrix, start = factors(9, 14, 33, torch.float64)
    product = Product(matrix[::2, 1:], 2)
    found = product(rows[:, ::2], start[:, 1:])
    assert torch.allclose(found, start[:, 1:] + rows[:, ::2] @ matrix[::2, 1:], atol=1e-13)


@needs_a_compiler
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_nothing_is_written_beside_the_sums(sizes):
    batch, depth, columns = sizes
    rows, matrix, start = factors(*sizes, torch.float32)
    compiled = library(native._SOURCE, torch.float32)
    packed = pack(compiled, matrix)  # held until the call has ended
    around = torch.full((batch * columns + 200,), 7.0)
    sums = around[100:-100]
    compiled.product(*map(c_int64, (*sizes, columns)), addresses(sums, start, rows, packed))
    assert torch.allclose(sums.view(batch, columns), start + rows @ matrix, atol=1e-6 * depth)
    assert (around[:100] == 7).all()
    assert (around[-100:] == 7).all()


@needs_a_compiler
def test_a_row_that_is_not_a_number_does_not_touch_the_others():
    rows, matrix, start = factors(11, 5, 35, torch.float32)
    rows[10] = float("nan")
    found = Product(matrix, 2)(rows, start)
    assert torch.isfinite(found[:10]).all()
    assert torch.isnan(found[10]).all()


def test_once_on_another_device_or_of_another_type_it_is_taken_by_torch():
    rows, matrix, start = factors(3, 5, 7, torch.float64)
    for product in (Product(matrix, 1), Product(matrix.to("meta"), 2), Product(matrix.bfloat16(), 2)):
        assert product._library is None
    assert torch.equal(Product(matrix, 1)(rows, start), torch.addmm(start, rows, matrix))


@pytest.mark.parametrize("odd", ["type", "depth", "start"])
def test_what_does_not_fit_is_refused_by_torch(odd):
    rows, matrix, start = factors(3, 5, 7, torch.float64)
    given = {
        "type": (rows.float(), start),
        "depth": (rows[:, :4], start),
        "start": (rows, start[:, :6]),
    }
    with pytest.raises(RuntimeError):
        Product(matrix, 2)(*given[odd])
