"""Binder's files followed line by line, in a fresh folder, with packages of the same names."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sites import ROOT

TOUR = """
import time, sys
start = time.perf_counter()
import quadlib as ql
tour = ql.explorers.tour()
tour._repr_mimebundle_()
print(f"first picture after {time.perf_counter() - start:.1f} s", file=sys.stderr)
tour.finish()
print(f"all runs after {time.perf_counter() - start:.1f} s", file=sys.stderr)
assert "SGD runs" in tour.alt_text and not tour.error, tour.alt_text
"""


def test_environment_postBuild_and_start_give_a_tour_that_is_compiled(tmp_path: Path) -> None:
    if os.environ.get("QUADLIB_REQUIRE_SITES") != "1":
        pytest.skip("makes an environment of its own: make test-sites.")
    home, env = tmp_path / "repo", tmp_path / "env"
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        source = ROOT / name
        if source.is_file() and not name.startswith("docs/notebooks"):
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, home / name)
    text = (home / "environment.yml").read_text(encoding="utf-8")
    packages = [p for p in re.findall(r"^  - (\S+)$", text, re.M) if ">=" in p]
    assert "numba>=0.61" in packages
    python = env / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", env], check=True)
    uv = os.environ.get("UV")
    pip = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    pinned = ["--quiet", "--constraint", ROOT / "constraints.txt", *packages]
    subprocess.run([*pip, *pinned], check=True)
    there = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHONPATH", "NUMBA_"))}
    there["PATH"] = f"{env / 'bin'}:{there['PATH']}"
    subprocess.run(["bash", "./postBuild"], cwd=home, env=there, check=True)
    assert (env / "etc/jupyter/jupyter_server_config.py").is_file()

    def compiled(*command: str | Path) -> str:
        """Standard error, and what numba says of its cache, on one core."""
        run = subprocess.run(
            command,
            cwd=home,
            env=there | {"NUMBA_DEBUG_CACHE": "1"},
            capture_output=True,
            text=True,
            check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
        )
        print(run.stderr)
        return run.stdout

    log = compiled("bash", "./start", "python", "-c", TOUR)
    assert "data loaded" in log
    assert "data saved" not in log  # nothing was compiled anew
    run = ["bash", "./start", "jupyter", "execute", "notebooks/00_tour.ipynb"]
    subprocess.run(run, cwd=home, env=there, check=True, timeout=600)
