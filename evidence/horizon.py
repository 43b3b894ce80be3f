"""The horizon curve: success against the delay over which something had to be remembered."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from stable_baselines3.common.vec_env import VecEnv

from agents import MemoryPPO
from evidence.examination import Trial, examine
from evidence.report import Condition
from evidence.scores import Score

ORACLE = 1.0


class Point(NamedTuple):
    """Success at one delay."""

    delay: int
    intact: Score
    wiped: Score | None


class Length(NamedTuple):
    """The longest delay that a memory bridges, in steps, and its interval; None where no delay was too long."""

    steps: int | None
    low: int | None
    high: int | None


@dataclass(frozen=True)
class Horizon:
    """A curve, and what it was measured with."""

    points: Sequence[Point]
    """In order of their delays."""
    trained: tuple[int, int]
    """Delays of the training."""
    chance: float | None
    about: dict[str, Any]

    @property
    def length(self) -> Length:
        """The effective memory length: where success falls below the middle between chance and an oracle.

        Between two delays it is interpolated on a logarithmic axis. The interval is where the ends of the 95 %
        intervals of success fall below the same middle.
        """
        middle = ((self.chance or 0.0) + ORACLE) / 2
        delays = [point.delay for point in self.points]
        curves = [
            [getattr(point.intact, name) or 0.0 for point in self.points]
            for name in ("success", "success_low", "success_high")
        ]
        return Length(*(falls_below(delays, curve, middle) for curve in curves))

    def as_json(self) -> dict[str, Any]:
        """Return the content of `horizon.json`."""
        steps, low, high = self.length
        points = []
        for point in self.points:
            wiped = None if point.wiped is None else point.wiped.success
            points.append({"delay": point.delay, **asdict(point.intact), "wiped": wiped})
        return {
            "by": "delay",
            "trained": list(self.trained),
            "chance": self.chance,
            "oracle": ORACLE,
            "points": points,
            "effective_length": steps,
            "effective_low": low,
            "effective_high": high,
            **self.about,
        }


def falls_below(delays: Sequence[int], successes: Sequence[float], middle: float) -> int | None:
    """Return the delay at which a curve first falls below a value, interpolated; None if it never does.

    Args:
        delays: in ascending order, at least 1.
        successes: at these delays.
        middle: the value; a curve that begins below it falls at 0.
    """
    for number, success in enumerate(successes):
        if success >= middle:
            continue
        if number == 0:
            return 0
        before = successes[number - 1]
        share = (before - middle) / (before - success)
        low, high = math.log(delays[number - 1]), math.log(delays[number])
        return round(math.exp(low + share * (high - low)))
    return None


def default_delays(trained: tuple[int, int], longest: int = 10_000) -> list[int]:
    """Return delays from below those of the training to far beyond, three in a decade."""
    decades = [round(10 ** (k / 3)) for k in range(int(3 * math.log10(longest)) + 1)]
    shortest = max(1, trained[0] // 4)
    return sorted({delay for delay in decades if delay >= shortest} | {shortest, *trained})


def measure_horizon(
    model: MemoryPPO,
    delays: Sequence[int],
    make_env: Callable[[int], VecEnv],
    *,
    episodes: int,
    wiped_episodes: int,
    seed: int,
    console: Console,
) -> list[Point]:
    """Play the task at each delay, with the memory intact, and with it wiped.

    Args:
        model: the agent.
        delays: in steps.
        make_env: makes the envs of one delay; they are closed afterwards.
        episodes: per delay.
        wiped_episodes: per delay with the memory wiped; 0 for none.
        seed: of the episodes.
        console: where the progress is shown.
    """
    points = []
    for delay in sorted(delays):
        env = make_env(delay)
        intact, wiped = Condition(f"delay {delay:,}"), Condition(f"delay {delay:,}", "wiped")
        trials = [Trial(intact, env, episodes)]
        trials += [Trial(wiped, env, wiped_episodes)] if wiped_episodes else []
        scores = examine(model, trials, seed=seed, console=console).scores
        env.close()
        points.append(Point(delay, scores[intact], scores.get(wiped)))
    return points


def print_horizon(horizon: Horizon, console: Console) -> None:
    """Print the curve as a table, and the effective memory length."""
    low, high = horizon.trained
    table = Table(title=f"horizon (trained on delays of {low} to {high})", box=SIMPLE, title_justify="left")
    for name in ("delay", "success (95 % int.)", "memory wiped"):
        table.add_column(name, justify="right", no_wrap=True)
    for point in horizon.points:
        table.add_row(f"{point.delay:,}", point.intact.shown, "-" if point.wiped is None else point.wiped.shown)
    console.print(table)
    steps, shortest, longest = horizon.length
    beyond = f"over {horizon.points[-1].delay:,}"
    bounds = f"{beyond if shortest is None else f'{shortest:,}'} to {beyond if longest is None else f'{longest:,}'}"
    shown = beyond if steps is None else f"{steps:,}"
    said = f"Effective memory length: {shown} steps (95 % interval {bounds})."
    middle = ((horizon.chance or 0.0) + ORACLE) / 2
    if any(point.wiped is not None and (point.wiped.success_low or 0.0) > middle for point in horizon.points):
        said += " With the memory wiped it gets as far at some delays: there it is not the memory that bridges them."
    if horizon.chance is None:
        said += " Chance is not known and taken as 0; env.chance tells it."
    console.print(said, highlight=False, soft_wrap=True)
