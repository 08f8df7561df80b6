"""What a claim says of itself, and that the page of claims says it too."""

import math
import re
from pathlib import Path

import pytest

from quadlib import claims
from quadlib.claims.base import Finding

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("predicted", "measured", "error", "tolerance", "holds", "sigmas"),
    [
        (1.0, 1.0, 0.0, 0.0, True, 0.0),
        (1.0, 1.3, 0.1, 0.0, True, 3.0),
        (1.0, 1.6, 0.1, 0.0, False, 6.0),
        (1.0, 1.6, 0.1, 0.3, True, 3.0),
        (8, 7, 0.0, 0.0, False, math.inf),
        (1.0, math.nan, 0.1, 0.0, False, math.inf),
    ],
)
def test_a_finding_fails_by_so_many_sigmas(predicted, measured, error, tolerance, holds, sigmas):
    finding = Finding("x", predicted, measured, error, tolerance)
    assert finding.holds == holds
    assert finding.sigmas == pytest.approx(sigmas)
    assert ("fails" in finding.verdict) == (not holds)


def test_every_notebook_of_the_walk_has_claims_and_every_claim_a_notebook():
    notebooks = {path.stem for path in (ROOT / "notebooks").glob("0[1-6]*.py")}
    assert {claim.notebook for claim in claims.ALL} == notebooks
    names = [claim.name for claim in claims.ALL]
    assert len(names) == len(set(names))
    assert {"C1", "C2", "C3", "C4", "C5"} <= set(names)
    assert [claim.notebook for claim in claims.ALL] == sorted(c.notebook for c in claims.ALL)


def test_the_page_of_claims_has_all_of_them():
    page = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    table = re.search(r"<!-- claims:begin -->(.*?)<!-- claims:end -->", page, re.S)
    assert table
    stated = re.findall(r"^\| ([\w -]+): (.*?) \|", table[1], re.M)
    assert stated == [(claim.name, claim.statement) for claim in claims.ALL]
    assert "fails" not in table[1]


@pytest.mark.parametrize("claim", claims.ALL, ids=lambda claim: claim.name)
def test_claim_holds(claim):
    verdict = claim.check()
    assert verdict.findings
    assert verdict.holds, str(verdict)


def test_effort_is_quick_or_full():
    with pytest.raises(ValueError, match=r"effort must be 'quick' or 'full', got 'slow'; choose"):
        claims.C5.check("slow")
