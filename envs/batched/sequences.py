"""Many sequence tasks stepped as one: an episode is drawn whole, so that a step only turns to the next row."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from engram.envs.batched.vec_env import WRAPPERS, BatchedVecEnv, Bools, Env, Numbers, wrapped_in
from engram.envs.tasks.sequences.sequence_task import SequenceTask


class SequenceVecEnv(BatchedVecEnv):
    """Sequence tasks; the last step of an episode is taken by the task itself.

    For what it returns and what it takes see `BatchedVecEnv`.
    """

    def __init__(self, env_fns: list[Callable[[], Env]]):
        super().__init__(env_fns)
        self._bare: list[Any] = [env.unwrapped for env in self._single]
        self._rows = np.arange(self.num_envs)
        # Of every env: its time, and that of its first and of its last answer; how many steps show something; what is
        # seen at every time; what is right at every answer, and whether it was given.
        self._times, self._first, self._last, self._shown = np.zeros((4, self.num_envs), dtype=np.int64)
        self._seen = np.zeros((self.num_envs, 1, *self._bare[0].observation_space.shape), dtype=np.int64)
        self._answers = np.zeros((self.num_envs, 1), dtype=np.int64)
        self._right = np.zeros((self.num_envs, 1), dtype=bool)

    @classmethod
    def understands(cls, env: Env) -> bool:
        bare = env.unwrapped
        kind = type(bare)
        return (
            wrapped_in(env, WRAPPERS)
            and isinstance(bare, SequenceTask)
            and (kind.step, kind.reset) == (SequenceTask.step, SequenceTask.reset)
        )

    def _load(self, row: int) -> None:
        bare = self._bare[row]
        steps, scored = len(bare.observations) - 1, bare.scored
        self._seen = _widened(self._seen, steps + 1)
        self._answers, self._right = _widened(self._answers, scored), _widened(self._right, scored)
        self._seen[row, : steps + 1] = bare.observations
        self._answers[row, :scored] = bare.right_answers
        self._right[row] = np.arange(self._right.shape[1]) < bare.right  # which of them were, matters to nobody
        self._times[row], self._shown[row] = bare.time, bare.shown
        self._first[row], self._last[row] = steps - scored, steps - 1

    def _store(self, row: int) -> list[float]:
        bare, time, first = self._bare[row], int(self._times[row]), int(self._first[row])
        right = self._right[row, : max(0, time - first)].tolist()
        bare.time, bare.right = time, sum(right)
        return [0.0] * min(time, first) + [(1 if answer else -1) / bare.scored for answer in right]

    def _advance(self, actions: Numbers) -> tuple[npt.NDArray[np.float64], Bools]:
        alone = self._times == self._last
        answer = self._times - self._first
        due = np.flatnonzero(answer >= 0)
        rewards = np.zeros(self.num_envs)
        if len(due):
            asked = answer[due]
            right = self._answers[due, asked] == actions[due]
            self._right[due, asked] = right
            rewards[due] = np.where(right, 1, -1) / (self._last - self._first + 1)[due]
        self._times += ~alone
        return rewards, alone

    def _observe(self) -> tuple[Numbers, Bools]:
        return self._seen[self._rows, self._times], self._times < self._shown


def _widened(rows: npt.NDArray[Any], least: int) -> npt.NDArray[Any]:
    """Return rows [B, at least so many, ...], the new places zero."""
    missing = least - rows.shape[1]
    return rows if missing <= 0 else np.pad(rows, [(0, 0), (0, missing), *[(0, 0)] * (rows.ndim - 2)])
