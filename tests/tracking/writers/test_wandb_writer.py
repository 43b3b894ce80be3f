"""Weights & Biases without an account, without a server, and not at all."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb
from PIL import Image
from stable_baselines3.common.logger import Logger

from engram.tracking.writers.wandb import Mode, WandbWriter, open_wandb


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    filed = ("WANDB_PROJECT", "WANDB_ENTITY", "WANDB_RUN_GROUP", "WANDB_TAGS", "WANDB_NAME", "WANDB_DISABLED")
    for name in (
        "WANDB_API_KEY",
        "WANDB_MODE",
        "WANDB_BASE_URL",
        "WANDB_IDENTITY_TOKEN_FILE",
        "WANDB_DISABLED",
        *filed,
    ):
        monkeypatch.delenv(name, raising=False)
    # Set by the writer for the rest of the process, if it is not set.
    monkeypatch.setenv("WANDB_DATA_DIR", "")
    monkeypatch.delenv("WANDB_DATA_DIR")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    yield
    wandb.teardown()


def opened(
    folder: Path, mode: Mode, printed: list[str], timeout: float = 10.0, filed: bool = True, run_id: str | None = None
) -> WandbWriter | None:
    folder.mkdir(exist_ok=True)
    return open_wandb(
        mode=mode,
        folder=folder,
        project="tests" if filed else None,
        entity=None,
        group="group" if filed else None,
        tags=["tag"] if filed else [],
        name="room-episodic",
        config={"ppo": {"gamma": 0.5}},
        timeout=timeout,
        print_line=printed.append,
        run_id=run_id,
    )


def records(folder: Path) -> list[dict[str, Any]]:
    """Read an offline run back."""
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    return records_of(file)


def records_of(file: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    return [json.loads(line) for line in lines]


def test_offline_run_holds_config_rows_and_outcome(tmp_path: Path) -> None:
    printed: list[str] = []
    writer = opened(tmp_path / "run", "auto", printed)
    assert writer is not None
    (line,) = printed
    assert "offline" in line
    assert "wandb sync" in line
    logger = Logger(None, [writer])
    for step in (64, 128):
        logger.record("train/loss", step / 256)
        logger.record("train/numpy", np.float32(step / 512))
        logger.record("secret", 1, exclude="wandb")
        logger.dump(step)
    writer.summarize({"evaluation": {"success": 0.75}})
    logger.close()

    read = records(tmp_path / "run")
    (run,) = (record["run"] for record in read if record["type"] == "run")
    assert run["config"]["update"]["ppo"] == {"gamma": 0.5}
    assert (run["project"], run["run_group"], run["display_name"]) == ("tests", "group", "run")
    metrics = [record["metric"] for record in read if record["type"] == "metric"]
    assert any(metric.get("glob_name") == "*" and metric["step_metric"] == "global_step" for metric in metrics)
    rows = [record["history"]["item"] for record in read if record["type"] == "history"]
    found = [(row["global_step"], row["train/loss"], row["train/numpy"]) for row in rows]
    assert found == [(64, 0.25, 0.125), (128, 0.5, 0.25)]
    assert not any("secret" in row for row in rows)
    summary = [record["summary"].get("update", {}) for record in read if record["type"] == "summary"]
    assert any("0.75" in json.dumps(update) for update in summary)
    assert read[-1]["type"] == "exit"


def test_what_goes_on_is_the_same_run(tmp_path: Path) -> None:
    first = opened(tmp_path / "run", "offline", [])
    assert first is not None
    Logger(None, [first]).close()
    time.sleep(1.0)  # it names folders by the second
    printed: list[str] = []
    second = opened(tmp_path / "run", "offline", printed, run_id=first.run.id)
    assert second is not None
    Logger(None, [second]).close()
    assert printed[0].endswith(f"wandb sync {tmp_path / 'run' / 'wandb' / 'offline-run-*'}")
    files = sorted(tmp_path.glob("run/wandb/offline-run-*/*.wandb"))
    begun, resumed = (next(each["run"] for each in records_of(file) if each["type"] == "run") for file in files)
    assert begun["run_id"] == resumed["run_id"] == first.run.id
    assert (begun.get("resume"), resumed["resume"]) == (None, True)  # which its upload heeds


def test_offline_run_holds_film_table_and_models(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    writer = opened(folder, "offline", [])
    assert writer is not None
    frames = [Image.new("RGB", (7, 5), color) for color in ("red", "green", "blue")]
    frames[0].save(folder / "film.gif", save_all=True, append_images=frames[1:])
    frames[0].save(folder / "horizon.png")
    for name in ("best", "latest"):
        (folder / f"{name}.zip").write_text(f"weights called {name}")
    writer.show("evaluation/film", folder / "film.gif", 7)
    writer.show("evaluation/horizon", folder / "horizon.png", 7)
    writer.tabulate(
        "evaluation/certificate", [{"done": "wiped", "success": 0.5}, {"done": "intact", "success": None}], 7
    )
    writer.tabulate("one_row", [{"done": "wiped"}], 7)
    for name in ("best", "latest"):
        writer.keep_model([folder / f"{name}.zip"], name)
    writer.close()

    read = records(folder)
    rows = [record["history"]["item"] for record in read if record["type"] == "history"]
    assert {row["global_step"] for row in rows} == {7}
    (files,) = folder.glob("wandb/offline-run-*/files")
    film, horizon, table = (
        files / next(row[f"evaluation/{name}.path"] for row in rows if f"evaluation/{name}.path" in row)
        for name in ("film", "horizon", "certificate")
    )
    assert film.read_bytes() == (folder / "film.gif").read_bytes()
    assert Image.open(horizon).size == (7, 5)
    content = json.loads(table.read_text())
    assert (content["columns"], content["data"]) == (["done", "success"], [["wiped", 0.5], ["intact", None]])
    models = [record["artifact"] for record in read if record["type"] == "artifact"]
    models = [model for model in models if model["type"] == "model"]
    # Weights & Biases calls every new version `latest`, too, until there is a newer one.
    assert [set(model["aliases"]) for model in models] == [{"best", "latest"}, {"latest"}]
    for model, name in zip(models, ("best", "latest"), strict=True):
        (entry,) = model["manifest"]["contents"]
        copy = Path(entry["local_path"])
        assert entry["path"] == f"{name}.zip"
        assert copy.read_text() == f"weights called {name}"
        assert copy.is_relative_to(folder.resolve())


def test_disabled_writes_nothing(tmp_path: Path) -> None:
    printed: list[str] = []
    assert opened(tmp_path / "run", "disabled", printed) is None
    assert printed == []
    assert list((tmp_path / "run").iterdir()) == []


def test_environment_decides_for_auto_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert opened(tmp_path / "run", "auto", []) is None
    writer = opened(tmp_path / "run", "offline", [])
    assert writer is not None
    writer.close()


@pytest.mark.parametrize("where", ["environment", "netrc"])
def test_server_that_does_not_answer_is_one_line_and_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    key = "0123456789" * 4  # shaped like a key, and none
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    if where == "environment":
        monkeypatch.setenv("WANDB_API_KEY", key)
    else:
        (tmp_path / "netrc").write_text(f"machine 127.0.0.1\n  login user\n  password {key}\n")
        (tmp_path / "netrc").chmod(0o600)
    printed: list[str] = []
    writer = opened(tmp_path / "run", "auto", printed, timeout=1.0)
    assert writer is not None
    writer.write({"a": 1.0}, {"a": ()}, 3)
    writer.close()
    (line,) = printed
    assert "\n" not in line
    assert "online does not work" in line
    assert "offline" in line
    assert list((tmp_path / "run").glob("wandb/offline-run-*/*.wandb"))


def test_settings_that_are_wrong_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "bogus")
    printed: list[str] = []
    assert opened(tmp_path / "run", "auto", printed) is None
    (line,) = printed
    assert "\n" not in line
    assert "bogus" in line


REFUSED = {
    "WANDB_PROJECT": "my/proj",
    "WANDB_RUN_GROUP": "g" * 200,
    "WANDB_TAGS": "t" * 90,
    "WANDB_RUN_ID": "my/run",
    "WANDB_ENTITY": "",
}


@pytest.mark.parametrize(("name", "value"), REFUSED.items())
@pytest.mark.parametrize("mode", ["auto", "offline", "online"])
def test_a_setting_that_is_refused_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, mode: Mode
) -> None:
    monkeypatch.setenv(name, value)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    printed: list[str] = []
    writer = opened(tmp_path / "run", mode, printed, timeout=1.0, filed=False)
    (line,) = printed
    assert "\n" not in line
    if writer is None:
        assert line.startswith("Weights & Biases: not used, for ")
    else:
        assert "offline" in line
        writer.close()


@pytest.mark.parametrize("value", ["true", "1"])
def test_disabled_by_its_old_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("WANDB_DISABLED", value)
    assert opened(tmp_path / "run", "auto", []) is None
    writer = opened(tmp_path / "run", "offline", [])  # what is typed is heeded
    assert writer is not None
    writer.close()


def test_what_fails_later_is_one_line_and_the_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[str] = []
    writer = opened(tmp_path / "run", "offline", printed)
    assert writer is not None
    finish = writer.run.finish

    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise wandb.errors.CommError("the service\nis gone")

    monkeypatch.setattr(writer, "run", Broken())
    logger = Logger(None, [writer])
    for step in (1, 2):
        logger.record("a", 1.0)
        logger.dump(step)
    writer.summarize({"a": 1})
    writer.tabulate("a", [{"b": 1}], 3)
    writer.show("film", tmp_path / "film.gif", 3)
    writer.keep_model([tmp_path / "best.zip"], "best")
    writer.close()
    finish()
    assert printed[1:] == ["Weights & Biases: not used from here on (the service is gone)"]


@pytest.mark.parametrize("filed", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_the_users_own_settings_win_over_defaults_and_not_over_what_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool, filed: bool
) -> None:
    if own:
        for name, value in (("PROJECT", "mine"), ("RUN_GROUP", "ours"), ("TAGS", "a,b"), ("NAME", "first")):
            monkeypatch.setenv(f"WANDB_{name}", value)
    writer = opened(tmp_path / "run", "offline", [], filed=filed)
    assert writer is not None
    run = writer.run
    expected: tuple[object, ...] = ("tests", "group", ("tag",))
    if not filed:
        expected = ("mine", "ours", ("a", "b")) if own else ("engram", "room-episodic", ())
    assert (run.project, run.group, tuple(run.tags or ())) == expected
    assert run.name == ("first" if own else "run")
    writer.close()


@pytest.mark.parametrize("word", ["dryrun", "offline"])
def test_offline_by_its_old_name_is_offline_though_a_key_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    monkeypatch.setenv("WANDB_MODE", word)
    writer = opened(tmp_path / "run", "auto", [])
    assert writer is not None
    assert writer.run.offline
    writer.close()


@pytest.mark.parametrize("word", ["offline", "disabled"])
def test_what_wandb_offline_has_written_is_heeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "settings").write_text(f"[default]\nmode = {word}\n")
    printed: list[str] = []
    writer = opened(tmp_path / "run", "auto", printed)
    assert (writer is None) == (word == "disabled")
    if writer is not None:
        assert writer.run.offline
        writer.close()
