"""First visits: counted exactly, of sights or of places."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from engram.agents.exploration.first_visits import EpisodicNovelty
from engram.agents.exploration.interface import Seen
from engram.agents.exploration.registry import build_bonus

ROWS = 3


def first_visits(observations, starts, novelty=None):
    """What is found in observations [X, B, ...], as lists."""
    novelty = novelty or EpisodicNovelty()
    return novelty.first_visits(torch.tensor(np.array(observations)), torch.tensor(np.array(starts))).tolist()


def test_first_visits_are_counted_per_row_and_episode():
    shown = [
        ([[1, 1], [1, 1]], [True, True], [False, False]),  # no action led to a first observation
        ([[1, 1], [2, 2]], [False, False], [False, True]),
        ([[2, 2], [2, 2]], [False, False], [True, False]),
        ([[1, 1], [1, 1]], [False, False], [False, False]),
        ([[3, 3], [2, 2]], [False, True], [True, False]),
        ([[3, 3], [1, 1]], [False, False], [False, True]),  # in row 1 it is another episode
        ([[4, 4], [2, 2]], [False, False], [True, False]),
    ]
    observations, starts, expected = zip(*shown, strict=True)
    assert first_visits(observations, starts) == list(expected)


def by_a_plain_loop(observations, starts):
    """The definition: what an episode has shown is kept in a list."""
    result = np.zeros(starts.shape, dtype=bool)
    for row in range(starts.shape[1]):
        visited = []
        for time in range(len(starts)):
            observation = observations[time, row].tolist()
            if starts[time, row]:
                visited = []
            else:
                result[time, row] = observation not in visited
            visited.append(observation)
    return result.tolist()


@pytest.mark.parametrize("rollouts", [1, 2, 5, 40])
@pytest.mark.parametrize("seed", range(4))
def test_first_visits_against_a_plain_loop(seed, rollouts):
    rng = np.random.default_rng(seed)
    observations = rng.integers(0, 3, (40, ROWS, 2, 2)).astype(np.uint8)
    starts = rng.random((40, ROWS)) < 0.1
    starts[0] = True
    starts[1:, 2] = False  # an episode that goes on through all rollouts
    novelty, found = EpisodicNovelty(), []
    for part, start in zip(np.split(observations, rollouts), np.split(starts, rollouts), strict=True):
        found += first_visits(part, start, novelty)
    assert found == by_a_plain_loop(observations, starts)


def test_every_part_of_a_dict_counts():
    shown = (torch.tensor([[1], [1], [2], [1]]), torch.tensor([[[2]], [[3]], [[2]], [[2]]]))
    starts = torch.zeros(4, 1, dtype=torch.bool)
    assert EpisodicNovelty().first_visits(shown, starts).tolist() == [[True], [True], [True], [False]]


def test_what_is_forgotten_is_new_again():
    novelty, goes_on = EpisodicNovelty(), [[False]] * 2
    assert first_visits([[4], [5]], goes_on, novelty) == [[True], [True]]
    assert first_visits([[5], [6]], goes_on, novelty) == [[False], [True]]
    novelty.forget()
    assert first_visits([[5], [6]], goes_on, novelty) == [[True], [True]]


class Place(spaces.Box):
    """A space that says that it tells a place."""

    tells_place = True


SPACE = spaces.Dict({"here": Place(0, 9, (1,), np.int64), "sight": spaces.Discrete(9), "was": spaces.Discrete(9)})


@pytest.mark.parametrize(
    ("bonus", "left_out", "expected"),
    [
        ("sights", (), [1, 1, 0]),
        ("sights", ("was",), [1, 0, 0]),
        ("sights", ("sight", "was"), [0, 1, 0]),  # nothing but the place is left
        ("places", (), [0, 1, 0]),
        ("places", ("here", "was"), [0, 1, 0]),  # they count even if a memory does not compare them
    ],
)
def test_sights_and_places_are_told_apart(bonus, left_out, expected):
    here, sight, was = [3, 3, 4, 3], [0, 1, 0, 1], [0, 0, 1, 0]
    shown = torch.tensor(here).view(4, 1, 1), torch.tensor(sight).view(4, 1), torch.tensor(was).view(4, 1)
    starts = torch.tensor([[True], [False], [False], [False]])
    seen = Seen(shown, torch.ones(3, 1, 1, dtype=torch.int64), starts)
    built = build_bonus(bonus, SPACE, spaces.Discrete(2), left_out)
    assert built(seen).flatten().tolist() == expected


@pytest.mark.parametrize("space", [spaces.Discrete(3), spaces.Dict({"sight": spaces.Discrete(3)})])
def test_places_need_a_key_that_tells_one(space):
    line = r"^bonus='places': nothing in the observation tells a place; [^\n]*env.odometry=true[^\n]*sights'$"
    with pytest.raises(ValueError, match=line):
        build_bonus("places", space, spaces.Discrete(2))
