"""Explaining one episode of a run as a page or as a film, written to the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from stable_baselines3.common.vec_env import VecEnv

from engram.agents import MemoryPPO
from engram.agents.evaluation.counterfactual import holds_events
from engram.agents.evaluation.recording import record
from engram.configs import CannotRun, TrainConfig
from engram.envs.closing import close
from engram.evidence.explanation.explain import explain
from engram.evidence.explanation.film import MOST_FRAMES, write_film
from engram.evidence.explanation.page import PageTooLarge, render_page
from engram.evidence.runs.evaluated_episodes import EvaluatedEpisodes, against_its_row, last_evaluation
from engram.evidence.runs.open import open_envs
from engram.evidence.runs.result_files import made_by, print_where_kept
from engram.evidence.runs.settings import task_name, trained_setting
from engram.tracking import RunFolder
from engram.tracking.atomic import write_text
from engram.tracking.commands import program

MOST_STEPS = 2000
"""Steps of an episode that a page can show."""
DONORS = 3
"""Number of the next episodes whose observations replace those of the explained one."""


def explain_episode(
    folder: RunFolder,
    config: TrainConfig,
    model: MemoryPPO,
    number: int,
    *,
    checkpoint: str,
    episodes: int | None,
    seed: int,
    console: Console,
) -> Path:
    """Replay an episode of an evaluation and write the page that explains it.

    Args:
        folder, config, model, checkpoint, seed, console: as for `evaluate_run`.
        number: of the episode, as in `episodes.csv`.
        episodes: of the evaluation; None for as many as the run's last one had, or else as its config asks for.

    Returns:
        the page, in the run's folder `explained`; an older one is moved to the earlier results.

    Raises:
        CannotRun: if there is no such episode, or its page would be too large.
    """
    task, last = task_name(config.env.id, config.env.odometry, config.env.mission), last_evaluation(folder)
    episodes = episodes or last.get("episodes") or config.eval.final_episodes or config.eval.episodes
    evaluated = EvaluatedEpisodes(config, model, episodes, seed)
    if not 0 <= number < evaluated.total:
        reason = f"there is no such episode; the evaluation has {evaluated.total:,}, numbered from 0"
        raise CannotRun(f"--explain {number}: {reason}")
    env = evaluated.env
    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        shown = bar.add_task(f"episode {number}", total=None)
        recording = evaluated.play(number, MOST_STEPS)
        others = [(number + 1 + place) % evaluated.total for place in range(min(DONORS, evaluated.total - 1))]
        lenders = others if holds_events(model.policy) else []
        donors = {f"episode {other}": evaluated.play(other, MOST_STEPS) for other in lenders}
        about = {
            "title": f"{task}, episode {number}",
            "env": task,
            "memory": config.memory.name,
            "controller": config.controller.name,
            "run": str(folder.path),
            "checkpoint": checkpoint,
            "episode": number,
            "seed": seed,
            **made_by(),
        }
        channels, names = _names(env, "channel_names"), _names(env, "action_names")
        bar.update(shown, description="counterfactuals")

        def on_progress(done: int, total: int) -> None:
            bar.update(shown, completed=done, total=total)

        content = explain(model, recording, about, channels, names, donors, on_progress)
    close(env)
    notes = [
        f"episode {number} of the {evaluated.total:,} of {program('evaluate')} --seed {seed} --episodes {episodes}"
    ]
    asked = {"seed": seed, "episodes": episodes, "checkpoint": checkpoint}
    if asked == last:
        notes.append(against_its_row(folder, number, recording))
    elif last:
        notes.append(f"{folder.episodes.name} is of another evaluation ({_in_words(last)}, not {_in_words(asked)})")
        console.print(f"episode {number}: {notes[-1]}", highlight=False, markup=False, soft_wrap=True)
    content["notes"] = notes + content["notes"]
    page = folder.explained / f"episode{number}.html"
    try:
        text = render_page(content, page.name)
    except PageTooLarge as error:
        raise CannotRun(str(error)) from error
    print_where_kept(folder.keep_previous(page), console)
    folder.explained.mkdir(exist_ok=True)
    write_text(page, text)
    return page


def film_episode(folder: RunFolder, config: TrainConfig, model: MemoryPPO, *, seed: int) -> None:
    """Film the first test-side episode of a seed; writes `film.gif`."""
    (env,) = open_envs(config, [trained_setting(config.env)], 1, model)
    env.seed(seed)
    recording = record(model.policy, env, MOST_FRAMES, return_scale=model.return_scale)
    names = _names(env, "action_names")
    close(env)
    write_film(recording, recording.space, folder.film, names)


def _in_words(evaluation: Mapping[str, Any]) -> str:
    return f"--seed {evaluation['seed']} --episodes {evaluation['episodes']} --checkpoint {evaluation['checkpoint']}"


def _names(env: VecEnv, attribute: str) -> tuple[str, ...]:
    """Return the task's names of its actions or channels; () if it has none."""
    return tuple(env.get_attr(attribute)[0]) if env.has_attr(attribute) else ()
