"""What a training carries over from one rollout to the next: all of it, as plain data, so that it can go on exactly."""

from engram.agents.carried import parts as _parts  # noqa: F401  # registers them
from engram.agents.carried.registry import CARRIED, Part, carried, register_carried, resume

__all__ = ["CARRIED", "Part", "carried", "register_carried", "resume"]
