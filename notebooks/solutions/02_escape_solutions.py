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
# # Solutions of 02 The escape from the plateau
#
# The questions are in the [notebook](../02_escape.ipynb). Try them there first: the checks give hints.

# %%
import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import polygamma

import quadlib as ql
from quadlib.notation import number

task, eta = ql.Task(p=4, p_star=2), 0.05
rate = ql.plateau(task, eta).escape_rate

# %% [markdown]
# **02.1.** α counts samples in units of N, so the number of samples is N times the mean of the law. The mean grows as
# ln N/(2r): doubling N adds ln 2/(2r) to α, which is not much. The number of samples a little more than doubles.

# %%
law = ql.escape_law(task, 10**6, eta)
answer = [10**6 * law.mean, np.log(2) / (2 * rate)]
assert ql.check("02.1", answer)
print(*(number(x, 4) for x in answer), sep=", ")

# %% [markdown]
# **02.2.** The growth rate is an attribute of the plateau; we look for its maximum. At large N the escape is mostly waiting
# for M to grow, ln N/(2r), so the shortest mean escape time is near it; the rest of the escape shifts it a little.

# %%
found = minimize_scalar(lambda e: -ql.plateau(task, e).escape_rate, bounds=(0.05, 0.29))
grid = np.linspace(0.17, 0.25, 5)
means = [ql.escape_law(task, 10**6, e).mean for e in grid]
print(f"shortest mean escape time at η = {grid[np.argmin(means)]:.2f}")

answer = found.x
assert ql.check("02.2", answer)
print(number(answer, 4))

# %% [markdown]
# **02.3.** ‖M(0)‖² is v<sub>eff</sub>/N times a sum χ² of n = p p\* squares of standard Gaussians. It grows as exp(2rα), and the escape
# happens when it has reached some value of order one: 2r α<sub>esc</sub> = const − ln χ². The variance of ln χ² is ψ₁(n/2), so
# the standard deviation of α<sub>esc</sub> is √ψ₁(n/2)/(2r), with n = 8.
#
# The law has a larger one for p\* = 2, and the same for p\* = 1. With two units in the teacher half of the loss is not
# gone before a second direction has grown, whose start may be much smaller than ‖M(0)‖.

# %%
for p, k in ((4, 1), (4, 2), (16, 2)):
    law = ql.escape_law(ql.Task(p, k), 10**8, eta)
    alone = np.sqrt(polygamma(1, p * k / 2)) / (2 * law.rate)
    print(f"p = {p:2d}, p* = {k}: ‖M‖ alone {alone:.2f}, law {law.std:.2f}")

answer = np.sqrt(polygamma(1, task.p * task.p_star / 2)) / (2 * rate)
assert ql.check("02.3", answer)
print(number(answer, 4))

# %% [markdown]
# **02.4.** By [(3.2)](../../docs/theory.md#eq-3-2), e^(−2∫r) from 0 to α is (q₀/q(α)) e^(−8ηα/p\*), to lowest order in η. With
# q₀ = 1 the integral for the excess is
#
# $$ v_{\rm eff} - 1 = \int_0^\infty \frac{D}{q}\, e^{-8\eta\alpha/p^\star} d\alpha
#    = \eta \int_0^\infty 4 B(q)\, e^{-8x/p^\star} dx , \qquad x = \eta\alpha . $$
#
# The factor q in D cancels, η² becomes η because the kicks are collected for a time 1/η, and what is left is a number. We
# compare it with the law at small η.

# %%
p, k = 4, 2
x = np.linspace(0, 20, 20_001)
end = p / (p + 2)
q = end / (1 - (1 - end) * np.exp(-4 * x))
B = q**2 * (p + 2) * (p + 4) / p**2 - 2 * q * (p + 2) * (k + 2) / (p * k) + (k + 2) * (k + 4) / k**2
for e in (0.1, 0.01, 0.001):
    print(f"η = {e}: (v_eff − 1)/η = {(ql.escape_law(task, 10**6, e).v_eff - 1) / e:.3f}")

answer = np.trapezoid(4 * B * np.exp(-8 * x / k), x)
assert ql.check("02.4", answer)
print(number(answer, 4))

# %% [markdown]
# **02.5.** The answer is (b).
#
# √N ‖M(0)‖ is the length of a vector of p p\* standard Gaussians, at every N. Its logarithm is what is random in α<sub>esc</sub>, apart
# from a fixed number of directions; ln N itself only shifts the mean. (a) is wrong: the exact chain at N = 3000 has the same
# spread as the diffusion at N = 10¹². (c) is wrong because noise that is collected late is not amplified any more: the
# integral for v<sub>eff</sub> converges within a time 1/(2r). (d) is wrong: the population loss is a function of the overlaps.

# %%
answer = "b"
assert ql.check("02.5", answer)

# %% [markdown]
# **02.6.** For p → ∞ the ratio ρ = (p + 4)/(p + 2) tends to 1, and [(3.6)](../../docs/theory.md#eq-3-6) to
# 1/(2√(h − 1)) with h = 1 + 2/p\*, that is √(p\*/8). With infinitely many units the student's answer on the plateau is no
# longer random: it is q. But the teacher's answer still is, so the error is, and this noise alone makes the norms grow.

# %%
print(f"for comparison, p = 64: {ql.learning_rates(ql.Task(64, 2)).plateau:.3f}")

answer = np.sqrt(task.p_star / 8)
assert ql.check("02.6", answer)
print(number(answer, 4))
