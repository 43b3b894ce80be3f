"""Pictures of the tasks without a picture: an episode as a strip over time, and from where each answer comes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch

from benchmarks.players.sequences import Seen, right_answer
from engram.envs.factory import make_env
from engram.envs.tasks.sequences.binding import Binding
from engram.envs.tasks.sequences.chain import Chain
from engram.envs.tasks.sequences.counting import Counting
from engram.envs.tasks.sequences.repeat_previous import RepeatPrevious
from engram.envs.tasks.sequences.reverse_recall import ReverseRecall
from engram.envs.tasks.tmaze.env import DOWN, FORWARD, UP, TMaze

COLORS = ("#8ecae6", "#ffb703", "#95d5b2", "#f4978e", "#cdb4db", "#d4a373")
"""Of answers, and of symbols that are answers: what has the same color is the same."""
PLAIN, DUE = "#e9ecef", "#fff3b0"
_GREY = "#6c757d"
_CELL = 0.4  # inches
_LEGEND = {"ncols": 2, "fontsize": 9, "frameon": False, "borderpad": 0, "borderaxespad": 0}


class Tile(NamedTuple):
    """What is written at one step of a row."""

    text: str
    color: str = PLAIN


Row = dict[int, Tile]  # by step


class Strip(NamedTuple):
    """An episode, ready to be drawn."""

    steps: int
    rows: dict[str, Row]  # from top to bottom
    due: list[int]  # the steps at which an answer is due
    links: list[tuple[int, int]]  # from the step that is to be remembered to the one that asks for it


def colored(number: int, text: str = "") -> Tile:
    """Return the tile of a number."""
    return Tile(text or str(number), COLORS[number % len(COLORS)])


def play(env: gym.Env[Any, Any], seed: int) -> tuple[Seen, dict[int, int]]:
    """Return what an oracle saw at every step of an episode, and its answers by the step at which they were due."""
    observation, _ = env.reset(seed=seed)
    seen: Seen = []
    answers: dict[int, int] = {}
    terminated = False
    while not terminated:
        seen.append(tuple(observation.tolist()))
        if seen[-1][0]:
            answers[len(seen) - 1] = right_answer(env, seen)
        observation, _, terminated, _, info = env.step(answers.get(len(seen) - 1, 0))
    assert info["is_success"]
    return seen, answers


def _repeat_previous(env: RepeatPrevious, seen: Seen, answers: dict[int, int]) -> Strip:
    shown = {step: colored(symbol) for step, (_, symbol) in enumerate(seen)}
    right = {step: colored(answer) for step, answer in answers.items()}
    links = [(step - env.lag, step) for step in answers]
    return Strip(len(seen), {"shown": shown, "right answer": right}, [*answers], links)


def _reverse_recall(env: ReverseRecall, seen: Seen, answers: dict[int, int]) -> Strip:
    shown = {step: colored(symbol) for step, (due, symbol) in enumerate(seen) if not due}
    right = {step: colored(answer) for step, answer in answers.items()}
    links = [(len(seen) - 1 - step, step) for step in answers]
    return Strip(len(seen), {"shown": shown, "right answer": right}, [*answers], links)


def _binding(env: Binding, seen: Seen, answers: dict[int, int]) -> Strip:
    cues = {step: Tile(str(cue)) for step, (_, cue, _) in enumerate(seen) if cue < env.alphabet}
    shown = {step: colored(answer) for step, (_, _, answer) in enumerate(seen) if answer < env.answers}
    right = {step: colored(answer) for step, answer in answers.items()}
    links = [(next(then for then in shown if cues[then] == cues[step]), step) for step in answers]
    return Strip(len(seen), {"cue": cues, "its answer": shown, "right answer": right}, [*answers], links)


def _chain(env: Chain, seen: Seen, answers: dict[int, int]) -> Strip:
    origins = {step: Tile(str(origin)) for step, (_, origin, _) in enumerate(seen)}
    targets: Row = {}
    for step, (due, _, target) in enumerate(seen):
        if not due:
            end = target - env.alphabet
            targets[step] = Tile(str(target)) if end < 0 else colored(end, "ABCDEFGH"[end])
    right = {step: colored(answer, "ABCDEFGH"[answer]) for step, answer in answers.items()}
    # From the question to the first binding, and on from binding to binding.
    step = asks = len(seen) - 1
    links, wanted = [], origins[asks]
    while wanted in [origins[then] for then in targets]:
        then = next(then for then in targets if origins[then] == wanted)
        links.append((then, step))
        step, wanted = then, targets[then]
    return Strip(len(seen), {"from": origins, "to": targets, "right answer": right}, [asks], links)


def _counting(env: Counting, seen: Seen, answers: dict[int, int]) -> Strip:
    shown = {step: colored(symbol) for step, (due, symbol) in enumerate(seen) if not due}
    asked = {step: colored(seen[step][1]) for step in answers}
    right = {step: Tile(str(answer)) for step, answer in answers.items()}
    links = [(then, step) for step in answers for then in shown if shown[then] == asked[step]]
    return Strip(len(seen), {"shown": shown, "asked for": asked, "right answer": right}, [*answers], links)


SEQUENCES: dict[type[gym.Env[Any, Any]], Callable[[Any, Seen, dict[int, int]], Strip]] = {
    RepeatPrevious: _repeat_previous,
    ReverseRecall: _reverse_recall,
    Binding: _binding,
    Chain: _chain,
    Counting: _counting,
}
_ARROWS = {FORWARD: Tile("→"), UP: Tile("↑", COLORS[0]), DOWN: Tile("↓", COLORS[1])}


def _tmaze(env: gym.Env[Any, Any], seed: int) -> Strip:
    """Walk a passive T-Maze whose cue is shown at the start."""
    observation, info = env.reset(seed=seed)
    cue: Row = {}
    place: Row = {}
    right: Row = {}
    terminated = False
    while not terminated:
        step = len(place)
        if observation[:2].any():
            cue[step] = _ARROWS[UP if observation[0] else DOWN]
        junction = bool(observation[3])
        place[step] = Tile("T" if junction else "═")
        right[step] = cue[0] if junction else _ARROWS[FORWARD]
        action = next(action for action, tile in _ARROWS.items() if tile == right[step])
        observation, _, terminated, _, info = env.step(action)
    assert info["is_success"]
    last = len(place) - 1
    return Strip(last + 1, {"cue": cue, "place": place, "right action": right}, [last], [(0, last)])


def strip(env: gym.Env[Any, Any], seed: int) -> Strip:
    """Lay out an episode of a sequence task or a T-Maze."""
    bare: Any = env.unwrapped
    if isinstance(bare, TMaze):
        return _tmaze(env, seed)
    return SEQUENCES[type(bare)](bare, *play(env, seed))


def draw_strip(env_id: str, seed: int, out: Path, **kwargs: Any) -> None:
    """Draw a test-side episode of a task.

    Args:
        env_id: a sequence task or a T-Maze.
        seed: of the episode.
        out: file to write, .png.
        **kwargs: of the task.
    """
    laid_out = strip(make_env(env_id, split="test", kwargs=kwargs), seed)
    rows, height = len(laid_out.rows), max(_height(begin, end) for begin, end in laid_out.links)
    figure = plt.figure(figsize=(_CELL * (laid_out.steps + 0.2), _CELL * (rows + height + 1)))
    axis = figure.add_axes((0, 0, 1, 1), xlim=(-0.6, laid_out.steps - 0.4), ylim=(rows, -1 - height))
    for begin, end in laid_out.links:
        _draw_link(axis, begin, end)
    for step in laid_out.due:
        axis.axvspan(step - 0.5, step + 0.5, 0.45 / (rows + height + 1), color=DUE, linewidth=0)
    for place, row in enumerate(laid_out.rows.values()):
        for step, tile in row.items():
            box = FancyBboxPatch((step - 0.33, place - 0.33), 0.66, 0.66, "round,pad=0.05", linewidth=0.6)
            box.set(facecolor=tile.color, edgecolor="#495057")
            axis.add_patch(box)
            axis.text(step, place, tile.text, ha="center", va="center_baseline", fontsize=10)
    for step in range(laid_out.steps):
        axis.text(step, rows - 0.25, str(step), ha="center", va="center_baseline", fontsize=8, color=_GREY)
    axis.set_xticks([])
    axis.set_yticks([*range(rows), rows - 0.25], [*laid_out.rows, "step"], fontsize=10)
    axis.get_yticklabels()[-1].set(fontsize=8, color=_GREY)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    named = [Patch(color=DUE, label="an answer is due"), Line2D([], [], color=_GREY, label="what has to be remembered")]
    figure.legend(handles=named, loc="upper right", bbox_to_anchor=(1, -0.1 / figure.get_figheight()), **_LEGEND)
    figure.savefig(out, dpi=90, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)


def _height(begin: int, end: int) -> float:
    """Return how high a link rises, in cells."""
    return float(0.22 * abs(end - begin) ** 0.75) + 0.3


def _draw_link(axis: Axes, begin: int, end: int) -> None:
    """Draw an arc over the rows."""
    across = np.linspace(0, np.pi, 40)
    middle, half = (begin + end) / 2, (end - begin) / 2
    axis.plot(middle - half * np.cos(across), -0.5 - _height(begin, end) * np.sin(across), color=_GREY, linewidth=1)
