"""What cannot be used is named as it was typed."""

from __future__ import annotations

import pytest
from tiny_runs import composed

from engram.cli.training.prepare import prepare, with_keys
from engram.configs import CannotRun, TrainConfig


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


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("memory.slots=1000000000000", "^the memory of 64 envs cannot be held: "),
        ("controller.hidden_size=1000000000000", "more memory than there is"),
        ("controller.hidden_size=1" + 30 * "0", "must be at most 1,000,000,000,000"),
        ("env.n_envs=100001", "must be a whole number, from 1 to 100000"),
        ("encoder.features_dim=0", r"encoder\.features_dim=0 must be a whole number of at least 1"),
        ("ppo.clip_range_vf=0", "`clip_range_vf` must be positive"),
    ],
)
def test_what_cannot_be_made_is_one_line(override: str, line: str) -> None:
    with pytest.raises(CannotRun, match=line) as caught:
        prepare(composed(override))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("word", ["memory.name=dnc", "memory.name=nothing", "encoder.name=mine"])
def test_a_part_is_not_chosen_by_its_name(word: str) -> None:
    part, _, name = word.partition(".name=")
    with pytest.raises(CannotRun, match=rf"^{part}\.name={name}: choose it by {part}=\.\.\., one of "):
        composed(word)
