"""MemoryPPO in anybody's SB3 script: spaces, VecEnvs, saving and loading, callbacks, seeds."""

import warnings
from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback, CheckpointCallback, EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecFrameStack, VecNormalize
from staggered import ACTIONS, OBSERVATIONS, ROWS, Staggered, vec_env

from agents import MemoryPolicy, MemoryPPO
from memory import CONTROLLERS, MEMORIES

SMALL = {
    "n_steps": 10,
    "batch_size": 15,
    "chunk_length": 5,
    "n_epochs": 2,
    "seed": 3,
    "device": "cpu",
    "memory_kwargs": {"slots": 4, "heads": 2},
    "controller_kwargs": {"hidden_size": 7},
    "policy_kwargs": {"features_dim": 11},
}
STEPS_OF_A_ROLLOUT = 10 * ROWS


def small(env=None, **kwargs):
    return MemoryPPO("MemoryPolicy", env or vec_env(), **{**SMALL, **kwargs})


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.policy.parameters()])


def monitored(rows=ROWS, **kwargs):
    return DummyVecEnv([lambda row=row: Monitor(Staggered(row, **kwargs)) for row in range(rows)])


def predictions(model, observations):
    """Deterministic actions along a sequence, with the state carried."""
    state, actions = None, []
    for observation in observations:
        action, state = model.predict(observation, state, deterministic=True)
        actions.append(action)
    return np.array(actions)


def observed(steps=7, rows=ROWS):
    return np.random.default_rng(1).normal(size=(steps, rows, 4)).astype(np.float32)


@pytest.mark.parametrize("observations", OBSERVATIONS)
@pytest.mark.parametrize("actions", ACTIONS)
def test_every_kind_of_space_is_learned_from(observations, actions):
    model = small(vec_env(observation_space=OBSERVATIONS[observations], action_space=ACTIONS[actions]))
    before = weights(model)
    model.learn(2 * STEPS_OF_A_ROLLOUT)
    assert torch.isfinite(weights(model)).all()
    assert not torch.equal(weights(model), before)


@pytest.mark.parametrize("controller", CONTROLLERS)
@pytest.mark.parametrize("memory", MEMORIES)
def test_every_core_is_learned_with_and_all_of_it_moves(controller, memory):
    # Few different observations, so that likes are stored and how they crowd matters too.
    env = vec_env(observation_space=OBSERVATIONS["discrete"])
    model = small(env, controller=controller, memory=memory, memory_kwargs={})
    before = {name: parameter.clone() for name, parameter in model.policy.named_parameters()}
    model.learn(2 * STEPS_OF_A_ROLLOUT)
    stuck = [name for name, parameter in model.policy.named_parameters() if torch.equal(parameter, before[name])]
    assert not stuck


def test_a_single_env_and_a_registered_id():
    small(Staggered(), batch_size=5).learn(10)
    model = MemoryPPO("MemoryPolicy", "CartPole-v1", **{**SMALL, "batch_size": 5})
    model.learn(10)
    assert model.n_envs == 1


def test_subprocesses():
    env = SubprocVecEnv([lambda row=row: Staggered(row) for row in range(2)])
    try:
        model = small(env, batch_size=10)
        model.learn(40)
        assert torch.isfinite(weights(model)).all()
    finally:
        env.close()


def test_normalised_observations_and_rewards(tmp_path):
    env = VecNormalize(monitored())
    model = small(env)
    model.learn(3 * STEPS_OF_A_ROLLOUT)
    assert torch.isfinite(weights(model)).all()
    assert model.get_vec_normalize_env() is env
    assert env.obs_rms.count > 2 * STEPS_OF_A_ROLLOUT
    # What is logged is the return before it was normalised.
    plain = small(monitored())
    plain.learn(STEPS_OF_A_ROLLOUT)
    assert model.ep_info_buffer[0]["l"] == plain.ep_info_buffer[0]["l"] == 4


def test_stacked_frames():
    small(VecFrameStack(vec_env(), n_stack=3)).learn(2 * STEPS_OF_A_ROLLOUT)


# Saving and loading.


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
    assert loaded.entropy_schedule(1.0) == pytest.approx(0.1)


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
    assert torch.equal(model.chunks._states[0].core.memory.birth, state.core.memory.birth)


def test_a_policy_can_be_saved_alone(tmp_path):
    model = small(policy_kwargs={"features_dim": 11, "net_arch": [13]})
    model.learn(STEPS_OF_A_ROLLOUT)
    model.policy.save(tmp_path / "policy.pt")
    loaded = MemoryPolicy.load(tmp_path / "policy.pt", device="cpu")
    assert np.array_equal(predictions(loaded, observed()), predictions(model.policy, observed()))


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


# Callbacks and evaluation.


def test_evaluate_policy_carries_the_state(monkeypatch):
    model, states = small(), []
    predict = model.policy.predict

    def spy(observation, state=None, *rest, **kwargs):
        result = predict(observation, state, *rest, **kwargs)
        states.append((state, result[1]))
        return result

    monkeypatch.setattr(model.policy, "predict", spy)
    returns, _ = evaluate_policy(model, monitored(), n_eval_episodes=9, return_episode_rewards=True)
    assert len(returns) == 9
    assert states[0][0] is None
    assert all(given is returned for (_, returned), (given, _) in pairwise(states))


def test_eval_callback(tmp_path):
    model = small(monitored())
    callback = EvalCallback(
        monitored(2), n_eval_episodes=4, eval_freq=7, log_path=tmp_path, best_model_save_path=tmp_path, verbose=0
    )
    model.learn(2 * STEPS_OF_A_ROLLOUT, callback=callback)
    with np.load(tmp_path / "evaluations.npz") as evaluations:
        assert evaluations["results"].shape == (2, 4)
        assert evaluations["successes"].shape == (2, 4)
    assert MemoryPPO.load(tmp_path / "best_model", device="cpu").num_timesteps > 0


def test_an_evaluation_in_between_does_not_disturb_the_training():
    plain = small(monitored()).learn(3 * STEPS_OF_A_ROLLOUT)
    callback = EvalCallback(monitored(2), n_eval_episodes=4, eval_freq=3, deterministic=True, verbose=0)
    watched = small(monitored()).learn(3 * STEPS_OF_A_ROLLOUT, callback=callback)
    assert torch.equal(weights(plain), weights(watched))


def test_checkpoint_callback(tmp_path):
    model = small()
    model.learn(2 * STEPS_OF_A_ROLLOUT, callback=CheckpointCallback(save_freq=8, save_path=tmp_path, name_prefix="at"))
    saved = sorted(path.name for path in tmp_path.iterdir())
    assert saved == ["at_24_steps.zip", "at_48_steps.zip"]
    assert MemoryPPO.load(tmp_path / "at_48_steps", device="cpu").num_timesteps == 48


class Logged(BaseCallback):
    def _init_callback(self):
        self.names = {}

    def _on_rollout_start(self):
        self.names |= self.logger.name_to_value  # what `train` logged is dumped after the next rollout

    def _on_step(self):
        return True


def test_what_is_logged_has_the_names_of_sb3():
    model, logged = small(monitored(), clip_range_vf=0.2, target_kl=10.0), Logged()
    model.learn(2 * STEPS_OF_A_ROLLOUT, callback=logged)
    expected = "entropy_loss policy_gradient_loss value_loss approx_kl clip_fraction loss explained_variance n_updates"
    assert {f"train/{name}" for name in [*expected.split(), "clip_range", "learning_rate"]} <= set(logged.names)
    assert all(np.isfinite(value) for value in logged.names.values())
    assert logged.names["train/n_updates"] == 2


def test_tensorboard_log(tmp_path):
    model = small(tensorboard_log=str(tmp_path))
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="tensorboard is not installed"):
            model.learn(STEPS_OF_A_ROLLOUT)
    else:
        model.learn(STEPS_OF_A_ROLLOUT)
        assert list(tmp_path.rglob("events.out.tfevents.*"))


# Options of PPO.


def steps_taken(model):
    """Optimiser steps in one `learn` of one rollout."""
    taken = []
    model.policy.optimizer.register_step_post_hook(lambda *_: taken.append(1))
    model.learn(STEPS_OF_A_ROLLOUT)
    return len(taken)


def test_the_target_divergence_stops_early():
    assert steps_taken(small()) == 4  # 2 epochs of 6 chunks in minibatches of 3
    assert steps_taken(small(target_kl=1e-9, learning_rate=0.01)) == 1
    assert steps_taken(small(target_kl=1e9)) == 4


def test_schedules_are_followed():
    given = {"learning_rate": 0.1, "clip_range": 0.2, "ent_coef": 0.3}
    model = small(**{name: LinearSchedule(value, 0.0, 1.0) for name, value in given.items()})
    logged = Logged()
    model.learn(3 * STEPS_OF_A_ROLLOUT, callback=logged)
    # As logged after two of three rollouts.
    assert logged.names["train/learning_rate"] == pytest.approx(0.1 / 3)
    assert logged.names["train/clip_range"] == pytest.approx(0.2 / 3)
    assert logged.names["train/ent_coef"] == pytest.approx(0.3 / 3)


def test_functions_are_schedules_too():
    model = small(learning_rate=lambda remaining: 0.1 * remaining, ent_coef=lambda remaining: 0.2 * remaining)
    model.learn(STEPS_OF_A_ROLLOUT)
    assert model.policy.optimizer.param_groups[0]["lr"] == 0.0


def test_values_move_little_where_their_range_is_small():
    def moved(clip_range_vf):
        model = small(clip_range_vf=clip_range_vf, ent_coef=0.0, learning_rate=0.05, n_epochs=20)
        model._setup_learn(100, None)
        assert model.collect_rollouts(model.env, model._init_callback(None), model.rollout_buffer, 10)
        model.chunks.set_targets(torch.zeros_like(model.chunks.advantages), model.chunks.steps.values + 100.0)
        model.train()
        chunk = next(model.chunks.minibatches(30))
        with torch.no_grad():
            steps = chunk.steps
            now = model.policy.evaluate_chunk(
                steps.observation, steps.actions, chunk.state, steps.episode_start, steps.writes
            )
        return (now.values - steps.values).abs().mean().item()

    assert moved(1e-3) < 0.2 * moved(None)


def test_the_gradient_is_clipped(monkeypatch):
    norms = []
    clip = torch.nn.utils.clip_grad_norm_

    def spy(parameters, limit, *rest, **kwargs):
        parameters = list(parameters)
        clip(parameters, limit, *rest, **kwargs)
        norms.append(torch.stack([p.grad.norm() for p in parameters if p.grad is not None]).norm().item())

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
            MemoryPPO("MemoryPolicy", vec_env(), n_steps=n_steps, device="cpu")


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"memory": "episodik"}, "unknown memory 'episodik'; choose one of"),
        ({"controller": "rnn"}, "unknown controller 'rnn'; choose one of"),
        ({"memory_kwargs": {"slot": 3}}, "memory 'episodic' has no argument 'slot'; did you mean 'slots'"),
        ({"memory_kwargs": {"slots": "8"}}, "slots='8' must be"),
        ({"batch_size": 12}, "batch_size=12 must be a multiple of chunk_length=5, .*for example 10"),
        ({"chunk_length": 3}, "chunk_length=3 must be a divisor of n_steps=10"),
        ({"n_epochs": 0}, "n_epochs=0 must be at least 1"),
        ({"use_sde": True}, "MemoryPPO has no use_sde"),
        ({"rollout_buffer_class": dict}, "MemoryPPO has no rollout_buffer_class"),
        ({"policy_kwargs": {"feature_dim": 3}}, "the policy has no argument 'feature_dim'"),
    ],
)
def test_a_wrong_argument_is_one_clear_line(wrong, line):
    with pytest.raises(ValueError, match=f"^{line}") as caught:
        small(**wrong)
    assert "\n" not in str(caught.value)


def test_another_policy_is_refused():
    with pytest.raises(ValueError, match="MlpPolicy"):
        MemoryPPO("MlpPolicy", vec_env())


def test_a_truncation_that_is_also_a_termination_is_a_termination():
    class Both(gym.Env):
        observation_space, action_space = spaces.Box(-1, 1, (4,)), spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            return np.zeros(4, np.float32), {}

        def step(self, action):
            return np.zeros(4, np.float32), 1.0, True, True, {}

    model = small(DummyVecEnv([Both] * ROWS))
    model.learn(STEPS_OF_A_ROLLOUT)
    assert model.chunks.steps.terminated.all()
    assert not model.chunks.steps.truncated.any()
