"""What the sequence tasks have in common: something is shown, and in the last steps of the episode it is asked for."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


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
        shown: steps that show something to remember, the first ones of an episode.
        scored: answers that are due, one at each of the last steps of an episode.
    """

    reports_success = always_ends = True

    def __init__(self, parts: Sequence[int], choices: int, shown: int, scored: int):
        self.observation_space = gym.spaces.MultiDiscrete([2, *(values + 1 for values in parts)])
        self.action_space = gym.spaces.Discrete(choices)
        self.scored = scored
        self.shown = shown
        self._nothing = np.array([0, *parts])
        # What a reset has drawn: all that is seen [steps + 1, parts], and the right answers [scored].
        self.observations = np.zeros((0, 1 + len(parts)), dtype=np.int64)
        self.right_answers: list[int] = []
        self.time = self.right = 0  # steps taken, and right answers among them
        self._steps = 0

    @abstractmethod
    def _draw(self, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
        """Draw an episode.

        Returns:
            The parts of the observation before every action [steps, parts], and the right answers [scored].
        """

    def _blank(self, steps: int) -> Numbers:
        """Return parts that show nothing [steps, parts]."""
        return np.full((steps, len(self._nothing) - 1), self._nothing[1:])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Numbers, dict[str, Any]]:
        super().reset(seed=seed)
        parts, answers = self._draw(self.np_random)
        self.time, self._steps, self.right = 0, len(parts), 0
        self.right_answers = answers.tolist()
        self.observations = np.empty((self._steps + 1, len(self._nothing)), dtype=np.int64)
        self.observations[:-1, 0] = 0
        self.observations[self._steps - self.scored : -1, 0] = 1
        self.observations[:-1, 1:] = parts
        self.observations[-1] = self._nothing
        return self.observations[0], {"cue_visible": True}

    def step(self, action: Any) -> tuple[Numbers, float, bool, bool, dict[str, Any]]:
        if self.time >= self._steps:
            raise RuntimeError("the episode is over: reset before the next step")
        reward = 0.0
        due = self.time - self._steps + self.scored
        if due >= 0:
            right = bool(action == self.right_answers[due])
            self.right += right
            reward = 1 / self.scored if right else -1 / self.scored
        self.time += 1
        terminated = self.time == self._steps
        info: dict[str, Any] = {"cue_visible": self.time < self.shown}
        if terminated:
            info |= {"score": self.right / self.scored, "is_success": self.right == self.scored}
        # A row is handed out once and drawn anew for the next episode: the caller may keep and change it.
        return self.observations[self.time], reward, terminated, False, info
