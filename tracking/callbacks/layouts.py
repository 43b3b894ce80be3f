"""How many distinct layouts the agent has been trained on."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from engram.agents.rollout.questions import layout_of
from engram.storage import Plain


class LayoutCount(BaseCallback):
    """Collects the layouts of finished episodes (`info["layout"]`) and logs their number as `env/distinct_layouts`."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def get_state(self) -> Plain:
        """Return the layouts seen so far."""
        return sorted(self.seen)

    def set_state(self, state: Any) -> None:
        """Go on from what `get_state` returned.

        Raises:
            ValueError: if it is none of that.
        """
        if not isinstance(state, list) or not all(isinstance(key, str) for key in state):
            raise ValueError("the layouts seen are no list of names")
        self.seen = set(state)

    def _on_step(self) -> bool:
        for info, done in zip(self.locals["infos"], self.locals["dones"], strict=False):  # a device tells no infos ...
            if done and layout_of(info):
                self.seen.add(layout_of(info))
        return True

    def _on_rollout_end(self) -> None:
        # ... but, at the end of a rollout, those of its episodes.
        self.seen |= {layout_of(info) for info in self.locals.get("episodes", []) if layout_of(info)}
        if self.seen:
            self.logger.record("env/distinct_layouts", len(self.seen))
