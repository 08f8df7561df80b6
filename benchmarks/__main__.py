"""Run the benchmarks, write benchmarks/results, and fill docs/benchmarks.md.

python -m benchmarks            all, in under 20 minutes on two cores
python -m benchmarks kernels    some; what was measured before stays in the table
"""

import importlib
import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.common import Row, environment

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "results", HERE.parent / "docs" / "benchmarks.md"
NAMES = (
    "kernels",
    "ode",
    "landscape",
    "startup",
    "bare",
    "apps",
    "ensemble",
    "peers",
    "moves",
    "key_to_pixels",
    "escape_grid",
)
BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"


def run(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    question = (module.__doc__ or "").splitlines()[0]
    print(f"{name}: {question}", flush=True)
    before, started = environment(), time.perf_counter()
    result = module.measure()
    path = RESULTS / f"{name}.json"
    answer = {"question": question, "environment": before, "result": result}
    path.write_text(json.dumps(answer, indent=1, ensure_ascii=False) + "\n")
    if hasattr(module, "page"):
        (PAGE.parent / f"{name}.md").write_text(module.page(result))
    print(f"  {time.perf_counter() - started:.0f} s")


def rows(name: str, result: dict[str, Any]) -> list[Row]:
    try:
        table: list[Row] = importlib.import_module(f"benchmarks.{name}").table(result)
    except KeyError:  # of an earlier version
        table = [Row(name, None, "to be measured again")]
    return table


def markdown(answers: dict[str, Any]) -> str:
    lines = ["| figure | goal | measured | met | bounded by |", "|---|---|---|---|---|"]
    for name, answer in answers.items():
        for row in rows(name, answer["result"]):
            met = {True: "yes", False: "**no**", None: ""}[row.met]
            cells = (row.figure, row.goal or "", row.measured, met, row.bound)
            lines.append("| " + " | ".join(cells) + " |")
    machines: dict[str, list[str]] = {}
    for name, answer in answers.items():
        e = answer["environment"]
        machine = (
            f"{e['cpu']}, {e['cores']} cores, Python {e['python']}, "
            f"numpy {e['versions']['numpy']}, {e['blas']}"
        )
        machines.setdefault(machine, []).append(name)
    load = max(answer["environment"]["load_at_start"][0] for answer in answers.values())
    where = "; ".join(f"{', '.join(names)} on {machine}" for machine, names in machines.items())
    intro = [
        f"Measured by `make bench`: {where}; one thread of BLAS. Times are seconds of the "
        "processor, ratios are taken side by side in one process; efficiency and pixels are on "
        f"the wall. When a benchmark began the load average was at most {load:.1f}.",
        "",
    ]
    results = {name: answer["result"] for name, answer in answers.items()}
    pictures = [
        f"![{alt}](../benchmarks/results/{file})" for file, alt in plots.draw(results, RESULTS)
    ]
    return "\n".join([*intro, *lines, "", *"\n\n".join(pictures).splitlines()])


def fill(text: str) -> None:
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def main(wanted: list[str]) -> None:
    RESULTS.mkdir(exist_ok=True)
    present = [n for n in NAMES if importlib.util.find_spec(f"benchmarks.{n}") is not None]
    unknown = set(wanted) - set(present)
    if unknown:
        sys.exit(f"Benchmarks must be some of {', '.join(present)}, got {', '.join(unknown)}.")
    for name in wanted or present:
        run(name)
    paths = {name: RESULTS / f"{name}.json" for name in present}
    fill(markdown({n: json.loads(p.read_text()) for n, p in paths.items() if p.exists()}))


if __name__ == "__main__":
    main(sys.argv[1:])
