"""The page of promises names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "promises.md").read_text()


def test_every_promise_has_a_test_that_is_there() -> None:
    promised = PAGE.partition("## Not promised")[0]
    rows = [" ".join(row.split()) for row in re.findall(r"^\* (.*?)(?=^\* |^#|\Z)", promised, re.DOTALL | re.MULTILINE)]
    assert len(rows) > 10
    for row in rows:
        named = re.findall(r"`(tests/[\w/.]+)`", row) or re.findall(r"`(test_\w+)` there", row)
        assert named, f"no test: {row}"
        for name in named:
            if name.startswith("tests/"):
                assert (ROOT / name).exists(), name
            else:
                assert any(f"def {name}(" in file.read_text() for file in (ROOT / "tests").rglob("*.py")), name
