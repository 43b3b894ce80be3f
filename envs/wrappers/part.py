"""A part of an observation: what an agent can read of it, and whether what is shown is of its space."""

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from engram.envs.wrappers.words import Words

Space = spaces.Space[Any]
_MOST_WORDS = 128


class Part:
    """A part of an observation that holds no parts itself.

    Args:
        path: the keys that lead to it, from the outside in.
        space: its own.
    """

    def __init__(self, path: tuple[Any, ...], space: Space):
        self.path, self.space = path, space
        self.key = "/".join(map(str, path))
        self._name = f"the part '{self.key}' of the observation" if path else "the observation"

    @cached_property
    def plain_space(self) -> Space:
        """The space that an agent can read: one axis or more, values from 0 on."""
        space = self.space
        match space:
            case spaces.Box(shape=()):
                return spaces.Box(space.low.reshape(1), space.high.reshape(1), dtype=space.dtype.type)
            case spaces.Discrete(start=start) if start != 0:
                return spaces.Discrete(int(space.n))
            case spaces.MultiDiscrete(start=start, nvec=choices) if choices.ndim != 1 or np.any(start != 0):
                return spaces.MultiDiscrete(choices.flatten())
            case spaces.Text(max_length=letters):
                return Words(min(_MOST_WORDS, max(1, letters)))  # a mark is a word of its own, and needs no blank
            case spaces.Box() | spaces.Discrete() | spaces.MultiDiscrete() | spaces.MultiBinary():
                return space
        raise ValueError(
            f"{self._name} is of the space {type(space).__name__}, which no agent here can read:"
            " make it a Box, Discrete, MultiDiscrete, MultiBinary or Text, or leave it out"
        )

    def plain_value(self, observation: Any) -> Any:
        """Take this part out of a whole observation, as an element of its plain space.

        Raises:
            ValueError: if it is not there, or storing it in its space would change it.
        """
        value = self._taken_from(observation)
        space = self.space
        if isinstance(space, spaces.Text):
            if not isinstance(value, str):
                raise self._wrong(_text(value), "a text")
            return self._words(value)
        self._check(value)
        match space:
            case spaces.Box(shape=()):
                return np.asarray(value, dtype=space.dtype).reshape(1)
            case spaces.Discrete(start=start):
                return (value if isinstance(value, int | np.integer) else int(np.asarray(value).item())) - start
            case spaces.MultiDiscrete(start=start):
                return (np.asarray(value) - start).flatten()
        return value

    @cached_property
    def _limits(self) -> tuple[Any, Any] | None:
        """The lowest and the highest number that can be stored, or chosen; None where they need not be whole."""
        space = self.space
        match space:
            case spaces.Discrete():
                return int(space.start), int(space.start + space.n - 1)
            case spaces.MultiDiscrete():
                return space.start, space.start + space.nvec - 1
            case spaces.MultiBinary():
                return 0, 1
        dtype = np.dtype(space.dtype)
        return (np.iinfo(dtype).min, np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else None

    def _taken_from(self, observation: Any) -> Any:
        value = observation
        for key in self.path:
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError) as error:
                of_dict = isinstance(value, dict)
                there = f"the keys {', '.join(map(str, value))}" if of_dict else f"values of {type(value).__name__}"
                raise ValueError(f"{self._name} is not there; there are {there}") from error
        return value

    def _words(self, text: str) -> npt.NDArray[np.int16]:
        words = self.plain_space
        assert isinstance(words, Words)
        return words.numbers_of(text, self._name)

    def _check(self, value: Any) -> None:
        space = self.space
        if _is_fine(value, space):
            return
        try:
            shown = np.asarray(value)
        except ValueError as error:  # rows of different lengths
            raise self._wrong(_text(value), "numbers") from error
        if shown.dtype.kind not in "biuf":
            raise self._wrong(_text(value), "numbers")
        shape = space.shape or ()
        if shown.size != np.prod(shape) or shown.shape[shown.ndim - len(shape) :] != shape:
            raise self._wrong(f"an array of shape {shown.shape}", f"the shape {shape}")
        if self._limits is not None:
            self._check_whole(shown, *self._limits)

    def _check_whole(self, shown: npt.NDArray[Any], low: Any, high: Any) -> None:
        wrong = (shown < low) | (shown > high)
        if shown.dtype.kind == "f":
            wrong |= shown != np.floor(shown)
        if wrong.any():
            at = tuple(np.argwhere(wrong)[0])
            low, high = (np.broadcast_to(bound, shown.shape)[at] for bound in (low, high))
            raise self._wrong(f"{shown[at]:g}", f"whole numbers from {low} to {high}")

    def _wrong(self, shown: str, right: str) -> ValueError:
        return ValueError(f"{self._name} is {shown}, where its space {type(self.space).__name__} announces {right}")


def _text(value: object) -> str:
    return " ".join(f"{value!r:.80}".split())  # in one line


def _is_fine(value: Any, space: Space) -> bool:
    """Return whether it is seen at a glance that nothing of a value is lost, as of most it is."""
    if isinstance(space, spaces.Discrete):
        return isinstance(value, int | np.integer) and bool(space.start <= value < space.start + space.n)
    if not isinstance(space, spaces.Box) or type(value) is not np.ndarray:
        return False
    return bool(value.dtype == space.dtype and value.shape == space.shape)
