"""A training that was stopped and resumed is, to the last bit, the one that was not."""

from __future__ import annotations

import csv
import json
import math
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback
from tiny_runs import TINY, composed

import engram
from engram.agents import MemoryPPO
from engram.cli.train import main, train
from engram.configs import CannotRun
from engram.evidence.runs.recorded_run import read_run
from engram.tracking import RunFolder
from engram.tracking.callbacks import ProgressLine

QUICK = ("eval.final_episodes=0", "eval.leakage_resets=0", "eval.episodes=3")
RARELY = "eval.every=1000"
SHORT = "+env.kwargs.max_steps=60"  # an agent that has learned nothing walks on to the end
TASKS = {
    "room": ["env=room", SHORT, RARELY, "ppo.bonus=noveld"],
    "maze": ["env=maze_sequence", SHORT, RARELY, "env.odometry=true", "env.previous_reward=true"],
    "minigrid": ["env=minigrid_memory", SHORT, RARELY, "env.random_actions=0.2", "memory.hops=2"],
    "cartpole": ["env=gym", "env.id=CartPole-v1", "ppo.novelty_coef=0"],
    "processes": ["env.subprocess=true", "env.n_envs=2"],
    "device": ["env.on_device=true"],
}


class Ending(BaseException):
    """Whatever ends a training in an instant."""


def rows(folder: Path) -> list[dict[str, str]]:
    """The rows of the metrics, but for times."""
    with RunFolder(folder).metrics.open() as file:
        found = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if not key.startswith("time/")} for row in found]


def weights(folder: Path, name: str = "latest") -> torch.Tensor:
    policy = MemoryPPO.load(RunFolder(folder).checkpoint(name)).policy
    return torch.cat([value.double().flatten() for value in policy.state_dict().values()])


def run(tmp_path: Path, *words: str, name: str = "run") -> Path:
    is_another = bool(words) and words[0].startswith("env=")
    tiny = [word for word in TINY if not (is_another and word.startswith(("env=", "env.kwargs")))]
    try:
        train(composed(*tiny, *QUICK, *words, f"runs_dir={tmp_path}"), name)
    finally:
        (folder,) = (tmp_path / name).iterdir()
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    return run(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def again(whole: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(whole, tmp_path / "again" / whole.name))


def stopped_at(monkeypatch: pytest.MonkeyPatch, steps: int, stop: Callable[[BaseCallback], Any]) -> None:
    """Do something at the first step beyond so many."""
    before = ProgressLine._on_step
    done: list[int] = []

    def on_step(self: ProgressLine) -> bool:
        if self.num_timesteps >= steps and not done:
            done.append(steps)
            stop(self)
        return before(self)

    monkeypatch.setattr(ProgressLine, "_on_step", on_step)


def resume(folder: Path, *words: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["train.py", f"resume={folder}", *words])
        return main()


def assert_same(one: Path, other: Path) -> None:
    assert rows(one) == rows(other)
    assert torch.equal(weights(one), weights(other))
    assert torch.equal(weights(one, "best"), weights(other, "best"))
    assert RunFolder(one).layouts.is_file() == RunFolder(other).layouts.is_file()
    if RunFolder(one).layouts.is_file():
        assert RunFolder(one).layouts.read_text() == RunFolder(other).layouts.read_text()


@pytest.mark.parametrize("task", TASKS)
def test_after_a_signal_it_goes_on_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str) -> None:
    whole = run(tmp_path, *TASKS[task], name="whole")
    with monkeypatch.context() as patch:
        stopped_at(patch, 290, lambda _: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(SystemExit) as ended:
            run(tmp_path, *TASKS[task], name="stopped")
    assert ended.value.code == 128 + signal.SIGTERM
    (stopped,) = (tmp_path / "stopped").iterdir()
    assert resume(stopped) == 0
    assert_same(whole, stopped)


def test_stopped_in_an_update_and_in_a_validation_it_goes_on_bit_for_bit(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(which: int, what: Callable[..., Any]) -> Callable[..., Any]:
        """Be stopped when something is done for the so manieth time."""
        times: list[int] = []

        def done(*given: Any, **named: Any) -> Any:
            times.append(1)
            if len(times) == which:
                signal.raise_signal(signal.SIGTERM)
            return what(*given, **named)

        return done

    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.utils, "clip_grad_norm_", at(3, torch.nn.utils.clip_grad_norm_))  # of 2 a rollout
        with pytest.raises(SystemExit):
            run(tmp_path, name="stopped")
    (stopped,) = (tmp_path / "stopped").iterdir()
    assert MemoryPPO.load(RunFolder(stopped).checkpoint("latest")).num_timesteps == read_run(stopped).steps == 192
    with monkeypatch.context() as patch:
        patch.setattr(MemoryPPO, "predict", at(2, MemoryPPO.predict))
        with pytest.raises(SystemExit):
            resume(stopped)
    assert MemoryPPO.load(RunFolder(stopped).checkpoint("latest")).num_timesteps == read_run(stopped).steps == 192
    assert resume(stopped) == 0
    assert_same(whole, stopped)


@pytest.mark.parametrize(("steps", "until"), [(150, 192), (390, 576)])
def test_after_a_warning_it_goes_on_where_the_next_rollout_begins(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, until: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("engram.tracking.callbacks.snapshots.SHARE", 1e-9)  # so that none would be noted otherwise
        stopped_at(patch, steps, lambda _: signal.raise_signal(signal.SIGUSR1))
        with pytest.raises(SystemExit) as ended:
            run(tmp_path, "snapshots.signal=USR1", name="stopped")
    assert ended.value.code == 128 + signal.SIGUSR1
    (stopped,) = (tmp_path / "stopped").iterdir()
    assert int(RunFolder(stopped).snapshots[0].stem) == until
    assert MemoryPPO.load(RunFolder(stopped).checkpoint("latest")).num_timesteps == read_run(stopped).steps == until
    assert resume(stopped) == 0
    assert_same(whole, stopped)


def test_after_a_sudden_end_it_goes_on_from_the_latest_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = ["total_timesteps=1400", "snapshots.every=1"]
    killed = tmp_path / "killed" / "seed0"
    monkeypatch.setattr("engram.tracking.callbacks.snapshots.FIRST", 0.0)
    with monkeypatch.context() as patch:
        # What lies in the folder in the middle of a rollout is all that a process leaves that is killed there.
        stopped_at(patch, 900, lambda at: shutil.copytree(folder_of(at), killed))
        whole = run(tmp_path, *more, name="whole")
    at = [int(path.stem) for path in RunFolder(killed).snapshots]
    assert at
    assert max(at) < 900
    assert resume(killed) == 0
    assert_same(whole, killed)


def folder_of(callback: BaseCallback) -> Path:
    """The folder of the run that a callback belongs to."""
    return Path(callback.logger.output_formats[0].path).parent


def test_what_raises_leaves_where_it_can_go_on(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise Ending

    with monkeypatch.context() as patch:
        stopped_at(patch, 250, fail)
        with pytest.raises(SystemExit):
            run(tmp_path, name="failed")
    (failed,) = (tmp_path / "failed").iterdir()
    assert RunFolder(failed).failure.is_file()
    assert resume(failed) == 0
    assert not RunFolder(failed).failure.exists()
    assert_same(whole, failed)


def test_stopped_again_and_again(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # In the first rollout, again in that, in the second and in the last; and where each began.
    for steps, began in ((1, 0), (150, 0), (290, 192), (390, 384)):
        going = (
            (lambda: resume(next((tmp_path / "stopped").iterdir())))
            if steps > 1
            else lambda: run(tmp_path, name="stopped")
        )
        with monkeypatch.context() as patch:
            # Of every rollout, however slow the machine is: otherwise as often as that costs little.
            patch.setattr("engram.tracking.callbacks.snapshots.SHARE", math.inf)
            stopped_at(patch, steps, lambda _: signal.raise_signal(signal.SIGINT))
            with pytest.raises(SystemExit):
                going()
        (stopped,) = (tmp_path / "stopped").iterdir()
        latest = RunFolder(stopped).checkpoint("latest")
        assert capsys.readouterr().err.splitlines()[-1] == f"stopped after {began} steps; the agent is in {latest}"
        assert MemoryPPO.load(latest).num_timesteps == read_run(stopped).steps == began
    (stopped,) = (tmp_path / "stopped").iterdir()
    assert resume(stopped) == 0
    assert_same(whole, stopped)
    resumed = json.loads(RunFolder(stopped).versions.read_text())["resumed"]
    assert [each["timesteps"] for each in resumed] == [0, 0, 192, 384]


class ShownRun:
    """What Weights & Biases is sent, in its place."""

    def __init__(self, sent: list[dict[str, Any]], run_id: str, folder: Path) -> None:
        self.id, self.dir, self.log = run_id, str(folder / "wandb" / "offline-run-now" / "files"), sent.append

    def __getattr__(self, _: str) -> Callable[..., None]:
        return lambda *_, **__: None


def test_in_weights_and_biases_it_goes_on_in_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[dict[str, Any]] = []
    sent: list[dict[str, Any]] = []

    def init(**given: Any) -> ShownRun:
        begun.append(given)
        return ShownRun(sent, given["id"] or f"new{len(begun)}", given["dir"])

    monkeypatch.setattr("engram.tracking.writers.wandb.wandb.init", init)
    with monkeypatch.context() as patch:
        stopped_at(patch, 290, lambda _: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(SystemExit):
            run(tmp_path, "tracking=offline", name="stopped")
    (stopped,) = (tmp_path / "stopped").iterdir()
    assert resume(stopped) == 0
    assert resume(stopped, "tracking.mode=disabled") == 0
    assert resume(stopped, "tracking.mode=offline", "total_timesteps=600") == 0
    assert [(given["id"], given["resume"]) for given in begun] == [(None, None), *[("new1", "allow")] * 2]
    steps = [row["global_step"] for row in sent]
    assert steps == sorted(steps)
    assert {192, 384, 576} <= {*steps}

    versions = json.loads(RunFolder(stopped).versions.read_text())
    assert len(versions["resumed"]) == 3
    for wrong in ("../elsewhere", 7):
        RunFolder(stopped).versions.write_text(json.dumps({**versions, "wandb_id": wrong}))
        assert resume(stopped) == 0
        assert begun[-1]["id"] is None
    assert json.loads(RunFolder(stopped).versions.read_text())["wandb_id"] == "new5"


def test_a_training_that_is_over_can_be_made_longer(again: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = again
    before = weights(folder)
    assert resume(folder) == 0
    assert torch.equal(before, weights(folder))
    capsys.readouterr()
    assert resume(folder, "total_timesteps=600") == 0
    assert "total_timesteps was 400 so far: schedules are stretched" in capsys.readouterr().err
    assert MemoryPPO.load(RunFolder(folder).checkpoint("latest")).num_timesteps == 768
    assert [row["global_step"] for row in rows(folder)][-1] == "768"


def test_if_the_latest_snapshot_is_cut_off_an_earlier_one_is_taken(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engram.tracking.callbacks.snapshots.FIRST", 0.0)
    folder = run(tmp_path)
    latest, earlier = RunFolder(folder).snapshots
    latest.write_bytes(latest.read_bytes()[:-100])
    capsys.readouterr()
    assert resume(folder) == 0
    told = capsys.readouterr().err
    assert f"warning: {latest}: damaged" in told
    assert f"goes on after {int(earlier.stem):,} steps" in told
    assert_same(whole, folder)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["env.n_envs=7"], "env.n_envs=7: belongs to the run that goes on"),
        (["memory=dnc"], "memory=dnc: belongs to the run that goes on"),
        (["total_timesteps=100"], "has taken 576 steps already"),
        (["total_timesteps=soon"], "total_timesteps"),
        (["resume=elsewhere"], "one run at a time"),
    ],
)
def test_what_cannot_be_another_is_refused_in_a_line(
    again: Path, capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    folder = again
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert resume(folder, *words) == 2
    told = capsys.readouterr().err
    assert line in told
    assert told.count("\n") == 1
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_no_run_is_refused_in_a_line(again: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = again
    other = run(tmp_path, "memory.heads=1", name="other")
    capsys.readouterr()
    for wrong, line in (
        (tmp_path / "nowhere", "there is no such run folder"),
        (tmp_path, "not a run folder"),
    ):
        assert resume(wrong) == 2
        assert line in capsys.readouterr().err
    for path in RunFolder(folder).snapshots:
        path.unlink()
    assert resume(folder) == 2
    assert "there is no snapshot to go on from" in capsys.readouterr().err
    shutil.copytree(other / "snapshots", folder / "snapshots", dirs_exist_ok=True)
    metrics = RunFolder(folder).metrics.read_bytes()
    assert resume(folder) == 2
    told = capsys.readouterr().err
    assert ".zip: of another run)" in told
    assert told.count("\n") == 1
    assert RunFolder(folder).metrics.read_bytes() == metrics


def test_a_script_goes_on_bit_for_bit(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("engram.tracking.callbacks.snapshots.SHARE", math.inf)  # noted after every rollout
        stopped_at(patch, 290, lambda _: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(SystemExit):
            run(tmp_path)
    (stopped,) = (tmp_path / "run").iterdir()
    files = {file.name: file.read_bytes() for file in stopped.iterdir() if file.is_file()}
    found = engram.resume_run(stopped)
    model = found.model
    assert 0 < model.num_timesteps < 290
    assert model.get_env() is found.env
    model.learn(found.config.total_timesteps - model.num_timesteps, reset_num_timesteps=False)
    assert torch.equal(
        torch.cat([value.double().flatten() for value in model.policy.state_dict().values()]), weights(whole)
    )
    assert files == {file.name: file.read_bytes() for file in stopped.iterdir() if file.is_file()}
    assert MemoryPPO.resume(stopped).num_timesteps < 290
    with pytest.raises(CannotRun, match=r"^nowhere: there is no such run folder"):
        MemoryPPO.resume("nowhere")


def test_a_snapshot_of_another_run_is_refused(again: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = run(tmp_path, "seed=5", name="other")
    shutil.rmtree(again / "snapshots")
    shutil.copytree(other / "snapshots", again / "snapshots")
    assert resume(again, "total_timesteps=600") == 2
    told = capsys.readouterr().err
    assert ".zip: of another run" in told
    assert "there is no snapshot to go on from" in told
