"""Reverse recall: watch a sequence of symbols, then name them from the last to the first."""

from collections.abc import Sequence

import numpy as np

from engram.envs.checks import check_int
from engram.envs.spans import check_span, draw_from
from engram.envs.tasks.sequences.sequence_task import Drawn, SequenceTask


class ReverseRecall(SequenceTask):
    """Symbols are shown, one per step; then as many answers are due, the symbols from the last to the first.

    After Autoencode of POPGym (Morad et al. 2023, ICLR), whose lengths the three levels have. There cards are drawn
    from decks, and the first answer is due while the last card is still in sight. Here symbols are drawn independently
    and every answer is due when none is in sight, one step later, so that each needs memory.

    Observation, MultiDiscrete: whether an answer is due now (0, 1); the symbol (``symbols``: none, as always when an
    answer is due). The space depends on ``symbols`` only.

    Reward: 1/length for a right answer, -1/length for a wrong one; 0 while symbols are shown. An episode has
    2 length steps.

    Score: an oracle 1; a cue-blind oracle, which guesses, and a random player 1/symbols. Memory of the last symbol
    alone is worth one answer: (1 + (length - 1) / symbols) / length.

    Success, which is every answer right: an oracle 1; a cue-blind oracle and a random player symbols^-length.

    Info: ``cue_visible`` while symbols are shown; ``score`` and ``is_success`` at the last step.

    Args:
        length: number of symbols to watch, at least 1; or the fewest and the most, drawn for each episode.
        symbols: number of different symbols and of actions, at least 2.

    Raises:
        ValueError: if an argument is out of its range.
    """

    curriculum = ("length",)

    def __init__(self, length: int | Sequence[int] = 52, symbols: int = 4):
        self.lengths = check_span("length", length, 1)
        self.length = self.lengths[1]
        self.symbols = check_int("symbols", symbols, 2)
        super().__init__((self.symbols,), choices=self.symbols)

    def _draw(self, rng: np.random.Generator) -> Drawn:
        self.length = draw_from(rng, self.lengths)
        sequence = rng.integers(self.symbols, size=self.length)
        parts = self._blank(2 * self.length)
        parts[: self.length, 0] = sequence
        return Drawn(parts, sequence[::-1], self.length)
