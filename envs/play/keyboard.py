"""Keys as they are pressed: from a terminal one by one and unechoed, from a pipe as its characters."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

_ARROWS = {"A": "up", "B": "down", "C": "right", "D": "left"}
_END = "\x04"  # Ctrl-D
# What terminals send for a key: an escape sequence, of which some are arrows, or a character.
_KEY = re.compile(r"\x1b[\[O][0-9;]*([A-Za-z~])|(.)", re.DOTALL)


def at_terminal() -> bool:
    """Return whether keys come from a terminal."""
    return sys.stdin.isatty()


@contextmanager
def pressed_keys() -> Iterator[Iterator[str]]:
    """Give the keys that are pressed, as characters, or "up", "down", "left", "right"; space from a pipe is left out.

    They end with Ctrl-D or where the pipe ends. A terminal shows none of them meanwhile, and is as before afterwards.

    Raises:
        KeyboardInterrupt: on Ctrl-C.
    """
    if not at_terminal():
        yield _characters()
    elif sys.platform == "win32":
        yield _of_console()
    elif find_spec("termios") is None:  # keys cannot be read one by one: they come with the next Enter
        yield _characters()
    else:
        import termios
        import tty

        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
        try:
            tty.setcbreak(terminal, termios.TCSADRAIN)
            yield _of_terminal(terminal)
        finally:
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _characters() -> Iterator[str]:
    while character := sys.stdin.read(1):
        if not character.isspace():
            yield character


def _of_terminal(terminal: int) -> Iterator[str]:
    while sent := os.read(terminal, 1024):
        for key in keys_in(sent.decode(errors="ignore")):
            if key == _END:
                return
            yield key


def keys_in(sent: str) -> Iterator[str]:
    """Yield the keys in what a terminal has sent; sequences of other keys than arrows are left out."""
    for match in _KEY.finditer(sent):
        final, character = match.groups()
        if character or final in _ARROWS:
            yield character or _ARROWS[final]


if sys.platform == "win32":
    import msvcrt

    _CODES = {"H": "up", "P": "down", "M": "right", "K": "left"}

    def _of_console() -> Iterator[str]:
        while (key := msvcrt.getwch()) != _END:
            if key == "\x03":
                raise KeyboardInterrupt
            if key not in "\x00\xe0":
                yield key
            elif (code := msvcrt.getwch()) in _CODES:
                yield _CODES[code]
