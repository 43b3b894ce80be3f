"""Training that ends where a stop was requested."""

from __future__ import annotations

from stable_baselines3.common.callbacks import BaseCallback

from engram.tracking.interrupt import StopRequest


class StopOnRequest(BaseCallback):
    """Ends `learn` at the first step after a stop was requested."""

    def __init__(self, request: StopRequest) -> None:
        super().__init__()
        self.request = request

    def _on_step(self) -> bool:
        return self.request.signal is None
