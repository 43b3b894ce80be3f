"""Where episodes start in a sequence of any length."""

import torch

BATCH = 3


def no_starts(time):
    return torch.zeros(time, BATCH, dtype=torch.bool)


def some_starts(time):
    starts = no_starts(time)
    starts[0, 1] = starts[-1, 2] = True
    starts[time // 2 :, 0][:2] = True  # an episode of one step
    return starts
