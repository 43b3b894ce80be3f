"""An explained episode as one HTML file that a browser opens from disk: no server, no network, no other file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import jinja2

LIMIT = 5_000_000  # bytes: small enough for a mail, and a browser opens it at once


class PageTooLarge(ValueError):
    """The page would be larger than `LIMIT`."""


def render_page(explanation: Mapping[str, Any], name: str) -> str:
    """Return the HTML of an explained episode.

    Args:
        explanation: the episode, as `assets/1_episode.js` describes it; JSON values only.
        name: of the file, for the message of the error.

    Raises:
        PageTooLarge: if the page would be over 5 MB.
        ValueError: if a number is not finite.
    """
    folder = files(__name__).joinpath("assets")
    assets = {asset.name: asset.read_text(encoding="utf-8") for asset in folder.iterdir() if asset.is_file()}
    data = json.dumps(explanation, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(assets["page.html"])
    text = template.render(
        episode=explanation,
        style=assets["page.css"],
        # The numbers in their names are the order in which they run.
        script="\n".join(assets[script] for script in sorted(assets) if script.endswith(".js")),
        # Without "<", the data cannot end the script element that they stand in.
        data=data.replace("<", "\\u003c"),
    )
    size = len(text.encode())
    if size > LIMIT:
        pictures = sum(map(len, explanation["images"]))
        raise PageTooLarge(
            f"{name} would be {size / 1e6:.1f} MB ({pictures / 1e6:.1f} MB of it pictures) and may be "
            f"{LIMIT / 1e6:.0f}: explain a shorter episode, or draw smaller pictures"
        )
    return text
