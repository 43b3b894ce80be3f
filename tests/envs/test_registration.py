"""What holds for every task that is registered: a new one is tested by being registered."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check
from stable_baselines3.common.env_checker import check_env as sb3_check

from envs import make_env

IDS = [env_id for env_id in gym.registry if env_id.startswith("Engram-")]
ROOT = Path(__file__).parents[2]
DIGESTS = """
import sys
import test_registration
for env_id in test_registration.IDS:
    print(env_id, test_registration.digest(env_id))
"""


def digest(env_id):
    """Hash what a random player meets in a few episodes."""
    env = make_env(env_id, split="train")
    found = hashlib.sha256()
    for episode in range(1 if "S51" in env_id else 3):
        observation, info = env.reset(seed=5 if episode == 0 else None)
        env.action_space.seed(7)
        for _ in range(40):
            found.update(np.ascontiguousarray(observation).tobytes())
            observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
            found.update(np.float64(reward).tobytes() + info.get("layout", "").encode())
            if terminated or truncated:
                break
    return found.hexdigest()


@pytest.mark.parametrize("env_id", IDS)
def test_the_checkers_accept_it(env_id):
    gymnasium_check(gym.make(env_id).unwrapped, skip_render_check=True)
    sb3_check(make_env(env_id))


@pytest.mark.parametrize("env_id", IDS)
def test_the_checkers_accept_it_split(env_id):
    sb3_check(make_env(env_id, split="test"))


def test_same_seed_same_episodes_in_another_process():
    environ = {**os.environ, "PYTHONHASHSEED": "23", "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"}
    there = subprocess.run([sys.executable, "-c", DIGESTS], env=environ, capture_output=True, text=True, check=True)
    here = "".join(f"{env_id} {digest(env_id)}\n" for env_id in IDS)
    assert there.stdout == here


@pytest.mark.parametrize("env_id", IDS)
def test_its_docstring_says_what_players_without_learning_get(env_id):
    bare = gym.make(env_id).unwrapped
    texts = [type(bare).__doc__ or "", sys.modules[type(bare).__module__].__doc__ or ""]
    if "Position" in env_id:
        return  # Gymnasium's own task behind a wrapper, which docs/tasks.md tells of
    assert any("oracle" in text and "random player" in text for text in texts), texts


@pytest.mark.parametrize("env_id", IDS)
def test_the_page_of_tasks_names_it(env_id):
    assert f"`{env_id}`" in (ROOT / "docs" / "tasks.md").read_text()
