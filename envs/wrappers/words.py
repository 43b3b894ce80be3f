"""Texts as the numbers of their words, so that an agent can read them."""

from __future__ import annotations

import re
import warnings
import zlib
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

_OF_MINIGRID = """
red green blue purple yellow grey
object objects wall walls floor door key ball box goal lava agent signs
go get find fetch put pick open unlock use reach avoid traverse look
room rooms hallway fork square maze opening end left right front
up at in on of to from behind near next matching other like again and then after ,
a the you your it one that must have choose remember means dead seen
"""
VOCABULARY = tuple(_OF_MINIGRID.split())
"""Words of MiniGrid's and BabyAI's missions, numbered from 1 on; 0 is no word."""
NUMBERS = 1024
"""How many numbers there are; those behind the vocabulary's are shared by all other words, by a hash."""

_NUMBER_OF = {word: number for number, word in enumerate(VOCABULARY, start=1)}
_word_of = dict(enumerate(VOCABULARY, start=1))
"""The word of a number; where several share one, that of this process that was numbered last."""
_warned: set[str] = set()
"""What has shown texts that were cut."""


class Words(spaces.MultiDiscrete):
    """The space of texts of a number of words at most; what is missing to it is 0.

    Args:
        length: the number of words.
        constant_over_episode: whether the text is the same at all steps of an episode.
    """

    one_alphabet = True
    """A number means the same at every place: what encodes it may learn so."""

    def __init__(self, length: int, constant_over_episode: bool = False):
        super().__init__([NUMBERS] * length, dtype=cast(Any, np.int16))  # its type says int64 only
        self.length = length
        self.constant_over_episode = constant_over_episode

    def numbers_of(self, text: str, name: str = "the mission") -> npt.NDArray[np.int16]:
        """Return the numbers of a text's words, (length,); more are cut, which is warned of once for each name.

        Args:
            text: any text.
            name: of what shows it, for the warning.
        """
        words = words_of(text)
        if len(words) > self.length:
            if name not in _warned:
                _warned.add(name)
                warnings.warn(
                    f"{name} has {len(words)} words, of which only the first {self.length} are seen: {text!r:.80}; this"
                    " is said once",
                    stacklevel=2,
                )
            words = words[: self.length]
        numbers = np.zeros(self.length, dtype=np.int16)
        numbers[: len(words)] = [number_of(word) for word in words]
        return numbers

    def text_of(self, numbers: npt.NDArray[Any]) -> str:
        """Return the words of some numbers, "…" for one that no word of this process has had."""
        return " ".join(_word_of.get(number, "…") for number in numbers.tolist() if number)

    def __eq__(self, other: Any) -> bool:
        same: bool = super().__eq__(other)
        return same and self.constant_over_episode == getattr(other, "constant_over_episode", None)

    def __repr__(self) -> str:
        return f"Words({self.length}, constant_over_episode={self.constant_over_episode})"


def words_of(text: str) -> list[str]:
    """Return the words of a text in small letters; a mark is a word of its own."""
    return re.findall(r"\w+|[^\w\s]", text.lower())


def number_of(word: str) -> int:
    """Return the number of a word, from 1 on, the same on every machine."""
    known = 1 + len(VOCABULARY)
    number = _NUMBER_OF.get(word) or known + zlib.crc32(word.encode()) % (NUMBERS - known)
    _word_of[number] = word
    return number
