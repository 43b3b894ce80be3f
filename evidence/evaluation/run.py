"""Evaluating one run: all conditions on the test side; written to the run's folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from rich.console import Console
from stable_baselines3.common.vec_env import VecEnv

from engram.agents import MemoryPPO
from engram.agents.evaluation.episodes import Episodes, Watch, evaluate
from engram.agents.evaluation.interventions import INTERVENTIONS
from engram.agents.evaluation.success_tracker import SuccessTracker
from engram.agents.rollout.questions import reset_infos
from engram.configs import TrainConfig
from engram.envs.closing import close
from engram.envs.split.balanced_episodes import balanced_seeds, queue_seeds
from engram.evidence.evaluation.certificate import CERTIFICATE, STATELESS, acts
from engram.evidence.evaluation.result import WIPED, EvaluationResult
from engram.evidence.evaluation.scores import score
from engram.evidence.runs.caveats import trained_on, trained_on_ranges
from engram.evidence.runs.files import Score
from engram.evidence.runs.identity import run_digest
from engram.evidence.runs.more_hops import said
from engram.evidence.runs.open import drawn_in_training
from engram.evidence.runs.result_files import made_by, print_where_kept
from engram.evidence.runs.settings import Condition, Setting
from engram.evidence.tables import as_csv, print_line, progress_bar
from engram.tracking import RunFolder
from engram.tracking.atomic import write_json, write_text

STANDARD = (
    Condition(),
    Condition(deterministic=False),
    Condition(intervention="wiped"),
    Condition(intervention="wiped", deterministic=False),
    Condition(intervention="controller_wiped"),
    Condition(intervention="both_wiped"),
)


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
    hops: tuple[int, int] | None = None,
) -> EvaluationResult:
    """Play all conditions and write the run's `evaluation.json`, `evaluation.csv` and `episodes.csv`.

    Args:
        folder, config, model: the run, its configuration and its agent.
        envs: the settings and their envs, from `open_envs`; first the task as trained. They are closed in the end.
        checkpoint: which of its weights these are, for the record.
        episodes: per condition.
        seed: of the episodes.
        console: where the progress is shown.
        conditions: to play on the task as trained; the first is the agent left alone.
        certificate: whether to play the interventions of the certificate, too, as far as they have something to act on
            and the env tells the cue.
        hops: reads a step of the training and of this evaluation, if they differ; see `more_hops.set_hops`.
    """
    (trained, env), *test_settings = envs.items()
    conditions = [*conditions, *(_of_certificate(config, env, conditions) if certificate else ())]
    plan = [PlannedCondition(condition, env, episodes) for condition in conditions]
    for setting, env in test_settings:
        for condition in (Condition(setting.label), Condition(setting.label, "wiped")):
            plan.append(PlannedCondition(condition, env, setting.episodes or episodes))
    played = play_conditions(model, plan, seed=seed, console=console)
    for env in envs.values():
        close(env)

    known = None
    if folder.layouts.is_file():
        known = set(folder.layouts.read_text(encoding="utf-8", errors="replace").split())
    # Harder settings are not split: a delay within the range of the training shows layouts of the training.
    met = {setting.label: played.layouts(setting.label) for setting in envs}
    in_both = {label: None if known is None else len(layouts & known) for label, layouts in met.items()}
    drawn = drawn_in_training(config)
    about = {
        "run": str(folder.path),
        "of_run": run_digest(folder.config),
        "env": trained.env_id,
        "odometry": config.env.odometry,
        "mission": config.env.mission,
        "split": "test" if trained.split else None,
        "curriculum": drawn,
        "hops": hops,
        "chance": config.env.chance,
        "memory": config.memory.name,
        "controller": config.controller.name,
        "checkpoint": checkpoint,
        "checkpoint_timesteps": model.num_timesteps,
        "episodes": episodes,
        "seed": seed,
        "layouts_trained_on": None if known is None else len(known),
        "layouts_tested": len(met[trained.label]),
        "layouts_in_both": in_both.pop(trained.label),
        "test_settings_layouts_in_both": in_both,
        **made_by(),
    }
    result = EvaluationResult(about, played.scores)
    table = folder.evaluation.with_suffix(".csv")
    files = [folder.evaluation, table, folder.episodes, *([folder.certificate] if certificate else [])]
    print_where_kept(folder.keep_previous(*files), console)
    for line in (*trained_on(in_both), *trained_on_ranges(drawn), *said(hops)):
        print_line(console, line)
    write_json(folder.evaluation, result.as_json())
    write_text(table, result.as_csv())
    write_text(folder.episodes, played.as_csv())
    if certificate:
        write_json(folder.certificate, {**about, **result.certificate.as_part().model_dump()})
    return result


def _of_certificate(config: TrainConfig, env: VecEnv, conditions: Sequence[Condition]) -> list[Condition]:
    """Return the conditions of the certificate that are not among some and can be played."""
    cue_known = all("cue_visible" in info for info in reset_infos(env))
    has_memory, has_state = config.memory.name != "none", config.controller.name != STATELESS
    return [
        Condition(intervention=name)
        for name in CERTIFICATE
        # The verdict rests on what is emptied, even where that is nothing.
        if (name in WIPED or acts(name, has_memory, has_state))
        and (cue_known or not INTERVENTIONS[name].needs_cue)
        and env.num_envs >= INTERVENTIONS[name].least_envs
        and Condition(intervention=name) not in conditions
    ]


class PlannedCondition(NamedTuple):
    """A condition, the envs to play it in, and how many episodes."""

    condition: Condition
    env: VecEnv
    episodes: int


class PlayedConditions(NamedTuple):
    """The scores and the episodes of all conditions."""

    scores: dict[Condition, Score]
    played: dict[Condition, Episodes]

    def layouts(self, setting: str) -> set[str]:
        """Return the layouts that were met in a setting."""
        played = [episodes.layout for condition, episodes in self.played.items() if condition.setting == setting]
        return set[str]().union(*played) - {""}

    def as_csv(self) -> str:
        """Return the content of `episodes.csv`: one row for each episode."""
        rows: list[dict[str, Any]] = []
        for condition, of in self.played.items():
            known = {"success": self.scores[condition].success is not None, "looked_again": of.cue_known}
            columns = {"layout": of.layout, "success": of.success, "return": of.episode_return, "length": of.length}
            columns |= {"looked_again": of.looked_again, "applied": of.applied}
            for number, row in enumerate(zip(*(column.tolist() for column in columns.values()), strict=True)):
                cells = {name: cell for name, cell in zip(columns, row, strict=True) if known.get(name, True)}
                rows.append({**asdict(condition), "episode": number, **dict.fromkeys(columns), **cells})
        return as_csv(rows)


def play_conditions(
    model: MemoryPPO, plan: Sequence[PlannedCondition], *, seed: int, console: Console
) -> PlayedConditions:
    """Play all conditions of a plan, in its order; those in the same envs meet the same episodes."""
    found = PlayedConditions({}, {})
    dealt: dict[tuple[VecEnv, int], list[list[int]]] = {}
    with progress_bar(console) as bar:
        task = bar.add_task("evaluation", total=len(plan))
        for number, planned in enumerate(plan):
            condition, env, episodes = planned
            bar.update(task, description=f"evaluation: {condition.setting}, {condition.intervention}")

            def on_progress(done: int, total: int, before: int = number) -> None:
                bar.update(task, completed=before + done / total)

            if (env, episodes) not in dealt:  # looking for layouts takes as long as resetting for all episodes
                dealt[env, episodes] = balanced_seeds(env, episodes, seed)
            intact = found.played.get(Condition(condition.setting, "intact", condition.deterministic))
            found.played[condition], found.scores[condition] = play(
                model, planned, dealt[env, episodes], seed=seed, intact=intact, on_progress=on_progress
            )
    return found


def play(
    model: MemoryPPO,
    planned: PlannedCondition,
    dealt: list[list[int]],
    *,
    seed: int,
    intact: Episodes | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    watch: Watch | None = None,
) -> tuple[Episodes, Score]:
    """Play one condition.

    Args:
        model, planned: who plays, and what.
        dealt: the episodes, from `envs.split.balanced_episodes.balanced_seeds`.
        seed: of the episodes where there are no layouts to deal.
        intact: the same episodes with the memory left alone, if they have been played.
        on_progress, watch: see `agents.evaluation.episodes.evaluate`.
    """
    condition, env, episodes = planned
    watched = SuccessTracker(env)
    watched.seed(seed)
    if any(dealt):
        queue_seeds(watched, dealt)
    how: dict[str, Any] = {"deterministic": condition.deterministic, "intervention": condition.intervention}
    played = evaluate(model, watched, episodes, **how, on_progress=on_progress, watch=watch)
    return played, score(played, watched.knows_success, intact)
