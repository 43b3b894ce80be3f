"""What all tests share: one thread, one seed, and imports from this working copy."""

import signal

import pytest
import torch

torch.set_num_threads(1)

# A shell lets what runs in its background ignore interrupts, and programs under test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # and so does nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(20)


@pytest.fixture
def gpu():
    """The device of tests marked `gpu`, which fail where there is none."""
    if not torch.cuda.is_available():
        pytest.fail("no CUDA device: `make test-gpu` needs one, and a build of torch for it", pytrace=False)
    return torch.device("cuda")


@pytest.fixture
def own_memories(monkeypatch):
    """Register memories as a user would write them, beside the others."""
    from own_memories import OWN_MEMORIES  # not before the path is set

    from engram.memory import MEMORIES

    for name, memory in OWN_MEMORIES.items():
        monkeypatch.setitem(MEMORIES, name, memory)
