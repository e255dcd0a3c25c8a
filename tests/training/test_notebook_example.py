"""The example notebook: every cell runs as it stands, from two CSV files to a picture of how good the lists are."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_every_cell_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cell fails, lists have titles and reasons, and the last cell draws."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(ROOT / "examples" / "notebook.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert (
        sum("Because you" in str(data.get("text/plain")) or "bought by" in str(data.get("text/plain")) for data in outputs)
        >= 1
    )
    assert "image/png" in outputs[-1]


def test_it_names_no_machine() -> None:
    """What stands in the file was made by running it, without a path of the machine that ran it."""
    text = (ROOT / "examples" / "notebook.ipynb").read_text()
    assert "image/png" in text
    assert not any(place in text for place in (str(ROOT), "site-packages", "Traceback"))
