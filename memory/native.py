"""Steps in C, compiled on this machine when they are first used; without a C compiler only the speed is another.

The result lies in a cache folder, ``$XDG_CACHE_HOME/engram`` or ``~/.cache/engram``, under a name made of the source,
the flags and what the compiler knows of the processor. ``ENGRAM_NATIVE=0`` switches it off.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch

# Sums may be taken in any order, so that they can be vectorised. NaN and Inf stay what they are.
_FLAGS = (
    *("-O3", "-march=native", "-std=c11", "-shared", "-fPIC"),
    *("-fno-math-errno", "-fno-trapping-math", "-fassociative-math", "-fno-signed-zeros"),
)
_TYPES = {torch.float32: "float", torch.float64: "double"}


@cache
def library(source: str, dtype: torch.dtype, **sizes: int) -> ctypes.CDLL | None:
    """Compile and load a file of this package, once per process.

    Args:
        source: the file's name, such as ``native_dnc.c``.
        dtype: of the numbers, in C of the type ``REAL``.
        sizes: further macros.

    Returns:
        None where it is switched off, the type has no such code, or there is no compiler that can do it.
    """
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if os.environ.get("ENGRAM_NATIVE") == "0" or dtype not in _TYPES or compiler is None:
        return None
    path = Path(__file__).with_name(source)
    flags = [*_FLAGS, f"-DREAL={_TYPES[dtype]}", *(f"-D{name}={size}" for name, size in sizes.items())]
    try:
        # The macros that the compiler predefines name every extension of the processor that it would use.
        target = _output([compiler, "-march=native", "-dM", "-E", "-x", "c", os.devnull])
        name = hashlib.sha256(b"\0".join([path.read_bytes(), " ".join(flags).encode(), target])).hexdigest()[:16]
        compiled = _folder() / f"{path.stem}-{name}.so"
        if not compiled.exists():
            compiled.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=compiled.parent) as folder:
                fresh = Path(folder) / compiled.name
                _output([compiler, *flags, str(path), "-o", str(fresh), "-lm"])
                fresh.replace(compiled)  # at once: another process may be doing the same
        return ctypes.CDLL(str(compiled))
    except (OSError, subprocess.CalledProcessError):
        return None


def _output(command: list[str]) -> bytes:
    return subprocess.run(command, check=True, capture_output=True).stdout


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "engram"
