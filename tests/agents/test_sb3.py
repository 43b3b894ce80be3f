"""MemoryPPO in anybody's SB3 script: spaces, VecEnvs, callbacks, logs."""

from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from small import SMALL, STEPS_OF_A_ROLLOUT, Logged, monitored, small, weights
from stable_baselines3.common.callbacks import CheckpointCallback, EvalCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecFrameStack, VecNormalize
from staggered import ACTIONS, OBSERVATIONS, ROWS, Staggered, vec_env

from engram.agents import MemoryPPO
from engram.memory import CONTROLLERS, MEMORIES


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


def test_normalized_observations_and_rewards(tmp_path):
    env = VecNormalize(monitored())
    model = small(env)
    model.learn(3 * STEPS_OF_A_ROLLOUT)
    assert torch.isfinite(weights(model)).all()
    assert model.get_vec_normalize_env() is env
    assert env.obs_rms.count > 2 * STEPS_OF_A_ROLLOUT
    # What is logged is the return before it was normalized.
    plain = small(monitored())
    plain.learn(STEPS_OF_A_ROLLOUT)
    assert model.ep_info_buffer[0]["l"] == plain.ep_info_buffer[0]["l"] == 4


def test_stacked_frames():
    model = small(VecFrameStack(vec_env(), n_stack=3))
    before = weights(model)
    model.learn(2 * STEPS_OF_A_ROLLOUT)
    assert torch.isfinite(weights(model)).all()
    assert not torch.equal(weights(model), before)


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


def test_what_is_logged_has_the_names_of_sb3():
    model, logged = small(monitored(), clip_range_vf=0.2, target_kl=10.0), Logged()
    model.learn(2 * STEPS_OF_A_ROLLOUT, callback=logged)
    expected = "entropy_loss policy_gradient_loss value_loss approx_kl clip_fraction loss explained_variance n_updates"
    assert {f"train/{name}" for name in [*expected.split(), "clip_range", "learning_rate"]} <= set(logged.names)
    assert all(np.isfinite(value) for value in logged.names.values())
    assert logged.names["train/n_updates"] == 2


def test_tensorboard_log(tmp_path):
    small(tensorboard_log=str(tmp_path)).learn(STEPS_OF_A_ROLLOUT)
    assert list(tmp_path.rglob("events.out.tfevents.*"))


def test_a_training_that_logs_to_no_file_leaves_no_folder(tmp_path, monkeypatch, capsys):
    temporary, asked = tmp_path / "temporary", tmp_path / "asked"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    model = small()
    model.learn(2 * STEPS_OF_A_ROLLOUT)
    assert capsys.readouterr().out == ""
    model.verbose = 1
    model.learn(2 * STEPS_OF_A_ROLLOUT)
    assert "total_timesteps" in capsys.readouterr().out
    model.tensorboard_log = str(asked)
    model.learn(STEPS_OF_A_ROLLOUT)
    assert list(asked.rglob("events.out.tfevents.*"))
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"memory": "episodik"}, "unknown memory 'episodik'; choose one of"),
        ({"controller": "rnn"}, "unknown controller 'rnn'; choose one of"),
        ({"memory_kwargs": {"slot": 3}}, "memory 'episodic' has no argument 'slot'; did you mean 'slots'"),
        ({"memory_kwargs": {"slots": "8"}}, "slots='8' must be"),
        ({"batch_size": 12}, "batch_size=12 must be a multiple of chunk_length=5, .*for example 10"),
        ({"chunk_length": 3}, "chunk_length=3 must be a divisor of n_steps=10"),
        ({"n_epochs": 0}, "n_epochs=0 must be a whole number of at least 1"),
        ({"use_sde": True}, "MemoryPPO has no use_sde"),
        ({"rollout_buffer_class": dict}, "MemoryPPO has no rollout_buffer_class"),
        ({"n_epochs": 2.0}, "n_epochs=2.0 must be a whole number"),
        ({"n_epoch": 2}, "MemoryPPO has no argument 'n_epoch'; did you mean 'n_epochs'"),
        ({"gamma": "0.9"}, "gamma='0.9' must be a number between 0 and 1"),
        ({"gamma": 1.5}, "gamma=1.5 must be a number between 0 and 1"),
        ({"novelty_coef": -0.1}, "novelty_coef=-0.1 must be a number at least 0"),
        ({"novelty_fraction": 0}, "novelty_fraction=0 must be a number above 0"),
        ({"policy_kwargs": {"feature_dim": 3}}, "the policy has no argument 'feature_dim'"),
        (
            {"memory": "ntm", "policy_kwargs": {"memory": "none"}},
            "memory='ntm' and policy_kwargs.*'none' differ; give one",
        ),
        ({"policy_kwargs": [("memory", "none")]}, r"policy_kwargs=\[\('memory', 'none'\)\] must be a dictionary"),
        ({"learning_rate": "dnc"}, "learning_rate='dnc' must be a number at least 0, or a function of"),
        ({"encoder": "mine"}, "unknown encoder 'mine'; choose one of auto, or give a class"),
        ({"encoder_kwargs": {"feature_dim": 3}}, "encoder 'auto' has no argument 'feature_dim'; did you mean"),
        ({"memory": Staggered}, "memory <class '.*Staggered'> must be a subclass of engram.memory.interface.Memory"),
        ({"policy_kwargs": {"share_features_extractor": False}}, "share_features_extractor=False: actor and critic"),
    ],
)
def test_a_wrong_argument_is_one_clear_line(wrong, line):
    with pytest.raises(ValueError, match=f"^{line}") as caught:
        small(**wrong)
    assert "\n" not in str(caught.value)


def test_no_steps_are_no_training():
    model = small()
    before = weights(model)
    model.learn(0)
    assert torch.equal(weights(model), before)


def test_stateless_entry_points_agree_for_actions_of_any_shape():
    model = small(vec_env(action_space=spaces.Box(-2.0, 3.0, (2, 3))))
    observations = torch.as_tensor(model.env.reset())
    actions, values, log_probs = model.policy(observations)
    assert actions.shape == (ROWS, 2, 3)
    again = model.policy.evaluate_actions(observations, actions)
    assert torch.allclose(again[0], values)
    assert torch.allclose(again[1], log_probs)


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
