"""Walking: the fewest actions between poses."""

from itertools import product

import numpy as np
import pytest

from engram.envs.tasks.mazes.shortest_paths import FORWARD, LEFT, RIGHT, after, fewest_steps, shortest_path


def test_actions_are_minigrids():
    assert after(((4, 4), 0), FORWARD) == ((5, 4), 0)
    assert after(((4, 4), 1), FORWARD) == ((4, 5), 1)
    assert after(((4, 4), 0), RIGHT) == ((4, 4), 1)
    assert after(((4, 4), 0), LEFT) == ((4, 4), 3)


def test_a_shortest_way_is_walked_by_its_actions_and_no_shorter_one_exists():
    cells = {(1, 1), (2, 1), (3, 1), (3, 2), (3, 3), (2, 3), (1, 3)}
    start, goal = ((1, 1), 2), (1, 3)
    way = shortest_path(cells, start, lambda pose: pose[0] == goal)
    # About turn (2), two ahead, right, two ahead, right, two ahead.
    assert len(way) == 10
    pose = start
    for action in way:
        pose = after(pose, action)
        assert pose[0] in cells
    assert pose[0] == goal
    for shorter in product((LEFT, RIGHT, FORWARD), repeat=7):
        pose = start
        for action in shorter:
            following = after(pose, action)
            pose = following if following[0] in cells else pose
            assert pose[0] != goal


def test_where_the_way_has_ended_already_it_is_empty():
    assert shortest_path({(1, 1)}, ((1, 1), 0), lambda pose: True) == []
    assert fewest_steps({(1, 1)}, ((1, 1), 0), (1, 1)) == 0


def test_no_path():
    assert shortest_path({(1, 1), (3, 1)}, ((1, 1), 0), lambda pose: pose[0] == (3, 1)) is None
    with pytest.raises(ValueError, match=r"no path from \(1, 1\) to \(3, 1\)"):
        fewest_steps({(1, 1), (3, 1)}, ((1, 1), 0), (3, 1))


@pytest.mark.parametrize("seed", range(30))
def test_the_fewest_steps_are_those_of_a_shortest_path(seed):
    rng = np.random.default_rng(seed)
    cells = {(x, y) for x in range(1, 8) for y in range(1, 6) if rng.random() < 0.7} | {(0, 0), (8, 6)}
    place = (int(rng.integers(9)), int(rng.integers(7)))  # perhaps in a wall
    start = (place, int(rng.integers(4)))
    for goal in cells:
        path = shortest_path(cells, start, lambda pose, goal=goal: pose[0] == goal)
        if path is None:
            with pytest.raises(ValueError, match="no path"):
                fewest_steps(cells, start, goal)
        else:
            assert fewest_steps(cells, start, goal) == len(path)
