"""Draws the README's picture: one test-side episode of a run, beside learning curves.

python -m benchmarks.figures.readme RUN --curves runs/match-*/seed* --out docs/figures/readme.png
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from benchmarks.arguments import make_parser
from engram.agents import MemoryPPO
from engram.envs import make_env
from engram.evidence.report.learning_curves import read_curve, smoothed

Frame = NDArray[np.uint8]


def play(model: MemoryPPO, env: gym.Env[Any, Any], seed: int) -> tuple[list[Frame], list[bool], bool]:
    """Play one episode; return a picture of every step, whether it shows the cue, and the success."""
    observation, info = env.reset(seed=seed)
    frames, cues = [_frame(env)], [bool(info["cue_visible"])]
    state = None
    while True:
        action, state = model.predict(observation, state, None if state is None else np.zeros(1, bool), True)
        observation, _, terminated, truncated, info = env.step(action)
        frames.append(_frame(env))
        cues.append(bool(info["cue_visible"]))
        if terminated or truncated:
            return frames, cues, bool(info["is_success"])


def _frame(env: gym.Env[Any, Any]) -> Frame:
    frame = env.render()
    assert isinstance(frame, np.ndarray)
    return frame


def main() -> int:
    """Run the command line; return the exit code."""
    parser = make_parser("benchmarks.figures.readme", __doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run of the default experiment")
    parser.add_argument("--curves", type=Path, nargs="+", default=[], help="runs whose success is drawn")
    parser.add_argument("--env", default="Engram-RoomS11-v0", help="default: %(default)s")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    options = parser.parse_args()
    if not (options.run / "best.zip").is_file():
        print(f"readme: {options.run}: there is no best.zip; name a run folder", file=sys.stderr)
        return 2
    mpl.use("Agg")
    model = MemoryPPO.load(options.run / "best.zip", device="cpu")
    env = make_env(options.env, split="test", view_size=3, kwargs={"render_mode": "rgb_array"})
    # An episode that shows what the task asks: at first the cue is not in sight, then it is, then comes the choice.
    episodes = (play(model, env, seed) for seed in range(200))
    fitting = (e for e in episodes if e[2] and 15 <= len(e[0]) <= 40 and e[1].index(True) >= 5)
    frames, cues, _ = next(fitting, ([], [], False))
    if not frames:
        print("readme: in 200 episodes none was solved in 15 to 40 steps: name a run that has learned", file=sys.stderr)
        return 2
    moments = {"start": 0, "the cue": cues.index(True), "the choice": len(frames) - 2}

    figure = plt.figure(figsize=(11, 2.9), layout="constrained")
    axes = figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.7])
    for axis, (name, step) in zip(axes, moments.items(), strict=False):
        axis.imshow(frames[step])
        axis.set_title(f"{name} (step {step})", fontsize=9)
        axis.axis("off")
    groups: dict[str, list[Path]] = {}
    for run in options.curves:
        groups.setdefault(run.resolve().parent.name, []).append(run)
    for number, (name, runs) in enumerate(sorted(groups.items())):
        for index, run in enumerate(runs):
            steps, values = read_curve(run, "rollout/success_rate")
            label = name.split("-", 1)[-1].replace("-", ", ") if index == 0 else None
            axes[3].plot(steps / 1e6, smoothed(values, 10), color=f"C{number}", linewidth=1.6, label=label)
    axes[3].axhline(0.5, color="grey", linestyle=":", linewidth=1)
    axes[3].set(xlabel="million environment steps", ylabel="success", ylim=(0, 1))
    axes[3].grid(alpha=0.25)
    axes[3].legend(fontsize=8, frameon=False)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out, dpi=120)
    print(f"written to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
