"""The chain and the diffusion of many runs at once in NumPy, where loops cannot be compiled.

Each run draws from its own generator in the order of the compiled loops: alone or in company,
here or there, it has the same random numbers.
"""

import math
from collections.abc import Sequence

import numpy as np

from quadlib.dynamics.diffusion import DRAWS, GROWN, SHORTEST, limits
from quadlib.dynamics.overlaps import TINY, basis, block_length
from quadlib.dynamics.record import DIVERGED, RUNNING, UNFIT, Record, Steps, largest_error
from quadlib.shapes import Array
from quadlib.state import Overlaps
from quadlib.task import joint_covariance

Generators = Sequence[np.random.Generator]


class LockstepChain(Steps):
    """The steps of `OverlapChain`, (8.1)-(8.5), for all runs: F has shape (runs, p, width)."""

    def __init__(self, record: Record, starts: Sequence[Overlaps], rngs: Generators) -> None:
        super().__init__(record, np.arange(len(starts)))
        task, N, p, k, r = record.task, record.N, record.task.p, record.task.p_star, len(starts)
        block = block_length(p, k)
        self.k, self.d, self.D = k, k + p, N - k - p
        self.block = max(1, min(block, self.D))
        self.F, self.x = np.zeros((r, p, self.d + block)), np.zeros((2, r, self.d + block))
        for F, start in zip(self.F, starts, strict=True):
            t, V, F[:, :k], F[:, k : self.d] = basis(task, start)
        self.weight, self.to_M = t / k, np.sqrt(t)[:, None] * V.T
        self.rate, self.noise = 2 * record.eta / N, math.sqrt(task.label_noise)
        self.bound = np.array([largest_error(task, start) for start in starts])
        self.rngs = list(rngs)
        self._buffers: dict[int, tuple[Array, list[Array]]] = {}
        self.j = self.block - 1
        self._draw(noisy=False)

    def overlaps(self) -> tuple[Array, Array]:
        """Q and M of the runs that go on."""
        return self.F @ np.swapaxes(self.F, 1, 2), self.F[:, :, : self.k] @ self.to_M

    def keep(self, going: Array) -> None:
        """Drop the other runs."""
        self.F, self.x, self.bound = self.F[going], self.x[:, going], self.bound[going]
        self.rngs = [rng for rng, on in zip(self.rngs, going, strict=True) if on]
        self._buffers = {}

    def _draw(self, noisy: bool) -> Array:
        """Draw the next input, behind the label noise; return that."""
        self.j = self.j + 1 if self.j + 1 < self.block else 0
        new, open_ = self.x[0], self.d + self.j
        if self.j < 2:
            new[:, self.d :] = 0.0
        # noise, coordinates, and the normal number of the first try for χ
        size = noisy + open_ + (self.D > 0)
        if size not in self._buffers:
            numbers = np.empty((len(new), size))
            self._buffers[size] = numbers, list(numbers)
        numbers, rows = self._buffers[size]
        for rng, row in zip(self.rngs, rows, strict=True):
            rng.standard_normal(out=row)
        new[:, :open_] = numbers[:, noisy : noisy + open_]
        if self.D > 0:
            reach = np.array([rng.standard_exponential() for rng in self.rngs])
            new[:, open_] = self._chi(float(self.D - self.j), numbers[:, -1], reach)  # (8.5)
        return numbers[:, 0]

    def _chi(self, freedom: float, t: Array, reach: Array) -> Array:
        """By Marsaglia and Tsang; the few that are refused at first try again one by one."""
        q = freedom / 2 - 1 / 3
        t, reach = t / math.sqrt(9 * q), reach / q
        square = t * t
        for i in np.flatnonzero(~((t > -0.5) & (reach > 1.5 * square * square))):
            while t[i] <= -1 or reach[i] <= (3 - (1.5 - t[i]) * t[i]) * t[i] - 3 * math.log1p(t[i]):
                t[i] = self.rngs[i].standard_normal() / math.sqrt(9 * q)
                reach[i] = self.rngs[i].standard_exponential() / q
        t += 1
        return np.sqrt(2 * q * t * t * t)

    def step(self, steps: int) -> None:
        """Do some SGD steps."""
        F, k = self.F, self.k
        for _ in range(steps):
            self.x = self.x[::-1]  # the input drawn last is used, the other row drawn anew
            noise = self._draw(self.noise > 0.0)
            x = self.x[1]
            field = np.matmul(F, x[:, :, None])[:, :, 0]
            error = (field * field).mean(1) - x[:, :k] ** 2 @ self.weight
            if self.noise > 0.0:
                error -= self.noise * noise  # (1.2)
            bounded = np.abs(error) < self.bound
            if not bounded.all():
                # their F is no longer of use, but must not disturb
                self.record.state[self.runs[~bounded]] = DIVERGED
                error[~bounded], F[~bounded] = 0.0, 0.0
            field *= (self.rate * error)[:, None]
            F -= field[:, :, None] * x[:, None, :]  # (8.4)
            if self.record.spherical:
                F /= np.sqrt(np.maximum((F * F).sum(2, keepdims=True), TINY))  # (1.5)
            if self.j == 0:
                R = np.linalg.qr(np.swapaxes(F[:, :, k:], 1, 2), mode="r")
                sign = np.where(np.diagonal(R, axis1=1, axis2=2) < 0, -1.0, 1.0)
                F[:, :, k : self.d] = np.swapaxes(sign[:, :, None] * R, 1, 2)
                F[:, :, self.d :] = 0.0


class LockstepDiffusion:
    """The steps of `Diffusion`, (9.1)-(9.4): each run takes its own until the next record."""

    def __init__(self, record: Record, starts: Sequence[Overlaps], rngs: Generators) -> None:
        task = record.task
        self.record, self.rngs, self.lengths = record, list(rngs), record.lengths()
        self.C = np.array([joint_covariance(start.Q, start.M, task.T) for start in starts])
        self.L, fit = _factor(self.C)
        record.state[~fit] = UNFIT
        self.longest, self.safety = limits(record.step)
        self.bound = np.array([largest_error(task, start) for start in starts])
        self.limit, self.alpha = np.full(len(starts), self.longest), np.zeros(len(starts))
        self.left = np.full(len(starts), self.lengths[0])

    def advance(self, budget: int) -> bool:
        """Do at most `budget` steps; whether any run goes on."""
        record, p = self.record, self.record.task.p
        while True:
            live = np.flatnonzero(record.state == RUNNING)
            if record.every and len(live):
                C = self.C[live]
                record.look(live, self.alpha[live], C[:, :p, :p], C[:, :p, p:])
                live = live[record.state[live] == RUNNING]
            if len(live) == 0:
                return False
            if (self.left[live] <= 0.0).all():  # the record is the same for all
                record.write(live, self.C[live, :p, :p], self.C[live, :p, p:])
                self.left[live] = self.lengths[min(record.recorded[live[0]], len(self.lengths) - 1)]
            elif budget == 0:
                return True
            else:
                self._step(live[self.left[live] > 0.0])
                budget -= 1
                record.done[live] = self.alpha[live]

    def _step(self, live: Array) -> None:
        task, N, eta = self.record.task, float(self.record.N), self.record.eta
        A, p = task.readout, task.p
        C, left, diagonal = self.C[live], self.left[live], self.C[live].diagonal(0, 1, 2)
        fastest = 4 * eta * (np.abs(diagonal @ A) + 2 * diagonal @ np.abs(A))
        step = np.minimum(self.limit[live], self.safety / np.maximum(fastest, TINY))
        step = np.where(step < left, left / np.ceil(left / step), left)
        draws = np.clip(step * N + 0.5, 1, DRAWS).astype(np.int64)  # N may exceed 64 bits
        noisy = int(task.label_noise > 0)
        z = np.zeros((len(live), np.max(draws), noisy + C.shape[1]))
        for i, run in enumerate(live):
            self.rngs[run].standard_normal(out=z[i, : draws[i]])
        u = z[:, :, noisy:] @ np.swapaxes(self.L[live], 1, 2)
        error = (u * u) @ A - math.sqrt(task.label_noise) * noisy * z[:, :, 0]
        diverged = ~(np.abs(error) < self.bound[live, None]).all(1)
        self.record.state[live[diverged]] = DIVERGED
        error[diverged] = 0.0
        weighted = error[:, :, None] * u[:, :, :p]
        first = np.swapaxes(weighted, 1, 2) @ u
        second = np.swapaxes(error[:, :, None] * weighted, 1, 2) @ u[:, :, :p]
        Phi, Gamma, labels = self._moments(C)
        n = draws[:, None, None]
        noise = -2 * eta * (first - n * Phi)
        noise[:, :, :p] = 2 * noise[:, :, :p] + 4 * eta**2 * (second - n * (Gamma + labels))
        jump = np.sqrt(step / (N * draws))[:, None, None] * noise
        h, late = step[:, None, None], np.maximum(0.0, (1 - 1 / (N * step)) / 2)[:, None, None]
        drift = self._drift(C)
        euler = _changed(C, jump + h * drift)
        new = _changed(C, jump + h * ((1 - late) * drift + late * self._drift(euler)))
        if self.record.spherical:
            scale = np.ones(new.shape[:2])
            norms = new.diagonal(0, 1, 2)[:, :p]
            scale[:, :p] = 1 / np.sqrt(np.where(norms > 0, norms, 1.0))
            new *= scale[:, :, None] * scale[:, None, :]
        L, fit = _factor(new)
        fit &= ~diverged
        done, again = live[fit], live[~fit]
        self.C[done], self.L[done] = new[fit], L[fit]
        self.alpha[done] += step[fit]
        self.left[done] -= step[fit]
        self.limit[done], self.limit[again] = self.longest, step[~fit] / 2
        lost = again[(self.limit[again] * N < SHORTEST) & (self.record.state[again] == RUNNING)]
        size = self.C[lost].diagonal(0, 1, 2) @ np.abs(A)
        self.record.state[lost] = np.where(size > GROWN * self.bound[lost], DIVERGED, UNFIT)

    def _moments(self, C: Array) -> tuple[Array, Array, Array]:
        """Φ, Γ without label noise, and its part of Γ, (1.8), (1.9)."""
        task, p, A = self.record.task, self.record.task.p, self.record.task.readout
        CA = C * A
        CAC = CA[:, :p] @ C
        s = np.trace(CA, axis1=1, axis2=2)[:, None, None]
        square = s * s + 2 * (CA * np.swapaxes(CA, 1, 2)).sum((1, 2))[:, None, None]
        Gamma = square * C[:, :p, :p] + 4 * s * CAC[:, :, :p] + 8 * (CAC * A) @ C[:, :, :p]
        return s * C[:, :p] + 2 * CAC, Gamma, task.label_noise * C[:, :p, :p]

    def _drift(self, C: Array) -> Array:
        p, eta, N = self.record.task.p, self.record.eta, float(self.record.N)
        Phi, Gamma, labels = self._moments(C)
        rate = -2 * eta * Phi  # (2.1)
        mean = (1 + 6 / N) * Gamma + (1 + 2 / N) * labels
        rate[:, :, :p] = 2 * rate[:, :, :p] + 4 * eta**2 * mean  # (9.3)
        if self.record.spherical:
            half = rate.diagonal(0, 1, 2) / (2 * C.diagonal(0, 1, 2)[:, :p])
            rate -= half[:, :, None] * C[:, :p]  # (2.3)
            rate[:, :, :p] -= half[:, None, :] * C[:, :p, :p]
        return rate


def _changed(C: Array, change: Array) -> Array:
    """Add to the rows of the units, and to their columns."""
    new, p = C.copy(), change.shape[1]
    new[:, :p] += change
    new[:, p:, :p] = np.swapaxes(new[:, :p, p:], 1, 2)
    return new


def _factor(C: Array) -> tuple[Array, Array]:
    """Cholesky factors, as `Diffusion` has them, and where there is one."""
    L, fit = np.zeros_like(C), np.ones(len(C), dtype=bool)
    for j in range(C.shape[1]):
        column = C[:, j:, j] - (L[:, j:, :j] @ L[:, j, :j, None])[:, :, 0]
        fit &= column[:, 0] > -1e-12 * C[:, j, j]
        root = np.sqrt(np.maximum(column[:, 0], 0.0))
        inverse = np.where(column[:, 0] > 1e-15 * C[:, j, j], 1 / np.maximum(root, TINY), 0.0)
        L[:, j:, j] = column * inverse[:, None]
        L[:, j, j] = root
    return L, fit
