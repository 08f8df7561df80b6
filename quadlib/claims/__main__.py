"""Measure every claim and write their table: ``python -m quadlib.claims docs/claims.md [full]``."""

import sys
import time
from pathlib import Path

from tqdm import tqdm

from quadlib.claims import ALL, Table
from quadlib.claims.base import Effort
from quadlib.notation import number

BEGIN, END = "<!-- claims:begin -->", "<!-- claims:end -->"


def main(path: Path, effort: Effort) -> bool:
    """Replace what stands between the two marks; return whether all claims hold."""
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    after, began = rest.split(END)[1], time.perf_counter()
    table = Table(p for claim in tqdm(ALL, unit="claim") for p in claim.check(effort).found)
    took = number((time.perf_counter() - began) / 60, 2)
    holding = sum(finding.holds for finding in table.findings)
    told = sum(finding.rival is not None for finding in table.findings)
    sgd = [f.method for f in table.findings if f.method in ("weights", "chain", "diffusion")]
    exact = len(sgd) - sgd.count("diffusion")
    text = (
        f"Measured by `python -m quadlib.claims docs/claims.md {effort}` in {took} minutes: "
        f"{holding} of {len(table.findings)} findings hold, {told} of them against a rival; of the "
        f"{len(sgd)} about SGD {exact} rest on literal SGD or its exact chain.\n\n"
        f"{table.to_markdown()}"
    )
    path.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")
    return table.holds


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["quick"], ["full"]):
        sys.exit("usage: python -m quadlib.claims docs/claims.md [quick|full]")
    chosen: Effort = "full" if sys.argv[2:] == ["full"] else "quick"
    sys.exit(not main(Path(sys.argv[1]), chosen))
