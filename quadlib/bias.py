"""Which zero-loss solution is chosen: the closest one, and the quantity that decides it."""

import numpy as np

from quadlib.checks import check_real
from quadlib.plateau import check_solvable
from quadlib.shapes import Array, Float
from quadlib.state import Weights
from quadlib.trajectory import Trajectory

__all__ = ["closest_solution", "conserved_quantity", "solution_distance"]

RESOLUTION = 32 * np.finfo(float).eps
"""Relative size below which rounding leaves less than a digit of Q⊥."""


def closest_solution(weights: Weights) -> Float[Array, "p N"]:
    r"""Return the zero-loss solution closest to the student, for any T.

    The solutions are √(p/p*) O W*, with O (p, p*) of orthonormal columns. The closest one solves
    the orthogonal Procrustes problem

    .. math:: \min_{O^T O = I} \|W - \sqrt{p/p^*}\, O W^*\|_F, \qquad
              O = A B^T, \quad W W^{*T} = A Σ B^T,

    O being the polar factor of M. Gradient flow from Q(0) = q0 I with T = I ends on it.

    Parameters
    ----------
    weights
        Student and teacher, p >= p*.

    Returns
    -------
    array of shape (p, N)
        The solution. Where M has not full column rank several are equally close; then it is the
        one that the singular value decomposition picks.

    Raises
    ------
    ValueError
        If p < p*: there is no zero-loss solution.

    Notes
    -----
    docs/theory.md (5.3), (5.4).
    """
    (p, _), (k, _) = weights.W.shape, weights.W_star.shape
    check_solvable(p, k)
    A, _, Bt = np.linalg.svd(weights.W @ weights.W_star.T, full_matrices=False)
    return np.asarray(np.sqrt(p / k) * (A @ Bt) @ weights.W_star)


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
    return float(np.linalg.norm(weights.W - closest_solution(weights)) / np.sqrt(weights.N))


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
        start where the students and teachers are linearly dependent.

    Notes
    -----
    docs/theory.md (5.2). In the directions of the teacher Q⊥ dies as e^{-8ηTα/p*} once the
    plateau is left, and what is stored is Q: with λ the smallest eigenvalue of Q⊥, the relative
    error of I is 1e-16 tr Q/λ, whatever the arithmetic. Nothing is lost beyond that: Q⊥ is the
    Schur complement of T in the joint covariance, I = BᵀB with B = L⁻¹U, Q⊥ = LLᵀ, and only
    decaying exponentials appear.
    """
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
