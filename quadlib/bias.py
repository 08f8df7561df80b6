"""Which zero-loss solution is chosen: the closest one, by the orientation of the start."""

from collections.abc import Generator
from typing import Any

import numpy as np

from quadlib.checks import ROUNDING, axes, check_eta, check_kind, check_real, finite_array
from quadlib.dynamics.progress import to_the_end
from quadlib.escape.linear import effective_variance
from quadlib.plateau import check_solvable, plateau
from quadlib.shapes import Array, Float
from quadlib.state import Weights
from quadlib.task import Task, check_task
from quadlib.trajectory import Trajectory

__all__ = [
    "blur_law",
    "closest_solution",
    "conserved_quantity",
    "misalignment",
    "polar_factor",
    "solution_distance",
]

_PIECES = 32
"""Slices of the averages of `blur_law`."""

RESOLUTION = 32 * np.finfo(float).eps
"""Relative size below which rounding leaves less than a digit of Q⊥."""


def polar_factor(M: Any) -> Float[Array, "*n p k"]:
    r"""Return the orientation O of each matrix, the closest one with orthonormal columns.

    .. math:: O = M (M^T M)^{-1/2}, \qquad M = O h, \quad h = h^T ≥ 0

    Of the overlaps M of a state it names the closest zero-loss solution, √(p/p*) O W*; from
    Q(0) = q0 I with T = I the dynamics leaves it as it is, with gradient noise and without.

    Parameters
    ----------
    M
        One matrix, or any number of them; shape (..., p, k). For p < k its rows are orthonormal.

    Returns
    -------
    array of shape (..., p, k)
        Where M has not full rank, the one that the singular value decomposition picks.

    Raises
    ------
    TypeError, ValueError
        If M is not a finite real array of two dimensions or more.

    Notes
    -----
    docs/theory.md (5.3).
    """
    left, _, right = np.linalg.svd(_matrices("M", M), full_matrices=False)
    return np.asarray(left @ right)


def misalignment(O: Any, other: Any) -> Float[Array, "*n"]:
    r"""Return how far two orientations differ, 0 if they agree and 2 if they are opposite.

    .. math:: 1 - \cos = 1 - \frac1{p^*} \operatorname{tr} O^T O'
              = \frac{\|O - O'\|_F^2}{2 p^*}

    Computed by the last expression, which keeps its digits where the two nearly agree.

    Parameters
    ----------
    O, other
        Polar factors, (..., p, k), of shapes that broadcast.

    Raises
    ------
    TypeError, ValueError
        If they are not finite real arrays, or their shapes do not match.

    Notes
    -----
    docs/theory.md (5.5).
    """
    O, other = _matrices("O", O), _matrices("other", other)
    if O.shape[-2:] != other.shape[-2:]:
        raise ValueError(
            f"O and other must be matrices of one shape, got {O.shape} and {other.shape}; pass "
            "polar factors of one task."
        )
    return np.asarray(((O - other) ** 2).sum((-2, -1)) / (2 * min(O.shape[-2:])))


def blur_law(task: Task, eta: float, start: Any = None) -> tuple[float, float]:
    r"""Return mean and standard deviation of 1 − cos between the orientations of start and end.

    A run of SGD ends with the orientation of its start plus the noise that it collects on the
    plateau: with J, J' standard Gaussian (p, p*) and pol the polar factor

    .. math:: 1 - \cos = 1 - \frac1{p^*} \operatorname{tr}
              \operatorname{pol}(J)^T \operatorname{pol}(J + \sqrt{ε}\, J'), \qquad
              ε = v_{\mathrm{eff}} - 1 .

    N is not in it. At small η and p > p* + 1 both are proportional to ε, hence to η.

    Parameters
    ----------
    task
        The task, T = I.
    eta
        Learning rate.
    start
        √N M(0), shape (p, p*), if all runs begin there; by default they begin at random.

    Raises
    ------
    TypeError, ValueError
        If T is not the identity, so that the dynamics turns M by itself, and if there is no
        plateau or it is not left.

    Notes
    -----
    docs/theory.md (5.5). The averages are over a fixed set of random matrices: the standard error
    of the mean is the standard deviation divided by the root of their number, at most 200.
    """
    return to_the_end(blur_law_in_pieces(task, eta, start))


def blur_law_in_pieces(
    task: Task, eta: float, start: Any = None
) -> Generator[None, None, tuple[float, float]]:
    """Yield every few milliseconds, and return what `blur_law` returns."""
    check_task(task)
    p, k, eta = task.p, task.p_star, check_eta(eta, strict=True)
    if not np.allclose(task.T, np.eye(k), rtol=0, atol=ROUNDING):
        raise ValueError(
            f"T must be the identity for the law of the blur, got {task.T.tolist()}; take "
            f"Task({p}, {k})."
        )
    if plateau(task, eta).escape_rate <= 0:
        raise ValueError(
            f"eta must be small enough for the plateau to be left, got eta = {eta:g}; lower eta."
        )
    epsilon = float(effective_variance(task, eta)[-1]) - 1
    rng = np.random.default_rng(0)
    draws = int(np.clip(4_000_000 / (p * k), 2_000, 40_000))
    shape = (draws, p, k)
    J = rng.standard_normal(shape) if start is None else finite_array("start", start, 2)
    if J.shape[-2:] != (p, k):
        raise ValueError(
            f"start must have shape {(p, k)}, got {J.shape}; pass sqrt(N) times the M of a start."
        )
    yield
    begins = [J] * _PIECES if start is not None else np.array_split(J, _PIECES)
    noises, turned = np.array_split(np.sqrt(epsilon) * rng.standard_normal(shape), _PIECES), []
    for begin, noise in zip(begins, noises, strict=True):
        yield
        turned.append(misalignment(polar_factor(begin), polar_factor(begin + noise)))
    found = np.concatenate(turned)
    return float(found.mean()), float(found.std(ddof=1))


def _matrices(name: str, value: Any) -> Array:
    """Check one matrix or a stack of them."""
    array = finite_array(name, value, max(2, axes(value)))
    if 0 in array.shape[-2:]:
        raise ValueError(f"{name} must have rows and columns, got shape {array.shape}; pass some.")
    return array


def closest_solution(weights: Weights) -> Float[Array, "p N"]:
    r"""Return the zero-loss solution closest to the student, for any T.

    .. math:: \sqrt{p/p^*}\, O W^*, \qquad
              \min_{O^T O = I} \|W - \sqrt{p/p^*}\, O W^*\|_F, \qquad O = \text{polar factor of } M

    Gradient flow from Q(0) = q0 I with T = I ends on it.

    Parameters
    ----------
    weights
        Student and teacher, p >= p*.

    Returns
    -------
    array of shape (p, N)
        One of them, where M has not full column rank and several are equally close.

    Raises
    ------
    ValueError
        If p < p*: there is no zero-loss solution.

    Notes
    -----
    docs/theory.md (5.3), (5.4).
    """
    check_kind("weights", weights, Weights)
    (p, _), (k, _) = weights.W.shape, weights.W_star.shape
    check_solvable(p, k)
    O = polar_factor(weights.W @ weights.W_star.T)
    return np.asarray(np.sqrt(p / k) * O @ weights.W_star)


def solution_distance(weights: Weights) -> float:
    r"""Distance :math:`\|W - W_\infty\|_F/\sqrt N` to the manifold of zero-loss solutions.

    W∞ is `closest_solution`. The difference is taken in the weights and not in the overlaps,
    where a small distance would drown in rounding.

    Raises
    ------
    ValueError
        If p < p*: there is no zero-loss solution.

    Notes
    -----
    docs/theory.md (5.3).
    """
    gap = closest_solution(weights) - weights.W
    return float(np.linalg.norm(gap) / np.sqrt(weights.N))


def conserved_quantity(trajectory: Trajectory) -> Float[Array, "n k k"]:
    r"""Matrix that gradient flow conserves, at each recorded time.

    .. math:: I = e^{-4ηTα/p^*} M^T Q_\perp^{-1} M e^{-4ηTα/p^*}, \qquad
              Q_\perp = Q - M T^{-1} M^T .

    Parameters
    ----------
    trajectory
        A run with its learning rate in ``meta["eta"]``. Of `gradient_flow`, and of `integrate`
        without gradient noise, I is constant; of any other run it is the same expression.

    Returns
    -------
    array of shape (n, p*, p*)
        Symmetric and positive semidefinite by construction.

    Raises
    ------
    ValueError
        If rounding of Q and M leaves less than a digit of Q⊥ at some recorded time, and at a
        start where the units of student and teacher are linearly dependent.

    Notes
    -----
    docs/theory.md (5.2). In the directions of the teacher Q⊥ dies as e^{-8ηTα/p*} once the
    plateau is left, and what is stored is Q: with λ the smallest eigenvalue of Q⊥, the relative
    error of I is 1e-16 tr Q/λ, whatever the arithmetic.
    """
    check_kind("trajectory", trajectory, Trajectory)
    eta = check_real('meta["eta"]', trajectory.meta.get("eta"))
    t, V = np.linalg.eigh(trajectory.task.T)
    U = trajectory.M @ V / np.sqrt(t)  # U Uᵀ = M T⁻¹ Mᵀ
    Q_perp = trajectory.Q - U @ np.swapaxes(U, -1, -2)
    smallest = np.linalg.eigvalsh(Q_perp)[:, 0]
    lost = smallest <= RESOLUTION * np.trace(trajectory.Q, axis1=-2, axis2=-1)
    if lost.any():
        first = lost.argmax()
        raise ValueError(
            "Q must leave Q - M T^-1 M^T a smallest eigenvalue above rounding, got "
            f"{smallest[first]:.2g} at alpha = {trajectory.alpha[first]:g}; record a run that ends "
            "before."
        )
    B = np.linalg.solve(np.linalg.cholesky(Q_perp), U)
    B *= np.sqrt(t) * np.exp(-4 * eta * np.outer(trajectory.alpha, t) / len(t))[:, None, :]
    B = B @ V.T
    return np.asarray(np.swapaxes(B, -1, -2) @ B)
