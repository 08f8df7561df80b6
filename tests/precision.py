"""How many digits results have, against arithmetic of 50 digits: make precision.

Each function returns what was compared and the largest error found. The oracles are literal: sums
over pairings of Gaussian fields for the loss, matrices for the drift, roots for the laws.
"""

import itertools
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np

import quadlib as ql
from quadlib.escape.linear import LinearStage, effective_variance
from quadlib.notation import number

PAGE = Path(__file__).parent.parent / "docs" / "precision.md"
TASKS = [
    ql.Task(1, 1),
    ql.Task(3, 2, [[1.0, 0.3], [0.3, 0.6]], 0.2),
    ql.Task(4, 2, [1.0, 1e-6]),
    ql.Task(6, 3, [1e-5, 2e-5, 3e-5], 1e-10),
    ql.Task(2, 2, [3e40, 1e40]),
]


def states(task: ql.Task) -> Iterator[ql.Overlaps]:
    """Random, huge, tiny, on the plateau, of dependent units, and a hair from a solution."""
    p, k, unit = task.p, task.p_star, float(np.trace(task.T)) / task.p_star
    for seed, q0 in enumerate((1.0, 1e8, 1e-8)):
        yield ql.random_overlaps(task, p + k, seed, q0=q0 * unit)
    yield ql.Overlaps(unit * np.eye(p), np.zeros((p, k)))
    yield ql.Overlaps(unit * np.ones((p, p)), np.zeros((p, k)))
    if p >= k:
        O = np.eye(p)[:, :k]
        M = math.sqrt(p / k) * O @ task.T
        yield ql.Overlaps(p / k * O @ task.T @ O.T + 1e-9 * unit * np.eye(p), M)


def matrices(task: ql.Task, state: ql.Overlaps) -> tuple[Any, Any]:
    C = mp.matrix(np.block([[state.Q, state.M], [state.M.T, task.T]]).tolist())
    A = mp.diag([mp.mpf(1) / task.p] * task.p + [-mp.mpf(1) / task.p_star] * task.p_star)
    return A, C


def trace(X: Any) -> Any:
    return mp.fsum(X[i, i] for i in range(X.rows))


def error(found: Any, exact: Any, size: Any) -> float:
    """The largest deviation in units of `size`."""
    found = np.atleast_2d(found)
    return float(
        max(
            abs(mp.mpf(float(x)) - exact[i, j]) / size
            for i, row in enumerate(found)
            for j, x in enumerate(row)
        )
    )


def loss_and_drift() -> tuple[float, float]:
    """The loss in units of the squared output, the drift in units of its largest term."""
    worst_loss = worst_drift = 0.0
    for task in TASKS:
        p, noise = task.p, mp.mpf(task.label_noise)
        for state in states(task):
            A, C = matrices(task, state)
            CA = C * A
            s, square = trace(CA), trace(CA) ** 2 + 2 * trace(CA * CA) + noise
            size = (trace(C[:p, :p]) / p + trace(C[p:, p:]) / task.p_star) ** 2 + noise
            worst_loss = max(
                worst_loss, error(ql.loss(task, state), mp.matrix([[square / 2]]), size)
            )
            Phi = s * C + 2 * CA * C
            Gamma = square * C + 4 * s * CA * C + 8 * CA * CA * C
            for eta in (0.01, 0.3):
                rate = mp.mpf(eta) / float(np.trace(task.T))
                dQ = -4 * rate * Phi[:p, :p] + 4 * rate**2 * Gamma[:p, :p]
                dM = -2 * rate * Phi[:p, p:]
                found = ql.drift(task, state, float(rate))
                # a change is small where terms cancel: in units of what they are
                root = mp.sqrt(size)
                unit = 4 * root * rate * (1 + 3 * root * rate)
                Q_unit = max(abs(x) for x in C[:p, :p])
                M_unit = mp.sqrt(Q_unit * max(abs(x) for x in C[p:, p:]))
                worst_drift = max(
                    worst_drift,
                    error(found[0], dQ, unit * Q_unit * p),
                    error(found[1], dM, unit * M_unit * p),
                )
    return worst_loss, worst_drift


def plateaus() -> float:
    """Level, loss and rate of escape, in units of the level, the loss and η times it."""
    worst = 0.0
    for task in TASKS:
        p, k, noise = task.p, task.p_star, mp.mpf(task.label_noise)
        T = mp.matrix(task.T.tolist())
        t1, t2, top = trace(T) / k, trace(T * T) / k**2, max(mp.eigsy(T, eigvals_only=True))
        for share in (0.0, 1e-9, 0.02, 0.1):
            eta = share / float(t1)
            a = mp.mpf(eta) * (1 + mp.mpf(6) / p + mp.mpf(8) / p**2)
            b = (1 + mp.mpf(2) / p) * (1 + 2 * eta * t1)
            c = t1 + eta * (t1**2 + 2 * t2 + noise)
            q = (b - mp.sqrt(b**2 - 4 * a * c)) / (2 * a) if eta else c / b
            level = (q - t1) ** 2 / 2 + q**2 / p + t2 + noise / 2
            rate = -2 * mp.mpf(eta) * (q - t1 + 2 * q / p - 2 * top / k)
            found = ql.plateau(task, eta)
            worst = max(worst, error(found.q, mp.matrix([[q]]), q))
            worst = max(worst, error(found.loss, mp.matrix([[level]]), level))
            if eta:
                worst = max(worst, error(found.escape_rate, mp.matrix([[rate]]), eta * t1))
    return worst


def laws() -> float:
    """Critical learning rate, prefactor and rate of the late loss, relative."""
    worst = 0.0
    for task in TASKS:
        p, k = task.p, task.p_star
        clean = ql.Task(p, k, task.T)
        tau = [t / k for t in mp.eigsy(mp.matrix(task.T.tolist()), eigvals_only=True)]

        def phi(eta: Any, tau: Any = tau) -> Any:
            return mp.fsum(2 * eta * x / (1 - 4 * eta * x) for x in tau)

        low, high = mp.mpf(0), 1 / (4 * max(tau))
        for _ in range(160):
            middle = (low + high) / 2
            low, high = (low, middle) if phi(middle) > 1 else (middle, high)
        found = ql.critical_learning_rate(clean)
        worst = max(worst, error(found, mp.matrix([[low]]), low))
        eta = 0.4 * found
        law = ql.late_time_law(clean, eta)
        if p > k:
            C = mp.mpf((p - k) * (k + 2)) / (64 * mp.mpf(eta) ** 2 * (p + 2)) / (1 - phi(eta))
            worst = max(worst, error(law.prefactor, mp.matrix([[C]]), C))
        else:
            K = mp.matrix(k, k)
            for i in range(k):
                for j in range(k):
                    K[i, j] = -16 * mp.mpf(eta) ** 2 * tau[i] * tau[j]
                K[i, i] += 8 * eta * tau[i] * (1 - 4 * eta * tau[i])
            rate = min(mp.eigsy(K, eigvals_only=True))
            worst = max(worst, error(law.rate, mp.matrix([[rate]]), rate))
    return worst


LINEAR = [
    (ql.Task(4, 2), 0.2, "free", 1.0),
    (ql.Task(8, 1, label_noise=0.1), 0.05, "free", 0.3),
    (ql.Task(3, 2, [[1.0, 0.3], [0.3, 0.6]], 0.2), 0.02, "free", 2.0),
    (ql.Task(4, 2, [1.2, 0.8]), 0.1, "spherical", 1.0),
]


def pairings(task: ql.Task, q: Any, r: int, i: int, j: int) -> Any:
    """E[Δ² z^{2i} x_r^{2j}] at M = 0, Q = q I, pairing by pairing."""
    T = sorted(mp.eigsy(mp.matrix(task.T.tolist()), eigvals_only=True))
    readout = [q / task.p] * task.p + [-t / task.p_star for t in T]
    double_factorial = (1, 1, 3, 15, 105)

    def moment(*squares: int) -> Any:
        """Of the squares of these fields, z² i times and x² j times."""
        powers = dict.fromkeys(range(len(readout)), 0)
        for field in (*squares, *[0] * i, *[task.p + r] * j):
            powers[field] += 1
        return mp.fprod(double_factorial[power] for power in powers.values())

    fields = range(len(readout))
    pairs = mp.fsum(readout[a] * readout[b] * moment(a, b) for a in fields for b in fields)
    return pairs + mp.mpf(task.label_noise) * moment()


def linear_stage(task: ql.Task, eta: Any, constraint: str, q0: Any) -> tuple[Any, Any]:
    """Growth rate and v_eff of the fastest direction, (3.4), (3.5), (4.3): one quadrature.

    As r_r/q' is a sum of simple poles in q, the growth of M is a product of powers.
    """
    p, k, noise, eta, q0 = task.p, task.p_star, mp.mpf(task.label_noise), mp.mpf(eta), mp.mpf(q0)
    T = mp.matrix(task.T.tolist())
    t1, t2, top = trace(T) / k, trace(T * T) / k**2, max(mp.eigsy(T, eigvals_only=True))
    a = eta * (1 + mp.mpf(6) / p + mp.mpf(8) / p**2)
    b = (1 + mp.mpf(2) / p) * (1 + 2 * eta * t1)
    c = t1 + eta * (t1**2 + 2 * t2 + noise)
    slope, offset = 1 + mp.mpf(2) / p, t1 + 2 * top / k

    def noise_rate(q: Any) -> Any:
        return 4 * eta**2 * q * pairings(task, q, k - 1, 1, 1)

    if constraint == "spherical":
        rate = -2 * eta * (slope - offset) - 2 * eta * (a - b + c)
        return rate, 1 + noise_rate(mp.mpf(1)) / (2 * rate)
    root = mp.sqrt(b**2 - 4 * a * c)
    poles = [mp.mpf(0), (b - root) / (2 * a), (b + root) / (2 * a)]
    powers = [
        (slope * x - offset) / a / mp.fprod(x - y for y in poles if y is not x) for x in poles
    ]

    rate, width, root = -2 * eta * (slope * poles[1] - offset), poles[1] - q0, 1 / powers[1]

    def integrand(u: Any) -> Any:
        """With u a power of the distance from the plateau, whose pole cancels."""
        q = poles[1] - width * u**root
        factor = noise_rate(q) * root / (4 * eta * a)
        for x, power in ((poles[0], powers[0]), (poles[2], powers[2])):
            factor *= ((q - x) / (q0 - x)) ** power / (q - x)
        return -factor

    return rate, q0 + mp.quad(integrand, [0, 1])


def escape() -> tuple[float, float, float]:
    """Moments of a sample, growth rate and v_eff of the escape law, relative."""
    moments = rates = variances = 0.0
    for task, eta, constraint, q0 in LINEAR:
        stage = LinearStage(task, eta, constraint, True, q0)  # type: ignore[arg-type]
        for i, j in itertools.product(range(3), repeat=2):
            exact = pairings(task, mp.mpf(0.7), task.p_star - 1, i, j)
            found = np.broadcast_to(stage.moment(0.7, i, j), task.p_star)[-1]
            moments = max(moments, error(found, mp.matrix([[exact]]), exact))
        rate, v_eff = linear_stage(task, eta, constraint, q0)
        rates = max(rates, error(stage.level.escape_rate, mp.matrix([[rate]]), rate))
        found = effective_variance(task, eta, constraint, q0)[-1]  # type: ignore[arg-type]
        variances = max(variances, error(found, mp.matrix([[v_eff]]), v_eff))
    return moments, rates, variances


def blur() -> tuple[float, float]:
    """Mean and standard deviation of the blur at p* = 1, in units of the mean.

    The cosine of two Gaussian vectors of correlation ρ is a sample's correlation: its mean and
    mean square are hypergeometric.
    """
    worst_mean = worst_std = 0.0
    for p, eta in ((2, 0.05), (4, 0.1), (8, 0.02)):
        task = ql.Task(p, 1)
        rho2 = 1 / linear_stage(task, eta, "free", 1)[1]
        half = mp.mpf(p) / 2
        ratio = (mp.gamma(half + 0.5) / mp.gamma(half)) ** 2 / half
        mean = ratio * mp.sqrt(rho2) * mp.hyp2f1(0.5, 0.5, half + 1, rho2)
        square = 1 - (p - 1) * (1 - rho2) / p * mp.hyp2f1(1, 1, half + 1, rho2)
        found = ql.blur_law(task, eta)
        exact = 1 - mean, mp.sqrt(square - mean**2)
        worst_mean, worst_std = (
            max(worst, error(x, mp.matrix([[y]]), exact[0]))
            for worst, x, y in zip((worst_mean, worst_std), found, exact, strict=True)
        )
    return worst_mean, worst_std


def trajectories(steps: int = 6000) -> float:
    """Q and M of `integrate` at rtol = 1e-12 against Runge-Kutta in 64 bits of mantissa."""
    worst = 0.0
    for p, k, eta, constraint in ((2, 1, 0.1, "free"), (3, 2, 0.2, "spherical")):
        task = ql.Task(p, k, label_noise=0.1)
        state = ql.random_overlaps(task, 100, 1, constraint=constraint)
        C = np.block([[state.Q, state.M], [state.M.T, task.T]]).astype(np.longdouble)
        A = task.readout.astype(np.longdouble)

        def change(
            C: Any, p: int = p, A: Any = A, rate: float = eta, constraint: str = constraint
        ) -> Any:
            eta = np.longdouble(rate)
            CA = C * A
            s, CAC = np.trace(CA), CA @ C
            square = s**2 + 2 * np.trace(CA @ CA) + np.longdouble(0.1)
            D = np.zeros_like(C)
            D[:p] = -2 * eta * (s * C + 2 * CAC)[:p]
            D[p:, :p] = D[:p, p:].T
            D[:p, :p] = (
                2 * D[:p, :p] + 4 * eta**2 * (square * C + 4 * s * CAC + 8 * CA @ CAC)[:p, :p]
            )
            if constraint == "spherical":
                half = np.append(np.diag(D)[:p] / (2 * np.diag(C)[:p]), np.zeros(len(C) - p))
                D -= C * (half[:, None] + half)
            return D

        def solved(steps: int, C: Any = C, change: Any = change) -> Any:
            h = np.longdouble(60) / steps
            for _ in range(steps):
                a = change(C)
                b = change(C + h / 2 * a)
                c = change(C + h / 2 * b)
                C = C + h / 6 * (a + 2 * b + 2 * c + change(C + h * c))
            return C

        fine, coarse = solved(steps), solved(steps // 2)
        exact = (fine + (fine - coarse) / 15).astype(float)
        run = ql.integrate(
            task, state, eta=eta, alpha=[0.0, 60.0], constraint=constraint, rtol=1e-12
        )
        worst = max(worst, np.abs(run.Q[1] - exact[:p, :p]).max())
        worst = max(worst, np.abs(run.M[1] - exact[:p, p:]).max())
    return float(worst)


def chain(steps: int = 10**8) -> tuple[float, float, float]:
    """Rounding over many steps: of a state at rest, of norms on the sphere, at a solution."""
    task, N = ql.Task(4, 2), 1000
    how: dict[str, Any] = dict(alpha=[0.0, steps / N], N=N, rng=0, progress=False)
    state = ql.random_overlaps(task, N, 0)
    rest = ql.simulate(task, state, eta=0.0, **how)
    sphere = ql.simulate(task, None, eta=0.05, constraint="spherical", **how)
    M = math.sqrt(2) * np.eye(4)[:, :2]
    end = ql.simulate(task, ql.Overlaps(M @ M.T, M), eta=0.05, **how)
    return (
        float(np.abs(rest.Q[1] - state.Q).max()),
        float(np.abs(np.diagonal(sphere.Q[1]) - 1).max()),
        float(end.loss[1]),
    )


def main(steps: int) -> None:
    mp.mp.dps = 50
    loss, drift = loss_and_drift()
    at_rest, norms, solution = chain(steps)
    moments, growth, v_eff = escape()
    blur_mean, blur_std = blur()
    rows = [
        ("loss, in units of the squared output", loss),
        ("drift, in units of its terms", drift),
        ("plateau: level, loss, rate of escape", plateaus()),
        ("critical learning rate, late-time laws", laws()),
        ("escape law: moments of a sample", moments),
        ("escape law: `rate`", growth),
        ("escape law: `v_eff`, of an ODE", v_eff),
        ("`blur_law` at p* = 1: mean, over random matrices", blur_mean),
        ("`blur_law` at p* = 1: standard deviation, in units of the mean", blur_std),
        ("Q and M of `integrate` to α = 60 at rtol = 10⁻¹²", trajectories()),
        (f"chain, {number(steps)} steps at η = 0: change of Q", at_rest),
        (f"chain, {number(steps)} spherical steps: norms", norms),
        (f"chain, {number(steps)} steps from a solution: loss", solution),
    ]
    table = "\n".join(f"| {what} | {number(worst, 2)} |" for what, worst in rows)
    print(table)
    text = PAGE.read_text()
    begin, finish = "<!-- precision:begin -->", "<!-- precision:end -->"
    head, tail = text.split(begin)[0], text.split(finish)[1]
    PAGE.write_text(
        f"{head}{begin}\n\n| result | largest error |\n|---|---|\n{table}\n\n{finish}{tail}"
    )


if __name__ == "__main__":
    main(int(float(sys.argv[1])) if len(sys.argv) > 1 else 10**8)
