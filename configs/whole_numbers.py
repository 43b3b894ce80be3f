"""Whole numbers as people type them: `total_timesteps=1e6`."""

from __future__ import annotations

import re
from typing import get_args

from engram.configs.keys import schema_keys
from engram.configs.schema import TrainConfig


def whole(word: str) -> str:
    """Return an override `key=1e6` of a key that takes whole numbers with its numbers written out."""
    key, equals, value = word.partition("=")
    known = schema_keys(TrainConfig).get(key.lstrip("+"))
    if known is None or int not in (known.kind, *get_args(known.kind)):
        return word

    def written_out(number: re.Match[str]) -> str:
        return str(int(float(number[0]))) if float(number[0]).is_integer() else number[0]

    return key + equals + re.sub(r"(?<![\w.])\d+(\.\d+)?[eE]\+?\d+(?![\w.])", written_out, value)
