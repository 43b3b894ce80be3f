"""How far a supervised training is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


class BatchProgress:
    """Shows batches, loss, wrong bits and the time left, while it is entered as a context.

    Args:
        what: a word for what is trained.
        batches: of the whole training.
        console: where to; a bar if it is a terminal.
        every: seconds between two plain lines where it is none.
    """

    def __init__(self, what: str, batches: int, console: Console, every: float = 20.0) -> None:
        self.what = what
        self.batches = batches
        self.console = console
        self.every = every
        self.wrong_bits: float | None = None  # per sequence, at the last validation
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                TaskProgressColumn(),
                TextColumn("{task.fields[state]}"),
                TimeRemainingColumn(compact=True),
                TextColumn("left"),
                console=console,
                refresh_per_second=2,
            )
            self._task = self._bar.add_task(what, total=batches, state="")
        self._started = self._printed = time.monotonic()

    def __enter__(self) -> BatchProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, batch: int, loss: float) -> None:
        """Show that `batch` batches are done, the last with this loss."""
        now = time.monotonic()
        if self._bar is None and now - self._printed < self.every:
            return
        wrong = "" if self.wrong_bits is None else f"  wrong bits {self.wrong_bits:.2f}"
        state = f"batch {batch:,}/{self.batches:,}  loss {loss:.4f}{wrong}"
        if self._bar is not None:
            self._bar.update(self._task, completed=batch, state=state)
            return
        self._printed = now
        left = (now - self._started) / batch * (self.batches - batch)
        self.console.print(
            f"{self.what}: {state}  {left // 60:.0f}:{left % 60:02.0f} left", highlight=False, soft_wrap=True
        )
