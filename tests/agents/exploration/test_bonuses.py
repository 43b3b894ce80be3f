"""What holds for every bonus: news is of what is seen and done within an episode, and what is learned is saved."""

import re

import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from host_waits import counted_reads
from small import small, weights
from stable_baselines3.common.vec_env import VecEnvWrapper
from staggered import ACTIONS, OBSERVATIONS, ROWS, Staggered, vec_env

from engram.agents import BONUSES, Bonus, MemoryPPO, Seen, register_bonus
from engram.agents.actions import PreviousAction
from engram.agents.exploration.registry import build_bonus
from engram.agents.spaces import observation_tree
from engram.envs import TensorVecEnv, make_tensor_env
from engram.envs.gymnasium_vector import GymnasiumVecEnv

STEPS = 13


class Place(spaces.Box):
    """A space that says that it tells a place."""

    tells_place = True


PLACE = Place(-1, 1, (2,), np.float32)


def in_space(space):
    """The space, with a place beside it, which one of the bonuses needs."""
    parts = space.spaces if isinstance(space, spaces.Dict) else {"seen": space}
    return spaces.Dict({**parts, "where": PLACE})


class Placed(Staggered):
    """Observes what `Staggered` does, a few sights by turns, and one of a few places."""

    def __init__(self, row=0, factor=1.0, **kwargs):
        super().__init__(row, **kwargs)
        self.observation_space, self.factor = in_space(self.observation_space), factor

    def observe(self):
        self.observation_space.seed(self.row + (self.time + self.episode) % 5)
        return self.observation_space.sample()

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, self.factor * (reward - 0.7), *rest


def drawn(space=ACTIONS["discrete"], actions=ACTIONS["discrete"], seed=0, size=ROWS, steps=STEPS):
    """Steps of `size` envs, drawn by chance: few kinds of observations; the first ones begin episodes."""
    rng = np.random.default_rng(seed)
    space.seed(seed)
    kinds = [space.sample() for _ in range(4)]
    of_kind = [[kinds[rng.integers(4)] for _ in range(size)] for _ in range(steps + 1)]
    if isinstance(space, spaces.Dict):
        shown = {key: np.array([[one[key] for one in row] for row in of_kind]) for key in space.spaces}
    else:
        shown = np.array(of_kind)
    actions.seed(seed)
    taken = torch.tensor(np.array([[actions.sample() for _ in range(size)] for _ in range(steps)]))
    if isinstance(actions, spaces.Box):
        taken = taken.flatten(2)
    starts = torch.tensor(rng.random((steps + 1, size)) < 0.2)
    starts[0] = True
    return Seen(observation_tree(shown, space, "cpu"), PreviousAction(actions).store(taken), starts)


def built(bonus, space, actions=ACTIONS["discrete"], left_out=(), seed=3):
    torch.manual_seed(seed)
    return build_bonus(bonus, space, actions, left_out)


@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("bonus", BONUSES)
def test_of_every_observation_each_step_gets_news_that_is_finite_and_none_at_starts(bonus, observation):
    space = in_space(OBSERVATIONS[observation])
    one = built(bonus, space)
    found = []
    for seed in range(3):
        seen = drawn(space, seed=seed)
        news = one(seen)
        assert news.shape == (STEPS, ROWS)
        assert news.dtype == torch.float32
        assert torch.isfinite(news).all()
        assert (news >= 0).all()
        assert (news[seen.starts[1:]] == 0).all()
        assert not news.requires_grad
        found.append(news)
    found = torch.stack(found)
    assert found.square().sum() / found.sum() == pytest.approx(1.0, rel=0.5)  # what is new is about 1


@pytest.mark.parametrize("actions", ACTIONS)
@pytest.mark.parametrize("bonus", BONUSES)
def test_actions_of_every_space_can_be_learned_from(bonus, actions):
    space = in_space(OBSERVATIONS["vector"])
    one = built(bonus, space, ACTIONS[actions])
    for seed in range(2):
        assert torch.isfinite(one(drawn(space, ACTIONS[actions], seed))).all()
    assert all(torch.isfinite(part).all() for part in one.state_dict().values())


@pytest.mark.parametrize("bonus", BONUSES)
def test_what_is_left_out_does_not_count(bonus):
    space = spaces.Dict({"clock": spaces.Box(0, 1e6, (1,), np.float32), "where": PLACE, "seen": spaces.Discrete(4)})
    seen = drawn(space, steps=40)
    clock, *others = seen.observations
    wound = seen._replace(observations=(clock + torch.arange(41).view(-1, 1, 1), *others))
    plain, with_clock = (built(bonus, space, left_out=("clock",))(one) for one in (seen, wound))
    assert torch.equal(plain, with_clock)
    if bonus != "places":
        assert not torch.equal(built(bonus, space)(seen), built(bonus, space)(wound))


@pytest.mark.parametrize("bonus", BONUSES)
def test_nothing_is_drawn_differently_because_of_it(bonus):
    built(bonus, in_space(OBSERVATIONS["dict"]))(drawn(in_space(OBSERVATIONS["dict"])))
    after = torch.rand(3)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(3))


def learned(bonus, env=None, rollouts=3, **kwargs):
    model = small(vec_env(env=Placed) if env is None else env, bonus=bonus, novelty_coef=0.3, **kwargs)
    return model.learn(rollouts * model.n_steps * model.n_envs)


def all_weights(model):
    of_bonus = [part.detach().flatten().double() for part in model.novelty.state_dict().values()]
    return torch.cat([weights(model).double(), *of_bonus])


@pytest.mark.parametrize("bonus", BONUSES)
def test_one_seed_gives_equal_runs_and_another_one_others(bonus):
    first, again, other = learned(bonus), learned(bonus), learned(bonus, seed=4)
    assert torch.equal(all_weights(first), all_weights(again))
    assert not torch.equal(all_weights(first), all_weights(other))


def test_every_bonus_is_learned_from_and_no_policy_begins_otherwise():
    models = [small(vec_env(env=Placed), bonus=bonus, novelty_coef=0.3) for bonus in BONUSES]
    assert len({tuple(weights(model).tolist()) for model in models}) == 1
    assert len({tuple(weights(model.learn(60)).tolist()) for model in models}) == len(BONUSES)


@pytest.mark.parametrize("factor", [2.0**-40, 2.0**7])
@pytest.mark.parametrize("bonus", BONUSES)
def test_rewards_times_a_power_of_two_give_equal_weights_to_the_last_bit(bonus, factor):
    ours, plain = (learned(bonus, vec_env(env=Placed, factor=one)) for one in (factor, 1.0))
    assert torch.equal(all_weights(ours), all_weights(plain))
    assert ours.largest_return == factor * plain.largest_return > 0


class Plain(VecEnvWrapper):
    """Passes arrays on; a wrapper cannot be stepped by tensors."""

    def reset(self):
        return self.venv.reset()

    def step_wait(self):
        return self.venv.step_wait()


def maze():
    arguments = {"kwargs": {"max_steps": 9}, "episodes": 17, "split": "train", "odometry": True}
    return TensorVecEnv(make_tensor_env("Engram-RoomS11-v0", n_envs=5, seed=3, **arguments))


@pytest.mark.parametrize("bonus", BONUSES)
def test_tensors_give_what_arrays_give(bonus):
    ours, plain = learned(bonus, maze()), learned(bonus, Plain(maze()))
    assert torch.equal(all_weights(ours), all_weights(plain))


@pytest.mark.parametrize("bonus", BONUSES)
def test_no_step_of_a_rollout_waits_for_the_device(bonus, monkeypatch):
    # Counted on a CPU, with what takes the same path there as on a GPU.
    monkeypatch.setattr("engram.memory.event_hash.library", lambda *args, **sizes: None)
    monkeypatch.setattr("torch.nn.functional.one_hot", lambda seen, num_classes: torch.eye(num_classes)[seen])
    monkeypatch.setattr("engram.agents.exploration.embedding.AT_ONCE", 10**6)
    monkeypatch.setattr("engram.agents.encoders.symbols.SymbolEncoder._distinct", _all_kinds)
    monkeypatch.setattr("engram.agents.exploration.learned.LARGEST_BATCH", 10)
    env, counted = maze(), []
    space = env.observation_space
    for steps in (10, 20):
        one = built(bonus, space, env.action_space)
        with counted_reads() as reads:
            one(drawn(space, env.action_space, steps=steps))
        counted.append(+reads)
    assert counted[0] == counted[1]


def _all_kinds(encoder, cells):
    return torch.arange(encoder.kinds), cells


def saved_and_loaded(model, path, **kwargs):
    model.save(path)
    return MemoryPPO.load(path, device="cpu", **kwargs)


@pytest.mark.parametrize("bonus", BONUSES)
def test_a_loaded_agent_goes_on_with_what_its_bonus_has_learned(bonus, tmp_path):
    model = learned(bonus)
    loaded = saved_and_loaded(model, tmp_path / "agent", env=vec_env(env=Placed))
    assert torch.equal(all_weights(loaded), all_weights(model))
    assert loaded.bonus == bonus
    seen = drawn(in_space(OBSERVATIONS["vector"]))
    for one in (loaded, model):
        one.novelty.forget()
    for _ in range(2):  # the second time after having learned, with the optimizer as it was
        assert torch.equal(loaded.novelty(seen), model.novelty(seen))


@pytest.mark.parametrize("bonus", BONUSES)
def test_an_episode_may_go_on_in_the_next_rollout(bonus):
    """Nothing is learned meanwhile: two stretches give what one gives."""
    space = in_space(OBSERVATIONS["vector"])
    seen = drawn(space, steps=20)
    starts = seen.starts.clone()
    starts[3:17, 1] = False
    seen = seen._replace(starts=starts)
    whole, cut = (built(bonus, space) for _ in range(2))
    for one in (whole, cut):
        one._learn = one.observe = lambda *_: None
    expected = whole.news(seen)
    first, second = (
        seen._replace(
            observations=tuple(leaf[a : b + 1] for leaf in seen.observations),
            actions=seen.actions[a:b],
            starts=starts[a : b + 1],
        )
        for a, b in ((0, 9), (9, 20))
    )
    for one in (whole, cut):
        if hasattr(one, "size"):
            one.size.in_units = lambda news: news
    whole.forget()
    expected = whole.news(seen)
    torch.testing.assert_close(torch.cat([cut.news(first), cut.news(second)]), expected)
    cut.forget()
    assert (cut.news(first) > 0).sum() >= (expected[:9] > 0).sum()


@pytest.mark.parametrize("bonus", BONUSES)
def test_steps_that_only_begin_an_episode_are_no_news(bonus):
    env = SyncVectorEnv([lambda row=row: Placed(row) for row in range(ROWS)], autoreset_mode=AutoresetMode.NEXT_STEP)
    model = small(GymnasiumVecEnv(env, takes_reset_mask=False), bonus=bonus, novelty_coef=0.3)
    found, news = [], model.novelty.news
    model.novelty.news = lambda seen: found.append(seen) or news(seen)
    model.learn(60)
    assert model.chunks.steps.reset_only.any()
    assert found[-1].starts[1:][model.chunks.steps.reset_only].all()
    assert torch.isfinite(weights(model)).all()


def test_an_unknown_name_is_one_line():
    line = r"^unknown bonus 'curiosity'; choose one of e3b, noveld, places, rnd, sights, or give a class [^\n]*$"
    with pytest.raises(ValueError, match=line):
        small(bonus="curiosity")
    with pytest.raises(ValueError, match=r"^bonus belongs to the saved agent and cannot be changed by load"):
        MemoryPPO.load("nowhere", bonus="rnd")


class EverySecond(Bonus):
    """A bonus of one's own, with a weight that no optimizer learns."""

    def __init__(self, observation_space, action_space, left_out=()):
        super().__init__(observation_space, action_space, left_out)
        self.weight = torch.nn.Parameter(torch.rand(3))

    def news(self, seen):
        return torch.arange(len(seen.actions)).remainder(2).float().unsqueeze(1).expand(seen.actions.shape[:2])


@pytest.mark.parametrize("by_name", [True, False])
def test_a_bonus_of_ones_own(by_name, tmp_path):
    register_bonus("every_second", EverySecond)
    try:
        model = learned("every_second" if by_name else EverySecond)
        assert not torch.equal(weights(model), weights(learned("sights")))
        seen = drawn(in_space(OBSERVATIONS["vector"]))
        news = model.novelty(seen)
        assert torch.equal(news, torch.where(seen.starts[1:], 0.0, model.novelty.news(seen)))  # whatever it says
        assert not torch.equal(news, model.novelty.news(seen))
        loaded = saved_and_loaded(model, tmp_path / "agent")
        assert torch.equal(loaded.novelty.weight, model.novelty.weight)
    finally:
        del BONUSES["every_second"]
    with pytest.raises(ValueError, match=re.escape("bonus <class 'int'> must be a subclass of")):
        register_bonus("wrong", int)
