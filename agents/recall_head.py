"""Recalling events of which a part is hidden: what a memory can practice before anything is paid for it."""

from __future__ import annotations

from typing import Any, cast

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.nn import functional

from engram.agents.encoder import Event
from engram.agents.encoders.fields import nothing_of
from engram.agents.encoders.symbols import is_symbol_grid
from engram.memory import State

SHARE = 0.5
"""How much of an event is hidden, in the mean."""
PATCHES = 8
"""How many patches a side of an image has at most, which are hidden or shown as a whole."""


class RecallHead(nn.Module):
    """Tells which stored event was asked for by a part of it, from what the memory returned.

    A reward says little of what a memory should return before it returns something useful. What has been stored can be
    asked for at once (Wayne et al. 2018 predict it, too). The question is the event with a part hidden; from the read a
    guess is made at the encoding of the whole event, linear and zero at first; of all events in the minibatch the right
    one has to be the nearest. So the loss is the same for symbols, pixels and numbers, and what is encoded learns to
    tell events apart (cross-entropy over events, van den Oord et al. 2018, section 2.3).

    Args:
        read_size: S.
        encoded_size: D.
        space: of the observations.
    """

    def __init__(self, read_size: int, encoded_size: int, space: spaces.Space[Any]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(encoded_size, read_size))
        self.bias = nn.Parameter(torch.zeros(encoded_size))
        self._space = space

    def forward(self, read: Tensor, table: Tensor, event: Tensor) -> Tensor:
        """Return the mean cross-entropy of X guesses, over those that have an answer; 0 if none has.

        Args:
            read: [X, S] what was returned.
            table: [E, D] encodings of events.
            event: [X] int64, which of them was asked for; -1 where nothing was.
        """
        guesses = functional.linear(read, self.weight, self.bias)
        likeness = (guesses @ table.t()).float() / table.shape[1] ** 0.5
        errors = functional.cross_entropy(likeness, event, ignore_index=-1, reduction="sum")
        return errors / (event >= 0).sum().clamp(min=1)

    def hide(self, event: State) -> Event:
        """Return events, leaves [X, ...], with a random part of each observation hidden; see `hidden`."""
        observation, previous_action = cast(Event, event)
        if not isinstance(self._space, spaces.Dict):
            return Event(hidden(cast(Tensor, observation), self._space), previous_action)
        parts = [self._space[key] for key in sorted(self._space.spaces)]
        return Event(tuple(map(hidden, cast(tuple[Tensor, ...], observation), parts)), previous_action)


def hidden(leaf: Tensor, space: spaces.Space[Any]) -> Tensor:
    """Hide about half of the fields of observations, of a grid of its cells, of an image of its patches.

    What is hidden shows what the space says is nothing (`space.nothing`), else zeros.

    Args:
        leaf: [X, *shape].
        space: of it, no Dict.
    """
    count, *shape = leaf.shape
    nothing = leaf.new_zeros(())
    if isinstance(space, spaces.MultiDiscrete):
        nothing = leaf.new_tensor([value or 0 for value in nothing_of(space)])
    if len(shape) != 3:
        return torch.where(torch.rand(leaf.shape, device=leaf.device) < SHARE, nothing, leaf)
    is_channels_last = is_symbol_grid(space) or shape[2] < shape[0]
    sides = shape[:2] if is_channels_last else shape[1:]
    patches = torch.rand(count, 1, *(min(side, PATCHES) for side in sides), device=leaf.device)
    is_hidden = functional.interpolate(patches, sides) < SHARE
    return torch.where(is_hidden.movedim(1, 3) if is_channels_last else is_hidden, nothing, leaf)
