"""Without numba, threads and processes, as in a browser: explorers and notebooks do without them.

    python -m tests.bare                  all explorers over their range, and all notebooks
    python -m tests.bare tour 02_escape   some of them; --few makes fewer moves

Late pieces go on in the event loop, as in the browser; a notebook runs cell by cell, what it shows
is made, and no cell may warn. Prints the longest cell of each notebook and the longest slice.
"""

import ast
import asyncio
import json
import multiprocessing.process
import random
import re
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
PROCESSES = ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.system")


def strip() -> None:
    """Take numba, threads and processes away, and make warnings errors."""

    def no_thread(*_: Any, **__: Any) -> None:
        raise RuntimeError("can't start new thread")

    def no_process(event: str, _: Any) -> None:
        if event in PROCESSES:
            raise OSError("no process here")

    sys.modules["numba"] = sys.modules["distributed"] = None  # type: ignore[assignment]
    for name in ("_start_new_thread", "_start_joinable_thread"):  # before 3.13, and from then on
        if hasattr(threading, name):
            setattr(threading, name, no_thread)
    sys.addaudithook(no_process)
    multiprocessing.process.BaseProcess.start = lambda _: no_process("os.fork", ())  # type: ignore[method-assign]
    warnings.simplefilter("error")


async def rest() -> None:
    """Let the event loop go on until nothing is left to do."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.gather(*others)  # type: ignore[arg-type]


def slices() -> list[float]:
    """Seconds of each slice of late pieces, from now on."""
    from quadlib.live.late import Late

    took: list[float] = []
    advance = Late._advance

    def timed(self: Any) -> bool:
        begun = time.thread_time()
        try:
            return advance(self)
        finally:
            took.append(time.thread_time() - begun)

    Late._advance = timed  # type: ignore[method-assign]
    return took


def assert_well(explorer: Any, runs: bool) -> None:
    """The picture is finished, says what it shows, and which method drew its runs."""
    words = explorer.alt_text
    assert not explorer._view.busy, words
    assert not re.search("Error|Warning", explorer.error), explorer.error
    assert re.search(r"^\S.*[.!?]$", words), words
    if runs and not explorer.error and re.search("runs of SGD|SGD runs", words):
        assert re.search(r"sample by sample|by the diffusion", words), words
        drawn = re.search(r"(\d+) of (\d+) drawn", words)
        if drawn:  # fewer than asked for: the code draws as many
            assert int(drawn[1]) < int(drawn[2]), words
            assert f"runs={drawn[1]}," in explorer.code, words


async def move(name: str, few: bool) -> float:
    """All controls to both ends, one by one and at random; return the slowest picture, in s."""
    from quadlib import explorers
    from tests.test_explorers import ends

    explorer = getattr(explorers, name)()
    explorer.pause = 0.0
    values = {key: w.value for key, w in explorer.controls.items() if hasattr(w, "value")}
    range_of = {key: ends(explorer.controls[key]) for key in values}
    chance = random.Random(name)
    moves: list[dict[str, Any]] = [{}]
    moves += [{key: found[k] for key, found in range_of.items()} for k in (0, -1)]
    moves += [{key: chance.choice(found) for key, found in range_of.items()}]
    if not few:
        moves += [{key: value} for key, found in range_of.items() for value in found]
        moves += [{key: chance.choice(found) for key, found in range_of.items()} for _ in range(9)]
    slowest = 0.0
    for wanted in moves:
        begun = time.process_time()
        for key, value in (values | wanted).items():
            explorer.controls[key].value = value
            await asyncio.sleep(0)  # late pieces of what nobody wants any more begin, and end
        await rest()
        assert_well(explorer, runs=name not in ("landscape",))
        slowest = max(slowest, time.process_time() - begun)
    return slowest


def show(value: Any) -> None:
    """Make what a front end would be sent."""
    for kind in ("mimebundle", "html", "markdown", "png"):
        made = getattr(value, f"_repr_{kind}_", None)
        if made is not None:
            made()


async def execute(path: Path) -> list[float]:
    """Run the cells of a notebook; return the seconds of the processor of each."""
    took, names = [], {"__name__": "__main__"}
    for cell in re.split(r"^# %%", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
        head, _, source = cell.partition("\n")
        if "[markdown]" in head:
            continue
        begun, tree = time.process_time(), ast.parse(source)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        try:
            exec(compile(tree, path.name, "exec"), names)
            if isinstance(last, ast.Expr):
                show(eval(compile(ast.Expression(last.value), path.name, "eval"), names))
        except Exception:
            print(f"{path.name}:\n{source}", file=sys.stderr)
            raise
        took.append(time.process_time() - begun)
        await rest()
    return took


def main(wanted: list[str]) -> dict[str, Any]:
    """Run what is wanted, or all; return the seconds."""
    few, wanted = "--few" in wanted, [name for name in wanted if name != "--few"]
    strip()
    from quadlib import explorers

    took = slices()
    files = {path.stem: path for path in sorted(NOTEBOOKS.glob("*.py"))}
    found: dict[str, Any] = {"explorers": {}, "notebooks": {}}
    for name in wanted or [*explorers.__all__, *files]:
        if name in files:
            cells = asyncio.run(execute(files[name]))
            found["notebooks"][name] = {"longest_s": max(cells), "all_s": sum(cells)}
        else:
            found["explorers"][name] = {"longest_s": asyncio.run(move(name, few))}
            found["explorers"][name]["slice_s"] = max(took)
            took.clear()
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))
