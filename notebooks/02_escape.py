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
# **What you will learn.** A run has three stages: norms adjust, the loss waits on a plateau, and the student's overlap
# with the teacher, which has grown all the while, becomes visible. You will compute the level of the plateau and the
# growth rate, see why the waiting time is a logarithm of N, find out that the randomness of the start is only half of
# the story (the plateau itself makes noise of the same order), and predict a whole histogram of escape times. At the end:
# the learning rates at which there is no plateau to escape from.
#
# **You need** the overlaps and their ODE: [the tour](00_tour.ipynb), and the first half of
# [notebook 01](01_sgd_to_ode.ipynb). Linear differential equations of first order, v′ = 2r v + D, are solved once.
#
# **Time.** About 70 minutes, and 50 for the exercises.
#
# | here | in the library | meaning |
# |---|---|---|
# | p, p\* | `task.p`, `task.p_star` | numbers of units of the student and of the teacher |
# | Q, M | `trajectory.Q`, `trajectory.M` | overlaps of the student's units with each other, and with those of the teacher |
# | α | `trajectory.alpha` | samples seen, divided by N |
# | η | `eta` | learning rate |
# | plateau | `plateau(task, eta)` | M = 0, Q = q I, where nothing moves: its `q`, `loss`, `escape_rate` |
# | r | `plateau(...).escape_rate` | growth rate of M on the plateau |
# | α<sub>esc</sub> | `trajectory.escape_time()` | first α at which half of the plateau's loss is gone, [(4.4)](../docs/theory.md#eq-4-4) |
# | law | `escape_law(task, N, eta)` | distribution of α<sub>esc</sub> over runs: `mean`, `std`, `density(alpha)`, `trusted` |
# | v<sub>eff</sub> | `escape_law(...).v_eff` | N⟨M²⟩ of the start that SGD behaves as if it had |
#
# The teacher's units are orthogonal and equally strong here, T = I, and there is no label noise;
# [notebook 06](06_beyond.ipynb) goes beyond that. The numbers of equations lead to the [theory](../docs/theory.md).

# %%
import numpy as np

import quadlib as ql
from quadlib import claims, plotting
from quadlib.notation import number

PALETTE = plotting.PALETTE


def norm(M):
    """‖M‖ of each state of a run."""
    return np.linalg.norm(M, axis=(-2, -1))


# %% [markdown]
# ## Three stages
#
# Eight runs of SGD, every single sample simulated, from random starts in N = 3000 dimensions. On the left is the loss,
# on the right the same runs seen through two overlaps: the mean squared norm of the units, tr Q/p, and the size ‖M‖ of
# all overlaps with the teacher, on a logarithmic axis.

# %%
task, eta, N = ql.Task(p=4, p_star=2), 0.1, 3000
alpha = np.linspace(0, 60, 121)
how = dict(eta=eta, alpha=alpha, N=N, progress=False)
# where nothing is compiled, in the browser say, many samples at a time
how["method"] = ql.if_compiled("overlaps", "diffusion")
runs = [ql.simulate(task, None, rng=(seed, N), **how) for seed in range(8)]
level = ql.plateau(task, eta)

fig, (left, right) = plotting.figure(2)
for i, run in enumerate(runs):
    style = dict(color=PALETTE["sgd"], lw=1)
    first = i == 0
    plotting.loss_curves(left, run, label="eight runs of SGD" if first else None, **style)
    right.plot(alpha, norm(run.M), label="‖M‖ of SGD" if first else None, **style)
    squared = np.trace(run.Q, axis1=1, axis2=2) / task.p
    right.plot(alpha, squared, label="tr Q/p of SGD" if first else None, ls="--", **style)
plotting.plateau_line(left, level.loss)
left.set(ylim=(0, 0.85))
left.legend()
right.set(xlabel="α = samples / N", ylabel="overlap", yscale="log", ylim=(0.01, 10))
right.legend(loc="upper left")
times = [run.escape_time() for run in runs]
plotting.Picture(
    fig,
    f"Eight SGD runs at N = {N}: the loss waits near {number(level.loss)}, then falls; half of it is "
    f"gone between α = {number(min(times), 2)} and α = {number(max(times), 2)}. Norms adjust within a "
    f"few α, while ‖M‖ grows exponentially from the beginning until the escape.",
)

# %% [markdown]
# **See** three stages.
#
# 1. **Norms.** Within a few units of α the norms shrink a little (dashed, right) and the loss drops to a level.
# 2. **Plateau.** The loss shows nothing. But on the right ‖M‖ follows a straight line on a logarithmic axis: it grows
#    exponentially.
# 3. **Escape.** When ‖M‖ is of order one, the loss falls. The runs do this at rather different times, although they are
#    so much alike before and after.
#
# ## The level
#
# With M = 0 and Q = q I the drift keeps this form, and q obeys one scalar equation. Without gradient noise the norms go
# to q = p/(p + 2) at the rate 4η, and the loss to [(3.1)](../docs/theory.md#eq-3-1)
#
# $$ L_{\rm plateau} = \frac1{p+2} + \frac1{p^\star} . $$
#
# No student that knows how large the answers are, but not in which directions the teacher looks, can have a smaller loss
# (exercise 00.5 of [the tour](00_tour.ipynb)). At finite η the gradient noise makes the norms larger: `plateau` solves
# q′ = 0 with the η² term, [(3.3)](../docs/theory.md#eq-3-3). We measure the level in very high dimension, N = 10¹², where
# M is far too small to be seen for a long time.

# %%
rises = ql.predict(
    "How does the loss on the plateau change when the learning rate is raised?",
    ["it falls: larger steps learn more", "it stays: the formula has no η", "it rises: noise"],
)
rises


# %%
def waiting(p, eta, runs=10):
    """Overlaps at two times on the plateau, N = 10¹², when M is far too small to be seen."""
    return ql.ensemble(
        ql.Task(p, 2), eta=eta, alpha=[3.0 / eta, 4.5 / eta], N=10**12, runs=runs,
        seed=(p, round(1000 * eta)), method="diffusion", progress=False,
    )  # fmt: skip


etas = np.array([0.01, 0.1, 0.2, 0.25])
fine = np.linspace(0.001, 0.26, 60)
last = {p: ql.learning_rates(ql.Task(p, 2)).plateau for p in (2, 4, 16)}
on_plateau = {(p, e): waiting(p, e) for p in last for e in etas if e < 0.99 * last[p]}

fig, ax = plotting.figure(width=6.5)
worst = 0.0
for p in last:
    curve = [ql.plateau(ql.Task(p, 2), e).loss for e in fine if e < last[p]]
    ax.plot(fine[: len(curve)], curve, label=f"p = {p}, (3.3)", **plotting.p_style(p))
    ax.plot(0, 1 / (p + 2) + 1 / 2, "_", ms=14, mew=2, color=PALETTE["theory"])
for (p, e), found in on_plateau.items():
    measured, predicted = found.loss[:, 0].mean(), ql.plateau(ql.Task(p, 2), e).loss
    ax.plot(e, measured, "o", color=plotting.p_color(p))
    worst = max(worst, abs(measured / predicted - 1))
ax.plot([], [], "o", color=PALETTE["sgd"], label="SGD, mean of 10 runs")
ax.plot([], [], "_", ms=14, mew=2, color=PALETTE["theory"], label="1/(p + 2) + 1/p*")
ax.set(xlabel="learning rate η", ylabel="loss on the plateau")
ax.legend()
change = on_plateau[4, 0.2].loss.mean() / on_plateau[4, 0.01].loss.mean()
rises.compare(
    rises.choices[0 if change < 0.99 else 1 if change < 1.01 else 2],
    f"for p = 4 it is {number(change)} times as large at η = 0.2 as at η = 0.01.",
)
plotting.Picture(
    fig,
    f"Level of the plateau against η for p = 2, 4 and 16, p* = 2: SGD (dots) lies on the predicted "
    f"curves, within {number(worst, 1)} of them, which start at 1/(p + 2) + 1/2 and rise.",
)

# %% [markdown]
# **See** that the dots sit on the curves, and that these start at 1/(p + 2) + 1/p\* (the grey bars at η = 0). Additional
# units lower the plateau, but never below 1/p\*, which is what not knowing the directions costs. The curves get steeper
# to the right: for p = 2 there is no dot at the largest η, and the curve ends. We come back to this in the last section.
#
# ## The growth rate
#
# To first order in M the drift on the plateau is M′ = r M. In gradient flow r = 4η/p\*, and with the norm stage,
# [(3.2)](../docs/theory.md#eq-3-2),
#
# $$ M(\alpha) = M(0)\,\sqrt{q(\alpha)/q_0}\;e^{4\eta\alpha/p^\star} , $$
#
# where q₀ = q(0). Gradient noise slows the growth down, [(3.4)](../docs/theory.md#eq-3-4): r = −2η (s + 2q/p − 2/p\*) with
# s = q − 1 and the larger q of finite η.

# %%
faster = ql.predict(
    "With more units there are more overlaps that can grow. Does M grow at a larger rate in gradient flow?",
    ["yes, p times faster", "yes, but only a little", "no, the exponent is the same for all p"],
)
faster

# %%
fig, (left, right) = plotting.figure(2)
small, flow_rates = 0.02, {}
for p in (1, 2, 4, 16):
    start = ql.Overlaps(np.eye(p), np.full((p, 2), 1e-9))
    how = dict(eta=small, alpha=np.linspace(0, 200, 101), gradient_noise=False)
    flow = ql.integrate(ql.Task(p, 2), start, **how)
    grown = norm(flow.M) / norm(flow.M)[0]
    left.plot(flow.alpha, grown, label=f"p = {p}", **plotting.p_style(p))
    flow_rates[p] = np.log(grown[-1] / grown[-21]) / (flow.alpha[-1] - flow.alpha[-21])
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
for p in last:
    rates = [ql.plateau(ql.Task(p, 2), e).escape_rate for e in fine if e < last[p]]
    right.plot(fine[: len(rates)], rates, label=f"p = {p}, (3.4)", **plotting.p_style(p))
for (p, e), found in on_plateau.items():
    grown = np.log(norm(found.M))
    rate = (grown[:, 1] - grown[:, 0]).mean() / (found.alpha[1] - found.alpha[0])
    right.plot(e, rate, "o", color=plotting.p_color(p))
    worst = max(worst, abs(rate / ql.plateau(ql.Task(p, 2), e).escape_rate - 1))
right.plot([], [], "o", color=PALETTE["sgd"], label="SGD")
right.plot(fine, 2 * fine, ":", color=PALETTE["theory"], label="4η/p*")
right.set(xlabel="learning rate η", ylabel="growth rate r", title="SGD, N = 10¹²", ylim=(0, 0.42))
right.legend(loc="upper left", ncols=2, fontsize="small")
ratio = flow_rates[16] / flow_rates[1]
faster.compare(
    faster.choices[2 if abs(ratio - 1) < 1e-3 else 1 if ratio < 2 else 0],
    f"the rate for p = 16 is {number(ratio, 5)} times that for p = 1.",
)
plotting.Picture(
    fig,
    f"Left: in gradient flow M grows by the same exponential for p = 1, 2, 4 and 16. Right: the "
    f"growth rate of SGD bends away from 4η/p* and agrees with the prediction within {number(100 * worst, 2)} %.",
)  # fmt: skip

# %% [markdown]
# **See** parallel lines on the left: one exponent for every p, and a small shift by the factor √(q/q₀), which lies between
# √(1/3) for one unit and 1 for many. This is the paper's claim about overparameterization in a nutshell
# ([notebook 03](03_overparameterization.ipynb)).
#
# On the right the growth rate of SGD falls behind the dotted line 4η/p\*, the more so the fewer units there are, as
# [(3.4)](../docs/theory.md#eq-3-4) says. Note the maximum: past it a *larger* learning rate makes the escape *slower*.
#
# ## Why a logarithm of N
#
# In N dimensions random vectors are nearly orthogonal: M(0) has entries of order 1/√N. They have to grow to order one
# at rate r, and this takes the time ln(√N)/r. So
#
# $$ \langle\alpha_{\rm esc}\rangle = \frac{\ln N}{2r} + \text{const}
#    \approx \frac{p^\star}{8\eta}\,\ln N + \text{const} , $$
#
# which is [(4.5)](../docs/theory.md#eq-4-5), and the number of samples N α<sub>esc</sub> is of order N ln N. What is random about
# α<sub>esc</sub> is the *logarithm* of a random number of order one, whose law does not depend on N.
#
# We simulate from N = 10³ to 10¹² by the diffusion, for which N is only a parameter.

# %%
per_decade = ql.predict(
    "For p = 4, p* = 2, η = 0.05 the growth rate is r = "
    f"{number(ql.plateau(task, 0.05).escape_rate)}. "
    "By how much does the mean escape time grow when N is multiplied by 1000?"
)
per_decade

# %%
eta, runs = 0.05, 100
dimensions = 10 ** np.arange(3, 13, ql.if_compiled(3, 9))
measured, laws = {}, {}
for p, k in ((4, 2), (2, 1)):
    for size in dimensions:
        laws[p, k, size] = ql.escape_law(ql.Task(p, k), int(size), eta)
        measured[p, k, size] = ql.escape_times(
            ql.Task(p, k), eta=eta, N=int(size), runs=runs, seed=(2, p, k, int(size)),
            method="diffusion", progress=False,
        )  # fmt: skip

fig, (left, right) = plotting.figure(2)
said, slopes = [], {}
for (p, k), marker, ls in (((4, 2), "o", "-"), ((2, 1), "s", "--")):
    times = [measured[p, k, size] for size in dimensions]
    means, stds = np.array([(t.mean(), t.std()) for t in times]).T
    style = dict(color=PALETTE["sgd"], capsize=3, fmt=marker)
    label = f"p = {p}, p* = {k}"
    left.errorbar(dimensions, means, 2 * stds / runs**0.5, label=f"SGD, {label}", **style)
    right.errorbar(dimensions, stds, 2 * stds / (2 * runs) ** 0.5, **style)
    of_N = [laws[p, k, size] for size in dimensions]
    style = dict(color=PALETTE["law"], ls=ls, lw=1.2)
    left.plot(dimensions, [law.mean for law in of_N], label=f"law, {label}", **style)
    right.plot(dimensions, [law.std for law in of_N], **style)
    slopes[p] = np.polyfit(np.log(dimensions), means, 1)[0]
    rate = ql.plateau(ql.Task(p, k), eta).escape_rate
    print(
        f"{label}: slope {number(slopes[p])}; predicted 1/(2r) = {number(1 / (2 * rate))}; "
        f"p*/8η = {number(k / (8 * eta))}"
    )
    said.append(f"for {label} the mean grows by {number(slopes[p])} ln N")
per_decade.compare(slopes[4] * np.log(1000), "it is ln(1000)/(2r).")
left.set(xscale="log", xlabel="N", ylabel="mean escape time α")
right.set(xscale="log", xlabel="N", ylabel="standard deviation of α", ylim=(0, 6))
left.legend(fontsize="small")
plotting.Picture(
    fig,
    plotting.sentence(
        "escape times from N = 10³ to 10¹² against the law", *said, "the spread stays constant"
    ),
)

# %% [markdown]
# **See** straight lines of slope 1/(2r) on the left; the difference between 1/(2r) and p\*/8η is what gradient noise takes
# off the growth rate at this η. On the right the spread does not grow and does not shrink: at N = 10¹² the runs are as
# different from each other, in units of α, as at N = 1000. We are used to fluctuations that vanish in high dimension; for
# this quantity they never do. (Each point has its own random numbers: the four sizes are four measurements, not one.)
#
# ## What is random: the start, and the plateau
#
# The curves marked "law" must know more than a slope. Where does the constant come from, and where the spread?
#
# A first idea: everything random is in M(0). Its entries are Gaussian with variance 1/N. Given M(0), let the ODE run.
#
# But the plateau is not silent. Each step kicks M by −(2η/N) Δ λλ\*ᵀ, with random sign. N steps of size 1/N add up
# to √N/N = 1/√N in a unit of time: **the same order as M(0), at every N**. A kick that comes at time α then grows like
# M itself. So the variance v = N⟨M²⟩ of an entry has a source D, and grows at twice the rate of M,
# [(4.1)](../docs/theory.md#eq-4-1):
#
# $$ v' = 2 r v + D, \qquad v_{\rm eff} = v(0) + \int_0^\infty D\,e^{-2\int_0^\alpha r}\,d\alpha . $$
#
# D, in [(4.2)](../docs/theory.md#eq-4-2), is a Gaussian average like those of notebook
# [01](01_sgd_to_ode.ipynb). The solution of the equation for v is the growth exp(2∫r) of an undisturbed M, times
# something that climbs from v(0) = 1 to v<sub>eff</sub> ([(4.3)](../docs/theory.md#eq-4-3)) within a time of about 1/(2r): kicks that
# come later have no time to grow. So SGD in N dimensions should escape like the ODE from a start of variance v<sub>eff</sub>/N
# instead of 1/N.
#
# We measure v in many runs, and divide by the growth of the ODE from a tiny M.

# %%
excess = ql.predict(
    "The start alone gives N⟨M²⟩ = 1. How large does it become at η = 0.2, with the noise of the "
    "plateau, and divided by the growth of the ODE?"
)
excess

# %%
size, points, runs = 10**10, np.linspace(0, 16, 33), ql.if_compiled(200, 100)
tiny = ql.Overlaps(np.eye(4), np.full((4, 2), 1e-9))
fig, ax = plotting.figure(width=6.5)
said = []
for e, ls in ((0.2, "-"), (0.1, "--"), (0.05, "-.")):
    sgd = ql.ensemble(
        task, eta=e, alpha=points, N=size, runs=runs, seed=(3, round(1000 * e)),
        method="diffusion", progress=False,
    )  # fmt: skip
    gain = (ql.integrate(task, tiny, eta=e, alpha=points).M[:, 0, 0] / 1e-9) ** 2
    v = size * (sgd.M**2).mean((0, 2, 3)) / gain
    error = (size * (sgd.M[:, -1] ** 2).mean((1, 2)) / gain[-1]).std() / runs**0.5
    predicted = ql.escape_law(task, size, e).v_eff
    ax.plot(points, v, color=PALETTE["sgd"], ls=ls, label=f"SGD, η = {e}")
    ax.axhline(
        predicted, ls=":", color=PALETTE["law"], label="$v_{\\mathrm{eff}}$" if e == 0.2 else None
    )
    said.append(
        f"η = {e}: ends at {number(v[-1])} ± {number(error, 1)}, v_eff = {number(predicted)}"
    )
    if e == 0.2:
        excess.compare(v[-1], "the plateau makes as much noise as the start has.")
print(*said, sep="\n")
ax.set(xlabel="α = samples / N", ylabel="N⟨M²⟩ / growth²", ylim=(0.9, 2.3))
ax.legend(loc="upper right", ncols=2)
plotting.Picture(
    fig, plotting.sentence("N⟨M²⟩ without its growth climbs from 1 within a few α and stays", *said)
)

# %% [markdown]
# **See** each grey line climb to the dotted level of its η and stay there, up to the error of the runs. At small η the
# excess over 1 is proportional to η (the printed numbers): it is the noise of SGD, not that of the start. At η = 0.2
# it is as large as the start itself. And v<sub>eff</sub> does not contain N.
#
# ## Hundreds of escape times
#
# Now the law itself: average the ODE's escape over Gaussian M of variance v<sub>eff</sub>/N (`escape_law` has the linear
# stage in closed form and integrates only the end, from many directions of M). We compare it with 400 runs at
# N = 1000, sample by sample (in the browser 200, by diffusion), and with the law for a silent plateau.

# %%
later = ql.predict(
    "By how much, in α, would the runs escape later if the plateau made no noise? "
    f"At η = 0.2, v_eff = {number(ql.escape_law(task, 1000, 0.2).v_eff)} and r = "
    f"{number(ql.plateau(task, 0.2).escape_rate)}."
)
later

# %%
eta, N = 0.2, 1000
law = ql.escape_law(task, N, eta)
silent = ql.escape_law(task, N, eta, plateau_noise=False)
runs, method = ql.if_compiled((400, "overlaps"), (200, "diffusion"))
times = ql.escape_times(task, eta=eta, N=N, runs=runs, seed=(4, N), method=method, progress=False)

fig, ax = plotting.figure(width=7)
plotting.escape_histogram(ax, times, [("law", law, PALETTE["law"])], label=f"{runs} runs of SGD")
at = np.linspace(*ax.get_xlim(), 200)
ax.plot(at, silent.density(at), "--", color=PALETTE["law"], label="law for a silent plateau")
ax.legend()
error = times.std() / runs**0.5
print(
    f"SGD                {number(times.mean())} ± {number(error, 1)}, standard deviation {number(times.std())}"
)
print(f"law                {number(law.mean)}, standard deviation {number(law.std)}")
print(
    f"silent plateau     {number(silent.mean)}: "
    f"{number((silent.mean - times.mean()) / error, 2)} standard errors away"
)
later.compare(
    silent.mean - law.mean, f"ln(v_eff)/(2r) is {number(np.log(law.v_eff) / (2 * law.rate))}."
)
plotting.Picture(
    fig,
    f"Histogram of {runs} escape times, mean {number(times.mean())}, standard deviation "
    f"{number(times.std())}; the law says {number(law.mean)} and {number(law.std)}; "
    f"that for a silent plateau {number(silent.mean)}.",
)

# %% [markdown]
# **See** that the solid line has the place, the width and the skewness of the histogram. The dashed one, without the
# noise of the plateau, lies too far to the right, by many standard errors. Since v<sub>eff</sub> does not contain N, high dimension
# does not remove this effect.
#
# The spread has a story of its own. If ‖M‖ alone decided, α<sub>esc</sub> would be a constant minus ln(χ²)/(2r), where χ² is the sum
# of the squares of p p\* Gaussian numbers. But half of the loss cannot be lost in one direction when p\* ≥ 2: a second
# direction has to grow, and its start may be much smaller. Hence the long tail to the right (exercise 02.3).
#
# The same law at N = 10¹² (by the diffusion), and for a student whose norms are fixed (`constraint="spherical"`, every
# sample simulated):

# %%
cases = (
    (task, 10**12, "free", "diffusion", 150),
    (ql.Task(2, 2), 1000, "spherical", ql.if_compiled("overlaps", "diffusion"), 100),
)
fig, axes = plotting.figure(2, height=3.2)
said = []
for ax, (who, size, constraint, method, runs) in zip(axes, cases, strict=True):
    law = ql.escape_law(who, size, 0.1, constraint)
    times = ql.escape_times(
        who, eta=0.1, N=size, runs=runs, seed=(5, size), method=method, constraint=constraint,
        progress=False,
    )  # fmt: skip
    shown = [("law", law, PALETTE["law"])]
    plotting.escape_histogram(ax, times, shown, bins=25, label=f"{runs} runs of SGD")
    name = f"{constraint}, p = {who.p}, p* = {who.p_star}, N = {number(size)}"
    ax.set(title=name)
    ax.legend()
    said.append(
        f"{name}: {number(times.mean())} ± {number(times.std(), 2)}, "
        f"law {number(law.mean)} ± {number(law.std, 2)}"
    )
print(*said, sep="\n")
plotting.Picture(fig, plotting.sentence("histograms of escape times under the law", *said))

# %% [markdown]
# **See** that the widths differ although η is the same. Fixed norms leave more noise in the loss (q = 1 is larger than
# the plateau's q of free norms), so M grows more slowly and each of its random starts is stretched over a longer time.
#
# The law is one of large N and moderate η. It knows where it stops: `trusted` says whether it can be relied on at this N and
# η, `neglected` and `divergence` why not (here with a small N and a larger η):

# %%
for size, e in ((1000, 0.1), (100, 0.2)):
    law = ql.escape_law(task, size, e)
    print(
        f"N = {size:4}, η = {e}: trusted {law.trusted}; neglected {number(100 * law.neglected, 2)} % of the mean, "
        f"{number(100 * law.divergence, 2)} % of the runs diverge"
    )

# %% [markdown]
#
# ## Explore
#
# On the left the loss and ‖M‖, of the ODE (blue) and of ten runs of SGD (grey); on the right the escape times of up to 320
# runs, which arrive while you look, and the two laws. Try:
#
# - p and p\*: the slope of the dotted line below the loss depends on p\* and not on p.
# - η: a larger one makes the escape earlier, then later, then there is no plateau.
# - N: each decade moves everything to the right by the same step, and changes no shape.

# %%
ql.explorers.escape()

# %% [markdown]
# ## Where the plateau ceases to exist
#
# q′ = 0 is a quadratic equation, [(3.3)](../docs/theory.md#eq-3-3). Its smaller root is the plateau, its larger root a
# point of no return: units beyond it are so long that the gradient noise makes them longer still. With growing η the two
# roots meet and vanish, and [(3.6)](../docs/theory.md#eq-3-6)
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

# %%
robust = ql.predict(
    "Does a student with more units have a plateau up to larger or up to smaller learning rates?",
    ["larger", "the same", "smaller"],
)
robust

# %% [markdown]
# Above the bound the ODE should run away even from a start with short weights. For some p we search the learning rate
# where it begins to do so, by bisection.


# %%
def bound(p, k):
    """The largest learning rate with a plateau, (3.6)."""
    rho, h = (p + 4) / (p + 2), 1 + 2 / k
    return 1 / (2 * (rho - 1 + np.sqrt((rho - 1) ** 2 + rho * h - 1)))


def runaway(p, k):
    """The learning rate from which on the ODE runs away from Q = 0.01 I, M = 0."""
    low, high = 0.0, 1.0
    while high - low > 5e-3 * high:
        eta = (low + high) / 2
        try:
            start = ql.Overlaps(0.01 * np.eye(p), np.zeros((p, k)))
            ql.integrate(ql.Task(p, k), start, eta=eta, alpha=[300 / eta])
            low = eta
        except ql.DivergenceError:
            high = eta
    return (low + high) / 2


units, some = np.arange(1, 65), [1, 4, 16]
fig, axes = plotting.figure(3, height=3.9)
said = []
for ax, k in zip(axes, (1, 2, 4), strict=True):
    critical = k / (2 * (k + 2))
    solvable = units >= k
    ax.fill_between(units, bound(units, k), 1, color="#D9D9D9", lw=0)
    top = np.minimum(bound(units, k), critical)
    ax.fill_between(
        units, 0, top, where=solvable, facecolor="none", edgecolor="#A9A9A9", hatch="//", lw=0
    )
    ax.plot(units, bound(units, k), ":", lw=2, color=PALETTE["theory"], label="bound (3.6)")
    ax.plot([k, 64], [critical, critical], "--", color=PALETTE["theory"], label="$η_c$")
    found = [runaway(p, k) for p in some]
    ax.plot(some, found, "o", color=PALETTE["ode"], label="ODE runs away")
    ax.set(xscale="log", xlabel="units p", title=f"p* = {k}", ylim=(0, 0.8), xlim=(1, 64))
    ax.set_xticks([1, 4, 16, 64], ["1", "4", "16", "64"])
    ax.minorticks_off()
    ax.text(1.3, 0.62, "no plateau")
    box = dict(facecolor="white", edgecolor="none", pad=1)
    ax.text(6, 0.06, "solutions attract", fontsize="small", bbox=box)
    ax.text(14, critical + 0.02, "solutions repel", fontsize="small")
    worst = max(abs(x / bound(p, k) - 1) for x, p in zip(found, some, strict=True))
    said.append(
        f"p* = {k}: bound {number(bound(1, k), 2)} at p = 1, {number(bound(64, k), 2)} at p = 64, "
        f"measured within {number(100 * worst, 1)} %"
    )
axes[0].set(ylabel="learning rate η")
fig.legend(*axes[2].get_legend_handles_labels(), loc="outside lower center", ncols=3)
robust.compare(
    robust.choices[0 if found[-1] > 1.01 * found[0] else 2 if found[-1] < 0.99 * found[0] else 1],
    "the output is a mean over units, and the noise of many units averages out.",
)
print(*said, sep="\n")
plotting.Picture(
    fig,
    plotting.sentence("map of the learning rates with a plateau, which grow with p and p*", *said),
)

# %% [markdown]
# **See** that the blue dots sit on the dotted bound. In the hatched region the plateau is left for a solution. In the white
# one there is a plateau too, but no solution to go to: above the dashed line η<sub>c</sub> they repel
# ([notebook 03](03_overparameterization.ipynb)), and for p < p\* there is none. Between η<sub>c</sub> and the bound there is one more
# learning rate, above which a network that leaves the plateau runs away; [notebook 06](06_beyond.ipynb) measures it.
#
# A plateau that exists need not be reached: random weights of norm √N may already be beyond the larger root, for
# example with one unit and four in the teacher at η = 0.2. And it need not be left: with p\* = 4 and p = 16 the growth
# rate vanishes at η = 0.5. `escape_law` knows these cases:

# %%
for p, k, e in ((1, 4, 0.2), (16, 4, 0.5), (1, 4, 0.05)):
    try:
        ql.escape_law(ql.Task(p, k), 10**6, e)
    except ValueError as error:
        print(error, end="\n\n")

# %% [markdown]
# ## Exercises
#
# Put your answer in place of the dots and run the cell. The [solutions](solutions/02_escape_solutions.ipynb) have the
# way to each answer. In all of them p = 4, p\* = 2 and η = 0.05, unless something else is said.
#
# **02.1 (change a number).** How many samples does the escape take on average at N = 10⁶? And how much longer, in α, does
# it take if N is doubled? (A list of two numbers, within half a per cent.)

# %%
answer = ...
ql.check("02.1", answer)

# %% [markdown]
# **02.2 (compute).** At which learning rate does M grow fastest on the plateau? (One number, within one per cent. Is the
# mean escape time at N = 10⁶ shortest near it?)

# %%
answer = ...
ql.check("02.2", answer)

# %% [markdown]
# **02.3 (derive).** If ‖M‖ alone decided, what would the standard deviation of α<sub>esc</sub> be? (One number. Hint: the variance of
# ln χ², with χ² a sum of n squares, is the trigamma function ψ₁(n/2), `scipy.special.polygamma(1, n / 2)`. Compare with
# the law for p\* = 2 and for p\* = 1: where does it matter that the loss is lost in two directions?)

# %%
answer = ...
ql.check("02.3", answer)

# %% [markdown]
# **02.4 (derive).** To first order in η, v<sub>eff</sub> = 1 + c η. What is c? (One number, within one per cent. For T = I the source
# is D = 4η² q B(q) with B(q) = q²(p+2)(p+4)/p² − 2q(p+2)(p\*+2)/(p p\*) + (p\*+2)(p\*+4)/p\*². Start from q = 1, where
# q(α) = q∞/(1 − (1 − q∞) exp(−4ηα)) with q∞ = p/(p + 2), and take the growth of M from
# [(3.2)](../docs/theory.md#eq-3-2). Do the integral numerically, in the variable ηα.)

# %%
answer = ...
ql.check("02.4", answer)

# %% [markdown]
# **02.5 (explain).** Why does the spread of α<sub>esc</sub> not shrink as N grows? (One letter.)
#
# - (a) The diffusion adds noise of its own at large N.
# - (b) α<sub>esc</sub> contains the logarithm of √N ‖M(0)‖, which is a random number of order one at every N.
# - (c) The number of samples until the escape grows, and with it the accumulated noise.
# - (d) The loss is a random quantity even at N → ∞.

# %%
answer = ...
ql.check("02.5", answer)

# %% [markdown]
# **02.6 (derive).** What is the largest learning rate with a plateau for p → ∞ and p\* = 2? (One number. Why is it finite,
# although the mean over infinitely many units is no longer random?)

# %%
answer = ...
ql.check("02.6", answer)

# %% [markdown]
# ## Claims
#
# What this notebook says, measured again with error bars.

# %%
claims.table("02_escape")
