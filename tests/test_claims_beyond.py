import pytest

from quadlib import claims

CLAIMS = claims.of("06_beyond")


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_claim_holds(claim):
    verdict = claim.check()
    assert verdict.findings
    assert verdict.holds, str(verdict)


def test_all_claims_are_listed():
    assert {claim.name for claim in CLAIMS} == {"staircase", "floor", "past-eta-c", "any-N"}
