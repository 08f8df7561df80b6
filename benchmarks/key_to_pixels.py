"""How long from a key press to changed pixels, in JupyterLab with a real browser?

Every explorer at its defaults; an arrow key moves each slider twelve steps up (or two, without room
for more) to values that were not seen before (`new`), and back, at last to where it was (`again`),
each move as soon as the one before is seen; and the first slider eight times with a second between,
in which runs of SGD have begun to arrive (`single`). The clock is the browser's own, from the time
it took the key to the time it presented the frame with the new picture. The same with pictures made
beforehand (`nothing computed`) is what JupyterLab takes.
Goals: p90 of at most 60 ms in the tour, of 100 ms in all explorers. The kernel: `moves`.

    python -m benchmarks key_to_pixels
"""

from typing import Any

import numpy as np

from benchmarks.common import Row
from quadlib import explorers
from tests.browser import lab

GOAL_MS, TOUR_GOAL_MS = 100.0, 60.0
_MOVES, _SINGLE = 12, 8

# Each move changes alt text and picture at once; what comes later does not count
_CLOCK = """() => {
  const explorer = document.querySelector('.quadlib-explorer');
  const image = explorer.querySelector('img');
  let pressed = 0, told = Infinity, alt = null;
  window.quadlibMoves = [];
  explorer.addEventListener('keydown', event => {
    [pressed, told, alt] = [event.timeStamp, Infinity, image.alt];
  }, true);
  new MutationObserver(() => {
    if (alt !== null && image.alt !== alt) [told, alt] = [performance.now(), null];
  }).observe(image, {attributes: true});
  image.setAttribute('elementtiming', 'picture');
  new PerformanceObserver(list => {
    for (const {renderTime} of list.getEntries()) if (renderTime > told) {
      window.quadlibMoves.push(renderTime - pressed);
      told = Infinity;
    }
  }).observe({type: 'element'});
}"""

FLOOR = "nothing computed"
_READY = """from quadlib import explorers, live
from quadlib.explorers.controls import units

class Ready(live.Explorer):
    def build(self):
        tours = [explorers.tour(p=p, runs=0).live for p in (3, 4)]
        ready = {(k, scale): tours[k].png(scale) for k in (0, 1) for scale in (1, 2)}
        p = units()
        self.live.png = lambda scale=1: ready[p.value % 2, scale]
        return {"p": p}

    def draw(self, values):
        return live.Caption(f"p = {values['p']}")

Ready()
"""


def upwards(name: str) -> dict[str, int]:
    """How many steps each slider is moved up, before as many down."""
    if name == FLOOR:
        return {"student units p": _MOVES}
    explorer = getattr(explorers, name)()
    explorer.finish()  # else its runs go on beside what is measured
    steps = {}
    for slider in explorer.controls.values():
        if hasattr(slider, "step"):
            value = np.log10(slider.value) if hasattr(slider, "base") else slider.value
            room = round((slider.max - value) / slider.step)
            steps[slider.description] = _MOVES if room >= _MOVES else 2
    return steps


def moves(notebook: lab.Notebook, element: Any, count: int, rest: int, up: int = 1) -> list[float]:
    """Milliseconds of moves, `up` up and as many down, `rest` ms after the one before is seen.

    With `up` = −1 down and up.
    """
    page = notebook.page
    element.focus()
    page.evaluate("() => { window.quadlibMoves.length = 0; }")
    for number in range(count):
        down = (number // abs(up) + (up < 0)) % 2
        page.keyboard.press("ArrowLeft" if down else "ArrowRight")
        page.wait_for_function("number => window.quadlibMoves.length > number", arg=number)
        page.wait_for_timeout(rest)
    if notebook.alert() or notebook.errors:
        raise RuntimeError(f"{notebook.name}: {notebook.alert()} {notebook.errors}")
    return list(page.evaluate("() => window.quadlibMoves"))


def in_the_browser(context: Any, address: str, name: str) -> dict[str, list[float]]:
    """Milliseconds of the moves of each slider of an explorer, by the slider's label."""
    steps = upwards(name)
    notebook = lab.Notebook(context, address, name)
    notebook.run()
    notebook.show_explorer()
    notebook.page.evaluate(_CLOCK)
    sliders = [
        (label, element)
        for label, element in notebook.controls()
        if element.evaluate("e => e.matches('.noUi-handle')") and label != "SGD runs"
    ]
    times = {}
    for label, element in sliders:
        moves(notebook, element, 4, 50)  # imports and caches
        up = steps[label]
        times[f"new, {label}"] = moves(notebook, element, up, 10, up)
        times[f"again, {label}"] = moves(notebook, element, up * (_MOVES // up | 1), 10, -up)
    times[f"single, {sliders[0][0]}"] = moves(notebook, sliders[0][1], _SINGLE, 1000, -1)
    notebook.close()
    return times


def summary(rows: dict[str, list[float]]) -> dict[str, Any]:
    """Median and p90 in milliseconds, of each row and of all new, all known and all values."""
    result, kinds = {}, {}
    for kind in ("new", "again", ""):
        some = (row for name, row in rows.items() if name.startswith(kind))
        kinds[f"all {kind}".strip()] = [time for row in some for time in row]
    for name, row in {**rows, **kinds}.items():
        median, p90 = np.median(row), np.quantile(row, 0.9)
        result[name] = {"moves": len(row), "median_ms": float(median), "p90_ms": float(p90)}
    return result


def measure() -> dict[str, Any]:
    """Median and p90 in milliseconds, for every explorer and slider."""
    if lab.chromium() is None:
        return {"skipped": "no Chromium was found; set QUADLIB_CHROMIUM to its path"}
    result = {}
    with lab.server({FLOOR: _READY}) as address, lab.browser() as context:
        for name in (FLOOR, *lab.EXPLORERS):
            result[name] = summary(in_the_browser(context, address, name))
            print(f"{name:22s}{result[name]}", flush=True)
    return result


def table(result: dict[str, Any]) -> list[Row]:
    """A row for each explorer, and one for what no explorer can go below."""
    if "skipped" in result:
        text = f"not measured: {result['skipped']}"
        return [Row("key press to changed pixels, p90", f"≤ {GOAL_MS:g} ms", text)]
    table = []
    for name, found in result.items():
        goal = TOUR_GOAL_MS if name == "tour" else GOAL_MS
        worst = max((row for row in found if "," in row), key=lambda row: found[row]["p90_ms"])
        everything = found["all"]
        figure, p90 = f"{name}, key press to changed pixels, p90", everything["p90_ms"]
        measured = f"{p90:.0f} ms (median {everything['median_ms']:.0f}"
        kinds = ", ".join(
            f"{kind} {found[f'all {kind}']['p90_ms']:.0f}" for kind in ("new", "again")
        )
        measured += f"; {kinds})"
        if name == FLOOR:
            table.append(Row(figure, None, measured))
            continue
        measured += f"; worst {worst}: {found[worst]['p90_ms']:.0f} ms"
        bound = "JupyterLab, the first row, and drawing"
        table.append(Row(figure, f"≤ {goal:g} ms", measured, p90 <= goal, bound))
    return table
