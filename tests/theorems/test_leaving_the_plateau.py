"""The loss of the ODE leaves the plateau as A e^{2rα}, (4.10), with A to first order in η."""

import numpy as np
import pytest

import quadlib as ql


@pytest.mark.parametrize(("p", "k"), [(2, 2), (8, 2), (3, 1), (4, 4)])
def test_prefactor_of_the_exponential_to_first_order(p: int, k: int) -> None:
    """What is left is below 3η², where the first-order term is up to 2η."""
    task, q, c = ql.Task(p, k), p / (p + 2), 1 + 4 / p
    c_p = c * (1 - q) - (2 - c * q) * np.log(1 / q) + 2 * k / (k + 2) * ql.plateau(task).loss
    M = np.random.default_rng(0).standard_normal((p, k))
    for eta in (0.02, 0.01):
        level, alpha = ql.plateau(task, eta), 7 / eta  # norms are adjusted to e^{-4ηα} = 7e-13
        gain = np.exp(2 * level.escape_rate * alpha)
        start = ql.Overlaps(np.eye(p), M / np.linalg.norm(M) * np.sqrt(1e-5 / gain))
        run = ql.integrate(task, start, eta=eta, alpha=[alpha], rtol=1e-12)
        # ⟨‖M(0)‖²⟩ of a random start is p k/N; at 1e-5 the loss is linear in ‖M‖² to 2e-5
        A = p * k * (level.loss - run.loss[0]) / 1e-5
        assert A / (2 * level.q) == pytest.approx(1 - eta * c_p, abs=3 * eta**2 + 2e-5)
