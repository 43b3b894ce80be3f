"""What a training carries over from one rollout to the next: all of it, as plain data, so that it can go on exactly."""

from engram.agents.carried.interface import Part
from engram.agents.carried.registry import (
    CARRIED,
    carried,
    learned,
    own_of_process,
    register_carried,
    resume,
    set_learned,
)

__all__ = ["CARRIED", "Part", "carried", "learned", "own_of_process", "register_carried", "resume", "set_learned"]
