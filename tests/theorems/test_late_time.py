"""The loss dies as 1/α² with surplus units and exponentially without, below η_c."""

import numpy as np
import pytest
from scipy.optimize import minimize

import quadlib as ql
from quadlib.late_time import late_time_law
from quadlib.plateau import critical_learning_rate

TEACHERS = {
    1: [None, [0.6]],
    2: [None, [1.5, 0.5], [[1.0, 0.4], [0.4, 1.3]]],
    3: [None, [2.0, 0.7, 0.3]],
}


def near_solution(task: ql.Task, size: float) -> ql.Overlaps:
    """A solution plus a little noise in the units that the teacher uses."""
    p, k = task.p, task.p_star
    O = np.linalg.qr(np.random.default_rng(p).standard_normal((p, k)))[0]
    M = np.sqrt(p / k) * O @ task.T
    return ql.Overlaps(p / k * O @ task.T @ O.T + size * O @ O.T, M)


def isotropic_start(task: ql.Task) -> ql.Overlaps:
    """Q = I: all surplus units die alike from the start, and corrections are only 1/α."""
    return ql.Overlaps(np.eye(task.p), 0.2 * ql.random_overlaps(task, 50, 1).M)


def power_law_prefactor(run: ql.Trajectory) -> float:
    """C of L = C/(α − α0)²: L^{-1/2} is a straight line, whatever the delay α0."""
    slope = np.diff(run.loss[-2:] ** -0.5) / np.diff(run.alpha[-2:])
    return float(slope[0] ** -2)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_critical_learning_rate_separates_decay_from_growth(k: int) -> None:
    for T in TEACHERS[k]:
        for p in (k, k + 1, 6):
            task = ql.Task(p, k, T)
            critical = critical_learning_rate(task)
            for factor, sign in ((0.98, -1), (1.02, 1)):
                run = ql.integrate(
                    task,
                    near_solution(task, 1e-6),
                    eta=factor * critical,
                    alpha=np.array([150.0, 250.0]),
                    rtol=1e-10,
                )
                assert sign * np.log(run.loss[1] / run.loss[0]) > 0.1


@pytest.mark.parametrize("p", [1, 2, 5, 9])
def test_critical_learning_rate_of_an_identity_teacher(p: int) -> None:
    for k in range(1, p + 1):
        expected = k / (2 * (k + 2))
        assert critical_learning_rate(ql.Task(p, k)) == pytest.approx(expected, rel=1e-13)


def test_the_sphere_does_not_change_the_critical_learning_rate() -> None:
    """Four units 45 degrees apart, Q_ii = 1, and a little noise in the span they use."""
    angle = np.pi * np.arange(4) / 4 + 0.3
    O = np.stack([np.cos(angle), np.sin(angle)], axis=1) / np.sqrt(2)
    start = ql.Overlaps(2 * O @ O.T, np.sqrt(2 * (1 - 1e-7)) * O)
    task = ql.Task(4, 2)
    alpha = np.array([150.0, 250.0])
    for factor, sign in ((0.98, -1), (1.02, 1)):
        eta = factor * critical_learning_rate(task)
        run = ql.integrate(task, start, eta=eta, alpha=alpha, constraint="spherical", rtol=1e-10)
        assert sign * np.log(run.loss[1] / run.loss[0]) > 0.1


@pytest.mark.parametrize(
    ("p", "k", "T"),
    [
        (2, 1, None),
        (4, 2, None),
        (9, 2, None),
        (5, 4, None),
        (3, 2, [1.5, 0.5]),
        (5, 3, [2, 1, 0.5]),
    ],
)
def test_power_law_of_surplus_units(p: int, k: int, T: object) -> None:
    task = ql.Task(p, k, T)
    start = isotropic_start(task)
    flow = ql.gradient_flow(task, start, eta=0.1, alpha=[1e5, 2e5])
    law = late_time_law(task, 0.1, gradient_noise=False)
    assert law == ql.LateTimeLaw("power law", exponent=2.0, prefactor=law.prefactor)
    assert power_law_prefactor(flow) == pytest.approx(law.prefactor, rel=1e-3)
    for fraction in (0.3, 0.6):
        eta = fraction * critical_learning_rate(task)
        noisy = ql.integrate(
            task, start, eta=eta, alpha=np.array([0.0, 300.0, 600.0]) / eta, rtol=1e-10
        )
        assert power_law_prefactor(noisy) == pytest.approx(
            late_time_law(task, eta).prefactor, rel=0.01
        )


def test_the_reference_value_of_the_flow() -> None:
    law = late_time_law(ql.Task(4, 2), 0.1, gradient_noise=False)
    assert law.prefactor == pytest.approx(2.0834, abs=2e-4)


@pytest.mark.parametrize(
    ("p", "k", "T"), [(2, 1, None), (3, 2, None), (4, 3, [1.5, 1.0, 0.5]), (4, 2, None)]
)
def test_power_law_on_the_sphere(p: int, k: int, T: object) -> None:
    """One surplus unit, or two: the approach to the law is as slow as α^{-2p*/p}."""
    task = ql.Task(p, k, T)
    start = ql.random_overlaps(task, 100, 2, constraint="spherical")
    for fraction, noise in ((0.3, False), (0.3, True), (0.6, True)):
        eta = fraction * critical_learning_rate(task)
        run = ql.integrate(
            task,
            start,
            eta=eta,
            alpha=np.array([0.0, 500.0, 1000.0]) / eta,
            constraint="spherical",
            gradient_noise=noise,
            rtol=1e-10,
        )
        law = late_time_law(task, eta, "spherical", gradient_noise=noise)
        assert power_law_prefactor(run) == pytest.approx(law.prefactor, rel=0.01)


@pytest.mark.parametrize(
    ("p", "T", "constraint"),
    [
        (1, None, "free"),
        (2, None, "free"),
        (4, None, "free"),
        (2, [1.5, 0.5], "free"),
        (3, [[1.5, 0.2, 0.0], [0.2, 1.0, 0.1], [0.0, 0.1, 0.6]], "free"),
        (1, None, "spherical"),
        (2, None, "spherical"),
    ],
)
def test_exponential_without_surplus_units(p: int, T: object, constraint: str) -> None:
    task = ql.Task(p, p, T)
    start = ql.random_overlaps(task, 20, 1, constraint=constraint)
    for fraction, noise in ((0.3, False), (0.3, True), (0.7, True)):
        eta = fraction * critical_learning_rate(task)
        law = late_time_law(task, eta, constraint, gradient_noise=noise)
        assert law.kind == "exponential"
        run = ql.integrate(
            task,
            start,
            eta=eta,
            alpha=np.linspace(0, 60 / law.rate, 601),
            constraint=constraint,
            gradient_noise=noise,
            rtol=1e-10,
        )
        # late enough for one exponential, early enough for the digits of the loss
        window = slice(np.argmax(run.loss < 1e-6), np.argmax(run.loss < 1e-8))
        rate = -np.polyfit(run.alpha[window], np.log(run.loss[window]), 1)[0]
        assert rate == pytest.approx(law.rate, rel=0.01)


def test_the_rate_vanishes_at_the_critical_learning_rate() -> None:
    for T in (None, [1.7, 0.8, 0.5]):
        task = ql.Task(3, 3, T)
        critical = critical_learning_rate(task)
        assert late_time_law(task, critical * (1 - 1e-9)).rate == pytest.approx(0, abs=1e-8)
        assert late_time_law(task, critical / 2).rate > 0.01


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("task", "eta", "options", "message"),
    [
        (ql.Task(2, 3), 0.1, {}, "p must be at least p_star = 3"),
        (ql.Task(4, 2), 0.25, {}, "eta must be below the critical learning rate 0.25"),
        (ql.Task(4, 2), 0.0, {}, "eta must be finite from 1e-90"),
        (ql.Task(2, 3), 0.1, {"constraint": "spherical", "gradient_noise": False}, "p must be"),
        (ql.Task(4, 2, [1, 2]), 0.1, {"constraint": "spherical"}, "T must have trace p_star = 2"),
        (ql.Task(2, 2, [0.5, 1.5]), 0.1, {"constraint": "spherical"}, "T must be the identity"),
        (ql.Task(2, 2), 0.1, {"constraint": "round"}, "constraint must be one of"),
    ],
)
def test_what_has_no_law_says_so(task: ql.Task, eta: float, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        late_time_law(task, eta, **options)


def test_too_few_units_have_no_critical_learning_rate() -> None:
    with pytest.raises(ValueError, match=r"p must be at least p_star = 3 .* got p = 2; raise p"):
        critical_learning_rate(ql.Task(2, 3))


def test_label_noise_leaves_the_law_of_the_flow_above_the_floor() -> None:
    noisy = ql.Task(4, 2, label_noise=0.2)
    law = late_time_law(noisy, 0.1, gradient_noise=False)
    flow = ql.gradient_flow(noisy, isotropic_start(noisy), eta=0.1, alpha=[1e3, 2e3])
    excess = flow.loss - law.floor
    slope = (excess[1] ** -0.5 - excess[0] ** -0.5) / 1e3
    assert slope**-2 == pytest.approx(law.prefactor, rel=0.01)
    assert critical_learning_rate(noisy) == critical_learning_rate(ql.Task(4, 2))


@pytest.mark.parametrize(
    ("p", "T", "constraint"),
    [(2, None, "free"), (4, [1.5, 0.5], "free"), (2, None, "spherical"), (4, None, "spherical")],
)
def test_label_noise_leaves_a_floor_that_grows_with_eta(p: int, T: object, constraint: str) -> None:
    task = ql.Task(p, 2, T, label_noise=1e-3)
    start = ql.random_overlaps(task, 1000, 1, constraint=constraint)
    for eta in (0.03, 0.15):
        law = late_time_law(task, eta, constraint)
        assert law == ql.LateTimeLaw("floor", floor=law.floor)
        end = ql.integrate(task, start, eta=eta, alpha=[300 / eta], constraint=constraint)
        # of second order in ν, and for p > p* what surplus units have not yet given up
        assert end.loss[0] == pytest.approx(law.floor, rel=1e-3)
        assert law.floor > (1 + eta) * task.label_noise / 2


@pytest.mark.parametrize(
    ("p", "k", "T"),
    [(1, 2, None), (3, 4, None), (1, 3, [1.5, 0.9, 0.6]), (2, 4, [1.6, 1, 0.8, 0.6])],
)
def test_too_few_units_leave_a_floor(p: int, k: int, T: object) -> None:
    """Against the end of the flow, and against the least loss in the span of the teacher."""
    task = ql.Task(p, k, T, label_noise=0.1)
    law = late_time_law(task, 0.1, gradient_noise=False)
    assert law == ql.LateTimeLaw("floor", floor=law.floor)
    run = ql.gradient_flow(task, ql.random_overlaps(task, 1000, 1), eta=0.1, alpha=[3000.0])
    assert run.loss[0] == pytest.approx(law.floor, abs=1e-7)
    root = np.linalg.cholesky(task.T)

    def loss(flat: np.ndarray) -> float:
        w = flat.reshape(p, k)
        return ql.loss(task, ql.Overlaps(w @ w.T, w @ root.T))

    rng = np.random.default_rng(p)
    best = min(minimize(loss, rng.standard_normal(p * k)).fun for _ in range(3))
    assert law.floor == pytest.approx(best, abs=1e-8)


def test_the_law_of_several_surplus_units_on_the_sphere() -> None:
    """(6.9) in numbers: n = 4, p = 6, τ = (.6, .4), and F = .12/.76 + .08/.84."""
    F = 0.12 / 0.76 + 0.08 / 0.84
    expected = 4 * 2 / (64 * 0.01 * 6) * (1 + (1 + 16 / 12) * F / (1 - F))
    law = late_time_law(ql.Task(6, 2, [1.2, 0.8]), 0.1, "spherical")
    assert law.prefactor == pytest.approx(expected, rel=1e-12)
    assert law.exponent == 2
    assert ql.LateTimeLaw("power law").floor == 0


def test_a_trace_is_that_of_the_sphere_to_1e_9() -> None:
    for off in (0.99e-9, -0.99e-9):
        late_time_law(ql.Task(5, 4, [1 + 4 * off, 1, 1, 1]), 0.01, "spherical")
    for off in (1.01e-9, -1.01e-9):
        with pytest.raises(ValueError, match="T must have trace p_star = 4"):
            late_time_law(ql.Task(5, 4, [1 + 4 * off, 1, 1, 1]), 0.01, "spherical")
