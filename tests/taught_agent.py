"""An agent that was taught to recall its cue in a T-Maze, and episodes of it explained."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from engram.agents import MemoryPPO
from engram.agents.evaluation.recording import Recording, record
from engram.envs.tasks.tmaze.env import DOWN, FORWARD, UP, TMaze
from engram.evidence.explanation.explain import explain
from engram.memory.episodic.slots import NOT_WRITTEN

DELAY = 6
SLOTS, HEADS = 11, 3
NAMES = TMaze.action_names
ABOUT: dict[str, Any] = {
    "title": "a title",
    "env": "Engram-TMaze-v0",
    "memory": "episodic",
    "controller": "lstm",
    "run": "runs/tmaze",
    "command": None,
    "checkpoint": "best.zip",
    "git_commit": None,
    "episode": 3,
    "seed": 1,
}


def maze(answer: int | None = None) -> VecEnv:
    """A T-Maze whose first episode has this answer."""
    env = DummyVecEnv([lambda: TMaze(delay=(DELAY, DELAY))])
    for seed in range(99):
        env.seed(seed)
        env.reset()
        if answer in (None, env.envs[0].unwrapped.episode().answer):
            env.seed(seed)
            return env
    raise AssertionError


def agent(memory: str = "episodic", controller: str = "feedforward") -> MemoryPPO:
    few: dict[str, Any] = {"slots": 5, "word_size": 4}
    sizes = {"episodic": {"slots": SLOTS, "heads": HEADS}, "ntm": few, "dnc": few}.get(memory, {})
    return MemoryPPO(
        "MemoryPolicy", maze(), memory=memory, memory_kwargs=sizes, controller=controller, seed=1, device="cpu"
    )


@functools.cache
def taught() -> MemoryPPO:
    """An agent without a controller's state that walks on, turns as the cue shows, and guesses if it has no cue."""
    model = agent()
    policy = model.policy
    actions = torch.tensor([[FORWARD] * DELAY + [answer] for answer in (UP, DOWN, UP, DOWN)]).t()
    seen = torch.zeros(DELAY + 1, 4, 4)
    seen[0, [0, 2], 0] = seen[0, [1, 3], 1] = 1
    seen[:DELAY, :, 2] = seen[DELAY, :, 3] = 1
    starts = torch.zeros(DELAY + 1, 4, dtype=torch.bool)
    starts[0] = True
    decisions = torch.arange(DELAY + 1).unsqueeze(1).repeat(1, 4)
    decisions[0, 2:] = NOT_WRITTEN
    optimizer = torch.optim.Adam(policy.parameters(), 1e-2)
    for _ in range(120):
        output = policy.evaluate_chunk(seen, actions, policy.initial_state(4), starts, decisions)
        loss = -output.log_probs[:, :2].mean() - output.log_probs[:, 2:].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < np.log(2) / (DELAY + 1) + 0.03
    return model


def explained(model: MemoryPPO, answer: int | None = None, most_steps: int = 99) -> tuple[Recording, dict[str, Any]]:
    recording = record(model.policy, maze(answer), most_steps)
    donors = {f"episode {number}": record(model.policy, maze(other), 99) for number, other in ((7, UP), (8, DOWN))}
    return recording, explain(model, recording, ABOUT, TMaze(delay=(3, 3)).channel_names, NAMES, donors)
