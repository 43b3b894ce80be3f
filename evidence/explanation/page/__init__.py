"""One explained episode as a page that a browser opens from disk: film, memory, what was read, and what it changed."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from engram.tracking.atomic import write_text

LIMIT = 5_000_000  # bytes: what can still be sent by mail and opened at once
# In the order in which they run: a later one may use what an earlier one made.
_PARTS = ("episode", "film", "memory", "reads", "why", "timeline", "controls")
SCRIPTS = tuple(f"{number}_{part}.js" for number, part in enumerate(_PARTS, start=1))


class PageTooLarge(ValueError):
    """The page would be larger than `LIMIT`."""


def write_page(explanation: Mapping[str, Any], path: Path) -> None:
    """Write the page of an explained episode, whole or not at all.

    It needs nothing but itself: no server, no network, no other file.

    Args:
        explanation: the episode, as `page.js` describes it; JSON values only.
        path: the HTML file to be made or replaced; its folder exists.

    Raises:
        PageTooLarge: if the page would be over 5 MB.
        ValueError: if a number is not finite.
    """
    write_text(path, page_text(explanation, path.name))


def page_text(explanation: Mapping[str, Any], name: str) -> str:
    """Return the HTML of an explained episode.

    Args:
        explanation: see `write_page`.
        name: of the file, for the error line.

    Raises:
        PageTooLarge, ValueError: see `write_page`.
    """
    text = render(explanation)
    size = len(text.encode())
    if size > LIMIT:
        pictures = sum(map(len, explanation["images"]))
        raise PageTooLarge(
            f"{name} would be {size / 1e6:.1f} MB ({pictures / 1e6:.1f} MB of it pictures) and may be "
            f"{LIMIT / 1e6:.0f}: explain a shorter episode, or draw smaller pictures"
        )
    return text


def render(explanation: Mapping[str, Any]) -> str:
    """Fill the template with an explained episode.

    Args:
        explanation: the episode, as `page.js` describes it; JSON values only.

    Returns:
        The HTML.

    Raises:
        ValueError: if a number is not finite.
    """
    parts = {
        "title": html.escape(str(explanation["title"])),
        "style": _asset("page.css"),
        "script": "\n".join(map(_asset, SCRIPTS)),
        "data": _json_in_html(explanation),
    }
    # In one pass, so that a title that looks like a placeholder stays a title.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("page.html"))


def _json_in_html(value: Mapping[str, Any]) -> str:
    """Return JSON that cannot end the script element that it stands in, nor open a comment in it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _asset(name: str) -> str:
    return files("engram.evidence.explanation.page").joinpath("assets", name).read_text(encoding="utf-8")
