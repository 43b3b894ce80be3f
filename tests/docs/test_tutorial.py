"""The tutorial is run from top to bottom, and finds what its text says."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "start" / "tutorial.ipynb"


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Everything that the cells print, run in an empty folder."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = str(tmp_path_factory.mktemp("tutorial"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("MPLBACKEND", "agg")
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": folder}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(output.get("text", "") for output in outputs)


def test_the_agent_is_right_and_needs_its_memory(printed):
    intact, wiped = re.search(r"success: (\d+)% intact, (\d+)% wiped", printed).groups()
    assert int(intact) >= 95
    assert int(wiped) <= 70


def test_the_cue_is_what_it_needs(printed):
    rates = {name.strip(): int(rate) for name, rate in re.findall(r"^([a-z ]+?)\s+(\d+)%$", printed, re.MULTILINE)}
    assert rates["nothing"] >= 95
    assert rates["as many others deleted"] >= 95
    assert rates["cue deleted"] <= 70
    assert rates["other cue in its place"] <= 5


def test_it_shows_what_it_would_print():
    """Whoever opens it without running it sees outputs, and no errors among them."""
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert sum(bool(cell.outputs) for cell in cells) >= 4
    assert all(output.output_type != "error" for cell in cells for output in cell.outputs)
