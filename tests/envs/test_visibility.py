"""What can be seen, against what MiniGrid shows."""

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball, Door, Floor, Wall

from engram.envs import make_env
from engram.envs.visibility import Sight, cell_in_view, image_shows, in_sight, visible_mask


@st.composite
def cluttered_views(draw):
    size = draw(st.sampled_from((3, 5, 7, 9)))
    cells = st.sampled_from(("", "", "wall", "ball", "open", "closed", "floor"))
    return size, draw(st.lists(cells, min_size=size * size, max_size=size * size))


@given(cluttered_views())
@settings(max_examples=300, deadline=None)
def test_visibility_equals_minigrids(view):
    size, kinds = view
    makers = {
        "": lambda: None,
        "wall": Wall,
        "ball": Ball,
        "open": lambda: Door("red", is_open=True),
        "closed": lambda: Door("red"),
        "floor": Floor,
    }
    grid = Grid(size, size)
    grid.grid = [makers[kind]() for kind in kinds]
    clear = np.array([cell is None or cell.see_behind() for cell in grid.grid]).reshape(size, size).T
    open_cells = {(x, y) for x in range(size) for y in range(size) if clear[x, y]}
    mask = visible_mask(clear)[..., 0].astype(bool)
    np.testing.assert_array_equal(mask, grid.process_vis((size // 2, size - 1)))
    for x in range(size):
        for y in range(size):
            # The agent stands below the view's middle column and looks up.
            assert in_sight(open_cells, (size // 2, size - 1), 3, size, (x, y)) == mask[x, y]


@given(st.sets(st.tuples(st.integers(0, 8), st.integers(0, 6))), st.sampled_from((3, 5, 11, 17)))
@settings(max_examples=60, deadline=None)
def test_many_cells_in_one_frame_are_seen_as_each_by_itself(open_cells, view_size):
    sight = Sight(open_cells, view_size)
    cells = list(product(range(9), range(7)))
    for place in ((0, 0), (8, 6), (4, 2), (1, 5)):
        for heading in range(4):
            sees = sight.frame(place, heading)
            seen = {cell for cell in cells if in_sight(open_cells, place, heading, view_size, cell)}
            assert set(filter(sees, cells)) == seen


def test_cell_in_view_agrees_with_minigrid():
    env = make_env("MiniGrid-FourRooms-v0", view_size=5)
    for seed in range(12):
        observation, _ = env.reset(seed=seed)
        bare = env.unwrapped
        for x in range(19):
            for y in range(19):
                place = bare.relative_coords(x, y)
                assert cell_in_view(bare.agent_pos, bare.agent_dir, 5, (x, y)) == (place and tuple(place))
                shown = place is not None and observation[tuple(place)][0] != 0
                assert image_shows(observation, bare.agent_pos, bare.agent_dir, (x, y)) == shown
