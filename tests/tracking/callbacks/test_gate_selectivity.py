"""The mean write gate on steps that show the cue and elsewhere, counted by hand."""

from types import SimpleNamespace

import pytest
import torch

from engram.tracking.callbacks import GateSelectivity


class Rollout:
    """Stands in for a training of two envs: what the callback is given, and what it records."""

    def __init__(self, *reset_infos):
        self.env = SimpleNamespace(reset_infos=list(reset_infos), num_envs=len(reset_infos))
        self.recorded = {}
        self.callback = GateSelectivity()
        logger = SimpleNamespace(record=self.recorded.__setitem__)
        self.callback.model = SimpleNamespace(get_env=lambda: self.env, logger=logger)
        self.callback._on_training_start()
        self.callback._on_rollout_start()

    def step(self, gates, infos, dones=(False, False)):
        trace = {} if gates is None else {"gate": torch.tensor(gates)}
        self.callback.locals = {"trace": trace, "infos": list(infos), "dones": list(dones)}
        self.callback._on_step()

    def end(self):
        self.callback._on_rollout_end()
        return self.recorded


SEEN, UNSEEN = {"cue_visible": True}, {"cue_visible": False}


def test_a_gate_counts_for_what_was_in_sight_before_the_step():
    rollout = Rollout(SEEN, UNSEEN)
    rollout.step([0.9, 0.2], [UNSEEN, UNSEEN])
    rollout.step([0.3, 0.4], [UNSEEN, SEEN])
    rollout.step([0.6, 0.7], [UNSEEN, UNSEEN])
    assert rollout.end() == {
        "memory/gate_on_cue": pytest.approx((0.9 + 0.7) / 2),
        "memory/gate_elsewhere": pytest.approx((0.2 + 0.3 + 0.4 + 0.6) / 4),
    }


def test_after_an_episode_the_first_sight_of_the_next_one_counts():
    rollout = Rollout(UNSEEN, UNSEEN)
    rollout.env.reset_infos = [SEEN, SEEN]
    rollout.step([0.1, 0.2], [UNSEEN, UNSEEN], dones=(True, False))
    rollout.step([0.8, 0.4], [UNSEEN, UNSEEN])
    assert rollout.end() == {
        "memory/gate_on_cue": pytest.approx(0.8),
        "memory/gate_elsewhere": pytest.approx((0.1 + 0.2 + 0.4) / 3),
    }


@pytest.mark.parametrize("untold", ["env", "memory"])
def test_nothing_is_recorded_of_an_env_or_a_memory_that_does_not_tell(untold):
    info = {} if untold == "env" else SEEN
    rollout = Rollout(info, info)
    rollout.step(None if untold == "memory" else [0.5, 0.5], [info, info])
    assert rollout.end() == {}
