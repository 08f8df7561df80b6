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
# # Solutions of 03 Overparameterization
#
# The questions are in the [notebook](../03_overparameterization.ipynb). Try them there first: the checks give hints.

# %%
import numpy as np

import quadlib as ql
from quadlib.notation import number

# %% [markdown]
# **03.1.** Only the two tasks differ. The gain is a small part of the escape time. At N = 10¹² the escape takes nearly twice
# as long, and the saving is far from twice as large: it would not grow at all if the rates of p = 4 and p = 32 were equal.

# %%
saved = {}
for N in (10**6, 10**12):
    few, many = (ql.escape_law(ql.Task(p, 4), N, 0.05).mean for p in (4, 32))
    saved[N] = few - many
    print(f"log₁₀ N = {np.log10(N):.0f}: {saved[N]:.1f} of {few:.0f}")

answer = saved[10**6]
assert ql.check("03.1", answer)

# %% [markdown]
# **03.2.** The answer is (b).
#
# (a) p = 8 escapes first, but then its surplus units vanish only as 1/α, and the loss as 1/α². (c) is true only in the limit
# α → ∞. (d) is wrong: a single unit cannot express two, and its loss ends far above 10⁻⁶. We look at the time when the loss
# falls below some levels:

# %%
full = ql.random_overlaps(ql.Task(32, 2), 10**6, rng=(17, 10**6))
grid = np.concatenate([[0.0], np.geomspace(1, 1e4, 400)])
for p in (1, 2, 3, 4, 8):
    start = ql.Overlaps(full.Q[:p, :p], full.M[:p])
    run = ql.integrate(ql.Task(p, 2), start, eta=0.05, alpha=grid, rtol=1e-9)
    times = [run.escape_time(level) for level in (0.3, 1e-2, 1e-4, 1e-6)]
    print(f"p = {p}: below 0.3, 10⁻², 10⁻⁴, 10⁻⁶ at α =", *(number(round(t, 0)) for t in times))

answer = "b"
assert ql.check("03.2", answer)

# %% [markdown]
# Surplus units win the race to a moderate loss, and lose the one to a small loss.
#
# **03.3.** With κ = 8η(p + 2)/(p(p\* + 2)) the equation a′ = −κ a² says that (1/a)′ = κ. So 1/a grows as κα, and α a tends
# to 1/κ = p(p\* + 2)/(8η(p + 2)). In the flow:

# %%
p, p_star, eta = 5, 2, 0.1
task = ql.Task(p, p_star)
start = ql.Overlaps(np.eye(p), 0.2 * ql.random_overlaps(task, 50, 1).M)
flow = ql.gradient_flow(task, start, eta=eta, alpha=[1e4, 1e5])
for alpha, Q in zip(flow.alpha, flow.Q, strict=True):
    surplus = np.linalg.eigvalsh(Q)[:3] * alpha
    print(f"α = {number(alpha)}: α × surplus eigenvalues", *(number(a, 5) for a in surplus))

answer = p * (p_star + 2) / (8 * eta * (p + 2))
assert ql.check("03.3", answer)
print(number(answer, 4))

# %% [markdown]
# **03.4.** The derivative of L(x) = ½ (p x − 1)² + p (x − 1/p\*)² + (p\* − p)/p\*² is p (p x − 1) + 2p (x − 1/p\*). It
# vanishes at x = (1 + 2/p\*)/(p + 2). This is larger than 1/p\*: the units that there are make up for the mean of the missing
# ones. Gradient flow ends there:

# %%
p, k = 3, 4
x = (1 + 2 / k) / (p + 2)
flow = ql.gradient_flow(
    ql.Task(p, k), ql.random_overlaps(ql.Task(p, k), 10**4, rng=0), eta=0.1, alpha=[1000.0]
)
print(f"gradient flow ends at {flow.loss[-1]:.5f}")

answer = (p * x - 1) ** 2 / 2 + p * (x - 1 / k) ** 2 + (k - p) / k**2
assert ql.check("03.4", answer)
print(number(answer, 4))

# %% [markdown]
# **03.5.** Where s + 2q/p = 0, the last two terms of Ξ are (4q/p)(s + 2q/p) = 0. What is left is s² + 2(q²/p + 1/p\*), which
# is E[Δ²] = 2L at M = 0. So r = 4η/p\* − 4η² L<sub>plateau</sub> + O(η³): the lower the plateau, the faster it is left.

# %%
for eta in (0.05, 0.01):
    for p in (2, 32):
        guess = 4 * eta / 2 - 4 * eta**2 * ql.plateau(ql.Task(p, 2)).loss
        exact = ql.plateau(ql.Task(p, 2), eta).escape_rate
        print(f"η = {eta}, p = {p:2}: to second order {guess:.6f}, exact {exact:.6f}")

answer = 4 * 0.05 / 2 - 4 * 0.05**2 * (1 / (32 + 2) + 1 / 2)
assert ql.check("03.5", answer)
print(number(answer, 4))
