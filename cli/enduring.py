"""Streams that outlive whoever reads them: a training whose terminal is closed, or whose `| head` has seen enough."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

_GONE = (errno.EPIPE, errno.EIO, errno.ENXIO, errno.EBADF)
"""What writing gives when the reader of a pipe or a terminal is gone, for good."""


class Enduring(io.FileIO):
    """A file of which nobody cares whether it can be written to."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno in _GONE:
                with open(os.devnull, "wb") as sink:
                    os.dup2(sink.fileno(), self.fileno())
            return len(memoryview(data).cast("B"))


def let_streams_endure() -> None:
    """Let standard output and standard error be such files from now on, for this process."""
    for name in ("stdout", "stderr"):
        stream: Any = getattr(sys, name)
        try:
            raw = Enduring(stream.fileno(), "wb", closefd=False)
        except (AttributeError, OSError, ValueError):  # closed already, or no file at all
            continue
        stream.flush()
        lines = stream.line_buffering or name == "stderr"
        text = io.TextIOWrapper(
            io.BufferedWriter(raw),
            stream.encoding,
            stream.errors,
            line_buffering=lines,
            write_through=stream.write_through,
        )
        setattr(sys, name, text)
