"""The T-Maze: remember a cue along a corridor of any length, then turn as it showed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from engram.envs.checks import check_int, check_range, is_int, is_number
from engram.envs.spans import draw_by_logarithm

Observation = npt.NDArray[np.float32]

FORWARD, UP, DOWN, BACK = range(4)
_CHANNELS = ("cue up", "cue down", "corridor", "junction", "false cue up", "false cue down")
_NOISE_BLOCK = 1024


class Episode(NamedTuple):
    """What a reset has drawn: with the actions it decides all that follows, but for noise and false cues."""

    answer: int  # UP or DOWN
    cue_step: int  # passive only: the step that shows the cue
    offset: int  # cell of the start, counted from the near end of the corridor
    junction: int  # cell of the junction
    shortest: int  # steps of the shortest solution, the choice included


class TMaze(gym.Env[Observation, Any]):
    """A corridor that ends in a junction, where going up or down is right according to a cue seen long before.

    Passive: the cue shows for one step, at the start or at a random time, and there is no way back. Active: it hangs
    at the near end of the corridor, is seen only from there, and the agent starts some cells away: it has to go back
    and look.

    The *delay* is the fewest steps from the cue's last sight to the choice: an agent that sees the cue and walks on
    stands at the junction ``delay`` steps later. A wrong move (up or down in the corridor, forward at the junction,
    back in the passive maze or at the near end) is a no-op that costs its step. The episode is truncated after twice
    the steps of the shortest solution. The right choice ends it with reward 1, the wrong one with 0; no other step has
    a reward, unless ``penalty`` is set: without it, a player that has learned nothing never meets the reward of a
    corridor of 100 steps.

    Observation, float32 in [0, 1], without a trace of where in the corridor the agent is: cue up, cue down,
    in the corridor, at the junction; with distractors a false cue up, a false cue down; then the noise channels.

    Success: an oracle 1; a cue-blind oracle, which walks perfectly and guesses the answer, 0.5; a random player 0.01
    on the default delays, passive or active, and 0 on delays from 100.

    Info: ``cue_visible`` at every step, ``is_success`` at the last.

    Args:
        delay: fewest and most steps from the cue's last sight to the choice, drawn uniformly; at least 1.
        cue_at: passive only: "start" shows the cue first thing, "random" at a step drawn from 0 to the delay.
        active: whether the agent has to go back to see the cue.
        offset: active only: fewest and most cells between the agent's start and the cue, drawn uniformly; at least 1
            and below the fewest steps of the delay.
        noise: number of channels of noise, uniform in [0, 1] and new at every step.
        distractors: number of steps among those of the shortest solution, drawn at random, that show a false cue; or,
            as a fraction below 1, the probability of one at each of these steps, so that a longer corridor has more.
        penalty: what an episode of nothing but no-ops costs, spread evenly over its steps.
        shorter_from: delays are drawn by their logarithm instead, from this one to the most of ``delay``, so that
            short ones are often enough to learn from: as many from 5 to 10 as from 50 to 100. For training alone:
            validation and test draw from ``delay`` (see `envs.curriculum`). None draws from it always.

    Raises:
        ValueError: if an argument is out of its range.
    """

    reports_success = always_ends = True
    eased: ClassVar[Mapping[str, str]] = {"shorter_from": "delay"}
    action_names = ("forward", "up", "down", "back")

    def __init__(
        self,
        delay: Sequence[int] = (5, 30),
        cue_at: Literal["start", "random"] = "start",
        active: bool = False,
        offset: Sequence[int] = (1, 3),
        noise: int = 0,
        distractors: int | float = 0,
        penalty: float = 0.0,
        shorter_from: int | None = None,
    ):
        if not isinstance(active, bool):
            raise ValueError(f"active={active!r} must be true or false")
        self.delays = check_range("delay", delay, 1)
        self.by_logarithm = shorter_from is not None
        if self.by_logarithm:
            self.delays = check_int("shorter_from", shorter_from, 1, self.delays[0]), self.delays[1]
        self.offsets = check_range("offset", offset, 1) if active else (0, 0)
        if cue_at not in ("start", "random"):
            raise ValueError(f"cue_at={cue_at!r} must be 'start' or 'random'")
        if active and cue_at == "random":
            raise ValueError("cue_at='random' is for the passive T-Maze: with active=True use 'start'")
        if active and self.offsets[1] >= self.delays[0]:
            name, fewest = ("shorter_from", shorter_from) if self.by_logarithm else ("delay", tuple(delay))
            raise ValueError(
                f"offset={tuple(offset)} must stay below {name}={fewest}: the agent starts before the junction"
            )
        check_int("noise", noise, 0)
        if is_int(distractors):
            check_int("distractors", distractors, 0)
        elif not is_number(distractors) or not 0.0 <= distractors < 1.0:
            raise ValueError(f"distractors={distractors!r} must be a whole number of at least 0, or a share below 1")
        if not is_number(penalty) or not 0.0 <= penalty < math.inf:
            raise ValueError(f"penalty={penalty!r} must be a number of at least 0")
        self.cue_at = cue_at
        self.active, self.noise, self.distractors, self.penalty = active, noise, distractors, penalty
        self.delay = self.offset = self._answer = self._cue_step = self._junction = self._shortest = 0
        self._position = self._steps = 0
        self._false_cues: dict[int, int] = {}  # step: UP or DOWN
        self.channel_names = _CHANNELS[: 6 if distractors else 4]
        self._frames = [[list(row) for row in table] for table in frames(len(self.channel_names), noise)]
        self._noise_block = np.zeros((0, noise), dtype=np.float32)
        self._noise_row = 0
        self.observation_space = gym.spaces.Box(0.0, 1.0, self._frames[0][0][0].shape, np.float32)
        self.action_space = gym.spaces.Discrete(4)

    def layout_key(self) -> str:
        """Name the layout, which is the delay and, in the active maze, the start; the cue is no part of it."""
        return f"tmaze delay={self.delay} offset={self.offset}"

    def shortest_solution(self) -> int:
        """Count the steps of this episode's shortest solution, the choice included."""
        return self._shortest

    @staticmethod
    def other_cue(observation: Observation) -> Observation:
        """Return what would be seen with the other cue."""
        other = observation.copy()
        other[[0, 1]] = observation[[1, 0]]
        return other

    def episode(self) -> Episode:
        """Return what the last reset has drawn."""
        return Episode(self._answer, self._cue_step, self.offset, self._junction, self._shortest)

    def false_cue(self, step: int) -> int:
        """Return the false cue, UP or DOWN, that shows at a step of this episode; 0 for none."""
        return self._false_cues.get(step, 0) if self.distractors else 0

    def next_noise(self) -> Observation:
        """Draw the noise of the next step."""
        if self._noise_row == len(self._noise_block):
            self._noise_block = self.np_random.random((_NOISE_BLOCK, self.noise), dtype=np.float32)
            self._noise_row = 0
        self._noise_row += 1
        row: Observation = self._noise_block[self._noise_row - 1]
        return row

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        rng = self.np_random
        if self.by_logarithm:
            self.delay = draw_by_logarithm(rng, self.delays)
        else:
            self.delay = int(rng.integers(*self.delays, endpoint=True))
        self.offset = int(rng.integers(*self.offsets, endpoint=True)) if self.active else 0
        self._answer = UP if rng.integers(2) else DOWN
        self._cue_step = int(rng.integers(self.delay + 1)) if self.cue_at == "random" else 0
        self._position, self._steps = self.offset, 0
        self._junction = self._cue_step + self.delay
        self._shortest = self.offset + self._junction + 1
        if self.distractors:
            if is_int(self.distractors):
                steps = rng.choice(self._shortest, min(self.distractors, self._shortest), replace=False)
            else:
                steps = np.flatnonzero(rng.random(self._shortest) < self.distractors)
            self._false_cues = dict(zip(steps.tolist(), rng.integers(UP, DOWN + 1, len(steps)).tolist(), strict=True))
        self._noise_row = len(self._noise_block)
        return self._observe()

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        self._steps += 1
        reward, terminated, right = 0.0, False, False
        if self._position == self._junction and action in (UP, DOWN):
            terminated, right = True, bool(action == self._answer)
            reward = float(right)
        elif self._position < self._junction and action == FORWARD:
            self._position += 1
        elif self.active and self._position > 0 and action == BACK:
            self._position -= 1
        elif self.penalty:
            reward = -self.penalty / (2 * self._shortest)
        truncated = not terminated and self._steps >= 2 * self._shortest
        observation, info = self._observe()
        if terminated or truncated:
            info["is_success"] = right
        return observation, reward, terminated, truncated, info

    def _observe(self) -> tuple[Observation, dict[str, Any]]:
        cue_visible = self._position == 0 if self.active else self._steps == self._cue_step
        table = self._frames[self._position == self._junction]
        observation = table[self._answer if cue_visible else 0][self.false_cue(self._steps)].copy()
        if self.noise:
            observation[-self.noise :] = self.next_noise()
        return observation, {"cue_visible": cue_visible}


def frames(symbols: int, noise: int) -> Observation:
    """Draw every observation once, noise left at 0.

    Args:
        symbols: 4, or 6 with false cues.
        noise: channels.

    Returns:
        (2, 3, 3, symbols + noise): at the junction or not, the cue (0 for none, UP, DOWN), the false cue likewise.
    """
    drawn = np.zeros((2, 3, 3, symbols + noise), dtype=np.float32)
    drawn[0, :, :, 2] = drawn[1, :, :, 3] = 1
    for cue in (UP, DOWN):
        drawn[:, cue, :, cue - 1] = 1
        if symbols == 6:
            drawn[:, :, cue, 3 + cue] = 1
    return drawn
