"""Evaluating one run: all conditions on the test side, success against delay, and why; written to the run's folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3.common.vec_env import VecEnv

from agents import MemoryPPO
from agents.counterfactual import holds_events
from agents.interventions import INTERVENTIONS
from agents.recording import Recording, record
from configs import CannotRun, TrainConfig
from configs.settings import Setting, settings_of_delays, trained_setting
from evidence.certificate import CERTIFICATE
from evidence.examination import Trial, examine
from evidence.explanation import explain
from evidence.film import MOST_FRAMES, write_film
from evidence.horizon import Horizon, default_delays, measure_horizon
from evidence.horizon_figure import draw_horizon
from evidence.opening import open_envs
from evidence.page import PageTooLarge, write_page
from evidence.report import Condition, Report
from tracking import RunFolder, git_commit
from tracking.atomic import write_json, write_text
from tracking.versions import command_line

STANDARD = (
    Condition(),
    Condition(deterministic=False),
    Condition(intervention="wiped"),
    Condition(intervention="wiped", deterministic=False),
    Condition(intervention="controller_wiped"),
    Condition(intervention="both_wiped"),
)
# At long delays an agent without its memory is not worth the time of many episodes.
WIPED_EPISODES = 100


MOST_STEPS = 2000
"""Steps of an episode that a page can show."""
DONORS = 3
"""So many episodes after an explained one lend events to be put in the place of its own."""


def evaluate_run(
    folder: RunFolder,
    config: TrainConfig,
    model: MemoryPPO,
    envs: Mapping[Setting, VecEnv],
    *,
    checkpoint: str,
    episodes: int,
    seed: int,
    console: Console,
    conditions: Sequence[Condition] = STANDARD,
    certificate: bool = False,
) -> Report:
    """Play all conditions and write the run's `evaluation.json` and `evaluation.csv`.

    Args:
        folder: the run.
        config: its configuration.
        model: its agent.
        envs: the settings and their envs, from `open_envs`; first the task as trained. They are closed in the end.
        checkpoint: which of its weights these are, for the record.
        episodes: per condition.
        seed: of the episodes.
        console: where the progress is shown.
        conditions: to play on the task as trained; the first is the agent left alone.
        certificate: whether to play the interventions of the certificate, too, as far as the env tells the cue.
    """
    (trained, env), *harder = envs.items()
    conditions = [*conditions]
    if certificate:
        tells_cue = all("cue_visible" in info for info in env.unwrapped.reset_infos)
        others = [name for name in CERTIFICATE if Condition(intervention=name) not in conditions]
        conditions += [
            Condition(intervention=name)
            for name in others
            if (tells_cue or not INTERVENTIONS[name].needs_cue) and env.num_envs >= INTERVENTIONS[name].least_envs
        ]
    trials = [Trial(condition, env, episodes) for condition in conditions]
    for setting, env in harder:
        for condition in (Condition(setting.label), Condition(setting.label, "wiped")):
            trials.append(Trial(condition, env, setting.episodes or episodes))
    examined = examine(model, trials, seed=seed, console=console)
    for env in envs.values():
        env.close()

    tested = examined.layouts[trained.label]
    known = set(folder.layouts.read_text(errors="replace").split()) if folder.layouts.is_file() else None
    about = {
        "run": str(folder.path),
        "env": trained.env_id,
        "split": "test" if trained.split else None,
        "chance": config.env.chance,
        "memory": config.memory.name,
        "controller": config.controller.name,
        "checkpoint": checkpoint,
        "checkpoint_timesteps": model.num_timesteps,
        "episodes": episodes,
        "seed": seed,
        "layouts_trained_on": None if known is None else len(known),
        "layouts_tested": len(tested),
        "layouts_in_both": None if known is None else len(tested & known),
        **made_by(),
    }
    report = Report(about, examined.scores)
    table = folder.evaluation.with_suffix(".csv")
    say_kept(folder.keep_previous(folder.evaluation, table, *([folder.certificate] if certificate else [])), console)
    write_json(folder.evaluation, report.as_json())
    write_text(table, report.as_csv())
    if certificate:
        write_json(folder.certificate, {**about, **report.certificate.as_json()})
    return report


def say_kept(before: Path | None, console: Console) -> None:
    """Say where earlier results have gone, if there were any."""
    if before is not None:
        console.print(f"the results before are in {before}", highlight=False, markup=False, soft_wrap=True)


def check_writable(folder: RunFolder) -> None:
    """See, before anything is played, that results can be written.

    Raises:
        CannotRun: if they cannot.
    """
    if not os.access(folder.path, os.W_OK | os.X_OK):
        raise CannotRun(f"{folder.path}: nothing can be written there, and that is where the results go")


def made_by() -> dict[str, str | bool | None]:
    """Return the command line and the commit, for the record."""
    commit, dirty = git_commit(Path(__file__).parent.parent)
    return {"command": command_line(), "git_commit": commit, "git_dirty": dirty}


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
) -> Horizon:
    """Measure success against delay; write `horizon.json` and draw `horizon.png` and `.svg`.

    Args:
        folder, config, model, checkpoint, episodes, seed, console: as for `evaluate_run`.
        delays: in steps; none for the usual ones.

    Raises:
        CannotRun: if the task has no delay to change.
    """
    low, high = trained_delays(config)
    settings = {delay: settings_of_delays(config.env, [delay]) for delay in delays or default_delays((low, high))}

    def envs_of(delay: int) -> VecEnv:
        (setting,) = settings[delay] or [trained_setting(config.env)]
        return open_envs(config, [setting], episodes, model)[0]

    points = measure_horizon(
        model,
        list(settings),
        envs_of,
        episodes=episodes,
        wiped_episodes=min(episodes, WIPED_EPISODES),
        seed=seed,
        console=console,
    )
    about = {"run": str(folder.path), "checkpoint": checkpoint, "seed": seed, **made_by()}
    horizon = Horizon(points, (low, high), config.env.chance, about)
    say_kept(folder.keep_previous(*(folder.horizon.with_suffix(end) for end in (".json", ".png", ".svg"))), console)
    write_json(folder.horizon, horizon.as_json())
    label = f"{config.memory.name} ({config.controller.name})"
    draw_horizon({label: horizon.as_json()}, folder.horizon.with_suffix(".png"))
    return horizon


def explain_episode(
    folder: RunFolder,
    config: TrainConfig,
    model: MemoryPPO,
    number: int,
    *,
    checkpoint: str,
    seed: int,
    console: Console,
) -> Path:
    """Play one episode and write a page that shows what was stored and read in it, and why.

    Args:
        folder, config, model, checkpoint, console: as for `evaluate_run`.
        number: of the episode; the same number is the same episode.
        seed: of episode 0; that of the next is one more.

    Returns:
        the page, in the run's folder `explained`.

    Raises:
        CannotRun: if there is no such episode, or its page would be too large.
    """
    if not 0 <= number < 2**32 - seed - DONORS:
        raise CannotRun(f"--explain {number}: there is no such episode; they are numbered from 0")
    setting = trained_setting(config.env)
    (env,) = open_envs(config, [setting], 1, model)

    def played(place: int) -> Recording:
        env.seed(seed + place)
        return record(model.policy, env, MOST_STEPS)

    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as bar:
        task = bar.add_task(f"episode {number}", total=None)
        recording = played(number)
        lenders = range(number + 1, number + 1 + DONORS) if holds_events(model.policy) else ()
        donors = {f"episode {other}": played(other) for other in lenders}
        about = {
            "title": f"{setting.env_id}, episode {number}",
            "env": setting.env_id,
            "memory": config.memory.name,
            "controller": config.controller.name,
            "run": str(folder.path),
            "checkpoint": checkpoint,
            "episode": number,
            "seed": seed,
            **made_by(),
        }
        channels, names = _names(env, "channel_names"), _names(env, "action_names")
        bar.update(task, description="counterfactuals")
        content = explain(
            model,
            recording,
            about,
            channels,
            names,
            donors,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    env.close()
    folder.explained.mkdir(exist_ok=True)
    page = folder.explained / f"episode{number}.html"
    try:
        write_page(content, page)
    except PageTooLarge as error:
        raise CannotRun(str(error)) from error
    return page


def film_episode(folder: RunFolder, config: TrainConfig, model: MemoryPPO, *, seed: int) -> None:
    """Film the first test-side episode of a seed; writes `film.gif`."""
    (env,) = open_envs(config, [trained_setting(config.env)], 1, model)
    env.seed(seed)
    recording = record(model.policy, env, MOST_FRAMES)
    names = _names(env, "action_names")
    env.close()
    write_film(recording, model.observation_space, folder.film, names)


def _names(env: VecEnv, attribute: str) -> tuple[str, ...]:
    """Return what a task calls its actions or channels; nothing if it has no names for them."""
    return tuple(env.get_attr(attribute)[0]) if env.has_attr(attribute) else ()


def trained_delays(config: TrainConfig) -> tuple[int, int]:
    """Return the shortest and the longest delay of the training.

    Raises:
        CannotRun: if the task has none.
    """
    settings_of_delays(config.env, [1])
    delay = config.env.kwargs["delay"]
    low, high = (delay, delay) if isinstance(delay, int) else (min(delay), max(delay))
    return int(low), int(high)
