"""The config.yaml of a run as data: no aliases, nothing that is looked up elsewhere, and of a bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, ListConfig, OmegaConf

from engram.configs.messages import CannotRun

LARGEST = 2**20
"""Bytes of a configuration; those of runs have some thousands."""
DEEPEST = 12
"""Levels; those of runs have five."""


def read_saved(path: Path) -> DictConfig | ListConfig:
    """Read a configuration that a run was made with.

    A file from elsewhere may be made to harm: an alias may stand for so much that it never ends, and `${oc.env:NAME}`
    would put a secret into what is printed. A saved configuration has neither.

    Raises:
        CannotRun: in one line, if it has such, is too large, or no text.
        OmegaConfBaseException, YAMLError: if it is not YAML.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise CannotRun(f"not the config of a run, for it is larger than {LARGEST:,} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise CannotRun(f"not the config of a run, for it is no text ({error.reason})") from error
    depth = 0
    events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        line = event.start_mark.line + 1
        if depth > DEEPEST:
            raise CannotRun(f"line {line}: nested deeper than the config of a run is")
        if isinstance(event, yaml.AliasEvent):
            raise CannotRun(f"line {line}: an alias, *{event.anchor:.40}, which no config of a run has")
        if isinstance(event, yaml.ScalarEvent) and "${" in event.value:
            raise CannotRun(f"line {line}: {event.value:.60}, which is looked up; no config of a run has that")
    return OmegaConf.load(StringIO(text))
