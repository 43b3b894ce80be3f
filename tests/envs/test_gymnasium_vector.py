"""Gymnasium's vector envs in their three modes give what a DummyVecEnv of the same envs gives."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers.vector import DictInfoToList, NormalizeObservation, RecordEpisodeStatistics
from small import SMALL, small, weights
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnvWrapper, VecMonitor
from staggered import OBSERVATIONS, ROWS, Masked, Staggered, vec_env

from engram.agents import MemoryPPO
from engram.agents.evaluation.episodes import evaluate
from engram.agents.rollout.questions import ends_by_itself
from engram.envs import GymnasiumVecEnv
from engram.envs.gymnasium_infos import info_of

MODES = list(AutoresetMode)
SPACES = {"vector": OBSERVATIONS["vector"], "dict": OBSERVATIONS["dict"]}


class Reporting(Staggered):
    """Tells in its infos where it stands, also at a reset."""

    def reset(self, *, seed=None, options=None):
        observation, _ = super().reset(seed=seed)
        return observation, {"episode": self.episode, "cue_visible": self.episode % 2 == 0}

    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        info = {**info, "time": self.time, "deep": {"twice": 2 * self.time}}
        return observation, reward, terminated, truncated or (terminated and self.episode % 4 == 0), info


def vector_env(mode, space=SPACES["vector"], cls=SyncVectorEnv, env=Reporting):
    return cls([lambda row=row: env(row, space) for row in range(ROWS)], copy=False, autoreset_mode=mode)


class Foreign(VectorEnv):
    """A vector env of another library, which begins an episode by a step and takes no masks."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self):
        self.inner = vector_env(AutoresetMode.NEXT_STEP)
        self.num_envs, self.render_mode = ROWS, None
        self.single_observation_space = self.inner.single_observation_space
        self.single_action_space = self.inner.single_action_space

    def reset(self, *, seed=None, options=None):
        assert not options
        return self.inner.reset(seed=seed)

    def step(self, actions):
        return self.inner.step(actions)


class Counting(VectorEnv):
    """One object that is many envs: all episodes take 4 steps, and what is told of their ends is up to `tell`."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, tell=lambda last, ended: {}):
        self.num_envs, self.render_mode, self.tell = ROWS, None, tell
        self.single_observation_space, self.single_action_space = spaces.Box(0, 4, (1,)), spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed, options=options)  # takes no list
        self.time = 0
        return self._seen(), {}

    def step(self, actions):
        self.time += 1
        last, ended = self._seen(), np.full(ROWS, self.time == 4)
        self.time %= 4
        infos = {"speed": 7.0, "name": "counting", **(self.tell(last, ended) if ended.any() else {})}
        return self._seen(), np.ones(ROWS), np.zeros(ROWS, int), ended.astype(int), infos

    def _seen(self):
        return np.full((ROWS, 1), self.time, dtype=np.float32)


class Noisy(VecEnvWrapper):
    """Shows something else while a step only begins an episode."""

    def reset(self):
        self.rng = np.random.default_rng(1)
        return self.venv.reset()

    def step_wait(self):
        observations, rewards, dones, infos = self.venv.step_wait()
        for row, info in enumerate(infos):
            if dones[row] and not info.get("reset_only"):
                observations[row] = self.rng.random(observations[row].shape)
        return observations, rewards, dones, infos


def played(env, steps=40):
    rng, seen = np.random.default_rng(0), [env.reset()]
    infos = [list(env.reset_infos)]
    for _ in range(steps):
        observations, rewards, dones, of_step = env.step(rng.integers(3, size=ROWS))
        seen.append((observations, rewards, dones))
        infos.append((of_step, [dict(info) for info in env.reset_infos]))
    return seen, infos


KINDS = [(SyncVectorEnv, "vector"), (SyncVectorEnv, "dict"), (AsyncVectorEnv, "vector")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("cls", "space"), KINDS)
def test_it_steps_as_a_dummy_vec_env(cls, space, mode):
    env = GymnasiumVecEnv(vector_env(mode, SPACES[space], cls))
    (seen, infos), expected = (
        played(env),
        DummyVecEnv([lambda row=row: Reporting(row, SPACES[space]) for row in range(ROWS)]),
    )
    env.close()
    others, other_infos = played(expected)
    np.testing.assert_equal(seen, others)
    assert [one.dtype for one in seen[1][1:]] == [one.dtype for one in others[1][1:]]
    np.testing.assert_equal(infos, other_infos)


@pytest.mark.parametrize("mode", MODES)
def test_an_agent_learns_the_same_to_the_last_bit(mode):
    def learned(env):
        return weights(MemoryPPO("MemoryPolicy", env, **SMALL).learn(120))

    assert torch.equal(learned(VecMonitor(GymnasiumVecEnv(vector_env(mode)))), learned(vec_env(env=Reporting)))


def test_where_a_step_begins_an_episode_the_episodes_are_the_same():
    def episodes(env, skipped):
        rng = [np.random.default_rng(row) for row in range(ROWS)]
        shown = env.reset()
        current, ended = [[(row.tolist(),)] for row in shown], [[] for _ in range(ROWS)]
        only_resets = np.zeros(ROWS, bool)
        for _ in range(60):
            actions = np.array([0 if wait else one.integers(3) for one, wait in zip(rng, only_resets, strict=True)])
            shown, rewards, dones, infos = env.step(actions)
            for row in range(ROWS):
                if infos[row].get("reset_only"):
                    assert skipped
                    assert (dones[row], rewards[row]) == (True, 0)
                    only_resets[row], current[row] = False, [(shown[row].tolist(),)]
                elif dones[row]:
                    last = infos[row]["terminal_observation"].tolist()
                    ended[row].append([*current[row], (last, rewards[row], infos[row]["TimeLimit.truncated"])])
                    only_resets[row], current[row] = skipped, [(shown[row].tolist(),)]
                else:
                    current[row].append((shown[row].tolist(), rewards[row]))
        return ended

    stepwise, plain = episodes(GymnasiumVecEnv(Foreign()), True), episodes(vec_env(env=Reporting), False)
    for some, others in zip(stepwise, plain, strict=True):
        assert len(some) >= 3
        assert some == others[: len(some)]


def test_a_step_that_only_begins_an_episode_is_not_learned_from():
    def learned(env):
        model = MemoryPPO("MemoryPolicy", env, **SMALL).learn(120)
        assert 0 < model.chunks.steps.reset_only.float().mean() < 0.5
        return weights(model)

    assert torch.equal(learned(GymnasiumVecEnv(Foreign())), learned(Noisy(GymnasiumVecEnv(Foreign()))))


def test_stock_agents_take_it_too():
    PPO("MlpPolicy", GymnasiumVecEnv(vector_env(AutoresetMode.NEXT_STEP)), n_steps=8, batch_size=12).learn(24)


def test_seeds_are_those_of_a_dummy_vec_env():
    def first(env):
        env.seed(7)
        return env.reset()

    vector = SyncVectorEnv([lambda: gym.make("CartPole-v1")] * 3)
    assert np.array_equal(first(GymnasiumVecEnv(vector)), first(DummyVecEnv([lambda: gym.make("CartPole-v1")] * 3)))


def test_attributes_and_methods_are_those_of_its_envs():
    env = GymnasiumVecEnv(vector_env(AutoresetMode.SAME_STEP))
    assert env.get_attr("row") == [0, 1, 2]
    assert env.get_attr("row", [2]) == [2]
    assert not env.has_attr("action_masks")
    env.reset()
    assert len(env.env_method("observe")) == ROWS


def test_infos_are_taken_apart():
    infos = {"a": np.array([1, 0]), "_a": np.array([True, False]), "d": {"b": np.array([2, 3])}, "c": np.array([4, 5])}
    assert info_of(infos, 0) == {"a": 1, "d": {"b": 2}, "c": 4}
    assert info_of(infos, 1) == {"d": {"b": 3}, "c": 5}


def test_one_that_does_not_name_its_mode_is_refused():
    env = vector_env(AutoresetMode.SAME_STEP)
    env.metadata = {}
    with pytest.raises(ValueError, match=r"metadata\['autoreset_mode'\] is None: it must name one of NextStep"):
        GymnasiumVecEnv(env)


class Half(Masked):
    """Only some of the envs answer."""

    def __init__(self, row, space):
        super().__init__(row, space)
        if row % 2:
            self.always_ends = True


@pytest.mark.parametrize("mode", MODES)
def test_envs_in_processes_survive_what_they_cannot_answer(mode):
    def learned(env):
        model = MemoryPPO("MemoryPolicy", env, **SMALL).learn(60)
        assert not ends_by_itself(env)
        env.close()
        return weights(model)

    async_env, sync_env = (
        GymnasiumVecEnv(vector_env(mode, cls=cls, env=Half)) for cls in (AsyncVectorEnv, SyncVectorEnv)
    )
    for env in (async_env, sync_env):
        assert env.has_attr("action_masks")
        for name in ("always_ends", "no_such"):
            assert not env.has_attr(name)
            with pytest.raises(AttributeError, match=name):
                env.get_attr(name)
            with pytest.raises(AttributeError, match=name):
                env.env_method(name)
    assert torch.equal(learned(async_env), learned(sync_env))


def test_what_wrappers_of_a_vector_env_are_around_answers():
    env = GymnasiumVecEnv(RecordEpisodeStatistics(vector_env(AutoresetMode.NEXT_STEP, env=Masked)))
    assert env.has_attr("action_masks")
    MemoryPPO("MemoryPolicy", env, **SMALL).learn(30)  # a forbidden action would be refused


def test_an_env_that_is_many_takes_one_seed():
    def first(seed):
        env = GymnasiumVecEnv(gym.make_vec("CartPole-v1", num_envs=3, vectorization_mode="vector_entry_point"))
        env.seed(seed)
        return env.reset().tolist()

    assert first(3) == first(3) != first(4)
    small(GymnasiumVecEnv(Counting()), seed=5).learn(30)


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_statistics_of_gymnasium_count_the_episodes_that_a_vec_monitor_counts(mode):
    def counted(env):
        model = MemoryPPO("MemoryPolicy", env, **SMALL).learn(240)
        return model.longest_episode, [(pytest.approx(one["r"], 1e-4), one["l"]) for one in model.ep_info_buffer]

    def bare():
        return vector_env(mode, env=Staggered)

    theirs = counted(GymnasiumVecEnv(RecordEpisodeStatistics(bare())))
    ours = counted(VecMonitor(GymnasiumVecEnv(bare(), takes_reset_mask=False)))
    assert theirs == ours
    assert ours[0] == 17
    assert np.mean([length == 1 for _, length in ours[1]]) < 0.4  # steps that only begin an episode are none


def test_a_step_that_only_begins_an_episode_is_no_episode_of_an_evaluation():
    model = small()
    stepwise, plain = (evaluate(model, env, 15) for env in (GymnasiumVecEnv(Foreign()), vec_env(env=Reporting)))
    assert (stepwise.length == plain.length).all()
    assert stepwise.episode_return == pytest.approx(plain.episode_return)


@pytest.mark.parametrize("mode", MODES)
def test_infos_may_be_told_env_by_env(mode):
    vector_envs = DictInfoToList(vector_env(mode)), vector_env(mode)
    envs = [GymnasiumVecEnv(env, takes_reset_mask=mode == AutoresetMode.DISABLED) for env in vector_envs]
    (seen, infos), (others, other_infos) = (played(env) for env in envs)
    np.testing.assert_equal(seen, others)
    np.testing.assert_equal(infos, other_infos)


def test_wrappers_that_take_no_masks_are_not_given_any():
    env = GymnasiumVecEnv(NormalizeObservation(vector_env(AutoresetMode.NEXT_STEP, env=Staggered)))
    small(env).learn(60)


@pytest.mark.parametrize(
    ("tell", "knows_last", "info"),
    [
        (lambda last, ended: {}, False, {"speed": 7.0, "name": "counting"}),
        (lambda last, ended: {"final_obs": last, "_final_obs": ended}, True, {"speed": 7.0, "name": "counting"}),
        (lambda last, ended: {"final_info": {"won": ended}}, False, {"won": True}),
    ],
)
def test_what_is_not_told_of_an_end_is_not_known(tell, knows_last, info):
    env = GymnasiumVecEnv(Counting(tell))
    env.reset()
    for _ in range(3):
        assert (
            env.step(np.zeros(ROWS, int))[3] == [{"speed": 7.0, "name": "counting", "TimeLimit.truncated": False}] * 3
        )
    observations, _, dones, infos = env.step(np.zeros(ROWS, int))
    assert dones.all()
    assert not observations.any()
    last = {"terminal_observation": np.array([4.0])} if knows_last else {}
    np.testing.assert_equal(infos, [{**info, **last, "TimeLimit.truncated": True}] * ROWS)
    model = small(env).learn(30)
    assert model.chunks.steps.truncated.any() == knows_last


@pytest.mark.parametrize(
    ("env", "line"),
    [
        (lambda: vec_env(), "DummyVecEnv is a VecEnv already; give it to the agent as it is"),
        (
            lambda: Staggered(),
            "Staggered is a single env; give it to the agent as it is, or make many of it by gym",
        ),
        (lambda: 3, "int is no env of Gymnasium"),
    ],
)
def test_what_is_no_vector_env_is_refused(env, line):
    with pytest.raises(ValueError, match=line):
        GymnasiumVecEnv(env())


def test_an_agent_refuses_a_vector_env_and_says_what_to_do():
    env = vector_env(AutoresetMode.NEXT_STEP)
    for use in (lambda: MemoryPPO("MemoryPolicy", env), lambda: small(vec_env()).set_env(env)):
        with pytest.raises(ValueError, match=r"^SyncVectorEnv.*put engram\.envs\.GymnasiumVecEnv around it$"):
            use()
