"""The options of PPO do what they say."""

import warnings

import numpy as np
import pytest
import torch
from small import STEPS_OF_A_ROLLOUT, Logged, small, weights
from stable_baselines3 import PPO
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.common.utils import LinearSchedule
from staggered import vec_env

from engram.agents import MemoryPPO
from engram.agents.learning.losses import ppo_loss


def steps_taken(model):
    """Optimizer steps in one `learn` of one rollout."""
    taken = []
    model.policy.optimizer.register_step_post_hook(lambda *_: taken.append(1))
    model.learn(STEPS_OF_A_ROLLOUT)
    return len(taken)


def test_the_target_divergence_stops_early():
    assert steps_taken(small()) == 4  # 2 epochs of 6 chunks in minibatches of 3
    assert steps_taken(small(target_kl=1e-9, learning_rate=0.01)) == 1
    assert steps_taken(small(target_kl=1e9)) == 4


def test_it_stops_beyond_one_and_a_half_times_the_target(monkeypatch):
    divergences = []

    def spy(*arguments):
        loss = ppo_loss(*arguments)
        divergences.append(loss.approx_kl.item())
        return loss

    monkeypatch.setattr("engram.agents.learning.lesson.ppo_loss", spy)
    assert steps_taken(small(learning_rate=0.01)) == 4
    second = divergences[1]  # that of the first minibatch is zero: nothing has changed yet
    assert steps_taken(small(learning_rate=0.01, target_kl=second / 1.6)) == 1
    assert steps_taken(small(learning_rate=0.01, target_kl=second / 1.4)) > 1


def test_schedules_are_followed():
    given = {"learning_rate": 0.1, "clip_range": 0.2, "clip_range_vf": 0.4, "ent_coef": 0.3}
    model = small(**{name: LinearSchedule(value, 0.0, 1.0) for name, value in given.items()})
    logged = Logged()
    model.learn(3 * STEPS_OF_A_ROLLOUT, callback=logged)
    # As logged after two of three rollouts.
    assert logged.names["train/learning_rate"] == pytest.approx(0.1 / 3)
    assert logged.names["train/clip_range"] == pytest.approx(0.2 / 3)
    assert logged.names["train/clip_range_vf"] == pytest.approx(0.4 / 3)
    assert logged.names["train/ent_coef"] == pytest.approx(0.3 / 3)


def test_a_further_training_begins_with_the_full_bonus():
    model = small(novelty_coef=0.5, novelty_fraction=1.0)
    model.learn(2 * STEPS_OF_A_ROLLOUT)
    coefs = []

    class Noted(Logged):
        def _on_rollout_end(self):
            coefs.append(self.logger.name_to_value["novelty/coef"])

    model.learn(2 * STEPS_OF_A_ROLLOUT, callback=Noted())
    model.learn(2 * STEPS_OF_A_ROLLOUT, callback=Noted(), reset_num_timesteps=False)
    # Bonus of the first and the second half; going on, SB3 counts progress over old and new steps together.
    assert coefs == pytest.approx([0.5, 0.25, 0.25, 0.125])


def test_sizes_may_be_numpy_integers():
    size = np.int64
    model = small(n_steps=size(10), memory_kwargs={"slots": size(3)}, controller_kwargs={"hidden_size": size(5)})
    model.learn(STEPS_OF_A_ROLLOUT)
    assert model.policy.core.memory.slots == 3


def test_functions_are_schedules_too():
    model = small(learning_rate=lambda remaining: 0.1 * remaining, ent_coef=lambda remaining: 0.2 * remaining)
    model.learn(STEPS_OF_A_ROLLOUT)
    assert model.policy.optimizer.param_groups[0]["lr"] == 0.0


def test_values_move_little_where_their_range_is_small():
    def moved(clip_range_vf):
        model = small(clip_range_vf=clip_range_vf, ent_coef=0.0, reward_coef=0.0, learning_rate=0.05, n_epochs=20)
        model._setup_learn(100, None)
        assert model.collect_rollouts(model.env, model._init_callback(None), model.rollout_buffer, 10)
        nothing = torch.zeros_like(model.chunks.advantages)
        model.chunks.set_targets(nothing, model.chunks.steps.values + 100.0, nothing)
        model.train()
        chunk = model.chunks.chunks(torch.arange(30 // model.chunks.chunk_length))
        with torch.no_grad():
            steps = chunk.steps
            now = model.policy.evaluate_chunk(
                steps.observation, steps.actions, chunk.state, steps.episode_start, steps.decisions
            )
        return (now.values - steps.values).abs().mean().item()

    assert moved(1e-3) < 0.2 * moved(None)


def test_the_gradient_is_clipped(monkeypatch):
    norms = []
    clip = torch.nn.utils.clip_grad_norm_

    def spy(parameters, limit, *rest, **kwargs):
        parameters = list(parameters)
        before = clip(parameters, limit, *rest, **kwargs)
        norms.append(torch.stack([p.grad.norm() for p in parameters if p.grad is not None]).norm().item())
        return before

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", spy)
    small(max_grad_norm=0.01).learn(STEPS_OF_A_ROLLOUT)
    assert norms
    assert max(norms) <= 0.01 * 1.001


def test_an_own_features_extractor_and_layers_between():
    model = small(policy_kwargs={"features_dim": 11, "features_extractor_class": FlattenExtractor, "net_arch": [13, 9]})
    model.learn(STEPS_OF_A_ROLLOUT)
    assert model.policy.action_net.in_features == 9


def test_defaults_fit_together_for_any_usual_number_of_steps():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n_steps in (64, 100, 128, 500, 2048):
            model = MemoryPPO("MemoryPolicy", vec_env(), n_steps=n_steps, device="cpu")
            length = model.chunks.chunk_length
            assert 8 <= length <= 64
            assert n_steps % length == 0
            assert model.batch_size % length == 0


def moved(scale, **kwargs):
    """How far one update of plain SGD moves the weights, after advantages were multiplied by `scale` and shifted."""
    sgd = {"features_dim": 11, "optimizer_class": torch.optim.SGD}
    model = small(ent_coef=0.0, vf_coef=0.0, reward_coef=0.0, max_grad_norm=1e9, policy_kwargs=sgd, **kwargs)
    model._setup_learn(100, None)
    assert model.collect_rollouts(model.env, model._init_callback(None), model.rollout_buffer, 10)
    torch.manual_seed(7)
    chunks = model.chunks
    chunks.set_targets(scale * chunks.advantages + scale - 1, chunks.returns, chunks.rewards)
    before = weights(model)
    model.train()
    return (weights(model) - before).norm().item()


def test_normalized_advantages_have_neither_scale_nor_mean():
    assert moved(1000.0, learning_rate=1e-2) == pytest.approx(moved(1.0, learning_rate=1e-2), rel=1e-2)
    plain = {"normalize_advantage": False, "learning_rate": 1e-6}
    assert moved(1000.0, **plain) > 100 * moved(1.0, **plain) > 0


def test_the_optimizer_is_stock_ppos_but_fused():
    mine, theirs = small().policy.optimizer, PPO("MlpPolicy", vec_env(), n_steps=10, batch_size=15).policy.optimizer
    assert type(mine) is type(theirs)
    assert mine.defaults["fused"]
    same = mine.defaults.keys() - {"fused", "lr"}
    assert {key: mine.defaults[key] for key in same} == {key: theirs.defaults[key] for key in same}
    assert mine.defaults["eps"] == 1e-5


def test_options_of_the_optimizer_are_the_users_to_choose():
    def defaults(**kwargs):
        return small(policy_kwargs=kwargs).policy.optimizer.defaults

    chosen = defaults(optimizer_kwargs={"eps": 1e-7, "weight_decay": 0.1})
    assert (chosen["eps"], chosen["weight_decay"], chosen["fused"]) == (1e-7, 0.1, True)
    assert defaults(optimizer_kwargs={"fused": False})["fused"] is False
    assert defaults(optimizer_class=torch.optim.AdamW)["eps"] == 1e-8
