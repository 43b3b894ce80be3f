"""What Stable-Baselines3's callbacks find as `model.rollout_buffer`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from engram.agents.rollout.buffer import ChunkBuffer


class RolloutView:
    """The last rollout under the names of stock PPO's buffer, as arrays [T, B, ...]; to write to them changes nothing.

    Observations and actions are as the agent stores them; of a Dict space the observations are a tuple in the order of
    its keys.

    Args:
        chunks: holds the rollout.
    """

    def __init__(self, chunks: ChunkBuffer) -> None:
        self._chunks = chunks

    @property
    def full(self) -> bool:
        """Whether a rollout has been collected."""
        return hasattr(self._chunks, "advantages")

    @property
    def buffer_size(self) -> int:
        """T, the steps of every env."""
        return len(self.rewards)

    @property
    def n_envs(self) -> int:
        """B."""
        return int(self.rewards.shape[1])

    @property
    def observations(self) -> Any:
        """What was observed, [T, B, ...]."""
        return _arrays(self._chunks.steps.observation)

    @property
    def actions(self) -> NDArray[Any]:
        """The actions, [T, B] or [T, B, A]."""
        return _array(self._chunks.steps.actions)

    @property
    def rewards(self) -> NDArray[Any]:
        """Rewards as the env gave them, without the bonus for novelty, [T, B]."""
        return _array(self._chunks.steps.rewards)

    @property
    def episode_starts(self) -> NDArray[Any]:
        """Whether an episode started at the step, [T, B] bool."""
        return _array(self._chunks.steps.episode_start)

    @property
    def values(self) -> NDArray[Any]:
        """Values as they were collected, [T, B], in units of `MemoryPPO.return_scale`."""
        return _array(self._chunks.steps.values)

    @property
    def log_probs(self) -> NDArray[Any]:
        """Log-probabilities of the actions, [T, B]."""
        return _array(self._chunks.steps.log_probs)

    @property
    def advantages(self) -> NDArray[Any]:
        """Advantages, [T, B], in the same units; from the end of the rollout on."""
        return _array(self._chunks.advantages)

    @property
    def returns(self) -> NDArray[Any]:
        """Returns, [T, B], in the same units; from the end of the rollout on."""
        return _array(self._chunks.returns)

    def reset(self) -> None:
        """Do nothing: the rollout is replaced when the next one is collected."""


class NoBuffer:
    """Takes the place of stock PPO's buffer while the model is made: the rollout is kept in chunks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass


def _array(tensor: Tensor) -> NDArray[Any]:
    return np.asarray(tensor.cpu().numpy())


def _arrays(tree: Any) -> Any:
    return _array(tree) if isinstance(tree, Tensor) else tuple(map(_arrays, tree))
