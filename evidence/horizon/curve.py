"""The horizon curve: success against the delay over which something had to be remembered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from engram.evidence.evaluation.scores import Score

ORACLE = 1.0
# At long delays an agent without its memory is not worth the time of many episodes.
WIPED_EPISODES = 100
HorizonJson = Mapping[str, Any]
"""The content of a `horizon.json`."""


class Point(NamedTuple):
    """What was measured at one delay; success is None if the env does not tell it."""

    delay: int
    episodes: int
    success: float | None
    success_low: float | None  # ends of the 95 % Wilson interval
    success_high: float | None
    mean_return: float
    mean_length: float
    wiped: float | None  # success with the memory wiped before every step; None if that was not played
    wiped_low: float | None
    wiped_high: float | None
    wiped_episodes: int | None = None
    command: str | None = None  # what it was measured with
    git_commit: str | None = None
    git_dirty: bool | None = None

    @classmethod
    def of(cls, delay: int, intact: Score, wiped: Score | None = None) -> Point:
        """Make a point of the scores at a delay."""
        return cls(
            delay,
            intact.episodes,
            intact.success,
            intact.success_low,
            intact.success_high,
            intact.mean_return,
            intact.mean_length,
            *((wiped.success, wiped.success_low, wiped.success_high, wiped.episodes) if wiped else [None] * 4),
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Point:
        """Return the point that `Horizon.as_json` wrote."""
        return cls(*(content[name] for name in cls._fields))


class EffectiveLength(NamedTuple):
    """The longest delay that a memory bridges, in steps, and its interval; None where no delay was too long."""

    steps: int | None
    low: int | None
    high: int | None

    @classmethod
    def of(
        cls, points: Sequence[Mapping[str, Any]], by: str, chance: float | None, trained: Sequence[int] | None
    ) -> EffectiveLength:
        """Find where success falls below the middle between chance and an oracle.

        Between two delays it is interpolated on a logarithmic axis. The interval is where the ends of the interval of
        success fall below the same middle.

        Args:
            points: as in `horizon.json`, in order of their delays.
            by: key of the delay.
            chance: success of a player that cannot recall; None counts as 0.
            trained: shortest and longest delay of the training, if they are known.
        """
        points = from_training_range(points, by, trained)
        delays, middle = [point[by] for point in points], middle_of(chance)
        return cls(
            *(
                falls_below(delays, [point[key] or 0.0 for point in points], middle)
                for key in ("success", "success_low", "success_high")
            )
        )


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
    def length(self) -> EffectiveLength:
        """The effective memory length."""
        return EffectiveLength.of([point._asdict() for point in self.points], "delay", self.chance, self.trained)

    def as_json(self) -> dict[str, Any]:
        """Return the content of `horizon.json`; its command is all that the points were measured with."""
        steps, low, high = self.length
        commands = dict.fromkeys(point.command for point in self.points if point.command)
        return {
            "by": "delay",
            "trained": list(self.trained),
            "chance": self.chance,
            "oracle": ORACLE,
            "points": [point._asdict() for point in self.points],
            "effective_length": steps,
            "effective_low": low,
            "effective_high": high,
            **self.about,
            **({"command": " && ".join(commands)} if commands else {}),
        }


def middle_of(chance: float | None) -> float:
    """Return the success half-way between chance, 0 if unknown, and an oracle."""
    return ((chance or 0.0) + ORACLE) / 2


def from_training_range(
    points: Sequence[Mapping[str, Any]], by: str, trained: Sequence[int] | None
) -> list[Mapping[str, Any]]:
    """Return the points of which the effective length is made: from the training's shortest delay on, if there are any.

    An agent that fails at shorter ones does so for another reason than that it forgets.
    """
    return [point for point in points if not trained or point[by] >= trained[0]] or list(points)


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
