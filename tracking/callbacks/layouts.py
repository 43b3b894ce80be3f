"""How many distinct layouts the agent has been trained on."""

from __future__ import annotations

from stable_baselines3.common.callbacks import BaseCallback

from engram.agents.rollout.questions import layout_of


class LayoutCount(BaseCallback):
    """Collects the layouts of finished episodes (`info["layout"]`) and logs their number as `env/distinct_layouts`."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

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
