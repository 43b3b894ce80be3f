"""Repeat previous: name the symbol that was shown some steps ago, again and again."""

from collections.abc import Sequence

import numpy as np

from engram.envs.checks import check_int
from engram.envs.spans import check_span, draw_from
from engram.envs.tasks.sequences.sequence_task import Drawn, SequenceTask


class RepeatPrevious(SequenceTask):
    """A stream of symbols; from step ``lag`` on, every step asks for the symbol seen ``lag`` steps ago.

    After RepeatPrevious of POPGym (Morad et al. 2023, ICLR), whose lags and lengths the three levels have. There the
    card in sight counts as the first of k, so that its k = 4 means three steps ago; here 4 means four. There cards are
    drawn from decks, so that one gives a little information about the others: the best guess from the card in sight is
    right in 13 of 51 cases. Here symbols are drawn independently, and only memory helps.

    Observation, MultiDiscrete: whether an answer is due now (0, 1); the symbol (``symbols``, after the last action:
    none). The space depends on ``symbols`` only.

    Reward: 1/n for a right answer, -1/n for a wrong one, where n = length - lag; 0 in the first ``lag`` steps, where
    none is due. An episode has ``length`` steps.

    Score: an oracle 1; a cue-blind oracle, which guesses, and a random player 1/symbols.

    Success, which is every answer right: an oracle 1; a cue-blind oracle and a random player symbols^-n.

    Info: ``cue_visible`` while what is shown will be asked for, so not in the last ``lag`` steps; ``score`` and
    ``is_success`` at the last step.

    Args:
        lag: steps from the sight of a symbol to the answer, at least 1; or the fewest and the most, drawn for each
            episode. It is not observed, except that the first answer is due at step ``lag``.
        length: steps of an episode, above the lag; or the fewest and the most.
        symbols: number of symbols and of actions, at least 2.

    Raises:
        ValueError: if an argument is out of its range.
    """

    curriculum = ("lag", "length")

    def __init__(self, lag: int | Sequence[int] = 4, length: int | Sequence[int] = 52, symbols: int = 4):
        self.lags = check_span("lag", lag, 1)
        self.lengths = check_span("length", length, 2)
        self.lag, self.length = self.lags[1], self.lengths[1]
        self.symbols = check_int("symbols", symbols, 2)
        if self.lengths[0] <= self.lag:
            raise ValueError(f"length={length} must be above lag={lag}, or no answer is ever due")
        super().__init__((self.symbols,), choices=self.symbols)

    def _draw(self, rng: np.random.Generator) -> Drawn:
        self.lag, self.length = draw_from(rng, self.lags), draw_from(rng, self.lengths)
        stream = rng.integers(self.symbols, size=self.length)
        return Drawn(stream[:, None], stream[: -self.lag], self.length - self.lag)
