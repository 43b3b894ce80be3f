import gymnasium as gym
import numpy as np
import pytest
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball, Box, Door, Goal, Key, Lava, Wall

from engram.envs.factory import make_env
from engram.envs.play.text_view import agents_view, carried, cut_out, draw, legend, name_of, whole_grid


def image_of(*rows):
    """Make symbols [columns, rows] of rows of things; None is empty, "?" unseen."""
    codes = [[(0, 0, 0) if it == "?" else (1, 0, 0) if it is None else it.encode() for it in row] for row in rows]
    return np.array(codes, dtype=np.uint8).transpose(1, 0, 2)


ROOM = image_of(
    ["?", Wall(), Lava()],
    [Key("red"), Ball("green"), Door("yellow", is_locked=True)],
    [Box("blue"), None, Door("grey", is_open=True)],
)


def test_a_view_is_drawn_row_by_row_with_the_agent_at_its_bottom():
    assert draw(agents_view(ROOM)).plain.splitlines() == ["░░██≈≈", "kr●g×y", "■b▲ / "]
    assert draw(agents_view(ROOM), ascii_only=True).plain.splitlines() == ["::##~~", "krogxy", "=b^ / "]


def test_the_legend_names_each_sign_once_and_no_empty_cell():
    assert legend(agents_view(ROOM)).plain == (
        "░░ unseen   ██ wall   ×y locked yellow door   /  open grey door   kr red key   ●g green ball   ■b blue box"
        "   ≈≈ lava"
    )


@pytest.mark.parametrize("ascii_only", [False, True])
def test_no_two_things_that_an_agent_can_tell_look_alike_even_without_colors(ascii_only):
    things = [kind(color) for kind in (Key, Ball, Box) for color in COLOR_TO_IDX]
    things += [Door(color, *state) for color in COLOR_TO_IDX for state in ((True,), (False,), (False, True))]
    things += [Wall(), Goal(), Lava(), "?", None]
    drawn = [draw(agents_view(image_of([it, it, None], [None, None, None], 3 * [Wall()])), ascii_only) for it in things]
    signs = [text.plain[:2] for text in drawn]
    alike = {(a, b) for a in range(len(signs)) for b in range(a) if signs[a] == signs[b]}
    assert not alike
    assert not ascii_only or all(text.plain.isascii() for text in drawn)


def test_a_thing_has_its_color():
    keys = [draw(agents_view(image_of([Key(color), None, None]))).spans[0].style for color in COLOR_TO_IDX]
    assert len(set(map(str, keys))) == len(COLOR_TO_IDX)


def test_what_is_carried_is_told():
    assert carried(image_of([None] * 3, [None, Key("purple"), None])) == "purple key"
    assert carried(image_of([None] * 3, [Key("purple"), None, None])) == ""


def test_the_whole_grid_shows_where_everything_is_and_marks_what_the_agent_sees():
    env = make_env("MiniGrid-KeyCorridorS3R3-v0", seed=5)
    observation, _ = env.reset()
    bare = env.unwrapped
    for action in (0, 0, 2, 1, 2, 2, 1, 1, 2):
        view = whole_grid(env, observation["image"])
        lines = draw(view).plain.splitlines()
        assert [len(line) for line in lines] == [2 * bare.width] * bare.height
        x, y = bare.agent_pos
        assert lines[y][2 * x] == "▶▼◀▲"[bare.agent_dir]
        things = {(x, y): bare.grid.get(x, y) for x in range(bare.width) for y in range(bare.height)}
        for (x, y), thing in things.items():
            if thing is not None and thing.type in ("key", "ball", "box"):
                assert lines[y][2 * x : 2 * x + 2] == {"key": "k", "ball": "●", "box": "■"}[thing.type] + thing.color[0]
        _, visible = bare.gen_obs_grid()
        places = {cell: bare.relative_coords(*cell) for cell in things}
        seen = {cell for cell, place in places.items() if place is not None and visible[place]}
        assert {cell for cell in things if view.in_view[cell]} == seen
        observation, *_ = env.step(action)


def test_the_mark_can_be_seen():
    env = make_env("Engram-MatchS9-v0", seed=5)
    view = whole_grid(env, env.reset()[0])
    unmarked = view._replace(in_view=np.zeros_like(view.in_view))
    changed = [span for span, other in zip(draw(view).spans, draw(unmarked).spans, strict=True) if span != other]
    assert len(changed) == view.in_view.sum()


@pytest.mark.parametrize("place", [(0, 0), (6, 4), (3, 2), (6, 0)])
def test_what_is_cut_out_has_the_agent_in_it_and_the_size_asked_for(place):
    symbols = np.full((7, 5, 3), OBJECT_TO_IDX["empty"], dtype=np.uint8)
    view = agents_view(image_of([None]))._replace(symbols=symbols, agent=place, in_view=np.zeros((7, 5), dtype=bool))
    for columns, rows in ((7, 5), (3, 2), (99, 3), (4, 99)):
        part = cut_out(view, columns, rows)
        assert part.in_view.shape == part.symbols.shape[:2] == (min(columns, 7), min(rows, 5))
        line = draw(part).plain.splitlines()[part.agent[1]]
        assert line[2 * part.agent[0]] == "▲"
    assert cut_out(view, 7, 5).agent == place


def test_every_minigrid_can_be_drawn():
    seen = set()
    for env_id in ("MiniGrid-LavaGapS5-v0", "MiniGrid-ObstructedMaze-1Q-v1", "MiniGrid-Playground-v0"):
        env = gym.make(env_id)
        env.reset(seed=1)
        grid: Grid = env.unwrapped.grid
        view = agents_view(grid.encode())
        assert "??" not in draw(view).plain
        seen |= {name_of(symbol).split()[-1] for symbol in grid.encode().reshape(-1, 3).tolist()}
    assert seen >= {"wall", "key", "ball", "box", "door", "goal", "lava", "empty"}
