"""docs/notebook.ipynb runs from top to bottom; its cells assert what they show."""

import re
from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


def test_it_runs(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "IPYTHONDIR", str(desk / "ipython")
    )  # no history, no start-up files of whoever runs this
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(desk)}}
    ).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [output for output in shown if output.output_type == "stream" and output.name == "stderr"]
    pictures = [output.data["text/html"] for output in shown if "text/html" in output.get("data", {})]
    assert sum("<svg" in picture for picture in pictures) >= 4
    assert sum("<table" in picture for picture in pictures) >= 4
    assert (desk / "first-report.html").stat().st_size > 100_000


def test_no_output_and_no_foreign_data_is_kept_in_it() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) > 10
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert not re.search(r"NSE:|BSE:|RELIANCE|NIFTY", NOTEBOOK.read_text(encoding="utf-8"))
