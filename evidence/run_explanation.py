"""Explaining one episode of a run, as a page or as a film; written to the run's folder."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3.common.vec_env import VecEnv

from agents import MemoryPPO
from agents.counterfactual import holds_events
from agents.recording import Recording, record
from configs import CannotRun, TrainConfig
from configs.settings import trained_setting
from evidence.explanation import explain
from evidence.film import MOST_FRAMES, write_film
from evidence.opening import open_envs
from evidence.page import PageTooLarge, write_page
from evidence.result_files import made_by
from tracking import RunFolder

MOST_STEPS = 2000
"""Steps of an episode that a page can show."""
DONORS = 3
"""So many episodes after an explained one lend events to be put in the place of its own."""


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
