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
# # Solutions of 04 Implicit bias
#
# The questions are in the [notebook](../04_implicit_bias.ipynb). Try them there first: the checks give hints.

# %%
import numpy as np

import quadlib as ql

pair, eta = ql.Task(p=2, p_star=1), 0.05

# %% [markdown]
# **04.1.** The noise collected on the plateau does not depend on the start as long as M is small. Its variance is ε/N in
# each entry. What matters is its size relative to the start: a start three times as large is turned by a third of the
# angle, and 1 − cos, which is half of the angle squared where it is small, falls by about a factor of nine. `blur_law`
# averages over the noise for a given start √N M(0).

# %%
small = np.sqrt(2) * np.array([[0.8], [0.6]])
answer, _ = ql.blur_law(pair, eta, 3 * small)
assert ql.check("04.1", answer)
print(f"{answer:.4f}, for the start of the figure {ql.blur_law(pair, eta, small)[0]:.4f}")

# %% [markdown]
# **04.2.** The pair (J, J′) is a point in the plane, of Gaussian law: its direction is uniform. The student starts on the
# side of the sign of J and ends on that of J + √ε J′. The lines J = 0 and J + √ε J′ = 0 cut the plane into four sectors.
# The normals of the two lines are (1, 0) and (1, √ε), and the angle between them is arctan √ε. In the two sectors of
# that angle the signs differ, which is a share of 2 arctan(√ε)/2π.

# %%
epsilon = ql.escape_law(ql.Task(1, 1), 1000, eta).v_eff - 1
answer = np.arctan(np.sqrt(epsilon)) / np.pi
assert ql.check("04.2", answer)
print(f"ε = {epsilon:.3f}, share {answer:.4f}")

# %% [markdown]
# **04.3.** The answer is (b). Rotate the units: W → RW with RᵀR = I. Then M → RM and Q⊥ → RQ⊥Rᵀ, and R drops out of
# MᵀQ⊥⁻¹M. The solution √(p/p\*) O W\* becomes √(p/p\*) RO W\*, which is another one. A quantity that is the same for
# both cannot say which of them is reached. (a) says something true about SGD, but gradient flow has no noise and
# chooses all the same; (c) is true of the size of $\mathcal{I}$ and irrelevant. What tells the two starts apart is the orientation
# of M, its polar factor.

# %%
answer = "b"
assert ql.check("04.3", answer)

# %% [markdown]
# **04.4.** Rotations of p dimensions have p(p − 1)/2 parameters, one for each pair of axes. All solutions are reached
# from one of them by rotating the units. A solution W = √(p/p\*) O W\* spans p\* of the p dimensions of unit space; a
# rotation of the other p − p\* dimensions does nothing to it, and these rotations have (p − p\*)(p − p\* − 1)/2
# parameters. For p = 6, p\* = 4 that leaves the dimension given in the notebook:

# %%
p, k = 6, 4
answer = [p * (p - 1) // 2, (p - k) * (p - k - 1) // 2]
assert ql.check("04.4", answer)
print(
    answer,
    "difference",
    answer[0] - answer[1],
    "and p p* − p*(p* + 1)/2 =",
    p * k - k * (k + 1) // 2,
)

# %% [markdown]
# **04.5.** Put Q = qI + δ into Q′ = −4η(sQ + 2Q²/p). Since δ is traceless, s = tr Q/p − 1 = q − 1 does not change to
# first order, and Q² = q²I + 2qδ. The terms with δ are
#
# $$\delta' = -4\eta \left( s + \frac{4q}{p} \right) \delta = -\frac{8\eta q}{p}\, \delta ,$$
#
# because s + 2q/p = 0 on the plateau. There q = p/(p + 2), so the rate is 8η/(p + 2). The drift of the library agrees:

# %%
p = 4
answer = 8 * eta / (p + 2)
assert ql.check("04.5", answer)
q, delta = p / (p + 2), 1e-6 * np.diag([1.0, -1.0, 0.0, 0.0])
state = ql.Overlaps(q * np.eye(p) + delta, np.zeros((p, 2)))
dQ, _ = ql.drift(ql.Task(p, 2), state, eta, gradient_noise=False)
print(f"{answer:.5f}, measured {-dQ[0, 0] / delta[0, 0]:.5f}")

# %% [markdown]
# **04.6.** The answer is (b). The larger teacher unit is learned first. Its column of M keeps the direction of its start: while it grows, the
# other one is still small. The solutions have orthogonal columns, so the second column, which is learned later, can only
# use what is left of its start orthogonal to the first. Its cosine is therefore the sine of the angle between the two
# columns at the start. The polar factor treats both columns alike; so for T ≠ I the end is not the closest solution.

# %%
task = ql.Task(4, 2, T=[1.3, 0.7])
M = ql.random_overlaps(task, 10**8, rng=5).M
run = ql.integrate(task, ql.Overlaps(np.eye(4), M), eta=0.1, alpha=[400.0], gradient_noise=False)
unit = M / np.linalg.norm(M, axis=0)
end = run.M[-1] / np.linalg.norm(run.M[-1], axis=0)
closest = (unit * ql.polar_factor(M)).sum(0)
print("flow", (unit * end).sum(0).round(4))
print("closest solution", closest.round(4))
print("sine of the angle at the start", np.sqrt(1 - (unit[:, 0] @ unit[:, 1]) ** 2).round(4))
answer = "b"
assert ql.check("04.6", answer)
