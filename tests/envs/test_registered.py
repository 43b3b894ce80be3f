"""Ids are found as `gym.make` finds them, and those that are not are answered with their like."""

import sys
from pathlib import Path

import gymnasium as gym
import pytest

from engram.envs import make_env
from engram.envs.registered import full_id
from engram.envs.user_module import OUR_FOLDERS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def module(tmp_path, monkeypatch):
    code = "import gymnasium as gym\nfor version in (0, 3, 11):\n"
    code += "    gym.register(f'Own/Corridor-v{version}', entry_point='engram.envs.tasks.tmaze.env:TMaze')\n"
    (tmp_path / "own_corridors.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield "own_corridors"
    sys.modules.pop("own_corridors", None)
    for version in (0, 3, 11):
        gym.registry.pop(f"Own/Corridor-v{version}", None)


def test_an_id_may_name_its_module(module):
    assert make_env(f"{module}:Own/Corridor-v3").spec.id == "Own/Corridor-v3"
    assert make_env("Own/Corridor-v0", module=module).spec.id == "Own/Corridor-v0"


@pytest.mark.parametrize("folder", OUR_FOLDERS)
def test_a_module_that_is_called_as_a_folder_of_the_checkout_is_not_taken_for_it(folder, tmp_path, monkeypatch):
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    for name in (folder, f"{folder}.mine"):
        with pytest.raises(ValueError, match=f"it is Engram's own; give yours another name, such as my_{folder}$"):
            full_id("My-v0", name)
    # Where the checkout is not on the path, as with a wheel, it is found.
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, folder, raising=False)
    with pytest.raises(ValueError, match="SystemExit: imported"):
        full_id("My-v0", folder)


def test_the_folders_are_those_of_the_checkout():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"engram", "tests", "build"}
    assert set(OUR_FOLDERS) == packages


def test_without_a_version_the_latest_is_taken(module):
    assert full_id(f"{module}:Own/Corridor") == "Own/Corridor-v11"
    assert full_id("Own/Corridor") == "Own/Corridor-v11"
    assert full_id("CartPole") == "CartPole-v1"


@pytest.mark.parametrize(
    ("env_id", "module", "hint"),
    [
        ("Engram-Room-v0", None, "did you mean Engram-RoomS"),
        ("CartPole-v7", None, "did you mean CartPole-v"),
        ("popgym-NoSuchTask-v0", None, "the module that registers such ids is 'popgym'"),
        ("ALE/Pong-v5", None, "the module that registers such ids is 'ale_py'"),
        ("Zzz-v0", "json", "json registers no such id$"),
        ("json:Zzz-v0", None, "json registers no such id$"),
        ("not an id!", None, "if it is of a package, name the module that registers it in module=$"),
    ],
)
def test_what_does_not_exist_is_answered_with_what_is_like_it(env_id, module, hint):
    with pytest.raises(ValueError, match=hint) as error:
        full_id(env_id, module)
    assert "\n" not in str(error.value)
