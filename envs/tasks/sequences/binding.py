"""Binding: learn from one sight which answer belongs to which cue, anew in every episode."""

from collections.abc import Sequence

import numpy as np

from engram.envs.checks import check_int, check_range
from engram.envs.spans import check_span, draw_by_logarithm
from engram.envs.tasks.sequences.sequence_task import Drawn, Numbers, SequenceTask


class Binding(SequenceTask):
    """Pairs of a cue and an answer are shown once each, in random order; then cues are asked for, in random order.

    Answers are drawn independently, so that the other pairs give no information about one, and no cue is asked for
    twice, so that a reward gives none either.

    A cue is a symbol, or, with ``digits``, several of them that are shown in one step: so there can be many cues with
    a small alphabet, and cues differ in a single digit.

    With ``lone``, other cues are shown without an answer at random times among the pairs, and never asked for: events
    that are not worth a slot where slots are scarce.

    Observation, MultiDiscrete: whether an answer is due now (0, 1); the cue, digit by digit (``alphabet``: none); its
    answer (``answers``: none, as always when an answer is due). The space depends on ``alphabet``, ``digits`` and
    ``answers`` only, so that an agent trained with few cues can be tested with more of the same alphabet.

    Reward: 1/queries for a right answer, -1/queries for a wrong one; 0 before the queries. An episode has
    cues + lone + delay + queries steps.

    Score: an oracle 1; a cue-blind oracle, which guesses, and a random player 1/answers. Memory of the last pair alone
    is worth one cue: (1 + (cues - 1) / answers) / cues.

    Success, which is every answer right: an oracle 1; a cue-blind oracle and a random player answers^-queries.

    Info: ``cue_visible`` while pairs and lone cues are shown; ``score`` and ``is_success`` at the last step.

    Args:
        cues: number of pairs, at least 1; or the fewest and the most, drawn for each episode.
        answers: number of answers and of actions, at least 2.
        delay: fewest and most steps that show nothing, between the last pair and the first query, drawn uniformly.
        queries: how many of the cues are asked for, all different, at most the fewest cues; None asks for all.
        alphabet: number of symbols that an episode's cues are made of.
        digits: number of symbols of a cue, at least 1; there must be at least as many cues of them, alphabet^digits
            and fewer than 2^63, as are to be shown.
        lone: number of cues shown without an answer; or the fewest and the most, drawn for each episode by
            the logarithm, so that few are often enough to learn from.

    Raises:
        ValueError: if an argument is out of its range.
    """

    curriculum = ("cues", "lone")

    def __init__(
        self,
        cues: int | Sequence[int] = 8,
        answers: int = 4,
        delay: Sequence[int] = (0, 0),
        queries: int | None = None,
        alphabet: int = 32,
        digits: int = 1,
        lone: int | Sequence[int] = 0,
    ):
        self.cues = check_span("cues", cues, 1)
        self.answers = check_int("answers", answers, 2)
        self.delay = check_range("delay", delay, 0)
        self.queries = None if queries is None else check_int("queries", queries, 1, self.cues[0])
        self.alphabet = check_int("alphabet", alphabet, 1)
        self.digits = check_int("digits", digits, 1)
        self.lone = check_span("lone", lone, 0)
        if self.alphabet**self.digits >= 2**63:
            raise ValueError(f"digits={digits} is too large: alphabet^digits = {alphabet}^{digits} must be below 2^63")
        if self.cues[1] + self.lone[1] > self.alphabet**self.digits:
            power = f"^{digits}" if self.digits > 1 else ""
            lone_too = f", with lone={self.lone[1]}," if self.lone[1] else ""
            raise ValueError(
                f"cues={self.cues[1]}{lone_too} must be at most alphabet{power and '^digits'}={alphabet}{power}, "
                f"as no two of them are the same"
            )
        parts = (self.alphabet,) * self.digits + (self.answers,)
        super().__init__(parts, choices=self.answers)

    def _draw(self, rng: np.random.Generator) -> Drawn:
        count, delay = (int(rng.integers(*bounds, endpoint=True)) for bounds in (self.cues, self.delay))
        lone = draw_by_logarithm(rng, self.lone)
        shown = count + lone
        cues = self._draw_cues(rng, shown)
        answers = rng.integers(self.answers, size=count)
        asked = rng.permutation(count)[: self.queries]
        times = rng.permutation(shown) if lone else np.arange(count)  # of the pairs, then of lone cues
        parts = self._blank(shown + delay + len(asked))
        parts[times, :-1] = cues
        parts[times[:count], -1] = answers
        parts[-len(asked) :, :-1] = cues[asked]
        return Drawn(parts, answers[asked], shown)

    def _draw_cues(self, rng: np.random.Generator, count: int) -> Numbers:
        """Draw different cues, in random order [cues, digits]."""
        if self.digits == 1:
            return rng.permutation(self.alphabet)[:count, np.newaxis]
        # Takes no more memory than 50 numbers a cue, however many cues there could be.
        numbers = rng.choice(self.alphabet**self.digits, count, replace=False)
        worth = np.array([self.alphabet**place for place in reversed(range(self.digits))])  # of a one in each place
        digits: Numbers = numbers[:, np.newaxis] // worth % self.alphabet
        return digits
