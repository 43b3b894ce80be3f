"""The horizon curve: success against the delay over which something had to be remembered; and its file."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from engram.configs import CannotRun
from engram.evidence.runs.files import MadeBy, Rate, read_file
from engram.evidence.runs.recorded_run import RecordedRun
from engram.evidence.statistics import Estimate, columns_of
from engram.tracking import RunFolder

ORACLE = 1.0
LENGTH = (
    "Effective memory length: the delay at which success falls below the middle between chance and an oracle; "
    "interval: where the ends of the 95 % interval of success do."
)
NO_CHANCE = "Without a chance level (--chance, or env.chance of the training) there is no effective memory length."
Delay = Annotated[int, Field(ge=0)]
Name = Literal["success", "wiped"]


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

    def estimate(self, name: Name) -> Estimate | None:
        """Return success with the memory intact or wiped and its interval, if it has one; None if it is not known."""
        value, low, high, by_seed = (getattr(self, f"{name}{end}") for end in ("", "_low", "_high", "_by_seed"))
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
    effective_length: int | None = Field(
        None, description="effective memory length; null if no delay was too long, or without chance"
    )
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
    def episodes_played(self) -> int:
        """Episodes that were played at the delay with the fewest."""
        return min(point.episodes for point in self.points)

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

    def with_length(self) -> Self:
        """Return the curve with the effective length of its points: where success falls below the middle.

        Between two delays it is interpolated on a logarithmic axis. The interval is where the ends of the interval of
        success fall below the same middle. Without a chance level there is none: a guess may look like a recall.
        """
        if self.chance is None:
            return self.model_copy(update=dict.fromkeys(("effective_length", "effective_low", "effective_high")))

        def length(key: str) -> int | None:
            successes = [getattr(point, key) or 0.0 for point in self.decisive]
            return falls_below([point.delay for point in self.decisive], successes, middle_of(self.chance))

        low, high = map(length, ("success_low", "success_high")) if self.tells_interval else (None, None)
        found = {"effective_length": length("success"), "effective_low": low, "effective_high": high}
        return self.model_copy(update=found)

    def shown_length(self) -> tuple[str, str]:
        """Return the effective length and its interval, or that of each seed, for a table."""
        if self.chance is None:
            return "-", "-"
        delays = [point.delay for point in self.decisive]

        def shown(steps: int | None) -> str:
            beyond = f"over {max(delays):,}" if steps is None else f"below {min(delays):,}"
            return f"{steps:,}" if steps else beyond

        ends = " to ".join(dict.fromkeys(map(shown, (self.effective_low, self.effective_high))))
        seeds = f"seeds: {'; '.join(map(shown, self.length_by_seed or ()))}"
        return shown(self.effective_length), ends if self.tells_interval else seeds


def rates(name: Name, estimate: Estimate | None) -> dict[str, Any]:
    """Return the keys of a point that hold an estimate of success with the memory intact or wiped."""
    by_seed = {f"{name}_by_seed": list(estimate.by_run)} if estimate and estimate.over != "episodes" else {}
    return {**columns_of(name, estimate), **by_seed}


def read_horizon(run: RecordedRun) -> HorizonFile:
    """Return a run's `horizon.json`.

    Raises:
        CannotRun: as `read_file` does, or if the task has no delay.
    """
    if "env.kwargs.delay" not in run.config:
        raise CannotRun(f"--horizon: {run.path} was trained on {run.config['env.id']}, which has no delay to change")
    return read_file(RunFolder(run.path).horizon, HorizonFile, f"{run.evaluate_command} --horizon")


def middle_of(chance: float | None) -> float:
    """Return the success half-way between chance and an oracle; above all success if chance is unknown."""
    return math.inf if chance is None else (chance + ORACLE) / 2


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
