"""Evaluating one run: all conditions on the test side; written to the run's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from stable_baselines3.common.vec_env import VecEnv

from engram.agents import MemoryPPO
from engram.agents.evaluation.interventions import INTERVENTIONS
from engram.configs import TrainConfig
from engram.evidence.evaluation.certificate import CERTIFICATE, STATELESS, acts
from engram.evidence.evaluation.examination import PlannedCondition, play_conditions
from engram.evidence.evaluation.result import WIPED, Condition, EvaluationResult
from engram.evidence.runs.caveats import trained_on
from engram.evidence.runs.result_files import made_by, say_kept
from engram.evidence.runs.settings import Setting
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
) -> EvaluationResult:
    """Play all conditions and write the run's `evaluation.json`, `evaluation.csv` and `episodes.csv`.

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
        certificate: whether to play the interventions of the certificate, too, as far as they have something to act on
            and the env tells the cue.
    """
    (trained, env), *harder = envs.items()
    conditions = [*conditions]
    if certificate:
        tells_cue = all("cue_visible" in info for info in env.unwrapped.reset_infos)
        has_memory, has_state = config.memory.name != "none", config.controller.name != STATELESS
        others = [
            name
            for name in CERTIFICATE
            # The verdict rests on what is emptied, even where that is nothing.
            if Condition(intervention=name) not in conditions and (name in WIPED or acts(name, has_memory, has_state))
        ]
        conditions += [
            Condition(intervention=name)
            for name in others
            if (tells_cue or not INTERVENTIONS[name].needs_cue) and env.num_envs >= INTERVENTIONS[name].least_envs
        ]
    trials = [PlannedCondition(condition, env, episodes) for condition in conditions]
    for setting, env in harder:
        for condition in (Condition(setting.label), Condition(setting.label, "wiped")):
            trials.append(PlannedCondition(condition, env, setting.episodes or episodes))
    examined = play_conditions(model, trials, seed=seed, console=console)
    for env in envs.values():
        env.close()

    tested = examined.layouts(trained.label)
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
        # These are not split: a delay within the range of the training shows layouts of the training.
        "harder_layouts_in_both": {
            setting.label: None if known is None else len(examined.layouts(setting.label) & known)
            for setting, _ in harder
        },
        **made_by(),
    }
    report = EvaluationResult(about, examined.scores)
    table = folder.evaluation.with_suffix(".csv")
    kept = folder.keep_previous(
        folder.evaluation, table, folder.episodes, *([folder.certificate] if certificate else [])
    )
    say_kept(kept, console)
    for said in trained_on(about):
        console.print(said, highlight=False, markup=False, soft_wrap=True)
    write_json(folder.evaluation, report.as_json())
    write_text(table, report.as_csv())
    write_text(folder.episodes, examined.as_csv())
    if certificate:
        write_json(folder.certificate, {**about, **report.certificate.as_json()})
    return report
