"""VecEnvs that answer no questions, or answer in their own way, are learned from like any other."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from small import SMALL, weights
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnvWrapper, VecNormalize
from staggered import Staggered, vec_env

from engram.agents import MemoryPPO
from engram.agents.evaluation.episodes import evaluate
from engram.agents.rollout.observation_check import WrongStep
from engram.agents.rollout.questions import ends_by_itself, layout_of, other_cue, reset_infos, success_of
from engram.envs import make_vec_env
from engram.tracking.callbacks import GateSelectivity, LayoutCount, StateDrift


class Simulator:
    """Plays, and knows nothing of `get_attr`, `has_attr`, `env_method` or `reset_infos`."""

    def __init__(self, venv):
        self.num_envs, self.render_mode = venv.num_envs, None
        self.observation_space, self.action_space = venv.observation_space, venv.action_space
        self.reset, self.step_async, self.step_wait, self.seed = venv.reset, venv.step_async, venv.step_wait, venv.seed


class Adapter(VecEnvWrapper):
    """Adapts it, as other libraries do."""

    changes = staticmethod(lambda step: step)

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        return self.changes(self.venv.step_wait())


class Refusing(Adapter):
    def has_attr(self, attr_name):
        raise NotImplementedError(attr_name)

    env_method = has_attr


class Whole(Adapter):
    """Its dones are 0 and 1."""

    changes = staticmethod(lambda step: (*step[:2], step[2].astype(np.uint8), step[3]))


class Reused(Adapter):
    """It fills the same array of dones again at each step."""

    def step_wait(self):
        *step, dones, infos = self.venv.step_wait()
        self.dones = getattr(self, "dones", np.zeros_like(dones))
        self.dones[:] = dones
        return *step, self.dones, infos


class Arrays(Adapter):
    """Its infos are of arrays."""

    @staticmethod
    def changes(step):
        for info in step[3]:
            if "TimeLimit.truncated" in info:
                info["TimeLimit.truncated"] = np.array([info["TimeLimit.truncated"]])
            info["layout"], info["is_success"] = np.zeros((8, 8)), np.array([True])
        return step


def learned(env):
    model = MemoryPPO("MemoryPolicy", env, **SMALL)
    return model.learn(120, [GateSelectivity(), LayoutCount(), StateDrift()])


@pytest.mark.filterwarnings("ignore:The `render_mode`")
@pytest.mark.parametrize("adapter", [Adapter, Refusing, Whole, Reused, Arrays])
def test_an_adapter_is_learned_from_as_what_it_adapts(adapter):
    model = learned(adapter(Simulator(vec_env())))
    assert torch.equal(weights(model), weights(learned(vec_env())))


def test_an_end_whose_last_observation_is_not_told_is_an_end():
    class Terse(Adapter):
        @staticmethod
        def changes(step):
            for info in step[3]:
                info.pop("terminal_observation", None)
            return step

    class Terminated(Adapter):
        @staticmethod
        def changes(step):
            for info in step[3]:
                info["TimeLimit.truncated"] = False
            return step

    terse, terminated, plain = (learned(env) for env in (Terse(vec_env()), Terminated(vec_env()), vec_env()))
    assert torch.equal(weights(terse), weights(terminated))
    assert not torch.equal(weights(terse), weights(plain))


@pytest.mark.filterwarnings("ignore:The `render_mode`")
def test_it_is_evaluated_too():
    model = MemoryPPO("MemoryPolicy", vec_env(), **SMALL)
    plain = evaluate(model, vec_env(), 9)
    adapted = evaluate(model, Adapter(Simulator(vec_env())), 9)
    assert np.array_equal(plain.episode_return, adapted.episode_return)
    assert evaluate(model, Arrays(vec_env()), 9).success.all()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (True, True),
        (np.False_, False),
        (1, True),
        (0.0, False),
        (np.array([True]), True),
        (np.array([False, True]), True),
        (None, None),
        (float("nan"), None),
        (np.array([np.nan]), None),
    ],
)
def test_success_is_told_or_it_is_not(said, meant):
    assert success_of({"is_success": said}) is meant
    assert success_of({}) is None


@pytest.mark.parametrize("said", ["yes", [None], {"a": 1}])
def test_success_that_is_neither_yes_nor_no_is_one_line(said):
    with pytest.raises(WrongStep, match=r"^info\['is_success'\]=.* must be True or False, or None where nobody knows$"):
        success_of({"is_success": said})


def test_what_an_info_means_by_our_names_is_ours_only_if_it_is_of_our_kind():
    assert layout_of({"layout": "00ff"}) == "00ff"
    assert layout_of({"layout": np.zeros((8, 8))}) == ""
    assert reset_infos(Adapter(Simulator(vec_env()))) == [{}, {}, {}]


class Interrupted(Staggered):
    """A step fails once."""

    fails_at = 31

    def __init__(self, row=0):
        super().__init__(row)
        self.steps = 0

    def step(self, action):
        self.steps += 1
        if self.row == 1 and self.steps == self.fails_at:
            raise KeyboardInterrupt
        return super().step(action)


class Starts(BaseCallback):
    def _on_rollout_start(self):
        self.starts = self.model._last_episode_starts.copy()

    def _on_step(self):
        return True


def test_after_a_step_that_failed_learning_goes_on_with_new_episodes():
    model = MemoryPPO("MemoryPolicy", DummyVecEnv([lambda row=row: Interrupted(row) for row in range(3)]), **SMALL)
    with pytest.raises(KeyboardInterrupt):
        model.learn(300)
    for rollout in range(2):
        callback = Starts()
        model.learn(30, callback, reset_num_timesteps=False)
        assert callback.starts.all() == (rollout == 0)
    times = [env.time for env in model.env.unwrapped.envs]
    assert all(time >= 0 for time in times)


def test_a_task_without_an_end_is_remembered_within_bounds(monkeypatch):
    class Endless(gym.Env):
        observation_space, action_space = gym.spaces.Box(-1, 1, (2,)), gym.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return np.zeros(2, np.float32), {}

        def step(self, action):
            return self.np_random.random(2, np.float32), 0.0, False, False, {}

    monkeypatch.setattr("engram.agents.exploration.first_visits.MOST_KNOWN", 50)
    known = []
    for coef in (0.02, 0.0):
        sizes = {"n_steps": 40, "batch_size": 40, "novelty_coef": coef, "novelty_fraction": 1.0}
        model = MemoryPPO("MemoryPolicy", Endless(), seed=0, device="cpu", **sizes)
        model.learn(200)
        kept = model.novelty.episodic._known
        known.append(0 if kept is None else len(kept[0]))
    assert known == [50, 0]


class Counts(gym.Env):
    """Shows whole numbers."""

    action_space = gym.spaces.Discrete(2)

    def __init__(self, dtype=np.int64, high=1000):
        self.observation_space = gym.spaces.Box(0, high, (3,), dtype)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.time += 1
        return self.observation_space.sample(), 1.0, self.time == 10, False, {}


@pytest.mark.parametrize(("dtype", "high"), [(np.int64, 1000), (np.uint8, 200), (np.float32, 7)])
@pytest.mark.parametrize("wrapped", [False, True])
def test_what_is_normalized_keeps_its_fractions(dtype, high, wrapped):
    normalize = VecNormalize(DummyVecEnv([lambda: Counts(dtype, high)] * 3), clip_obs=5.0)
    model = MemoryPPO("MemoryPolicy", Adapter(normalize) if wrapped else normalize, **SMALL).learn(60)
    seen = model.chunks.steps.observation
    assert seen.dtype == torch.float32
    assert len(torch.unique(seen)) > 50
    assert (seen != seen.round()).float().mean() > 0.9


def test_only_the_keys_that_are_normalized_change_their_space():
    class Two(Counts):
        def __init__(self):
            super().__init__()
            self.whole = self.observation_space
            self.observation_space = gym.spaces.Dict({"a": self.whole, "b": self.whole})

    model = MemoryPPO("MemoryPolicy", VecNormalize(DummyVecEnv([Two]), norm_obs_keys=["b"]), **SMALL)
    assert [model.observation_space[key].dtype for key in "ab"] == [np.int64, np.float32]
    plain = MemoryPPO("MemoryPolicy", VecNormalize(DummyVecEnv([Two]), norm_obs=False), **SMALL)
    assert plain.observation_space["b"].dtype == np.int64


def test_a_process_is_asked_for_nothing_that_cannot_be_sent():
    def make():
        env = gym.make("CartPole-v1")
        env.unwrapped.spec.kwargs["reward"] = lambda: 1.0
        return env

    env = SubprocVecEnv([make], start_method="fork")
    assert ends_by_itself(env)
    assert env.reset().shape == (1, 4)
    env.close()


@pytest.mark.parametrize("previous_reward", [False, True])
@pytest.mark.parametrize("pixels", [None, 8])
def test_the_other_cue_is_put_into_symbols_not_into_a_picture(pixels, previous_reward):
    env = make_vec_env("Engram-MatchS13-v0", n_envs=2, seed=0, pixels=pixels, previous_reward=previous_reward)
    shown = env.reset()
    first = {key: part[0] for key, part in shown.items()} if previous_reward else shown[0]
    assert (other_cue(env, 0, first) is None) == (pixels is not None)
