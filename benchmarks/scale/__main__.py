"""Plays a trained agent in its task with other arguments, and with more slots: they are no weights.

    python -m benchmarks.scale RUN --slots 1000000 --kwargs cues=100000 queries=1000 --episodes 1
    python -m benchmarks.scale RUN --slots 1000000 --kwargs 'delay=[100000,100000]' --episodes 20 --n-envs 20

Adds what it has found to RUN/scale.json: the share of episodes that succeeded (in sequence tasks also the share of
right answers), their lengths, seconds, and peak memory.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.arguments import count, make_parser, seed
from engram.configs import CannotRun
from engram.envs.split.balanced_episodes import balanced_seeds
from engram.envs.tasks.sequences.sequence_task import SequenceTask
from engram.evidence.evaluation.run import PlannedCondition, play
from engram.evidence.runs.open import TEST_SEED, open_envs, open_run
from engram.evidence.runs.result_files import made_by
from engram.evidence.runs.settings import Condition, Setting
from engram.memory.episodic.memory import EpisodicMemory
from engram.tracking.atomic import write_text

TELL_EVERY = 30.0
"""Seconds between lines of progress."""


def main() -> int:
    """Run the command line; return the exit code."""
    parser = make_parser("benchmarks.scale", __doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run of train.py")
    parser.add_argument("--slots", type=count, help="of the memory (default: as trained)")
    parser.add_argument("--kwargs", nargs="+", default=[], metavar="KEY=VALUE", help="arguments of the task, as YAML")
    parser.add_argument("--episodes", type=count, default=1, help="(default: %(default)s)")
    parser.add_argument("--n-envs", type=count, default=1, help="that play side by side (default: %(default)s)")
    parser.add_argument("--seed", type=seed, default=TEST_SEED, help="of the episodes (default: %(default)s)")
    parser.add_argument("--checkpoint", choices=("best", "latest"), help="which weights (default: best)")
    options = parser.parse_args()
    try:
        found = measure(**vars(options))
    except (CannotRun, ValueError) as error:
        parser.error(" ".join(str(error).split()))
    path = options.run / "scale.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    write_text(path, json.dumps([*before, found], indent=1) + "\n")
    print(json.dumps(found, indent=1))
    return 0


def measure(
    run: Path,
    slots: int | None,
    kwargs: list[str],
    episodes: int,
    n_envs: int,
    seed: int,
    checkpoint: str | None,
) -> dict[str, Any]:
    """Play, and return what was found.

    Args:
        run: the run folder.
        slots: of the memory, or None for as many as in training.
        kwargs: arguments of the task, KEY=VALUE each; those of the training for the rest.
        episodes: at least so many, rounded up to a multiple of `n_envs`.
        n_envs: that play side by side.
        seed: of the episodes.
        checkpoint: "best", "latest" or None.

    Raises:
        CannotRun: if the run cannot be opened.
        ValueError: if the task refuses an argument, or the memory has no slots.
    """
    _, config, model, name = open_run(run, checkpoint, "cpu")
    memory = model.policy.core.memory
    if slots is not None:
        if not isinstance(memory, EpisodicMemory):
            raise ValueError(f"--slots: a {type(memory).__name__} has none that could be more")
        memory.slots = slots
    arguments = {**config.env.kwargs, **dict(map(parsed, kwargs))}
    (env,) = open_envs(config, [Setting("scale", config.env.id, False, arguments)], episodes, model, n_envs, seed=seed)
    is_sequence = isinstance(env.get_attr("unwrapped")[0], SequenceTask)
    tell = Progress()
    begin, cpu = time.perf_counter(), time.process_time()
    planned = PlannedCondition(Condition("scale"), env, episodes)
    played, score = play(model, planned, balanced_seeds(env, episodes, seed), seed=seed, watch=tell)
    cpu_seconds = time.process_time() - cpu
    env.close()
    return {
        "slots": getattr(memory, "slots", None),
        "kwargs": arguments,
        "episodes": score.episodes,
        "success": score.success,
        # A right answer of n gains 1/n, and a wrong one loses that.
        "right_answers": (1 + score.mean_return) / 2 if is_sequence else None,
        "mean_return": score.mean_return,
        "mean_length": score.mean_length,
        "shortest": int(played.length.min()),
        "seconds": round(time.perf_counter() - begin, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "cpu_ms_per_step_of_all_envs": round(1e3 * cpu_seconds / tell.steps, 3),
        "peak_gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "checkpoint": name,
        "checkpoint_timesteps": model.num_timesteps,
        "seed": seed,
        **made_by(),
    }


def parsed(pair: str) -> tuple[str, Any]:
    """Return key and value of KEY=VALUE.

    Raises:
        ValueError: if it is not of this form.
    """
    key, equals, value = pair.partition("=")
    if not equals:
        raise ValueError(f"--kwargs {pair}: must be KEY=VALUE, such as cues=100 or delay=[5,9]")
    return key, yaml.safe_load(value)


class Progress:
    """Counts steps, and prints a line now and then."""

    def __init__(self) -> None:
        self.steps = 0
        self._told, self._cpu, self._last = time.perf_counter(), time.process_time(), 0

    def __call__(self, *_: Any) -> None:
        self.steps += 1
        if time.perf_counter() - self._told < TELL_EVERY:
            return
        cpu = time.process_time()
        each = 1e3 * (cpu - self._cpu) / (self.steps - self._last)
        print(f"{self.steps:,} steps; the last {self.steps - self._last:,} took {each:.2f} ms each", file=sys.stderr)
        self._told, self._cpu, self._last = time.perf_counter(), cpu, self.steps


if __name__ == "__main__":
    sys.exit(main())
