"""How much memory this process has taken at most."""

from __future__ import annotations

import sys


def peak_memory_mb() -> float | None:
    """Return the largest resident size of this process so far, in MiB; None where the system does not count it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes on a Mac, kilobytes on Linux
