"""What differs while a step is traced to be exported: no value may be looked at, and bits are found by arithmetic.

What is traced must not depend on the values of the example it is traced with, so it takes the paths that never wait for
a device; C code is none of them. Tensors of other runtimes have no views of another type.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SIZES = {torch.float16: torch.int16, torch.float32: torch.int32}


def at_hand(tensor: Tensor) -> bool:
    """Return whether Python may look at the values of a tensor: on a CPU, where nothing has to be waited for."""
    return tensor.is_cpu and not torch.compiler.is_exporting()


def bits_of(numbers: Tensor) -> Tensor:
    """Return the bits [...] of floats [...] of 16 or 32 bits, as int64 numbers with their sign."""
    if torch.compiler.is_exporting():
        return bits_by_arithmetic(numbers)
    return numbers.view(_SIZES[numbers.dtype]).long()


def bits_by_arithmetic(numbers: Tensor) -> Tensor:
    """Do what `bits_of` does without a view of another type; all NaN become one.

    In double precision nothing of it is rounded: every step multiplies by a power of two.
    """
    info, exact = torch.finfo(numbers.dtype), numbers.double()
    fraction = round(1 / info.eps)  # numbers in an octave
    # Factors as tensors: a number of Python's is written down in single precision.
    powers = torch.tensor([2.0 ** (2**step) for step in range(9)], dtype=torch.float64)
    scaled = exact.abs() / torch.tensor(info.smallest_normal * info.eps, dtype=torch.float64)  # a whole number
    rest, octave = scaled, torch.zeros_like(numbers, dtype=torch.int64)
    for step in reversed(range(len(powers))):  # until rest * 2 ** octave = scaled, with 1 <= rest < 2
        is_high = rest >= powers[step]
        rest, octave = torch.where(is_high, rest / powers[step], rest), octave + is_high.long() * 2**step
    is_normal, bias = scaled >= fraction, fraction.bit_length() - 2
    bits = torch.where(is_normal, (rest - 1) * fraction, scaled).long() + is_normal.long() * (octave - bias) * fraction
    infinite = (2 ** (info.bits - fraction.bit_length()) - 1) * fraction
    bits = torch.where(exact.isinf(), infinite, bits)
    bits = torch.where(exact.isnan(), infinite + fraction // 2, bits)
    is_negative = (exact < 0) | ((exact == 0) & (1 / exact < 0))
    return torch.where(is_negative, bits - 2 ** (info.bits - 1), bits)


def bytes_of(leaf: Tensor) -> Tensor:
    """Return the bytes [X, Y, K] of a leaf [X, Y, ...]; while exporting as int64 numbers."""
    flat = leaf.flatten(2) if leaf.dim() > 2 else leaf.unsqueeze(2)
    if not torch.compiler.is_exporting():
        return flat.view(torch.uint8)
    return bytes_by_arithmetic(flat)


def bytes_by_arithmetic(flat: Tensor) -> Tensor:
    """Return the bytes [X, Y, K] of numbers [X, Y, Z] as int64 numbers, the lowest of each number first."""
    whole = bits_by_arithmetic(flat) if flat.is_floating_point() else flat.long()
    shifts = torch.arange(0, 8 * flat.element_size(), 8)
    return (torch.bitwise_right_shift(whole.unsqueeze(3), shifts) & 0xFF).flatten(2)


def words_of(joined: Tensor) -> Tensor:
    """Return the words [X, Y, K / 4] of 32 bits, with their sign, that bytes [X, Y, K] of `bytes_of` make."""
    if not torch.compiler.is_exporting():
        return joined.view(torch.int32)
    word = (joined.unflatten(2, (-1, 4)) * 2 ** torch.arange(0, 32, 8)).sum(3)
    return torch.where(word < 2**31, word, word - 2**32)


def sum_of(numbers: Tensor) -> Tensor:
    """Return the sums [X, Y] of int64 numbers [X, Y, K], modulo 2⁶⁴."""
    if not torch.compiler.is_exporting():
        return numbers.sum(2)
    return numbers.cumsum(2)[:, :, -1]  # onnxruntime takes sums in double precision, but not running ones
