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
# # 02 The escape from the plateau
#
# One-pass SGD learns nothing for a long time, and then everything at once. How long does it take, and why does every
# run take a different time?
#
# **What you will learn.** A run has three stages: norms adjust, the loss waits on a plateau, and the students' overlap
# with the teacher, which has grown all the while, becomes visible. You will predict the level of the plateau and the
# growth rate, see why the waiting time is a logarithm of N, find out that the randomness of the start is only half of
# the story (the plateau itself makes noise that is just as large), and predict a whole histogram of escape times.
# At the end: the learning rates at which there is no plateau to escape from.
#
# **You need** the overlaps and their ODE (notebook 01). About 25 minutes.
#
# | here | in the library | meaning |
# |---|---|---|
# | p, p\* | `task.p`, `task.p_star` | numbers of student and teacher units |
# | Q, M | `trajectory.Q`, `trajectory.M` | overlaps of students with each other, and with teachers |
# | α | `trajectory.alpha` | samples seen, divided by N |
# | plateau | `plateau(task, eta)` | M = 0, Q = q I, where nothing moves: its `q`, `loss`, `escape_rate` |
# | r | `plateau(...).escape_rate` | growth rate of M on the plateau |
# | α_esc | `trajectory.escape_time()` | first α at which half of the plateau's loss is gone (4.4) |
# | law | `escape_law(task, N, eta)` | distribution of α_esc over runs: `mean`, `std`, `density(alpha)` |
# | v_eff | `escape_law(...).v_eff` | N⟨M²⟩ of the start that SGD behaves as if it had |
#
# Equation numbers are those of docs/theory.md. The teacher's units are orthonormal here, T = I, and there is no label
# noise; notebook 06 goes beyond that.

# %%
import numpy as np
from scipy.special import polygamma

import quadlib as ql
from quadlib import claims, plotting
from quadlib.claims.escape import largest_learning_rate, learning_rate_of_runaway

PALETTE = plotting.PALETTE


def norm(M):
    """‖M‖ of each state of a run."""
    return np.linalg.norm(M, axis=(-2, -1))


# %% [markdown]
# ## Three stages
#
# Eight runs of SGD, every single sample simulated, from random starts in N = 3000 dimensions. On the left the loss, on
# the right the same runs seen through two overlaps: the mean squared norm of the students, tr Q/p, and the size ‖M‖ of
# all overlaps with the teacher, on a logarithmic axis.

# %%
task, eta, N = ql.Task(p=4, p_star=2), 0.1, 3000
alpha = np.linspace(0, 60, 121)
runs = [
    ql.simulate(task, None, eta=eta, alpha=alpha, N=N, rng=seed, progress=False)
    for seed in range(8)
]
level = ql.plateau(task, eta)

fig, (left, right) = plotting.figure(2)
for run in runs:
    plotting.loss_curves(left, run, color=PALETTE["sgd"], lw=1)
    right.plot(alpha, norm(run.M), color=PALETTE["sgd"], lw=1)
    right.plot(alpha, np.trace(run.Q, axis1=1, axis2=2) / task.p, "--", color=PALETTE["sgd"], lw=1)
plotting.plateau_line(left, level.loss)
left.set(ylim=(0, 0.85))
left.legend()
right.set(xlabel="α = samples / N", ylabel="overlap", yscale="log")
right.text(59, 0.5, "tr Q/p", color=PALETTE["sgd"], ha="right")
right.text(59, 2.6, "‖M‖", color=PALETTE["sgd"], ha="right")
right.set(ylim=(0.01, 5))
times = [run.escape_time() for run in runs]
plotting.Picture(
    fig,
    f"Eight SGD runs at N = {N}: the loss waits near {level.loss:.3f}, then falls; half of it is "
    f"gone between α = {min(times):.0f} and α = {max(times):.0f}. Norms adjust within a few α, "
    f"while ‖M‖ grows exponentially from the beginning until the escape.",
)

# %% [markdown]
# 1. **Norm stage.** Within a few units of α the norms shrink a little and the loss drops to a level.
# 2. **Plateau.** The loss shows nothing. But on the right, ‖M‖ is a straight line on a logarithmic axis.
# 3. **Escape.** When ‖M‖ is of order one, the loss falls. The runs do this at rather different times.
#
# ## The level
#
# With M = 0 and Q = q I the drift keeps this form, and q obeys one scalar equation. Without gradient noise it is
# logistic: norms go to q = p/(p + 2) at the rate 4η, and the loss to (3.1)
#
# $$ L_{\rm plateau} = \frac1{p+2} + \frac1{p^\star} . $$
#
# This is the best that a student can do which knows how large the answers are, but not in which directions.
# At finite η, gradient noise makes norms larger: `plateau` solves q' = 0 with the η² term, (3.3).
#
# **Predict.** Runs in very high dimension (N = 10^12, by the diffusion) wait at the level of (3.3), above that of
# gradient flow by an amount proportional to η at first.


# %%
def waiting(p, eta, runs=20):
    """Overlaps at two times on the plateau, N = 1e12, when M is far too small to be seen."""
    return ql.ensemble(
        ql.Task(p, 2), eta=eta, alpha=[3.0 / eta, 4.5 / eta], N=10**12, runs=runs, seed=1,
        method="diffusion", progress=False,
    )  # fmt: skip


etas = np.array([0.01, 0.05, 0.1, 0.15, 0.2, 0.25])
fine = np.linspace(0.001, 0.26, 60)
on_plateau = {
    (p, value): waiting(p, value) for p in (2, 4, 16) for value in etas[: 5 if p < 4 else 6]
}

fig, ax = plotting.figure(width=6)
worst = 0.0
for p, color in ((p, plotting.p_color(p)) for p in (2, 4, 16)):
    curve = [
        ql.plateau(ql.Task(p, 2), value).loss
        for value in fine
        if value < largest_learning_rate(p, 2)
    ]
    ax.plot(fine[: len(curve)], curve, color=color, label=f"p = {p}")
    ax.plot(0, 1 / (p + 2) + 1 / 2, "_", ms=14, mew=2, color=PALETTE["theory"])
    for value in etas:
        if (p, value) in on_plateau:
            measured = on_plateau[p, value].loss[:, 0].mean()
            ax.plot(value, measured, "o", color=color)
            predicted = ql.plateau(ql.Task(p, 2), value).loss
            worst = max(worst, abs(measured / predicted - 1))
ax.set(xlabel="learning rate η", ylabel="loss on the plateau")
ax.legend()
plotting.Picture(
    fig,
    f"Level of the plateau against η for p = 2, 4 and 16, p* = 2: SGD (dots) lies on the predicted "
    f"curves, within {worst:.1e} of them, which start at 1/(p + 2) + 1/2 and rise.",
)

# %% [markdown]
# **Verdict.** The dots sit on the curves, which start at 1/(p+2) + 1/p\* (bars at η = 0). Two remarks. Additional
# students lower the plateau, but never below 1/p\*, which is what not knowing the directions costs. And the curves
# get steeper to the right: for p = 2 there is no dot at the largest η. We come back to this in the last section.
#
# ## The growth rate
#
# To first order in M the drift on the plateau is M' = r M. In gradient flow r = 4η/p\*, and with the norm stage, (3.2),
#
# $$ M(\alpha) = M(0)\,\sqrt{q(\alpha)/q_0}\;e^{4\eta\alpha/p^\star} . $$
#
# The number p of students is not in the exponent: it enters only through the factor √(q/q₀), which lies between 0.58 and 1.
# This is claim C2 in a nutshell (notebook 03). Gradient noise slows the growth down, (3.4): r = −2η(s + 2q/p − 2/p\*)
# with s = q − 1 and the larger q of finite η.
#
# **Predict.** Left: in gradient flow, the growth of ‖M‖ from a tiny start is the same straight line for all p, up to
# the small factor. Right: the rates of SGD, measured between the two times recorded above, follow (3.4) and not 4η/p\*.

# %%
fig, (left, right) = plotting.figure(2)
small = 0.02
for p, color in ((p, plotting.p_color(p)) for p in (1, 2, 4, 16)):
    start = ql.Overlaps(np.eye(p), np.full((p, 2), 1e-9))
    flow = ql.integrate(
        ql.Task(p, 2), start, eta=small, alpha=np.linspace(0, 200, 101), gradient_noise=False
    )
    left.plot(flow.alpha, norm(flow.M) / norm(flow.M)[0], color=color, label=f"p = {p}")
left.plot(
    flow.alpha, np.exp(2 * small * flow.alpha), ":", color=PALETTE["theory"], label="$e^{4ηα/p^*}$"
)
left.set(
    yscale="log",
    xlabel="α = samples / N",
    ylabel="‖M(α)‖ / ‖M(0)‖",
    title=f"gradient flow, η = {small}",
)
left.legend()
worst = 0.0
for p, color in ((p, plotting.p_color(p)) for p in (2, 4, 16)):
    rates = [
        ql.plateau(ql.Task(p, 2), value).escape_rate
        for value in fine
        if value < largest_learning_rate(p, 2)
    ]
    right.plot(fine[: len(rates)], rates, color=color, label=f"p = {p}")
    for value in etas:
        if (p, value) in on_plateau:
            sgd = on_plateau[p, value]
            grown = np.log(norm(sgd.M))
            rate = (grown[:, 1] - grown[:, 0]).mean() / (sgd.alpha[1] - sgd.alpha[0])
            right.plot(value, rate, "o", color=color)
            worst = max(worst, abs(rate / ql.plateau(ql.Task(p, 2), value).escape_rate - 1))
right.plot(fine, 2 * fine, ":", color=PALETTE["theory"], label="4η/p*")
right.set(xlabel="learning rate η", ylabel="growth rate r", title="SGD, N = 1e12")
right.legend()
plotting.Picture(
    fig,
    f"Left: in gradient flow M grows by the same exponential for p = 1, 2, 4 and 16. Right: the "
    f"growth rate of SGD bends away from 4η/p* and agrees with the prediction within {worst:.1%}.",
)

# %% [markdown]
# **Verdict.** One exponent for every p on the left. On the right the growth rate follows (3.4). Note the maximum: past it,
# a larger learning rate makes the escape *slower*.
#
# ## Why a logarithm of N
#
# In N dimensions random vectors are nearly orthogonal: M(0) has entries of order N^(-1/2). They have to grow to order one
# at rate r, so
#
# $$ \langle\alpha_{\rm esc}\rangle = \frac{\ln N}{2r} + \text{const}
#    \approx \frac{p^\star}{8\eta}\,\ln N + \text{const} , \qquad (4.5) $$
#
# and the number of samples, N·α_esc, is of order N ln N. What is random about α_esc is the *logarithm* of a random
# number of order one, whose law does not depend on N.
#
# **Predict.** The mean is a straight line against ln N with slope 1/(2r), which is close to p\*/(8η). The spread is the same
# at all N. We simulate from N = 10^3 to 10^12 with the diffusion, for which N is only a parameter.

# %%
eta = 0.05
dimensions = 10 ** np.arange(3, 13, 3)
measured = {}
for p, k in ((4, 2), (2, 1)):
    for size in dimensions:
        law = ql.escape_law(ql.Task(p, k), int(size), eta)
        measured[p, k, size] = ql.ensemble(
            ql.Task(p, k), eta=eta, alpha=np.linspace(0, law.mean + 8 * law.std, 101), N=int(size),
            runs=150, seed=2, method="diffusion", progress=False,
        ).escape_times  # fmt: skip

fig, (left, right) = plotting.figure(2)
said = []
for (p, k), color in (((4, 2), plotting.p_color(4)), ((2, 1), plotting.p_color(2))):
    times = [measured[p, k, size] for size in dimensions]
    means, stds = np.array([(t.mean(), t.std()) for t in times]).T
    laws = [ql.escape_law(ql.Task(p, k), int(size), eta) for size in dimensions]
    style = dict(color=color, capsize=3)
    left.errorbar(
        dimensions,
        means,
        means * 0 + 2 * stds / 150**0.5,
        fmt="o",
        label=f"SGD, p = {p}, p* = {k}",
        **style,
    )
    left.plot(
        dimensions,
        [law.mean for law in laws],
        color=color,
        label="law" if p == 2 else None,
    )
    right.errorbar(dimensions, stds, 2 * stds / 300**0.5, fmt="o", **style)
    right.plot(dimensions, [law.std for law in laws], color=color)
    slope = np.polyfit(np.log(dimensions), means, 1)[0]
    rate = ql.plateau(ql.Task(p, k), eta).escape_rate
    print(
        f"p = {p}, p* = {k}: slope {slope:.2f}; predicted 1/(2r) = {1 / (2 * rate):.2f}; p*/8η = {k / (8 * eta):.2f}"
    )
    said.append(f"for p = {p}, p* = {k} the mean grows by {slope:.2f} ln N")
left.set(xscale="log", xlabel="N", ylabel="mean escape time")
right.set(xscale="log", xlabel="N", ylabel="standard deviation", ylim=(0, 6))
left.legend()
plotting.Picture(
    fig,
    plotting.sentence(
        "escape times from N = 1e3 to 1e12 against the law", *said, "the spread stays constant"
    ),
)

# %% [markdown]
# **Verdict.** Straight lines with slope 1/(2r); the remaining distance to p\*/8η is what gradient noise takes off the growth
# rate at this η. The spread does not grow: at N = 10^12 the runs are as different from each other *in units of α* as at
# N = 1000, and the concentration of high dimension never comes for this quantity.
#
# ## What is random: the start, and the plateau
#
# The curves marked "law" must know more than a slope. Where does the constant come from, and where the spread?
#
# A first idea: everything random is in M(0). Given M(0), let the ODE run. Entries of M(0) are Gaussian with variance 1/N.
#
# But the plateau is not silent. Each step kicks M by −(2η/N) Δ λλ\*ᵀ, with random sign. N steps of size 1/N add up
# to √N/N = N^(-1/2) in a unit of time: **the same order as M(0), at every N**. The variance v = N⟨M²⟩ obeys (4.1)
#
# $$ v' = 2 r v + D, \qquad v_{\rm eff} = v(0) + \int_0^\infty D\,e^{-2\int r}\,d\alpha , $$
#
# where D is a Gaussian moment of degree eight (4.2). Divide v by the growth e^{2∫r} that an undisturbed M has: what
# is left climbs from v(0) = 1 to v_eff within a time 1/(2r). Kicks that come later have no time to grow.
#
# **Predict.** SGD in N dimensions escapes like the ODE from a start of variance v_eff/N instead of 1/N. We measure v
# from 600 runs, and divide by the growth of the ODE from a tiny M.

# %%
size, points = 10**10, np.linspace(0, 16, 33)
tiny = ql.Overlaps(np.eye(4), np.full((4, 2), 1e-9))
fig, ax = plotting.figure(width=6)
said = []
for value, color in ((0.2, "0.0"), (0.1, "0.3"), (0.05, "0.5")):
    sgd = ql.ensemble(
        task,
        eta=value,
        alpha=points,
        N=size,
        runs=600,
        seed=round(1000 * value),
        method="diffusion",
        progress=False,
    )
    gain = (ql.integrate(task, tiny, eta=value, alpha=points).M[:, 0, 0] / 1e-9) ** 2
    v = size * (sgd.M**2).mean((0, 2, 3)) / gain
    predicted = ql.escape_law(task, size, value).v_eff
    ax.plot(points, v, color=color, label=f"SGD, η = {value}")
    ax.axhline(predicted, ls=":", color=color)
    said.append(f"at η = {value} it ends at {v[-1]:.2f}, predicted {predicted:.2f}")
ax.set(xlabel="α = samples / N", ylabel="N⟨M²⟩ / growth²", ylim=(0.9, None))
ax.legend(loc="center right", bbox_to_anchor=(1, 0.65))
plotting.Picture(
    fig, plotting.sentence("N⟨M²⟩ without its growth climbs from 1 within a few α and stays", *said)
)

# %% [markdown]
# **Verdict.** The climb ends at v_eff (dotted), up to the error of 600 runs, about two per cent. At small η the excess is proportional
# to η: it is the noise of SGD, not that of the start.
#
# ## A thousand escape times
#
# Now the law itself: average the ODE's escape over Gaussian M of variance v_eff/N. (`escape_law` follows the
# linear stage in closed form and integrates only the end, for many directions of M at once.)
#
# **Predict.** The histogram of the escape times of 1000 runs, every sample simulated (N = 3000), has the density of
# `escape_law`. Without the plateau's noise the runs would be later by ln(v_eff)/(2r).

# %%
eta, N = 0.2, 3000
law = ql.escape_law(task, N, eta)
bare = ql.escape_law(task, N, eta, plateau_noise=False)
thousand = ql.ensemble(
    task, eta=eta, alpha=np.linspace(0, law.mean + 12 * law.std, 121), N=N, runs=1000, seed=4,
    progress=False,
)  # fmt: skip
times = thousand.escape_times

fig, ax = plotting.figure(width=7)
plotting.escape_histogram(
    ax, times,
    [("law", law, PALETTE["theory"]), ("law without plateau noise", bare, PALETTE["flow"])],
    label="1000 runs of SGD",
)  # fmt: skip
ax.legend()
error = times.std() / 1000**0.5
print(
    f"SGD                       {times.mean():.2f} ± {error:.2f}, standard deviation {times.std():.2f}"
)
print(f"law                       {law.mean:.2f}, standard deviation {law.std:.2f}")
print(
    f"law without plateau noise {bare.mean:.2f}: {(bare.mean - times.mean()) / error:.0f} standard errors away"
)
plotting.Picture(
    fig,
    f"Histogram of 1000 escape times, mean {times.mean():.1f}, standard deviation {times.std():.2f}; the "
    f"law says {law.mean:.1f} and {law.std:.2f}; the law without plateau noise {bare.mean:.1f}.",
)

# %% [markdown]
# **Verdict.** The law has the place, the width and the skewness of the histogram. Without the noise of the plateau it
# is rejected beyond any doubt. And v_eff does not contain N: high dimension does not remove this effect.
#
# The spread has a story of its own. If ‖M‖ alone decided, α_esc would be −ln(χ²)/(2r) plus a constant, with p p\* degrees
# of freedom. But half of the loss cannot be lost in one direction when p\* ≥ 2: a second direction has to grow, and its
# start may be much smaller. Hence the long tail to the right (exercise 3).
#
# The same law at N = 10^12 (by the diffusion), and for students whose norms are fixed (`constraint="spherical"`, exact chain):

# %%
cases = (
    (task, 10**12, "free", "diffusion", 300),
    (ql.Task(2, 2), 1000, "spherical", "overlaps", 200),
)
fig, axes = plotting.figure(2, height=3.2)
said = []
for ax, (who, size, constraint, method, number) in zip(axes, cases, strict=True):
    law = ql.escape_law(who, size, 0.1, constraint)
    times = ql.ensemble(
        who, eta=0.1, alpha=np.linspace(0, law.mean + 8 * law.std, 161), N=size, runs=number,
        seed=5, method=method, constraint=constraint, progress=False,
    ).escape_times  # fmt: skip
    plotting.escape_histogram(
        ax, times, [("law", law, PALETTE["theory"])], bins=25, label=f"{number} runs"
    )
    name = f"{constraint}, p = {who.p}, p* = {who.p_star}, N = {size:.0e}"
    ax.set(title=name)
    ax.legend()
    said.append(
        f"{name}: {times.mean():.1f} ± {times.std():.1f}, law {law.mean:.1f} ± {law.std:.1f}"
    )
plotting.Picture(fig, plotting.sentence("histograms of escape times under the law", *said))

# %% [markdown]
# ## Try it
#
# - **students p, teachers p\***: the exponent of the dashed line below the loss depends on p\* and not on p.
# - **learning rate η**: a larger η escapes earlier, then later, then there is no plateau.
# - **log₁₀ N**: moves everything to the right, by the same step for each decade, and changes no shape.
#
# On the left the loss and ‖M‖, of the ODE (blue) and of ten SGD runs (grey); on the right the escape times of up to 320 runs,
# which arrive while you look, and the two laws.

# %%
ql.explorers.escape()

# %% [markdown]
# ## Where the plateau ceases to exist
#
# q' = 0 is a quadratic equation, (3.3). Its smaller root is the plateau, its larger root a point of no return: students beyond
# it are so long that gradient noise makes them longer still. With growing η the two roots meet and vanish, and (3.6)
#
# $$ \eta < \frac{1}{2\left(\rho - 1 + \sqrt{(\rho-1)^2 + \rho h - 1}\right)} , \qquad
#    \rho = \frac{p+4}{p+2}, \quad h = 1 + \frac{2}{p^\star} $$
#
# is the largest learning rate with a plateau. `plateau` says so instead of returning a number:

# %%
try:
    ql.plateau(task, 0.35)
except ql.NoPlateauError as error:
    print(error)

# %% [markdown]
# **Predict.** Above the bound the ODE runs away from any start. We find, for several p, the learning rate at which it
# does so, by bisection with small students; and compare with the bound, and with the critical learning rate
# η_c = p\*/(2(p\* + 2)) above which *solutions* repel (notebook 03).

# %%
students = np.arange(1, 65)
some = [1, 4, 16]
fig, axes = plotting.figure(3, height=3.4)
said = []
for ax, k in zip(axes, (1, 2, 4), strict=True):
    bound = np.array([largest_learning_rate(p, k) for p in students])
    critical = k / (2 * (k + 2))
    ax.fill_between(students, bound, 1, color=PALETTE["sgd"], alpha=0.5, lw=0)
    solvable = students >= k
    ax.fill_between(
        students,
        0,
        np.minimum(bound, critical),
        where=solvable,
        color=PALETTE["ode"],
        alpha=0.5,
        lw=0,
    )
    ax.plot(students, bound, color=PALETTE["theory"], label="bound (3.6)")
    ax.plot([k, 64], [critical, critical], "--", color=PALETTE["flow"], label="$η_c$")
    runaway = [learning_rate_of_runaway(ql.Task(p, k), 0.01) for p in some]
    ax.plot(some, runaway, "o", color=PALETTE["ode"], label="ODE runs away")
    ax.set(xscale="log", xlabel="students p", title=f"p* = {k}", ylim=(0, 0.8), xlim=(1, 64))
    ax.text(1.5, 0.55, "no plateau")
    ax.text(4.5, 0.05, "solutions attract", fontsize="small")
    ax.text(14, critical + 0.02, "solutions repel", fontsize="small")
    worst = max(
        abs(x / largest_learning_rate(p, k) - 1) for x, p in zip(runaway, some, strict=True)
    )
    said.append(
        f"p* = {k}: bound {bound[0]:.2f} at p = 1, {bound[-1]:.2f} at p = 64, measured within {worst:.1%}"
    )
axes[0].set(ylabel="learning rate η")
axes[0].legend(loc="upper right", fontsize="small")
plotting.Picture(
    fig,
    plotting.sentence("map of the learning rates with a plateau, which grow with p and p*", *said),
)

# %% [markdown]
# **Verdict.** The dots sit on the bound. More students make the plateau *more* robust: their noise averages out. In the
# blue region it is left for a solution. In the white one there is a plateau too, but no solution to go to: above the
# dashed line they repel, and for p < p\* there is none.
#
# A plateau that exists need not be reached: random students of norm √N may already be beyond the larger root, for
# example one student and four teachers at η = 0.2. And it need not be left: with p\* = 4 and p = 16 the growth
# rate vanishes at η = 0.5. `escape_law` knows these cases:

# %%
for p, k, value in ((1, 4, 0.2), (16, 4, 0.5), (1, 4, 0.05)):
    try:
        ql.escape_law(ql.Task(p, k), 10**6, value)
    except ValueError as error:
        print(error, end="\n\n")

# %% [markdown]
# ## Exercises
#
# **1 (change a number).** The escape at N = 10^6 and p = 4, p\* = 2, η = 0.05 takes how many samples? How much longer,
# in α and in samples, does it take when N doubles?

# %% jupyter={"source_hidden": true}
one, two = (ql.escape_law(task, size, 0.05) for size in (10**6, 2 * 10**6))
print(
    f"{one.mean * 1e6:.3g} samples; doubling N adds {two.mean - one.mean:.2f} to α, as ln 2/(2r) =",
    end=" ",
)
print(
    f"{np.log(2) / (2 * one.rate):.2f}, and multiplies the samples by {2 * two.mean / one.mean:.3f}."
)

# %% [markdown]
# **2 (choose).** Which learning rate minimises the mean escape time at N = 10^6, p = 4, p\* = 2? How close is it to the
# learning rate of the fastest growth?

# %% jupyter={"source_hidden": true}
grid = np.linspace(0.05, 0.25, 21)
mean = [ql.escape_law(task, 10**6, value).mean for value in grid]
rate = [ql.plateau(task, value).escape_rate for value in grid]
print(
    f"earliest escape at η = {grid[np.argmin(mean)]:.3f}, fastest growth at η = {grid[np.argmax(rate)]:.3f}"
)
# At such N the escape is mostly waiting, so the two are close; the rest is the constant.

# %% [markdown]
# **3 (derive).** If ‖M‖ alone decided, what would the standard deviation of α_esc be? Compare with `escape_law`
# for p\* = 1 and p\* = 2. Hint: the variance of ln χ² with n degrees of freedom is ψ₁(n/2), the trigamma function.

# %% jupyter={"source_hidden": true}
# ‖M‖² = v_eff/N χ², p p* degrees of freedom; α_esc = const − ln χ²/(2r): std √ψ₁(p p*/2)/(2r)
for p, k in ((1, 1), (4, 1), (2, 2), (4, 2), (16, 2)):
    law = ql.escape_law(ql.Task(p, k), 10**8, 0.05)
    alone = np.sqrt(polygamma(1, p * k / 2)) / (2 * law.rate)
    print(f"p = {p:2d}, p* = {k}: ‖M‖ alone {alone:.2f}, law {law.std:.2f}")
# Equal for p* = 1. For p* = 2 a second direction has to grow as well.

# %% [markdown]
# **4 (derive).** To first order in η, what is v_eff − 1? Use D of (4.2) at the plateau of gradient flow, T = I:
# D = 4η²q[q²(p+2)(p+4)/p² − 2q(p+2)(p\*+2)/(p p\*) + (p\*+2)(p\*+4)/p\*²].
# Hint: (3.2) says how an early kick grows compared with M(0).

# %% jupyter={"source_hidden": true}
# With q(α) on the way, e^{-2∫r} = (q0/q(α)) e^{-8ηα/p*}, so v_eff − 1 = ∫ (D/q) e^{-8ηα/p*} dα, q0 = 1:
# D/q = 4η² B(q). Time in units of 1/η: the excess is η times a number.
p, k = 4, 2
x = np.linspace(0, 20, 20_001)  # ηα
q = p / (p + 2) / (1 - (1 - p / (p + 2)) * np.exp(-4 * x))
B = q**2 * (p + 2) * (p + 4) / p**2 - 2 * q * (p + 2) * (k + 2) / (p * k) + (k + 2) * (k + 4) / k**2
number = np.trapezoid(4 * B * np.exp(-8 * x / k), x)
for value in (0.1, 0.01, 0.001):
    excess = ql.escape_law(task, 10**6, value).v_eff - 1
    print(f"η = {value}: (v_eff − 1)/η = {excess / value:.3f}, first order {number:.3f}")

# %% [markdown]
# **5 (derive).** What is the largest learning rate with a plateau for p → ∞? Why is it finite?

# %% jupyter={"source_hidden": true}
# ρ → 1: η < 1/(2√(h − 1)) = √(p*/8). With infinitely many students λ²/p is no longer random, but the
# teacher's answer still is: that noise alone drives the norms.
for k in (1, 2, 4):
    print(f"p* = {k}: {largest_learning_rate(10**6, k):.4f}, √(p*/8) = {np.sqrt(k / 8):.4f}")

# %% [markdown]
# ## Claims
#
# Every number above is one of these, with a tolerance and a verdict; the tests assert them.

# %%
claims.Table(claim.check() for claim in claims.of("02_escape"))
