"""Playing all conditions of an evaluation, with a bar that shows how far it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3.common.vec_env import VecEnv

from engram.agents import MemoryPPO
from engram.agents.evaluation.episodes import Episodes, Watch, evaluate
from engram.agents.evaluation.success_tracker import SuccessTracker
from engram.envs.split.balanced_episodes import balanced_seeds, queue_seeds
from engram.evidence.evaluation.result import Condition
from engram.evidence.evaluation.scores import Score, score


class PlannedCondition(NamedTuple):
    """A condition, the envs to play it in, and how many episodes."""

    condition: Condition
    env: VecEnv
    episodes: int


class PlayedConditions(NamedTuple):
    """What the trials have shown."""

    scores: dict[Condition, Score]
    played: dict[Condition, Episodes]

    def layouts(self, setting: str) -> set[str]:
        """Return the layouts that were met in a setting."""
        played = [episodes.layout for condition, episodes in self.played.items() if condition.setting == setting]
        return set[str]().union(*played) - {""}

    def as_csv(self) -> str:
        """Return the content of `episodes.csv`: one row for each episode."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = ("layout", "success", "return", "length", "looked_again", "applied")
        writer.writerow((*asdict(Condition()), "episode", *columns))
        for condition, episodes in self.played.items():
            told = (self.scores[condition].success is not None, episodes.tells_cue)
            rows = zip(*(column.tolist() for column in episodes[:6]), strict=True)
            for number, (success, gained, length, layout, again, applied) in enumerate(rows):
                known = (success if told[0] else None, gained, length, again if told[1] else None, applied)
                writer.writerow((*asdict(condition).values(), number, layout, *known))
        return text.getvalue()


def play_conditions(
    model: MemoryPPO, trials: Sequence[PlannedCondition], *, seed: int, console: Console
) -> PlayedConditions:
    """Play every trial; those in the same envs meet the same episodes.

    Args:
        model: the agent.
        trials: what to play, in this order.
        seed: of the episodes.
        console: where the bar is shown.
    """
    examined = PlayedConditions({}, {})
    dealt: dict[tuple[VecEnv, int], list[list[int]]] = {}
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as bar:
        task = bar.add_task("evaluation", total=len(trials))
        for number, trial in enumerate(trials):
            condition, env, episodes = trial
            bar.update(task, description=f"evaluation: {condition.setting}, {condition.intervention}")

            def on_progress(done: int, total: int, before: int = number) -> None:
                bar.update(task, completed=before + done / total)

            if (env, episodes) not in dealt:  # looking for layouts takes as long as resetting for all episodes
                dealt[env, episodes] = balanced_seeds(env, episodes, seed)
            played, found = play(model, trial, dealt[env, episodes], seed=seed, on_progress=on_progress)
            examined.played[condition], examined.scores[condition] = played, found
    return examined


def play(
    model: MemoryPPO,
    trial: PlannedCondition,
    dealt: list[list[int]],
    *,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
    watch: Watch | None = None,
) -> tuple[Episodes, Score]:
    """Play one trial.

    Args:
        model: the agent.
        trial: what to play.
        dealt: the episodes, from `envs.split.balanced_episodes.balanced_seeds`.
        seed: of the episodes where there are no layouts to deal.
        on_progress, watch: see `agents.evaluation.episodes.evaluate`.
    """
    condition, env, episodes = trial
    watched = SuccessTracker(env)
    watched.seed(seed)
    if any(dealt):
        queue_seeds(watched, dealt)
    played = evaluate(
        model,
        watched,
        n_episodes=episodes,
        deterministic=condition.deterministic,
        intervention=condition.intervention,
        on_progress=on_progress,
        watch=watch,
    )
    return played, score(played, watched.knows_success)
