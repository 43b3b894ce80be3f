"""Goes on training an agent that binds few pairs, with more and more of them.

    python train.py env=binding experiment=binding_sparse name=few
    python -m benchmarks.scale.binding RUN many --cues 16 32 64 128 256
    python -m benchmarks.scale many --slots 1000000 --kwargs cues=100000 queries=1000

At first every event is as good as another to the agent, and of very many the right one is not among the few that it
reads. What has learned to look for one of eight finds one of thousands, the sooner the more it has been trained with.

Writes a folder like that of a run of train.py, with the last weights and a line for each stage.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.arguments import count, make_parser, positive, seed
from engram.agents import MemoryPPO
from engram.agents.evaluation.episodes import evaluate
from engram.configs import CannotRun
from engram.envs import make_vec_env
from engram.evidence.runs.identity import run_digest
from engram.evidence.runs.open import open_run
from engram.evidence.runs.result_files import made_by
from engram.tracking.atomic import write_text


def main() -> int:
    """Run the command line; return the exit code."""
    parser = make_parser("benchmarks.scale.binding", __doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run of train.py")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to be made")
    parser.add_argument("--cues", type=count, nargs="+", default=[16, 32, 64, 128, 256], help="of each stage")
    parser.add_argument("--steps", type=count, default=60_000, help="of each stage (default: %(default)s)")
    parser.add_argument("--learning-rate", type=positive, default=5e-4, help="(default: %(default)s)")
    parser.add_argument("--seed", type=seed, default=0, help="(default: %(default)s)")
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"{options.out}: is there already")
    try:
        _, config, model, name = open_run(options.run, None, "cpu")
    except CannotRun as error:
        parser.error(str(error))
    options.out.mkdir(parents=True)
    config_file = yaml.safe_load((options.run / "config.yaml").read_text(encoding="utf-8"))
    weights = options.run / f"{name}.zip"
    for number, cues in enumerate(options.cues):
        begin = time.process_time()
        kwargs: dict[str, Any] = {**config.env.kwargs, "cues": cues, "queries": None}
        arguments: dict[str, Any] = {"env_id": config.env.id, "kwargs": kwargs}
        train = make_vec_env(**arguments, split="train", n_envs=config.env.n_envs, seed=options.seed + number)
        # Most steps of an episode have no reward: to normalize the advantages of a rollout without any is noise.
        model = MemoryPPO.load(
            weights,
            env=train,
            device="cpu",
            learning_rate=options.learning_rate,
            normalize_advantage=False,
            normalize_returns=True,
            seed=options.seed + number,
        )
        model.largest_return = 0.0  # among more pairs a right answer pays less; it is worth 1 in every stage
        torch.set_num_threads(1)
        model.policy.core.memory.slots = 2 * cues
        model.learn(options.steps)
        validation = make_vec_env(**arguments, split="validation", n_envs=20, seed=options.seed)
        right = (1 + evaluate(model, validation, 20).episode_return.mean()) / 2
        print(f"{cues} cues: {right:.1%} right after {time.process_time() - begin:.0f} s of CPU time", flush=True)
        weights = options.out / "latest.zip"
        config_file["env"]["kwargs"], config_file["memory"]["slots"] = kwargs, 2 * cues
        write_text(options.out / "config.yaml", yaml.safe_dump({**config_file}, sort_keys=False))
        model.of_run = run_digest(options.out / "config.yaml")
        model.save(weights)
        with (options.out / "stages.txt").open("a", encoding="utf-8") as file:
            file.write(f"{cues} cues, {options.steps} steps: {right:.4f} right; {made_by()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
