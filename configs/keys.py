"""The keys of a configuration, listed from its schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from math import inf
from typing import Any, NamedTuple, get_type_hints

from engram.configs.parts import CHOICES, PartConfig


class Key(NamedTuple):
    """One key of the schema."""

    kind: Any
    """Its type, as annotated."""

    meaning: str
    low: float = -inf
    high: float = inf

    @property
    def bounds(self) -> str:
        """The range of its values in words; empty if there is none."""
        if self.low == -inf and self.high == inf:
            return ""
        return f"at least {self.low}" if self.high == inf else f"from {self.low} to {self.high}"


def schema_keys(schema: Any, chosen: Mapping[str, str] | None = None, prefix: str = "") -> dict[str, Key]:
    """List the keys of a schema, dotted, in the order of their declaration.

    Args:
        schema: a dataclass.
        chosen: part -> name of its choice; of parts not named here, those of all choices are listed.
        prefix: what to put before each key.
    """
    keys: dict[str, Key] = {}
    kinds = get_type_hints(schema)
    for item in fields(schema):
        key, kind = prefix + item.name, kinds[item.name]
        if is_dataclass(kind):
            schemas = CHOICES.get(key, {})
            name = (chosen or {}).get(key, "")
            parts: list[Any] = [schemas[name]] if name in schemas else list(schemas.values()) or [kind]
            for part in parts:
                keys = {**keys, **schema_keys(part, chosen, f"{key}."), **keys}  # the first meaning of a key stays
        else:
            keys[key] = Key(kind, **item.metadata)
    return keys


def own_keys(config: Any) -> dict[str, Any]:
    """Return the keys of a part's config that are arguments of its class."""
    common = {item.name for item in fields(PartConfig)}
    return {item.name: getattr(config, item.name) for item in fields(config) if item.name not in common}
