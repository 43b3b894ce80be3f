"""Trains the default experiment, one iteration whenever it is asked; runs in checkouts old and new.

It imports nothing of the benchmarks: an older checkout has others, or none.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch


def main() -> None:
    """Answer every line of standard input by the speed of one iteration, in env steps per CPU second."""
    settings: dict[str, Any] = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    make_vec_env, agent = _imported("envs", "make_vec_env"), _imported("agents", "MemoryPPO")
    new_name = "useful_actions" in inspect.signature(make_vec_env).parameters
    env = make_vec_env(**settings["env"], **{"useful_actions" if new_name else "actions": settings["actions"]})
    model = agent("MemoryPolicy", env, **settings["agent"])
    for _ in sys.stdin:
        before, begin = model.num_timesteps, time.process_time()
        model.learn(model.n_steps * model.n_envs, reset_num_timesteps=False)
        speed = (model.num_timesteps - before) / (time.process_time() - begin)
        print(json.dumps({"speed": speed}), flush=True)


def _imported(package: str, name: str) -> Any:
    """Import a name of ours from the checkout, from before or after all packages moved under `engram`."""
    checkout = Path.cwd()
    moved = (checkout / "engram" / "__init__.py").is_file()
    module = importlib.import_module(f"engram.{package}" if moved else package)
    if not Path(str(module.__file__)).is_relative_to(checkout):
        raise ImportError(f"{module.__file__} is not of the checkout")
    return getattr(module, name)


if __name__ == "__main__":
    main()
