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
# # 05 The landscape
#
# Why does the loss rest on a plateau, and what lies around the solutions?
#
# **What you will learn.** The plateau is a saddle: out of the p N directions in which the weights can move,
# exactly p p\* lead down. Zero-loss solutions are minima with many flat directions, of two kinds: some lead
# along the manifold of solutions, along the others the loss grows only with the fourth power of the distance.
# On a finite sample of data, the directions that lead down can be seen once there are enough samples per
# dimension.
#
# **You need** the overlaps Q and M and the plateau ([notebook 00](00_tour.ipynb), [notebook 02](02_escape.ipynb)), and second
# derivatives of a function of many variables: the Hessian, its eigenvalues, saddle and minimum.
#
# **Time.** About 50 minutes, and 50 for the exercises.
#
# | here | in the library | meaning |
# |---|---|---|
# | student, teacher | `Task(p, p_star)` | two networks, of p and p\* quadratic units |
# | w = W/√N | `Weights.W / sqrt(N)` | the coordinates in which we differentiate: one row of N numbers for each unit |
# | Q, M | `Overlaps` | wwᵀ and ww\*ᵀ, all that the loss depends on |
# | Hessian | `hessian_spectrum` | matrix of the p N × p N second derivatives of the population loss |
# | index | `Spectrum.index` | number of negative eigenvalues: directions that lead down |
# | nullity | `Spectrum.nullity` | number of eigenvalues that are zero: flat directions |
# | plateau | `plateau` | no overlap with the teacher: M = 0, Q = q I |
# | solution | | zero loss: wᵀw/p = w\*ᵀw\*/p\* |
# | empirical Hessian | `empirical_hessian_operator` | second derivatives of the loss on n samples |

# %%
import numpy as np

import quadlib as ql
from quadlib import claims, plotting
from quadlib.notation import number


def on_plateau(task):
    """Overlaps on the plateau of gradient flow."""
    return ql.Overlaps(ql.plateau(task).q * np.eye(task.p), np.zeros((task.p, task.p_star)))


def solution(task):
    """Overlaps of a zero-loss solution for T = I: p* units fit the teacher, the others are zero."""
    size = np.sqrt(task.p / task.p_star)
    fit = size * np.eye(task.p, task.p_star)
    return ql.Overlaps(fit @ fit.T, fit)


# %% [markdown]
# ## A small problem for p N unknowns
#
# The loss depends on the weights only through Q = wwᵀ and M = ww\*ᵀ. Split a displacement of the weights into
# the part inside the span of the rows of w and w\*, which has p + p\* dimensions, and the part outside. The
# Hessian does not mix the two, and outside all directions are alike. So its p N eigenvalues are those of one
# matrix of size p (p + p\*), and p more, each of which occurs N − p − p\* times (equations
# [(7.1)](../docs/theory.md#eq-7-1) to [(7.3)](../docs/theory.md#eq-7-3)). A spectrum at N = 10¹² costs as much
# as one at N = 20.
#
# On the plateau all p units are alike, and nothing has been learned of the p\* teacher units.

# %%
leads_down = ql.predict(
    "How many of the p N directions lead down on the plateau, p = 4, p* = 2, N = 10¹²?"
)
leads_down

# %%
task = ql.Task(p=4, p_star=2)
saddle = on_plateau(task)
for N in (20, 10**6, 10**12):
    spectrum = ql.hessian_spectrum(task, saddle, N)
    print(f"N = {number(N)}: {number(4 * N)} eigenvalues, index {spectrum.index}")
    for value, count in zip(spectrum.values, spectrum.multiplicities, strict=True):
        print(f"   {number(value):>6}  × {count:,}".replace(",", "\u202f"))
leads_down.compare(spectrum.index, "p p*, whatever N is")

# %% [markdown]
# **Verdict.** The index is p p\* = 8 at every N: each unit may turn towards each teacher unit. The lowest
# eigenvalue is −4/(p p\*) (equation [(7.4)](../docs/theory.md#eq-7-4)). The rest of the space, nearly all of it,
# is flat to second order at the plateau: a unit that turns within the N − p − p\* dimensions in which nothing is
# to be learned changes no output on average.
#
# Compare with a zero-loss solution.

# %%
N = 10**4
fig, axes = plotting.figure(2)
words = []
for ax, (name, state) in zip(
    axes, {"plateau": saddle, "solution": solution(task)}.items(), strict=True
):
    spectrum = ql.hessian_spectrum(task, state, N)
    plotting.spectrum_bars(ax, spectrum)
    ax.set(title=f"{name}, N = {number(N)}", xlim=(-1, 2.5))
    words.append(
        f"{name}: {spectrum.index} eigenvalues below zero, {number(spectrum.nullity)} zeros of {number(4 * N)}"
    )
    print(words[-1])
plotting.Picture(fig, plotting.sentence("multiplicity against eigenvalue", *words))

# %% [markdown]
# **What to see.** Each stem is one eigenvalue, its height is how often it occurs (on a logarithmic scale); the
# stem below zero has a colour of its own. The solution has none: it is a minimum, but one with a large flat
# space.
#
# **Exactly zero, or nearly.** The zeros above belong to the plateau of gradient flow. At a finite learning rate
# the plateau lies a little higher, because gradient noise makes the weights longer, and a run is never exactly
# on it. The flat eigenvalues are then small instead of zero: they are (2/p)(s + 2q/p) with s = q − 1, and on the
# plateau of SGD s + 2q/p is of the order of η (equation [(3.3)](../docs/theory.md#eq-3-3)). So the explorer
# below, which follows a run at η = 0.05, counts no eigenvalue that *is* zero where this figure counts nearly
# all of them.

# %%
noisy = ql.Overlaps(ql.plateau(task, eta=0.05).q * np.eye(4), np.zeros((4, 2)))
for name, state in {"gradient flow": saddle, "SGD at η = 0.05": noisy}.items():
    spectrum = ql.hessian_spectrum(task, state, N)
    most = spectrum.multiplicities.argmax()
    print(f"plateau of {name}: {number(spectrum.nullity)} zeros; the commonest eigenvalue is "
          f"{number(spectrum.values[most])}, {number(int(spectrum.multiplicities[most]))} times")  # fmt: skip

# %% [markdown]
# ## Three directions
#
# Take a displacement V of length one and follow the loss along w + εV:
#
# - *negative*: from the plateau, one unit moves towards one teacher unit;
# - *surplus*: from a solution, a unit that is zero moves out of the teacher's span;
# - *tangent*: from a solution, two units are rotated into each other. The rotation stays on the manifold of
#   solutions; the straight line along its tangent leaves it.
#
# Along the negative direction the loss falls as ½ · 4/(p p\*) ε². The other two are flat: the Hessian
# says zero. What the loss does beyond second order, it does not say.

# %%
power = ql.predict("Along the surplus direction the loss grows as ε to the power …?")
power

# %%
straight = ql.predict(
    "And along the straight tangent of the manifold of solutions?",
    ["the loss stays zero", "it grows as ε²", "it grows as ε⁴"],
)
straight

# %%
small = ql.Task(p=3, p_star=1)
rng = np.random.default_rng(0)
solved = solution(small).weights(small, 20, rng)
stuck = on_plateau(small).weights(small, 20, rng)

negative = np.zeros((3, 20))
negative[0] = stuck.W_star[0] / np.linalg.norm(stuck.W_star[0])
surplus = np.zeros((3, 20))
surplus[-1] = np.linalg.svd(np.vstack([solved.W, solved.W_star]))[2][-1]  # outside both spans
tangent = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]) @ solved.W
tangent /= np.linalg.norm(tangent)


def losses(weights, V, eps):
    """Loss at w + εV for each ε."""
    moved = (ql.Weights(weights.W + e * np.sqrt(20) * V, weights.W_star) for e in eps)
    return np.array([ql.loss(small, there.overlaps) for there in moved])


def rotated(eps):
    """Turn the first two units into each other, by the angle that moves the weights by ε."""
    angle = eps * np.sqrt(20) / np.linalg.norm(solved.W)
    turn = np.eye(3)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return ql.Weights(turn @ solved.W, solved.W_star)


eps = np.geomspace(0.01, 1.0, 30)
drop = ql.loss(small, stuck.overlaps) - losses(stuck, negative, eps)
along = {"surplus": losses(solved, surplus, eps), "tangent": losses(solved, tangent, eps)}
circle = max(ql.loss(small, rotated(e).overlaps) for e in eps)

fig, ax = plotting.figure(width=7.0)
ax.loglog(
    eps, drop, color=plotting.PALETTE["negative"], lw=2, label="negative: drop below the plateau"
)
ax.loglog(eps, along["surplus"], color=plotting.PALETTE["ode"], lw=5, label="surplus: loss")
ax.loglog(eps[::3], along["tangent"][::3], "o", mfc="white", color=plotting.PALETTE["ode"],
          label="straight tangent: loss, on the same line")  # fmt: skip
bound = dict(color=plotting.PALETTE["theory"], ls=":", lw=1.2)
ax.loglog(eps, 2 / 3 * eps**2, label="predicted, ε² and ε⁴", **bound)
ax.loglog(eps, 1.5 / 9 * eps**4, **bound)
ax.set(xlabel="distance ε", ylabel="loss or drop", ylim=(1e-9, 2))
ax.legend()
few = slice(0, 15)
slopes = [np.polyfit(np.log(eps[few]), np.log(y[few]), 1)[0] for y in (drop, *along.values())]
plotting.Picture(
    fig,
    f"Loss against distance, both logarithmic: it falls with exponent {slopes[0]:.2f} along the "
    f"negative direction and grows with exponents {slopes[1]:.2f} and {slopes[2]:.2f} along surplus "
    "and straight tangent, which coincide.",
)

# %%
print("exponents: negative {:.2f}, surplus {:.2f}, straight tangent {:.2f}".format(*slopes))
print(f"negative: drop/ε² = {drop[0] / eps[0] ** 2:.4f}, predicted {2 / 3:.4f}")
print(f"surplus: loss/ε⁴ = {along['surplus'][-1] / eps[-1] ** 4:.4f}, predicted {1.5 / 9:.4f}")
print(f"largest loss along the rotation itself: {number(circle, 1)}")
power.compare(round(slopes[1], 2), "flat to second order, and the third order vanishes")
straight.compare("it grows as ε⁴", "the straight line leaves the curved manifold")

# %% [markdown]
# **Verdict.** The rotation costs nothing, to rounding. The straight line along its tangent does: it leaves the
# manifold by a distance of order ε², and the loss is quadratic in that, hence of fourth order. The markers lie on
# the thick line because one formula holds along every flat direction. So the Hessian cannot tell the two kinds of
# flat direction apart. Their numbers differ, though: p p\* − p\*(p\* + 1)/2 are tangent to the manifold, whatever
# N is ([notebook 04](04_implicit_bias.ipynb)), and (p − p\*)(N − p\*) belong to surplus units. The latter make the
# approach to zero loss slow when p > p\*: a quartic valley has no restoring rate, and the loss falls as 1/α²
# instead of exponentially ([notebook 03](03_overparameterization.ipynb), equation [(6.8)](../docs/theory.md#eq-6-8)).
#
# ## Along a run
#
# A run starts at random, close to M = 0, so the p p\* directions of descent are there from the beginning.

# %%
after = ql.predict("How many directions of steep descent are left after the escape?")
after

# %%
start = ql.random_overlaps(task, N, rng=1)
run = ql.integrate(task, start, eta=0.05, alpha=np.linspace(0, 120, 121), rtol=1e-10)
spectra = [
    ql.hessian_spectrum(task, ql.Overlaps(Q, M), N) for Q, M in zip(run.Q, run.M, strict=True)
]
lowest = np.array([spectrum.values[0] for spectrum in spectra])
steep = [int(s.multiplicities[s.values < -0.05].sum()) for s in spectra]

fig, (left, right) = plotting.figure(2)
plotting.loss_curves(left, run, label="loss")
plotting.plateau_line(left, ql.plateau(task, 0.05).loss)
left.plot(run.alpha, lowest, color=plotting.PALETTE["negative"], label="lowest eigenvalue")
left.axhline(0, color="0.6", lw=0.8)
left.set(ylabel="loss, eigenvalue", ylim=(-0.75, 0.85))
left.legend()
right.step(run.alpha, steep, where="mid", color=plotting.PALETTE["negative"])
right.set(xlabel="α = samples / N", ylabel="eigenvalues below −0.05", ylim=(0, 9))
escape = run.escape_time()
plotting.Picture(
    fig,
    f"Left: the loss leaves the plateau at α = {escape:.0f}, where the lowest eigenvalue rises "
    f"from {number(lowest[20], 2)} to {number(lowest[-1], 1)}. Right: eigenvalues below −0.05: {steep[0]} at the "
    f"start, {steep[20]} on the plateau, {steep[-1]} at the end.",
)

# %%
print(f"escape at α = {escape:.0f}; eigenvalues below −0.05 at α = 0, 20, 120:",
      *(steep[i] for i in (0, 20, 120)))  # fmt: skip
after.compare(steep[-1], "all p p* of them are used up")

# %% [markdown]
# **Verdict.** There are p p\* = 8 directions of steep descent at the start and on the plateau, and none after
# the escape: they are used up as the units align with the teacher. We count eigenvalues below −0.05 and not below
# zero, because for p > p\* the run never ends: on the power law the surplus units leave tiny negative
# eigenvalues, which vanish only in the limit. (The lowest one deepens first, while the norms adjust.)
#
# SGD at finite N sees the same saddle. Here is one run of the exact chain, at its start and on its plateau:

# %%
method = ql.if_compiled("overlaps", "diffusion")  # many samples at a time, in the browser say
how = dict(eta=0.02, alpha=[0.0, 40.0], N=N, method=method, progress=False)
sgd = ql.simulate(task, None, rng=1, **how)
for alpha, Q, M in zip(sgd.alpha, sgd.Q, sgd.M, strict=True):
    spectrum = ql.hessian_spectrum(task, ql.Overlaps(Q, M), N)
    print(
        f"α = {alpha:.0f}: index {spectrum.index}, lowest eigenvalue {number(spectrum.values[0])}"
    )

# %% [markdown]
# ## With a finite sample
#
# In practice the Hessian is measured on n samples. Each sample adds a random matrix of rank p, and the flat
# eigenvalues spread into a bulk. The directions that lead down show only if they stand clear of it: a transition
# in n/N (Baik, Ben Arous and Péché; for this network at a random start see
# [arXiv:2510.18435](https://arxiv.org/abs/2510.18435)). The bulk shrinks as n/N grows, and the outliers approach
# −4/(p p\*).

# %%
outliers = ql.predict(
    "With p = 2, p* = 1 and 64 samples per dimension: how many eigenvalues stand clear below the bulk?"
)
outliers

# %%
pair = ql.Task(p=2, p_star=1)
ratios = np.array([2, 4, 8, 16, 32, 64])


def sampled(ratio, N=100):
    """Eigenvalues of the plateau's Hessian on ratio · N samples, fresh ones for each ratio."""
    rng = np.random.default_rng((5, ratio))
    weights = on_plateau(pair).weights(pair, N, rng)
    X = rng.standard_normal((ratio * N, N))
    operator = ql.empirical_hessian_operator(weights, X)
    return np.linalg.eigvalsh(operator @ np.eye(pair.p * N))


spectra = {int(ratio): sampled(int(ratio)) for ratio in ratios}
fig, (left, right) = plotting.figure(2)
for ratio, style in ((4, "--"), (64, "-")):
    left.hist(spectra[ratio], np.linspace(-4, 4, 81), histtype="step", lw=1.5, ls=style,
              color=plotting.PALETTE["sgd"], label=f"n/N = {ratio}")  # fmt: skip
left.axvline(-2, label="population, −4/(p p*)", **bound)
left.set(xlabel="eigenvalue", ylabel="count", yscale="log", ylim=(0.8, 300))
left.legend(fontsize="small")
for i, (label, marker) in enumerate({"lowest": "o-", "second": "s-", "third": "^:"}.items()):
    color = plotting.PALETTE["negative" if i < 2 else "sgd"]
    right.semilogx(
        ratios, [v[i] for v in spectra.values()], marker, label=label, base=2, color=color
    )
right.axhline(-2, **bound)
right.set(xlabel="samples per dimension n/N", ylabel="eigenvalue")
right.set_xticks(ratios, [str(r) for r in ratios])
right.legend(loc="lower right")
first, last = spectra[2], spectra[64]
plotting.Picture(
    fig,
    f"Left: histograms of eigenvalues for n/N = 4 and 64, the second with two separate ones near "
    f"{number(last[0], 2)}. Right: the three lowest eigenvalues against n/N; from the smallest to the "
    f"largest n/N the second goes from {number(first[1], 2)} to {number(last[1], 2)}, the third from "
    f"{number(first[2], 2)} to {number(last[2], 2)}.",
)

# %%
print("n/N = 64: lowest eigenvalues", *(number(value) for value in last[:4]))
outliers.compare(int((last < -1.5).sum()), "p p* again")

# %% [markdown]
# **Verdict.** Two eigenvalues, p p\* of them, separate from the bulk and approach the dotted line; the third
# stays with the bulk. How fast they approach it is measured in the claims below. Products with the empirical
# Hessian cost O(n N p), and `empirical_hessian_operator` never forms the matrix; here is Lanczos' method on a
# larger problem.

# %%
from scipy.sparse.linalg import eigsh

weights = on_plateau(pair).weights(pair, 400, rng=0)
X = np.random.default_rng(1).standard_normal((40 * 400, 400))
operator = ql.empirical_hessian_operator(weights, X)
lowest = np.sort(eigsh(operator, k=3, which="SA", tol=1e-4, return_eigenvectors=False))
print(f"{operator.shape[0]} unknowns, n/N = 40: lowest eigenvalues", *map(number, lowest))

# %% [markdown]
# ## Explore
#
# - **α along the run**: where on the run the Hessian is taken, in percent of its length.
# - **student units p**, **teacher units p\***: the run is that of the ODE from a random start, at η = 0.05.
# - **samples / N**: size of the sample for the spectrum on the right.
#
# Move α from the start over the plateau to the end, and watch the eigenvalues below zero. Then ask how many
# samples per dimension it takes to see them in the picture on the right. The button *data* lists the eigenvalues. (The
# run is at a finite η and never exactly at rest, so that hardly any eigenvalue is zero to the last digit; see
# "Exactly zero, or nearly" above.)

# %%
ql.explorers.landscape()

# %% [markdown]
# ## Exercises
#
# Put your answer in place of the dots and run the cell; it says right, or gives a hint. A number counts as right within
# one part in a thousand, if nothing else is said. The [solutions](solutions/05_landscape_solutions.ipynb) have the way to each answer.
#
# **05.1 (change a number).** What is the index of the plateau for p = 6, p\* = 3? And that of the point M = 0,
# Q = I, where a run starts? Two numbers.

# %%
answer = ...
ql.check("05.1", answer)

# %% [markdown]
# **05.2 (compute).** The teacher has units of unequal length, T = diag(1.5, 0.5), and p = 4. How deep are the two
# kinds of negative eigenvalues on the plateau? Two numbers, the lower first. Which teacher unit is learned first?
# (See [notebook 06](06_beyond.ipynb).)

# %%
answer = ...
ql.check("05.2", answer)

# %% [markdown]
# **05.3 (compute).** How many zero eigenvalues has the Hessian at a solution with p = 5, p\* = 3, N = 1000? Count
# them with the library, then account for them as tangent plus surplus directions.

# %%
answer = ...
ql.check("05.3", answer)

# %% [markdown]
# **05.4 (derive).** Averaged over samples and to first order in η, SGD follows dw/dα = −η p ∇L. At what rate does
# a small overlap M grow on the plateau of gradient flow for p = 4, p\* = 2, η = 0.05? Obtain it from the lowest
# eigenvalue alone, and compare with [notebook 02](02_escape.ipynb).

# %%
answer = ...
ql.check("05.4", answer)

# %% [markdown]
# **05.5 (derive).** The loss is L = ½ (tr b)² + tr b² with the N × N matrix b = wᵀw/p − w\*ᵀw\*/p\*
# ([section 1](../docs/theory.md#section-1)). From a solution with p = 4, p\* = 2 one of the two units that are zero moves
# out of the teacher's span by ε = 0.1. What is the loss then?

# %%
answer = ...
ql.check("05.5", answer)

# %% [markdown]
# **05.6 (explain).** With p > p\* the loss falls as 1/α² at the end, with p = p\* exponentially. Which statement
# says why?
#
# - (a) With p > p\* there are more tangent directions, along which the run drifts without end.
# - (b) With p > p\* a unit that nobody needs has no restoring force to first order in its length, so that it
#   shrinks ever more slowly.
# - (c) With p > p\* the solutions have negative eigenvalues, at which the run is held up.

# %%
answer = ...
ql.check("05.6", answer)

# %% [markdown]
# ## Claims
#
# What this notebook says, measured now: prediction, measurement, verdict.

# %%
claims.table("05_landscape")
