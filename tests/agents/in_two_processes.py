"""Trains small agents in several processes at once, and leaves what each of them has; run by `test_ranks.py`."""

import sys
from pathlib import Path

import torch
from gymnasium import spaces
from small import STEPS_OF_A_ROLLOUT, controller_sizes, small
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv
from staggered import ROWS, Staggered

from engram.agents.carried import learned
from engram.agents.exploration.registry import BONUSES
from engram.agents.learning.numbers import numbers_now
from engram.agents.learning.update import update
from engram.agents.ranks import Ranks
from engram.memory import CONTROLLERS, MEMORIES

RANKS = 2
SIZES = {"episodic": {"slots": 4, "heads": 2}}
EXTRAS = {
    "normalized": {"encoder_kwargs": {"normalize": True}, "of": "vector"},
    "recall": {"recall_coef": 0.3},
    "stopped early": {"target_kl": 5e-5},
    "the same envs": {"first": 0},
    "no seed": {"seed": None},
}
OF_ONE_UPDATE = {"n_epochs": 1, "bonus": "rnd", "max_grad_norm": float("inf")}
CASES = {
    **{f"memory {name}": {"memory": name} for name in MEMORIES},
    **{f"controller {name}": {"controller": name} for name in CONTROLLERS},
    **{f"bonus {name}": {"bonus": name} for name in BONUSES},
    **EXTRAS,
}


def agent(first, rows, **made_of):
    """An agent for some rows of the staggered envs."""
    place = spaces.Discrete(3)
    place.tells_place = True
    space = spaces.Dict({"place": place, "seen": spaces.Discrete(2)})
    given = {} if made_of.pop("of", None) else {"observation_space": space}
    env = DummyVecEnv([lambda row=row: Monitor(Staggered(row, **given)) for row in range(first, first + rows)])
    controller = made_of.pop("controller", "lstm")
    kwargs = {"memory_kwargs": SIZES.get(made_of.get("memory", "episodic"), {}), "novelty_coef": 0.3, **made_of}
    model = small(env, controller=controller, controller_kwargs=controller_sizes(controller), **kwargs)
    model.set_logger(Logger(None, []))
    return model


def trained(ranks, made_of):
    """What an agent has after three rollouts: shared first, then its own."""
    model = agent(**{"first": ranks.index * ROWS, "rows": ROWS, **made_of})
    model.join(ranks)
    model.learn(3 * STEPS_OF_A_ROLLOUT * ranks.count)
    own = {"actions": model.chunks.steps.actions, "last": model._last_obs}
    return learned(model), own, dict(model.logger.name_to_value)


def one_update(ranks):
    """A rollout, what is learned from it in one minibatch, and from which weights."""
    model = agent(ranks.index * ROWS, ROWS, batch_size=STEPS_OF_A_ROLLOUT * ranks.count, **OF_ONE_UPDATE)
    model.join(ranks)
    _, callback = model._setup_learn(1000)
    model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)
    before = learned(model)
    update(model.policy, model.chunks, numbers_now(vars(model), 1.0), ranks)
    return before, model.chunks, learned(model)


if __name__ == "__main__":
    together = Ranks.join()
    found = {name: trained(together, made_of) for name, made_of in CASES.items()}
    torch.save((found, one_update(together)), Path(sys.argv[1]) / f"rank{together.index}.pt")
