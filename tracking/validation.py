"""Periodic evaluation on the validation side; the best model is kept."""

from __future__ import annotations

from collections.abc import Callable

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from agents import MemoryPPO
from agents.evaluation import evaluate
from tracking.interrupt import Stopped, StopRequest
from tracking.run_folder import RunFolder
from tracking.success_watch import SuccessWatch


class Validation(BaseCallback):
    """Plays validation layouts every so often, between a rollout and the learning from it.

    The same episodes are played every time. `latest.zip` is saved each time, `best.zip` when the success rate (the
    return, if the env does not tell success) is the highest so far. Of equals the later is kept: where validation is
    small, many models reach its top, and the first of them is more likely to be a peak of chance than the last.
    Logs `eval/success_rate` (if the env tells success), `eval/mean_return` and `eval/mean_length`.

    Args:
        env: envs of the validation side, not used for anything else.
        folder: where the models are saved.
        every: environment steps between two evaluations; there is another at the end.
        episodes: episodes of each.
        seed: seed of the episodes.
        request: cuts an evaluation short when a stop is asked for.
        say: told one line per evaluation.
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
        say: Callable[[str], None],
    ) -> None:
        super().__init__()
        self.env = SuccessWatch(env)
        self.folder = folder
        self.every = every
        self.episodes = episodes
        self.seed = seed
        self.request = request
        self.say = say
        self.best: float | None = None
        self.due = every

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        if self.num_timesteps >= self.due:
            self.due = self.num_timesteps + self.every
            self._evaluate()

    def _on_training_end(self) -> None:
        if self.request.signal is None:
            self._evaluate()
            self.logger.record("time/total_timesteps", self.num_timesteps, exclude="tensorboard")
            self.logger.dump(self.num_timesteps)
        self.folder.save_model(self.model, "latest")

    def _evaluate(self) -> None:
        self.env.seed(self.seed)
        try:
            played = evaluate(
                self.model, self.env, n_episodes=self.episodes, on_progress=lambda done, total: self.request.check()
            )
        except Stopped:
            return
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
        self.say(f"{self.num_timesteps:>11,} steps: validation {found}return {mean_return:.3f}{mark}")
