"""Mazes as trees of cells: they touch nothing, reach everything, and have the loops that were asked for."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engram.envs.tasks.mazes.generation.tree import (
    ahead,
    beside,
    dead_ends,
    distances,
    grow_tree,
    open_loops,
    walls_beside,
)

GRIDS = st.tuples(st.integers(5, 23), st.floats(0, 1), st.integers(0, 10**6))


def ways(opened):
    """Count the pairs of open cells side by side."""
    return sum(other in opened for cell in opened for other in beside(cell)) // 2


@given(GRIDS)
@settings(max_examples=60, deadline=None)
def test_it_is_a_tree_inside_the_border(grid):
    size, bushy, seed = grid
    tree = grow_tree(np.random.default_rng(seed), size, ((2, 3), (1, 3)), (2, 3), bushy)
    opened = {(2, 3), (1, 3), *tree}
    assert len(opened) == len(tree) + 2
    assert all(0 < x < size - 1 and 0 < y < size - 1 for x, y in tree)
    assert set(distances(opened, (2, 3))) == opened
    assert ways(opened) == len(opened) - 1
    # Only its root touches what was open before, and no cell is left that could be opened.
    assert not any(other in tree for other in beside((1, 3)))
    closed = {(x, y) for x in range(1, size - 1) for y in range(1, size - 1)} - opened
    assert not any(
        sum(other in opened for other in beside(cell)) == 1 and (1, 3) not in beside(cell) for cell in closed
    )


@given(GRIDS, st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_every_loop_is_one_more_way_around(grid, loops):
    size, bushy, seed = grid
    rng = np.random.default_rng(seed)
    opened = {(2, 2)}
    tree = grow_tree(rng, size, tuple(opened), (2, 2), bushy)
    opened.update(tree)
    new = open_loops(rng, tree, opened, loops)
    assert opened == {(2, 2), *tree, *new}
    assert len(new) <= loops
    assert ways(opened) == len(opened) - 1 + len(new)


def test_as_many_loops_as_asked_for_where_there_is_room():
    rng = np.random.default_rng(3)
    opened = {(1, 1)}
    tree = grow_tree(rng, 21, ((1, 1),), (1, 1))
    opened.update(tree)
    assert len(open_loops(rng, tree, opened, 5)) == 5


def test_bushy_mazes_have_more_dead_ends():
    def ends(bushy):
        trees = [grow_tree(np.random.default_rng(seed), 17, ((1, 1),), (1, 1), bushy) for seed in range(20)]
        return np.mean([len(dead_ends(tree, {(1, 1), *tree})) for tree in trees])

    assert ends(0.9) > 1.3 * ends(0.0)


def test_directions_go_around_clockwise():
    assert [ahead((5, 7), heading) for heading in (0, 1, 2, 3)] == [(6, 7), (5, 8), (4, 7), (5, 6)]
    assert [ahead((5, 7), heading) for heading in (4, -1)] == [(6, 7), (5, 6)]
    assert beside((5, 7)) == tuple(ahead((5, 7), heading) for heading in range(4))


def test_walls_distances_and_dead_ends_of_a_small_maze():
    opened = {(1, 1), (2, 1), (3, 1), (2, 2)}
    assert distances(opened, (1, 1)) == {(1, 1): 0, (2, 1): 1, (3, 1): 2, (2, 2): 2}
    assert dead_ends([(1, 1), (2, 1), (3, 1), (2, 2)], opened) == [(1, 1), (3, 1), (2, 2)]
    assert walls_beside([(1, 1), (2, 1)], opened) == [(1, 2), (0, 1), (1, 0), (2, 0)]
