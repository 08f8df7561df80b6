"""Every notebook, unanswered, and every solution runs in a fresh kernel: no error, no stderr.

The claims that a notebook shows at its end are measured in it, and hold.
"""

from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").rglob("*.py"))
SECONDS = 600  # for one cell, on a machine that is busy with other tests


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_from_scratch(path, tmp_path, monkeypatch):
    jupytext = pytest.importorskip("jupytext")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    # Warnings that a kernel keeps to itself by default are shown, and so found below
    monkeypatch.setenv("PYTHONWARNINGS", "default")
    notebook = jupytext.read(path)
    client = nbclient.NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
        store_widget_state=False,
    )
    client.execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", f"{cell.source}\n{output.get('text')}"
            # Claims are measured here, and only here: every row of their table holds
            table = output.get("data", {}).get("text/markdown", "")
            if table.startswith("| claim"):
                failed = [r for r in table.splitlines()[2:] if not r.endswith("| holds |")]
                assert not failed, "\n".join(failed)
