"""Playing all conditions of an evaluation, with a bar that shows how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3.common.vec_env import VecEnv

from agents import MemoryPPO
from agents.evaluation import Episodes, evaluate
from evidence.report import Condition
from evidence.scores import Score, score
from tracking.success_watch import SuccessWatch


class Trial(NamedTuple):
    """A condition, the envs to play it in, and how many episodes."""

    condition: Condition
    env: VecEnv
    episodes: int


class Examined(NamedTuple):
    """What the trials have shown."""

    scores: dict[Condition, Score]
    layouts: dict[str, set[str]]
    """Layouts met, by the name of the setting."""


def examine(model: MemoryPPO, trials: Sequence[Trial], *, seed: int, console: Console) -> Examined:
    """Play every trial; all of them begin with the same seed, so that they meet the same episodes.

    Args:
        model: the agent.
        trials: what to play, in this order.
        seed: of the episodes.
        console: where the bar is shown.
    """
    examined = Examined({}, {})
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as bar:
        task = bar.add_task("evaluation", total=len(trials))
        for number, (condition, env, episodes) in enumerate(trials):
            bar.update(task, description=f"evaluation: {condition.setting}, {condition.intervention}")

            def on_progress(done: int, total: int, before: int = number) -> None:
                bar.update(task, completed=before + done / total)

            watch = SuccessWatch(env)
            watch.seed(seed)
            played: Episodes = evaluate(
                model,
                watch,
                n_episodes=episodes,
                deterministic=condition.deterministic,
                intervention=condition.intervention,
                on_progress=on_progress,
            )
            examined.scores[condition] = score(played, watch.knows_success)
            examined.layouts.setdefault(condition.setting, set()).update(set(played.layout) - {""})
    return examined
