"""The configuration: its schema, the YAML files that fill it in, and the message when a value does not fit."""

from engram.configs.loading import checked, load
from engram.configs.messages import CannotRun, one_line
from engram.configs.schema import TrainConfig, own_keys, register

__all__ = ["CannotRun", "TrainConfig", "checked", "load", "one_line", "own_keys", "register"]
