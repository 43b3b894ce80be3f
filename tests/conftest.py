"""What all tests share: one thread, one seed, and imports from this working copy."""

import sys
from pathlib import Path

import pytest
import torch

# `tests/memory` and `tests/agents` must not be taken for the packages of these names.
sys.path.insert(0, str(Path(__file__).parent.parent))

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(20)
