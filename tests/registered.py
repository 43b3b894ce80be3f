"""Which controllers are tested with which memories."""

from own_memories import OWN_MEMORIES

from engram.memory import CONTROLLERS, MEMORIES
from engram.memory.feedback.feedback_memory import FeedbackMemory

_KINDS = ("none", "episodic", "registers")
"""One memory of each kind: none, one that takes a whole sequence at once, one that feeds its read back."""


def pairs(sizes):
    """Every memory behind one controller, and every controller in front of a memory of each kind.

    What a memory promises does not depend on who stands before it, so not every pair has to be tried; but a memory
    that takes steps is one loop with an LSTM, so that those pairs are tried, too.

    Args:
        sizes: name of a memory -> the arguments it is tested with; one that is not named has its defaults.

    Returns:
        list of (controller, memory, memory's arguments).
    """
    every_memory = [("gru", memory, one) for memory in [*MEMORIES, *OWN_MEMORIES] for one in sizes.get(memory, [{}])]
    others = [controller for controller in CONTROLLERS if controller != "gru"]
    stepped = [name for name, memory in MEMORIES.items() if issubclass(memory, FeedbackMemory)]
    one_loop = [("lstm", memory, one) for memory in stepped for one in sizes.get(memory, [{}])]
    return every_memory + one_loop + [(other, kind, sizes.get(kind, [{}])[0]) for other in others for kind in _KINDS]
