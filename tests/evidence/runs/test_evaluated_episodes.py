"""The episodes of an evaluation, played again one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_runs import composed

from engram.agents import MemoryPPO
from engram.envs.split.balanced_episodes import balanced_seeds
from engram.evidence.evaluation.run import PlannedCondition, PlayedConditions, play
from engram.evidence.runs.evaluated_episodes import EvaluatedEpisodes, against_its_row, last_evaluation
from engram.evidence.runs.open import make_envs, open_envs
from engram.evidence.runs.settings import Condition, trained_setting
from engram.tracking import RunFolder

EPISODES, SEED = 10, 3  # of three envs, so each plays four


@pytest.mark.parametrize(
    "env",
    [
        ("env=tmaze", "env.kwargs.delay=[2,20]"),  # stepped in arrays; few layouts, dealt out
        ("env=match", "+env.kwargs.max_steps=12"),  # a maze
        ("env=repeat_previous",),  # an episode has a seed of its own
        ("env=position_cartpole",),  # no sides at all
    ],
    ids=lambda env: env[0],
)
def test_an_episode_alone_goes_as_it_went_among_others(env: tuple[str, ...], tmp_path: Path) -> None:
    config = composed(*env, "eval.n_envs=3", "memory.slots=7")
    setting, folder = trained_setting(config.env), RunFolder(tmp_path)
    model = MemoryPPO("MemoryPolicy", make_envs(config, setting, "test", 1, 0), seed=0, device="cpu")
    (envs,) = open_envs(config, [setting], EPISODES, model)
    planned = PlannedCondition(Condition(), envs, EPISODES)
    played, score = play(model, planned, balanced_seeds(envs, EPISODES, SEED), seed=SEED)
    folder.episodes.write_text(PlayedConditions({Condition(): score}, {Condition(): played}).as_csv())
    evaluated = EvaluatedEpisodes(config, model, EPISODES, SEED)
    assert evaluated.total == 12
    for number in (0, 3, 4, 10, 11):  # the first and the last of an env, and some between
        recording = evaluated.play(number, 2000)
        assert against_its_row(folder, number, recording).startswith("it went as episodes.csv has it")
    longest = int(played.length.argmax())
    cut = evaluated.play(longest, int(played.length[longest]) - 1)
    assert against_its_row(folder, longest, cut).startswith(f"episodes.csv has it whole: {played.length[longest]} ")
    changed = recording._replace(layout="another")
    assert against_its_row(folder, 11, changed).startswith("it did not go as episodes.csv has it")
    assert against_its_row(folder, 12, recording) == "episodes.csv has no row to compare it with"


def test_an_evaluation_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert last_evaluation(folder) == {}
    folder.evaluation.write_text("{")
    assert last_evaluation(folder) == {}
    asked = {"seed": 3, "episodes": 10, "checkpoint": "best"}
    folder.evaluation.write_text(json.dumps({**asked, "success": 1.0}))
    assert last_evaluation(folder) == asked
