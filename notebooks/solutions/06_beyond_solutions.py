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
# # Solutions of 06 Beyond
#
# The questions are in the [notebook](../06_beyond.ipynb). Try them there first: the checks give hints.

# %%
import numpy as np

import quadlib as ql
from quadlib.notation import number

# %% [markdown]
# **06.1.** The order of learning follows the size of T<sub>r</sub> and not the numbering of the units: the growth rate on the plateau
# increases with T<sub>r</sub> (equation [(3.4)](../../docs/theory.md#eq-3-4)). Now the third unit is the largest, so it comes first.

# %%
T = np.array([0.4, 1.0, 1.6])
task = ql.Task(6, 3, T=list(T))
alpha = np.linspace(0, 900, 451)
run = ql.integrate(task, ql.random_overlaps(task, 10**6, rng=0), eta=0.05, alpha=alpha)
learned = (run.M**2).sum(-2) * 3 / (6 * T**2)
half = alpha[(learned > 0.5).argmax(0)]
answer = 1 + np.argsort(half)
assert ql.check("06.1", answer)
print("half learned at α =", half, "order", answer)

# %% [markdown]
# **06.2.** φ sums over the two teacher units: φ = (2η/p\*) Σ T<sub>r</sub>/(1 − 4ηT<sub>r</sub>/p\*). It does not contain p. With η = 0.1,
# p\* = 2 the two terms are 1.5/0.7 and 0.5/0.9, and the floor is (ν/2)/(1 − φ). The library computes the same.

# %%
eta, noise = 0.1, 0.01
phi = 2 * eta / 2 * sum(t / (1 - 4 * eta * t / 2) for t in (1.5, 0.5))
answer = noise / 2 / (1 - phi)
assert ql.check("06.2", answer)
law = ql.late_time_law(ql.Task(4, 2, T=[1.5, 0.5], label_noise=noise), eta)
print(number(answer, 4), "and the library:", number(law.floor, 4))

# %% [markdown]
# **06.3.** The balance is L = ν/2 + φL: the loss consists of what no weights can avoid and of the excess that the noise of
# the gradient keeps up, and this noise is proportional to E[Δ²] = 2L. So L = (ν/2)/(1 − φ). It is three times ν/2 where
# φ = 2/3. For p\* = 2 and T = I, φ = 2η/(1 − 2η), and 2η = (2/3)(1 − 2η) gives η = 1/5, four fifths of η<sub>c</sub>.

# %%
answer = 1 / 5
assert ql.check("06.3", answer)
law = ql.late_time_law(ql.Task(2, 2, label_noise=0.01), answer)
print("floor over ν/2:", number(law.floor / 0.005))

# %% [markdown]
# **06.4.** The answer is (a). Near zero loss the excess of the loss sustains φ times itself. With φ < 1 an excess dies out,
# and label noise only keeps up a multiple of ν/2. With φ > 1 every excess grows by its own noise, with or without label
# noise. (b) mixes up two learning rates: the last plateau lies above η<sub>c</sub> for p > p\*. (c) is wrong: below η<sub>c</sub> the weights
# stay bounded, and above it they may do so too, at a finite loss.

# %%
answer = "a"
assert ql.check("06.4", answer)

# %% [markdown]
# **06.5.** η<sub>c</sub> = p\*/(2(p\* + 2)) does not contain p. Close to a solution Δ is made by the errors of the p\* combinations of
# units that fit the teacher; how many units carry them does not matter. The other two learning rates grow with p: on the
# plateau more units make a smaller error, and less noise.

# %%
rates = [ql.learning_rates(ql.Task(p, 2)) for p in (2, 4, 8)]
answer = [rate.critical for rate in rates]
assert ql.check("06.5", answer)
for p, rate in zip((2, 4, 8), rates, strict=True):
    print(f"p = {p}: η_c = {rate.critical:.4f}, η_d = {rate.runaway:.4f}, η_p = {rate.plateau:.4f}")
