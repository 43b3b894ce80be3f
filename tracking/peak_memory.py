"""How much memory this process takes, and has taken at most."""

from __future__ import annotations

import sys
from pathlib import Path


def peak_memory_mb() -> float | None:
    """Return the largest resident size of this process so far, in MiB; None where the system does not count it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes on a Mac, kilobytes on Linux


def resident_mb() -> float | None:
    """Return the resident size of this process in MiB; its largest so far where the system tells no other."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (ImportError, OSError):
        return peak_memory_mb()
    return pages * resource.getpagesize() / 2**20
