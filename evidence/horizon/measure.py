"""Measuring the horizon of one run, delay by delay; written to the run's folder as it goes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from stable_baselines3.common.vec_env import VecEnv

from engram.agents import MemoryPPO
from engram.configs import TrainConfig
from engram.envs.split.balanced_episodes import balanced_seeds
from engram.evidence.evaluation.run import PlannedCondition, play
from engram.evidence.evaluation.scores import Score
from engram.evidence.horizon.curve import WIPED_EPISODES, Horizon, Point, default_delays
from engram.evidence.horizon.figure import draw_horizon
from engram.evidence.runs.horizon_format import problem_of
from engram.evidence.runs.open import open_envs
from engram.evidence.runs.result_files import made_by, print_where_kept
from engram.evidence.runs.settings import Condition, settings_of_delays, trained_setting
from engram.tracking import RunFolder
from engram.tracking.atomic import write_json

# A step of many envs takes little longer than a step of one.
MOST_ENVS = 256
SAME = ("checkpoint", "checkpoint_timesteps", "episodes", "seed", "git_commit")
"""What has to be the same for a delay that was measured before to count."""


def horizon_of(
    folder: RunFolder,
    config: TrainConfig,
    model: MemoryPPO,
    delays: Sequence[int],
    *,
    checkpoint: str,
    episodes: int,
    seed: int,
    console: Console,
    again: bool = False,
    intact_only: bool = False,
) -> Horizon:
    """Measure success against delay; write `horizon.json` after every delay, draw `horizon.png` and `.svg` in the end.

    A delay that was measured before, with the same weights, episodes and commit, is kept, unless the code had
    uncommitted changes then or has them now; other earlier results move out of the way. An interruption loses the delay
    that is being played, and no more.

    Args:
        folder, config, model, checkpoint, episodes, seed, console: as for `evaluate_run`.
        delays: in steps; none for the usual ones.
        again: whether to measure all of them, whatever was measured before.
        intact_only: whether to leave the memory alone, which takes half the time.

    Raises:
        CannotRun: if the task has no delay to change.
    """
    trained = trained_delays(config)
    settings = {
        delay: settings_of_delays(config.env, [delay], "--horizon") for delay in delays or default_delays(trained)
    }

    def make_env(delay: int, n_envs: int) -> VecEnv:
        (setting,) = settings[delay] or [trained_setting(config.env)]
        return open_envs(config, [setting], episodes, model, n_envs)[0]

    made = made_by()
    about = {
        "run": str(folder.path),
        "checkpoint": checkpoint,
        "checkpoint_timesteps": model.num_timesteps,
        "episodes": episodes,
        "seed": seed,
        **made,
    }
    conditions = {"intact": episodes}
    if model.policy.core.memory.read_size and not intact_only:
        conditions["wiped"] = min(episodes, WIPED_EPISODES)
    known = {} if again else points_before(folder, about)
    if "wiped" in conditions:
        known = {delay: point for delay, point in known.items() if point.wiped is not None or delay not in settings}
    if made["git_dirty"] is not False and folder.horizon.is_file() and not again:
        said = "nothing measured before is kept, for the code is of no commit or has uncommitted changes"
        console.print(said, highlight=False, soft_wrap=True)
    if kept := sorted(known.keys() & settings.keys()):
        said = f"measured before, and kept: delay {', '.join(f'{delay:,}' for delay in kept)} (--again measures anew)"
        console.print(said, highlight=False, soft_wrap=True)

    def so_far() -> Horizon:
        return Horizon([known[delay] for delay in sorted(known)], trained, config.env.chance, about)

    missing = [delay for delay in settings if delay not in known]
    files = [folder.horizon.with_suffix(end) for end in (".json", ".png", ".svg")]
    try:
        for point in measure_horizon(model, missing, make_env, conditions, seed=seed, console=console):
            if not known:
                print_where_kept(folder.keep_previous(*files), console)
            known[point.delay] = point._replace(**made)
            write_json(folder.horizon, so_far().as_json())
    finally:
        if known:
            label = f"{config.memory.name} ({config.controller.name})"
            draw_horizon({label: so_far().as_json()}, folder.horizon.with_suffix(".png"))
    return so_far()


def measure_horizon(
    model: MemoryPPO,
    delays: Sequence[int],
    make_env: Callable[[int, int], VecEnv],
    conditions: Mapping[str, int],
    *,
    seed: int,
    console: Console,
) -> Iterator[Point]:
    """Play the task at each delay; tell each delay when it is done.

    Args:
        model: the agent.
        delays: in steps; the shortest is played first.
        make_env: makes so many envs of a delay; they are closed afterwards.
        conditions: what is done to the memory, "intact" first -> episodes per delay.
        seed: of the episodes.
        console: where the progress is shown.
    """
    batches = {name: -(-number // MOST_ENVS) for name, number in conditions.items()}
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task("horizon", total=sum(batches.values()) * sum(delays))
        done = 0  # steps of those who go straight on: an episode of delay d takes d of them
        for delay in sorted(delays):
            scores: dict[str, Score] = {}
            for name, number in conditions.items():
                bar.update(task, description=f"delay {delay:,}, memory {name}")
                until = done + batches[name] * delay
                env = make_env(delay, -(-number // batches[name]))

                def on_step(*_: Any, until: int = until) -> None:
                    if bar.tasks[0].completed < until:
                        bar.advance(task)

                planned = PlannedCondition(Condition(f"delay {delay}", name), env, number)
                _, scores[name] = play(model, planned, balanced_seeds(env, number, seed), seed=seed, watch=on_step)
                env.close()
                done = until
                bar.update(task, completed=done)
            yield Point.of(delay, scores["intact"], scores.get("wiped"))


def points_before(folder: RunFolder, about: dict[str, Any]) -> dict[int, Point]:
    """Return the points of a run's `horizon.json` that count, by delay.

    Those that were measured with something else do not, nor those with uncommitted changes, which may be others now.
    """
    try:
        content = json.loads(folder.horizon.read_text())
        if about["git_dirty"] is not False or problem_of(content) or any(content[key] != about[key] for key in SAME):
            return {}
        points = [Point.from_json(point) for point in content["points"]]
    except (OSError, ValueError, KeyError):
        return {}  # there is none, or none that this version wrote
    return {point.delay: point for point in points if point.git_dirty is False}


def trained_delays(config: TrainConfig) -> tuple[int, int]:
    """Return the shortest and the longest delay of the training.

    Raises:
        CannotRun: if the task has none.
    """
    settings_of_delays(config.env, [1], "--horizon")
    delay = config.env.kwargs["delay"]
    low, high = (delay, delay) if isinstance(delay, int) else (min(delay), max(delay))
    return int(low), int(high)
