"""Measures how often the sentence under an evaluation is right, on simulated agents of known kind.

    python -m benchmarks.verdicts --out docs/tables/verdicts.json

An agent of a kind is what it gets right in each episode under each intervention. For every kind the sentences are
listed that are right for it; "too few episodes to tell" is never wrong. Where there are fewer different episodes than
are played, each is one of these, drawn at random, and goes as it went before: so a greedy agent plays in few mazes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.arguments import count, make_parser
from engram.evidence.evaluation.verdict import Verdict, verdict
from engram.evidence.runs.files import LookedAgain, Score
from engram.evidence.runs.result_files import made_by
from engram.evidence.statistics import effective_number
from engram.tracking.atomic import write_json

PLAYED = ((20, 20), (50, 50), (200, 200), (200, 20))
"""Episodes that are played, and how many of them are different ones."""
DEFAULT = ("intact", "wiped", "controller_wiped", "both_wiped")
CERTIFICATE = (*DEFAULT, "reads_shuffled", "swapped_after_cue", "wiped_after_cue")
REPLAY_ERROR = 0.005
"""Share of episodes that end otherwise when they are played again, though nothing was done that matters."""
Right = NDArray[np.bool_]
Play = Callable[[np.random.Generator, tuple[int, int]], dict[str, Right]]
"""Draws, of shape (evaluations, episodes), what is right under the interventions that matter, and intact."""


class Kind(NamedTuple):
    """A kind of agent, and what is right to say of it beside "too few episodes"; first what to expect of many."""

    play: Play
    default: tuple[Verdict, ...]
    certificate: tuple[Verdict, ...]
    """Where another episode's memory was played, too."""
    chance: float | None = 0.5
    looks_again: float = 0.0
    """Share of episodes in which the agent sees the cue again, when it is left alone."""


def right(intact: float, when: Mapping[str, float] | None = None) -> Play:
    """Return an agent that is right in a share of episodes, and under some interventions in another share of them."""

    def play(rng: np.random.Generator, shape: tuple[int, int]) -> dict[str, Right]:
        return {
            name: rng.random(shape, np.float32) < share for name, share in {"intact": intact, **(when or {})}.items()
        }

    return play


def flips(rng: np.random.Generator, shape: tuple[int, int]) -> dict[str, Right]:
    """Play an agent that is right in half of the episodes, and when its memory is wiped in exactly the others."""
    intact = rng.random(shape, np.float32) < 0.5
    return {"intact": intact, "wiped": ~intact, "both_wiped": ~intact}


WIPED, EXCHANGED = ("wiped", "both_wiped"), ("reads_shuffled", "swapped_after_cue")
LOST = (*WIPED, *EXCHANGED, "wiped_after_cue")
UNSOLVED: tuple[Verdict, ...] = ("has not solved the task",)
WORSE: tuple[Verdict, ...] = ("does worse without it", "depends on it")
NEEDS: tuple[Verdict, ...] = ("needs its memory", *WORSE)
SUFFICES: tuple[Verdict, ...] = ("the controller's state suffices", "makes no difference")
DEPENDS: tuple[Verdict, ...] = ("depends on it", *UNSOLVED)
BETTER: tuple[Verdict, ...] = ("does better without it", *DEPENDS)
UNKNOWN: tuple[Verdict, ...] = ("chance is unknown",)
NONE: tuple[Verdict, ...] = ("makes no difference",)
GUESSES = right(0.5, dict.fromkeys(CERTIFICATE[1:], 0.5))
RECALLS_BOTH = right(0.98, dict.fromkeys(("both_wiped", *EXCHANGED), 0.5))
REMEMBERS = right(0.98, dict.fromkeys(("controller_wiped", "both_wiped"), 0.5))
LOOKS = right(0.97, dict.fromkeys((*WIPED, "reads_shuffled"), 0.5))
KINDS = {
    "guesses": Kind(GUESSES, UNSOLVED, UNSOLVED),
    "guesses; chance unknown": Kind(GUESSES, UNKNOWN, UNKNOWN, chance=None),
    "guesses the same whatever is done": Kind(right(0.5), UNSOLVED, UNSOLVED),
    "forgets: right in 95 %, in 60 % when wiped": Kind(right(0.95, dict.fromkeys(LOST, 0.6)), WORSE, NEEDS),
    "follows what it recalls": Kind(right(0.98, dict.fromkeys(LOST, 0.5)), WORSE, NEEDS),
    "follows what it recalls, be it right or not": Kind(right(0.5, dict.fromkeys(LOST, 0.5)), UNSOLVED, UNSOLVED),
    "follows what it recalls; its controller remembers, too": Kind(
        RECALLS_BOTH, SUFFICES, ("follows it without needing it",)
    ),
    "remembers in its controller": Kind(REMEMBERS, SUFFICES, SUFFICES),
    "fails without a memory, whatever is in it": Kind(
        right(0.98, dict.fromkeys(WIPED, 0.1)), WORSE, ("breaks without it", *WORSE)
    ),
    "looks again": Kind(LOOKS, WORSE, ("looks again", *WORSE), looks_again=0.95),
    "has no use for a memory": Kind(right(0.9), NONE, NONE),
    "flips every outcome when wiped": Kind(flips, UNSOLVED, UNSOLVED),
    "flips every outcome when wiped; chance is 25 %": Kind(flips, DEPENDS, DEPENDS, chance=0.25),
    "is led astray: right in 70 %, in 95 % when wiped": Kind(right(0.7, dict.fromkeys(WIPED, 0.95)), BETTER, BETTER),
}


def said(kind: Kind, episodes: int, different: int, evaluations: int) -> dict[str, Counter[Verdict | None]]:
    """Simulate evaluations of an agent, and count what is said of it by default and in a certificate.

    Args:
        kind: of the agent.
        episodes: of each evaluation.
        different: of how many different ones they are.
        evaluations: how many.
    """
    rng, shape = np.random.default_rng(0), (evaluations, different)
    drawn = kind.play(rng, shape)
    times = np.ones(shape, np.int64)
    if different < episodes:
        times = rng.multinomial(episodes, np.full(different, 1 / different), size=evaluations)

    def total(of: Right) -> NDArray[np.int64]:
        counted: NDArray[np.int64] = (of * times).sum(1)
        return counted

    def independent(of: Right) -> NDArray[np.int64]:
        return effective_number(of * times)

    intact = drawn["intact"]
    counts = [total(rng.random(shape) < kind.looks_again), independent(np.ones_like(intact)), total(intact)]
    for name in CERTIFICATE[1:]:
        outcome = drawn.get(name)
        if outcome is None:
            outcome = intact ^ (rng.random(shape, np.float32) < REPLAY_ERROR)
        counts += [total(outcome), total(intact & ~outcome), total(~intact & outcome), independent(intact ^ outcome)]
    found = {"default": Counter[Verdict | None](), "certificate": Counter[Verdict | None]()}
    for what, played in (("default", DEFAULT), ("certificate", CERTIFICATE)):
        table = np.stack(counts[: 4 * len(played) - 1], axis=1)
        for row, often in zip(*np.unique(table, axis=0, return_counts=True), strict=True):
            found[what][verdict(_scores(played, episodes, row.tolist()), kind.chance)] += int(often)
    return found


def wrong(kind: Kind, found: Mapping[str, Counter[Verdict | None]]) -> float:
    """Return the share of what was said of an agent that is wrong, by default or in a certificate: the larger."""
    right_to_say = {"default": kind.default, "certificate": kind.certificate}
    shares = []
    for what, counted in found.items():
        may_be_said = {"inconclusive", *right_to_say[what]}
        shares.append(sum(times for words, times in counted.items() if words not in may_be_said) / counted.total())
    return max(shares)


def _scores(played: Sequence[str], episodes: int, counts: Sequence[int]) -> dict[str, Score]:
    again, independent, successes, *of_others = counts
    scores = {"intact": _score(episodes, independent, successes, again=again)}
    for name, of_one in zip(played[1:], zip(*[iter(of_others)] * 4, strict=True), strict=True):
        scores[name] = _score(episodes, independent, *of_one)
    return scores


@cache
def _score(
    episodes: int,
    independent: int,
    successes: int,
    lost: int | None = None,
    gained: int | None = None,
    changed_independent: int | None = None,
    again: int | None = None,
) -> Score:
    return Score(
        episodes=episodes,
        success=successes / episodes,
        success_low=None,
        success_high=None,
        mean_return=successes / episodes,
        mean_length=1.0,
        distinct_layouts=0,
        looked_again=None if again is None else LookedAgain(episodes=again, success=None),
        lost=lost,
        gained=gained,
        independent=independent,
        changed_independent=changed_independent,
    )


def _heading(episodes: int, different: int) -> str:
    return f"{episodes} episodes" + (f", {different} different" if different < episodes else "")


def main() -> None:
    """Run the command line."""
    parser = make_parser("benchmarks.verdicts", __doc__)
    parser.add_argument("--evaluations", type=count, default=10_000, help="of each kind (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    columns = ["this agent …", "is said", "with `--certificate`", *(_heading(*of) for of in PLAYED)]
    rows = []
    for name, kind in KINDS.items():
        cells = []
        for episodes, different in PLAYED:
            found = said(kind, episodes, different, options.evaluations)
            as_expected = found["certificate"][kind.certificate[0]] / found["certificate"].total()
            cells.append(f"{wrong(kind, found):.1%} ({as_expected:.0%})")
        rows.append([name, "; ".join(kind.default), "; ".join(kind.certificate), *cells])
        print(*rows[-1], sep=" | ", flush=True)
    if options.out is not None:
        content = {**made_by(), "simulation_seed": 0, "evaluations": options.evaluations, "columns": columns}
        write_json(options.out, {**content, "rows": rows})


if __name__ == "__main__":
    main()
