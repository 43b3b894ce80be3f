"""Periodic evaluation on the validation side; the best model is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from engram.agents import MemoryPPO
from engram.agents.evaluation.episodes import evaluate
from engram.agents.evaluation.memory_panel import UNUSED, MemoryPanel
from engram.agents.evaluation.success_tracker import SuccessTracker
from engram.storage import Plain
from engram.tracking.callbacks.unlearning import LEAST, Unlearning
from engram.tracking.interrupt import Stopped, StopRequest
from engram.tracking.peak_memory import peak_memory_mb
from engram.tracking.run_folder import RunFolder

WATCHED = 8
"""Envs of the validation whose memory is watched."""


class Validation(BaseCallback):
    """Plays validation layouts every so often, between a rollout and the learning from it.

    The same episodes are played every time. `latest.zip` is saved each time, `best.zip` when the success rate (the
    return, if the env reports no success) is the highest so far. Of equals the later is kept: where validation is
    small, many models reach its top, and the first of them is more likely to be a peak of chance than the last.
    Logs `eval/success_rate` (if the env reports success), `eval/mean_return` and `eval/mean_length`, and what the
    memory did in some of these episodes as `panel/...` (see `MemoryPanel.figures`); warns if the agent does not act by
    it, and if what it had learned is lost (see `Unlearning`).

    Args:
        env: envs of the validation side, not used for anything else.
        folder: where the models are saved.
        every: environment steps between two evaluations; there is another at the end.
        episodes: episodes of each.
        seed: seed of the episodes.
        request: cuts an evaluation short when a stop is requested, and with it the training: `Stopped` is raised then.
        stop_at: success (or return) that, reached twice in a row, ends the training; None never ends it.
        print_line: called with one line or two per evaluation.
    """

    model: MemoryPPO

    def __init__(
        self,
        env: VecEnv,
        folder: RunFolder,
        *,
        every: int,
        episodes: int,
        seed: int,
        request: StopRequest,
        print_line: Callable[[str], None],
        stop_at: float | None = None,
    ) -> None:
        super().__init__()
        self.env = SuccessTracker(env)
        self.folder = folder
        self.every = every
        self.episodes = episodes
        self.seed = seed
        self.request = request
        self.stop_at = stop_at
        self.held = 0  # evaluations in a row that have reached it
        self.print_line = print_line
        self.best: float | None = None
        self.unlearning = Unlearning()
        self.due = every

    def get_state(self) -> Plain:
        """Return which validation was the best so far, and when the next is due."""
        return {"best": self.best, "due": self.due, "held": self.held, "unlearning": self.unlearning.get_state()}

    def set_state(self, state: Any) -> None:
        """Go on from what `get_state` returned."""
        best = state["best"]
        self.best = None if best is None else float(best)
        self.due, self.held = int(state["due"]), int(state["held"]) if self.stop_at is not None else 0
        self.unlearning.set_state(state["unlearning"])

    def _on_step(self) -> bool:
        return self.held < 2

    def _on_rollout_end(self) -> None:
        if self.num_timesteps >= self.due:
            self.due = self.num_timesteps + self.every
            self._evaluate()
            self.request.check()

    def _on_training_end(self) -> None:
        if self.request.signal is None:
            if self.held < 2:
                self._evaluate()
            self.logger.record("time/total_timesteps", self.num_timesteps, exclude="tensorboard")
            self.logger.record("time/parameters", sum(weights.numel() for weights in self.model.policy.parameters()))
            if (peak := peak_memory_mb()) is not None:
                self.logger.record("time/peak_memory_mb", peak)
            self.logger.dump(self.num_timesteps)
        self.folder.save_model(self.model, "latest")

    def _evaluate(self) -> None:
        self.env.seed(self.seed)
        has_memory = bool(self.model.policy.core.memory.read_size)
        panel = MemoryPanel(self.model.policy, min(WATCHED, self.env.num_envs)) if has_memory else None

        def watch(*step: Any) -> None:
            self.request.check()
            if panel is not None:
                panel(*step)

        try:
            played = evaluate(
                self.model,
                self.env,
                n_episodes=self.episodes,
                watch=watch,
            )
        except Stopped:
            return
        figures = panel.figures() if panel else {}
        for name, figure in figures.items():
            self.logger.record(f"panel/{name}", figure)
        success, mean_return = float(played.success.mean()), float(played.episode_return.mean())
        if self.env.knows_success:
            self.logger.record("eval/success_rate", success)
        self.logger.record("eval/mean_return", mean_return)
        self.logger.record("eval/mean_length", float(played.length.mean()))
        self.folder.save_model(self.model, "latest")
        score = success if self.env.knows_success else mean_return
        better = self.best is None or score >= self.best
        if better:
            self.best = score
            self.folder.save_model(self.model, "best")
        found = f"success {success:.3f}, " if self.env.knows_success else ""
        mark = "  (best so far)" if better else ""
        self.print_line(f"{self.num_timesteps:>11,} steps: validation {found}return {mean_return:.3f}{mark}")
        approx_kl = self.logger.name_to_value.get("train/approx_kl")
        least = LEAST if self.env.knows_success else 0.0
        if fallen := self.unlearning.sentence(score, self.num_timesteps, least, approx_kl):
            self.print_line(fallen)
        self.held = self.held + 1 if self.stop_at is not None and score >= self.stop_at else 0
        if self.held == 2:
            self.print_line(
                f"{'':>11}  twice in a row at least {self.stop_at:g} (eval.stop_at): the training ends here"
            )
        if figures:
            self.print_line(f"{'':>11}  memory: {', '.join(_shown(figures))}")
        if figures.get("use", 1.0) < UNUSED:
            self.print_line(
                f"warning: the memory is not used (wiping it moves the action probabilities by {figures['use']:.4f});"
                " if that stays so, this agent does without it or has not found out how to use it"
            )


def _shown(figures: dict[str, float]) -> list[str]:
    """Return the most informative figures of a panel, as text."""
    names = {"use": "use", "write_rate": "written", "occupancy": "full", "nothing_read": "nothing read"}
    shown = [f"{name} {figures[key]:.0%}" for key, name in names.items() if key in figures]
    if "read_age" in figures:
        shown.append(f"age at read {figures['read_age']:.0f} steps")
    if "never_read" in figures:
        shown.append(f"never read {figures['never_read']:.0%}")
    return shown
