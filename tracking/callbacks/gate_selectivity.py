"""What the write gate makes of the steps that show the cue, and of all others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from engram.agents.rollout.questions import reset_infos
from engram.storage import Plain


class GateSelectivity(BaseCallback):
    """Records the mean write gate on cue steps and on other steps, where env and memory report both.

    An env reports by `info["cue_visible"]`, a memory by the trace "gate"; the keys are `memory/gate_on_cue` and
    `memory/gate_elsewhere`.
    """

    _shown: Tensor  # [B] before the step: 1 where the cue shows, 0 where it does not, -1 where nobody tells

    def get_state(self) -> Plain:
        """Return in which envs the cue is in sight."""
        return self._shown.clone()

    def set_state(self, state: Any) -> None:
        """Go on from what `get_state` returned; None if all episodes begin anew.

        Raises:
            ValueError: if it is none of that.
        """
        if state is None:
            return
        if not isinstance(state, Tensor) or state.shape != self._shown.shape or state.dtype != self._shown.dtype:
            raise ValueError("the cues in sight are not those of these envs")
        self._shown = state.to(self._shown.device)

    def _on_training_start(self) -> None:
        self._shown = _cue_visible(reset_infos(self.training_env))

    def _on_rollout_start(self) -> None:
        self._steps: list[tuple[Tensor, Tensor]] = []

    def _on_step(self) -> bool:
        gate = self.locals["trace"].get("gate")
        if gate is not None:
            self._steps.append((gate, self._shown))
        if "cue_visible" in self.locals:  # envs on a device tell it as a tensor
            self._shown = self.locals["cue_visible"].long()
            return True
        begun = reset_infos(self.training_env)
        self._shown = _cue_visible(
            reset_info if done else info
            for done, info, reset_info in zip(self.locals["dones"], self.locals["infos"], begun, strict=True)
        )
        return True

    def _on_rollout_end(self) -> None:
        if not self._steps:
            return
        gates, shown = (torch.stack([part.cpu() for part in parts]) for parts in zip(*self._steps, strict=True))
        for name, number in (("on_cue", 1), ("elsewhere", 0)):
            if (shown == number).any():
                self.logger.record(f"memory/gate_{name}", gates[shown == number].mean().item())


def _cue_visible(infos: Iterable[dict[str, Any]]) -> Tensor:
    """1 where the cue shows, 0 where it does not, -1 where the env does not report it; [B]."""
    return torch.tensor([int(info.get("cue_visible", -1)) for info in infos])
