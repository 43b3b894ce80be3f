"""Whole pages, line by line."""

import io

import pytest
from rich.console import Console

from engram.envs.factory import make_env
from engram.envs.play.controls import Controls
from engram.envs.play.game import Game
from engram.envs.play.screen import Screen


def page(env_id, seed, actions, size=(100, 30), terminal=False, whole=False, **kwargs):
    env = make_env(env_id, kwargs=kwargs)
    game, controls = Game(env, seed), Controls(env, terminal)
    out, (width, height) = io.StringIO(), size
    console = Console(
        file=out, width=width, height=height, force_terminal=terminal, color_system=None, legacy_windows=False
    )
    screen = Screen(game, console, "a title", controls.name, controls.help(), whole)
    for action in actions:
        game.act(action)
    console.print(screen.page())
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_the_first_page_names_task_and_keys():
    assert page("Engram-MatchS9-v0", 1, []) == [
        "a title, episode 1",
        "look at the object in the dead end, then go to the one like it",
        "╭────────╮   step 0 of at most 405",
        "│ · ████ │   cue not visible",
        "│ · · ██ │",
        "│ ██▲ ·  │",
        "╰────────╯",
        "██ wall",
        "0 l left   1 r right   2 f u forward   n new episode   q quit",
    ]


def test_a_pipe_repeats_neither():
    assert page("Engram-MatchS9-v0", 1, [0]) == [
        "╭────────╮   step 1 of at most 405",
        "│ ░░████ │   action left",
        "│ ████·  │   reward 0, return 0",
        "│ ██▲ ·  │   cue not visible",
        "╰────────╯",
        "░░ unseen   ██ wall",
    ]


def test_at_a_terminal_a_grid_is_cut_to_what_fits_and_the_keys_stay():
    assert page("Engram-MatchS13-v0", 1, [2], size=(50, 17), terminal=True, whole=True) == [
        "a title, episode 1",
        "look at the object in the dead end, then go to the",
        "one like it",
        "╭──────────────╮   step 1 of at most 845",
        "│ ████████████ │   action forward",
        "│ ██████████·  │   reward 0, return 0",
        "│ ████████· ·  │   cue not visible",
        "│ ████· ◀ · ██ │",
        "│ ██· · ██████ │",
        "│ ██· ████████ │",
        "│ ██· · · ●g██ │",
        "╰──────────────╯",
        "██ wall   ●g green ball",
        "0 ← left   1 → right   2 ↑ forward   r new episode",
        "q quit",
    ]


@pytest.mark.parametrize("size", [(44, 12), (40, 9), (40, 4)])
def test_three_cells_by_three_are_shown_however_small_a_terminal_is(size):
    lines = page("Engram-MatchS13-v0", 1, [2], size=size, terminal=True, whole=True)
    assert sum(line.startswith("│") for line in lines) == 3
    assert all(len(line.split("│")[1].strip()) <= 6 for line in lines if line.startswith("│"))


def test_without_a_grid_there_are_words_and_how_the_episode_ended():
    assert page("Engram-Chain1-v0", 1, [0, 0, 0, 0, 1]) == [
        "╭─────────╮",
        "│ nothing │",
        "╰─────────╯",
        "step 5   action 1   reward -1, return -1   cue not visible   the end: no success, score 0",
    ]


def test_who_runs_out_of_steps_is_shown_that():
    assert page("Engram-MatchS9-v0", 1, [0] * 40, max_steps=40)[0].endswith("step 40 of at most 40")
    assert page("Engram-MatchS9-v0", 1, [0] * 40, max_steps=40)[4].endswith("the end, out of steps: no success")


def test_what_is_carried_is_shown():
    lines = page("BabyAI-PutNextS5N2Carrying-v0", 1, [6])
    assert sum("carrying a " in line for line in lines) == 1
