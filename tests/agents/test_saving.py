"""Saving, loading, going on, and seeds."""

import numpy as np
import pytest
import torch
from small import STEPS_OF_A_ROLLOUT, observed, predictions, small, weights
from stable_baselines3.common.utils import LinearSchedule
from staggered import ROWS, Staggered, vec_env

from engram.agents import MemoryPolicy, MemoryPPO
from engram.memory import CONTROLLERS, MEMORIES


def test_a_loaded_agent_predicts_what_the_saved_one_did(tmp_path):
    model = small()
    model.learn(2 * STEPS_OF_A_ROLLOUT)
    model.save(tmp_path / "agent")
    loaded = MemoryPPO.load(tmp_path / "agent", device="cpu")
    assert torch.equal(weights(loaded), weights(model))
    assert np.array_equal(predictions(loaded, observed()), predictions(model, observed()))
    assert loaded.num_timesteps == model.num_timesteps
    assert loaded.policy_kwargs == model.policy_kwargs


@pytest.mark.parametrize("controller", CONTROLLERS)
@pytest.mark.parametrize("memory", MEMORIES)
def test_every_core_can_be_loaded(controller, memory, tmp_path):
    model = small(controller=controller, memory=memory, memory_kwargs={})
    model.save(tmp_path / "agent")
    loaded = MemoryPPO.load(tmp_path / "agent", device="cpu")
    assert type(loaded.policy.core.memory) is MEMORIES[memory]
    assert type(loaded.policy.core.controller) is CONTROLLERS[controller]
    assert np.array_equal(predictions(loaded, observed()), predictions(model, observed()))


def test_a_loaded_agent_goes_on_learning(tmp_path):
    model = small(ent_coef=LinearSchedule(0.1, 0.0, 1.0), clip_range_vf=0.3)
    model.learn(2 * STEPS_OF_A_ROLLOUT)
    model.save(tmp_path / "agent")
    loaded = MemoryPPO.load(tmp_path / "agent", env=vec_env(), device="cpu")
    before = weights(loaded)
    loaded.learn(STEPS_OF_A_ROLLOUT, reset_num_timesteps=False)
    assert loaded.num_timesteps == 3 * STEPS_OF_A_ROLLOUT
    assert not torch.equal(weights(loaded), before)
    assert loaded.novelty_coef == model.novelty_coef
    assert loaded.ent_coef(1.0) == pytest.approx(0.1)


def test_a_loaded_agent_may_have_another_number_of_envs(tmp_path):
    small().save(tmp_path / "agent")
    loaded = MemoryPPO.load(tmp_path / "agent", env=vec_env(rows=2), device="cpu")
    loaded.learn(20)
    assert loaded.chunks.steps.rewards.shape == (10, 2)


def test_other_sizes_given_to_load_are_checked(tmp_path):
    small().save(tmp_path / "agent")
    with pytest.raises(ValueError, match="chunk_length=5 must be a divisor of n_steps=12"):
        MemoryPPO.load(tmp_path / "agent", env=vec_env(), n_steps=12, device="cpu")
    MemoryPPO.load(tmp_path / "agent", env=vec_env(), n_steps=20, device="cpu").learn(60)


def test_learning_goes_on_without_a_break():
    model = small()
    model.learn(STEPS_OF_A_ROLLOUT)
    state, observation = model._state, model._last_obs
    model.learn(STEPS_OF_A_ROLLOUT, reset_num_timesteps=False)
    assert model.num_timesteps == 2 * STEPS_OF_A_ROLLOUT
    assert np.array_equal(model.chunks.steps.observation[0], observation)
    assert torch.equal(model.chunks.states[0].core.memory.birth, state.core.memory.birth)


def test_a_policy_can_be_saved_alone(tmp_path):
    model = small(policy_kwargs={"features_dim": 11, "net_arch": [13]})
    model.learn(STEPS_OF_A_ROLLOUT)
    model.policy.save(tmp_path / "policy.pt")
    loaded = MemoryPolicy.load(tmp_path / "policy.pt", device="cpu")
    assert np.array_equal(predictions(loaded, observed()), predictions(model.policy, observed()))


def test_weights_and_optimizer_can_be_taken_from_a_file(tmp_path):
    model = small(bonus="rnd")
    model.learn(STEPS_OF_A_ROLLOUT)
    model.save(tmp_path / "agent")
    other = small(seed=9, bonus="rnd")
    other.set_parameters(tmp_path / "agent")
    assert torch.equal(weights(other), weights(model))
    assert str(other.get_parameters()) == str(model.get_parameters())
    assert other.num_timesteps == 0
    with pytest.raises(ValueError, match="exact_match=False"):
        other.set_parameters(tmp_path / "agent", exact_match=False)
    with pytest.raises(ValueError, match="weights: "):
        small(memory="dnc", memory_kwargs={}, bonus="rnd").set_parameters(tmp_path / "agent")


def test_settings_may_be_left_out_and_nothing_can_be_added(tmp_path):
    model = small(gamma=0.5)
    model.save(tmp_path / "agent", exclude=["gamma"])
    assert MemoryPPO.load(tmp_path / "agent", device="cpu").gamma == 0.99
    with pytest.raises(ValueError, match=r"^include=\['env'\]: nothing can be added"):
        model.save(tmp_path / "agent", include=["env"])
    with pytest.raises(ValueError, match=r"^exclude: policy is no setting, and cannot be left out"):
        model.save(tmp_path / "agent", exclude=["gamma", "policy"])


def test_custom_objects_of_stock_scripts_are_settings(tmp_path):
    small(ent_coef=lambda left: 0.01 * left, policy_kwargs={"activation_fn": Own}).save(tmp_path / "agent")
    with pytest.raises(
        ValueError, match=r"ent_coef is \S+, policy_kwargs.activation_fn is \S+, which no file holds: giv"
    ):
        MemoryPPO.load(tmp_path / "agent", device="cpu")
    given = {"ent_coef": 0.5, "learning_rate": 1e-7, "policy_kwargs.activation_fn": Own}
    loaded = MemoryPPO.load(tmp_path / "agent", device="cpu", custom_objects=given)
    assert (loaded.ent_coef, loaded.learning_rate) == (0.5, 1e-7)
    for word in ("learning_rat", "memory", "policy_kwargs.memroy"):
        with pytest.raises(ValueError, match=rf"^custom_objects\['{word}'\]: the saved agent has no such argument"):
            MemoryPPO.load(tmp_path / "agent", device="cpu", custom_objects={**given, word: 1})


class Own(torch.nn.Tanh):
    """A layer that no file holds."""


def test_all_of_a_file_is_taken_or_nothing(tmp_path):
    other = small(seed=9, bonus="rnd")
    other.save(tmp_path / "agent")
    model = small()
    before = weights(model)
    with pytest.raises(ValueError, match=r"^bonus: "):
        model.set_parameters(tmp_path / "agent")
    assert torch.equal(weights(model), before)


def test_a_part_of_a_subclass_that_would_be_lost_is_refused(tmp_path):
    class WithNet(MemoryPPO):
        def _get_torch_save_params(self):
            modules, others = super()._get_torch_save_params()
            return [*modules, "net"], others

    model = WithNet("MemoryPolicy", vec_env(), n_steps=10, device="cpu")
    model.net = torch.nn.Linear(2, 3)
    with pytest.raises(ValueError, match=r"^net: a part of one's own is saved with an agent by register_carried"):
        model.save(tmp_path / "agent")


class Subclass(MemoryPPO):
    def __init__(self, *args, patience=3, **kwargs):
        super().__init__(*args, **kwargs)
        self.patience = patience


def test_arguments_of_a_subclass_are_saved_too(tmp_path):
    Subclass("MemoryPolicy", vec_env(), patience=7, n_steps=10, device="cpu").save(tmp_path / "agent")
    loaded = Subclass.load(tmp_path / "agent", device="cpu")
    assert (type(loaded), loaded.patience, loaded.n_steps) == (Subclass, 7, 10)


def test_a_saved_agent_holds_no_rollout(tmp_path):
    """Only weights persist, and what is needed to go on: neither the buffer nor the memory of the training envs."""
    model = small(memory_kwargs={"slots": 2000})
    model.learn(2 * STEPS_OF_A_ROLLOUT)
    model.save(tmp_path / "agent")
    small(memory_kwargs={"slots": 2000}).save(tmp_path / "fresh")
    grown = (tmp_path / "agent.zip").stat().st_size - (tmp_path / "fresh.zip").stat().st_size
    moments = 2 * 4 * weights(model).numel()
    assert grown < moments + 50_000


# Seeds.


def test_one_seed_two_runs_equal_weights():
    first, second = (weights(small().learn(3 * STEPS_OF_A_ROLLOUT)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, weights(small(seed=4).learn(3 * STEPS_OF_A_ROLLOUT)))


class Seeded(Staggered):
    """Keeps the first number that each of its episodes drew."""

    def __init__(self, row, drawn):
        super().__init__(row)
        self.drawn = drawn

    def reset(self, *, seed=None, options=None):
        result = super().reset(seed=seed, options=options)
        self.drawn.append(int(self.np_random.integers(10**9)))
        return result


def seeded():
    """Envs, and what their episodes have drawn."""
    drawn = []
    return vec_env(env=Seeded, drawn=drawn), drawn


def test_a_resumed_run_does_not_replay_the_episodes_of_its_beginning(tmp_path):
    env, first = seeded()
    model = small(env)
    model.learn(STEPS_OF_A_ROLLOUT)
    model.save(tmp_path / "agent")

    def resumed():
        env, drawn = seeded()
        MemoryPPO.load(tmp_path / "agent", env=env, device="cpu").learn(STEPS_OF_A_ROLLOUT, reset_num_timesteps=False)
        return drawn

    assert len(first) > ROWS
    assert not set(resumed()) & set(first)
    assert resumed() == resumed()  # and yet it can be repeated


def test_a_run_from_the_same_seed_plays_the_same_episodes():
    (one_env, one), (other_env, other) = seeded(), seeded()
    small(one_env).learn(STEPS_OF_A_ROLLOUT)
    small(other_env).learn(STEPS_OF_A_ROLLOUT)
    assert one == other
