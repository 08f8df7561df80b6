"""Results against arithmetic of 50 digits; `make precision` does more and writes the page."""

from typing import Any

import mpmath as mp
import numpy as np
import pytest

import quadlib as ql
from quadlib import checks
from quadlib.notation import number
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


def test_the_escape_law_is_right_to_1e_12_but_for_its_ode() -> None:
    moments, rate, v_eff = precision.escape()
    assert max(moments, rate) < 1e-12
    assert v_eff < 1e-8


def test_the_blur_law_is_its_average_over_random_matrices() -> None:
    """40,000 of them, and a deviation of up to 1.4 means: four standard errors of the mean; the
    tails of the square make those of the standard deviation three times as large."""
    mean, std = precision.blur()
    assert mean < 4 * 1.4 / 200
    assert std < 12 * 1.4 / 200


def test_trajectories_are_right_to_1e_9() -> None:
    assert precision.trajectories(1000) < 1e-9


def test_the_chain_keeps_a_state_at_rest_and_a_solution() -> None:
    at_rest, norms, loss = precision.chain(10**5)
    assert max(at_rest, norms) < 1e-12
    assert loss < 1e-28


def test_the_ranges_that_are_stated_are_those_that_are_checked() -> None:
    """At its end a number is taken, beyond it refused."""
    least, most = number(checks.SMALLEST), number(checks.LARGEST)
    eta, alpha = number(checks.LARGEST_ETA), number(checks.LARGEST_ALPHA)
    stated = (
        f"**Range.** Entries of Q and M up to {most}; the eigenvalues of T from {least} to {most}; "
        f"q0 from {least} to {number(checks.LARGEST_Q0)}; label noise from 0 to {most}; η 0 or "
        f"from {least} to {eta}; α 0 or from {least} to {alpha}; N from p + p* to "
        f"{number(checks.LARGEST_N)}; p and p* from 1 to {checks.MOST_UNITS}."
    )
    assert stated in " ".join(precision.PAGE.read_text(encoding="utf-8").split())
    task, one = ql.Task(2, 1), np.ones((1, 1))
    state = ql.random_overlaps(task, 9, 0)
    flow: Any = dict(task=task, state=state, eta=0.0)
    for first, last, beyond, use in (
        (checks.SMALLEST, checks.LARGEST, 1.001, lambda x: ql.Task(1, 1, [x])),
        (0.0, checks.LARGEST, 1.001, lambda x: ql.Task(1, 1, None, x)),
        (0.0, checks.LARGEST, 1.001, lambda x: ql.Overlaps(x * one, 0 * one)),
        (0.0, checks.LARGEST, 1.001, lambda x: ql.Overlaps(one, x * one)),
        (checks.SMALLEST, checks.LARGEST_Q0, 1.001, lambda x: ql.random_weights(task, 9, 0, x)),
        (checks.SMALLEST, checks.LARGEST_ETA, 1.001, lambda x: ql.drift(task, state, x)),
        (checks.SMALLEST, checks.LARGEST_ALPHA, 1.001, lambda x: ql.integrate(alpha=x, **flow)),
        (1, checks.MOST_UNITS, 2, lambda x: ql.Task(x, 1)),
        (1, checks.MOST_UNITS, 2, lambda x: ql.Task(1, x)),
        (3, checks.LARGEST_N, 2, lambda x: ql.random_overlaps(task, x, 0)),
    ):
        use(first)
        use(last)
        for wrong in (last * beyond, *([first / 2] if 0 < first < 1 else [])):
            with pytest.raises(ValueError, match="must"):
                use(wrong)
