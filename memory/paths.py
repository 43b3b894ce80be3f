"""Which implementation of an operator runs, and why it is not a faster one.

Every operator has one definition (``naive``), and may have a fast path with its backward pass written out (``fused``),
which may compute its inner loop in C on a CPU (``native``). A path is reported as one of these three words; where a
faster one exists but cannot be taken, the reason follows after a colon.
"""

from __future__ import annotations

from functools import cache

from torch import nn

NAIVE, FUSED, NATIVE = "naive", "fused", "native"


@cache
def why_naive(module: type[nn.Module], definition: type[nn.Module], harmless: frozenset[str]) -> str:
    """Return why a subclass cannot take the fast path of its parent: it overrides what that path would leave out.

    Args:
        module: the subclass, or `definition` itself.
        definition: the class that the fast path was written for.
        harmless: methods that the fast path calls or does not replace.

    Returns:
        the reason; empty if the fast path does all that the module does.
    """
    own = {name for cls in module.__mro__[: module.__mro__.index(definition)] for name in vars(cls)}
    replaced = {name for name in dir(definition) if name == "forward" or name not in dir(nn.Module)}
    names = sorted(name for name in (own & replaced) - harmless if not name.startswith("_"))
    return f"{module.__name__} overrides {', '.join(names)}" if names else ""
