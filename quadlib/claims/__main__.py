"""Measure every claim and write their table: ``python -m quadlib.claims docs/claims.md [full]``."""

import sys
from pathlib import Path

from tqdm import tqdm

from quadlib.claims import ALL, Table
from quadlib.claims.base import Effort

BEGIN, END = "<!-- claims:begin -->", "<!-- claims:end -->"


def main(path: Path, effort: Effort) -> bool:
    """Replace what stands between the two marks; return whether all claims hold."""
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    verdicts = [claim.check(effort) for claim in tqdm(ALL, unit="claim")]
    findings = [finding for verdict in verdicts for finding in verdict.findings]
    holding = sum(finding.holds for finding in findings)
    head = (
        f"Measured by `python -m quadlib.claims docs/claims.md {effort}`: {holding} of "
        f"{len(findings)} findings hold, within their tolerance and four standard errors.\n\n"
    )
    for claim, findings_of in ((verdict.claim, verdict.findings) for verdict in verdicts):
        count = f"{sum(finding.holds for finding in findings_of)} of {len(findings_of)}"
        head += f"- **{claim.name}** ({claim.notebook}; {count}). {claim.statement}\n"
    details = f"<details><summary>All findings</summary>\n\n{Table(verdicts).to_markdown()}"
    text = f"{before}{BEGIN}\n{head}\n{details}\n</details>\n{END}{after}"
    path.write_text(text, encoding="utf-8")
    return bool(holding == len(findings))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["quick"], ["full"]):
        sys.exit("usage: python -m quadlib.claims docs/claims.md [quick|full]")
    chosen: Effort = "full" if sys.argv[2:] == ["full"] else "quick"
    sys.exit(not main(Path(sys.argv[1]), chosen))
