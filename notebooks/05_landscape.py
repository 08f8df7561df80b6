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
# **What you will learn.** The plateau is a saddle: exactly p p\* directions lead down, out of the p N
# there are. Zero-loss solutions are minima with many flat directions, of two kinds: some lead along the
# manifold of solutions, along the others the loss grows only with the fourth power of the distance. With a
# finite sample of data, the directions that lead down can be seen once there are enough samples per
# dimension.
#
# **You need** the tour and the meaning of Q and M (notebook 01). About 25 minutes.
#
# | here | in the library | meaning |
# |---|---|---|
# | w = W/√N | `Weights.W / sqrt(N)` | the coordinates in which we differentiate |
# | Hessian | `hessian_spectrum`, `hessian_operator` | second derivatives of the population loss |
# | index | `Spectrum.index` | number of negative eigenvalues |
# | nullity | `Spectrum.nullity` | number of eigenvalues that are zero |
# | plateau | `plateau` | students with no overlap with the teacher: M = 0, Q = q I |
# | empirical Hessian | `empirical_hessian_operator` | second derivatives of the loss on n samples |

# %%
import numpy as np

import quadlib as ql
from quadlib import claims, plotting
from quadlib.claims import landscape as look

# %% [markdown]
# ## A small problem for p N unknowns
#
# The loss depends on the weights only through Q = wwᵀ and M = ww\*ᵀ. Split a displacement of the students
# into the part inside the span of the rows of w and w\*, of dimension p + p\*, and the part outside. The
# Hessian does not mix them, and outside all directions are alike. So the p N eigenvalues are those of one
# matrix of size p (p + p\*), and p more, each of which occurs N − p − p\* times (equations 7.1 to 7.3 of
# `docs/theory.md`).
#
# **Predict.** The spectrum at N = 10¹² costs as much as at N = 20, and the multiplicities add up to p N.
#
# **Run.**

# %%
task = ql.Task(p=4, p_star=2)
top = ql.plateau(task)
saddle = ql.Overlaps(top.q * np.eye(4), np.zeros((4, 2)))

for N in (20, 10**6, 10**12):
    spectrum = ql.hessian_spectrum(task, saddle, N)
    print(f"N = {N}: {spectrum.multiplicities.sum()} eigenvalues, index {spectrum.index}")
    for value, count in zip(spectrum.values, spectrum.multiplicities, strict=True):
        print(f"   {value:8.4f}  × {count}")

# %% [markdown]
# **Verdict.** The index is p p\* = 8 at every N, and the lowest eigenvalue is −4/(p p\*). The rest of the
# space, nearly all of it, is flat to second order at the plateau: a student that turns within the
# N − p − p\* dimensions in which nothing is to be learned changes no output on average.
#
# Compare with a zero-loss solution.

# %%
N = 10**4
fig, axes = plotting.figure(2)
states = {"plateau": saddle, "solution": look.solution(task)}
words = []
for ax, (name, state) in zip(axes, states.items(), strict=True):
    spectrum = ql.hessian_spectrum(task, state, N)
    plotting.spectrum_bars(ax, spectrum)
    ax.set(title=f"{name}, N = {N}", xlim=(-1, 2.5))
    words.append(f"{name}: index {spectrum.index}, {spectrum.nullity} zeros of {4 * N}")
plotting.Picture(fig, plotting.sentence("multiplicity against eigenvalue", *words))

# %% [markdown]
# Negative eigenvalues are orange. The solution has none: it is a minimum, but one with a large flat space.
#
# ## Three directions
#
# Take unit vectors V and follow the loss along w + εV:
#
# - from the plateau, one student moves towards one teacher (*negative*);
# - from a solution, a student that is zero moves out of the teacher's span (*quartic*);
# - from a solution, all students are rotated among themselves (*tangent*): the rotation itself stays on the
#   manifold of solutions, and the straight line along its tangent leaves it.
#
# **Predict.** Along the negative direction the loss falls as ½ · 4/(p p\*) ε². Along the quartic direction it
# grows as ε⁴ (3/2)/p². Along a rotation it stays zero.

# %%
small = ql.Task(p=3, p_star=1)
rng = np.random.default_rng(0)
solved = look.solution(small).weights(small, 20, rng)
stuck = look.on_plateau(small).weights(small, 20, rng)
generator = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
tangent = generator @ solved.W
tangent /= np.linalg.norm(tangent)
size = np.linalg.norm(solved.W) / np.sqrt(20)


def rotated(eps):
    """Turn the first two students into each other by the angle that moves the weights by eps."""
    angle = eps / size
    turn = np.eye(3)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return ql.Weights(turn @ solved.W, solved.W_star)


eps = np.geomspace(0.01, 1.0, 30)
quartic = look.loss_along(solved, look.flat_direction(solved), eps)
straight = look.loss_along(solved, tangent, eps)
level = ql.loss(small, stuck.overlaps)
drop = level - look.loss_along(stuck, look.negative_direction(stuck), eps)
along = np.array([ql.loss(small, rotated(e).overlaps) for e in eps])

fig, ax = plotting.figure(width=7.0)
ax.loglog(eps, drop, color=plotting.PALETTE["flow"], label="negative: drop below the plateau")
ax.loglog(eps, quartic, color=plotting.PALETTE["ode"], label="quartic: loss")
ax.loglog(eps, straight, "--", color=plotting.PALETTE["theory"], label="straight tangent: loss")
ax.loglog(eps, 2 / 3 * eps**2, "k:", lw=1, label="predictions")
ax.loglog(eps, 1.5 / 9 * eps**4, "k:", lw=1)
ax.set(xlabel="distance ε", ylabel="loss or drop", ylim=(1e-9, 2))
ax.legend()
exponents = [np.polyfit(np.log(eps[:15]), np.log(y[:15]), 1)[0] for y in (drop, quartic, straight)]
plotting.Picture(
    fig,
    f"Loss against distance, both logarithmic: exponents {exponents[0]:.2f} along the negative, "
    f"{exponents[1]:.2f} along the quartic and {exponents[2]:.2f} along the straight tangent "
    "direction.",
)

# %%
print(f"largest loss along the rotation: {along.max():.1e}")
print(f"quartic: loss/ε⁴ = {quartic[-1] / eps[-1] ** 4:.4f}, predicted {1.5 / 9:.4f}")
print(f"negative: drop/ε² = {drop[0] / eps[0] ** 2:.4f}, predicted {2 / 3:.4f}")

# %% [markdown]
# **Verdict.** The rotation costs nothing. The straight line along its tangent does: it leaves the manifold at
# second order in ε, and the loss is quadratic in that, hence of fourth order; the two quartic curves coincide,
# because the same formula holds along every flat direction. The Hessian cannot tell the two
# kinds of flat direction apart. Their numbers differ, though: p p\* − p\*(p\* + 1)/2 are tangent to the
# manifold, whatever N, and (p − p\*)(N − p\*) belong to the surplus students. The latter make the approach to
# zero loss slow when p > p\*: a quartic valley has no restoring rate, and the loss falls as 1/α² instead of
# exponentially (notebook 03).
#
# ## Along a run
#
# **Predict.** A run starts at random, close to M = 0, so the p p\* descent directions are there from the
# beginning. They are used up as overlaps with the teacher grow.

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
left.plot(run.alpha, lowest, color=plotting.PALETTE["flow"], label="lowest eigenvalue")
left.axhline(0, color="0.6", lw=0.8)
left.set(ylabel="loss, eigenvalue", ylim=(-0.75, 0.85))
left.legend()
right.step(run.alpha, steep, where="mid", color=plotting.PALETTE["flow"])
right.set(xlabel="α = samples / N", ylabel="eigenvalues below −0.05", ylim=(0, 9))
escape = run.escape_time()
plotting.Picture(
    fig,
    f"Left: the loss leaves the plateau at α = {escape:.0f}, where the lowest eigenvalue rises "
    f"from {lowest[20]:.2f} to {lowest[-1]:.3f}. Right: eigenvalues below −0.05: {steep[0]} at the "
    f"start, {steep[20]} on the plateau, {steep[-1]} at the end.",
)

# %% [markdown]
# **Verdict.** There are p p\* = 8 directions of steep descent at the start and on the plateau, and none after
# the escape. We count eigenvalues below −0.05 and not below zero, because for p > p\* the
# run never ends: on the power law the surplus students leave tiny negative eigenvalues, which vanish only in
# the limit.
#
# SGD at finite N sees the same saddle. Here is one run of the exact chain, on its plateau:

# %%
sgd = ql.simulate(task, None, eta=0.02, alpha=[0.0, 40.0], N=N, rng=1, progress=False)
for alpha, Q, M in zip(sgd.alpha, sgd.Q, sgd.M, strict=True):
    spectrum = ql.hessian_spectrum(task, ql.Overlaps(Q, M), N)
    print(f"α = {alpha:.0f}: index {spectrum.index}, lowest eigenvalue {spectrum.values[0]:.3f}")

# %% [markdown]
# ## With a finite sample
#
# In practice the Hessian is measured on n samples. Each sample adds a random matrix of rank p, and the flat
# eigenvalues spread into a bulk. The directions that lead down show only if they stand clear of it: a
# transition in n/N (Baik, Ben Arous and Péché; for this network at a random start see
# [arXiv:2510.18435](https://arxiv.org/abs/2510.18435)).
#
# **Predict.** The bulk shrinks as n/N grows, and the p p\* outliers approach −4/(p p\*), with a distance that
# falls as N/n.

# %%
pair = ql.Task(p=2, p_star=1)
ratios = np.array([2, 4, 8, 16, 32, 64])
spectra = [look.sampled_spectrum(pair, 100, ratio, seed=0) for ratio in ratios]
fig, (left, right) = plotting.figure(2)
for ratio, shade in ((4, "sgd"), (64, "ode")):
    values = spectra[list(ratios).index(ratio)]
    color = plotting.PALETTE[shade]
    left.hist(values, np.linspace(-4, 4, 81), histtype="step", lw=1.5, color=color,
              label=f"n/N = {ratio}")  # fmt: skip
left.axvline(-2, color="k", ls=":", lw=1, label="population, −4/(p p*)")
left.set(xlabel="eigenvalue", ylabel="count", yscale="log", ylim=(0.8, 300))
left.legend(fontsize="small")
for i, label in enumerate(["lowest", "second", "third"]):
    right.semilogx(ratios, [v[i] for v in spectra], "o-", label=label, base=2,
                   color=plotting.PALETTE[["negative", "theory", "sgd"][i]])  # fmt: skip
right.axhline(-2, color="k", ls=":", lw=1)
right.set(xlabel="samples per dimension n/N", ylabel="eigenvalue")
right.legend()
plotting.Picture(
    fig,
    f"Left: histograms of eigenvalues for n/N = 4 and 64, the second with two separate ones near "
    f"{spectra[-1][0]:.2f}. Right: the three lowest eigenvalues against n/N; from the smallest "
    f"to the largest n/N the second goes from {spectra[0][1]:.2f} to {spectra[-1][1]:.2f}, the third "
    f"from {spectra[0][2]:.2f} to {spectra[-1][2]:.2f}.",
)

# %% [markdown]
# **Verdict.** Two eigenvalues, p p\* of them, separate from the bulk and approach the dotted line. The
# exponent is measured in the claims below. Products with the empirical Hessian cost O(n N p), and
# `empirical_hessian_operator` never forms the matrix; here is Lanczos on a larger problem.

# %%
from scipy.sparse.linalg import eigsh

weights = look.on_plateau(pair).weights(pair, 400, rng=0)
X = np.random.default_rng(1).standard_normal((40 * 400, 400))
operator = ql.empirical_hessian_operator(weights, X)
lowest = np.sort(eigsh(operator, k=3, which="SA", tol=1e-4, return_eigenvectors=False))
print(f"{operator.shape[0]} unknowns, n/N = 40: lowest eigenvalues", lowest.round(3))

# %% [markdown]
# ## Explore
#
# - **α along the run**: where on the run the Hessian is taken, in percent of its length.
# - **students p**, **teachers p\***: the run is that of the ODE from a random start.
# - **samples / N**: size of the sample for the lower spectrum.
#
# Move α from the start over the plateau to the end, and watch the orange eigenvalues. Then ask how many
# samples per dimension it takes to see them in the lower picture. The button *data* lists the eigenvalues.

# %%
ql.explorers.landscape()

# %% [markdown]
# ## Exercises
#
# **1 (change a number).** What is the index of the plateau for p = 6, p\* = 3? And of the point M = 0 with
# Q = I, where a run starts?

# %% jupyter={"source_hidden": true}
six = ql.Task(6, 3)
for q in (ql.plateau(six).q, 1.0):
    state = ql.Overlaps(q * np.eye(6), np.zeros((6, 3)))
    print(f"q = {q:.3f}: index {ql.hessian_spectrum(six, state, 1000).index}, p p* = {6 * 3}")

# %% [markdown]
# **2 (unequal teachers).** Take T = diag(1.5, 0.5). How deep are the descent directions of each teacher?
# Which one is learned first?

# %% jupyter={"source_hidden": true}
unequal = ql.Task(4, 2, T=[1.5, 0.5])
state = ql.Overlaps(ql.plateau(unequal).q * np.eye(4), np.zeros((4, 2)))
spectrum = ql.hessian_spectrum(unequal, state, 1000)
print("negative eigenvalues", spectrum.values[spectrum.values < 0].round(4), "each p times")
print("predicted −4 T_r/(p p*):", [-4 * t / 8 for t in (1.5, 0.5)])
# The deeper one belongs to the larger T_r, which grows faster and is learned first (notebook 06).

# %% [markdown]
# **3 (count).** Check that the zero eigenvalues of a solution are tangent directions plus surplus directions.

# %% jupyter={"source_hidden": true}
for p, k in ((2, 1), (4, 2), (5, 5)):
    both = ql.Task(p, k)
    nullity = ql.hessian_spectrum(both, look.solution(both), N).nullity
    tangents, surplus = p * k - k * (k + 1) // 2, (p - k) * (N - k)
    print(f"p = {p}, p* = {k}: nullity {nullity} = {tangents} + {surplus}")
    assert nullity == tangents + surplus

# %% [markdown]
# **4 (derive).** Why is the lowest eigenvalue at the plateau −4/(p p\*), and the growth rate of M in notebook
# 02 equal to 4η/p\*? Hint: averaged over samples, SGD follows dw/dα = −ηp ∇L.

# %% jupyter={"source_hidden": true}
# Along an eigenvector of the Hessian with eigenvalue h a displacement grows at rate −η p h, that
# is 4η/p* for h = −4/(p p*).
eta, p, p_star = 0.05, 4, 2
print(-eta * p * (-4 / (p * p_star)), "=", 4 * eta / p_star)

# %% [markdown]
# ## Claims

# %%
claims.Table(claim.check() for claim in claims.of("05_landscape"))
