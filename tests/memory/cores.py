"""Small cores over every registered controller and memory, and the data that the laws are tested on."""

from typing import NamedTuple

import torch
from registered import pairs
from torch import nn

from engram.memory import Core, tree_map
from engram.memory.episodic.event_log import EpisodicState, copied
from engram.memory.state import leaves, stack

# Distinct and coprime, so that a swapped axis cannot pass.
TIME, BATCH, HIDDEN, ENCODED = 11, 3, 7, 5


class Event(NamedTuple):
    """An event of several kinds of leaves."""

    grid: torch.Tensor  # uint8 [..., 2, 3]
    vector: torch.Tensor  # float32 [..., 4]
    action: torch.Tensor  # int64 [..., 1]


class EventEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6 + 4 + 1, ENCODED)

    def forward(self, event):
        parts = [leaf.flatten(1).to(self.linear.weight.dtype) for leaf in event]
        return torch.tanh(self.linear(torch.cat([parts[0] / 8, parts[1], parts[2] / 3], dim=1)))


_EPISODIC = {"key_size": 3, "value_size": 13, "step_embedding_size": 6}
_DNC_OPTIONS = ("masked_content", "deallocate", "sharpen_links")
SIZES = {
    "episodic": [
        {**_EPISODIC, "slots": 4, "heads": 2},
        {**_EPISODIC, "slots": 2, "heads": 1, "hops": 2},
        {**_EPISODIC, "slots": 37, "heads": 3, "hops": 3, "step_embedding_size": 0},
        {**_EPISODIC, "slots": 7, "heads": 2, "read": "sparse", "k": 3},
    ],
    "ntm": [
        {"slots": 13, "word_size": 4, "read_heads": 2, "write_heads": 1},
        {"slots": 1, "word_size": 3, "read_heads": 3, "write_heads": 1, "shift": 0},
        {"slots": 7, "word_size": 3, "read_heads": 1, "write_heads": 2, "shift": 3},
    ],
    "dnc": [
        {"slots": 13, "word_size": 4, "read_heads": 2},
        {"slots": 5, "word_size": 3, "read_heads": 1, "links": False, "normalize_interface": True},
        {"slots": 2, "word_size": 4, "read_heads": 3, **dict.fromkeys(_DNC_OPTIONS, True)},
    ],
    "fast_weight": [
        {"heads": 2, "key_size": 3, "value_size": 13, "half_life": 2.0},
        {"heads": 1, "key_size": 17, "value_size": 4},
    ],
    "registers": [{"feedback": True}, {"feedback": False}],
    "transformer": [
        {"width": 6, "heads": 3, "layers": 2, "window": 4, "feedforward_size": 13},
        {"width": 10, "heads": 2, "layers": 1, "window": 37},
    ],
}
"""Arguments that a memory is tested with; one that is not named here is tested with its defaults."""

CONTROLLER_SIZES = {"transformer": {"heads": HIDDEN, "window": 4, "feedforward_size": 13}}
"""The same for controllers, beside their hidden size."""


class Spec(NamedTuple):
    controller: str
    memory: str
    memory_kwargs: dict

    def __str__(self):
        sizes = [f"{key}={value}" for key, value in self.memory_kwargs.items() if key not in _EPISODIC]
        return "-".join([self.controller, self.memory, *sizes])


SPECS = [Spec(*pair) for pair in pairs(SIZES)]


def build(spec, dtype=torch.float32):
    """A core whose memory is in use: order, ages, gates and the null slot all matter."""
    event = tree_map(lambda leaf: leaf[0, :1], events(1, 1))
    sizes = {"hidden_size": HIDDEN, **CONTROLLER_SIZES.get(spec.controller, {})}
    core = Core(EventEncoder(), event, ENCODED, spec.controller, spec.memory, sizes, spec.memory_kwargs).to(dtype)
    with torch.no_grad():
        for parameter in core.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return core


def events(time=TIME, batch=BATCH, kinds=None):
    """Random events [T, B]; with `kinds`, drawn from only so many different ones, so that some are equal."""
    drawn = time * batch if kinds is None else kinds
    pool = Event(
        torch.randint(0, 9, (drawn, 2, 3), dtype=torch.uint8), torch.randn(drawn, 4), torch.randint(0, 4, (drawn, 1))
    )
    index = torch.arange(drawn).view(time, batch) if kinds is None else torch.randint(0, kinds, (time, batch))
    return tree_map(lambda leaf: leaf[index], pool)


STARTS = {
    "none": [],
    "borders": [(0, 0), (0, 1), (0, 2), (TIME - 1, 0), (TIME - 1, 2)],
    "staggered": [(0, 0), (1, 0), (4, 0), (5, 1), (9, 1), (3, 2), (4, 2), (8, 2), (10, 2)],
}
"""(time, row) of the episode starts inside a sequence."""


def episode_starts(name):
    starts = torch.zeros(TIME, BATCH, dtype=torch.bool)
    for time, row in STARTS[name]:
        starts[time, row] = True
    return starts


def carried_state(core, seed=3, kinds=4):
    """A state that episodes of different lengths have left behind."""
    torch.manual_seed(seed)
    starts = torch.zeros(9, BATCH, dtype=torch.bool)
    starts[0], starts[4, 1], starts[7, 2] = True, True, True
    return core.unroll(events(9, kinds=kinds), core.initial_state(BATCH), starts).state


def step_by_step(core, sequence, state, starts, decisions=None, cached=False):
    """The definition of `unroll`: one step after the other."""
    cache, steps = None, []
    for t in range(len(starts)):
        now = slice(t, t + 1)
        recorded = None if decisions is None else tree_map(lambda leaf, now=now: leaf[now], decisions)
        step = core.unroll(tree_map(lambda leaf, now=now: leaf[now], sequence), state, starts[now], recorded, cache)
        state = step.state
        cache = step.cache if cached else None
        steps.append(step)
    return steps[0]._replace(
        features=torch.cat([step.features for step in steps]),
        state=state,
        decisions=tree_map(lambda leaf: leaf[:, 0], stack([step.decisions for step in steps])),
        trace={name: torch.cat([step.trace[name] for step in steps]) for name in steps[0].trace},
    )


def visible(state):
    """The part of a state that can ever be read: what is not filled is set to zero, and logs are compacted."""
    if isinstance(state, torch.Tensor):
        return state
    if isinstance(state, EpisodicState):
        return copied(state)
    filled = getattr(state, "filled", None)
    if filled is None:
        return tree_map_branches(visible, state)

    def shown(leaf):
        if leaf.shape[: filled.dim()] != filled.shape:
            return leaf
        return torch.where(filled.reshape(filled.shape + (1,) * (leaf.dim() - filled.dim())), leaf, 0)

    return tree_map(shown, state)


def tree_map_branches(function, tree):
    branches = [function(branch) for branch in tree]
    return type(tree)(*branches) if hasattr(tree, "_fields") else tuple(branches)


def assert_equal_trees(one, other, tolerance=0.0):
    """Floats within `tolerance` (relative to the largest, where that is above 1), everything else exactly."""
    pairs = list(zip(leaves(one), leaves(other), strict=True))
    for a, b in pairs:
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        if a.is_floating_point():
            assert torch.isfinite(a).all()
            scale = max(1.0, b.abs().max().item()) if b.numel() else 1.0
            difference = (a - b).abs().max().item() if a.numel() else 0.0
            assert difference <= tolerance * scale, f"differs by {difference}"
        else:
            assert torch.equal(a, b)
