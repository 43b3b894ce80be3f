"""Chain: from look-up to look-up, follow bindings that were shown in any order."""

from collections.abc import Sequence

import numpy as np

from engram.envs.checks import check_int, check_range
from engram.envs.spans import check_span
from engram.envs.tasks.sequences.sequence_task import Drawn, SequenceTask


class Chain(SequenceTask):
    """Bindings "from a to b" are shown once each, in random order; then a start is named, and the answer is at its end.

    The bindings form as many paths as there are answers, each of ``hops`` bindings, each to another answer. So a part
    of the path leaves every answer equally likely: the start alone, the start and the first look-ups, the last look-ups
    of all paths without those before, the order in which bindings were shown. (Were targets drawn independently, the
    answer to which most bindings lead would be the better guess. Other paths followed to their ends do rule out their
    answers, which takes as many look-ups.)

    Observation, MultiDiscrete: whether an answer is due now (0, 1); the origin of a binding, or the start; its target,
    an inner symbol below ``alphabet`` or the answer ``target - alphabet``. Both are of one alphabet, as the space says,
    in which ``alphabet + symbols`` is none. The space depends on ``alphabet`` and ``symbols`` only, so that an agent
    trained with few hops can be tested with more: who looks up until an answer is found need not know how many there
    are.

    Reward: the only answer is due at the last step and gets 1 if it is right, else -1. An episode has
    hops symbols + delay + 1 steps.

    Score and success are the same: an oracle 1; a cue-blind oracle, which guesses, and a random player 1/symbols. One
    that remembers only the last binding and sees the start 1/symbols, too, but 2/symbols with one hop.

    Info: ``cue_visible`` while bindings are shown; ``score`` and ``is_success`` at the last step.

    Args:
        hops: look-ups from the start to the answer, at least 1; or the fewest and the most, drawn for each episode.
        symbols: number of paths, of answers and of actions, at least 2.
        delay: fewest and most steps that show nothing, between the last binding and the query, drawn uniformly.
        alphabet: number of symbols that an episode's inner ones are drawn from, at least (most) hops * symbols.

    Raises:
        ValueError: if an argument is out of its range.
    """

    curriculum = ("hops",)

    def __init__(
        self, hops: int | Sequence[int] = 2, symbols: int = 4, delay: Sequence[int] = (0, 0), alphabet: int = 16
    ):
        self.hops = check_span("hops", hops, 1)
        self.symbols = check_int("symbols", symbols, 2)
        self.delay = check_range("delay", delay, 0)
        self.alphabet = check_int("alphabet", alphabet, 1)
        most = self.hops[1]
        if most * self.symbols > self.alphabet:
            raise ValueError(
                f"alphabet={alphabet} must be at least {most * self.symbols}, which is hops={most} times"
                f" symbols={symbols}: every binding starts from another symbol"
            )
        self._ends = self.alphabet + np.arange(self.symbols)[None, :]
        super().__init__((self.alphabet + self.symbols,) * 2, choices=self.symbols, alphabets=(1, 1))

    def _draw(self, rng: np.random.Generator) -> Drawn:
        hops = int(rng.integers(*self.hops, endpoint=True))
        bindings = hops * self.symbols
        delay = int(rng.integers(*self.delay, endpoint=True))
        # Row i holds the symbols i look-ups from the starts; column j is the path to answer j.
        inner = rng.permutation(self.alphabet)[:bindings].reshape(hops, self.symbols)
        paths = np.concatenate([inner, self._ends])
        order = rng.permutation(bindings)
        answer = rng.integers(self.symbols, size=1)
        parts = self._blank(bindings + delay + 1)
        parts[order, 0] = paths[:-1].ravel()
        parts[order, 1] = paths[1:].ravel()
        parts[-1, 0] = paths[0, answer[0]]
        return Drawn(parts, answer, bindings)
