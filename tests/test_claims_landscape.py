import pytest

from quadlib import claims

CLAIMS = claims.of("05_landscape")


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_claim_holds(claim):
    verdict = claim.check()
    assert verdict.findings
    assert verdict.holds, str(verdict)


def test_all_claims_of_the_landscape_are_listed():
    assert {claim.name for claim in CLAIMS} == {"C5", "multiplicities", "quartic", "sampled"}
