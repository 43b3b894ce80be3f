"""Several processes that train one agent: all learn the same, from the envs of all of them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from in_two_processes import CASES, OF_ONE_UPDATE, RANKS, agent
from small import STEPS_OF_A_ROLLOUT
from staggered import ROWS

from engram.agents.carried import learned, set_learned
from engram.agents.learning.losses import normalized
from engram.agents.learning.numbers import numbers_now
from engram.agents.learning.update import update
from engram.agents.ranks import RankLost, Ranks
from engram.memory import tree_map

SCRIPT = Path(__file__).with_name("in_two_processes.py")


def environ(rank, port):
    """The variables that torchrun sets."""
    path = os.pathsep.join([str(SCRIPT.parents[2]), str(SCRIPT.parent)])
    to_meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "RANK": rank, "WORLD_SIZE": RANKS}
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **{key: str(of) for key, of in to_meet.items()}}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What two processes have that trained together."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = [subprocess.Popen([sys.executable, str(SCRIPT), str(folder)], env=environ(rank, port)) for rank in (0, 1)]
    assert [process.wait(400) for process in started] == [0, 0]
    return [torch.load(folder / f"rank{rank}.pt", weights_only=False) for rank in range(RANKS)]


def leaves(tree):
    """All numbers in a tree, by their places."""
    if isinstance(tree, dict):
        return [(f"{key}.{place}", leaf) for key, of in tree.items() for place, leaf in leaves(of)]
    if isinstance(tree, list | tuple):
        return [(f"{number}.{place}", leaf) for number, of in enumerate(tree) for place, leaf in leaves(of)]
    return [("", tree.tolist() if hasattr(tree, "tolist") else tree)]


@pytest.mark.parametrize("case", CASES)
def test_all_that_is_learned_is_the_same_bit_for_bit(case, both):
    (shared, own, _), (of_second, own_of_second, _) = (found[case] for found, _ in both)
    assert leaves(shared) == leaves(of_second)
    assert shared["counters"]["num_timesteps"] == 3 * STEPS_OF_A_ROLLOUT * RANKS
    assert leaves(own) != leaves(own_of_second), "both played the same"


def test_two_processes_learn_what_one_with_all_the_envs_does(both):
    (before, chunks, after), (_, of_second, _) = (update for _, update in both)
    model = agent(0, ROWS * RANKS, batch_size=RANKS * len(chunks.rewards) * ROWS, **OF_ONE_UPDATE)
    set_learned(model, before)
    merged = model.chunks
    merged.steps = tree_map(lambda *rows: torch.cat(rows, dim=1), chunks.steps, of_second.steps)
    pairs = zip(chunks.states, of_second.states, strict=True)
    merged.states = [tree_map(lambda *rows: torch.cat(rows), *pair) for pair in pairs]
    names = ("advantages", "returns", "rewards")
    merged.set_targets(*(torch.cat([getattr(each, name) for each in (chunks, of_second)], dim=1) for name in names))
    update(model.policy, merged, numbers_now(vars(model), 1.0))
    alone = learned(model)
    for part in ("weights", "optimizer"):  # which keeps the gradients, whatever steps it makes of them
        pairs = zip(leaves(alone[part]), leaves(after[part]), strict=True)
        for (place, one), (_, other) in ((one, other) for one, other in pairs if one[1] is not None):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6, err_msg=f"{part}.{place}")
    assert leaves(alone["weights"]) != leaves(before["weights"])


def test_the_episodes_of_all_processes_are_told(both):
    episodes = both[0][0]["memory none"][0]["episodes"]["ep_info_buffer"]
    assert {int(episode["l"]) for episode in episodes} >= {4, 7, 5, 10}  # lengths of several rows
    assert len(episodes) > 20


class Both(Ranks):
    """Stands for two processes that have the same."""

    def __init__(self):
        super().__init__(0, 2)

    def total(self, values):
        return 2 * values


def test_the_envs_of_another_process_begin_with_seeds_that_follow():
    model = agent(0, ROWS, seed=11)
    assert model.env._seeds == [11, 12, 13]
    second = Both()
    second.index, second.take_from_first = 1, lambda module: None
    model.join(second)
    assert model.env._seeds == [14, 15, 16]


def test_advantages_are_normalized_over_all_processes():
    advantages = torch.randn(7, 5, generator=torch.Generator().manual_seed(3)) * 3 + 2
    twice = torch.cat([advantages, advantages])
    torch.testing.assert_close(normalized(advantages, Both()), normalized(twice)[:7])


def updated(ranks, **changed):
    """The KL divergences of the minibatches of an update, and how many passes were completed."""
    model = agent(0, ROWS)
    _, callback = model._setup_learn(1000)
    model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)
    losses, completed = update(model.policy, model.chunks, numbers_now(vars(model), 1.0)._replace(**changed), ranks)
    return [ranks.total(loss.approx_kl).item() for loss in losses], completed


def test_the_kl_divergence_that_ends_an_update_is_that_of_all_processes():
    (first, second, *more), completed = updated(Ranks(), batch_size=15, target_kl=None)
    assert (first, len(more), completed) == (0.0, 2, 2)
    two = updated(Both(), batch_size=30, target_kl=second * 0.75 / 1.5)  # half of it would not be too much
    assert two == ([first, pytest.approx(second, rel=1e-2)], 0)


def test_alone_nothing_is_exchanged():
    alone, rows = Ranks(), torch.arange(12.0).view(2, 3, 2)
    assert alone.total(rows) is rows
    assert alone.rows_of_all(rows) is rows
    assert alone.own_rows(rows) is rows
    assert alone.told("something") == alone.told_to_first("something") == ["something"]
    assert (alone.largest(3.0), alone.share(7), alone.all_agree(False)) == (3.0, 1.0, False)


def test_processes_that_cannot_meet_say_so_in_a_line(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RankLost, match=r"^the processes of this training cannot meet: .*RANK"):
        Ranks.join()
