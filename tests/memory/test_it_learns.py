"""A law over every memory that is registered: it learns to report at the end of an episode what was shown first.

The controller is memoryless, so what is reported must have been in the memory. All of it takes seconds on one core.
"""

import pytest
import torch
from own_memories import OWN_MEMORIES
from torch import nn

from engram.memory import MEMORIES, Core

SYMBOLS, SHORTEST, LONGEST, ROWS, ENCODED, HIDDEN = 5, 3, 11, 32, 13, 17
EVENT = SYMBOLS + 2  # the symbol, and whether the step is the first or the last
UPDATES, CHECKED_EVERY = 300, 25
LEARNED, NEAR_CHANCE = 0.95, 0.35  # chance is 0.2, give or take 0.02

UNABLE = {
    "none": "it stores nothing",
    "counting": "it stores nothing but the number of steps",
}
"""Memories that cannot hold a symbol: they have to fail."""

EXEMPT = {
    "registers": "which register a step overwrites is chosen without a gradient, so nothing teaches it to keep one"
}
"""Memories that hold a symbol as long as they are lucky."""

pytestmark = pytest.mark.usefixtures("own_memories")


def episodes(rows):
    """Episodes [T, B] of random lengths, padded; the last step of each [B], and the symbol shown at its first."""
    symbols, last = torch.randint(0, SYMBOLS, (LONGEST, rows)), torch.randint(SHORTEST - 1, LONGEST, (rows,))
    step = torch.arange(LONGEST).unsqueeze(1)
    flags = torch.stack([(step == 0).expand(LONGEST, rows), step == last], dim=2)
    return torch.cat([nn.functional.one_hot(symbols, SYMBOLS), flags], dim=2).float(), last, symbols[0]


class Reporter(nn.Module):
    """A core behind a memoryless controller, and a linear layer that reports a symbol."""

    def __init__(self, memory):
        super().__init__()
        encoder = nn.Linear(EVENT, ENCODED)
        self.core = Core(encoder, torch.zeros(1, EVENT), ENCODED, "feedforward", memory, {"hidden_size": HIDDEN})
        self.report = nn.Linear(self.core.feature_size, SYMBOLS)

    def forward(self, events, last, starts):
        rows = events.shape[1]
        features = self.core.unroll(events, self.core.initial_state(rows), starts).features
        return self.report(features[last, torch.arange(rows)])

    @torch.no_grad()
    def accuracy(self, start_everywhere=False, rows=512):
        events, last, first = episodes(rows)
        return (self(events, last, starts(rows, start_everywhere)).argmax(1) == first).float().mean().item()


def starts(rows, everywhere=False):
    begins = torch.full((LONGEST, rows), everywhere)
    begins[0] = True
    return begins


def trained(memory):
    """Train until it reports well or the updates are used up; return the reporter and its best accuracy."""
    reporter, best = Reporter(memory), 0.0
    optimizer = torch.optim.Adam(reporter.parameters(), lr=1e-2)
    for update in range(1, UPDATES + 1):
        events, last, first = episodes(ROWS)
        loss = nn.functional.cross_entropy(reporter(events, last, starts(ROWS)), first)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(reporter.parameters(), 1.0)
        optimizer.step()
        if update % CHECKED_EVERY == 0:
            best = max(best, reporter.accuracy())
            if best > LEARNED:
                break
    return reporter, best


@pytest.mark.parametrize("memory", [name for name in [*MEMORIES, *OWN_MEMORIES] if name not in {*UNABLE, *EXEMPT}])
def test_what_was_shown_first_is_reported_at_the_end(memory):
    reporter, accuracy = trained(memory)
    assert accuracy > LEARNED
    # Not by a way around the memory: it is gone where an episode starts at every step.
    assert reporter.accuracy(start_everywhere=True) < NEAR_CHANCE


@pytest.mark.parametrize("memory", UNABLE)
def test_what_stores_no_symbol_cannot_report_it(memory):
    _, accuracy = trained(memory)
    assert accuracy < NEAR_CHANCE
