"""What cannot be used is named as it was typed."""

from __future__ import annotations

import pytest
from tiny_runs import composed

from engram.cli.prepare import with_keys
from engram.configs import TrainConfig


@pytest.fixture(scope="module")
def config() -> TrainConfig:
    return composed("memory=episodic", "memory.heads=4", "controller=transformer", "controller.heads=3")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (
            "hops=2 with read=sparse: sparse reads have a single hop",
            "memory.hops=2 with memory.read=sparse: sparse reads have a single hop",
        ),
        (
            "heads=3 must divide the width of 64; heads=2 would",
            "controller.heads=3 must divide the width of 64; controller.heads=2 would",
        ),
        ("heads=4 must be even", "memory.heads=4 must be even"),
        # Of neither part, and of both: nobody knows which.
        ("heads=5 must be even", "heads=5 must be even"),
        ("heads=3 and heads=4 differ", "heads=3 and heads=4 differ"),
        ("chunk_length=7 must divide n_steps=64", "ppo.chunk_length=7 must divide ppo.n_steps=64"),
        # What stands there already, and what is no key of the agent's.
        ("train with memory.read=dense on device=cpu", "train with memory.read=dense on device=cpu"),
    ],
)
def test_arguments_of_the_agent_are_named_as_in_a_config(config: TrainConfig, line: str, named: str) -> None:
    assert with_keys(line, config) == named
