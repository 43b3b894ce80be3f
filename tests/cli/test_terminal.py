"""Results go to standard output, everything else to standard error, a line each."""

from __future__ import annotations

import warnings

import pytest

from engram.cli.terminal import OneLineParser, stderr_console, stdout_console, warn_in_one_line


def test_a_warning_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warn_in_one_line()
        warnings.warn("two\n  lines", stacklevel=1)
    assert capsys.readouterr() == ("", "warning: two lines\n")


def test_a_mistake_is_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        OneLineParser(prog="engram-report").parse_args(["--nonsense"])
    assert capsys.readouterr() == ("", "engram-report: unrecognized arguments: --nonsense; see --help\n")


def test_results_and_messages_do_not_mix(capsys: pytest.CaptureFixture[str]) -> None:
    stdout_console().print("a" * 119)
    stderr_console().print("b" * 119)
    assert capsys.readouterr() == ("a" * 119 + "\n", "b" * 119 + "\n")
