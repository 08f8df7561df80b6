"""The parts of the escape law, each against the overlap ODE."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import digamma, polygamma
from scipy.stats import norm

import quadlib as ql
import quadlib.escape
from quadlib.dynamics.progress import to_the_end
from quadlib.escape.average import Average
from quadlib.escape.finite import FiniteSize, _sample
from quadlib.escape.linear import LinearStage, effective_variance
from quadlib.escape.passage import Block, Passages, passages
from quadlib.plateau import last_learning_rate
from quadlib.thresholds import Matched

UNEQUAL = [1.5, 0.5]


@pytest.mark.parametrize(
    ("p", "constraint"), [(2, "free"), (5, "free"), (3, "spherical"), (1, "free")]
)
def test_the_units_that_M_reaches_move_as_in_the_whole_ode(p: int, constraint: Any) -> None:
    """Of p free units min(p, 2) turned towards the teacher's, the others of equal norm."""
    task, eta, e = ql.Task(p, 2, UNEQUAL, 0.2), 0.1, p if constraint == "spherical" else min(p, 2)
    part = ql.random_overlaps(ql.Task(e, 2, UNEQUAL), 9, 0, constraint=constraint)
    Q, M = 0.7 * np.eye(p), np.zeros((p, 2))
    Q[:e, :e], M[:e] = part.Q, part.M
    block, state = Block(task, eta, constraint, e), ql.Overlaps(Q, M)
    y = np.concatenate([part.Q, part.M, np.full((e, 1), 0.7)], 1)[None]
    s, square = block.moments(y)
    assert s[0] == pytest.approx(np.trace(Q) / p - np.trace(task.T) / 2, rel=1e-13)
    assert square[0] / 2 == pytest.approx(ql.loss(task, state), rel=1e-13)
    dQ, dM = ql.drift(task, state, eta, constraint)
    dy = block.derivative(y)[0]
    np.testing.assert_allclose(dy[:, :e], dQ[:e, :e], atol=1e-14)
    np.testing.assert_allclose(dy[:, e:-1], dM[:e], atol=1e-14)
    if p > e:
        np.testing.assert_allclose(dy[:, -1], dQ[-1, -1], rtol=1e-13)


@pytest.mark.parametrize(("p", "constraint"), [(3, "free"), (2, "spherical")])
def test_levels_are_passed_when_the_ode_passes_them(p: int, constraint: Any) -> None:
    """To 10⁻⁴ of the time, the error of the Runge-Kutta method at this step."""
    task, eta, e = ql.Task(p, 2, UNEQUAL), 0.1, 2
    level = ql.plateau(task, eta, constraint)
    block, levels = Block(task, eta, constraint, e), level.loss * np.array([0.5, 0.9, 0.3])
    M = 0.1 * np.random.default_rng(3).standard_normal((2, 2, 2))
    y = block.start(np.full(2, level.q), M)
    found = to_the_end(passages(block, y, levels, 0.25, 4000))
    assert not found.runaway.any()
    for times, m in zip(found.times, M, strict=True):
        state = ql.Overlaps(level.q * np.eye(p), np.pad(m, ((0, p - e), (0, 0))))
        run = ql.integrate(
            task, state, eta=eta, alpha=np.linspace(0, 120, 481), constraint=constraint
        )
        expected = [run.escape_time(x) for x in levels]
        np.testing.assert_allclose(times, expected, rtol=1e-4)
        assert np.isfinite(times).all()


def test_rows_at_rest_run_away_or_pass_at_the_start() -> None:
    """What rests above the level ends the search, however many steps are allowed."""
    task = ql.Task(2, 1)
    equation, level = Matched(task, 0.1), ql.plateau(task, 0.1)
    rest = equation.start(np.full(2, level.q), np.zeros((2, 1)))
    found = to_the_end(passages(equation, rest, np.array([level.loss / 2]), 0.1, 10**9))
    assert np.isinf(found.times).all()
    assert not found.runaway.any()
    one_at_rest = equation.start(np.full(2, level.q), np.array([[0.0], [0.1]]))
    found = to_the_end(passages(equation, one_at_rest, np.array([level.loss / 2]), 0.1, 10**9))
    np.testing.assert_array_equal(np.isfinite(found.times), [[False], [True]])
    start = equation.start(np.array([level.q, 9.0]), np.zeros((2, 1)))
    found = to_the_end(passages(equation, start, np.array([1.01, 0.5]) * level.loss, 0.1, 10**9))
    np.testing.assert_array_equal(found.times, [[0.0, math.inf], [math.inf, math.inf]])
    np.testing.assert_array_equal(found.runaway, [False, True])


@pytest.mark.parametrize("c", [2.0**-40, 2.0**40])
def test_levels_are_passed_at_the_same_time_in_other_units(c: float) -> None:
    """Of labels: T and Q are multiplied by c, the loss by c², η by 1/c; one start runs away."""
    y = Matched(ql.Task(2, 1), 0.1).start(np.array([1.0, 0.9, 20.0]), np.full((3, 1), 0.3))
    found = [
        to_the_end(passages(Matched(ql.Task(2, 1, [x]), 0.1 / x), x * y, x**2 * levels, 0.1, 10**4))
        for x in (1.0, c)
        for levels in [np.array([0.2, 0.1])]
    ]
    np.testing.assert_array_equal(found[0].times, found[1].times)
    np.testing.assert_array_equal(found[0].runaway, found[1].runaway)
    assert found[0].runaway.tolist() == [False, False, True]
    assert np.isfinite(found[0].times[:2]).all()


@pytest.mark.parametrize("constraint", ["free", "spherical"])
@pytest.mark.parametrize("p", [1, 4])
def test_small_overlaps_grow_as_in_the_whole_ode(p: int, constraint: Any) -> None:
    """Those of unit 1 with each teacher unit, below whose square the growth is constant."""
    task, small = ql.Task(p, 3, [0.5, 1.0, 1.5], 0.2), 1e-9
    q = 1.0 if constraint == "spherical" else 0.7
    linear = LinearStage(task, 0.05, constraint, True)
    assert linear.q0 == 1.0
    for r in range(3):
        M = np.zeros((p, 3))
        M[0, r] = small
        dQ, dM = ql.drift(task, ql.Overlaps(q * np.eye(p), M), 0.05, constraint)
        assert dM[0, r] / small == pytest.approx(linear.rates(q)[r], rel=1e-12)
        if constraint == "free":
            assert dQ[0, 0] / q == pytest.approx(linear.drift(q), rel=1e-12)
    noise = 4 * 0.05**2 * q * linear.t * linear.moment(q, 1, 1)
    np.testing.assert_allclose(linear.noise(q), noise, rtol=1e-14)
    np.testing.assert_array_equal(LinearStage(task, 0.05, constraint, False).noise(q), 0.0)


@pytest.mark.parametrize(("alpha", "closeness"), [(20.0, 0.5), (3e3, 0.999)])
@pytest.mark.parametrize("constraint", ["free", "spherical"])
def test_on_the_plateau_growth_and_noise_have_a_closed_form(
    constraint: Any, alpha: float, closeness: float
) -> None:
    """At constant q: rα, and v/T = (q₀ + (1 − e^{−2rα}) D/(2rT)) e^{2rα}."""
    task = ql.Task(4, 3, [0.1, 1.0, 1.9])
    eta = closeness * last_learning_rate(task, constraint)
    q = ql.plateau(task, eta, constraint).q
    linear = LinearStage(task, eta, constraint, True, q)
    rates, noise = linear.rates(q), linear.noise(q) / linear.t
    assert linear.grows.tolist() == [False, rates[1] > 0, True]
    with np.errstate(all="raise", under="ignore"):
        found, growth, v = linear.follow(alpha)
    assert found == pytest.approx(q, rel=1e-8)
    np.testing.assert_allclose(growth, rates * alpha * linear.grows, rtol=1e-7)
    end, old = alpha + 10 / rates[-1], np.exp(2 * rates * alpha * ~linear.grows)
    to = np.where(linear.grows, end, -alpha)
    expected = q * old + noise * (1 - np.exp(-2 * abs(rates) * abs(to))) / (2 * abs(rates))
    np.testing.assert_allclose(v, expected, rtol=1e-7)
    # of what shrinks from the start on there is nothing to add
    assert effective_variance(task, eta, constraint)[0] == pytest.approx(1.0, abs=1e-14)
    assert LinearStage(task, eta, constraint, True).follow(0.0)[0] == 1.0


def stage(constraint: Any) -> LinearStage:
    return LinearStage(ql.Task(4, 2, None, 0.2), 0.1, constraint, True)


@pytest.mark.parametrize("p", [1, 2, 5])
@pytest.mark.parametrize("k", [1, 2, 4])
def test_the_nodes_of_a_sample_have_its_moments(p: int, k: int) -> None:
    """E[Δ² z^{2i} x^{2j}] of the two pairs of the largest T, which are known in closed form."""
    t = np.linspace(0.5, 1.5, k)
    linear, q = LinearStage(ql.Task(p, k, t, 0.3), 0.02, "free", True), 0.7
    (za, zb, xa, xb, others, rest), weights = _sample(linear)
    label = (t[-1] * xa**2 + (t[-2] * xb**2 if k > 1 else 0.0)) / k
    square = (q * (za**2 + zb**2 + others) / p - label + rest) ** 2
    for z, x, r in ((za, xa, -1), (zb, xb, -2))[: min(p, k)]:
        for i, j in ((0, 0), (1, 1), (2, 2)):
            found = weights @ (square * z ** (2 * i) * x ** (2 * j))
            assert found == pytest.approx(linear.moment(q, i, j)[r], rel=1e-11)
    assert weights.sum() == pytest.approx(1.0, rel=1e-12)
    assert weights @ others**3 == pytest.approx(max(0, p - 2) * p * (p + 2), rel=1e-10, abs=0)


def test_norms_and_growth_relax_as_in_the_whole_ode() -> None:
    """By differences of the drift around the plateau: a common change of norms, and the rest."""
    linear, h = stage("free"), 1e-4
    task, q, finite = ql.Task(4, 2, None, 0.2), linear.level.q, FiniteSize(linear)
    M = 1e-6 * np.eye(4)[:, :2]

    def changes(direction: Any) -> tuple[float, float]:
        """Of d ln Q_11/dα and of d ln M_11/dα, for each of the change of ln Q."""
        values = []
        for sign in (1, -1):
            dQ, dM = ql.drift(task, ql.Overlaps(q * np.diag(1 + sign * h * direction), M), 0.1)
            values.append((dQ[0, 0] / (q * (1 + sign * h)), dM[0, 0] / M[0, 0]))
        (dq, dr), (other_dq, other_dr) = values
        return (dq - other_dq) / (2 * h), (dr - other_dr) / (2 * h)

    for direction, kappa, response in (
        (np.ones(4), finite.decay[0], finite.response[0]),
        (np.array([1.0, -1.0, 0.0, 0.0]), finite.decay[1], finite.response[1]),
    ):
        change, growth = changes(direction)
        assert -change == pytest.approx(kappa, rel=1e-6)
        assert growth / kappa == pytest.approx(response, rel=1e-6)
    assert finite.norm == pytest.approx(finite.covariance[1, 1] / (2 * finite.decay[0]), rel=1e-12)
    assert finite.decay[1] == finite.kappa_rest


@pytest.mark.parametrize("constraint", ["free", "spherical"])
@pytest.mark.parametrize(
    ("p", "T", "apart"),
    [
        (1, [1.2], 1e-12),
        (2, [0.9], 1e-12),
        (1, UNEQUAL, 1e-12),
        (2, UNEQUAL, 1e-12),
        (3, [1.6, 0.8, 0.4], 0.01),  # of the third teacher unit mean and variance
    ],
)
def test_moments_of_one_sample_are_those_of_all_fields(
    constraint: Any, p: int, T: list[float], apart: float
) -> None:
    """(4.7), and before (4.8) and (4.9), of the largest T, by quadrature in every field."""
    k, eta, hermite = len(T), 0.05, np.polynomial.hermite_e.hermegauss
    linear = LinearStage(ql.Task(p, k, T, 0.2), eta, constraint, True)
    finite, q = FiniteSize(linear), linear.level.q
    nodes = [hermite(n) for n in ([7, 7, 5][:p] + [5] * k + [3])]
    weights = np.ones(1)
    for _, w in nodes:
        weights = np.multiply.outer(weights, w / w.sum()).ravel()
    fields = np.array(np.meshgrid(*(x for x, _ in nodes), indexing="ij"))
    fields = fields.reshape(p + k + 1, -1)
    z, x = fields[:p] ** 2, fields[p:-1] ** 2
    error = q * z.mean(0) - np.array(T) @ x / k + math.sqrt(0.2) * fields[-1]
    kick, pairs = -4 * eta * error + 4 * eta**2 * error**2, []
    for a in range(min(p, k, 2)):
        u, trace = -2 * eta * x[a] * (error + 2 * q / p * z[a]), kick * z.mean(0)
        parts = [u, trace, kick * z[a] - trace]
        parts = [u - kick * z[a] / 2] if constraint == "spherical" else parts
        pairs.append([part - part @ weights for part in parts])
    e = min(p, k)
    share = [1.0] if e == 1 else [1 / e, 1 - 1 / e]
    covariance = sum(
        c * np.einsum("in,jn,n->ij", pairs[0], pair, weights)
        for c, pair in zip(share, pairs, strict=True)
    )
    allowed = apart * abs(finite.covariance).max()
    np.testing.assert_allclose(finite.covariance, covariance, rtol=0, atol=allowed)
    if p > 1:
        assert finite.off_diagonal == pytest.approx((kick**2 * z[0] * z[1]) @ weights, rel=apart)
    square = error**2
    share = 0.5 if constraint == "spherical" else -linear.response()[1]
    lost = square * (x[0] ** 2 / 2 - z[0] ** 2 + share * 6 * z[0])
    lost = 4 * eta**2 * (lost @ weights - share * 4 * 0.2)
    assert linear.drag() == pytest.approx(lost, rel=1e-11)
    assert LinearStage(ql.Task(p, k, T, 0.2), eta, constraint, False).drag() == 0.0
    assert (finite.norm > 0.0) is (len(finite.decay) > 0) is (constraint == "free")


@pytest.mark.parametrize("constraint", ["free", "spherical"])
def test_the_variance_of_growth_is_its_integral(constraint: Any) -> None:
    """(4.8) with the covariance of one sample, by adaptive quadrature; 64 points leave 10⁻⁴."""
    finite, alpha = FiniteSize(stage(constraint)), 30.0

    def squared(tau: float) -> float:
        c = [
            1.0,
            *(
                r * (1 - math.exp(-k * tau))
                for r, k in zip(finite.response, finite.decay, strict=False)
            ),
        ]
        return float(np.array(c) @ finite.covariance @ c)

    expected = quad(squared, 0.0, alpha)[0]
    assert finite.growth(alpha) == pytest.approx(expected, rel=2e-4)
    assert len(finite.covariance) == (3 if constraint == "free" else 1)


@pytest.mark.parametrize("p", [2, 4])
@pytest.mark.parametrize("constraint", ["free", "spherical"])
def test_entries_of_Q_raise_the_loss(constraint: Any, p: int) -> None:
    """(4.9): the second derivative of the loss in each of them, times their variance, at last."""
    task = ql.Task(p, 2, None, 0.2)
    linear = LinearStage(task, 0.1, constraint, True)
    q, finite, h = linear.level.q, FiniteSize(linear), 1e-3
    plateau = ql.Overlaps(q * np.eye(p), np.zeros((p, 2)))
    raised = 0.0
    for i, j in itertools.combinations(range(p), 2):
        Q = q * np.eye(p)
        Q[i, j] = Q[j, i] = q * h
        raised += (ql.loss(task, ql.Overlaps(Q, plateau.M)) - ql.loss(task, plateau)) / h**2
    if constraint == "free":  # twice the variance on the diagonal, and the trace as it was
        raised += q**2 * 2 / p
    variance = finite.off_diagonal / (2 * finite.kappa_rest)
    assert finite.excess(1e9) == pytest.approx(raised * variance, rel=1e-9)
    assert finite.excess(0.0) == pytest.approx(raised, rel=1e-9)
    old = math.exp(-2 * finite.kappa_rest * 3.0)
    between = raised * (variance * (1 - old) + old)
    assert finite.excess(3.0) == pytest.approx(between, rel=1e-9)
    finite.kappa_rest = 0.0
    assert finite.excess(3.0) == pytest.approx(raised * (finite.off_diagonal * 3.0 + 1), rel=1e-9)


@pytest.mark.parametrize("constraint", ["free", "spherical"])
def test_one_unit_has_nothing_off_the_diagonal(constraint: Any) -> None:
    assert FiniteSize(LinearStage(ql.Task(1, 2), 0.02, constraint, True)).excess(1.0) == 0.0


@pytest.mark.parametrize(
    ("p", "constraint", "noisy", "q0"),
    [
        (1, "free", True, 1.0),
        (5, "free", True, 1.0),
        (3, "free", False, 0.5),
        (1, "spherical", True, 1.0),
    ],
)
def test_for_one_teacher_unit_the_law_has_a_closed_form(
    p: int, constraint: Any, noisy: bool, q0: float
) -> None:
    """At large N: the ODE's time from M of length √(T v_eff/N), less ⟨ln χ²_p⟩/2r."""
    task, N, eta = ql.Task(p, 1, [1.2], 0.1), 10**12, 0.05
    how: Any = {"q0": q0} if q0 != 1.0 else {}
    how |= {} if noisy else {"plateau_noise": False}
    law = ql.escape_law(task, N, eta, constraint, **how)
    assert law.rate == ql.plateau(task, eta, constraint).escape_rate
    assert (law.v_eff > q0) is noisy
    M = np.zeros((p, 1))
    M[0] = math.sqrt(1.2 * law.v_eff / N)
    alpha = np.linspace(0.0, 2 * law.mean, 4001)
    start = ql.Overlaps(q0 * np.eye(p), M)
    run = ql.integrate(task, start, eta=eta, alpha=alpha, constraint=constraint)
    expected = run.escape_time() - (digamma(p / 2) + math.log(2)) / (2 * law.rate)
    std = math.sqrt(polygamma(1, p / 2)) / (2 * law.rate)
    # what the steps of the ODE and a linear stage down to 10⁻³ of the loss leave
    assert abs(law.mean - expected) < 0.01 * std
    assert abs(law.std - std) < 0.006 * std
    assert 0 < law.mean_error < 0.005 * std
    assert 0 < law.std_error < 0.005 * std
    assert law.divergence == 0.0
    assert law.trusted
    assert abs(law._shape.mean()) < 1e-12
    # late runs are those of short M
    alpha = np.linspace(law.mean - 10 * std, law.mean + 20 * std, 601)
    third = law.density(alpha) @ ((alpha - law.mean) / std) ** 3 * (alpha[1] - alpha[0])
    assert third == pytest.approx(-polygamma(2, p / 2) / polygamma(1, p / 2) ** 1.5, rel=0.1)


@pytest.mark.parametrize(("N", "q0"), [(10**4, 5.0), (10**4, 300.0), (10**6, 1e4)])
def test_norms_far_above_the_plateau_shrink_first(N: int, q0: float) -> None:
    """M goes as their root: the same closed form, though M is not small at the start."""
    task, eta = ql.Task(3, 1, [1.2]), 2e-6
    law = ql.escape_law(task, N, eta, q0=q0, plateau_noise=False)
    M = np.array([[math.sqrt(1.2 * q0 / N)], [0.0], [0.0]])
    run = ql.integrate(
        task, ql.Overlaps(q0 * np.eye(3), M), eta=eta, alpha=np.linspace(0, 2 * law.mean, 1001)
    )
    expected = run.escape_time() - (digamma(1.5) + math.log(2)) / (2 * law.rate)
    std = math.sqrt(polygamma(1, 1.5)) / (2 * law.rate)
    assert abs(law.mean - expected) < 0.01 * std
    assert abs(law.std - std) < 0.01 * std
    assert law.std_error < 0.005 * std


def test_the_time_in_which_norms_shrink_has_a_closed_form() -> None:
    """Where η² is nothing: ln q' = −4η ((1 + 2/p) q − tr T/p*)."""
    task, eta = ql.Task(4, 2, [1.0, 0.6]), 1e-9
    linear = LinearStage(task, eta, "free", True, 50.0)
    for q in (1.0, 20.0):
        left, first = ((1.5 * x - 0.8) / x for x in (q, 50.0))
        expected = math.log(first / left) / (4 * eta * 0.8)
        assert linear.shrinking(q) == pytest.approx(expected, rel=1e-6)
    assert linear.shrinking(50.0) == linear.shrinking(60.0) == 0.0


class Passing:
    """In the place of the ODE: times of chosen starts, which say what becomes of them."""

    def __init__(self, **how: Any) -> None:
        self.lost, self.runaway, self.adds, self.scatter, self.shaken = np.zeros(5)
        self.levels: list[Any] = []
        self.followed: list[Any] = []
        self.long: list[tuple[float, float]] = []
        # Shares that never pass each level, and levels that are passed at the start
        self.pilot, self.main, self.at_once = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), slice(0)
        vars(self).update(how)

    def __call__(self, equation: Any, y: Any, levels: Any, step: float, limit: int) -> Any:
        self.levels.append(levels.copy())
        self.followed.append((type(equation), y))
        self.long.append((step, limit))
        share = (np.arange(len(y)) + 0.5) / len(y)
        times = np.repeat(40.0 - 10 * np.log(share)[:, None], 3, 1)
        times[:, 0] += self.adds + self.shaken * np.cos(1e3 * share)
        times[:, 2] += self.scatter * np.cos(1e3 * share) - 3.0
        times[share < self.lost] = math.inf
        times[share[:, None] < (self.pilot if len(self.levels) == 1 else self.main)] = math.inf
        times[:, self.at_once] = 0.0
        yield
        return Passages(times, share < self.runaway)


def followed(
    monkeypatch: pytest.MonkeyPatch, *how: Any, times: Any = None, **more: Any
) -> tuple[ql.EscapeLaw, Any, dict[str, Any]]:
    """Law with such times, what was followed, and what was known of the starts."""
    passing, seen = times or Passing(), {}
    monkeypatch.setattr("quadlib.escape.passages", passing)

    def spy(name: str) -> Any:
        asked = getattr(quadlib.escape, name)

        def instead(*of: Any) -> Any:
            seen[name] = of
            few = (*of[:2], min(of[2], 512), of[3]) if name in ("spectra", "matrices") else of
            return asked(*few)

        return instead

    with monkeypatch.context() as context:
        for name in ("spectra", "matrices", "of_spectra", "of_matrices", "average"):
            context.setattr(quadlib.escape, name, spy(name))
        return ql.escape_law(*how, **more), passing, seen


def law_of(monkeypatch: pytest.MonkeyPatch, **how: Any) -> tuple[ql.EscapeLaw, list[Any]]:
    """Law of (1, 1) at N = 10⁶ and η = 0.1 from such times; and levels that were asked for."""
    law, passing, _ = followed(monkeypatch, ql.Task(1, 1), 10**6, 0.1, times=Passing(**how))
    return law, passing.levels


@pytest.mark.parametrize(("p", "p_star", "square"), [(1, 1, 1), (3, 2, 2), (1, 2, 1)])
def test_what_is_neglected_is_what_is_written(
    monkeypatch: pytest.MonkeyPatch, p: int, p_star: int, square: int
) -> None:
    """Where the excess loss adds nothing; and a quarter of what it adds."""
    task, N, eta = ql.Task(p, p_star), 10**5, 0.08

    def neglected(eta: float, adds: float = 0.0, **how: Any) -> tuple[float, ql.EscapeLaw]:
        law, *_ = followed(monkeypatch, task, N, eta, times=Passing(adds=adds), **how)
        return law.neglected, law

    found, law = neglected(eta)
    expected = 30 * square * eta**2 / (N * law.rate)
    if p >= p_star:
        expected += 0.1 / (N * (1 - eta / ql.critical_learning_rate(task)) ** 2)
    assert found == pytest.approx(expected, rel=1e-9)
    if p > 1:
        assert neglected(1.01 * ql.critical_learning_rate(task))[0] == math.inf
        return
    more, law = neglected(eta, adds=5.0)
    assert more - expected == pytest.approx(5.0 / (4 * law.mean), rel=1e-3)
    assert neglected(eta, plateau_noise=False)[0] == 0.0


@pytest.mark.parametrize(
    "how",
    [
        {"pilot": (0.6, 0.6, 0.0)},
        {"pilot": (0.6, 0.6, 0.6)},
        {"main": (0.6, 0.0, 0.0)},
        {"at_once": slice(1, 3)},
        {"at_once": slice(0, 1)},
    ],
    ids=str,
)
def test_a_level_that_half_of_the_starts_do_not_pass_later_is_refused(
    monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="level must be lost"):
        law_of(monkeypatch, **how)


def test_levels_and_norms_at_the_plateau(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plateau's own loss is no level; its own norm is a start, though rounding lets it grow."""
    task = ql.Task(2, 2)
    stages = [LinearStage(task, eta, "free", True) for eta in np.linspace(0.03, 0.1, 30)]
    eta = next(stage.eta for stage in stages if stage.drift(stage.level.q) > 0)
    plateau = ql.plateau(task, eta)
    with pytest.raises(ValueError, match="level must be below"):
        ql.escape_law(task, 1000, eta, level=plateau.loss)
    law, *_ = followed(monkeypatch, task, 1000, eta, q0=plateau.q)
    assert law.v_eff > plateau.q
    # so short that no growth is left for (4.8)
    seen: list[float] = []
    monkeypatch.setattr(FiniteSize, "growth", lambda self, alpha: seen.append(alpha) or 0.0)
    followed(monkeypatch, ql.Task(1, 1), 2, 0.002)
    assert seen == [0.0]


def test_in_pieces_the_law_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the same defaults."""
    texts = []
    for ask in (ql.escape_law, lambda *how: to_the_end(quadlib.escape.escape_law_in_pieces(*how))):
        monkeypatch.setattr("quadlib.escape.passages", Passing())
        texts.append(repr(ask(ql.Task(1, 1), 10**6, 0.1)))
    assert texts[0] == texts[1]
    assert "shape" not in texts[0]


def test_the_density_is_smooth_and_of_this_spread() -> None:
    """Of two values a Gaussian about each, an eighth of the spread wide."""
    shape = np.array([2.0, -0.5, -0.5, -0.5, -0.5])
    law = ql.EscapeLaw(10.0, 2.0, 1.0, 1.0, 0.1, 0.1, 0.0, 0.0, True, shape)
    alpha = np.linspace(0.0, 20.0, 4001)
    centres = 10.0 + shape * 2.0 * math.sqrt(1 - 1 / 64)
    np.testing.assert_allclose(
        law.density(alpha), norm.pdf(alpha[:, None], centres, 0.25).mean(1), rtol=1e-12
    )
    assert law.density(alpha) @ (alpha - 10.0) ** 2 * 0.005 == pytest.approx(4.0, rel=1e-6)


@pytest.mark.parametrize(
    ("how", "trusted"),
    [
        ({}, True),
        ({"lost": 0.015}, True),
        ({"lost": 0.03}, False),
        ({"runaway": 0.015}, True),
        ({"runaway": 0.03}, False),
        ({"scatter": 5.0}, True),
        ({"scatter": 9.0}, False),
        ({"shaken": 9.0}, False),
        ({"at_once": slice(2, 3)}, False),
        ({"adds": 5.0}, True),
        ({"adds": 12.0}, False),
    ],
)
def test_a_law_is_trusted_where_it_is_written(
    monkeypatch: pytest.MonkeyPatch, how: dict[str, Any], trusted: bool
) -> None:
    law, _ = law_of(monkeypatch, **how)
    assert law.trusted is trusted
    assert law.divergence == pytest.approx(how.get("runaway", 0.0), abs=0.002)


@pytest.mark.parametrize(
    ("task", "constraint", "equation", "trusted"),
    [
        (ql.Task(1, 2, UNEQUAL), "free", Block, True),
        (ql.Task(1, 1), "spherical", Matched, True),
        (ql.Task(2, 24), "spherical", Block, True),
        (ql.Task(64, 1), "spherical", Block, True),
        (ql.Task(128, 1), "spherical", Matched, False),  # whose full ODE costs more than a second
    ],
    ids=str,
)
def test_the_full_ode_is_followed_where_units_are_not_matched(
    monkeypatch: pytest.MonkeyPatch, task: ql.Task, constraint: Any, equation: Any, trusted: bool
) -> None:
    eta = min(0.1, last_learning_rate(task, constraint) / 3)
    law, passing, _ = followed(monkeypatch, task, 10**6, eta, constraint)
    kind, y = passing.followed[-1]
    assert kind is equation
    assert law.trusted is trusted
    if task.p_star == 2:
        first, second = (y[:, :, 1:3] ** 2).sum(1).mean(0)
        assert first > 5 * second  # what belongs to the larger T has grown more


def test_what_the_average_says_becomes_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    sample, N = np.random.default_rng(0).exponential(size=5000), 10**6
    average = Average(2.0, 3.0, 0.1, 0.2, sample)
    monkeypatch.setattr("quadlib.escape.average", lambda *_: average)
    seen: list[float] = []
    monkeypatch.setattr(FiniteSize, "growth", lambda self, alpha: 0.0)
    monkeypatch.setattr(FiniteSize, "excess", lambda self, alpha: seen.append(alpha) or 0.0)
    monkeypatch.setattr(LinearStage, "drag", lambda self: 0.0)
    law, levels = law_of(monkeypatch)
    target = ql.escape_level(ql.Task(1, 1), 0.1)
    np.testing.assert_allclose(levels[0], [target, target, target * 1.003], rtol=1e-12)
    r, growing = law.rate, law.mean - 1 / law.rate
    assert seen == [pytest.approx(math.log(N / 2) / (2 * r))]  # when (4.6) is of order one
    assert law.std == pytest.approx(math.sqrt(3) / r)
    assert (law.mean_error, law.std_error) == pytest.approx((0.1 / r, 0.2 / (2 * law.std * r**2)))
    assert len(law._shape) == 1024
    assert (law._shape.mean(), law._shape.std()) == pytest.approx((0, 1), abs=1e-12)
    spread = (law._shape[-1] - law._shape[0]) / (law._shape[511] - law._shape[0])
    low, middle, high = np.quantile(sample, [0.5 / 1024, 511.5 / 1024, 1023.5 / 1024])
    assert spread == pytest.approx((high - low) / (middle - low))
    monkeypatch.setattr(FiniteSize, "growth", lambda self, alpha: 0.5 * N * alpha / growing)
    monkeypatch.setattr(FiniteSize, "excess", lambda self, alpha: 0.01 * N)
    monkeypatch.setattr(LinearStage, "drag", lambda self: 0.25 * N)
    more, levels = law_of(monkeypatch)
    assert more.std == pytest.approx(math.sqrt(3.5) / r)
    assert more.mean == pytest.approx(law.mean + 0.25 * growing / r)
    assert levels[0][0] == levels[1][0] == pytest.approx(target - 0.01)
    # where fluctuations keep half of the runs above the level it is not known when they pass
    for above, known in ((0.45, True), (0.55, False)):
        some, levels = law_of(monkeypatch, pilot=(above, 0.0, 0.0))
        assert math.isfinite(some.neglected) is some.trusted is known
        assert levels[1][0] == pytest.approx(target - 0.01 * known)


@pytest.mark.parametrize("T", [[1.0, 1.0], UNEQUAL])
def test_the_law_is_the_same_in_other_units(monkeypatch: pytest.MonkeyPatch, T: Any) -> None:
    """Of labels: T, q₀ and the overlaps are multiplied by c, the level by c², η by 1/c."""
    laws = []
    for c in (1.0, 2.0**20, 2.0**-20):
        task = ql.Task(3, 2, [c * t for t in T], 0.1 * c**2)
        how: Any = {"q0": 0.5 * c, "level": 0.4 * c**2, "times": Passing(adds=1.0)}
        law, passing, _ = followed(monkeypatch, task, 1000, 0.08 / c, **how)
        scaled = [y / c for _, y in passing.followed] + [x / c**2 for x in passing.levels]
        assert law.v_eff > 0.5 * c
        laws.append((scaled, passing.long, law))
    for scaled, long, law in laws[1:]:
        for found, expected in zip(scaled, laws[0][0], strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert long == laws[0][1]
        for name in ("mean", "std", "rate", "mean_error", "std_error", "neglected"):
            assert getattr(law, name) == pytest.approx(getattr(laws[0][2], name), rel=1e-12)


@pytest.mark.parametrize(("level", "drop"), [(None, 1.0), (0.9, 0.2)])
def test_overlaps_grow_alone_up_to_a_thousandth_of_the_loss(
    monkeypatch: pytest.MonkeyPatch, level: float | None, drop: float
) -> None:
    """(4.6), of one teacher unit, where q is at its plateau and there is no noise."""
    task, eta, N = ql.Task(3, 2), 0.05, 10**9
    plateau, how = ql.plateau(task, eta), {"plateau_noise": False}
    if level is not None:
        how["level"] = level * plateau.loss
    for size, expected in ((N, drop * plateau.loss / 1000), (5, plateau.q / 5)):
        law, passing, seen = followed(monkeypatch, task, size, eta, q0=plateau.q, **how)
        kind, y = passing.followed[-1]
        assert kind is Matched
        S = seen["of_spectra"][0].values()[0]
        np.testing.assert_allclose(y[:, 0], plateau.q, rtol=1e-6)
        np.testing.assert_allclose(y[0, 1, :2] ** 2 / S**2, expected, rtol=1e-6)
        assert law.v_eff == pytest.approx(plateau.q, rel=1e-9)


@pytest.mark.parametrize(
    ("task", "eta", "constraint", "whole"),
    [
        (ql.Task(3, 2, UNEQUAL), 0.1, "free", False),
        (ql.Task(2, 3, [0.5, 1.0, 1.5]), 0.02, "free", False),
        (ql.Task(3, 2, UNEQUAL), 0.1, "spherical", True),
        (ql.Task(2, 3, [0.5, 1.0, 1.5]), 0.1, "spherical", True),
        (ql.Task(3, 2), 0.1, "spherical", False),
        (ql.Task(2, 3), 0.1, "spherical", False),
    ],
    ids=str,
)
def test_starts_are_known_as_they_are_followed(
    monkeypatch: pytest.MonkeyPatch, task: ql.Task, eta: float, constraint: Any, whole: bool
) -> None:
    """Units that differ are not rotated; all grow up to the median time of those of the pilot."""
    N, p, k, free = 10**6, task.p, task.p_star, constraint == "free"
    law, passing, seen = followed(
        monkeypatch, task, N, eta, constraint, times=Passing(adds=2.0, lost=0.01)
    )
    G, grown, t, sphere = seen["of_matrices"]
    values, few, many, entries = seen["average"]
    kind, y = passing.followed[-1]
    assert (kind, sphere, entries) == (Block, not free, p * k)
    assert free or (y[:, range(p), range(p)] == 1.0).all()
    e = min(p, k) if free else p
    M = y[:, :, e : e + k]
    rotated = np.triu if free else np.tril
    assert whole is bool((M != 0).all()) is not bool((rotated(M) == M).all())
    assert (M[:, range(min(e, k)), range(min(e, k))] != 0).all()
    amplitude = (M[0] / np.where(G[0], G[0], np.inf)).max(0)
    starts = np.arange(len(G)).reshape(8, -1)[:, : len(y) // 8].ravel()
    np.testing.assert_allclose(M, G[starts] * amplitude, rtol=1e-12)
    length = np.log(np.linalg.norm(G, axis=(1, 2)))
    np.testing.assert_allclose(many[:, 0], length, atol=1e-12)
    rows = starts[int(0.01 * len(starts)) :]
    np.testing.assert_allclose(few, many[rows], rtol=1e-12)
    share = (np.arange(len(y)) + 0.5) / len(y)
    times = 42.0 - 10 * np.log(share[int(0.01 * len(share)) :])
    np.testing.assert_allclose(values, law.rate * times, rtol=1e-12)
    linear = LinearStage(task, eta, constraint, True)
    q = float(np.exp(np.log(y[:, 0, 0]).mean()))
    np.testing.assert_allclose(t, linear.t[::-1] / k, rtol=1e-12)
    pilot = len(passing.followed[0][1])
    share = (np.arange(pilot) + 0.5) / pilot
    median = np.median(40.0 - 10 * np.log(share[share > 0.01]))
    units = amplitude / np.sqrt(q * linear.t[::-1])
    expected = units * np.exp(linear.rates(linear.level.q)[::-1] * median)
    np.testing.assert_allclose(grown[2][amplitude > 0], expected[amplitude > 0], rtol=0.01)
    assert len(grown) == 5
    assert (np.diff(grown[:, 0]) > 0).all()


def test_norms_are_scattered_as_by_SGD_and_those_of_the_pilot_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ln q is Gaussian of variance `norm`/N, (4.8), and known; 1.5 times as wide in the pilot."""
    task, N, eta = ql.Task(4, 2), 10**4, 0.1
    _, passing, seen = followed(monkeypatch, task, N, eta)
    linear = LinearStage(task, eta, "free", True)
    finite = FiniteSize(linear)
    assert linear.follow(300.0)[0] == pytest.approx(linear.level.q, rel=1e-7)
    (_, first), (_, second) = passing.followed
    for y, wide in ((first, 1.5), (second, 1.0)):
        norms = np.log(y[:, 0, 0])
        assert norms.std() == pytest.approx(wide * math.sqrt(finite.norm / N), rel=0.1)
    few = seen["average"][1]
    slope = np.polyfit(few[:, -1], norms, 1)[0]
    assert slope == pytest.approx(math.sqrt(finite.norm / N), rel=1e-9)
    assert few.shape[1] == len(seen["of_spectra"][1].T) + 3
    x, S = seen["of_spectra"][1], seen["of_spectra"][0]
    M = second[0, 1, :2] / S.values()[0]
    rates = passing.followed and ql.plateau(task, eta).escape_rate
    median = 40 + 10 * math.log(2)
    grown = M**2 / np.exp(norms.mean()) * math.exp(2 * rates * median)
    np.testing.assert_allclose(x[:, 2], grown, rtol=0.02)
    _, _, seen = followed(monkeypatch, task, N, eta, plateau_noise=False)
    assert seen["average"][1].shape[1] == few.shape[1] - 1


@pytest.mark.parametrize(
    ("task", "share", "constraint"),
    [
        (ql.Task(1, 1), 0.6, "free"),
        (ql.Task(4, 4), 0.3, "free"),
        (ql.Task(8, 8), 0.4, "free"),
        (ql.Task(1, 1, None, 1.0), 0.99, "free"),
        (ql.Task(16, 2), 0.9, "free"),
        (ql.Task(8, 8), 0.4, "spherical"),
    ],
    ids=str,
)
def test_steps_are_stable_and_as_many_as_are_needed(
    monkeypatch: pytest.MonkeyPatch, task: ql.Task, share: float, constraint: Any
) -> None:
    """By the Jacobian on the plateau and where all is learned; until a pilot has had its time."""
    eta = share * last_learning_rate(task, constraint)
    q, e = ql.plateau(task, eta, constraint).q, min(task.p, task.p_star)
    law, passing, _ = followed(monkeypatch, task, 10**6, eta, constraint, q0=q)
    (step, first), (same, limit) = passing.long[0], passing.long[-1]
    matched, rates = Matched(task, eta, constraint), []
    for state in (matched.start(q, np.zeros(e)), matched.start(1.0, np.ones(e))):
        h = 1e-6 * np.eye(state.size).reshape(-1, *state.shape)
        jacobian = (matched.derivative(state + h) - matched.derivative(state - h)) / 2e-6
        rates.append(-np.linalg.eigvals(jacobian.reshape(state.size, -1)).real.min())
    assert same == step
    assert step * law.rate <= 0.4 * (1 + 1e-12)
    assert max(rates) * step < 2.5
    assert max(max(rates) / 2.5, law.rate) * step > 0.25
    wanted, latest = 15 / law.rate + 40 / eta, 40 - 10 * math.log(0.5 / 512)
    assert wanted <= first * step < wanted + 1.01 * step
    assert 1.5 * latest < limit * step < 2.5 * latest + 21 * step
