"""Slow, literal transcriptions in plain NumPy of what quadlib compiles.

Each takes the start and a Generator, draws from it in the order of the compiled loop, and returns
the overlaps Q (n, p, p) and M (n, p, p*) after the given numbers of steps.
"""

import numpy as np

import quadlib as ql
from quadlib.dynamics.overlaps import block_length

Run = tuple[np.ndarray, np.ndarray]


def naive_sgd(
    task: ql.Task,
    start: ql.Weights,
    eta: float,
    steps: list[int],
    rng: np.random.Generator,
    spherical: bool = False,
) -> Run:
    """One-pass SGD as it is defined, on N-dimensional vectors, (1.1)-(1.5)."""
    W, W_star, N = np.array(start.W), start.W_star, start.N
    Q, M = [], []
    for step in range(max(steps) + 1):
        if step in steps:
            Q.append(W @ W.T / N)
            M.append(W @ W_star.T / N)
        x = rng.standard_normal(N)
        fields, targets = W @ x / np.sqrt(N), W_star @ x / np.sqrt(N)
        label = np.mean(targets**2)
        if task.label_noise > 0:
            label += np.sqrt(task.label_noise) * rng.standard_normal()
        error = np.mean(fields**2) - label
        W -= 2 * eta * error / np.sqrt(N) * np.outer(fields, x)
        if spherical:
            W *= np.sqrt(N) / np.linalg.norm(W, axis=1, keepdims=True)
    return np.array(Q), np.array(M)


def chi(freedom: int, rng: np.random.Generator) -> float:
    """The root of a chi-square number, by Marsaglia and Tsang's rejection."""
    q = freedom / 2 - 1 / 3
    while True:
        z, reach = rng.standard_normal(), rng.standard_exponential()
        v = (1 + z / np.sqrt(9 * q)) ** 3
        if v > 0 and -reach < z**2 / 2 + q * (1 - v + np.log(v)):
            return float(np.sqrt(2 * q * v))


def overlap_chain(
    task: ql.Task,
    start: ql.Overlaps,
    eta: float,
    N: int,
    steps: list[int],
    rng: np.random.Generator,
    spherical: bool = False,
) -> Run:
    """SGD in a basis: teacher, students, and a new direction for each input, (8.1)-(8.5).

    The students W/√N are the columns of F. Each step is applied at once, and in full; after
    `block` inputs the directions that are not the teacher's are rotated into the first p.
    """
    p, k = task.p, task.p_star
    outside = N - k - p
    block = max(1, min(block_length(p, k), outside))
    t, teacher = np.linalg.eigh(task.T)
    m = start.M @ teacher / np.sqrt(t)
    values, vectors = np.linalg.eigh(start.Q - m @ m.T)
    F = np.zeros((k + p + block, p))
    F[:k] = m.T
    F[k : k + p] = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    Q, M, j = [], [], 0
    for step in range(max(steps) + 1):
        if step in steps:
            Q.append(F.T @ F)
            M.append(F[:k].T * np.sqrt(t) @ teacher.T)
        x = np.zeros(len(F))
        x[: k + p + j] = rng.standard_normal(k + p + j)
        if outside > 0:
            x[k + p + j] = chi(outside - j, rng)
        fields = F.T @ x
        error = np.mean(fields**2) - t @ x[:k] ** 2 / k
        if task.label_noise > 0:
            error -= np.sqrt(task.label_noise) * rng.standard_normal()
        F -= 2 * eta * error / N * np.outer(x, fields)
        if spherical:
            F /= np.linalg.norm(F, axis=0)
        j += 1
        if j == block:
            R = np.linalg.qr(F[k:])[1]
            F[k:] = 0
            F[k : k + p] = np.sign(np.diag(R))[:, None] * R
            j = 0
    return np.array(Q), np.array(M)


def diffusion(
    task: ql.Task,
    start: ql.Overlaps,
    eta: float,
    N: int,
    alpha: list[float],
    rng: np.random.Generator,
    spherical: bool = False,
    longest: float = np.inf,
    safety: float = 0.2,
) -> Run:
    """A few draws of the fields for many samples, the drift by Heun's method, (9.1)-(9.4)."""
    p, A = task.p, np.diag(task.readout)
    C = np.block([[start.Q, start.M], [start.M.T, task.T]])

    def moments(C: np.ndarray, n6: float = 0, n2: float = 0) -> tuple[np.ndarray, np.ndarray]:
        s, CAC = np.trace(A @ C), C @ A @ C
        square = s**2 + 2 * np.trace(A @ CAC)
        Gamma = square * C + 4 * s * CAC + 8 * CAC @ A @ C
        return s * C + 2 * CAC, (1 + n6) * Gamma + (1 + n2) * task.label_noise * C

    def increment(C: np.ndarray, Delta_ff: np.ndarray, Delta2_ff: np.ndarray) -> np.ndarray:
        """The change of C from E[Δ f fᵀ] and E[Δ² f fᵀ], or from a sample of them."""
        dC = np.zeros_like(C)
        dC[:p] = dC[:p] - 2 * eta * Delta_ff[:p]
        dC[:, :p] = dC[:, :p] - 2 * eta * Delta_ff[:, :p]
        dC[:p, :p] = dC[:p, :p] + 4 * eta**2 * Delta2_ff[:p, :p]
        return dC

    def drift(C: np.ndarray) -> np.ndarray:
        dC = increment(C, *moments(C, 6 / N, 2 / N))
        if spherical:
            D = np.append(np.diag(dC)[:p] / np.diag(C)[:p], np.zeros(len(C) - p))
            dC -= C * (D[:, None] + D) / 2
        return dC

    def positive(C: np.ndarray) -> bool:
        return bool(np.linalg.eigvalsh(C)[0] > -1e-12)

    Q, M, now = [], [], 0.0
    for end in alpha:
        time, limit = end - now, longest
        while time > 0:
            s = np.trace(A @ C)
            rate = 4 * eta * (abs(s) + 2 * np.trace(abs(A) @ C))
            step = min(limit, safety / rate)
            step = time / np.ceil(time / step) if step < time else time
            Phi, Gamma = moments(C)
            draws = min(16, max(1, int(step * N + 0.5)))
            jump = np.zeros_like(C)
            for _ in range(draws):
                noise = 0.0
                if task.label_noise > 0:
                    noise = np.sqrt(task.label_noise) * rng.standard_normal()
                u = np.linalg.cholesky(C) @ rng.standard_normal(len(C))
                Delta = u @ A @ u - noise
                uu = np.outer(u, u)
                jump += increment(C, Delta * uu - Phi, Delta**2 * uu - Gamma)
            jump *= np.sqrt(step / (N * draws))
            late = max(0.0, (1 - 1 / (N * step)) / 2)
            euler = C + step * drift(C) + jump
            new = C + step * ((1 - late) * drift(C) + late * drift(euler)) + jump
            if spherical:
                scale = np.append(1 / np.sqrt(np.diag(new)[:p]), np.ones(len(C) - p))
                new *= np.outer(scale, scale)
            if positive(new):
                C, time, limit = new, time - step, longest
            else:
                limit = step / 2
        now = end
        Q.append(C[:p, :p])
        M.append(C[:p, p:])
    return np.array(Q), np.array(M)


def naive_ensemble(
    task: ql.Task,
    starts: list[ql.Weights],
    eta: float,
    steps: list[int],
    rng: np.random.Generator,
    spherical: bool = False,
) -> Run:
    """Overlaps (runs, n, ...) of one run of `naive_sgd` from each start, the same in law."""
    runs, N = len(starts), starts[0].N
    W, W_star = (np.array([getattr(w, name) for w in starts]) for name in ("W", "W_star"))
    Q, M = [], []
    for step in range(max(steps) + 1):
        if step in steps:
            Q.append(W @ np.swapaxes(W, 1, 2) / N)
            M.append(W @ np.swapaxes(W_star, 1, 2) / N)
        x = rng.standard_normal((runs, N, 1))
        fields, targets = W @ x / np.sqrt(N), W_star @ x / np.sqrt(N)
        label_noise = np.sqrt(task.label_noise) * rng.standard_normal((runs, 1, 1))
        label = (targets**2).mean(1, keepdims=True) + label_noise
        error = (fields**2).mean(1, keepdims=True) - label
        W -= 2 * eta * error / np.sqrt(N) * fields * np.swapaxes(x, 1, 2)
        if spherical:
            W *= np.sqrt(N) / np.linalg.norm(W, axis=2, keepdims=True)
    return np.stack(Q, 1), np.stack(M, 1)
