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
# # Solutions of 00 The tour
#
# The questions are in the [notebook](../00_tour.ipynb). Try them there first: the checks give hints.

# %%
import quadlib as ql
from quadlib.notation import number

task, eta = ql.Task(p=4, p_star=2), 0.05

# %% [markdown]
# **00.1.** The law of the escape time takes the task, N and η. Only N differs from the cell with the five calls.

# %%
answer = ql.escape_law(task, 10**9, eta).mean
assert ql.check("00.1", answer)
print(number(answer, 4))

# %% [markdown]
# **00.2.** Time α is the number of samples divided by N, so the number of samples is N times the mean escape time. At
# N = 10³ this is as many as there are in a small collection of images. At N = 10⁹ no data set is large enough: the
# number grows a little faster than N, as N ln N.

# %%
answer = [N * ql.escape_law(task, N, eta).mean for N in (10**3, 10**9)]
assert ql.check("00.2", answer)
print(*(number(x, 4) for x in answer), sep=", ")

# %% [markdown]
# **00.3.** The student's answer is ŷ = (1/p) Σ λᵢ², and λᵢ = wᵢ·x/√N. The chain rule gives the gradient of Δ²/2 with
# respect to wᵢ: Δ times (2/p) λᵢ x/√N. The step of the model is 2η Δ λᵢ x/√N. The two are equal if the raw gradient is
# multiplied by η p.

# %%
answer = eta * task.p
assert ql.check("00.3", answer)
print(number(answer, 4))

# %% [markdown]
# **00.4.** The answer is (c).
#
# (a) would be a time proportional to N. The time α, in which N samples are one unit, does not grow like that: as many
# samples as there are weights are enough for each unit of it. (b) is wrong because the level of the plateau,
# 1/(p + 2) + 1/p\* at small η, does not contain N. (d) is true of a single step, but in a unit of α there are N of
# them. What remains is the start: an overlap of order 1/√N grows to order one at the rate r, which takes the time
# ln(√N)/r = ln N/(2r).

# %%
answer = "c"
assert ql.check("00.4", answer)

# %% [markdown]
# **00.5.** The derivative of L(q) = ½ (q − 1)² + q²/p + 1/p\* is q − 1 + 2q/p. It vanishes at q = 1/(1 + 2/p) =
# p/(p + 2). There q − 1 = −2/(p + 2), and
#
# $$
# L = \frac{2}{(p+2)^2} + \frac{p}{(p+2)^2} + \frac1{p^\star} = \frac1{p+2} + \frac1{p^\star} .
# $$
#
# The weights are a little shorter than those of the teacher. A student that knows only how large the answers are, and
# not in which directions the teacher looks, cannot do better. This is the plateau of gradient flow, equation
# [(3.1)](../../docs/theory.md#eq-3-1) of the theory.

# %%
p, p_star = 4, 2
q = p / (p + 2)
answer = [q, (q - 1) ** 2 / 2 + q**2 / p + 1 / p_star]
assert ql.check("00.5", answer)
level = ql.plateau(task)
print("q and L:", *map(number, answer), "and the library:", *map(number, (level.q, level.loss)))
