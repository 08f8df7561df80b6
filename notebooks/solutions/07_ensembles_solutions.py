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
# # Solutions of 07 Ensembles
#
# The questions are in the [notebook](../07_ensembles.ipynb). Try them there first: the checks give hints.

# %%
import numpy as np
from scipy.special import polygamma

import quadlib as ql
from quadlib.notation import number

task, eta = ql.Task(p=2, p_star=1), 0.1

# %% [markdown]
# **07.1.** The mean grows by ln(10)/2r for every factor of ten in N. At N = 10¹² it is known from the law; the difference to
# 55, divided by ln(10)/2r, is the number of decades that are missing.

# %%
law = ql.escape_law(task, 10**12, eta)
answer = 12 + (55 - law.mean) * 2 * law.rate / np.log(10)
assert ql.check("07.1", answer)
N = round(10**answer)
ten = ql.escape_times(task, eta=eta, N=N, runs=10, seed=(1, 7), method="diffusion", progress=False)
print(
    f"log₁₀ N = {answer:.3f}; ten runs: mean {ten.mean():.1f} ± {ten.std(ddof=1) / np.sqrt(10):.1f}"
)

# %% [markdown]
# **07.2.** The variance of n Gaussian numbers, computed from them, has the relative standard error √(2/n); the standard
# deviation, its root, has half of that: 1/√(2n). It is 1 % for n = 1/(2 · 0.01²).

# %%
answer = 1 / (2 * 0.01**2)
assert ql.check("07.2", answer)
print(number(answer, 4))

# %% [markdown]
# **07.3.** The answer is (b). With one seed run i at N = 10⁹ and run i at N = 10¹² use the same random numbers, and on the
# plateau their overlaps are the same up to the factor of √N. So their escape times differ by the same amount in every run:
# the *difference* of the means hardly fluctuates, but each mean has its whole error, and both have the same one. The error
# bar computed from the two spreads describes independent runs. Put N into the seed:

# %%
answer = "b"
assert ql.check("07.3", answer)
how = dict(eta=eta, runs=100, method="diffusion", progress=False)
for name, seeds in {"one seed": (1, 1), "N in the seed": ((1, 10**9), (1, 10**12))}.items():
    pair = [
        ql.escape_times(task, N=N, seed=s, **how)
        for N, s in zip((10**9, 10**12), seeds, strict=True)
    ]
    print(f"{name}: correlation of the escape times {number(np.corrcoef(*pair)[0, 1], 2)}")

# %% [markdown]
# **07.4.** |M|² starts as v/N times a chi-square variable with p p\* degrees of freedom and grows as e^{2rα}. It reaches a
# fixed size at α<sub>esc</sub> = const − ln(χ²)/2r. The variance of the logarithm of a chi-square variable with n degrees of freedom
# is ψ₁(n/2). So the standard deviation of the escape time is √ψ₁(p p\*/2)/2r. Neither N nor the size v of the noise
# is in it. The law of the library is the same within its accuracy.

# %%
rate = ql.plateau(task, eta).escape_rate
answer = np.sqrt(polygamma(1, task.p * task.p_star / 2)) / (2 * rate)
assert ql.check("07.4", answer)
print(f"{answer:.3f}, law {law.std:.3f}")

# %% [markdown]
# **07.5.** A unit of α has N samples, and each of them is a step of the chain: 10¹² times the mean escape time. The
# diffusion does the same run in milliseconds, because its steps have a fixed length in α.

# %%
answer = 10**12 * law.mean * 1e-7 / (24 * 3600)
assert ql.check("07.5", answer)
print(f"{answer:.0f} days")
