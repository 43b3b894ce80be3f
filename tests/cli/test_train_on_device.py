"""`env.on_device=true`: the training envs stay on the agent's device, and everything else is as before."""

import csv
from pathlib import Path

import pytest
from tiny_runs import TINY, composed

from engram.cli.train import train
from engram.cli.training.prepare import training_envs
from engram.configs import CannotRun
from engram.envs import TensorVecEnv
from engram.evidence.runs.settings import trained_setting

ON_DEVICE = (*TINY, "env.on_device=true")


def test_a_run_has_all_it_had(tmp_path: Path) -> None:
    config = composed(*ON_DEVICE, f"runs_dir={tmp_path}")
    assert isinstance(training_envs(config, trained_setting(config.env)), TensorVecEnv)
    train(config, "on_device")
    (folder,) = tmp_path.glob("on_device/*")
    assert (folder / "best.zip").is_file()
    assert (folder / "layouts.txt").read_text()
    with (folder / "metrics.csv").open() as file:
        *_, last, _ = csv.DictReader(file)  # the very last line is of the end
    for name in ("rollout/ep_rew_mean", "rollout/success_rate", "env/distinct_layouts", "eval/success_rate"):
        assert float(last[name]) >= 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["env.random_actions=0.1"],
            "env: on_device=true: envs on a device have no random_actions; leave env.random_a",
        ),
        (["env.previous_reward=true"], "env: on_device=true: envs on a device have no previous_reward"),
        (["env.subprocess=true"], "env: on_device=true: envs on a device have no subprocess"),
        (["env.kwargs.noise=2"], "env: TensorTMaze is for T-Mazes without noise and distractors"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(overrides: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(CannotRun) as refused:
        train(composed(*ON_DEVICE, f"runs_dir={tmp_path}", *overrides), "refused")
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())
