"""Whether a file says what the agent says: both play the same steps."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from engram.agents.export.step import ExportedStep, StepInputs, carried
from engram.agents.policy import MemoryPolicy
from engram.agents.spaces import observation_tree
from engram.agents.steps import AgentState
from engram.memory.state import State, leaves

CLOSE = 1e-4
"""Numbers this close, relative to the larger of 1 and the number, are equal."""


class Agreement(NamedTuple):
    """How far onnxruntime and torch agree along steps of an env, in which torch chooses the actions."""

    steps: int
    equal: float  # share of the steps with equal actions, given torch's state at every step
    difference: float  # the largest in anything that the step returns, relative to the larger of 1 and the number
    carried: float  # share of the steps with equal actions where onnxruntime carries its own state

    def holds(self) -> bool:
        """Return whether they agree, but for what rounding can turn in a state that is carried on and on."""
        return self.equal == 1.0 and self.difference <= CLOSE and self.carried >= 0.999

    def sentence(self) -> str:
        """Return what was found, in a line."""
        return (
            f"{self.steps} steps in onnxruntime: given torch's state {self.equal:.2%} of the actions are torch's and "
            f"nothing differs by more than {self.difference:.1e}; with its own state {self.carried:.2%} are"
        )


class OnnxPolicy:
    """An exported policy, run by onnxruntime.

    Args:
        path: of the file.

    Raises:
        ValueError: if onnxruntime is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        if find_spec("onnxruntime") is None:
            raise ValueError("a check needs onnxruntime: pip install 'engram-rl[export]'")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a step is small
        self._session = onnxruntime.InferenceSession(path, options)
        self.inputs = [given.name for given in self._session.get_inputs()]
        self.outputs = [made.name for made in self._session.get_outputs()]

    def __call__(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Take a step: arrays in the order of `inputs` to arrays in the order of `outputs`."""
        made: list[NDArray[Any]] = self._session.run(None, dict(zip(self.inputs, inputs, strict=True)))
        return made


def agreement(policy: MemoryPolicy, path: str | Path, env: VecEnv, steps: int) -> Agreement:
    """Let torch play greedily, and compare every step with that of an exported file.

    Args:
        policy: that was exported.
        path: of the file, for as many envs as there are.
        env: to play in; it is reset.
        steps: of each env.
    """
    run, step = OnnxPolicy(path), ExportedStep(policy, env.num_envs)
    observations, starts = env.reset(), np.ones(env.num_envs, dtype=bool)
    state, cache = policy.initial_state(env.num_envs), None
    own = [leaf.cpu().numpy() for leaf in leaves(step.example.state)]
    counts, difference = np.zeros(2), 0.0
    for _ in range(steps):
        tree = observation_tree(observations, policy.observation_space, policy.device)
        start = torch.as_tensor(starts, device=policy.device)
        before = carried(policy, state, cache)
        given = _arrays(StepInputs(start, tree, before))
        made, alone = run(given), run([*given[: -len(own)], *own])
        own = alone[-len(own) :]
        with torch.no_grad():
            acted = policy.act(tree, state, start, deterministic=True, cache=cache)
        state, cache = acted.state, acted.cache
        actions = policy.env_actions(acted.actions)
        for place, other in enumerate((made[0], alone[0])):
            counts[place] += np.isclose(other, actions, CLOSE, CLOSE).reshape(len(actions), -1).all(1).mean()
        difference = max(difference, _difference(made, actions, acted.values, carried(policy, state, cache)))
        observations, _, starts, _ = env.step(actions)
    return Agreement(steps, *map(float, (counts[0] / steps, difference, counts[1] / steps)))


def _difference(made: list[NDArray[Any]], actions: NDArray[Any], values: Tensor, state: AgentState) -> float:
    """Return the largest relative difference of what a step returned, but for the distribution."""
    after = _arrays(state)
    wanted = [actions, values.cpu().numpy(), *after]
    got = [made[0], made[-len(after) - 1], *made[-len(after) :]]
    return max(map(_relative, got, wanted))


def _relative(got: NDArray[Any], wanted: NDArray[Any]) -> float:
    """Return the largest difference, relative to the larger of 1 and the number; 0 where both are the same infinity."""
    first, second = got.astype(np.float64), wanted.astype(np.float64)
    with np.errstate(invalid="ignore"):
        differences = np.where(first == second, 0.0, np.abs(first - second) / np.maximum(1.0, np.abs(second)))
    return float(differences.max(initial=0.0))


def _arrays(tree: State) -> list[NDArray[Any]]:
    return [leaf.detach().cpu().numpy() for leaf in leaves(tree)]
