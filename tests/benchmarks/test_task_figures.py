import imageio.v3 as imageio
import matplotlib as mpl
import pytest

from benchmarks.figures.tasks.__main__ import FILMS, GRIDS, STRIPS
from benchmarks.figures.tasks.grids import Recorder, draw_film, draw_grid, grid_env, marks
from benchmarks.figures.tasks.strips import draw_strip, strip
from engram.envs.factory import make_env

mpl.use("Agg")


def strip_of(still):
    return strip(make_env(still.env_id, split="test", kwargs=still.kwargs), still.seed)


@pytest.mark.parametrize(("draw", "still"), [(draw_grid, GRIDS["room"]), (draw_strip, STRIPS["chain"])])
def test_a_still_is_a_small_picture_and_the_same_every_time(draw, still, tmp_path):
    files = [tmp_path / name for name in ("one.png", "two.png")]
    for file in files:
        draw(still.env_id, still.seed, file, **still.kwargs)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert files[0].stat().st_size < 60_000
    assert imageio.imread(files[0]).std() > 10


def test_a_film_shows_every_step_and_when_the_cue_is_in_sight(tmp_path):
    film, file = FILMS["room"], tmp_path / "room.gif"
    steps = draw_film(film.env_id, film.seed, film.player, file)
    assert file.stat().st_size < 400_000
    assert len(imageio.imread(file)) == steps + 1

    recorder = Recorder(grid_env(film.env_id), film.seed, 8)
    cues = [recorder.reset()[1]["cue_visible"]]
    cues += [recorder.step(2)[-1]["cue_visible"] for _ in range(5)]
    framed = [bool((frame == (255, 190, 0)).all(axis=-1).any()) for frame in recorder.frames]
    assert framed == cues
    assert set(cues) == {False, True}


@pytest.mark.parametrize("still", GRIDS.values(), ids=GRIDS)
def test_what_is_outlined_is_there_and_the_choice_like_the_cue_is_called_right(still):
    env = grid_env(still.env_id)
    env.reset(seed=still.seed)
    marked = {mark.meaning: [env.unwrapped.grid.get(*cell) for cell in mark.cells] for mark in marks(env)}
    if "right choice" in marked:
        (cue,), (right,), (wrong,) = marked.values()
        assert (cue.type, cue.color) == (right.type, right.color) != (wrong.type, wrong.color)
    elif "signs" in marked:
        assert {sign.type for sign in marked["signs"]} <= {"key", "ball"}
        assert len(marked["signs"]) == len(marked["right arms"]) == len(marked["wrong arms"])
    else:
        assert [[goal.type] for (goal,) in marked.values()] == [["goal"]]


@pytest.mark.parametrize(
    ("name", "row"),
    [("tmaze", "cue"), ("repeat_previous", "shown"), ("reverse_recall", "shown"), ("binding", "its answer")],
)
def test_an_answer_is_what_was_shown_where_its_link_begins(name, row):
    laid_out = strip_of(STRIPS[name])
    *_, right = laid_out.rows.values()
    assert [end for _, end in laid_out.links] == laid_out.due
    assert [laid_out.rows[row][begin] for begin, _ in laid_out.links] == [right[due] for due in laid_out.due]


def test_links_lead_back_along_a_chain_to_the_answer():
    laid_out = strip_of(STRIPS["chain"])
    origins, targets, right = laid_out.rows.values()
    (asks,) = laid_out.due
    step, wanted = asks, origins[asks]
    for begin, end in laid_out.links:
        assert (end, wanted) == (step, origins[begin])
        step, wanted = begin, targets[begin]
    assert len(laid_out.links) == 2
    assert wanted == right[asks]


def test_a_count_is_the_number_of_its_links():
    laid_out = strip_of(STRIPS["counting"])
    counts = [sum(end == due for _, end in laid_out.links) for due in laid_out.due]
    assert [laid_out.rows["right answer"][due].text for due in laid_out.due] == list(map(str, counts))
