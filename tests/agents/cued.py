"""An env that shows and hides its cue by a script, and an intervention that is watched."""

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv
from staggered import agent

from engram.agents.evaluation.episodes import evaluate
from engram.agents.evaluation.intervention import Intervention
from engram.agents.evaluation.interventions import make_intervention
from engram.memory import tree_map
from engram.memory.state import leaves

# What each row sees of the cue in each of its episodes, over and over; the last is seen after the last step.
SCRIPTS = (("01000", "100110"), ("00110100", "10"), ("110000",))


class Cued(gym.Env):
    """Observes (row, episode, time, cue), the cue being 1 or 0; a step is rewarded with its action."""

    observation_space, action_space = spaces.Box(0, 1e6, (4,), np.float32), spaces.Box(-9, 9, (1,), np.float32)

    def __init__(self, row, scripts=SCRIPTS):
        self.row, self.scripts, self.episode = row, scripts[row], -1

    def observe(self):
        cue = int(self.scripts[self.episode % len(self.scripts)][self.time])
        return np.array([self.row, self.episode, self.time, cue], np.float32), {"cue_visible": bool(cue)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.time = self.episode + 1, 0
        return self.observe()

    def step(self, action):
        self.time += 1
        observation, info = self.observe()
        over = self.time == len(self.scripts[self.episode % len(self.scripts)]) - 1
        if over:
            info |= {"is_success": self.episode % 2 == 0, "layout": f"maze {self.row}"}
        return observation, float(action[0]), over, False, info


class CuedInDict(Cued):
    """Shows the same under one key of a Dict, and the time under another."""

    key = "image"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        parts = {self.key: Cued.observation_space, "clock": spaces.Box(0, 99, (1,), np.float32)}
        self.observation_space = spaces.Dict(parts)

    def observe(self):
        observation, info = super().observe()
        return {self.key: observation, "clock": observation[2:3]}, info


class WithoutCueInfo(Cued):
    """Does not report whether the cue is in sight."""

    def observe(self):
        return super().observe()[0], {}


def cued(scripts=SCRIPTS, env=Cued):
    return DummyVecEnv([lambda row=row: env(row, scripts) for row in range(len(scripts))])


class Watched(Intervention):
    """Does what another intervention does, and keeps what was done at each step of each row."""

    def __init__(self, inner):
        super().__init__(inner.policy, inner.n_envs)
        self.inner, self.needs_cue, self.steps = inner, inner.needs_cue, []
        self.time, self.episode = np.zeros(self.n_envs, int), np.full(self.n_envs, -1)

    def before(self, state, starts, cue):
        self.time, self.episode = np.where(starts, 0, self.time + 1), self.episode + starts
        acted = self.inner.before(state, starts, cue)
        self.steps.append([self.episode, self.time, state, acted, None])
        return acted

    def after(self, state, acted, after, step):
        kept = self.inner.after(state, acted, after, step)
        self.steps[-1][4] = kept
        return kept

    def of(self, row):
        """Yield of each step of a row its episode, its time, and memory: its own, acted from, carried on."""
        for episode, time, *states in self.steps:
            yield int(episode[row]), int(time[row]), *(row_of(state.core.memory, row) for state in states)


def row_of(tree, row):
    """One row of a tree whose leaves are [B, ...], as a batch of one."""
    return tree_map(lambda leaf: leaf[row].unsqueeze(0), tree)


def scripted(row, steps, scripts=SCRIPTS):
    """Episode, time and whether the cue is in sight of each step of a row."""
    found, episode = [], 0
    while len(found) < steps:
        script = scripts[row][episode % len(scripts[row])]
        found += [(episode, time, cue == "1") for time, cue in enumerate(script[:-1])]
        episode += 1
    return found[:steps]


def leaves_cue(row, steps, scripts=SCRIPTS):
    """The steps (episode, time) of a row that are the first after the cue was in sight, once in an episode."""
    found, seen, left = [], set(), set()
    for episode, time, cue in scripted(row, steps, scripts):
        if cue:
            seen.add(episode)
        elif episode in seen - left:
            left.add(episode)
            found.append((episode, time))
    return found


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(leaves(one), leaves(other), strict=True))


def stored(memory):
    """Observations (row, episode, time, cue) that one row's memory holds, in the order of its slots."""
    return memory.events.observation[memory.filled].int().tolist()


def play(name, scripts=SCRIPTS, n_episodes=12, seed=0, **kwargs):
    model = cued_agent(cued(scripts), **kwargs)
    watched = Watched(make_intervention(name, model.policy, len(scripts), seed))
    return watched, evaluate(model, cued(scripts), n_episodes, intervention=watched)


def cued_agent(env=None, **kwargs):
    # More slots than any episode has steps.
    sizes = {"slots": 23, "heads": 2, "key_size": 5, "value_size": 9, "step_embedding_size": 4}
    kwargs = {"controller": "feedforward", "memory_kwargs": sizes, **kwargs}
    return agent(env or cued(), **kwargs)
