import pytest

from quadlib import claims
from quadlib.claims.escape import largest_learning_rate
from quadlib.plateau import NoPlateauError, plateau
from quadlib.task import Task

CLAIMS = claims.of("02_escape")


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_claim_holds(claim):
    verdict = claim.check()
    assert verdict.findings
    assert verdict.holds, str(verdict)


def test_all_claims_of_the_escape_are_listed():
    names = {claim.name for claim in CLAIMS}
    assert names == {"plateau", "escape law", "plateau noise", "ln N", "existence"}


@pytest.mark.parametrize(("p", "p_star"), [(1, 1), (1, 4), (4, 2), (16, 3)])
def test_bound_is_where_plateau_gives_up(p, p_star):
    bound = largest_learning_rate(p, p_star)
    assert plateau(Task(p, p_star), bound * (1 - 1e-9)).q > 0
    with pytest.raises(NoPlateauError):
        plateau(Task(p, p_star), bound * (1 + 1e-9))
