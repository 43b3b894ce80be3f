"""The training script, from the command line to what it leaves behind."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tiny_runs import TINY, composed, tiny_run

from engram.agents import MemoryPPO
from engram.cli.train import train
from engram.cli.training.held_out import check_leakage, few_to_train_on, held_out
from engram.cli.training.prepare import agent_arguments
from engram.configs import CannotRun
from engram.envs.batched.tmaze import TMazeVecEnv
from engram.envs.split.by_layout import SIDES
from engram.envs.split.leakage import Leakage, SideMet
from engram.evidence.runs.open import make_envs
from engram.evidence.runs.recorded_run import read_run
from engram.evidence.runs.settings import trained_setting
from engram.memory.native import build

ROOT = Path(__file__).parents[2]


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )


def test_a_training_outlives_whoever_reads_its_lines(tmp_path: Path) -> None:
    process = start(*TINY, "eval.final_episodes=2", "eval.film=false", cwd=tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stderr.readline()
    process.stderr.close()
    process.stdout.close()
    assert process.wait(timeout=300) == 0
    (result,) = tmp_path.glob("runs/*/*/evaluation.json")
    assert json.loads(result.read_text())["intact"]


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    process = start("memory=episodc", cwd=tmp_path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out == ""
    assert err.count("\n") == 1
    assert "did you mean episodic" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["ppo.batch_size=100"], ["batch_size=100", "chunk_length=16"]),
        (["ppo.chunk_length=7"], ["chunk_length=7", "n_steps=32"]),
        (["env.id=Engram-TMase-v0"], ["Engram-TMase-v0", "Engram-TMaze-v0"]),
        (["env.kwargs.delay=[3,3]"], ["layout", "validation"]),
        (["env.view_size=5"], ["view_size"]),
        (["memory.slots=0"], ["slots=0"]),
        (["device=nonsense"], ["device=nonsense", "cpu"]),
        (["env.pixels=8"], ["pixels", "MiniGrid"]),
        (["memory.slots=1000000000000"], ["memory of 6 envs"]),
        (["eval.test_settings=true", "env.test_settings.longer.id=nonsense"], ["nonsense"]),
    ],
)
def test_what_cannot_be_carried_out_is_said_before_anything_is_written(
    tmp_path: Path, overrides: list[str], named: list[str]
) -> None:
    first = [word for word in TINY if not (overrides[0] == "env=gym" and word.startswith("env"))]
    kept = [word for word in overrides if word != "env.kwargs={}"]
    runs = tmp_path / "runs"
    with pytest.raises(CannotRun) as caught:
        train(composed(*first, *kept, f"runs_dir={runs}"), "bad")
    assert "\n" not in str(caught.value)
    for words in named:
        assert words in str(caught.value)
    assert not runs.exists()


def test_run_folder_holds_the_record() -> None:
    names = {path.name for path in tiny_run().iterdir()}
    assert names == {
        "config.yaml",
        "versions.json",
        "metrics.csv",
        "snapshots",
        "leakage.json",
        "layouts.txt",
        "best.zip",
        "latest.zip",
        "evaluation.json",
        "episodes.csv",
        "evaluation.csv",
        "film.gif",
        "wandb",
    }
    versions = json.loads((tiny_run() / "versions.json").read_text())
    assert {"python", "torch", "stable-baselines3", "gymnasium", "minigrid", "numpy", "engram"} <= set(versions)
    assert {"git_commit", "git_dirty", "command"} <= set(versions)


def test_which_implementations_run_is_printed_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENGRAM_NATIVE", "0")
    build.build.cache_clear()
    others = [word for word in TINY if not word.startswith("memory") and not word.startswith("total")]
    sizes = ("memory=dnc", "memory.slots=5", "total_timesteps=100", "eval.final_episodes=0")
    try:
        train(composed(*others, *sizes, f"runs_dir={tmp_path}"), "paths")
    finally:
        build.build.cache_clear()
    (folder,) = (tmp_path / "paths").iterdir()
    in_torch = "fused: switched off by ENGRAM_NATIVE=0"
    paths = {"feedback loop": "fused", "controller": in_torch, "memory": in_torch}
    assert json.loads((folder / "versions.json").read_text())["paths"] == paths
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("implementations: ")]
    assert line == f"implementations: feedback loop fused; controller {in_torch}; memory {in_torch}"


def test_the_sides_are_compared_before_the_training() -> None:
    report = json.loads((tiny_run() / "leakage.json").read_text())
    assert (report["by"], report["shared"]) == ("layout", 0)
    assert report["sides"]["test"]["resets"] == 20


def test_a_maze_on_two_sides_stops_the_run_unless_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = {"train": SideMet(9, 5, 5), "validation": SideMet(9, 5, 5), "test": SideMet(9, 5, 5)}
    for by, allowed in (("layout", False), ("layout", True), ("seed", False)):
        leaks = Leakage(by, sides, "grid", 3)
        monkeypatch.setattr("engram.cli.training.held_out.measure_leakage", lambda make, leaks=leaks, **more: leaks)
        config = composed(*TINY, f"env.allow_overlap={allowed}")
        if by == "layout" and not allowed:
            with pytest.raises(CannotRun, match=r"3 mazes .* on two sides .* env.allow_overlap=true"):
                check_leakage(config)
        else:
            assert check_leakage(config) is leaks
    assert not composed(*TINY).env.allow_overlap
    assert check_leakage(composed(*TINY, "env.split=false")) is None
    assert check_leakage(composed(*TINY, "eval.leakage_resets=0")) is None


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["env.split=false"], "no mazes are held out: env.split=true trains, validates and tests on different ones"),
        (["env=position_cartpole"], ""),
        (["eval.leakage_resets=0"], ""),
        ([], "split by layout: "),
    ],
)
def test_a_training_says_what_it_holds_out(arguments: list[str], line: str) -> None:
    tiny = [key for key in TINY if "kwargs" not in key or "env=position_cartpole" not in arguments]
    config = composed(*tiny, *arguments)
    env = make_envs(config, trained_setting(config.env), "train", 2, 0)
    found = held_out(config, env, check_leakage(config))
    assert found.startswith(line)
    assert bool(found) == bool(line)


def test_metrics_say_how_the_training_went() -> None:
    rows = list(csv.DictReader((tiny_run() / "metrics.csv").open()))
    steps = [int(row["global_step"]) for row in rows]
    # Rollouts of 32 steps in 6 envs, and the weights after the last of them.
    assert steps == [192, 384, 576, 576]
    validated = [row["eval/success_rate"] != "" for row in rows]
    assert validated == [True, True, True, True]
    assert int(rows[-1]["env/distinct_layouts"] or rows[-2]["env/distinct_layouts"]) == len(
        (tiny_run() / "layouts.txt").read_text().split()
    )
    for key in ("train/loss", "memory/gate", "novelty/coef", "rollout/ep_rew_mean"):
        assert rows[1][key] != "", key


def test_saved_agent_acts() -> None:
    model = MemoryPPO.load(tiny_run() / "latest.zip", device="cpu")
    assert model.num_timesteps == 576
    assert MemoryPPO.load(tiny_run() / "best.zip", device="cpu").num_timesteps <= 576
    observation = model.observation_space.sample()
    action, _ = model.predict(observation[None])
    assert model.action_space.contains(action[0])


def test_a_reward_that_is_not_finite_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = TMazeVecEnv.step_wait

    def broken(env: TMazeVecEnv) -> tuple[object, ...]:
        observations, rewards, *rest = step(env)
        return observations, rewards * math.nan, *rest

    monkeypatch.setattr(TMazeVecEnv, "step_wait", broken)
    with pytest.raises(SystemExit) as stopped:
        train(composed(*TINY, f"runs_dir={tmp_path}"), "broken")
    assert stopped.value.code == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "gave a reward of" in line]
    assert re.fullmatch(r"failed after [\d,]+ steps: env 0 gave a reward of nan: nothing can be learned from it", line)


def test_an_env_that_raises_leaves_the_agent_a_mark_and_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = []

    def broken(env: TMazeVecEnv) -> tuple[object, ...]:
        steps.append(1)
        if len(steps) == 120:  # after some rollouts: what is left is of the last one's beginning
            raise FileNotFoundError(2, "No such file", "textures.png")
        return step(env)

    step = TMazeVecEnv.step_wait
    monkeypatch.setattr(TMazeVecEnv, "step_wait", broken)
    with pytest.raises(SystemExit) as stopped:
        train(composed(*TINY, f"runs_dir={tmp_path}"), "broken")
    assert stopped.value.code == 1
    error = capsys.readouterr().err
    assert re.search(
        r"failed after [\d,]+ steps: FileNotFoundError: .*textures.png' \(.*test_train.py, line \d+\)", error
    )
    assert "Traceback" not in error
    (folder,) = tmp_path.glob("broken/*")
    assert json.loads((folder / "failure.json").read_text())["timesteps"] > 0
    assert "Traceback" in (folder / "failure.txt").read_text()
    assert MemoryPPO.load(folder / "latest.zip", device="cpu").num_timesteps > 0


def test_one_seed_gives_one_result(tmp_path: Path) -> None:
    train(composed(*TINY, "eval.final_episodes=0", f"runs_dir={tmp_path}"), "again")
    (again,) = (tmp_path / "again").iterdir()
    first, second = (
        MemoryPPO.load(run / "latest.zip", device="cpu").policy.state_dict() for run in (tiny_run(), again)
    )
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_env_without_layouts_or_success_can_be_trained(tmp_path: Path) -> None:
    others = [word for word in TINY if not word.startswith("env")]
    config = composed(*others, "env=gym", "env.id=CartPole-v1", "env.n_envs=6", f"runs_dir={tmp_path}")
    train(config, "cartpole")
    (folder,) = (tmp_path / "cartpole").iterdir()
    assert not (folder / "layouts.txt").exists()
    found = json.loads((folder / "evaluation.json").read_text())
    assert found["success"] is None
    assert found["intact"]["mean_return"] > 0
    (row, *_) = csv.DictReader((folder / "metrics.csv").open())
    assert "eval/success_rate" not in row
    assert "eval/mean_return" in row


def test_a_training_on_a_range_says_so_in_itself_and_in_its_result(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    others = [word for word in TINY if not word.startswith("env")]
    config = composed(*others, "env=binding", "env.kwargs.cues=[2,3]", "env.n_envs=6", f"runs_dir={tmp_path}")
    train(config, "ranges")
    (folder,) = (tmp_path / "ranges").iterdir()
    found = json.loads((folder / "evaluation.json").read_text())
    assert found["curriculum"] == {"cues": [2, 3]}
    assert found["intact"]["mean_length"] == 6  # three cues, three queries
    line = "Trained on episodes with cues from 2 to 3; validated and tested at the hard end."
    assert " ".join(capfd.readouterr().err.split()).count(line) == 2  # before the training, and with its result


def test_only_training_takes_random_actions() -> None:
    config = composed("env=minigrid_memory")
    assert config.env.random_actions > 0
    for side in SIDES:
        env = make_envs(config, trained_setting(config.env), side, 2, 0)
        assert env.has_attr("probability") == (side == "train")


def test_coefficients_are_annealed_where_an_end_is_given() -> None:
    constant = ("ppo.learning_rate=0.002", "ppo.learning_rate_final=null")
    config = composed("ppo.ent_coef=0.04", "ppo.ent_coef_final=0.0", *constant)
    arguments = agent_arguments(config)
    assert [arguments["ent_coef"](left) for left in (1.0, 0.25, 0.0)] == pytest.approx([0.04, 0.01, 0.0])
    assert arguments["learning_rate"] == 0.002
    arguments = agent_arguments(composed("ppo.learning_rate=0.002", "ppo.learning_rate_final=0.001"))
    assert arguments["learning_rate"](0.5) == pytest.approx(0.0015)


def cpu_seconds(pid: int) -> float:
    """What a process and those of its children that have ended have taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def processes_of(group: int) -> list[str]:
    """The processes of a group that are still there after a while."""
    for _ in range(100):
        stats = [path.read_text().rpartition(")")[2].split() for path in Path("/proc").glob("[0-9]*/stat")]
        left = [fields[0] for fields in stats if int(fields[2]) == group and fields[0] != "Z"]
        if not left:
            break
        time.sleep(0.1)
    return left


@pytest.mark.parametrize(("number", "subprocess"), [(signal.SIGINT, "false"), (signal.SIGTERM, "true")])
def test_a_signal_saves_the_agent_and_ends_cleanly(tmp_path: Path, number: signal.Signals, subprocess: str) -> None:
    endless = ["total_timesteps=100000000", "eval.every=100000000"]
    processes = [f"env.subprocess={subprocess}", "env.n_envs=3"]
    process = start(*TINY, *endless, *processes, "tracking=offline", cwd=tmp_path)
    try:
        deadline = time.monotonic() + 60
        # After the second row the first update is over, for the agent is saved as it was before.
        while not any(len(path.read_text().splitlines()) > 2 for path in tmp_path.glob("runs/*/*/metrics.csv")):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline, "no rollouts were finished"
            time.sleep(0.05)
        before, ended = cpu_seconds(process.pid), resource.getrusage(resource.RUSAGE_CHILDREN)
        os.killpg(process.pid, number)  # as terminals and schedulers do: to the envs' processes, too
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert now.ru_utime + now.ru_stime - ended.ru_utime - ended.ru_stime - before < 5.0
    assert not processes_of(process.pid)
    assert "Traceback" not in err
    (folder,) = tmp_path.glob("runs/*/*")
    assert str(folder.relative_to(tmp_path)) in err.splitlines()[-1]
    assert MemoryPPO.load(folder / "latest.zip", device="cpu").num_timesteps > 0
    assert read_run(folder).steps == MemoryPPO.load(folder / "latest.zip", device="cpu").num_timesteps
    assert re.fullmatch("after [0-9,]+ of 100,000,000 steps", read_run(folder).cut_short)
    assert not (folder / "evaluation.json").exists()
    assert list(folder.glob("wandb/offline-run-*/*.wandb"))


@pytest.mark.parametrize(
    ("by", "met", "resets", "warned"), [("layout", 6, 300, True), ("layout", 250, 300, False), ("seed", 6, 300, False)]
)
def test_few_layouts_to_train_on_are_known_before(by: str, met: int, resets: int, warned: bool) -> None:
    sides = {side: SideMet(resets, met, met) for side in SIDES}
    line = few_to_train_on(Leakage(by, sides, "grid", 0))
    assert line.startswith(f"only {met} distinct layouts were met") == warned
    assert few_to_train_on(None) == ""
