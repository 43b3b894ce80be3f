"""Training that ends where a stop was requested."""

from __future__ import annotations

from stable_baselines3.common.callbacks import BaseCallback

from engram.tracking.interrupt import StopRequest


class StopOnRequest(BaseCallback):
    """Ends `learn` at the first step after a stop was requested, of an env or, by raising `Stopped`, of an update."""

    def __init__(self, request: StopRequest) -> None:
        super().__init__()
        self.request = request

    def _on_training_start(self) -> None:
        self._hook = self.model.policy.optimizer.register_step_pre_hook(lambda *_: self.request.check())

    def _on_training_end(self) -> None:
        self._hook.remove()

    def _on_step(self) -> bool:
        return self.request.signal is None
