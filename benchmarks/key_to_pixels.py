"""How long from a key press to changed pixels, in JupyterLab with a real browser?

The tour at its defaults; an arrow key moves the learning rate up and down again, 50 moves in all,
each as soon as the one before is seen (`held`), and 20 with a second between them, in which the
runs of SGD have begun to arrive (`single`). In the page a clock starts at the keydown event and
stops at the first frame after the new `<img>` has been decoded. Goal: p90 of at most 60 ms.

    python -m benchmarks.key_to_pixels
"""

import json
from typing import Any

import numpy as np

from tests.browser import lab

GOAL_MS = 60.0

# Each move replaces the picture: take the time when the new one could be painted
_CLOCK = """() => {
  const explorer = document.querySelector('.quadlib-explorer');
  let pressed = null, alt = null;
  window.quadlibMoves = [];
  explorer.addEventListener('keydown', () => {
    pressed = performance.now();
    alt = explorer.querySelector('img').alt;
  }, true);
  new MutationObserver(async () => {
    const image = explorer.querySelector('img');
    if (pressed === null || !image || image.alt === alt) return;
    const begun = pressed;
    pressed = null;
    await image.decode();
    requestAnimationFrame(() => window.quadlibMoves.push(performance.now() - begun));
  }).observe(explorer, {subtree: true, childList: true, attributes: true});
}"""


def moves(notebook: lab.Notebook, count: int, rest: int) -> list[float]:
    """Milliseconds of each move, `rest` milliseconds after the one before is seen."""
    page = notebook.page
    dict(notebook.controls())["learning rate η"].focus()
    page.evaluate("() => { window.quadlibMoves.length = 0; }")
    for number in range(count):
        page.keyboard.press("ArrowRight" if number < count / 2 else "ArrowLeft")
        page.wait_for_function("number => window.quadlibMoves.length > number", arg=number)
        page.wait_for_timeout(rest)
    if notebook.alert() or notebook.errors:
        raise RuntimeError(f"{notebook.alert()} {notebook.errors}")
    return list(page.evaluate("() => window.quadlibMoves"))


def measure() -> dict[str, Any]:
    """Median and p90 in milliseconds."""
    if lab.chromium() is None:
        return {"skipped": "no Chromium was found; set QUADLIB_CHROMIUM to its path"}
    with lab.server() as address, lab.browser() as context:
        notebook = lab.Notebook(context, address, "00_tour")
        notebook.run(notebook.explorer_cell())
        notebook.show_explorer()
        notebook.page.evaluate(_CLOCK)
        moves(notebook, 4, 50)  # imports and caches
        times = {"held": moves(notebook, 50, 10), "single": moves(notebook, 20, 1000)}
        notebook.close()
    result: dict[str, Any] = {"goal_ms": GOAL_MS}
    for name, row in times.items():
        median, p90 = np.median(row), np.quantile(row, 0.9)
        result[name] = {"moves": len(row), "median_ms": float(median), "p90_ms": float(p90)}
        print(f"{name:6s} {len(row)} moves: median {median:.0f} ms, p90 {p90:.0f} ms")
    return result


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
