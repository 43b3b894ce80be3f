"""What the write gate makes of the steps that show the cue, and of all others."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv


class GateSelectivity(BaseCallback):
    """Records the mean write gate on cue steps and on other steps, where env and memory report both.

    An env reports by `info["cue_visible"]`, a memory by the trace "gate"; the keys are `memory/gate_on_cue` and
    `memory/gate_elsewhere`.
    """

    def _on_training_start(self) -> None:
        self._shown = self._cue_visible(self.training_env.unwrapped.reset_infos)

    def _on_rollout_start(self) -> None:
        self._sums, self._counts = np.zeros(2), np.zeros(2)

    def _on_step(self) -> bool:
        gate = self.locals["trace"].get("gate")
        if gate is not None:
            gates = gate.cpu().numpy()
            for which, steps in enumerate((self._shown == 1, self._shown == 0)):
                self._sums[which] += gates[steps].sum()
                self._counts[which] += steps.sum()
        env: VecEnv = self.training_env.unwrapped
        infos = [
            reset_info if done else info
            for done, info, reset_info in zip(self.locals["dones"], self.locals["infos"], env.reset_infos, strict=True)
        ]
        self._shown = self._cue_visible(infos)
        return True

    def _on_rollout_end(self) -> None:
        for name, total, count in zip(("on_cue", "elsewhere"), self._sums, self._counts, strict=True):
            if count:
                self.logger.record(f"memory/gate_{name}", total / count)

    @staticmethod
    def _cue_visible(infos: list[dict[str, Any]]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """1 where the cue shows, 0 where it does not, -1 where the env does not report it."""
        return np.array([int(info.get("cue_visible", -1)) for info in infos])
