"""Where numba, threads and processes are missing, explorers move and the tour runs; see bare.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "names",
    [
        ["tour", "escape", "beyond", "00_tour"],
        ["sgd_to_ode", "overparameterization", "implicit_bias", "landscape"],
    ],
    ids=lambda names: names[0],
)
def test_they_do_without_numba_threads_and_processes(names: list[str]) -> None:
    """To the ends of all controls and at random, and every cell of the tour; `make bare`: all."""
    path = f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    result = subprocess.run(
        [sys.executable, "-m", "tests.bare", "--few", *names],
        cwd=ROOT,
        env=os.environ | {"MPLBACKEND": "agg", "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    assert [*found["explorers"], *found["notebooks"]] == names
    assert result.stderr == ""
