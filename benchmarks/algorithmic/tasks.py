"""The algorithmic tasks of the NTM and DNC papers as pure functions: from a random generator to a batch of sequences.

NTM: Graves, Wayne & Danihelka 2014 (arXiv 1410.5401), section 4. DNC: Graves et al. 2016 (Nature 538), extended data
figure 1. All sequences of a batch have the same length, drawn anew for every batch; while an answer is due the inputs
are zero, and only answers are scored. Marks have input channels of their own, behind the channels of the bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Generator, Tensor

from engram.memory.arguments import check_int

Span: TypeAlias = int | tuple[int, int]
"""A whole number, or the lowest and the highest of those that are drawn from, all equally likely."""


class Sequences(NamedTuple):
    """A batch of sequences, with what a network is to answer."""

    inputs: Tensor  # [T, B, D_in] float32
    targets: Tensor  # [T, B, D_out] float32 bits; zero where nothing is scored
    mask: Tensor  # [T, B] bool, where the answer is scored


def copy(generator: Generator, batch: int, lengths: Span = (1, 20), bits: int = 8) -> Sequences:
    """Draw random words, then a delimiter; the answer is the words (NTM 4.1).

    Args:
        generator: the random generator.
        batch: B.
        lengths: number L of words.
        bits: of a word.

    Returns:
        T = 2 L + 1, D_in = bits + 1 (delimiter), D_out = bits.

    Raises:
        ValueError: if a size is not a whole number of at least 1.
    """
    length = _drawn(generator, "lengths", lengths)
    words = _words(generator, length, batch, bits)
    result = _blank(2 * length + 1, batch, bits + 1, bits)
    result.inputs[:length, :, :bits] = words
    result.inputs[length, :, bits] = 1
    _answer(result, length + 1, words)
    return result


def repeat_copy(
    generator: Generator,
    batch: int,
    lengths: Span = (1, 10),
    repeats: Span = (1, 10),
    scale: tuple[int, int] = (1, 10),
    bits: int = 8,
) -> Sequences:
    """Draw random words and how often to answer them; an end marker closes the answer (NTM 4.2).

    The delimiter's step carries the number of repeats on a channel of its own, normalized to mean 0 and variance 1. The
    paper names no delimiter beside it; it is here because a number may be normalized to zero.

    Args:
        generator: the random generator.
        batch: B.
        lengths: number L of words.
        repeats: number K of times that they are answered.
        scale: lowest and highest number of repeats over which K is normalized: those of the training, also in a test.
        bits: of a word.

    Returns:
        T = L + 1 + K L + 1, D_in = bits + 2 (delimiter, repeats), D_out = bits + 1 (end marker).

    Raises:
        ValueError: if a size is not a whole number of at least 1.
    """
    length = _drawn(generator, "lengths", lengths)
    count = _drawn(generator, "repeats", repeats)
    words = _words(generator, length, batch, bits)
    result = _blank(length + 1 + count * length + 1, batch, bits + 2, bits + 1)
    result.inputs[:length, :, :bits] = words
    result.inputs[length, :, bits] = 1
    result.inputs[length, :, bits + 1] = _normalized(count, *span("scale", scale))
    _answer(result, length + 1, words.repeat(count, 1, 1))
    result.targets[-1, :, bits] = 1
    result.mask[-1] = True
    return result


def associative_recall(
    generator: Generator, batch: int, lengths: Span = (2, 6), words: int = 3, bits: int = 6
) -> Sequences:
    """Draw items of several words and show one again; the answer is the item that followed it (NTM 4.3).

    A delimiter opens every item; another opens and closes the query. In every row another item may be asked for.

    Args:
        generator: the random generator.
        batch: B.
        lengths: number L of items, at least 2.
        words: W of an item.
        bits: of a word.

    Returns:
        T = L (W + 1) + (W + 2) + W, D_in = bits + 2 (item, query), D_out = bits.

    Raises:
        ValueError: if a size is not a whole number of at least 1, or there may be a single item.
    """
    if span("lengths", lengths)[0] < 2:
        raise ValueError(f"lengths={lengths!r} must be at least 2: after a single item there is none to answer")
    count = _drawn(generator, "lengths", lengths)
    words = check_int("words", words)
    items = _words(generator, count * words, batch, bits).view(count, words, batch, bits)
    asked, rows = torch.randint(0, count - 1, (batch,), generator=generator), torch.arange(batch)
    result = _blank(count * (words + 1) + (words + 2) + words, batch, bits + 2, bits)
    shown, query = result.inputs[: count * (words + 1)], result.inputs[count * (words + 1) :]
    by_item = shown.view(count, words + 1, batch, bits + 2)
    by_item[:, 0, :, bits] = 1
    by_item[:, 1:, :, :bits] = items
    query[0, :, bits + 1] = 1
    query[1 : words + 1, :, :bits] = items[asked, :, rows].transpose(0, 1)
    query[words + 1, :, bits + 1] = 1
    _answer(result, -words, items[asked + 1, :, rows].transpose(0, 1))
    return result


def priority_sort(generator: Generator, batch: int, lengths: Span = 20, bits: int = 8) -> Sequences:
    """Draw random words with a priority each; the answer is four fifths of them, the highest first (NTM 4.5).

    Priorities are uniform in [-1, 1). Of 20 words the 16 highest are asked for, as in the paper.

    Args:
        generator: the random generator.
        batch: B.
        lengths: number L of words.
        bits: of a word.

    Returns:
        T = L + 1 + max(1, 4 L // 5), D_in = bits + 2 (delimiter, priority), D_out = bits.

    Raises:
        ValueError: if a size is not a whole number of at least 1.
    """
    length = _drawn(generator, "lengths", lengths)
    words = _words(generator, length, batch, bits)
    priorities = torch.rand(length, batch, generator=generator) * 2 - 1
    highest = priorities.argsort(dim=0, descending=True, stable=True)[: max(1, 4 * length // 5)]
    result = _blank(length + 1 + len(highest), batch, bits + 2, bits)
    result.inputs[:length, :, :bits] = words
    result.inputs[:length, :, bits + 1] = priorities
    result.inputs[length, :, bits] = 1
    _answer(result, length + 1, words.gather(0, highest.unsqueeze(2).expand(-1, -1, bits)))
    return result


def copy_stream(generator: Generator, batch: int, lengths: Span = 10, words: Span = 5, bits: int = 8) -> Sequences:
    """Draw one copy problem after the other; a memory that does not free its slots fills up (DNC, ext. data fig. 1).

    The paper's stream is 10 problems of 5 words for a memory of 10 slots. It does not define marks: here one opens
    the words of a problem, and another its answer.

    Args:
        generator: the random generator.
        batch: B.
        lengths: number L of problems in the stream.
        words: number of words of a problem, drawn anew for each.
        bits: of a word.

    Returns:
        T = the sum over problems of 2 (words + 1), D_in = bits + 2 (words follow, answer follows), D_out = bits.

    Raises:
        ValueError: if a size is not a whole number of at least 1.
    """
    words, problems = span("words", words), []
    for _ in range(_drawn(generator, "lengths", lengths)):
        problem = copy(generator, batch, words, bits)
        opened = _blank(1 + len(problem.mask), batch, bits + 2, bits)
        opened.inputs[0, :, bits] = 1
        opened.inputs[1:, :, :bits] = problem.inputs[..., :bits]
        opened.inputs[1:, :, bits + 1] = problem.inputs[..., bits]
        opened.targets[1:], opened.mask[1:] = problem.targets, problem.mask
        problems.append(opened)
    return Sequences(*(torch.cat(parts) for parts in zip(*problems, strict=True)))


class Task(NamedTuple):
    """A task by its name on the command line."""

    draw: Callable[..., Sequences]  # (generator, batch, lengths, **sizes)
    lengths: tuple[int, int]  # trained on
    test_lengths: tuple[int, ...]
    counts: str  # what a length counts


TASKS: dict[str, Task] = {
    "copy": Task(copy, (1, 20), (20, 120), "words"),
    "repeat_copy": Task(repeat_copy, (1, 10), (10, 20), "words"),
    "associative_recall": Task(associative_recall, (2, 6), (6, 12, 15), "items"),
    "priority_sort": Task(priority_sort, (20, 20), (20,), "words"),
    "copy_stream": Task(copy_stream, (10, 10), (10, 40), "copy problems"),
}


def span(name: str, value: Span) -> tuple[int, int]:
    """Return the lowest and the highest of what `value` stands for.

    Raises:
        ValueError: if it is no whole number of at least 1, or no rising pair of such.
    """
    low, high = value if isinstance(value, tuple | list) and len(value) == 2 else (value, value)
    if not all(type(end) is int and end >= 1 for end in (low, high)) or low > high:
        raise ValueError(f"{name}={value!r} must be a whole number of at least 1, or a pair such as (1, 20)")
    return low, high


def span_text(value: tuple[int, int]) -> str:
    """Write a span as on the command line: `20`, or `1-20`."""
    low, high = value
    return str(low) if low == high else f"{low}-{high}"


def _drawn(generator: Generator, name: str, value: Span) -> int:
    low, high = span(name, value)
    return int(torch.randint(low, high + 1, (), generator=generator))


def _words(generator: Generator, length: int, batch: int, bits: int) -> Tensor:
    """Return random bits [length, B, bits]."""
    bits = check_int("bits", bits)
    return torch.randint(0, 2, (length, batch, bits), generator=generator).float()


def _blank(time: int, batch: int, in_size: int, out_size: int) -> Sequences:
    mask = torch.zeros(time, batch, dtype=torch.bool)
    return Sequences(torch.zeros(time, batch, in_size), torch.zeros(time, batch, out_size), mask)


def _answer(result: Sequences, begin: int, words: Tensor) -> None:
    """Ask for `words` [L, B, bits] from step `begin` on."""
    steps = range(len(result.mask))[begin:][: len(words)]
    result.targets[steps.start : steps.stop, :, : words.shape[2]] = words
    result.mask[steps.start : steps.stop] = True


def _normalized(value: int, low: int, high: int) -> float:
    """Return `value` in standard deviations from the mean of the whole numbers from `low` to `high`."""
    variance: float = ((high - low + 1) ** 2 - 1) / 12
    return (value - (low + high) / 2) / (variance**0.5 or 1.0)
