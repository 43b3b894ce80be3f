import io
import os
import sys

import pytest

from engram.envs.play.keyboard import keys_in, pressed_keys


def test_arrows_of_either_mode_among_characters():
    assert list(keys_in("a\x1b[A1\x1bOB\x1b[C\x1b[Dq")) == ["a", "up", "1", "down", "right", "left", "q"]


def test_other_sequences_are_no_keys():
    assert list(keys_in("\x1b[3~\x1b[1;5H\x1bOPx")) == ["x"]


def test_from_a_pipe_until_it_ends_without_space(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("u l\n\tq\n"))
    with pressed_keys() as keys:
        assert list(keys) == ["u", "l", "q"]


@pytest.fixture
def keyboard(monkeypatch):
    """A terminal for standard input; returns the end to type at and the terminal."""
    pty = pytest.importorskip("pty")
    typing, terminal = pty.openpty()
    with os.fdopen(terminal, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield typing, terminal
    os.close(typing)


def test_keys_of_a_terminal_come_at_once_and_unseen_until_ctrl_d(keyboard):
    typing, _ = keyboard
    with pressed_keys() as keys:
        os.write(typing, b"a")
        assert next(keys) == "a"
        os.write(typing, b"\x1b[A")
        assert next(keys) == "up"
        os.write(typing, b"q\x04z")
        assert list(keys) == ["q"]
    os.set_blocking(typing, False)
    with pytest.raises(BlockingIOError):
        os.read(typing, 1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_the_terminal_is_as_before_whatever_happens(keyboard, error):
    import termios

    def play():
        with pressed_keys():
            assert termios.tcgetattr(terminal) != before
            raise error

    _, terminal = keyboard
    before = termios.tcgetattr(terminal)
    with pytest.raises(error):
        play()
    assert termios.tcgetattr(terminal) == before
