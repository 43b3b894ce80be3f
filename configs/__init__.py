"""The configuration: its schema, the YAML files that fill it in, and the message when a value does not fit."""

from engram.configs.keys import own_keys
from engram.configs.loading import checked, load
from engram.configs.messages import CannotRun, one_line
from engram.configs.own_choices import add_choice
from engram.configs.schema import TrainConfig, register

__all__ = ["CannotRun", "TrainConfig", "add_choice", "checked", "load", "one_line", "own_keys", "register"]
