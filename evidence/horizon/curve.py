"""The horizon curve: success against the delay over which something had to be remembered; and its file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from engram.configs import CannotRun
from engram.evidence.runs.files import MadeBy, Rate, Score, read_file
from engram.evidence.runs.recorded_run import RecordedRun
from engram.evidence.statistics import Estimate
from engram.tracking import RunFolder

ORACLE = 1.0
# At long delays an agent without its memory is not worth the time of many episodes.
WIPED_EPISODES = 100
LENGTH = (
    "Effective memory length: the delay at which success falls below the middle between chance and an oracle; "
    "interval: where the ends of the 95 % interval of success do."
)
Delay = Annotated[int, Field(ge=0)]


class HorizonPoint(MadeBy):
    """What was measured at one delay."""

    delay: Delay = Field(description="steps between cue and choice")
    episodes: int = Field(ge=1, description="episodes played")
    success: Rate | None = Field(description="success rate, memory intact; null if the env tells none")
    success_low: Rate | None = Field(description="lower end of its 95 % Wilson interval over episodes of this agent")
    success_high: Rate | None = Field(description="upper end")
    mean_return: float | None = Field(None, description="mean return")
    mean_length: float | None = Field(None, description="mean number of steps")
    wiped: Rate | None = Field(None, description="success with the memory wiped before every step; null if not played")
    wiped_low: Rate | None = Field(None, description="lower end of its 95 % interval")
    wiped_high: Rate | None = Field(None, description="upper end")
    wiped_episodes: int | None = Field(None, description="episodes played with the memory wiped")
    success_by_seed: list[Rate] | None = Field(None, description="of several seeds: success of each")
    wiped_by_seed: list[Rate] | None = Field(None, description="the same with the memory wiped")

    @classmethod
    def of(cls, delay: int, intact: Score, wiped: Score | None = None, **made: Any) -> HorizonPoint:
        """Make a point of the scores at a delay, and of what made them."""
        ends = ("", "_low", "_high")
        rates: dict[str, Any] = {f"success{end}": getattr(intact, f"success{end}") for end in ends}
        rates |= {f"wiped{end}": getattr(wiped, f"success{end}", None) for end in ends}
        return cls(
            delay=delay,
            episodes=intact.episodes,
            mean_return=intact.mean_return,
            mean_length=intact.mean_length,
            **rates,
            wiped_episodes=wiped.episodes if wiped else None,
            **made,
        )

    def estimate(self, name: Literal["success", "wiped"]) -> Estimate | None:
        """Return success with the memory intact or wiped and its interval, if it has one; None if it is not known."""
        value, low, high = (getattr(self, f"{name}{end}") for end in ("", "_low", "_high"))
        by_seed = getattr(self, f"{name}_by_seed")
        if value is None:
            return None
        return Estimate(value, low, high, tuple(by_seed or (value,)), "seeds" if by_seed else "episodes")


class HorizonFile(MadeBy):
    """`horizon.json`: success against delay; also the curve of several seeds in the file of a comparison."""

    by: Literal["delay"] = Field(description="what the curve is over")
    trained: tuple[Delay, Delay] | None = Field(None, description="shortest and longest delay of the training")
    chance: float | None = Field(None, description="success of a player that cannot recall; null if unknown")
    oracle: float | None = Field(None, description="success of a player that knows all")
    points: list[HorizonPoint] = Field(min_length=1, description="in order of their delays")
    effective_length: int | None = Field(None, description="effective memory length; null if no delay was too long")
    effective_low: int | None = Field(None, description="lower end of its 95 % interval; null as above")
    effective_high: int | None = Field(None, description="upper end; null as above")
    run: str | None = Field(None, description="run folder")
    checkpoint: str | None = Field(None, description="'best' or 'latest'")
    checkpoint_timesteps: int | None = Field(None, description="steps of training that it has had")
    episodes: int | None = Field(None, description="episodes asked for at each delay")
    seed: int | None = Field(None, description="seed of the episodes")
    seeds: list[int] | None = Field(None, description="of several agents: seeds of their trainings")
    runs: list[str] | None = Field(None, description="of several agents: their run folders")
    commands: list[str | None] | None = Field(None, description="of several agents: what each was measured with")
    length_by_seed: list[int | None] | None = Field(None, description="of several agents: effective length of each")

    @property
    def tells_interval(self) -> bool:
        """Whether success has intervals, as that of one agent and of enough seeds has."""
        return all(point.success_low is not None for point in self.points if point.success is not None)

    @property
    def decisive(self) -> list[HorizonPoint]:
        """The points of which the effective length is made: from the training's shortest delay on, if there are any.

        An agent that fails at shorter ones does so for another reason than that it forgets.
        """
        return [point for point in self.points if not self.trained or point.delay >= self.trained[0]] or self.points

    def with_length(self) -> HorizonFile:
        """Return the curve with the effective length of its points: where success falls below the middle.

        Between two delays it is interpolated on a logarithmic axis. The interval is where the ends of the interval of
        success fall below the same middle.
        """
        found = {}
        for name, end in (("effective_length", ""), ("effective_low", "_low"), ("effective_high", "_high")):
            successes = [getattr(point, f"success{end}") or 0.0 for point in self.decisive]
            length = falls_below([point.delay for point in self.decisive], successes, middle_of(self.chance))
            found[name] = length if self.tells_interval or not end else None
        return self.model_copy(update=found)

    def shown_length(self) -> tuple[str, str]:
        """Return the effective length and its interval, or that of each seed, for a table."""
        delays = [point.delay for point in self.decisive]

        def shown(steps: int | None) -> str:
            return (
                f"over {max(delays):,}" if steps is None else f"below {min(delays):,}" if steps == 0 else f"{steps:,}"
            )

        if self.tells_interval:
            ends = " to ".join(dict.fromkeys(map(shown, (self.effective_low, self.effective_high))))
        else:
            ends = f"seeds: {'; '.join(map(shown, self.length_by_seed or ()))}"
        return shown(self.effective_length), ends


def read_horizon(run: RecordedRun) -> HorizonFile | None:
    """Return a run's `horizon.json`, None if it has none.

    Raises:
        CannotRun: if it cannot be read, or is no horizon curve; the message names the key and what makes it anew.
    """
    path = RunFolder(run.path).horizon
    return read_file(path, HorizonFile, f"{run.evaluate_command} --horizon") if path.is_file() else None


def points_before(folder: RunFolder, about: dict[str, Any], same: Sequence[str]) -> dict[int, HorizonPoint]:
    """Return the points of a run's `horizon.json` that count, by delay.

    Those that were measured with something else do not, nor those with uncommitted changes, which may be others now.

    Args:
        folder: of the run.
        about: what is measured with now.
        same: the keys that have to be the same.
    """
    try:
        found = read_file(folder.horizon, HorizonFile, "")
    except CannotRun:  # there is none, or it was edited
        return {}
    if about["git_dirty"] is not False or any(getattr(found, key) != about[key] for key in same):
        return {}
    return {point.delay: point for point in found.points if point.git_dirty is False}


def middle_of(chance: float | None) -> float:
    """Return the success half-way between chance, 0 if unknown, and an oracle."""
    return ((chance or 0.0) + ORACLE) / 2


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
