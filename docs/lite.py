"""JupyterLite: notebooks, theory and quadlib itself in a folder that any web server serves.

`python docs/lite.py OUT [PYODIDE]` runs in an environment with `docs/lite.txt`. Without PYODIDE, a
folder with pyodide.js and its wheels, the page takes them from Pyodide's CDN when it is used.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat

ROOT = Path(__file__).parents[1]
# What quadlib needs and Pyodide does not have; pinned in docs/lite.txt
PURE = ("anywidget", "ipywidgets", "psygnal", "tqdm")
KERNEL = dict(name="python", display_name="Python (Pyodide)", language="python")
# The kernel asks for 0.27.1 by itself: the same Python and NumPy, with faults mended since
PYODIDE = "https://cdn.jsdelivr.net/pyodide/v0.27.7/full/pyodide.js"
TOUR = "lab/index.html?path=notebooks/00_tour.ipynb"
EXTENSION = "@jupyterlite/pyodide-kernel-extension:kernel"


def gather(contents: Path) -> None:
    """Copy what a reader opens; notebooks begin with the installation of quadlib."""
    for folder in ("notebooks", "notebooks/solutions"):
        (contents / folder).mkdir(parents=True)
        for path in sorted((ROOT / folder).glob("*.ipynb")):
            # Lines are joined: nothing in the page does that
            notebook = nbformat.read(path, as_version=4)
            notebook["metadata"]["kernelspec"] = KERNEL
            install = dict(
                cell_type="code",
                id="install",
                execution_count=None,
                metadata={},
                outputs=[],
                source="%pip install -q quadlib",
            )
            notebook["cells"].insert(0, install)
            text = json.dumps(notebook, ensure_ascii=False, indent=1)
            (contents / folder / path.name).write_text(text, encoding="utf-8")
    (contents / "docs").mkdir()
    shutil.copyfile(ROOT / "docs" / "theory.md", contents / "docs" / "theory.md")


def wheels(folder: Path) -> None:
    """Make the wheel of quadlib, and fetch those of pure Python beside it."""
    pip = [sys.executable, "-m", "pip"]
    into = ["--quiet", "--no-deps", "--only-binary", ":all:", "--platform", "any"]
    pins = ["--constraint", str(ROOT / "docs" / "lite.txt"), "--python-version", "3.12"]
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", folder, ROOT], check=True)
    subprocess.run([*pip, "download", *into, *pins, "-d", folder, *PURE], check=True)


def settle(out: Path, pyodide: Path | None) -> None:
    """Open on the tour, ask no package index, and take Pyodide from `pyodide`."""
    kernel: dict[str, object] = {"disablePyPIFallback": True, "pyodideUrl": PYODIDE}
    if pyodide is not None:
        shutil.copytree(pyodide, out / "pyodide")
        kernel["pyodideUrl"] = "./pyodide/pyodide.js"
    path = out / "jupyter-lite.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    data = config["jupyter-config-data"]
    data.setdefault("litePluginSettings", {}).setdefault(EXTENSION, {}).update(kernel)
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")
    go = f'<meta http-equiv="refresh" content="0; url={TOUR}"><a href="{TOUR}">The tour</a>'
    # The pages below look for a configuration in this one
    none = '<script id="jupyter-config-data" type="application/json">{}</script>'
    (out / "index.html").write_text(
        f"<!doctype html><title>quadlib</title>{go}{none}\n", encoding="utf-8"
    )


def main() -> None:
    """Build into a folder that is made anew."""
    out, pyodide = Path(sys.argv[1]).resolve(), [*sys.argv, ""][2]
    shutil.rmtree(out, ignore_errors=True)
    with TemporaryDirectory() as folder:
        home = Path(folder)
        gather(home / "files")
        (home / "wheels").mkdir()
        wheels(home / "wheels")
        overrides = shutil.copyfile(ROOT / ".jupyter" / "overrides.json", home / "overrides.json")
        command = [
            *(sys.executable, "-m", "jupyter", "lite", "build", "--apps", "lab"),
            *("--lite-dir", str(home), "--contents", str(home / "files"), "--output-dir", str(out)),
            *("--settings-overrides", str(overrides), "--no-sourcemaps"),
        ]
        for wheel in sorted((home / "wheels").glob("*.whl")):
            command += ["--piplite-wheels", str(wheel)]
        log = home / "log"
        with log.open("w") as file:
            done = subprocess.run(command, cwd=home, stdout=file, stderr=subprocess.STDOUT)
        if done.returncode:
            sys.exit(log.read_text()[-3000:])
    settle(out, Path(pyodide) if pyodide else None)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{size / 1e6:.0f} MB in {os.path.relpath(out)}")


if __name__ == "__main__":
    main()
