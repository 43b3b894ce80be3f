"""Steps in C, compiled on this machine when they are first used; without a C compiler everything works, only slower.

The compiler is what ``CC`` names, else ``cc``, ``gcc`` or ``clang``. The result lies in ``$XDG_CACHE_HOME/engram`` or
``~/.cache/engram``, under a name made of the sources, the flags and what the compiler knows of the processor, with a
digest of itself: what was altered, by whatever, is compiled again.

``-march=native`` and sums in any order make the last bits of a result, and so the trained weights, depend on the
processor and the compiler. ``ENGRAM_NATIVE=0`` switches the C code off; then the bits are those of torch alone.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shlex
import shutil
import signal
import struct
import subprocess
import warnings
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from engram.memory.native.cache import folder, is_whole, keeping

# Sums may be taken in any order, so that they can be vectorized, and a product need not be rounded before it is added.
# NaN and Inf stay what they are.
_FLAGS = (
    *("-O3", "-march=native", "-std=c11", "-shared", "-fPIC", "-fno-strict-aliasing"),
    *("-fno-math-errno", "-fno-trapping-math", "-fassociative-math", "-fno-signed-zeros", "-ffp-contract=fast"),
)
_COMPILERS = ("cc", "gcc", "clang")
_TYPES = {torch.float32: "float", torch.float64: "double"}
_SECONDS = 120
"""How long a compiler may take."""


class _Built(NamedTuple):
    """A library, or why there is none."""

    library: ctypes.CDLL | None
    reason: str


def library(source: Path, dtype: torch.dtype, **sizes: int) -> ctypes.CDLL | None:
    """Compile and load a file in C, once per process.

    Args:
        source: the file, such as `memory/dnc/native.c`.
        dtype: of the numbers, in C of the type ``REAL``.
        sizes: further macros.

    Returns:
        None where it is switched off, the type has no such code, there is no compiler that can do it, or a step is
        traced for another runtime.
    """
    return None if torch.compiler.is_exporting() else build(source, dtype, **sizes).library


def why_not_native(source: Path, dtype: torch.dtype, **sizes: int) -> str:
    """Return why `library` has none; empty if it has one."""
    return build(source, dtype, **sizes).reason


@cache
def build(source: Path, dtype: torch.dtype, **sizes: int) -> _Built:
    """Compile and load a file in C; see `library`."""
    switch = os.environ.get("ENGRAM_NATIVE", "1")
    if switch.lower() in ("0", "no", "off", "false"):
        return _Built(None, f"switched off by ENGRAM_NATIVE={switch}")
    if dtype not in _TYPES:
        return _Built(None, f"no C code for {dtype}")
    compiler = _compiler()
    if not compiler:
        return _Built(None, f"no C compiler found ({os.environ.get('CC') or ', '.join(_COMPILERS)})")
    headers = Path(__file__).parent
    flags = [*_FLAGS, f"-DREAL={_TYPES[dtype]}", *(f"-D{name}={size}" for name, size in sizes.items())]
    try:
        # The macros that the compiler predefines name every extension of the processor that it would use.
        target = _output([*compiler, "-march=native", "-dM", "-E", "-x", "c", os.devnull])
        texts = [file.read_bytes() for file in (source, *sorted(headers.parent.rglob("*.h")))]
        name = hashlib.sha256(b"\0".join([*texts, " ".join(flags).encode(), target])).hexdigest()[:16]
        compiled = folder() / f"{source.parent.name}-{name}.so"
        if not is_whole(compiled):
            with keeping(compiled) as fresh:
                _output([*compiler, *flags, f"-I{headers}", str(source), "-lm", "-o", str(fresh)])
        return _Built(ctypes.CDLL(str(compiled)), "")
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:  # a RuntimeError: a user without a home
        output = (getattr(error, "stderr", None) or b"").decode(errors="replace").strip() or str(error)
        failed = f"{source.parent.name}/{source.name} could not be compiled"
        warnings.warn(f"{failed}, the slower step in torch is taken: {output[:500]}", stacklevel=3)
        return _Built(None, " ".join(f"{failed}: {output[:500]}".split()))


def addresses(*tensors: Tensor | None) -> bytes:
    """Return where the numbers of contiguous tensors lie, as a struct of pointers in C; NULL for None."""
    return struct.pack(f"{len(tensors)}P", *[0 if tensor is None else tensor.data_ptr() for tensor in tensors])


def lie_on_cpu(dtype: torch.dtype, *expected: tuple[Tensor, tuple[int, ...]]) -> bool:
    """Return whether all of these tensors lie in the memory of a CPU, are of this type, and have these shapes."""
    return all(tensor.is_cpu and tensor.dtype == dtype and tensor.shape == shape for tensor, shape in expected)


def _compiler() -> list[str]:
    """Return the command that compiles C; empty if there is none."""
    wanted = shlex.split(os.environ.get("CC", ""))
    found = [name for name in (wanted[:1] or _COMPILERS) if shutil.which(name)]
    return [*found[:1], *wanted[1:]] if found else []


def _output(command: list[str]) -> bytes:
    """Run a compiler; if it hangs, it is ended with all that it has started.

    Raises:
        OSError, SubprocessError: if it cannot be run, fails or takes too long.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        try:
            output, errors = process.communicate(timeout=_SECONDS)
        except BaseException:
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output, errors)
    return output
