"""Tests the explanations: did the cue decide the choice, and does the choice follow what is in memory?

    python -m benchmarks.why_trace runs/tmaze-episodic-lstm/seed0-…
    python -m benchmarks.why_trace runs/room-episodic-lstm/seed0-… --episodes 300

Plays test-side episodes of a task that reports when the cue is in sight. First each is replayed with every event, and
every group of events that show the same, never stored, and with another in its place: which of them changes the
probability of the last action most?
Then the agent plays with the events that show the cue deleted, with as many others deleted, and with the other cue in
their place.
"""

from __future__ import annotations

import sys
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from stable_baselines3.common.vec_env import VecEnv

from benchmarks.arguments import count, make_parser, seed
from engram.agents import MemoryPPO
from engram.agents.evaluation.episodes import evaluate
from engram.agents.evaluation.event_interventions import CueDeleted, CueReplaced, OthersDeleted
from engram.agents.evaluation.intervention import Intervention
from engram.agents.evaluation.recording import Recording, record
from engram.agents.rollout.questions import other_cue
from engram.cli.terminal import stdout_console
from engram.configs import CannotRun
from engram.evidence.explanation.counterfactuals import Counterfactuals
from engram.evidence.explanation.edits import event_sets, replacements
from engram.evidence.explanation.run import DONORS, MOST_STEPS
from engram.evidence.runs.open import TEST_SEED, open_envs, open_run
from engram.evidence.runs.settings import trained_setting
from engram.evidence.statistics import wilson_interval
from engram.tracking.atomic import write_json


def share(flags: NDArray[np.bool_]) -> dict[str, Any]:
    """Return a rate with its 95 % Wilson interval."""
    low, high = wilson_interval(int(flags.sum()), len(flags))
    return {"rate": float(flags.mean()), "low": low, "high": high, "episodes": len(flags)}


def cue_matters_most(model: MemoryPPO, env: VecEnv, episodes: int, seed: int, console: Console) -> dict[str, Any]:
    """Measure in how many solved episodes the cue, deleted or replaced, had the largest effect on the last action."""
    hits, changes = [], []

    @lru_cache(maxsize=DONORS + 1)  # every episode lends events to those before it
    def played(number: int) -> Recording:
        env.seed(seed + number)
        return record(model.policy, env, MOST_STEPS, return_scale=model.return_scale)

    for number in track(range(episodes), "playing back", console=console, transient=True):
        recording = played(number)
        if not recording.success:
            continue
        donors = {str(other): played(other) for other in range(number + 1, number + 1 + DONORS)}
        groups = [steps for steps, _ in event_sets(recording)]
        instead = replacements(model.policy, recording, donors)
        last = Counterfactuals(model.policy, recording, groups, instead, lambda done, total: None).strength[:, -1]
        largest = int(last.argmax())
        hits.append(all(recording.steps[step].cue for step in groups[largest]))
        changes.append(last[largest])
    if not hits:
        raise ValueError(f"none of {episodes} episodes was solved: there is nothing to explain")
    return {**share(np.array(hits)), "mean_change": float(np.mean(changes))}


def plays(model: MemoryPPO, env: VecEnv, episodes: int, seed: int) -> dict[str, Any]:
    """Measure the success with events deleted or replaced, and how often that of the very same episode changes."""
    done: dict[str, Intervention] = {
        "intact": Intervention(model.policy, env.num_envs),
        "cue deleted": CueDeleted(model.policy, env.num_envs),
        "as many others deleted": OthersDeleted(model.policy, env.num_envs),
    }
    if env.has_attr("other_cue"):
        done["other cue in its place"] = CueReplaced(model.policy, env.num_envs, partial(other_cue, env))
    found: dict[str, Any] = {}
    intact = None
    for name, intervention in done.items():
        env.seed(seed)
        played = evaluate(model, env, episodes, intervention=intervention)
        intact = played.success if intact is None else intact
        found[name] = {"success": share(played.success), "changed": share(played.success != intact)}
    return found


def main() -> int:
    """Run the command line; return the exit code."""
    parser = make_parser("benchmarks.why_trace", __doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of an agent with the episodic memory")
    parser.add_argument("--episodes", type=count, default=200, help="default: %(default)s")
    parser.add_argument(
        "--played-back", type=count, default=100, help="episodes of the first part (default: %(default)s)"
    )
    parser.add_argument("--seed", type=seed, default=TEST_SEED, help="default: %(default)s")
    options = parser.parse_args()
    try:
        folder, config, model, _ = open_run(options.run, None, "cpu")
        setting = trained_setting(config.env)
        (single,) = open_envs(config, [setting], 1, model)
        (several,) = open_envs(config, [setting], options.episodes, model)
        if "cue_visible" not in several.unwrapped.reset_infos[0]:
            raise CannotRun(f"{setting.env_id}: it does not report when the cue is in sight")
        most = cue_matters_most(model, single, options.played_back, options.seed, Console(stderr=True))
        found = {"cue_has_largest_effect": most, "plays": plays(model, several, options.episodes, options.seed)}
    except (CannotRun, ValueError) as error:
        print(f"why_trace: {error}", file=sys.stderr)
        return 2
    write_json(folder.path / "why_trace.json", found)
    console = stdout_console()
    console.print(
        f"the cue has the largest effect on the last action in {most['rate']:.1%}"
        f" ({most['low']:.1%}-{most['high']:.1%}) of {most['episodes']} solved episodes;"
        f" mean size of the change of its probability {most['mean_change']:.2f}",
        highlight=False,
    )
    for name, scores in found["plays"].items():
        success, changed = scores["success"], scores["changed"]
        console.print(
            f"{name:24} success {success['rate']:6.1%} ({success['low']:.1%}-{success['high']:.1%}),"
            f" outcome changed in {changed['rate']:.1%}",
            highlight=False,
        )
    print(f"written to {folder.path / 'why_trace.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
