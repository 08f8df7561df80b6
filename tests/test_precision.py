"""Results against arithmetic of 50 digits; `make precision` does more and writes the page."""

import mpmath as mp
import pytest

from tests import precision


@pytest.fixture(autouse=True)
def fifty_digits():
    with mp.workdps(50):
        yield


def test_loss_and_drift_are_right_to_1e_12() -> None:
    assert max(precision.loss_and_drift()) < 1e-12


def test_plateaus_and_laws_are_right_to_1e_12() -> None:
    assert precision.plateaus() < 1e-12
    assert precision.laws() < 1e-12


def test_trajectories_are_right_to_1e_9() -> None:
    assert precision.trajectories(1000) < 1e-9


def test_the_chain_keeps_a_state_at_rest_and_a_solution() -> None:
    at_rest, norms, loss = precision.chain(10**5)
    assert max(at_rest, norms) < 1e-12
    assert loss < 1e-28
