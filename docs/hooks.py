"""What MkDocs adds while it builds the site: reference pages made from the code, and tables from their data files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from hydra import compose, initialize_config_module
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from omegaconf import OmegaConf

from engram.cli.help import about, choices
from engram.configs.keys import Key
from engram.configs.parts import CHOICES
from engram.configs.schema import TrainConfig, register
from engram.evidence.report import file_formats

TABLES = Path(__file__).parent / "tables"
_PLACE = re.compile(r"<!-- table: (\w+) -->")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the code."""
    files.append(File.generated(config, "reference/config.md", content=configuration_page()))
    files.append(File.generated(config, "reference/files.md", content=file_formats.markdown()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the tables in: `<!-- table: name -->` stands for `docs/tables/name.json`."""
    return _PLACE.sub(lambda found: table(found[1]), markdown)


def table(name: str) -> str:
    """Return a data file as a Markdown table.

    Raises:
        FileNotFoundError: if there is no such file; the build fails then.
    """
    content = json.loads((TABLES / f"{name}.json").read_text(encoding="utf-8"))
    return _table(content["columns"], content["rows"])


def configuration_page() -> str:
    """Return the page of all groups and keys, from the schema and the YAML files."""
    register()
    experiments = choices()["experiment"]
    parts = [
        "# Configuration",
        "Every key can be set on the command line, `python train.py key=value`, or in a YAML file of your own"
        " (`--config-dir my_configs experiment=mine`). A group is chosen by `group=choice`. `python train.py --help`"
        " prints the same for what you have chosen.",
        "## Groups",
        _table(["group", "choices"], [[f"`{name}`", _names(listed)] for name, listed in choices().items()]),
        "## Experiments",
        "A task with settings of its own: `python train.py experiment=maze_sequence`. What agents reach is in the"
        " [results](results.md).",
        _table(["experiment", "what it is"], [[f"`{name}`", about("experiment", name)] for name in experiments]),
    ]
    default = _composed()
    hints = get_type_hints(TrainConfig)
    plain = [item.name for item in fields(TrainConfig) if not is_dataclass(hints[item.name])]
    parts += ["## The run", _keys(TrainConfig, default, "", set(plain))]
    for item in fields(TrainConfig):
        if is_dataclass(hints[item.name]):
            parts += [f"## `{item.name}`", f"{item.metadata['meaning'].capitalize()}."]
            if item.name in CHOICES:
                for name, schema in CHOICES[item.name].items():
                    part = _composed(f"{item.name}={name}")[item.name]
                    parts += [f"### `{item.name}={name}`", _keys(schema, part, f"{item.name}.")]
            else:
                parts.append(_keys(hints[item.name], default[item.name], f"{item.name}."))
    return "\n\n".join(parts) + "\n"


def _composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_module("engram.configs", version_base="1.3"):
        content = OmegaConf.to_container(compose("train", list(overrides)), enum_to_str=True)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def _keys(schema: Any, values: dict[str, Any], prefix: str, only: set[str] | None = None) -> str:
    """List the keys of a dataclass: name, default as composed, bounds, meaning."""

    def rows() -> Iterator[list[str]]:
        for item in fields(schema):
            if item.name != "name" and (only is None or item.name in only):
                default = json.dumps(values.get(item.name), ensure_ascii=False)
                bounds = Key(Any, **item.metadata).bounds
                yield [f"`{prefix}{item.name}`", f"`{default}`", bounds, item.metadata["meaning"]]

    listed = list(rows())
    return _table(["key", "default", "bounds", "meaning"], listed) if listed else "It has no keys of its own."


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _names(listed: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in listed)
