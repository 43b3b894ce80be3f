"""Trains sb3-contrib's RecurrentPPO on the same envs as train.py, and evaluates it on the same held-out layouts.

    python -m benchmarks.baselines.recurrent_ppo --env MiniGrid-MemoryS9-v0 --steps 1500000 --seed 0

Writes `progress.csv` (training) and `evaluation.json` (test side) to a folder of its own. Observations are one-hot, as
suits its flat policy. Needs `pip install -e '.[baselines]'`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from engram.envs import make_vec_env
from engram.evidence.statistics import wilson_interval


class OneHot(VecEnvWrapper):
    """Shows a MiniGrid symbol image as one flat vector of ones and zeros."""

    def __init__(self, venv: VecEnv) -> None:
        images = venv.observation_space
        assert isinstance(images, gym.spaces.Box)
        highest = images.high.reshape(-1, images.shape[-1]).max(0).astype(int)
        self._eyes = [np.eye(size + 1, dtype=np.float32) for size in highest]
        cells = int(np.prod(images.shape[:-1]))
        space = gym.spaces.Box(0.0, 1.0, (cells * int((highest + 1).sum()),), np.float32)
        super().__init__(venv, observation_space=space)

    def _encode(self, images: Any) -> NDArray[np.float32]:
        channels = [eye[images[..., channel]] for channel, eye in enumerate(self._eyes)]
        return np.concatenate(channels, axis=-1).reshape(len(images), -1)

    def reset(self) -> Any:
        return self._encode(self.venv.reset())

    def step_wait(self) -> Any:
        images, rewards, dones, infos = self.venv.step_wait()
        for info in infos:
            if "terminal_observation" in info:
                info["terminal_observation"] = self._encode(info["terminal_observation"][None])[0]
        return self._encode(images), rewards, dones, infos


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="MiniGrid-MemoryS9-v0", help="a MiniGrid id (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=1_500_000, help="environment steps (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--episodes", type=int, default=200, help="of the evaluation (default: %(default)s)")
    parser.add_argument("--n-envs", type=int, default=64, help="default: %(default)s")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="default: %(default)s")
    parser.add_argument("--gamma", type=float, default=0.98, help="default: %(default)s")
    parser.add_argument("--batch-size", type=int, default=256, help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("runs/recurrent_ppo"), help="default: %(default)s")
    options = parser.parse_args()
    torch.set_num_threads(1)

    def envs(split: Any, n_envs: int, seed: int) -> VecEnv:
        return OneHot(make_vec_env(options.env, n_envs=n_envs, seed=seed, split=split, view_size=3))

    folder = options.out / f"{options.env}-seed{options.seed}"
    model = RecurrentPPO(
        "MlpLstmPolicy",
        envs("train", options.n_envs, options.seed),
        learning_rate=options.learning_rate,
        n_steps=64,
        batch_size=options.batch_size,
        n_epochs=4,
        gamma=options.gamma,
        ent_coef=0.01,
        policy_kwargs={"lstm_hidden_size": 64, "net_arch": [64], "shared_lstm": True, "enable_critic_lstm": False},
        stats_window_size=1000,
        seed=options.seed,
        device="cpu",
    )
    model.set_logger(configure(str(folder), ["csv"]))
    model.learn(options.steps, log_interval=10)
    model.save(folder / "model")

    test = envs("test", 50, 1_000_000_000)
    result: dict[str, Any] = {"env": options.env, "steps": options.steps, "seed": options.seed, "split": "test"}
    for name, deterministic in (("deterministic", True), ("sampled", False)):
        successes: list[bool] = []

        def note(names: dict[str, Any], _: dict[str, Any], successes: list[bool] = successes) -> None:
            if names["done"]:
                successes.append(bool(names["info"]["is_success"]))

        evaluate_policy(model, test, options.episodes, deterministic=deterministic, callback=note)
        low, high = wilson_interval(sum(successes), len(successes))
        result[name] = {"success": float(np.mean(successes)), "low": low, "high": high, "episodes": len(successes)}
    (folder / "evaluation.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
