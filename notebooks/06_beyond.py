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
# # 06 Beyond
#
# What changes when the teachers are unequal, the labels noisy, the learning rate large, or N enormous?
#
# **What you will learn.** Unequal teachers are learned one after another: the loss becomes a staircase. Label
# noise leaves a floor, which a larger learning rate raises. Two learning rates mark the limits of the
# dynamics: above the first, η_c, zero loss repels; above the second, no plateau exists and the norms diverge.
# And none of this needs a small N: a run at N = 10¹² takes less than a second.
#
# **You need** the plateau and the escape time (notebook 02), and η_c (notebook 03). About 25 minutes.
#
# | here | in the library | meaning |
# |---|---|---|
# | T | `Task(..., T=...)` | overlaps of the teachers; its diagonal are their squared norms |
# | label noise ν | `Task(..., label_noise=...)` | variance of the noise on the labels |
# | floor | end of the loss | what label noise and learning rate leave |
# | η_c | `critical_learning_rate` | above it the solutions repel |
# | divergence | `DivergenceError` | a run whose error leaves all bounds; it holds the trajectory so far |
# | diffusion | `simulate(method="diffusion")` | one draw stands for many samples |

# %%
import time

import numpy as np

import quadlib as ql
from quadlib import claims, plotting
from quadlib.claims.beyond import floor_prediction, learned

# %% [markdown]
# ## Unequal teachers: the staircase
#
# On the plateau M = 0 and Q = q I, and the overlap with teacher r grows at its own rate (equation 3.4)
#
# $$ r_r = -2\eta \left( s + \frac{2q}{p} - \frac{2T_r}{p^*} \right), \qquad s = q - \frac{\mathrm{tr}\,T}{p^*} . $$
#
# **Predict.** The largest T_r escapes first. Its growth ends when it is learned; the others go on from a lower
# loss, more slowly. With T = diag(1.6, 1, 0.4) we expect three steps, in this order.

# %%
T = [1.6, 1.0, 0.4]
task = ql.Task(p=6, p_star=3, T=T)
eta, N = 0.05, 10**6
alpha = np.linspace(0, 900, 451)
start = ql.random_overlaps(task, N, rng=0)
ode = ql.integrate(task, start, eta=eta, alpha=alpha)
sgd = ql.simulate(task, start, eta=eta, alpha=alpha, N=N, rng=0, method="diffusion", progress=False)

fig, (left, right) = plotting.figure(2)
plotting.loss_curves(left, ode, label="ODE")
plotting.loss_curves(left, sgd, color=plotting.PALETTE["sgd"], label="SGD, N = 1e6", lw=1.2)
plotting.plateau_line(left, ql.plateau(task, eta).loss)
left.legend()
colors = [plotting.teacher_color(r) for r in range(3)]
for r, color in enumerate(colors):
    right.plot(alpha, learned(ode)[:, r], color=color, label=f"T_{r + 1} = {T[r]}")
    right.plot(alpha, learned(sgd)[:, r], color=color, lw=0.7, ls="--")
right.set(xlabel="α = samples / N", ylabel="learned part of a teacher")
right.legend()
half = [alpha[(learned(ode)[:, r] > 0.5).argmax()] for r in range(3)]
plotting.Picture(
    fig,
    f"Left: the loss falls in three steps, for SGD (grey) as for the ODE. Right: the teachers are "
    f"half learned at α = {half[0]:.0f}, {half[1]:.0f} and {half[2]:.0f}, the largest first.",
)

# %% [markdown]
# **Verdict.** Three steps, in the order of T_r (the dashed lines on the right are SGD). The growth rates are
# compared with the formula, and the order is checked in many runs, in the claims below.
#
# ## Label noise: a floor
#
# With labels y + √ν ξ the best possible loss is ν/2. But SGD keeps moving: each noisy label kicks the weights,
# and the kicks raise the loss above ν/2.
#
# **Predict.** To first order in ν the loss ends at (ν/2)/(1 − φ), with φ(η) = (2η/p\*) Σ_r T_r/(1 − 4ηT_r/p\*).
# For T = I it diverges exactly at η_c, where φ = 1.

# %%
noisy = ql.Task(p=2, p_star=2, label_noise=0.01)
critical = ql.critical_learning_rate(noisy)
etas = critical * np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
begin = ql.random_overlaps(noisy, 10**4, rng=1)
ends = [ql.integrate(noisy, begin, eta=e, alpha=[200 / e]).loss[-1] for e in etas]
late = [
    ql.ensemble(
        noisy, eta=e, alpha=np.linspace(12 / e, 20 / e, 9), N=500, runs=8, seed=3, progress=False
    ).loss.mean()
    for e in etas[1::2]
]
fine = np.linspace(0.01, 0.85, 100) * critical
fig, ax = plotting.figure(width=6.5)
law = [floor_prediction(noisy, e) for e in fine]
ax.plot(fine, law, color="k", ls=":", label="(ν/2)/(1 − φ)")
ax.plot(etas, ends, "o", color=plotting.PALETTE["ode"], label="ODE")
ax.plot(etas[1::2], late, "s", mfc="none", ms=10, color=plotting.PALETTE["law"],
        label="SGD, N = 500")  # fmt: skip
ax.axhline(0.005, color="0.5", lw=1, ls="--", label="ν/2")
ax.set(xlabel="learning rate η", ylabel="final loss", ylim=(0, 0.035))
ax.legend()
plotting.Picture(
    fig,
    f"Final loss against η: the ODE rises from {ends[0]:.4f} at η = {etas[0]:.3f} to "
    f"{ends[-1]:.4f} at η = {etas[-1]:.2f}, on the predicted curve; SGD at N = 500 is within "
    f"{max(abs(l / floor_prediction(noisy, e) - 1) for l, e in zip(late, etas[1::2], strict=True)):.0%} "
    "of it.",
)

# %% [markdown]
# **Verdict.** The floor follows the prediction, for the ODE and for SGD at N = 500; close to η_c the fluctuations
# of a finite N add to it.
#
# ## Large learning rates
#
# **Predict.** For p = 4, p\* = 2: zero loss attracts up to η_c = p\*/(2(p\* + 2)). The plateau exists a little
# further. Between the two the ODE leaves the plateau and has nowhere to go: it must settle at a finite loss.
# Beyond both it diverges.

# %%
plain = ql.Task(p=4, p_star=2)
critical = ql.critical_learning_rate(plain)
begin = ql.random_overlaps(plain, 10**6, rng=1)
print(f"η_c = {critical}")
fig, ax = plotting.figure(width=7.0)
said = []
shades = ["ode", "diffusion", "sgd", "flow"]
for factor, shade in zip((0.8, 1.04, 1.12, 1.3), shades, strict=True):
    rate = factor * critical
    try:
        run = ql.integrate(plain, begin, eta=rate, alpha=np.linspace(0, 150, 301))
        end = f"ends at {run.loss[-1]:.2g}"
    except ql.DivergenceError as error:
        run, end = error.trajectory, "diverges"
    label = f"η = {factor} η_c: {end}"
    said.append(label)
    plotting.loss_curves(ax, run, color=plotting.PALETTE[shade], label=label)
ax.set(ylim=(0, 1.5))
ax.legend()
plotting.Picture(fig, plotting.sentence("loss of the ODE", *said))

# %% [markdown]
# **Verdict.** As predicted: above η_c a finite loss is left, which grows with η; further up the run diverges.
# A run that diverges is not lost. The exception says where, and holds what was recorded:

# %%
try:
    ql.simulate(plain, None, eta=1.3 * critical, alpha=50.0, N=2000, rng=0, progress=False)
except ql.DivergenceError as error:
    print(error)
    print("recorded until then:", error.trajectory.alpha.round(2)[-3:])

# %% [markdown]
# In an ensemble the other runs go on, and `diverged` marks the ones that did not. At small N, SGD can diverge
# even below η_c: the samples have Gaussian tails, and a single bad one is enough.

# %%
small = ql.ensemble(plain, eta=0.9 * critical, alpha=100.0, N=100, runs=300, seed=0, progress=False)
print(f"η = 0.9 η_c, N = 100: {small.diverged.sum()} of {len(small.diverged)} runs diverge")

# %% [markdown]
# ## N = 10¹² in a second
#
# A run of n samples costs n steps of the exact chain, whatever N is; but the escape takes α ≈ (p\*/8η) ln N, so
# αN samples, and that does grow. The diffusion takes steps of a fixed length in α instead: one Gaussian draw
# of the p + p\* fields has the mean and the covariance of many SGD steps.
#
# **Predict.** The escape time grows by (p\*/8η) ln 10³ for every factor of 1000 in N, and its spread not at all.
# At finite η the rate 4η/p\* is replaced by the plateau's r, which gives the factor 1/(2r) instead of p\*/8η.

# %%
fig, ax = plotting.figure(width=7.0)
means, began = [], time.perf_counter()
rate = ql.plateau(plain, 0.1).escape_rate
for N in (10**3, 10**6, 10**9, 10**12):
    law = ql.escape_law(plain, N, 0.1)
    runs = ql.ensemble(
        plain,
        eta=0.1,
        alpha=np.arange(0, law.mean + 10 * law.std, 0.25),
        N=N,
        runs=400,
        seed=1,
        method="diffusion",
        progress=False,
    )
    means.append(runs.escape_times.mean())
    color = plotting.N_color(N)
    ax.hist(runs.escape_times, 30, density=True, color=color, alpha=0.4, label=f"N = {N:.0e}")
    grid = np.linspace(law.mean - 4 * law.std, law.mean + 6 * law.std, 200)
    ax.plot(grid, law.density(grid), color=color)
    print(f"N = {N:.0e}: mean {means[-1]:.2f} (law {law.mean:.2f}), "
          f"std {runs.escape_times.std():.2f} (law {law.std:.2f})")  # fmt: skip
ax.set(xlabel="escape time α", ylabel="probability density", ylim=(0, 0.32))
ax.legend(loc="upper center", ncols=4)
print(
    f"growth for a factor 1000: {np.diff(means).round(2)}, predicted {np.log(1000) / (2 * rate):.2f}"
)
listed = ", ".join(f"{mean:.1f}" for mean in means)
plotting.Picture(
    fig,
    f"Histograms of 400 escape times at N = 1e3, 1e6, 1e9 and 1e12, with means {listed} and equal "
    "widths, each under the curve of the law.",
)

# %% [markdown]
# **Verdict.** Equal steps in ln N, equal widths, and the law's curve through each histogram.

# %%
began = time.perf_counter()
run = ql.simulate(
    plain, None, eta=0.1, alpha=120.0, N=10**12, rng=7, method="diffusion", progress=False
)
took = time.perf_counter() - began
print(f"one run at N = 1e12: escape at α = {run.escape_time():.1f},",
      "in less than a second" if took < 1 else f"in {took:.0f} seconds")  # fmt: skip

# %% [markdown]
# ## Explore
#
# - **spread d of T**: three teachers with T = diag(1 + d, 1, 1 − d); at d = 0 they are equal.
# - **label noise**: variance ν; half of it is the dashed floor.
# - **learning rate η**: up to past η_c and past the last plateau.
# - **log₁₀ N**: up to 12; below p + p\* a sentence says why there is no picture.
# - **students p**: fewer than three cannot express the teachers.
# - **new seed**: another random start.
#
# The blue line on the left and the thick lines on the right are the ODE; thin lines are SGD from the same start.

# %%
ql.explorers.beyond()

# %% [markdown]
# ## Exercises
#
# **1 (change a number).** Reverse the order of T in the first section. Does the order of learning follow?

# %% jupyter={"source_hidden": true}
other = ql.Task(6, 3, T=T[::-1])
run = ql.integrate(other, ql.random_overlaps(other, 10**6, 0), eta=0.05, alpha=alpha)
print("half learned at α =", [float(alpha[(learned(run)[:, r] > 0.5).argmax()]) for r in range(3)])

# %% [markdown]
# **2 (spherical).** With `constraint="spherical"` and T = I, is there a learning rate above which the ODE does
# not reach zero loss? Compare with η_c.

# %% jupyter={"source_hidden": true}
ball = ql.random_overlaps(plain, 10**6, rng=2, constraint="spherical")
for factor in (0.8, 0.95, 1.05):
    end = ql.integrate(plain, ball, eta=factor * critical, alpha=[3000.0], constraint="spherical")
    print(f"η = {factor} η_c: loss {end.loss[-1]:.2g} at α = 3000")

# %% [markdown]
# **3 (measure).** How does the fraction of diverging runs at η = 0.9 η_c depend on N?

# %% jupyter={"source_hidden": true}
for N in (10, 20, 40, 80):
    found = ql.ensemble(
        plain, eta=0.9 * critical, alpha=[100.0], N=N, runs=300, seed=0, progress=False
    )
    print(f"N = {N}: {found.diverged.mean():.3f}")

# %% [markdown]
# **4 (derive).** Why is the floor (ν/2)/(1 − φ) and not ν/2 + something that does not depend on ν? Hint: near a
# solution, how large is the error Δ that feeds the gradient noise?

# %% jupyter={"source_hidden": true}
# The noise of the gradient is proportional to the loss itself: η² Γ with Γ ∝ E[Δ²] = 2L. The excess
# loss that it sustains is φ L, so L = ν/2 + φ L. At φ = 1 the balance is lost: that is η_c.
for e in (0.05, 0.1, 0.2):
    print(f"η = {e}: floor / (ν/2) = {floor_prediction(noisy, e) / 0.005:.3f}")

# %% [markdown]
# ## Claims

# %%
claims.Table(claim.check() for claim in claims.of("06_beyond"))
