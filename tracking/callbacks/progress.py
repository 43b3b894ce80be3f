"""How far the training is: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from statistics import fmean

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from stable_baselines3.common.callbacks import BaseCallback


class ProgressLine(BaseCallback):
    """Shows percent, recent success (or return), steps per second and the time left.

    Args:
        total_timesteps: steps of the whole training.
        console: where to; a bar if it is a terminal.
        every: seconds between two plain lines where it is none.
    """

    def __init__(self, total_timesteps: int, console: Console, every: float = 20.0) -> None:
        super().__init__()
        self.total_timesteps = total_timesteps
        self.console = console
        self.every = every
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._started = self._printed = 0.0
        self._first = 0

    def _on_training_start(self) -> None:
        self._started = self._printed = time.monotonic()
        self._first = self.model.num_timesteps
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("training"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[recent]}"),
                TextColumn("{task.fields[speed]} fps"),
                TimeRemainingColumn(compact=True),
                TextColumn("left"),
                console=self.console,
                refresh_per_second=2,
            )
            self._task = self._bar.add_task("training", total=self.total_timesteps, recent="", speed="-")
            self._bar.start()

    def _on_step(self) -> bool:
        if self._bar is not None:
            self._bar.update(
                self._task, completed=self.num_timesteps, recent=self._recent(), speed=f"{self._speed():,.0f}"
            )
        elif time.monotonic() - self._printed >= self.every:
            self._print_line()
        return True

    def _on_training_end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        else:
            self._print_line()

    def _print_line(self) -> None:
        self._printed = time.monotonic()
        speed = self._speed()
        left = max(0, self.total_timesteps - self.num_timesteps) / max(speed, 1e-9)
        percent = min(100, 100 * self.num_timesteps // self.total_timesteps)
        self.console.print(
            f"{self.num_timesteps:>11,} steps: {percent} %  {self._recent()}  {speed:,.0f} fps"
            f"  {left // 60:.0f}:{left % 60:02.0f} left",
            highlight=False,
            soft_wrap=True,
        )

    def _speed(self) -> float:
        return (self.num_timesteps - self._first) / max(time.monotonic() - self._started, 1e-9)

    def _recent(self) -> str:
        if self.model.ep_success_buffer:
            return f"success {fmean(self.model.ep_success_buffer):.2f}"
        if self.model.ep_info_buffer:
            return f"return {fmean(info['r'] for info in self.model.ep_info_buffer):.2f}"
        return "no episode has ended"
