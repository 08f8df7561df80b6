# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions of 01 From one SGD step to an ODE
#
# The questions are in the [notebook](../01_sgd_to_ode.ipynb). Try them there first: the checks give hints.

# %%
import numpy as np

import quadlib as ql
from quadlib.notation import number

task = ql.Task(p=4, p_star=2)
start = ql.random_overlaps(task, 40, rng=14)

# %% [markdown]
# **01.1.** One sample changes an overlap by a random number of size η/N, and adds a variance of order (η/N)² to it. In a
# time of order 1/η there are N/η samples, and they are independent, so that their variances add up: the variance is of
# order (η/N)² N/η = η/N. The distance is its root, D ∝ √(η/N): the exponent is 1/2. Measured, at N = 10⁸:

# %%
etas, found = (0.0025, 0.01), []
for eta in etas:
    alpha = np.linspace(0, 1.5 / eta, 31)
    ode = ql.integrate(task, start, eta=eta, alpha=alpha)
    how = dict(eta=eta, alpha=alpha, N=10**8, method="diffusion", step=0.002 / eta, progress=False)
    runs = [ql.simulate(task, start, rng=(seed, 1), **how) for seed in range(24)]
    squares = [((run.Q - ode.Q) ** 2).sum() + ((run.M - ode.M) ** 2).sum() for run in runs]
    found.append(np.sqrt(np.mean(squares)))
print(f"measured exponent {np.log(found[1] / found[0]) / np.log(etas[1] / etas[0]):.2f}")

answer = 1 / 2
assert ql.check("01.1", answer)

# %% [markdown]
# **01.2.** The noise would make the weight vectors longer. Rescaling them to their norm divides everything else by the
# same factor, and so the overlaps with the teacher shrink. This is [(2.3)](../../docs/theory.md#eq-2-3): half of the
# relative free change of the squared norm, 4η²Γᵢᵢ/Qᵢᵢ, is taken off M. The change of Qᵢᵢ itself is zero.

# %%
ball = ql.Overlaps(np.eye(4), 0.1 * np.ones((4, 2)))
noisy, flow = (ql.drift(task, ball, 0.3, "spherical", gradient_noise=on) for on in (True, False))
print("change of Qᵢᵢ:", np.abs(np.diag(noisy[0])).max().round(12))

answer = (noisy[1] - flow[1])[0, 0] / ball.M[0, 0]
assert ql.check("01.2", answer)
print(number(answer, 4))

# %% [markdown]
# **01.3.** The answer is (d).
#
# Φ = E[Δ f fᵀ] is linear in the error. The noise −√ν ξ has mean zero and is independent of the fields, so it drops out
# of Φ, and with it out of dM/dα: (a) and (b) are wrong. But Γ = E[Δ² f fᵀ] contains its square, and gains ν E[f fᵀ] = ν C.
# So dQ/dα gains 4η²ν Q, and (c) is wrong: label noise makes the weights longer.

# %%
clean = ql.drift(task, start, 0.1)
dirty = ql.drift(ql.Task(4, 2, label_noise=0.5), start, 0.1)
print("dQ as in (d):", np.allclose(dirty[0] - clean[0], 4 * 0.1**2 * 0.5 * start.Q))
print("dM the same: ", np.allclose(dirty[1], clean[1]))

answer = "d"
assert ql.check("01.3", answer)

# %% [markdown]
# **01.4.** Write x = |x| u with a unit vector u, which is independent of |x|. A polynomial of degree six in x is |x|⁶ g(u), so
# its mean is E|x|⁶ E g(u). The term of δQ has one more factor |x|²/N, and its mean is E|x|⁸/N E g(u). The ratio of the two
# is E|x|⁸/(N E|x|⁶). The moments are E|x|⁶ = N(N + 2)(N + 4) and E|x|⁸ = N(N + 2)(N + 4)(N + 6), and the ratio is
# (N + 6)/N. We check it on literal steps with N = 6, where the factor is 2:

# %%
N, eta, samples = 6, 0.3, 400_000
weights = ql.random_weights(ql.Task(2, 1), N, rng=1)
x = np.random.default_rng(2).standard_normal((samples, N))
fields, teacher = x @ weights.W.T / np.sqrt(N), x @ weights.W_star.T / np.sqrt(N)
error = (fields**2).mean(1) - (teacher**2).mean(1)
second = (2 * eta * error * fields[:, 0]) ** 2 * (x**2).mean(1)  # of δQ₁₁, times N
on, off = (
    ql.drift(weights.task(), weights, eta, gradient_noise=noise)[0] for noise in (True, False)
)
ratio, its_error = second.mean() / (on - off)[0, 0], second.std() / samples**0.5 / (on - off)[0, 0]
print(f"η² term, measured over its limit: {ratio:.3f} ± {its_error:.3f}, predicted {1 + 6 / N:.3f}")

answer = 1 + 6 / 30
assert ql.check("01.4", answer)

# %% [markdown]
# **01.5.** In a time α there are αN independent increments of M, each of size (2η/N) Δ λλ\* and mean zero. So N Var M =
# N · αN · (4η²/N²) E[Δ² λ² λ\*²] = 4η²α E[Δ² λ² λ\*²]. With Δ = λ² − λ\*²,
#
# $$
# E[(\lambda^2 - \lambda^{*2})^2 \lambda^2 \lambda^{*2}]
#   = E\lambda^6\, E\lambda^{*2} - 2\, E\lambda^4\, E\lambda^{*4} + E\lambda^2\, E\lambda^{*6} = 15 - 18 + 15 = 12 .
# $$
#
# Hence c = 4 · 12 = 48. This is the constant D of [(4.2)](../../docs/theory.md#eq-4-2) for q = 1, divided by η². A
# measurement:

# %%
one, origin = ql.Task(1, 1), ql.Overlaps([[1.0]], [[0.0]])
how = dict(eta=0.01, alpha=[0.5], N=1000, progress=False)
ends = [ql.simulate(one, origin, rng=(seed, 5), **how).M[0, 0, 0] for seed in range(1000)]
measured = 1000 * np.var(ends) / (0.01**2 * 0.5)
print(f"N Var M/(η²α): {measured:.1f} ± {measured * np.sqrt(2 / 1000):.1f}")

answer = 48
assert ql.check("01.5", answer)
