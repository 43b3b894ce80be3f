"""Players of the T-Maze."""

import numpy as np

from benchmarks.players.episode import Env, Played
from engram.envs.tasks.tmaze.env import BACK, DOWN, FORWARD, UP


def oracle(env: Env) -> Played:
    """Remember the cue and nothing else; in the active maze walk back until it shows."""
    observation, _ = env.reset()
    cue, steps = 0, 0
    while True:
        if observation[:2].any():
            cue = UP if observation[0] else DOWN
        forward = cue or not env.get_wrapper_attr("offset")
        action = cue if observation[3] else FORWARD if forward else BACK
        observation, _, terminated, truncated, info = env.step(action)
        steps += 1
        if terminated or truncated:
            return Played(info["is_success"], steps, info["layout"])


def blind(env: Env, rng: np.random.Generator) -> Played:
    """Walk straight to the junction and guess."""
    observation, _ = env.reset()
    steps = 0
    while True:
        action = int(rng.choice((UP, DOWN))) if observation[3] else FORWARD
        observation, _, terminated, truncated, info = env.step(action)
        steps += 1
        if terminated or truncated:
            return Played(info["is_success"], steps, info["layout"])
