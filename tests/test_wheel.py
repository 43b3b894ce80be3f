"""The wheel: one name, every file, and all commands in an environment of its own, in a folder of the user."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

import pytest
from built_package import ROOT, build, copy_of_checkout, expected_files, names_in

TINY = (
    "env=tmaze",
    "env.kwargs.delay=[2,11]",
    "env.n_envs=3",
    "memory.slots=7",
    "ppo.n_steps=16",
    "ppo.batch_size=48",
    "ppo.n_epochs=1",
    "total_timesteps=48",
    "eval.leakage_resets=7",
    "eval.episodes=2",
    "eval.final_episodes=3",
    "eval.n_envs=2",
    "eval.test_settings=false",
    "tracking=disabled",
)
# Modules of ours and of the standard library, as a user may name files of his own.
NAMESAKES = (
    "agents",
    "configs",
    "envs",
    "evaluate",
    "evidence",
    "export",
    "memory",
    "random",
    "report",
    "tracking",
    "train",
)
USERS_ENV = """\
import gymnasium as gym
from engram.envs.tasks.tmaze.env import TMaze

gym.register("Mine-v0", entry_point=TMaze)
"""
USERS_SCRIPT = """\
from engram import MemoryPPO, make_env, make_vec_env
from engram.memory import MEMORIES

make_env("Engram-TMaze-v0", view_size="three")
MEMORIES["dnc"].nothing
reveal_type(make_vec_env)
"""


def test_the_wheel_has_one_name_and_every_file(tmp_path: Path) -> None:
    names = names_in(build("wheel", copy_of_checkout(tmp_path / "source"), tmp_path / "wheel"))
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"engram"}
    assert {name for name in names if name.startswith("engram/")} == expected_files()
    assert {Path(name).suffix for name in names} >= {".py", ".yaml", ".c", ".h", ".html", ".css", ".js", ".typed"}


def test_a_wheel_from_the_source_distribution_is_the_same(tmp_path: Path) -> None:
    archive = build("sdist", copy_of_checkout(tmp_path / "source"), tmp_path / "sdist")
    with tarfile.open(archive) as opened:
        assert not any(member.issym() for member in opened.getmembers())
        opened.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    names = names_in(build("wheel", source, tmp_path / "wheel"))
    assert {name for name in names if name.startswith("engram")} - expected_files() == {
        name for name in names if ".dist-info/" in name
    }


class Installed:
    """An environment with the wheel, and a folder of the user in which its commands are run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "user"
        self.folder.mkdir()
        self.bin = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        for name in NAMESAKES:
            (self.folder / f"{name}.py").write_text(f"raise SystemExit('{name}.py of the user was imported')\n")

    def run(self, command: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of the environment as its user would; nothing of this process' paths is left."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return subprocess.run(
            [str(self.bin / command), *arguments],
            cwd=self.folder,
            env={**kept, "OMP_NUM_THREADS": "1"},
            input=stdin,
            capture_output=True,
            text=True,
        )

    def ok(self, command: str, *arguments: str, stdin: str = "") -> str:
        """Run a command that has to succeed, and return what it prints."""
        done = self.run(command, *arguments, stdin=stdin)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    wheel = build("wheel", copy_of_checkout(folder / "source"), folder / "wheel")
    venv.create(folder / "venv", symlinks=os.name != "nt")
    python = folder / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True)
    # What it depends on is taken from here. Of a folder that is added so no .pth file is read: not that of a checkout.
    here = sysconfig.get_path("purelib")
    (site,) = (folder / "venv").glob("**/site-packages")
    (site / "dependencies.pth").write_text(f"{here}\n")
    return Installed(folder)


@pytest.mark.wheel
def test_python_finds_the_wheel_and_no_other_name_of_ours(installed: Installed) -> None:
    code = "import engram.cli.train, engram.cli.evaluate, sys; print(engram.__file__); print(*sorted(sys.modules))"
    file, modules = installed.ok("python", "-P", "-c", code).splitlines()
    assert Path(file).is_relative_to(installed.bin.parent)
    assert not set(NAMESAKES) - {"random"} & set(modules.split())


@pytest.mark.wheel
def test_train_evaluate_explain_report(installed: Installed) -> None:
    trained = installed.ok("engram-train", *TINY)
    assert "python evaluate.py" not in trained
    (run,) = (installed.folder / "runs").glob("*/seed0-*")
    name = str(run.relative_to(installed.folder))
    assert '"command": "engram-train env=tmaze' in (run / "versions.json").read_text()
    installed.ok("engram-evaluate", name, "--episodes", "2", "--no-test-settings")
    installed.ok("engram-evaluate", name, "--explain", "0")
    (page,) = (run / "explained").glob("*.html")
    assert "</html>" in page.read_text()
    assert "policy.onnx" in installed.ok("engram-export", name, "--steps", "9")
    assert "report.html" in installed.ok("engram-report", "runs", "--out", "report")
    assert "</html>" in (installed.folder / "report" / "report.html").read_text()


@pytest.mark.wheel
def test_play(installed: Installed) -> None:
    assert "Engram-MazeMatch-S9-v0" in installed.ok("engram-play", "--list")
    assert "success" in installed.ok("engram-play", "Engram-TMaze-v0", "--random", "--seed", "3")
    played = installed.ok("engram-play", "Engram-MatchS9-v0", "--seed", "3", stdin="uulr q")
    assert "0 episodes played to the end" in played


@pytest.mark.wheel
@pytest.mark.parametrize("name", ["train", "evaluate", "report", "play"])
def test_a_command_goes_by_the_name_that_was_typed(installed: Installed, name: str) -> None:
    text = installed.ok(f"engram-{name}", "--help")
    assert f"engram-{name} " in text
    assert "python " not in text
    wrong = installed.run(f"engram-{name}", "--nonsense")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert wrong.stderr.startswith(f"engram-{name}: ")


@pytest.mark.wheel
def test_a_module_of_the_user_is_found_in_his_folder(installed: Installed) -> None:
    (installed.folder / "my_envs.py").write_text(USERS_ENV)
    overrides = ["env=gym", "env.id=Mine-v0", "env.module=my_envs", "eval.final_episodes=0", "runs_dir=mine"]
    kept = [word for word in TINY if not word.startswith(("env", "eval.final"))]
    installed.ok("engram-train", *kept, *overrides, "env.n_envs=3")
    (run,) = (installed.folder / "mine").glob("*/seed0-*")
    installed.ok("engram-evaluate", str(run), "env.module=my_envs", "--episodes", "2")


@pytest.mark.wheel
def test_a_type_checker_sees_our_types_in_the_project_of_a_user(installed: Installed, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(USERS_SCRIPT)
    python = str(installed.bin / "python")
    mypy = [sys.executable, "-m", "mypy", "--python-executable", python, "--cache-dir", str(ROOT / ".mypy_cache/wheel")]
    done = subprocess.run([*mypy, script.name], cwd=tmp_path, capture_output=True, text=True)
    assert not done.stderr
    assert 'script.py:4: error: Argument "view_size" to "make_env" has incompatible type "str"' in done.stdout
    assert 'script.py:5: error: "type[Memory[Any]]" has no attribute "nothing"' in done.stdout
    assert "VecEnv" in next(line for line in done.stdout.splitlines() if line.startswith("script.py:6: note:"))
    assert "found 2 errors" in done.stdout.lower()
