"""Counting: count how often a symbol was shown."""

from collections.abc import Sequence

import numpy as np

from engram.envs.checks import check_int
from engram.envs.spans import check_span, draw_from
from engram.envs.tasks.sequences.sequence_task import Drawn, SequenceTask


class Counting(SequenceTask):
    """A stream of symbols, one per step; then some of them are named, and each asks how often it was shown.

    Which symbols will be asked for, and for each its count, uniform from 0 to ``most``, are drawn first and
    independently, and then a stream that has these counts: symbols that are not asked for fill the rest of its fixed
    length, in random order. So the length, the symbol asked for, earlier queries and rewards give no
    information.

    Observation, MultiDiscrete: whether an answer is due now (0, 1); the symbol shown or asked for (``symbols``, after
    the last action: none). The space does not depend on length and queries, so that an agent trained on short streams
    can be tested on longer ones.

    Reward: 1/queries for a right answer, -1/queries for a wrong one; 0 while the stream is shown. An episode has
    length + queries steps.

    Score: an oracle 1; a cue-blind oracle, which guesses, and a random player 1/(most + 1). Memory of any one step of
    the stream, such as the last, makes it (1 + most/length)/(most + 1) at best.

    Success, which is every answer right: an oracle 1; a cue-blind oracle and a random player (most + 1)^-queries.

    Info: ``cue_visible`` while the stream is shown; ``score`` and ``is_success`` at the last step.

    Args:
        symbols: number of symbols, above queries.
        most: the highest count asked for, at least 1; the actions are 0 to most. Symbols that are not asked for may be
            shown more often. With length = symbols * most / 2 they are shown as often in the mean.
        length: steps of the stream, at least queries * most; or the fewest and the most, drawn for each episode.
        queries: how many symbols are asked for, all different.

    Raises:
        ValueError: if an argument is out of its range.
    """

    curriculum = ("length",)

    def __init__(self, symbols: int = 6, most: int = 4, length: int | Sequence[int] = 12, queries: int = 2):
        self.symbols = check_int("symbols", symbols, 2)
        self.most = check_int("most", most, 1)
        self.lengths = check_span("length", length, 1)
        self.length = self.lengths[1]
        self.queries = check_int("queries", queries, 1)
        if self.queries >= self.symbols:
            raise ValueError(f"queries={queries} must be below symbols={symbols}, as others fill the stream")
        if self.lengths[0] < self.queries * self.most:
            raise ValueError(
                f"length={length} must be at least {self.queries * self.most}, or queries={queries} symbols cannot be"
                f" shown most={most} times each"
            )
        super().__init__((self.symbols,), choices=self.most + 1)

    def _draw(self, rng: np.random.Generator) -> Drawn:
        self.length = draw_from(rng, self.lengths)
        order = rng.permutation(self.symbols)
        asked, others = order[: self.queries], order[self.queries :]
        counts = rng.integers(self.most + 1, size=self.queries)
        shown = np.repeat(asked, counts)
        rest = others[rng.integers(len(others), size=self.length - len(shown))]
        stream = rng.permutation(np.concatenate([shown, rest]))
        return Drawn(np.concatenate([stream, asked])[:, None], counts, self.length)
