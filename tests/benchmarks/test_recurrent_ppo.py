"""The peer trains on the same terms as our agent: the same input, the same bonus, the same schedules and episodes."""

import json
import sys

import numpy as np
import pytest
import torch
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnvWrapper
from tiny_runs import TINY, composed

from benchmarks.baselines.event_observation import PREVIOUS_ACTION, ShowPreviousAction
from benchmarks.baselines.novelty_rewards import Explored
from benchmarks.baselines.recurrent_ppo import AnnealEntropy, Player, main, make_model, train
from engram.agents import MemoryPPO
from engram.agents.exploration.first_visits import EpisodicNovelty
from engram.agents.exploration.interface import Seen
from engram.agents.exploration.registry import build_bonus
from engram.agents.exploration.reward import news_rate, novelty_bonus
from engram.cli.training.prepare import agent_arguments
from engram.configs import CannotRun, load
from engram.evidence.runs.open import make_envs
from engram.evidence.runs.settings import trained_setting

SHORT = (*TINY, "memory=none")


@pytest.fixture
def tiny():
    """A configuration without what only the episodic memory has."""
    return composed(*(word for word in SHORT if not word.startswith("memory.")))


def envs(config, side="train"):
    return make_envs(config, trained_setting(config.env), side, config.env.n_envs, config.seed)


class Recorder(VecEnvWrapper):
    """Keeps what comes out of the envs."""

    def __init__(self, venv):
        super().__init__(venv)
        self.steps = []

    def reset(self):
        self.first = self.venv.reset()
        return self.first

    def step_wait(self):
        observations, rewards, dones, infos = self.venv.step_wait()
        truncated = np.array([info["TimeLimit.truncated"] for info in infos])
        self.steps.append((observations.copy(), rewards.copy(), truncated, dones.copy()))
        return observations, rewards, dones, infos


def test_previous_action_is_shown_as_our_policy_stores_it(tiny):
    env = ShowPreviousAction(envs(tiny))
    rng = np.random.default_rng(3)
    assert (env.reset()[PREVIOUS_ACTION] == 0).all()
    ended = 0
    for _ in range(60):
        actions = rng.integers(0, env.action_space.n, env.num_envs)
        observations, _, dones, infos = env.step(actions)
        assert env.observation_space.contains({key: part[0] for key, part in observations.items()})
        np.testing.assert_array_equal(observations[PREVIOUS_ACTION][:, 0], np.where(dones, 0, actions + 1))
        for row in np.flatnonzero(dones):
            assert infos[row]["terminal_observation"][PREVIOUS_ACTION].tolist() == [actions[row] + 1]
        ended += dones.sum()
    assert ended


def test_its_input_is_encoded_as_our_policys(tiny):
    """The same weights give the same features."""
    env = envs(tiny)
    ours = MemoryPPO("MemoryPolicy", env, **agent_arguments(tiny)).policy
    peer = make_model(tiny, envs(tiny))
    encoder, features = ours.core.encoder, peer.policy.features_extractor
    features.encoder.load_state_dict(
        {key.replace("extract.features_extractor.", "extract."): value for key, value in encoder.state_dict().items()}
    )
    shown = ShowPreviousAction(env)
    shown.reset()
    observations = shown.step(np.arange(env.num_envs) % env.action_space.n)[0]
    plain = torch.as_tensor(observations["observation"])
    event = ours.events(
        plain.unsqueeze(0),
        torch.as_tensor(observations[PREVIOUS_ACTION]).unsqueeze(0),
        torch.zeros(1, len(plain), dtype=bool),
    )
    expected = encoder(type(event)(*(part.flatten(0, 1) for part in event)))
    torch.testing.assert_close(peer.policy.extract_features(peer.policy.obs_to_tensor(observations)[0]), expected)


def test_bonus_is_in_the_rewards_to_learn_from_as_ours_computes_it(tiny):
    tiny.ppo.novelty_coef, tiny.ppo.novelty_fraction, tiny.total_timesteps = 0.3, 0.9, 2 * 32 * 6
    recorder = Recorder(envs(tiny))
    model = make_model(tiny, recorder)
    model.set_logger(Logger(None, []))
    learned, computed = [], type(model.rollout_buffer).compute_returns_and_advantage

    def keep(buffer, **arguments):
        computed(buffer, **arguments)
        learned.append((buffer.rewards.copy(), buffer.returns.copy()))

    type(model.rollout_buffer).compute_returns_and_advantage = keep
    try:
        model.learn(tiny.total_timesteps)
    finally:
        type(model.rollout_buffer).compute_returns_and_advantage = computed

    novelty = EpisodicNovelty()
    novelty.first_visits(torch.tensor(recorder.first[None]), torch.ones(1, 6, dtype=torch.bool))
    for rollout, progress in enumerate((0.0, 0.5)):
        steps = recorder.steps[32 * rollout : 32 * (rollout + 1)]
        shown, ended = (torch.tensor(np.stack([step[part] for step in steps])) for part in (0, 3))
        news = novelty.first_visits(shown, ended).float()
        expected = novelty_bonus(news, news_rate(news, ended), 0.3 * (1 - progress / 0.9)).numpy()
        assert expected.any()
        rewards, truncated = (np.stack([step[part] for step in steps]) for part in (1, 2))
        # Where an episode is truncated, RecurrentPPO adds the value of what would have followed.
        assert truncated.any()
        assert (learned[rollout][0][truncated] != (rewards + expected)[truncated]).all()
        np.testing.assert_allclose(learned[rollout][0][~truncated], (rewards + expected)[~truncated], atol=1e-6)
        assert np.isfinite(learned[rollout][1]).all()


def test_entropy_bonus_is_annealed_as_ours(tiny):
    tiny.ppo.ent_coef, tiny.ppo.ent_coef_final, tiny.total_timesteps = 0.07, 0.01, 3 * 32 * 6
    schedule = agent_arguments(tiny)["ent_coef"]
    model = make_model(tiny, envs(tiny))
    model.set_logger(Logger(None, []))
    used, update = [], model.train

    def note():
        used.append(model.ent_coef)
        update()

    model.train = note
    model.learn(tiny.total_timesteps, callback=AnnealEntropy(schedule))
    ours = MemoryPPO("MemoryPolicy", envs(tiny), **agent_arguments(tiny))
    expected, ours_update = [], ours.train

    def note_ours():
        ours_update()
        expected.append(ours.logger.name_to_value["train/ent_coef"])

    ours.train = note_ours
    ours.learn(tiny.total_timesteps)
    assert used == pytest.approx(expected)
    assert used == pytest.approx([0.05, 0.03, 0.01])


def test_state_is_carried_and_reset(tiny):
    model = make_model(tiny, envs(tiny))
    player, shown = Player(model), ShowPreviousAction(envs(tiny))
    observations, starts = shown.reset(), np.array([True, False] * 3)
    state = tuple(np.full_like(part, 0.4) for part in player.initial_state(6))
    _, after = player.predict(observations, state, starts, True, None)
    _, fresh = player.predict(observations, player.initial_state(6), starts, True, None)
    same = (after[0] == fresh[0]).all(axis=(0, 2))
    assert same.tolist() == starts.tolist()


def test_a_run_leaves_what_a_run_of_ours_leaves(tiny, tmp_path):
    tiny.runs_dir = str(tmp_path)
    train(tiny, "tiny-none-lstm")
    (folder,) = (tmp_path / "tiny-recurrent_ppo").iterdir()
    files = {file.name for file in folder.iterdir()}
    assert files >= {
        "config.yaml",
        "versions.json",
        "metrics.csv",
        "layouts.txt",
        "best.zip",
        "latest.zip",
        "episodes.csv",
    }
    found = json.loads((folder / "evaluation.json").read_text())
    assert found["intact"]["episodes"] == found["sampled"]["intact"]["episodes"] == 6
    assert (found["algorithm"], found["split"]) == ("RecurrentPPO of sb3-contrib", "test")
    assert load(folder / "config.yaml").name == "tiny-recurrent_ppo"
    assert "eval/success_rate" in (folder / "metrics.csv").read_text().splitlines()[0]


def test_what_it_cannot_do_is_refused(tiny):
    env = envs(tiny)
    tiny.ppo.batch_size = 191
    with pytest.raises(CannotRun, match="NaN"):
        make_model(tiny, env)
    tiny.ppo.batch_size, tiny.controller.name = 96, "gru"
    with pytest.raises(CannotRun, match="LSTM"):
        make_model(tiny, env)


def test_a_memory_is_refused_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["recurrent_ppo", "memory=dnc"])
    assert main() == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_first_visits_change_nothing(tiny):
    plain, watched = envs(tiny), Explored(envs(tiny))
    np.testing.assert_array_equal(plain.reset(), watched.reset())
    for step in range(9):
        actions = np.full(6, step % plain.action_space.n)
        for one, other in zip(plain.step(actions)[:3], watched.step(actions)[:3], strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("bonus", ["sights", "rnd", "noveld", "e3b"])
def test_a_peer_is_paid_what_ours_would_be(bonus, tiny):
    torch.manual_seed(5)
    explored = Explored(envs(tiny), bonus)
    torch.manual_seed(5)
    ours = build_bonus(bonus, explored.observation_space, explored.action_space)
    shown, starts, taken, paid = [explored.reset()], [np.ones(6, bool)], [], 0.0
    rng = np.random.default_rng(2)
    for _ in range(2):
        for _ in range(40):
            taken.append(rng.integers(0, explored.action_space.n, 6))
            observations, _, dones, _ = explored.step(taken[-1])
            shown.append(observations.copy())
            starts.append(dones.copy())
        shown, starts, taken = shown[-41:], starts[-41:], taken[-40:]
        seen = Seen(*(torch.tensor(np.stack(part)) for part in (shown, taken, starts)))
        news = ours(seen._replace(actions=1 + seen.actions.unsqueeze(2)))
        expected = novelty_bonus(news, news_rate(news, seen.starts[1:]), 0.3).numpy()
        np.testing.assert_array_equal(explored.bonus(0.3), expected)
        paid += expected.sum()
    assert paid > 0
