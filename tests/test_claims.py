"""What a claim says of itself; measured are claims in the notebooks that show them, and in docs/.

tests/test_notebooks.py holds every row of a notebook's table to "holds"; the full table is kept.
"""

import math
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from quadlib import claims
from quadlib.claims.base import Claim, Finding
from quadlib.claims.measure import exponent, mean, spread, turning

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("predicted", "measured", "error", "tolerance", "rival", "verdict"),
    [
        (1.0, 1.0, 0.0, 0.0, None, "holds"),
        (1.0, 1.3, 0.1, 0.0, None, "holds"),
        (1.0, 1.6, 0.1, 0.0, None, "fails by 6 σ"),
        (1.0, 1.6, 0.1, 0.3, None, "holds"),
        (8, 7, 0.0, 0.0, None, "fails by ∞ σ"),
        (1.0, math.nan, 0.1, 0.0, None, "fails by ∞ σ"),
        (1.0, 1.01, 0.02, 0.02, 0.79, "holds"),
        (1.0, 1.01, 0.02, 0.02, 0.81, "too blunt to tell the rival"),
        (1.0, 0.7, 0.02, 0.02, 0.7, "fails by 14 σ"),
    ],
)
def test_a_finding_says_whether_it_holds_and_could_have_failed(
    predicted, measured, error, tolerance, rival, verdict
):
    """Its room, tolerance and four σ, is at most half the distance to the rival."""
    finding = Finding("x", predicted, measured, error, tolerance, "chain", rival)
    assert finding.verdict == verdict
    assert finding.holds == (verdict == "holds")


def test_a_rival_is_rejected_by_so_many_sigmas_beyond_the_tolerance():
    finding = Finding("x", 1.0, 1.01, 0.02, 0.02, "chain", 0.69)
    assert finding.sigmas(0.69) == pytest.approx((0.32 - 0.02) / 0.02)
    table = claims.Table([(claims.C1, finding)] * 2).to_markdown().splitlines()
    assert table[0] == (
        "| claim | quantity | predicted | measured | tolerance | method | rival | verdict |"
    )
    assert table[2].startswith(f"| C1: {claims.C1.statement} | x | 1 | 1.01 ± 0.02 | 0.02 | chain")
    assert table[3] == "|  | x | 1 | 1.01 ± 0.02 | 0.02 | chain | 0.69 (15 σ off) | holds |"


def test_every_notebook_of_the_walk_has_claims_and_every_claim_a_notebook():
    notebooks = {path.stem for path in (ROOT / "notebooks").glob("0[1-6]*.py")}
    homes = [claim.notebook for claim in claims.ALL]
    assert set(homes) == notebooks
    assert homes == sorted(homes)
    names = [claim.name for claim in claims.ALL]
    assert len(names) == len(set(names))
    assert {"C1", "C2", "C3", "C4", "C5"} <= set(names)
    assert isinstance(claims.any_N, Claim)
    with pytest.raises(AttributeError, match=r"no 'C6'; its claims are C1, "):
        claims.C6  # noqa: B018


def kept() -> list[list[str]]:
    """Rows of the table in docs/claims.md, the claim in every one."""
    text = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    table = re.search(r"<!-- claims:begin -->(.*?)<!-- claims:end -->", text, re.S)
    assert table
    rows = [re.split(r" (?<!\\)\| ", line[2:-2]) for line in table[1].splitlines() if "|" in line]
    for above, row in pairwise(rows[2:]):
        row[0] = row[0] or above[0]
    assert rows[0] == list(claims.Table.columns)
    return rows[2:]


def test_the_kept_table_is_that_of_a_full_measurement_and_every_finding_holds():
    text = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    by = r"`python -m quadlib.claims docs/claims.md full` in \d+(\.\d+)? minutes"
    assert re.search(by, text)
    said = list(dict.fromkeys(row[0] for row in kept()))
    assert said == [f"{claim.name}: {claim.statement}" for claim in claims.ALL]
    assert not [row for row in kept() if row[-1] != "holds"]


def test_every_claim_has_a_rival_and_half_of_sgd_is_measured_exactly():
    told = {row[0] for row in kept() if row[6]}
    assert told == {row[0] for row in kept()}
    methods = [row[5] for row in kept()]
    exact = methods.count("weights") + methods.count("chain")
    assert exact >= methods.count("diffusion") > 0


def test_effort_is_quick_or_full():
    with pytest.raises(ValueError, match=r"effort must be one of .*, got 'slow'; choose"):
        claims.C5.check("slow")


def test_statistics_have_the_errors_that_they_say():
    """Twelve within 4.5 standard errors (false alarms 8e-5), over 300 samples of a Gaussian."""
    rng = np.random.default_rng(1)
    x = np.array([1e2, 1e4, 1e6])
    samples = x[:, None] ** -0.5 * rng.standard_normal((3, 400))
    for found, truth in ((exponent(x, samples), -0.5), (spread(samples[0]), 0.1)):
        assert abs(found[0] - truth) < 4.5 * found[1]
    many = np.array([(*mean(y), *spread(y)) for y in rng.standard_normal((300, 100))])
    for column, error in ((0, 1), (2, 3)):
        assert many[:, column].std() == pytest.approx(many[:, error].mean(), rel=0.2)


def test_a_threshold_is_found_to_its_relative_width():
    assert turning(0.1, 1.0, 1e-6, lambda x: x > 0.3) == pytest.approx(0.3, rel=1e-6)
