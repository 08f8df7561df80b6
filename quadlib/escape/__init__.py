"""When SGD escapes the plateau at finite N: the law of the escape time."""

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from quadlib.checks import (
    Constraint,
    check_constraint,
    check_dimension,
    check_eta,
    check_flag,
    check_real,
    finite_array,
    read_only,
)
from quadlib.dynamics.progress import to_the_end
from quadlib.escape.average import PARTS, average, matrices, of_matrices, of_spectra, spectra
from quadlib.escape.finite import FiniteSize
from quadlib.escape.linear import LinearStage
from quadlib.escape.passage import Block, Passages, passages
from quadlib.plateau import NoPlateauError, critical_learning_rate, escape_level
from quadlib.shapes import Array, Float
from quadlib.task import Task, check_task
from quadlib.thresholds import Matched

__all__ = ["EscapeLaw", "escape_law", "escape_law_in_pieces"]

_SMALL = 1e-3  # loss drop, relative to the plateau, up to which M grows linearly
_HIGH = 10.0  # norms, relative to the plateau's, down to which they shrink as if alone
_SLOW = 0.02  # growth rate over η tr T/p*, below which M grows too slowly to be followed
_STEP = 0.4  # growth of M in a step of the Runge-Kutta method
_TOGETHER = 1 << 16  # numbers that fit a cache, in a step of which a slider may wait


@dataclass(frozen=True, eq=False)
class EscapeLaw:
    """Distribution over runs of the escape time α.

    Attributes
    ----------
    mean, std
        Mean and standard deviation over random starts and samples, in units of α.
    rate
        Growth rate of the student-teacher overlaps on the plateau, of the fastest direction.
    v_eff
        N⟨M_ir²⟩/T_r of the start from which the ODE, free of noise, would escape at the same
        time; q0 at the start, more by the noise collected on the plateau.
    mean_error, std_error
        Standard errors of the average over starts: the law's own.
    neglected
        Estimated relative error of the mean at this N and η. A quarter of what the excess loss
        (4.9) adds; 30(η tr T/p*)²/(Nr), up to three times as much where p is near p* > 1; and
        free, p ≥ p*, 0.1/(N(1 − η/η_c)²), infinite past η_c. The numbers were fitted to the chain.
    divergence
        Estimated share of runs that blow up before they escape: of ODE runs that leave the
        plateau with norms 1.5 times as scattered as those of SGD there.
    trusted
        Whether `neglected` < 0.03, `divergence` < 0.02, few runs wait just above the level, and
        the ODE was followed in full.
        Then, in the benchmark `escape_grid`, the mean was within 2 % of the exact chain and the
        standard deviation within 10 %, beyond four standard errors.
    """

    mean: float
    std: float
    rate: float
    v_eff: float
    mean_error: float
    std_error: float
    neglected: float
    divergence: float
    trusted: bool
    _shape: Float[Array, " draws"] = field(repr=False)

    def density(self, alpha: Any) -> Float[Array, " n"]:
        """Probability density of the escape time at each `alpha`: a smooth one of this spread."""
        alpha, width = finite_array("alpha", alpha, 1), self.std / 8
        centres = self.mean + self._shape * math.sqrt(self.std**2 - width**2)
        kernel = np.array([np.exp(-(((a - centres) / width) ** 2) / 2).mean() for a in alpha])
        return np.asarray(kernel / (math.sqrt(2 * math.pi) * width))


def escape_law(
    task: Task,
    N: int,
    eta: float,
    constraint: Constraint = "free",
    *,
    q0: float = 1.0,
    level: float | None = None,
    plateau_noise: bool = True,
) -> EscapeLaw:
    r"""Return the law of the escape time of one-pass SGD from a random start.

    While M is small its entries are Gaussian with variance v_r/N,

    .. math:: v_r' = 2 r_r(q) v_r + D_r(q), \qquad v_r(0) = q_0 T_r, \qquad
        v_{\mathrm{eff}} = q_0 + \int_0^\infty \frac{D_r}{T_r} e^{-2\int r_r} dα,

    with the growth rate r_r and the noise D_r on the plateau's way q(α). From there the overlap
    ODE leads on to the escape, and its time is averaged over the Gaussian M. To first order in
    1/N the growth rate fluctuates and is shifted, and fluctuations of Q raise the loss.

    Parameters
    ----------
    task
        The task; any T.
    N
        Input dimension, at least p + p*.
    eta
        Learning rate.
    constraint
        "free" or "spherical".
    q0
        Squared norm of the weights at the start, divided by N; 1 on the sphere.
    level
        The loss that counts as escape, label noise included; `escape_level` by default.
    plateau_noise
        False leaves out all noise of SGD at finite N: the ODE from random starts.

    Raises
    ------
    NoPlateauError
        If there is no plateau at this learning rate, or random weights do not reach it.
    ValueError
        If M grows too slowly, or the level is not between the plateau and the end of the ODE.
        Runs at finite N may escape all the same.

    Notes
    -----
    docs/theory.md (4.1)-(4.9). The ODE is that with units and teacher units matched, (3.8), or,
    where this is not exact (T ≠ I; the sphere), the full one. Where the full one costs more than
    a second, matched units stand for it, and the law is not `trusted`. Of some hundred starts the
    time is integrated, of some ten thousand it is read off a polynomial fitted to these.
    """
    return to_the_end(escape_law_in_pieces(task, N, eta, constraint, q0, level, plateau_noise))


def escape_law_in_pieces(
    task: Task,
    N: int,
    eta: float,
    constraint: Constraint = "free",
    q0: float = 1.0,
    level: float | None = None,
    plateau_noise: bool = True,
) -> Generator[None, None, EscapeLaw]:
    """Yield every few milliseconds, and return what `escape_law` returns."""
    check_task(task)
    check_constraint(constraint)
    free = constraint == "free"
    N = check_dimension(N, task.p, task.p_star)
    eta = check_eta(eta, strict=True)
    q0 = check_real("q0", q0, strict=True) if free else 1.0
    noisy = check_flag("plateau_noise", plateau_noise)

    stage = LinearStage(task, eta, constraint, noisy, q0)
    plateau, rate, unit = stage.level, stage.level.escape_rate, stage.unit
    target = escape_level(task, eta, constraint) if level is None else check_real("level", level)
    if rate < _SLOW * eta * unit:
        raise ValueError(
            f"eta must be small enough for the plateau to be left, got eta = {eta:g}, where M "
            f"grows at a rate below {_SLOW * eta * unit:g} as N → ∞; lower eta."
        )
    if free and plateau.q < q0 and stage.drift(q0) >= 0:  # above the larger root
        raise NoPlateauError(
            f"eta must be small enough for random weights to reach the plateau, got eta = "
            f"{eta:g}, where their norms grow without bound from the start as N → ∞; lower eta."
        )
    if not target < plateau.loss:
        raise ValueError(
            f"level must be below the plateau's {plateau.loss:.3g}, got {target:.3g}; lower it."
        )
    # Time until the loss drop (4.6) of one teacher unit is small but no longer tiny
    small = _SMALL * min(plateau.loss, 2 * (plateau.loss - target))
    high = min(q0, _HIGH * plateau.q)
    drop = 2 * high * stage.t.sum() / (task.p_star**2 * N)
    linear = stage.shrinking(high) + max(0.0, math.log(small / drop) / (2 * rate))
    q, growth, v = stage.follow(linear)
    # Of norms that are to be adjusted, and of what is learned: the method is unstable at 2.8
    fastest = 2 * (q + 2 * q / task.p) - float(stage.t.mean()) if free else 0.0
    fastest *= 1 + (q0 > 4 * plateau.q)  # then M goes as the root of what is adjusted
    step = min(_STEP / rate, 2 / (4 * eta * max(fastest, unit * (1 + 1 / task.p_star))))
    steps = 8 / rate / step
    amplitude = (np.sqrt(v * stage.t / N) * np.exp(growth))[::-1]
    finite = FiniteSize(stage)
    excess = noisy * finite.excess(linear - math.log(small / unit**2) / (2 * rate)) / N
    alike, e = bool(np.ptp(stage.t) <= 1e-12 * stage.t[0]), min(task.p, task.p_star)
    units, k, t = e if free else task.p, task.p_star, stage.t[::-1]
    levels = np.array([target - excess, target, target * (1 + 3 / math.sqrt(N))])
    # Where units are not matched the full ODE, if it costs less than a second
    cost = steps * (1e-6 + units * (units + k) * (3e-8 + 5e-10 * units))
    exact = alike and (free or task.p == 1)
    block = not exact and 0.5 / cost > 8 * PARTS
    cost = cost if block else steps * (3e-7 + 2e-8 * e)
    few = PARTS * int(np.clip((0.5 if block else 0.3) / cost / PARTS, 8, 256 if block else 128))

    def run(
        equation: Block | Matched, M: Array, more: Array, end: float, wide: float = 1.0
    ) -> Generator[None, None, Passages]:
        norms = q * np.exp(wide * math.sqrt(noisy * finite.norm / N) * more)
        found, y = [], equation.start(norms, M * amplitude[: M.shape[-1]])
        for some in np.array_split(y, 1 + y.size // _TOGETHER):
            found.append((yield from passages(equation, some, levels, step, math.ceil(end / step))))
        return Passages(*(np.concatenate(x) for x in zip(*found, strict=True)))

    refused = ValueError(
        f"level must be lost on the way from random weights to the end, got half of the "
        f"plateau's loss or {target:.3g}, which the ODE of p = {task.p} and p_star = "
        f"{task.p_star} does not cross as N → ∞; raise p, lower eta or choose another level."
    )
    matched = Matched(task, eta, constraint)
    S = yield from spectra(task.p, k, min(few, 512), alike)
    pilot = yield from run(matched, S.values(), S.more, 15 / rate + 40 / (eta * unit), 1.5)
    reached = np.isfinite(pilot.times)
    unreachable = reached[:, 0].mean() < 0.5 <= reached[:, 1].mean()
    levels[0] += unreachable * excess
    if reached[:, 1].mean() < 0.5 or np.median(pilot.times[:, 1]) == 0.0:
        raise refused
    limit = 2 * float(pilot.times[reached].max()) + 20 * step
    # How far directions have grown about then, in units of what they grow to
    around = rate * pilot.times[reached[:, 1], 1]
    X = np.median(around) + max(0.4, around.std()) * np.linspace(-1.5, 1.5, 5)
    grown = amplitude / np.sqrt(q * t) * np.exp(np.outer(X, stage.rates(plateau.q)[::-1] / rate))
    if block:
        many = PARTS * int(np.clip(2e6 / (task.p * k) / PARTS, 512, 4096))
        turned = not free and alike  # teacher units may be rotated, student units not
        size = (k, task.p) if turned else (task.p, k)
        G, more = yield from matrices(*size, many, not free and not alike)
        if turned:
            G = np.pad(G.swapaxes(1, 2), ((0, 0), (0, 0), (0, k - e)))
        known = yield from of_matrices(G, grown, t / k, not free)
        entries = task.p * k
    else:
        many = PARTS * int(np.clip(1.2e6 / e / PARTS, 512, 2048 if 2 < e < 9 else 4096))
        S = yield from spectra(task.p, k, many, alike)
        more, known, entries = S.more, of_spectra(S, grown.T[:e] ** 2), S.entries
    yield
    if finite.norm * noisy > 0:
        known = np.column_stack([known, more])
    chosen = np.arange(len(known)).reshape(PARTS, -1)[:, : few // PARTS].ravel()
    if block:
        found = yield from run(Block(task, eta, constraint, units), G[chosen], more[chosen], limit)
    else:
        found = yield from run(matched, S.values(chosen), more[chosen], limit)
    escaped = np.isfinite(found.times[:, 0])
    if escaped.mean() < 0.5 or not np.ptp(found.times[escaped, 0]):
        raise refused
    finish = found.times[escaped]
    law = average(rate * finish[:, 0], known[chosen][escaped], known, entries)
    middle = linear + law.mean / rate
    growing = max(0.0, middle - 1 / rate)
    std = math.sqrt(max(0.0, law.var) + noisy * finite.growth(growing) / N) / rate
    middle += stage.drag() * growing / (N * rate)
    neglected = float((finish[:, 0] - finish[:, 1]).mean()) / (4 * middle)
    square = 1 + 2 * (e > 1) / (abs(task.p - task.p_star) + 1)
    neglected += 30 * square * (eta * unit) ** 2 / (N * rate) + (math.inf if unreachable else 0.0)
    if free and task.p >= task.p_star:
        distance = max(0.0, 1 - eta / critical_learning_rate(task))
        neglected += 0.1 / (N * distance**2) if distance > 0 else math.inf
    divergence, scatter = float(pilot.runaway.mean()), (finish[:, 0] - finish[:, 2]).std() / std
    sure = (exact or block) and escaped.mean() > 0.98 and divergence < 0.02 and scatter < 0.5
    shape = np.quantile(law.sample, (np.arange(1024) + 0.5) / 1024)
    return EscapeLaw(
        middle,
        std,
        rate,
        float(v[-1]),
        law.mean_error / rate,
        law.var_error / (2 * std * rate**2),
        neglected if noisy else 0.0,
        divergence,
        bool(sure and (neglected < 0.03 or not noisy)),
        read_only((shape - shape.mean()) / shape.std()),
    )
