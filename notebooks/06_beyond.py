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
# What changes when the teacher units are unequal, the labels noisy, the learning rate large, or N enormous?
#
# **What you will learn.** Unequal teacher units are learned one after another: the loss becomes a staircase.
# Label noise leaves a floor, which a larger learning rate raises. Three learning rates mark the limits of the
# dynamics: above the first zero loss repels, above the second a run that leaves its plateau runs away, above the
# third there is no plateau. And none of this needs a small N: a run at N = 10¹² takes less than a second.
#
# **You need** the plateau, its growth rates and the law of escape ([notebook 02](02_escape.ipynb)), and the critical
# learning rate η<sub>c</sub> ([notebook 03](03_overparameterization.ipynb)).
#
# **Time.** About 55 minutes, and 40 for the exercises.
#
# | here | in the library | meaning |
# |---|---|---|
# | student, teacher | `Task(p, p_star)` | two networks, of p and p\* quadratic units |
# | T, T<sub>r</sub> | `Task(..., T=...)` | overlaps of the teacher units, here diagonal; T<sub>r</sub> is the squared length of unit r, divided by N |
# | learned | `learned(run)` below | squared length of column r of M, relative to its value at zero loss: 0 at the start, 1 when teacher unit r is learned |
# | label noise ν | `Task(..., label_noise=...)` | variance of the noise on the labels |
# | floor | `late_time_law(task, eta).floor` | what label noise and learning rate leave of the loss |
# | η<sub>c</sub>, η<sub>d</sub>, η<sub>p</sub> | `learning_rates` | above them zero loss repels, runs run away, no plateau exists |
# | divergence | `DivergenceError` | a run whose error leaves all bounds; it holds the trajectory so far |
# | diffusion | `simulate(method="diffusion")` | one random step stands for many samples |

# %%
import time

import numpy as np

import quadlib as ql
from quadlib import claims, plotting
from quadlib.notation import number


def learned(run):
    """How much of each teacher unit is found: |column r of M|², relative to a solution."""
    task = run.task
    return (run.M**2).sum(-2) * task.p_star / (task.p * np.diag(task.T) ** 2)


def when_half(run):
    """First recorded α at which each teacher unit is half learned."""
    return [float(run.alpha[(part > 0.5).argmax()]) for part in learned(run).T]


# %% [markdown]
# ## Unequal teacher units: the staircase
#
# On the plateau M = 0 and Q = q I, and the overlap with teacher unit r grows at its own rate (equation
# [(3.4)](../docs/theory.md#eq-3-4))
#
# $$ r_r = -2\eta \left( s + \frac{2q}{p} - \frac{2T_r}{p^*} \right), \qquad s = q - \frac{\mathrm{tr}\,T}{p^*} . $$
#
# A teacher has units with T = diag(1.6, 1, 0.4).

# %%
order = ql.predict(
    "What does the loss do?",
    [
        "three steps, the unit with the largest T first",
        "three steps, the unit with the smallest T first",
        "one step: all units are learned together",
    ],
)
order

# %%
T = [1.6, 1.0, 0.4]
task = ql.Task(p=6, p_star=3, T=T)
eta, N = 0.05, 10**6
alpha = np.linspace(0, 900, 451)
start = ql.random_overlaps(task, N, rng=0)
ode = ql.integrate(task, start, eta=eta, alpha=alpha)
sgd = ql.simulate(task, start, eta=eta, alpha=alpha, N=N, rng=1, method="diffusion", progress=False)

fig, (left, right) = plotting.figure(2)
plotting.loss_curves(left, sgd, color=plotting.PALETTE["sgd"], label=f"SGD, N = {number(N)}", lw=3)
plotting.loss_curves(left, ode, label="ODE", lw=1.5)
plotting.plateau_line(left, ql.plateau(task, eta).loss)
left.legend()
for r in range(3):
    color = plotting.teacher_color(r)
    right.plot(alpha, learned(ode)[:, r], color=color, label=f"T = {T[r]:g}, ODE")
    right.plot(alpha, learned(sgd)[:, r], "--", color=color, lw=1, label=f"T = {T[r]:g}, SGD")
right.set(xlabel="α = samples / N", ylabel="learned part of a teacher unit")
right.legend(fontsize="small")
half = when_half(ode)
plotting.Picture(
    fig,
    f"Left: the loss falls in three steps, for SGD as for the ODE. Right: the teacher units are half "
    f"learned at α = {half[0]:.0f}, {half[1]:.0f} and {half[2]:.0f}, the largest first.",
)

# %%
rates = [-2 * eta * (ql.plateau(task, eta).q * (1 + 2 / 6) - 1 - 2 * t / 3) for t in T]
for t, rate, ode_time, sgd_time in zip(T, rates, half, when_half(sgd), strict=True):
    print(f"T = {t:g}: grows at rate {number(rate, 2)} on the plateau, "
          f"half learned at α = {ode_time:.0f} (ODE), {sgd_time:.0f} (SGD)")  # fmt: skip
order.compare(order.choices[int(half != sorted(half))], "the growth rate contains T_r")

# %% [markdown]
# **Verdict.** Three steps, the largest T first. Its growth ends when it is learned; the others go on from a lower
# loss, more slowly. (The first plateau has the rates printed above; after the first step the rates are new ones.)
#
# ## Label noise: a floor
#
# With labels y + √ν ξ the best possible loss is ν/2. But SGD keeps moving: each noisy label kicks the weights, and
# the kicks keep the loss above ν/2. To first order in ν it ends at (ν/2)/(1 − φ), with
# φ(η) = (2η/p\*) Σ<sub>r</sub> T<sub>r</sub>/(1 − 4ηT<sub>r</sub>/p\*) (equation [(3.7)](../docs/theory.md#eq-3-7) and the end of section 6
# of [the theory](../docs/theory.md#eq-6-9)). For T = I it diverges exactly at η<sub>c</sub>, where φ = 1.
#
# Take p = p\* = 2, where η<sub>c</sub> = ¼ and φ = 2η/(1 − 2η), and half of the critical learning rate.

# %%
excess = ql.predict("By what factor does the final loss exceed ν/2 at η = η_c/2?")
excess

# %%
noisy = ql.Task(p=2, p_star=2, label_noise=0.01)
critical = ql.critical_learning_rate(noisy)
etas = critical * np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
floors = [ql.late_time_law(noisy, e).floor for e in etas]
begin = ql.random_overlaps(noisy, 10**4, rng=1)
ends = [ql.integrate(noisy, begin, eta=e, alpha=[200 / e]).loss[-1] for e in etas]
late = [
    ql.ensemble(
        noisy, eta=e, alpha=np.linspace(12 / e, 20 / e, 9), N=500, runs=8, seed=(3, i),
        method=ql.if_compiled("overlaps", "diffusion"), progress=False,
    ).loss.mean(1)
    for i, e in enumerate(etas[1::2])
]  # fmt: skip
means = np.array([runs.mean() for runs in late])
errors = np.array([runs.std(ddof=1) / np.sqrt(8) for runs in late])

fig, ax = plotting.figure(width=6.5)
fine = np.linspace(0.01, 0.85, 100) * critical
ax.plot(fine, [ql.late_time_law(noisy, e).floor for e in fine], color=plotting.PALETTE["law"],
        label="(ν/2)/(1 − φ)")  # fmt: skip
ax.plot(etas, ends, "o", color=plotting.PALETTE["ode"], label="ODE")
ax.errorbar(etas[1::2], means, errors, fmt="s", mfc="none", ms=9, capsize=3,
            color=plotting.PALETTE["sgd"], label="SGD, N = 500, 8 runs each")  # fmt: skip
ax.axhline(0.005, color=plotting.PALETTE["theory"], lw=1.2, ls=":", label="ν/2")
ax.set(xlabel="learning rate η", ylabel="final loss", ylim=(0, 0.035))
ax.legend()
off = max(abs(means / floors[1::2] - 1))
plotting.Picture(
    fig,
    f"Final loss against η: the ODE rises from {number(ends[0])} at η = {number(etas[0])} to "
    f"{number(ends[-1])} at η = {number(etas[-1])}, on the predicted curve; SGD at N = 500 is within "
    f"{off:.0%} of it.",
)

# %%
for e, floor, ode_end in list(zip(etas, floors, ends, strict=True))[::2]:
    print(
        f"η = {number(e)}: floor / (ν/2) predicted {floor / 0.005:.2f}, ODE {ode_end / 0.005:.2f}"
    )
excess.compare(ends[4] / 0.005, "1/(1 − φ), and terms of second order in ν")

# %% [markdown]
# **Verdict.** The floor follows the prediction, for the ODE and for SGD at N = 500. The small excess of the
# measured values is of the next order in ν and, for SGD, in 1/N.
#
# ## Large learning rates
#
# Take p = 4, p\* = 2. Zero loss attracts up to η<sub>c</sub> = p\*/(2(p\* + 2)). The plateau exists a little further.

# %%
plain = ql.Task(p=4, p_star=2)
limits = ql.learning_rates(plain)
critical = limits.critical
print(
    f"η_c = {number(critical)}, η_d = {number(limits.runaway, 4)}, last plateau {number(limits.plateau, 4)}"
)

# %% [markdown]
# At η = 1.04 η<sub>c</sub> the run leaves its plateau, and there is no solution that attracts it.

# %%
fate = ql.predict(
    "Where does it go?",
    ["to zero loss, more slowly", "to a finite loss, and stays there", "it runs away"],
)
fate

# %%
begin = ql.random_overlaps(plain, 10**6, rng=1)
fig, ax = plotting.figure(width=7.0)
said = []
for factor, style in zip(
    (0.8, 1.04, 1.12, 1.18, 1.3), ("-", "--", "-.", ":", (0, (1, 4))), strict=True
):
    rate = factor * critical
    try:
        run = ql.integrate(plain, begin, eta=rate, alpha=np.linspace(0, 150, 301))
        end = f"ends at {number(run.loss[-1], 2)}"
    except ql.DivergenceError as error:
        run, end = error.trajectory, f"runs away at α = {error.trajectory.alpha[-1]:.0f}"
    said.append(f"η = {factor:g} η_c: {end}")
    plotting.loss_curves(ax, run, ls=style, label=said[-1].replace("η_c", r"$\eta_c$"))
ax.set(ylim=(0, 1.5))
ax.legend()
plotting.Picture(fig, plotting.sentence("loss of the ODE at five learning rates", *said))

# %%
print("\n".join(said))
fate.compare(fate.choices[1])

# %% [markdown]
# **Verdict.** Just above η<sub>c</sub> a finite loss is left, which grows with η. Above η<sub>d</sub> the plateau still exists, but
# the run that leaves it runs away; above the last plateau there is nothing to rest on.
#
# ## Three learning rates
#
# Three learning rates say where SGD changes its ways as N → ∞ ([section 3](../docs/theory.md#section-3)):
#
# - η<sub>c</sub>, above which the zero-loss solutions repel: p\*/(2(p\* + 2)) for T = I, whatever p is
#   (equation [(3.7)](../docs/theory.md#eq-3-7));
# - η<sub>d</sub>, above which the ODE that leaves its plateau runs away to infinite norms. It has no closed form;
#   `learning_rates` integrates equation [(3.8)](../docs/theory.md#eq-3-8);
# - η<sub>p</sub>, above which there is no plateau (equation [(3.6)](../docs/theory.md#eq-3-6)).

# %%
window = ql.predict(
    "What happens to the window between η_c and η_d as units are added?",
    [
        "it is always closed",
        "it opens with the first surplus units, then saturates",
        "it grows without bound",
    ],
)
window

# %%
sizes = (1, 2, 4, 32)
fig, axes = plotting.figure(2)
said, opening = [], {}
for ax, k in zip(axes, (1, 2), strict=True):
    ps = [p for p in sizes if p >= k]
    rates = [ql.learning_rates(ql.Task(p, k)) for p in ps]
    for name, style, label in (
        ("plateau", "^:", r"$\eta_p$: no plateau above"),
        ("runaway", "s-", r"$\eta_d$: the ODE runs away above"),
        ("critical", "o--", r"$\eta_c$: solutions repel above"),
    ):
        values = [getattr(r, name) for r in rates]
        ax.semilogx(ps, values, style, ms=4, color=plotting.PALETTE["theory"], label=label)
        said.append(f"p* = {k}, {name}: " + ", ".join(f"{v:.4f}" for v in values))
    opening[k] = [r.runaway / r.critical for r in rates]
    ax.set(xlabel="units p", title=f"p* = {k}", ylim=(0, 0.5))
    ax.set_xticks(ps, [str(p) for p in ps])
    ax.set_xticks([], minor=True)
axes[0].set(ylabel="learning rate η")
axes[0].legend(loc="upper left", fontsize="small")
plotting.Picture(fig, plotting.sentence("the three learning rates against p", *said))

# %%
print("\n".join(said))
grows = opening[2][-1] > opening[2][1] > opening[2][0] + 1e-3
window.compare(window.choices[1 if grows else 0])

# %% [markdown]
# **Verdict.** η<sub>c</sub> stays where it is; η<sub>d</sub> and η<sub>p</sub> grow with p, then saturate. With surplus units there is a window
# η<sub>c</sub> < η < η<sub>d</sub> in which SGD leaves the plateau, does not reach zero loss, and does not run away either: the noise of its
# own gradient holds it at a finite loss. At p = p\* the window is closed, or nearly so. So surplus units do not allow a
# larger learning rate to somebody who wants zero loss.
#
# These are limits for N → ∞. At finite N runs blow up below η<sub>d</sub> already. A run that does is not lost: the exception
# says where, and holds what was recorded.

# %%
try:
    ql.simulate(plain, None, eta=1.3 * critical, alpha=50.0, N=2000, rng=0, progress=False)
except ql.DivergenceError as error:
    print(error)
    print("recorded until then: α =", *(number(a) for a in error.trajectory.alpha[-3:]))

# %% [markdown]
# In an ensemble the other runs go on, and `diverged` marks the ones that did not. At finite N, SGD can diverge even
# below η<sub>c</sub>, and close to it often does: the samples have Gaussian tails, and a few bad ones are enough.

# %%
cases = ((4, 2, 0.9, 100), (4, 2, 0.9, 1000), (1, 1, 0.97, 1000))
for p, k, factor, N in ql.if_compiled(cases, cases[:1]):
    few = ql.Task(p, k)
    gone = ql.ensemble(
        few, eta=factor * ql.critical_learning_rate(few), alpha=[100.0], N=N, runs=100,
        seed=(9, p, N), progress=False,
    ).diverged  # fmt: skip
    print(f"p = {p}, p* = {k}, η = {factor} η_c, N = {N}: {gone.sum()} of {len(gone)} runs diverge")

# %% [markdown]
# ## N = 10¹² in a second
#
# A run of n samples costs n steps of the exact chain, whatever N is; but the escape takes α ≈ (p\*/8η) ln N, so
# αN samples, and that does grow. The diffusion takes steps of a fixed length in α instead: a few random draws of
# the p + p\* fields give a step with the mean and the covariance of many steps of SGD (section 9 of
# [the theory](../docs/theory.md#eq-9-1)).
#
# The escape time grows by ln(10³)/2r for every factor of 1000 in N (equation
# [(4.5)](../docs/theory.md#eq-4-5)), with r the growth rate on the plateau:

# %%
rate = ql.plateau(plain, 0.1).escape_rate
print(f"r = {number(rate)}")

# %%
delay = ql.predict("By how much does a factor of 1000 in N delay the escape, in α?")
delay

# %%
spread = ql.predict(
    "And the spread from run to run, from N = 10³ to 10¹²?",
    ["it shrinks as 1/√N", "it stays", "it grows as ln N"],
)
spread

# %%
fig, ax = plotting.figure(width=7.0)
sizes, means, stds, runs = (10**3, 10**6, 10**9, 10**12), [], [], ql.if_compiled(200, 100)
for N in sizes:
    law = ql.escape_law(plain, N, 0.1)
    times = ql.escape_times(
        plain, eta=0.1, N=N, runs=runs, seed=(1, N), method="diffusion", progress=False
    )
    means.append(times.mean())
    stds.append(times.std(ddof=1))
    style = plotting.N_style(N)
    ax.hist(times, 30, density=True, histtype="step", lw=1.5, label=f"N = {number(N)}", **style)
    grid = np.linspace(law.mean - 4 * law.std, law.mean + 6 * law.std, 200)
    ax.plot(grid, law.density(grid), color=plotting.PALETTE["law"], lw=1,
            label="law" if N == sizes[0] else None)  # fmt: skip
    print(f"N = {number(N):>4}: mean {means[-1]:.2f} ± {stds[-1] / runs**0.5:.2f} (law {law.mean:.2f}), "
          f"std {stds[-1]:.2f} ± {stds[-1] / (2 * runs) ** 0.5:.2f} (law {law.std:.2f})")  # fmt: skip
ax.set(xlabel="escape time α", ylabel="probability density", ylim=(0, 0.34))
ax.legend(loc="upper center", ncols=5, fontsize="small")
print("growth for a factor 1000:", *(f"{step:.2f}" for step in np.diff(means)),
      f"(predicted {np.log(1000) / (2 * rate):.2f})")  # fmt: skip
listed = ", ".join(f"{mean:.1f}" for mean in means)
plotting.Picture(
    fig,
    f"Histograms of {runs} escape times at N = 10³, 10⁶, 10⁹ and 10¹², with means {listed} and equal "
    "widths, each under the curve of the law.",
)

# %%
delay.compare(np.diff(means).mean(), f"ln(1000)/2r, from {runs} runs at each N")
spread.compare(spread.choices[1])

# %% [markdown]
# **Verdict.** Equal steps in ln N, equal widths, and the law's curve through each histogram. The runs at different N have
# random numbers of their own (N is part of the seed), so that their agreement says something. And one run takes

# %%
began = time.perf_counter()
run = ql.simulate(
    plain, None, eta=0.1, alpha=120.0, N=10**12, rng=7, method="diffusion", progress=False
)
took = time.perf_counter() - began
print("less than a second" if took < 1 else f"{took:.0f} seconds",
      f"at N = {number(10**12)}; this one escapes at α = {run.escape_time():.1f}")  # fmt: skip

# %% [markdown]
# ## Explore
#
# - **spread d of T**: three teacher units with T = diag(1 + d, 1, 1 − d); at d = 0 they are equal.
# - **label noise**: variance ν; the loss ends on the solid floor, a little above ν/2.
# - **learning rate η**: up to past η<sub>c</sub> and past the last plateau.
# - **log₁₀ N**: up to 12; below p + p\* a sentence says why there is no picture.
# - **student units p**: fewer than three cannot express the teacher.
# - **new seed**: another random start.
#
# On the right the thick lines are the ODE; thin lines are SGD from the same start.

# %%
ql.explorers.beyond()

# %% [markdown]
# ## Exercises
#
# Put your answer in place of the dots and run the cell; it says right, or gives a hint. A number counts as right within
# one part in a thousand, if nothing else is said. The [solutions](solutions/06_beyond_solutions.ipynb) have the way to each answer.
#
# **06.1 (change a number).** Reverse the order of T in the first section: T = diag(0.4, 1, 1.6). In which order are
# the three teacher units half learned? Three numbers, the unit that comes first at the front; units count from 1.

# %%
answer = ...
ql.check("06.1", answer)

# %% [markdown]
# **06.2 (compute).** Two unequal teacher units, T = diag(1.5, 0.5), label noise ν = 0.01, p = 4, η = 0.1. At what
# loss does the run settle, to first order in ν?

# %%
answer = ...
ql.check("06.2", answer)

# %% [markdown]
# **06.3 (derive).** Close to a solution the noise of the gradient is proportional to the loss, and sustains an
# excess of φL. Write the balance of the loss L, solve it, and give the η at which the floor is three times ν/2, for
# p\* = 2 and T = I.

# %%
answer = ...
ql.check("06.3", answer)

# %% [markdown]
# **06.4 (explain).** Why does the floor (ν/2)/(1 − φ) diverge at the very learning rate at which, without label
# noise, zero loss repels?
#
# - (a) Both are where the noise that an excess of loss makes sustains that whole excess, φ = 1.
# - (b) At η<sub>c</sub> the plateau ceases to exist, and the floor is the plateau.
# - (c) Label noise makes the norms of the units grow without bound.

# %%
answer = ...
ql.check("06.4", answer)

# %% [markdown]
# **06.5 (change a number).** How does the smallest of the three learning rates depend on p? Give η<sub>c</sub> for p = 2, 4 and
# 8 at p\* = 2 (three numbers), and look at what the other two do.

# %%
answer = ...
ql.check("06.5", answer)

# %% [markdown]
# ## Claims
#
# What this notebook says, measured now: prediction, measurement, verdict.

# %%
claims.table("06_beyond")
