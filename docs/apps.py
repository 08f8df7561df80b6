"""Each explorer on a page of its own, for Voilà: `python docs/apps.py FOLDER` writes the pages.

The template beside this file is that of JupyterLab, without the letters it asks a foreign host for.
"""

import json
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
BOOK = "https://quadlib.github.io/quadlib"
# Explorer, notebook, title, three sentences
PAGES = (
    ("tour", "00_tour", "The tour",
     "A network with quadratic units learns from samples that it sees once. Its loss rests "
     "on a plateau before it falls to zero. Grey are runs of SGD, blue is the ODE they "
     "follow."),
    ("sgd_to_ode", "01_sgd_to_ode", "From one SGD step to an ODE",
     "A few overlaps describe SGD in any dimension N. The larger N, the closer the runs "
     "come to the ODE. Choose how a run is done: sample by sample, or one draw for many "
     "samples."),
    ("escape", "02_escape", "The escape from the plateau",
     "Runs leave the plateau at different times. Theory gives the mean, the spread and the "
     "whole law of these times. Its mean grows as ln N, its spread does not grow."),
    ("overparameterization", "03_overparameterization", "Overparameterization",
     "More units than the teacher has leave the rate of the escape as it is. They change a "
     "prefactor, and how the loss dies at last: as 1/α² instead of exponentially. With "
     "fixed norms the plateau is higher."),
    ("implicit_bias", "04_implicit_bias", "Implicit bias",
     "An overparameterized student has many solutions. SGD picks the one closest to its "
     "start, but for a blur that the learning rate makes. What is conserved on the way "
     "tells which it is."),
    ("landscape", "05_landscape", "The landscape",
     "The plateau is a saddle: some directions lead down, and theory counts them. At a "
     "solution none does. From a finite set of samples the spectrum is another, with "
     "outliers that tell."),
    ("beyond", "06_beyond", "Beyond",
     "Teacher units of unequal strength are learned one after another. Noise in the labels "
     "leaves a floor under the loss. Past the critical learning rate the loss settles "
     "above zero, or there is no plateau left."),
)  # fmt: skip


def page(explorer: str, notebook: str, title: str, sentences: str) -> dict[str, object]:
    """Notebook with the title, the sentences, links and the explorer."""
    links = (
        f"[Notebook]({BOOK}/notebooks/{notebook}.html) · [Theory]({BOOK}/theory.html) · "
        "[All explorers](..)"
    )
    text = f"# {title}\n\n{sentences}\n\n{links}"
    # The picture that others wait for, with all runs, is for pages without a kernel
    name = f"explorers.{explorer}"
    code = f"from quadlib import explorers\n\n{name}.patience = 0\n{name}()"
    cells = [
        dict(cell_type="markdown", id="text", metadata={}, source=text),
        dict(
            cell_type="code", id="code", metadata={}, source=code, outputs=[], execution_count=None
        ),
    ]
    kernel = dict(name="python3", display_name="Python 3", language="python")
    return dict(cells=cells, metadata=dict(kernelspec=kernel), nbformat=4, nbformat_minor=5)


def main() -> None:
    """Write the pages, and the template where Voilà finds it."""
    folder = Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "pages").mkdir(parents=True)
    for number, (explorer, notebook, title, sentences) in enumerate(PAGES):
        path = folder / "pages" / f"{number}_{explorer}.ipynb"
        path.write_text(json.dumps(page(explorer, notebook, title, sentences)), encoding="utf-8")
    shutil.copytree(
        HERE / "_templates" / "voila", folder / "share" / "voila" / "templates" / "quadlib"
    )


if __name__ == "__main__":
    main()
