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
# # Solutions of 05 The landscape
#
# The questions are in the [notebook](../05_landscape.ipynb). Try them there first: the checks give hints.

# %%
import numpy as np

import quadlib as ql
from quadlib.notation import number


def at_rest(task, q):
    """Overlaps with nothing learned: M = 0, Q = q I."""
    return ql.Overlaps(q * np.eye(task.p), np.zeros((task.p, task.p_star)))


# %% [markdown]
# **05.1.** Each of the p units may turn towards each of the p\* teacher units: p p\* directions lead down, on the plateau
# and also at the start. At the start Q = I is longer than on the plateau and the slopes are less steep, but they have the
# same sign.

# %%
task = ql.Task(6, 3)
spectra = [ql.hessian_spectrum(task, at_rest(task, q), 1000) for q in (ql.plateau(task).q, 1.0)]
answer = [spectrum.index for spectrum in spectra]
assert ql.check("05.1", answer)
print(*answer, "lowest eigenvalues", *(number(s.values[0]) for s in spectra))

# %% [markdown]
# **05.2.** A unit that turns towards teacher unit r gains in proportion to T<sub>r</sub>: equation
# [(7.4)](../../docs/theory.md#eq-7-4) gives −4T<sub>r</sub>/(p p\*), p times for each r. The deeper one belongs to the larger T<sub>r</sub>.
# Its overlap grows faster, so this teacher unit is learned first, as [notebook 06](../06_beyond.ipynb) shows.

# %%
task = ql.Task(4, 2, T=[1.5, 0.5])
spectrum = ql.hessian_spectrum(task, at_rest(task, ql.plateau(task).q), 1000)
answer = spectrum.values[spectrum.values < 0]
assert ql.check("05.2", answer)
for value, often in zip(answer, spectrum.multiplicities, strict=False):
    print(number(value), "occurs", often, "times")

# %% [markdown]
# **05.3.** The manifold of solutions has p p\* − p\*(p\* + 1)/2 = 9 dimensions, whose tangents are flat. Each of the
# p − p\* = 2 units that are zero may move in N − p\* = 997 directions outside the span of the teacher, which is flat to
# second order: 1994 directions. The library counts the same.

# %%
p, k, N = 5, 3, 1000
solution = ql.Overlaps(p / k * np.diag([1.0] * k + [0.0] * (p - k)), np.sqrt(p / k) * np.eye(p, k))
answer = ql.hessian_spectrum(ql.Task(p, k), solution, N).nullity
assert ql.check("05.3", answer)
print(answer, "=", p * k - k * (k + 1) // 2, "+", (p - k) * (N - k))

# %% [markdown]
# **05.4.** Along an eigenvector of the Hessian with eigenvalue h the gradient of the loss is h times the displacement. So
# the displacement obeys v′ = −η p h v, and grows at the rate −η p h. With h = −4/(p p\*) this is 4η/p\*, the growth rate
# of M on the plateau ([notebook 02](../02_escape.ipynb)). The number of units has dropped out.

# %%
eta, p, k = 0.05, 4, 2
lowest = ql.hessian_spectrum(
    ql.Task(p, k), at_rest(ql.Task(p, k), ql.plateau(ql.Task(p, k)).q), 1000
)
answer = -eta * p * lowest.values[0]
assert ql.check("05.4", answer)
print(number(answer), "and 4η/p*:", number(4 * eta / k))

# %% [markdown]
# **05.5.** At the solution b = 0. If a unit that is zero becomes ε v with a unit vector v, then b = ε² vᵀv/p, a matrix with
# the single eigenvalue ε²/p. So (tr b)² = tr b² = ε⁴/p², and L = ½ (tr b)² + tr b² = (3/2) ε⁴/p². There is no term of
# second order: the unit does not feel anything until it is long.

# %%
eps, p, k = 0.1, 4, 2
answer = 1.5 * eps**4 / p**2
assert ql.check("05.5", answer)
Q = p / k * np.diag([1.0, 1.0, (eps**2) * k / p, 0.0])
loss = ql.loss(ql.Task(p, k), ql.Overlaps(Q, np.sqrt(p / k) * np.eye(p, k)))
print(number(answer, 4), "and the library:", number(loss, 4))

# %% [markdown]
# **05.6.** The answer is (b). The loss of a surplus unit of squared length a is proportional to a², so the force that
# shortens it is proportional to a itself, and a′ ∝ −a². The solution of that is a ∝ 1/α, and the loss falls as 1/α². With
# p = p\* every direction out of the manifold has a positive eigenvalue, and the approach is exponential. (a) is wrong
# because nothing happens along the manifold once the loss is zero, and (c) because a minimum with zero loss has no
# negative eigenvalue: the loss cannot be negative.

# %%
answer = "b"
assert ql.check("05.6", answer)
