import pytest
from own_memories import OWN_MEMORIES

from memory import MEMORIES


@pytest.fixture(autouse=True)
def _register(monkeypatch):
    for name, memory in OWN_MEMORIES.items():
        monkeypatch.setitem(MEMORIES, name, memory)
