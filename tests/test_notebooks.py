"""Every notebook, unanswered, runs in a fresh kernel: no error, no stderr. So do the solutions.

The claims that a notebook shows at its end are measured in it, and hold. The solutions run one
after the other in one kernel, each with nothing but its own names.
"""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = {path.stem: [path] for path in sorted(ROOT.glob("*.py"))}
SOLUTIONS = {"solutions": sorted((ROOT / "solutions").glob("*.py"))}
SECONDS = 600  # for one cell, on a machine that is busy with other tests
# The cores are busy: more processes would cost their start and win nothing. 07 shows them
ONE_CORE = """import os
os.cpu_count = lambda: 1
if hasattr(os, "sched_getaffinity"):
    os.sched_getaffinity = lambda pid: {0}
del os
"""


@pytest.mark.parametrize(
    "paths",
    [pytest.param(paths, id=name) for name, paths in (NOTEBOOKS | SOLUTIONS).items()],
)
def test_notebook_runs_from_scratch(paths, tmp_path, monkeypatch):
    jupytext = pytest.importorskip("jupytext")
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    # Warnings that a kernel keeps to itself by default are shown, and so found below; but pyparsing
    # would say what it thinks of Matplotlib's grammar
    monkeypatch.setenv("PYTHONWARNINGS", "default,ignore:::pyparsing")
    if paths[0].stem != "07_ensembles":
        startup = tmp_path / "ipython" / "profile_default" / "startup"
        startup.mkdir(parents=True)
        (startup / "one_core.py").write_text(ONE_CORE)
    notebook = jupytext.read(paths[0])
    for path in paths[1:]:
        notebook.cells.append(nbformat.v4.new_code_cell("%reset -sf"))
        notebook.cells += jupytext.read(path).cells
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
