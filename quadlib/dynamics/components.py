"""The overlap ODE in components along the teacher and across it, where nothing cancels."""

from typing import Any

import numpy as np

from quadlib.checks import Constraint
from quadlib.dynamics.derivative import derivative
from quadlib.shapes import Array, Float
from quadlib.state import Overlaps, teacher_split
from quadlib.task import Task

__all__ = ["Components", "component_loss"]

RANK_ROUNDING = 1e-13
"""An eigenvalue below this share of the trace is zero: a start given in doubles knows no more."""

BLOW_UP = 1e3
"""A run has diverged when tr Q exceeds this many times start, teacher and label noise together."""

DIRECT = 1e-6
"""Where E is above this share of T/p*, m tells it precisely enough."""


def component_loss(
    m: Float[Array, "*n r k"], P: Float[Array, "*n r r"], E: Float[Array, "*n k k"], a: Array
) -> Float[Array, "*n"]:
    """Loss above label_noise/2, a sum of squares (2.5), of units of readout a."""
    Pa = P * a
    s = np.trace(E, axis1=-2, axis2=-1) + np.trace(Pa, axis1=-2, axis2=-1)
    across = (a[:, None] * m * (Pa @ m)).sum((-2, -1))
    own = (Pa * np.swapaxes(Pa, -1, -2)).sum((-2, -1))
    return np.asarray(s**2 / 2 + (E**2).sum((-2, -1)) + 2 * across + own)


class Components:
    """Q = R (m mᵀ + P) Rᵀ, M = R m √t Vᵀ and E = mᵀ a m − t/p*, of independent units.

    Units that depend on each other linearly stay so under the free ODE, and equal or opposite
    units under the spherical one. R (p, r) takes them out, so that rounding cannot part them; a
    is the readout of those that are left. E is kept although m tells it: near a solution it is
    small, a difference of large numbers, and decides the loss. A state is one vector, the rows of
    F = (m P) and then those of E. The derivative may be `compiled`: the same but for rounding.
    """

    def __init__(
        self,
        task: Task,
        state: Overlaps,
        eta: float,
        constraint: Constraint,
        noise: bool,
        compiled: bool = False,
    ) -> None:
        self.t, self.V, m, P = teacher_split(task, state)
        self.eta, self.spherical, self.noise = eta, constraint == "spherical", noise
        self.label_noise = task.label_noise
        self.R, self.a = _independent(state.Q, self.spherical)
        self.a_column = self.a[:, None]
        left = self.R.T / (self.a_column * task.p)
        m, P = left @ m, left @ P @ left.T
        values, vectors = np.linalg.eigh(P)
        values[values < RANK_ROUNDING * np.trace(state.Q)] = 0.0
        r, self.k = m.shape
        self.shape, self.end = (r, r + self.k), r * (r + self.k)
        self.rigid = r == self.k and bool(np.ptp(self.t) <= RANK_ROUNDING * self.t.mean())
        self.start = self.joined(m, (vectors * values) @ vectors.T, self.misfit(m))
        # the noise of labels may hold the mean norm at η ν/2
        self.bound = BLOW_UP * (
            self.norm(self.start) + float(self.t.sum()) + task.p * eta * task.label_noise
        )
        self.largest = 4 * eta * float(self.a.min()) * self.bound
        self.direct = False  # whether `derivative` takes norms of one, and E from m
        # where `derivative` writes, and its parts
        self._real, self._complex = self._space(float, compiled), self._space(complex, compiled)
        self._ones = np.ones(r + self.k)
        self._a = np.tile(self.a_column, r + self.k)
        self._rate = -4 * eta * self._a

    def _space(self, number: type, compiled: bool) -> tuple[Any, ...]:
        k, r = self.k, self.shape[0]
        dy: Array = np.empty(len(self.start), number)
        G: Array = np.empty((r + k, r + k), number)
        dF, dE = self._split(dy)
        how = self.eta, self.label_noise, self.largest, self.spherical, self.noise
        loops = (dy, G, np.empty(self.shape, number), self.a, *how) if compiled else None
        blocks = G, G[:k, :k], G[:k, k:], G[k:], G[k:, :k].T, G.ravel()[:: r + k + 1]
        dm, dP = dF[:, :k], dF[:, k:]
        own = dE.ravel()[:: k + 1], dF.ravel()[k :: r + k + 1]
        return loops, (dy, dF, dE, dm, dP, *own), blocks

    def joined(self, m: Any, P: Any, E: Any) -> Array:
        """One vector of m, P and E."""
        return np.concatenate([np.hstack([m, P]), E], axis=None)

    def _split(self, y: Array) -> tuple[Array, Array]:
        """F and E in one vector, or in each."""
        lead = y.shape[:-1]
        F = y[..., : self.end].reshape(lead + self.shape)
        return F, y[..., self.end :].reshape((*lead, self.k, self.k))

    def parts(self, y: Float[Array, "*n x"]) -> list[Any]:
        """The m, P and E in one vector, or in each; symmetric, as they are but for rounding."""
        F, E = self._split(y)
        symmetric = ((part + part.swapaxes(-1, -2)) / 2 for part in (F[..., self.k :], E))
        return [F[..., : self.k], *symmetric]

    def misfit(self, m: Array) -> Array:
        """E from m, or from each."""
        E = np.swapaxes(m, -1, -2) @ (self.a_column * m)
        own = np.arange(len(self.t))
        E[..., own, own] -= self.t / len(self.t)
        return np.asarray(E)

    def derivative(self, _alpha: float, y: Array) -> Array:
        """d(m, P, E)/dα, (2.4), or FloatingPointError where the norms blow up.

        With K = ((E, mᵀaP), (am, aP)) the trace is s, F K = (B, YP), and E[Δ²] = s² + 2 tr K² + ν.
        Few calls on small matrices, since each costs as much as thousands of multiplications, those
        that cost least (`dot`, not `@`; no broadcasting), and the same vector at every call.
        """
        if self.direct:
            y = self.upon_sphere(y)
        loops, (dy, *changes), blocks = self._complex if y.dtype.kind == "c" else self._real
        if loops:
            if not derivative(y, *loops):
                raise FloatingPointError
            return np.asarray(dy)
        k, rate, (dF, dE, dm, dP, own_E, own_P) = self.k, -2 * self.eta, changes
        G, corner, above, below, left, diagonal = blocks  # -4η K
        F, E = y[: self.end].reshape(self.shape), y[self.end :].reshape((k, k))
        m, P = F[:, :k], F[:, k:]
        corner[:] = 2 * rate * E
        np.multiply(F, self._rate, out=below)
        np.matmul(left, P, out=above)
        trace = diagonal.dot(self._ones).item()
        if not abs(trace) <= self.largest:
            raise FloatingPointError
        F.dot(G, dF)
        half = dP
        if self.noise:
            noise = dF.dot(G)
            noise += trace / 2 * dF
            gain = (
                trace**2 / 8
                + G.ravel().dot(G.T.ravel()).item() / 4
                + rate**2 * self.label_noise / 2
            )
        if not self.spherical:  # where what is proportional to F leaves its rounding only
            dF += trace / 2 * F
            if self.noise:
                noise += gain * F
        if self.noise:
            half = noise[:, :k].dot(m.T)
            half += noise[:, k:]
            half += dP
        np.add(half, half.T, out=dP)
        if self.spherical:
            free = dP.diagonal() + 2 * (m * dm).sum(1)
            shrink = free / (2 * ((m * m).sum(1) + P.diagonal()))  # (2.3)
            lost = shrink[:, None] * F
            dF -= lost
            dP -= lost[:, k:].T  # not P * shrink, which lets an asymmetry of P grow
            if self.noise:
                dm -= gain * m
                dP += 2 * gain * (m @ m.T)
        half = m.T.dot((self._a * dF)[:, :k])
        np.add(half, half.T, out=dE)
        if self.spherical:  # the sum of norms stays, and nothing else takes rounding out of it
            own_E -= (own_E.sum() + own_P.dot(self.a)) / k
        return np.asarray(dy)

    def upon_sphere(self, y: Array) -> Array:
        """The state of norms one next to y, with the E that m tells.

        Errors in them, which nothing restores, would push a state at rest along neutral directions.
        """
        m, P = np.hsplit(self._split(y)[0], [self.k])
        scale = 1 / np.sqrt((m * m).sum(1) + P.diagonal())
        m, P = scale[:, None] * m, scale[:, None] * P * scale
        return self.joined(m, P, self.misfit(m))

    def still(self, y: Array, share: float, near: bool) -> bool:
        """Whether all parts change at less than this share of the fastest rate, or die unseen.

        Near a solution E is small, and measured by itself, else by the teacher.
        """
        try:
            (dm, dP, dE), (m, P, E) = self.parts(self.derivative(0.0, y)), self.parts(y)
        except FloatingPointError:
            return False
        norm, rate = self.norm(y), 4 * self.eta * self.t.mean()
        # where units are much longer than the teacher's, what rounding leaves of their own rate
        share, unseen = max(share, 1e-15 * norm / self.t.mean()), 1e-17 * norm
        # A tiny column of m, or P, may yet grow: each is measured by itself
        for change, part, limit in (*((d, x, unseen**0.5) for d, x in zip(dm.T, m.T, strict=True)),
                                    (dP, P, unseen)):  # fmt: skip
            size = np.abs(part).max()
            dying = size < limit and np.vdot(change, part) <= 0
            if np.abs(change).max() > share * rate * size and not dying:
                return False
        size = np.abs(E).max() if near else self.t.mean()
        return bool(np.abs(dE).max() <= share * rate * size)

    def aligned(self, y: Array) -> Array:
        """The same state in units that are `apart`.

        A rotation of units is a symmetry, but not under the spherical constraint. There E loses
        what errors of steps have put into the norms, which nothing else takes out: into their sum;
        at p = p* with equal t into each, since √a m = O √(E + t/p*) with an orthogonal O.
        """
        if self.direct:
            return self.upon_sphere(y)
        turn = None if self.spherical else self.apart(y)
        if turn is not None:
            self.R, y = self.R @ turn, self.turned(y, turn.T)
        m, P, E = self.parts(y)
        own, beyond = self.a * P.diagonal(), self.t.mean() / self.k - self.a
        if turn is not None:
            m[self.k :] = 0.0
        elif self.spherical and self.rigid:
            U, _, W = np.linalg.svd(np.sqrt(self.a_column) * m)
            O = U @ W
            E = E - (O.T * ((O @ E @ O.T).diagonal() + own + beyond)) @ O
        elif self.spherical:
            s = E.trace() + own.sum() + self.t.mean() - self.a.sum()
            E = E - s / self.k * np.eye(self.k)
        return self.joined(m, P, E)

    def apart(self, y: Array) -> Array | None:
        """The rotation from units of which only the first p* see the teacher, if there are more.

        Late the others have a P of size 1/α, which hides the first units' P of size 1/α², and that
        decides the loss.
        """
        if self.shape[0] <= self.k:
            return None
        return np.asarray(np.linalg.qr(self.parts(y)[0], mode="complete")[0])

    def turned(self, y: Array, turn: Array) -> Array:
        """The state of units that are turned: U m, U P Uᵀ and E."""
        F, E = self._split(y)
        m, P = np.hsplit(turn.dot(F), [self.k])
        return self.joined(m, P.dot(turn.T), E)

    def across(self, y: Array) -> float:
        """The trace of P, which rounding can make negative at the end."""
        return float(abs(sum(y[self.k : self.end : self.shape[1] + 1].tolist())))

    def norm(self, y: Array) -> float:
        """The trace of Q, of each independent unit once."""
        m, P, _ = self.parts(y)
        return float(np.vdot(m, m) + P.trace())

    def loss(self, y: Float[Array, "*n x"]) -> Float[Array, "*n"]:
        """Loss above label_noise/2."""
        return self._loss(*self.parts(y))

    def _loss(self, m: Array, P: Array, E: Array) -> Array:
        direct = self.misfit(m)
        large = np.abs(E).max((-2, -1)) > DIRECT * self.t.mean()
        return component_loss(m, P, np.where(large[..., None, None], direct, E), self.a)

    def record(self, y: Float[Array, "n x"]) -> tuple[Array, Array, Array]:
        """Q and M of the given units, and the loss, of the possible state next to each.

        That is P positive semidefinite, and Q_ii = 1 with constraint "spherical".
        """
        m, P, E = self.parts(y)
        try:
            np.linalg.cholesky(P)  # a tenth of the time that eigenvalues take
        except np.linalg.LinAlgError:
            values, vectors = np.linalg.eigh(P)
            low = values[..., 0] < 0
            lifted = vectors * np.maximum(values, 0.0)[..., None, :] @ np.swapaxes(vectors, -1, -2)
            P[low] = lifted[low]
        loss = self._loss(m, P, E) + self.label_noise / 2
        m, P = self.R @ m, self.R @ P @ self.R.T
        half = m @ np.swapaxes(m, -1, -2) + P
        Q = (half + np.swapaxes(half, -1, -2)) / 2
        if self.spherical:
            scale = 1 / np.sqrt(np.diagonal(Q, axis1=-2, axis2=-1))
            m, Q = scale[..., None] * m, Q * (scale[..., None] * scale[..., None, :])
        return Q, m * np.sqrt(self.t) @ self.V.T, loss


def _independent(Q: Array, spherical: bool) -> tuple[Array, Array]:
    """R (p, r) and the readout of r independent units: 1/p, times the number of those in it."""
    p = len(Q)
    values, vectors = np.linalg.eigh(Q)
    R = vectors[:, values > RANK_ROUNDING * values.sum()]
    if R.shape[1] in (0, p):
        R = np.eye(p)
    elif spherical:  # the sign with which each unit copies the first of its kind
        copies = np.where(np.abs(Q) > 1 - RANK_ROUNDING, np.sign(Q), 0.0)
        first = np.abs(copies).argmax(1)
        R = copies[:, np.unique(first)]
    return R, (R**2).sum(0) / p
