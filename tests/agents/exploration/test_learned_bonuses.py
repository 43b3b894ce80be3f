"""RND, NovelD and E3B: each is what its paper says, by a plain loop, and learns what it has to."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from staggered import ACTIONS, ROWS, VECTOR
from test_bonuses import built, drawn

from engram.agents.exploration.learned import LearnedBonus, NewsSize, Steps
from engram.memory import tree_map

SPACE = spaces.Dict({"seen": VECTOR, "mode": spaces.Discrete(3)})


def raw_news(one, seen):
    """What it finds, in its own unit, as a list of lists."""
    with torch.no_grad():
        return one.raw_news(seen)


def each(embed, seen):
    """What a network makes of every observation, one by one: arrays [X + 1][B] of [D]."""
    with torch.no_grad():
        return [
            [
                embed(tree_map(lambda leaf, t=t, b=b: leaf[t : t + 1, b : b + 1], seen.observations))[0, 0]
                .double()
                .numpy()
                for b in range(seen.starts.shape[1])
            ]
            for t in range(len(seen.starts))
        ]


def stretches(seeds=3):
    """Steps that follow one another: each begins with what the one before led to."""
    found = []
    for seed in range(seeds):
        seen = drawn(SPACE, seed=seed, steps=17)
        if found:
            first = tree_map(lambda leaf: leaf[-1:], found[-1].observations)
            joined = tree_map(lambda one, other: torch.cat([one, other[1:]]), first, seen.observations)
            starts = torch.cat([found[-1].starts[-1:], seen.starts[1:]])
            seen = seen._replace(observations=joined, starts=starts)
        seen.starts[1:, 2] = False  # an episode that goes on through all of them
        found.append(seen)
    return found


def test_rnd_is_the_squared_error_of_what_a_step_led_to():
    one = built("rnd", SPACE)
    for seen in stretches():
        predicted, target = each(one.predictor, seen), each(one.target, seen)
        expected = [
            [np.sum((predicted[t + 1][b] - target[t + 1][b]) ** 2) for b in range(ROWS)]
            for t in range(len(seen.actions))
        ]
        np.testing.assert_allclose(raw_news(one, seen), expected, rtol=1e-4)
        one(seen)


def test_noveld_pays_for_what_is_newer_than_what_it_came_from_once_in_an_episode():
    one = built("noveld", SPACE)
    visited = [[] for _ in range(ROWS)]
    for number, seen in enumerate(stretches()):
        predicted, target = each(one.predictor, seen), each(one.target, seen)
        shown = [
            [
                tuple(leaf[t, b].tolist() for leaf in (seen.observations[1], seen.observations[0][..., None]))
                for b in range(ROWS)
            ]
            for t in range(len(seen.starts))
        ]
        expected = np.zeros((len(seen.actions), ROWS))
        for b in range(ROWS):
            for t in range(len(seen.starts)):
                if seen.starts[t, b]:
                    visited[b] = []
                elif t:
                    new, old = (np.linalg.norm(predicted[i][b] - target[i][b]) for i in (t, t - 1))
                    count = visited[b].count(str(shown[t][b])) + 1
                    expected[t - 1, b] = max(new - 0.5 * old, 0.0) * (count == 1)
                if t or number == 0 or seen.starts[t, b]:
                    visited[b].append(str(shown[t][b]))
        found = raw_news(one, seen)
        within = ~seen.starts[1:].numpy()
        assert (expected[within] > 0).any()
        np.testing.assert_allclose(found.numpy()[within], expected[within], rtol=1e-4, atol=1e-6)


def test_e3b_is_the_quadratic_form_of_the_inverse_of_all_that_the_episode_has_shown():
    one = built("e3b", SPACE)
    shown = [[] for _ in range(ROWS)]
    for number, seen in enumerate(stretches()):
        phi = [[v / np.linalg.norm(v) for v in row] for row in each(one.embedding, seen)]
        expected = np.zeros((len(seen.actions), ROWS))
        for b in range(ROWS):
            for t in range(len(seen.starts)):
                if seen.starts[t, b]:
                    shown[b] = []
                elif t:
                    covariance = 0.1 * np.eye(one.width) + sum(np.outer(v, v) for v in shown[b])
                    expected[t - 1, b] = phi[t][b] @ np.linalg.inv(covariance) @ phi[t][b]
                if t or number == 0 or seen.starts[t, b]:
                    shown[b].append(phi[t][b])
        found = raw_news(one, seen)
        within = ~seen.starts[1:].numpy()
        np.testing.assert_allclose(found.numpy()[within], expected[within], rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("bonus", ["rnd", "noveld"])
def test_what_was_shown_often_is_no_news_and_the_target_never_moves(bonus):
    one = built(bonus, VECTOR)
    target = [part.clone() for part in one.target.parameters()]
    often, new = drawn(VECTOR, seed=1, steps=40), drawn(VECTOR, seed=2, steps=40)
    before = one.squared_errors(often.observations).mean().item()
    for _ in range(150):
        one(often)
    with torch.no_grad():
        known, unknown = (one.squared_errors(seen.observations).mean().item() for seen in (often, new))
    assert known < 0.05 * before
    assert known < 0.1 * unknown
    assert all(torch.equal(part, drawn) for part, drawn in zip(one.target.parameters(), target, strict=True))


@pytest.mark.parametrize("actions", ACTIONS)
def test_e3b_learns_to_tell_which_action_led_from_one_observation_to_the_next(actions):
    """In what is seen each action leaves its own mark, beside noise."""
    space = spaces.Box(-9, 9, (8,), np.float32)
    one = built("e3b", space, ACTIONS[actions])
    seen = drawn(space, ACTIONS[actions], steps=60)
    noise = torch.randn(61, ROWS, 8 - seen.actions.shape[2]) if seen.actions.shape[2] < 8 else torch.zeros(61, ROWS, 0)
    done = torch.cat([torch.zeros_like(seen.actions[:1]), seen.actions]).float()
    seen = seen._replace(observations=torch.cat([done, noise], 2))
    steps = Steps(seen.observations[:-1], seen.actions, seen.observations[1:], seen.starts[1:])
    before = one.loss(steps).item()
    for _ in range(150):
        one(seen)
    assert one.loss(steps).item() < 0.25 * before
    wrong = torch.where(steps.ended.unsqueeze(2), seen.actions.flip(0), seen.actions)
    assert steps.ended.any()
    assert not torch.equal(wrong, seen.actions)
    assert torch.equal(one.loss(steps._replace(actions=wrong)), one.loss(steps))  # which led to another episode


def test_news_is_worked_out_before_it_is_learned_from():
    for bonus in ("rnd", "e3b"):
        one, other = (built(bonus, VECTOR) for _ in range(2))
        seen = drawn(VECTOR, steps=40)
        other._learn = lambda _: None
        assert torch.equal(one(seen), other(seen))
        assert not torch.equal(one(seen), other(seen))


@pytest.mark.parametrize("often", [0.02, 0.5, 1.0])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 300.0])
def test_what_is_new_is_one_however_often_it_is_and_in_whatever_unit(unit, often):
    size = NewsSize()
    rng = np.random.default_rng(3)
    for _ in range(5):
        news = torch.tensor(unit * (rng.random((64, 37)) < often)).float()
        size.observe(news)
        assert size.in_units(news).max().item() == pytest.approx(1.0)
    assert size.in_units(torch.zeros(2, 3)).abs().max() == 0.0


def test_its_size_follows_what_networks_err_about():
    size = NewsSize()
    size.observe(torch.zeros(2, 3))  # nothing is known of it yet
    assert size.in_units(torch.ones(2, 3)).max() == 0.0
    for number in range(30):
        news = torch.full((2, 3), 10.0 if number == 0 else 0.1)
        size.observe(news)
        assert size.in_units(news).max().item() == pytest.approx(min(1.0, 0.01 / 0.8**number) if number else 1.0)
    size.observe(torch.full((2, 3), 70.0))  # never is more than 1 paid for what is new on average
    assert size.in_units(torch.full((2, 3), 70.0)).max().item() == pytest.approx(1.0)


def test_under_autocast_it_is_in_full_precision():
    one, other = (built("rnd", VECTOR) for _ in range(2))
    seen = drawn(VECTOR, steps=40)
    with torch.autocast("cpu", torch.bfloat16):
        found = [one(seen) for _ in range(3)]
    assert all(torch.equal(news, other(seen)) for news in found)


def test_what_is_ended_is_not_measured():
    """An episode's first observation may be as new as it will: it is no news, and has no part in the unit."""

    class Loud(LearnedBonus):
        def __init__(self, *given):
            super().__init__(*given)
            self.weight = torch.nn.Parameter(torch.ones(1))
            self.begin()

        def raw_news(self, seen):
            return torch.where(seen.starts[1:], 1e6, 3.0)

        def loss(self, steps):
            return self.weight.square().sum()

    seen = drawn(VECTOR)
    assert seen.starts[1:].any()
    news = Loud(VECTOR, ACTIONS["discrete"])(seen)
    torch.testing.assert_close(news, (~seen.starts[1:]).float())
