"""Measuring the horizon of one run, delay by delay; written to the run's folder as it goes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console

from engram.agents import MemoryPPO
from engram.configs import CannotRun, TrainConfig
from engram.envs.closing import close
from engram.envs.split.balanced_episodes import balanced_seeds
from engram.evidence.evaluation.run import PlannedCondition, play
from engram.evidence.horizon.curve import NO_CHANCE, ORACLE, HorizonFile, HorizonPoint, middle_of, rates
from engram.evidence.horizon.figure import draw_horizon
from engram.evidence.runs.files import Score, read_file
from engram.evidence.runs.identity import run_digest
from engram.evidence.runs.open import open_envs
from engram.evidence.runs.result_files import made_by, print_where_kept
from engram.evidence.runs.settings import Condition, Setting, settings_of_delays, trained_setting
from engram.evidence.tables import as_percent, as_table, print_line, progress_bar
from engram.tracking import RunFolder
from engram.tracking.atomic import write_json

# A step of many envs takes little longer than a step of one.
MOST_ENVS = 256
# At long delays an agent without its memory is not worth the time of many episodes.
WIPED_EPISODES = 100
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
) -> HorizonFile:
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
    trained, made = trained_delays(config), made_by()
    settings = {
        delay: (settings_of_delays(config.env, [delay], "--horizon") or [trained_setting(config.env)])[0]
        for delay in delays or default_delays(trained)
    }
    about = {
        "run": str(folder.path),
        "of_run": run_digest(folder.config),
        "checkpoint": checkpoint,
        "checkpoint_timesteps": model.num_timesteps,
    }
    about |= {"episodes": episodes, "seed": seed, **made}
    conditions = {"intact": episodes}
    if model.policy.core.memory.read_size and not intact_only:
        conditions["wiped"] = min(episodes, WIPED_EPISODES)
    known = {} if again else points_before(folder, about)
    if "wiped" in conditions:
        known = {delay: point for delay, point in known.items() if point.wiped is not None or delay not in settings}
    if made["git_dirty"] is not False and folder.horizon.is_file() and not again:
        print_line(console, "nothing measured before is kept, for the code is of no commit or has uncommitted changes")
    if kept := ", ".join(f"{delay:,}" for delay in sorted(known.keys() & settings.keys())):
        print_line(console, f"measured before, and kept: delay {kept} (--again measures anew)")

    def so_far() -> HorizonFile:
        points = [known[delay] for delay in sorted(known)]
        commands = " && ".join(dict.fromkeys(point.command for point in points if point.command))
        how: dict[str, Any] = {**about, "chance": config.env.chance, "oracle": ORACLE}
        how["command"] = commands or made["command"]
        return HorizonFile(by="delay", trained=trained, points=points, **how).with_length()

    missing = {delay: setting for delay, setting in settings.items() if delay not in known}
    files = [folder.horizon.with_suffix(end) for end in (".json", ".png", ".svg")]
    try:
        for delay, scores in measure_delays(config, model, missing, conditions, seed=seed, console=console):
            if not known:
                print_where_kept(folder.keep_previous(*files), console)
            known[delay] = point_of(delay, scores, made)
            write_json(folder.horizon, so_far().model_dump(exclude_unset=True))
    finally:
        if known:
            label = f"{config.memory.name} ({config.controller.name})"
            draw_horizon({label: so_far()}, folder.horizon.with_suffix(".png"))
    return so_far()


def measure_delays(
    config: TrainConfig,
    model: MemoryPPO,
    settings: Mapping[int, Setting],
    conditions: Mapping[str, int],
    *,
    seed: int,
    console: Console,
) -> Iterator[tuple[int, dict[str, Score]]]:
    """Play the task at each delay; yield each delay with its scores when it is done.

    Args:
        config, model, seed, console: as for `evaluate_run`.
        settings: delay in steps -> the task with it; the shortest is played first.
        conditions: what is done to the memory, "intact" first -> episodes per delay.
    """
    batches = {name: -(-number // MOST_ENVS) for name, number in conditions.items()}
    with progress_bar(console) as bar:
        task = bar.add_task("horizon", total=sum(batches.values()) * sum(settings))
        done = 0  # steps of those who go straight on: an episode of delay d takes d of them
        for delay in sorted(settings):
            scores: dict[str, Score] = {}
            for name, number in conditions.items():
                bar.update(task, description=f"delay {delay:,}, memory {name}")
                until = done + batches[name] * delay
                (env,) = open_envs(config, [settings[delay]], number, model, -(-number // batches[name]))

                def on_step(*_: Any, until: int = until) -> None:
                    if bar.tasks[0].completed < until:
                        bar.advance(task)

                planned = PlannedCondition(Condition(f"delay {delay}", name), env, number)
                _, scores[name] = play(model, planned, balanced_seeds(env, number, seed), seed=seed, watch=on_step)
                close(env)
                done = until
                bar.update(task, completed=done)
            yield delay, scores


def point_of(delay: int, scores: Mapping[str, Score], made: Mapping[str, Any]) -> HorizonPoint:
    """Return the point of a delay, given its scores by what was done to the memory, and what made them."""
    intact, wiped = scores["intact"], scores.get("wiped")
    return HorizonPoint(
        delay=delay,
        episodes=intact.episodes,
        mean_return=intact.mean_return,
        mean_length=intact.mean_length,
        wiped_episodes=wiped.episodes if wiped else None,
        **rates("success", intact.estimate("success")),
        **rates("wiped", wiped.estimate("success") if wiped else None),
        **made,
    )


def points_before(folder: RunFolder, about: Mapping[str, Any]) -> dict[int, HorizonPoint]:
    """Return the points of a run's `horizon.json` that count, by delay.

    Those that were measured with something else do not, nor those with uncommitted changes, which may be others now.
    """
    try:
        found = read_file(folder.horizon, HorizonFile, "")
    except CannotRun:  # there is none, or it was edited
        return {}
    if about["git_dirty"] is not False or any(getattr(found, key) != about[key] for key in SAME):
        return {}
    return {point.delay: point for point in found.points if point.git_dirty is False}


def print_horizon(horizon: HorizonFile, console: Console) -> None:
    """Print the curve of one run as a table, and the effective memory length."""
    rows = [("delay", "success (95 % int.)", "memory wiped")]
    for point in horizon.points:
        rows.append((f"{point.delay:,}", as_percent(point.estimate("success")), as_percent(point.estimate("wiped"))))
    low, high = horizon.trained or (0, 0)
    console.print(as_table([*rows], f"horizon (trained on delays of {low} to {high})", words=0))
    if horizon.chance is None:
        print_line(console, NO_CHANCE)
        return
    steps, interval = horizon.shown_length()
    print_line(console, f"Effective memory length: {steps} steps (95 % interval over episodes: {interval}).")
    if any((point.wiped_low or 0.0) > middle_of(horizon.chance) for point in horizon.points):
        print_line(console, "With its memory wiped, too, this agent is above that middle at some delays.")


def trained_delays(config: TrainConfig) -> tuple[int, int]:
    """Return the shortest and the longest delay of the training.

    Raises:
        CannotRun: if the task has none.
    """
    settings_of_delays(config.env, [1], "--horizon")
    delay = config.env.kwargs["delay"]
    low, high = (delay, delay) if isinstance(delay, int) else (min(delay), max(delay))
    return int(low), int(high)


def default_delays(trained: tuple[int, int], longest: int = 10_000) -> list[int]:
    """Return delays from below those of the training to far beyond, three in a decade."""
    decades = [round(10 ** (k / 3)) for k in range(int(3 * math.log10(longest)) + 1)]
    shortest = max(1, trained[0] // 4)
    return sorted({delay for delay in decades if delay >= shortest} | {shortest, *trained})
