"""What the sequence tasks have in common: something is shown, and in the last steps of the episode it is asked for."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from engram.envs.tasks.sequences.fields import Fields

Numbers = npt.NDArray[np.int64]


class Drawn(NamedTuple):
    """An episode."""

    parts: Numbers  # [steps, parts] of the observation before every action
    answers: Numbers  # [scored] right ones, due at the last steps
    shown: int  # first steps, which show something to remember


class SequenceTask(gym.Env[Numbers, Any]):
    """A task whose episodes are drawn whole at the reset; what the agent does changes none of what it sees.

    Observation: MultiDiscrete, first 1 where an answer is due now, else 0; then the parts that a subclass names. The
    highest value of a part means that it shows nothing; after the last action that holds for every part.

    Reward: of n answers in an episode a right one gets 1/n and a wrong one -1/n, as in POPGym, so that returns lie in
    [-1, 1]. Where no answer is due, any action gets 0.

    Info: ``cue_visible`` at every step, whether something that may be asked for later is being shown; at the last step
    ``score``, the share of right answers, and ``is_success``, whether all were right.

    Args:
        parts: how many values each part of the observation has, without the one for nothing.
        choices: number of possible answers, which are the actions.
        alphabets: of each part the number of its alphabet, at least 1; None if no two parts have one in common.
    """

    reports_success = always_ends = True

    def __init__(self, parts: Sequence[int], choices: int, alphabets: Sequence[int] | None = None):
        sizes = [2, *(values + 1 for values in parts)]
        self.observation_space: gym.spaces.MultiDiscrete
        if alphabets is None:
            self.observation_space = gym.spaces.MultiDiscrete(sizes)
        else:
            self.observation_space = Fields(sizes, (0, *alphabets), (None, *parts))
        self.action_space = gym.spaces.Discrete(choices)
        self._nothing = np.array([0, *parts])
        # What a reset has drawn: all that is seen [steps + 1, parts], how much of it is to be remembered, and the right
        # answers, one for each of the last steps.
        self.observations = np.zeros((0, 1 + len(parts)), dtype=np.int64)
        self.shown = 0
        self.right_answers: list[int] = []
        self.time = self.right = 0  # steps taken, and right answers among them
        self._steps = 0

    @property
    def scored(self) -> int:
        """How many answers are due in this episode."""
        return len(self.right_answers)

    @abstractmethod
    def _draw(self, rng: np.random.Generator) -> Drawn:
        """Draw an episode."""

    def _blank(self, steps: int) -> Numbers:
        """Return parts that show nothing [steps, parts]."""
        return np.full((steps, len(self._nothing) - 1), self._nothing[1:])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Numbers, dict[str, Any]]:
        super().reset(seed=seed)
        parts, answers, self.shown = self._draw(self.np_random)
        self.time, self._steps, self.right = 0, len(parts), 0
        self.right_answers = answers.tolist()
        self.observations = np.empty((self._steps + 1, len(self._nothing)), dtype=np.int64)
        self.observations[:-1, 0] = 0
        self.observations[self._steps - len(answers) : -1, 0] = 1
        self.observations[:-1, 1:] = parts
        self.observations[-1] = self._nothing
        return self.observations[0], {"cue_visible": True}

    def step(self, action: Any) -> tuple[Numbers, float, bool, bool, dict[str, Any]]:
        if self.time >= self._steps:
            raise RuntimeError("the episode is over: reset before the next step")
        reward, scored = 0.0, self.scored
        due = self.time - self._steps + scored
        if due >= 0:
            right = bool(action == self.right_answers[due])
            self.right += right
            reward = 1 / scored if right else -1 / scored
        self.time += 1
        terminated = self.time == self._steps
        info: dict[str, Any] = {"cue_visible": self.time < self.shown}
        if terminated:
            info |= {"score": self.right / scored, "is_success": self.right == scored}
        # A row is handed out once and drawn anew for the next episode: the caller may keep and change it.
        return self.observations[self.time], reward, terminated, False, info
