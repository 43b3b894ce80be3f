"""Command lines of the benchmarks: what is wrong with an argument is one line."""

import argparse

from engram.cli.terminal import OneLineParser


def make_parser(module: str, description: str | None, epilog: str | None = None) -> OneLineParser:
    """Return a parser for `python -m module`, whose help shows the text as it is written."""
    return OneLineParser(
        prog=f"python -m {module}",
        description=description,
        epilog=epilog,
    )


def count(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' must be a whole number of at least 1")
    return int(text)


def seed(text: str) -> int:
    """Read a seed, which every library takes."""
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"'{text}' must be a whole number from 0 to 2,147,483,647")
    return int(text)


def positive(text: str) -> float:
    """Read a number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' must be a number above 0")
    return value
