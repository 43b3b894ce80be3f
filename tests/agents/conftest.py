import pytest


@pytest.fixture(autouse=True)
def _register(own_memories):
    """Every test of agents may use them."""
