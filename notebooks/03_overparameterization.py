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
# # 03 Overparameterization
#
# The student has p units, the teacher p\*. What is gained, and what is lost, by taking more units than necessary?
#
# **What you will learn.** More units lower the plateau and bring the escape forward, but only by a shift that has a limit
# as p → ∞: the time still grows as ln N, with nearly the same slope. After the escape they do harm: with p = p\* the loss
# dies exponentially, with p > p\* as 1/α². The learning rate above which solutions repel does not depend on p at all.
# Fixed norms change the level of the plateau, and little else.
#
# **You need** the plateau, the growth rate and the law of the escape time: [notebook 02](02_escape.ipynb).
#
# **Time.** About 65 minutes, and 40 for the exercises.
#
# | here | in the library | meaning |
# |---|---|---|
# | p, p\* | `Task(p, p_star)` | numbers of units of the student and of the teacher |
# | η | `eta` | learning rate |
# | α | `alpha` | samples seen, divided by N |
# | α<sub>esc</sub> | `escape_time`, `escape_times` | first α at which half of the plateau's loss is gone |
# | r | `plateau(task, eta).escape_rate` | growth rate of the overlaps M on the plateau |
# | q | `plateau(task, eta).q` | squared norm of a unit's weights on the plateau, divided by N |
# | law | `escape_law(task, N, eta)` | predicted mean and spread of α<sub>esc</sub> |
# | b(p) | | what is left of 2r⟨α<sub>esc</sub>⟩ when ln N is taken away |
# | surplus | p − p\* | units that the teacher's task does not need |
# | η<sub>c</sub> | `critical_learning_rate` | above it the zero-loss solutions repel |
#
# The numbers of equations lead to the [theory](../docs/theory.md).

# %%
import numpy as np

import quadlib as ql
from quadlib import claims, plotting
from quadlib.notation import number

PALETTE = plotting.PALETTE
p_star, eta = 2, 0.05


def nested_start(N, p, constraint="free"):
    """The first p of 32 random units: more units, and those already there unchanged."""
    full = ql.random_overlaps(ql.Task(32, p_star), N, rng=(17, N), constraint=constraint)
    return ql.Overlaps(full.Q[:p, :p], full.M[:p])


# %% [markdown]
# ## Too few, enough, too many
#
# We keep a teacher of two units and add units to the student one after another, those already there unchanged. The ODE
# says what each of these networks does from such a start in high dimension.
#
# The plateau of gradient flow lies at 1/(p + 2) + 1/p\*, [(3.1)](../docs/theory.md#eq-3-1). It falls as units are added,
# to no less than 1/p\*. A single unit cannot express two: its output λ² looks in one direction only.

# %%
alone = ql.predict(
    "The plateau of p = 1 lies at 1/3 + 1/2. What loss does a single unit end with, for two in the teacher?"
)
alone

# %%
alpha = np.linspace(0, 140, 281)
runs = {
    p: ql.integrate(ql.Task(p, p_star), nested_start(10**6, p), eta=eta, alpha=alpha)
    for p in (1, 2, 4, 8, 32)
}
floor = ql.late_time_law(ql.Task(1, p_star), eta, gradient_noise=False).floor
fig, ax = plotting.figure(width=7.5)
for p, run in runs.items():
    plotting.loss_curves(ax, run, label=f"p = {p}", **plotting.p_style(p))
ax.axhline(floor, color=PALETTE["theory"], ls=":", lw=1.2, label="least loss of one unit")
ax.set(ylim=(0, 1.2), title=f"ODE, p* = 2, N = {number(10**6)}, η = {eta}")
ax.legend(ncols=2)
for p, run in runs.items():
    level = ql.plateau(ql.Task(p, p_star)).loss
    print(
        f"p = {p:2}: loss {number(np.interp(30, alpha, run.loss))} on the plateau, {number(level)} in the "
        f"flow; escape at α = {number(run.escape_time())}"
    )
alone.compare(runs[1].loss[-1], f"{number(floor)} in the flow, and more with gradient noise.")
plotting.Picture(
    fig,
    plotting.sentence(
        "loss of the ODE against α",
        *(
            f"p = {p}: plateau near {number(np.interp(30, alpha, run.loss), 2)}, "
            f"escape at α = {number(run.escape_time(), 2)}, end at {number(run.loss[-1], 2)}"
            for p, run in runs.items()
        ),
    ),
)

# %% [markdown]
# **See** that the levels follow the formula up to a small excess, which is the gradient noise of this η. The dotted line
# is the least loss of a student with one unit, which learns one of the teacher's, a little too large: in general
#
# $$ L_\infty = \frac{(1 - p/p^\star)^2}{p + 2} + \frac{p^\star - p}{(p^\star)^2}, \qquad p < p^\star $$
#
# (exercise 03.4). The run ends above it, because its noise never ceases. From p\* units on the loss vanishes.
#
# The escapes come in the order of p. But look at the distances: from one unit to four much is gained, from eight to
# thirty-two hardly anything.
#
# ## Why so little?
#
# On the plateau M is small, and for gradient flow from Q(0) = q₀ I, [(3.2)](../docs/theory.md#eq-3-2),
#
# $$ M(\alpha) = M(0) \sqrt{\frac{q(\alpha)}{q_0}} \; e^{4 \eta \alpha / p^\star}, \qquad q \to \frac{p}{p + 2}. $$
#
# The number of units is missing from the exponent. It enters in two places: in the prefactor √(q/q₀), which the
# adjustment of the norms in the first few units of time makes, and in the number p p\* of overlaps that start to grow.

# %%
noise = ql.predict(
    "That was gradient flow. With gradient noise, does M grow at the same rate for p = 2 and p = 32?",
    ["faster for p = 2", "at exactly the same rate", "faster for p = 32"],
)
noise

# %%
G = np.random.default_rng(0).standard_normal((32, p_star))
times = np.linspace(0, 60, 121)
growth = {}
for p in (2, 8, 32):
    start = ql.Overlaps(np.eye(p), 1e-6 * G[:p])
    for with_noise in (False, True):
        how = dict(eta=eta, alpha=times, gradient_noise=with_noise)
        run = ql.integrate(ql.Task(p, p_star), start, **how)
        growth[p, with_noise] = np.linalg.norm(run.M, axis=(1, 2)) / np.linalg.norm(start.M)

fig, axes = plotting.figure(2, height=3.4)
for ax, with_noise, title in zip(axes, (False, True), ("gradient flow", "ODE"), strict=True):
    for p, ls in ((2, "-"), (8, "--"), (32, "-.")):
        scaled = growth[p, with_noise] * np.exp(-4 * eta * times / p_star)
        ax.plot(times, scaled, color=plotting.p_color(p), ls=ls, label=f"p = {p}")
        label = "√(p/(p + 2))" if p == 2 else None
        ax.axhline(np.sqrt(p / (p + 2)), color=PALETTE["theory"], ls=":", lw=1, label=label)
    ax.set(title=title, xlabel="α = samples / N", ylim=(0.4, 1.05))
axes[0].set(ylabel="‖M(α)‖ / ‖M(0)‖ · exp(−4ηα/p*)")
axes[0].legend(ncols=2, loc="lower left")
rates = {}
print(f"4η/p* = {number(4 * eta / p_star)}")
for p in (2, 8, 32):
    flow, rates[p] = (np.log(growth[p, on][-1] / growth[p, on][-21]) / 10 for on in (False, True))
    predicted = ql.plateau(ql.Task(p, p_star), eta).escape_rate
    print(
        f"p = {p:2}: rate of the flow {number(flow, 4)}, of the ODE {number(rates[p], 4)}, "
        f"predicted {number(predicted, 4)}"
    )
noise.compare(
    noise.choices[0 if rates[2] > 1.001 * rates[32] else 2 if rates[32] > 1.001 * rates[2] else 1],
    f"by {number(100 * (rates[32] / rates[2] - 1), 2)} %.",
)
plotting.Picture(
    fig,
    "Growth of M with the exponential of gradient flow taken out. Left: gradient flow settles at "
    + ", ".join(f"{number(growth[p, False][-1] * np.exp(-2 * eta * 60))}" for p in (2, 8, 32))
    + " for p = 2, 8 and 32. Right: with gradient noise the curves keep falling, slowest for p = 32.",
)

# %% [markdown]
# **See** on the left that the curves of gradient flow settle on the dotted lines √(p/(p + 2)): the rate is that of the
# formula, the same for all p, and the prefactor is the predicted one.
#
# **Surprise.** On the right they do not settle: with gradient noise the rates are smaller, and differ a little. The theory
# knows it. With s = q − 1 the growth rate on the plateau is
#
# $$ r = \frac{4\eta}{p^\star} - 2\eta^2\, \Xi, \qquad
#    \Xi = s^2 + 2 \left( \frac{q^2}{p} + \frac{1}{p^\star} \right) + \frac{4 s q}{p} + \frac{8 q^2}{p^2} , $$
#
# which is [(3.4)](../docs/theory.md#eq-3-4) with the q of [(3.3)](../docs/theory.md#eq-3-3). Ξ is what the noise of one
# sample does to the length of a unit's weights, and is close to twice the loss of the plateau, which is lower for more
# units (exercise 03.5). So more units do escape at a slightly higher rate. The difference is of order η relative to the
# rate, and vanishes in the limit of small learning rates. What does not vanish is the prefactor.
#
# ## The escape time against p
#
# Now real escapes at finite N: SGD from random starts, many runs for each p, by the diffusion (a few draws stand for many
# samples, so that N can be what we like). The overlaps grow from order 1/√N to order one at rate r, so
#
# $$ 2 r \langle \alpha_{\mathrm{esc}} \rangle = \ln N + b(p). $$
#
# All that depends on p, apart from r, is one number b(p): the logarithm of a prefactor of N. The law of
# [notebook 02](02_escape.ipynb) predicts it. It collects q, the noise of the plateau, the number of overlaps, and the
# time that the last part of the escape takes.

# %%
saving = ql.predict(
    "Taking p = 32 instead of p = 2 saves some time α. How does this saving at N = 10¹⁰ compare with that at N = 10⁴?",
    ["it is much larger: six decades more", "it is about the same", "it is much smaller"],
)
saving

# %%
counts = {1: 40, 2: 40, 4: 20, 8: 10, 16: 6, 32: 4}
sizes = (10**4, 10**10)
laws = {(p, N): ql.escape_law(ql.Task(p, p_star), N, eta) for p in counts for N in sizes}
found = {}
for p, N in laws:
    found[p, N] = ql.escape_times(
        ql.Task(p, p_star), eta=eta, N=N, runs=counts[p], seed=(3, p, N), method="diffusion",
        progress=False,
    )  # fmt: skip
units = np.array(list(counts))
mean = {N: np.array([found[p, N].mean() for p in counts]) for N in sizes}
error = {N: np.array([laws[p, N].std / np.sqrt(runs) for p, runs in counts.items()]) for N in sizes}
rate = np.array([laws[p, sizes[0]].rate for p in counts])
b = np.array([2 * laws[p, 10**10].rate * laws[p, 10**10].mean for p in counts]) - np.log(1e10)

fig, (left, right) = plotting.figure(2)
for N, marker in zip(sizes, ("o", "s"), strict=True):
    style = dict(fmt=marker, ms=4, color=plotting.N_color(N), label=f"SGD, N = {number(N)}")
    left.errorbar(units, mean[N], 2 * error[N], **style)
    right.errorbar(units, 2 * rate * mean[N] - b, 4 * rate * error[N], **style)
    law_label, line_label = ("law", "ln N") if N == sizes[0] else (None, None)
    left.plot(units, [laws[p, N].mean for p in counts], color=PALETTE["law"], lw=1, label=law_label)
    right.axhline(np.log(N), color=PALETTE["theory"], ls=":", lw=1.2, label=line_label)
left.set(ylabel="mean escape time α", ylim=(0, 160))
right.set(ylabel="$2r⟨α_{\\mathrm{esc}}⟩ - b(p)$", ylim=(0, 30))
for ax in (left, right):
    ax.set(xlabel="units p", xscale="log")
    ax.set_xticks(units, [str(p) for p in units])
    ax.minorticks_off()
left.legend(fontsize="small", loc="upper right")
right.legend(fontsize="small", loc="center right")
saved = {N: mean[N][1] - mean[N][5] for N in sizes}
ratio = saved[10**10] / saved[10**4]
saving.compare(
    saving.choices[0 if ratio > 2 else 1 if ratio > 0.5 else 2],
    f"{number(saved[10**4])} of {number(mean[10**4][1])} at N = {number(10**4)}, and "
    f"{number(saved[10**10])} of {number(mean[10**10][1])} at N = {number(10**10)}.",
)
limit = ql.escape_law(ql.Task(128, p_star), 10**10, eta)
b_limit = 2 * limit.rate * limit.mean - np.log(1e10)
print(
    "b(p):",
    ", ".join(f"{number(x)} (p = {p})" for p, x in zip(counts, b, strict=True)),
    f"and {number(b_limit)} (p = 128)",
)
worst = max(abs(2 * rate * mean[N] - b - np.log(N)).max() for N in sizes)
plotting.Picture(
    fig,
    plotting.sentence(
        "left: mean escape time of SGD falls from p = 1 to p = 32",
        *(f"N = {number(N)}: from {number(mean[N][0])} to {number(mean[N][-1])}" for N in sizes),
        "right: with the predicted offset b(p) taken away all p lie on ln N, the largest distance "
        f"being {number(worst, 2)}",
    ),
)  # fmt: skip

# %% [markdown]
# The bars are ± 2σ, and smaller than most symbols. **See** on the right that one number for each p makes the points of all N and all p fall on ln N: p changes a prefactor,
# as if N were multiplied by a factor that does not depend on N, and not the logarithm. (The saving would be the same at
# both N if the rates were equal; at this η they differ a little, and the longer plateau counts the difference.) And b(p)
# converges, as the printed numbers show: thirty-two units are close to the limit of infinitely many. That is the sense
# in which overparameterization helps only modestly.
#
# Most of the gain is made in going from p\* to a few times p\*. With few units the p × p\* random overlaps M(0) are poor at
# covering all units of the teacher: the smallest singular value of M(0) is much smaller than the largest, and the last
# direction escapes late. With many units all singular values of M(0) are nearly alike.
#
# ## The exponential of the loss
#
# The paper says that overparameterization accelerates the escape only modestly, "by modifying the prefactor of the
# exponential decay of the loss". Which exponential is that? The one with which the loss *leaves the plateau*. While M
# is small the drop of the loss is proportional to ‖M‖², [(4.6)](../docs/theory.md#eq-4-6), and its mean over runs is
# [(4.10)](../docs/theory.md#eq-4-10)
#
# $$ L_{\mathrm{plateau}} - L = A \, e^{2 r \alpha}, \qquad 2 r = \frac{8 \eta}{p^\star} - 4 \eta^2 \Xi, \qquad
# A \approx \frac{2\, q\, v_{\mathrm{eff}}}{N} . $$
#
# The factor p p\* in the number of overlaps has cancelled: all that p changes in A is q = p/(p + 2) and, a little, v<sub>eff</sub>.

# %%
prefactor = ql.predict("By what factor does the prefactor A grow from p = 2 to p = 32?")
prefactor

# %% [markdown]
# We take SGD from random starts, by the exact chain at N = 10⁴ and by the diffusion at N = 10¹⁰, and subtract the mean loss of
# many runs from the loss of the ODE at M = 0, which knows what the norms have not yet forgotten.

# %%
drops, A, fits = {}, {}, {}
for p, runs, few in ((2, 100, 40), (4, 60, 25), (8, 40, 0), (16, 30, 0), (32, 12, 0)):
    task = ql.Task(p, p_star)
    level, v_eff = ql.plateau(task, eta), ql.escape_law(task, 10**6, eta).v_eff
    for N, method in ((10**4, ql.if_compiled("overlaps", "diffusion")), (10**10, "diffusion")):
        if N == 10**4 and not few:
            continue  # exact, but slow for many units
        small = np.geomspace(1, 6, 4) * (1e-3 if N == 10**4 else 1e-4)
        alpha = np.log(small * N / (2 * level.q * v_eff)) / (2 * level.escape_rate)
        at_rest = ql.Overlaps(np.eye(p), np.zeros((p, p_star)))
        rest = ql.integrate(task, at_rest, eta=eta, alpha=alpha)
        sgd = ql.ensemble(
            task,
            eta=eta,
            alpha=alpha,
            N=N,
            runs=few if N == 10**4 else runs,
            seed=(11, p, N),
            method=method,
            progress=False,
        )
        drop = rest.loss - sgd.loss
        drops[p, N] = alpha, drop.mean(0)
        scaled = drop[:, -1] * N * np.exp(-2 * level.escape_rate * alpha[-1])
        A[p, N] = scaled.mean(), scaled.std(ddof=1) / np.sqrt(len(scaled)), 2 * level.q * v_eff
        measured = np.log(drop.mean(0)[-1] / drop.mean(0)[0]) / (alpha[-1] - alpha[0])
        fits[p, N] = measured, 2 * level.escape_rate

fig, (left, right) = plotting.figure(2)
for (p, N), (alpha, drop) in drops.items():
    if N == 10**10:
        left.semilogy(alpha, drop, "o", ms=4, color=plotting.p_color(p), label=f"SGD, p = {p}")
        line = A[p, N][0] / N * np.exp(fits[p, N][1] * alpha)
        left.semilogy(
            alpha, line, color=PALETTE["law"], lw=1, label="$A\\,e^{2rα}$" if p == 32 else None
        )
left.set(xlabel="α = samples / N", ylabel="drop of the loss below the plateau", title="N = 10¹⁰")
left.legend(fontsize="small")
many = [2, 4, 8, 16, 32]
right.plot(
    many, [A[p, 10**10][2] for p in many], color=PALETTE["law"], label="$2\\,q\\,v_{\\mathrm{eff}}$"
)
for N, name, marker, label in (
    (10**4, "sgd", "o", ql.if_compiled("chain", "diffusion") + ", N = 10⁴"),
    (10**10, "diffusion", "s", "diffusion, N = 10¹⁰"),
):
    have = [p for p in many if (p, N) in A]
    value, its_error, _ = np.transpose([A[p, N] for p in have])
    style = dict(fmt=marker, ms=4, capsize=3, color=PALETTE[name], label=label)
    right.errorbar(have, value, 2 * its_error, **style)
right.set(xscale="log", xlabel="units p", ylabel="A N", ylim=(0, 3.2))
right.set_xticks(many, [str(p) for p in many])
right.minorticks_off()
right.legend(loc="lower right")
print(f"8η/p* = {number(8 * eta / p_star, 4)}")
for (p, N), (measured, predicted) in fits.items():
    value, its_error, law = A[p, N]
    print(
        f"p = {p:2}, N = {number(N):>4}: rate {number(measured)}, 2r = {number(predicted)}; "
        f"A N = {number(value)} ± {number(its_error, 1)}, 2 q v_eff = {number(law)}"
    )
ratio = A[32, 10**10][0] / A[2, 10**10][0]
shift = np.log(ratio) / fits[32, 10**10][1]
prefactor.compare(ratio, f"and this brings the escape forward by {number(shift, 2)} in α.")
plotting.Picture(
    fig,
    plotting.sentence(
        "left: the mean drop of the loss below the plateau grows exponentially, for all p at nearly one rate",
        "right: its prefactor times N",
        *(f"p = {p}: {number(A[p, 10**10][0])} ± {number(A[p, 10**10][1], 1)}" for p in many),
    ),
)

# %% [markdown]
# **See** one slope for all p on the left (p = 32 is the leftmost line, p = 2 the rightmost), and on the right a prefactor that
# rises and levels off. Sixteen times as many units
# do not even double it: that is how modest the gain is. (What more is gained from p = 2 on, in the section above, is gained at
# the end of the escape: with few units the second direction of the teacher comes late.) The line 2 q v<sub>eff</sub> is right to first
# order in η; at this η the points lie a few per cent below it. (At N = 10⁴ the runs are few, and rate and A known to some per
# cent only.)
#
# **And later?** This exponential ends when M is of order one: it describes how the plateau is *left*. What happens once the
# teacher is found is another regime with another small quantity, the distance from the solutions. There p does enter the
# form of the law, and not a prefactor only: the loss dies exponentially for p = p\* and as 1/α² for p > p\* (next section).
# The two statements do not contradict each other. A loss that is followed for long shows first the one, then the other: the
# same surplus units that increase A at the beginning keep the loss up at the end.
#
# ## Late times: where more is less
#
# After the escape all losses with p ≥ p\* vanish. How fast?
#
# - With p = p\* every error is corrected at a rate of its own, and L dies as exp(−8η(1 − η/η<sub>c</sub>) α/p\*),
#   [(6.9)](../docs/theory.md#eq-6-9), where η<sub>c</sub> is the critical learning rate of the next section.
# - With p > p\* the surplus units have to vanish, and nothing pushes them: the loss is of fourth order in their weights
#   ([notebook 05](05_landscape.ipynb)), so the force is cubic. A squared norm a with a′ ∝ −a² falls as 1/α, and the loss
#   as its square, [(6.8)](../docs/theory.md#eq-6-8):
#
# $$ L \simeq \frac{C}{\alpha^2}, \qquad C = \frac{(p - p^\star)(p^\star + 2)}{64 \eta^2 (p + 2)} \, \frac{1}{1 - 2\eta/(1 - 4\eta/p^\star)}. $$
#
# The last factor is gradient noise, 1 for the flow.

# %%
last = ql.predict(
    "Of p = 2, 3, 4 and 8 units, for two in the teacher: which number has the largest loss at α = 10⁴?"
)
last

# %%
eta_late = 0.1
times = np.concatenate([np.linspace(1, 100, 100), np.geomspace(102, 1e4, 100)])
fig, (left, right) = plotting.figure(2)
words, ends = [], {}
for p in (2, 3, 4, 8):
    task = ql.Task(p, p_star)
    run = ql.integrate(task, nested_start(10**4, p), eta=eta_late, alpha=times, rtol=1e-11)
    law = ql.late_time_law(task, eta_late)
    shown, ends[p] = run.loss > 1e-11, run.loss[-1]
    for ax in (left, right):
        ax.plot(run.alpha[shown], run.loss[shown], label=f"p = {p}", **plotting.p_style(p))
    if law.kind == "power law":
        line = dict(color=PALETTE["law"], ls=":", lw=1.2, label="C/α²" if p == 8 else None)
        left.plot(times, law.prefactor / times**2, **line)
        words.append(f"p = {p}: L α² = {number(run.loss[-1] * 1e8)}, law {number(law.prefactor)}")
    else:
        i, j = np.argmax(run.loss < 1e-3), np.argmax(run.loss < 1e-9)
        line = 2 * run.loss[i] * np.exp(-law.rate * (times - times[i]))
        right.plot(
            times[i:100], line[i:100], ":", color=PALETTE["law"], lw=1.5, label="slope of the law"
        )
        measured = np.log(run.loss[i] / run.loss[j]) / (times[j] - times[i])
        words.append(f"p = {p}: rate {number(measured)}, law {number(law.rate)}")
left.set(
    xscale="log",
    yscale="log",
    xlabel="α = samples / N",
    ylabel="loss",
    ylim=(1e-9, 2),
    title="power laws",
)
right.set(
    yscale="log", xlabel="α = samples / N", xlim=(0, 120), ylim=(1e-9, 2), title="an exponential"
)
left.legend(fontsize="small")
right.legend(fontsize="small")
print(*words, sep="\n")
last.compare(max(ends, key=ends.get), "C grows with p: more surplus, more loss.")
plotting.Picture(fig, plotting.sentence("loss of the ODE at late times", *words))

# %% [markdown]
# **See** on the left that the curves run into the dotted laws: straight lines on doubly logarithmic axes. On the right,
# with a linear time axis, p = p\* alone is a straight line, parallel to the dotted law. The network that escapes first is
# the last to arrive: at the right end of the left picture the order of the curves is reversed.
#
# ## The critical learning rate
#
# Too large an η makes the solutions repel. Near a solution the error only sees those p\* combinations of the units which
# the solution uses ([section 3](../docs/theory.md#section-3)), and from them follows
#
# $$ \eta_c = \frac{p^\star}{2 (p^\star + 2)} \qquad \text{for every } p \ge p^\star , $$
#
# which is [(3.7)](../docs/theory.md#eq-3-7). We start a little off a solution and measure the rate at which the loss
# decays or grows. (All solutions are W = √(p/p\*) O W\* with p\* orthonormal columns in O; below O has the first p\* units.)

# %%
repel = ql.predict(
    "Up to which learning rate do solutions attract a student of 8 units, compared with one of 2?",
    ["a larger one", "the same", "a smaller one"],
)
repel


# %%
def decay(p, eta, alpha):
    """Rate at which the loss decays near a solution, between two times."""
    O = np.eye(p, p_star)
    solution = ql.Overlaps(p / p_star * O @ O.T + 1e-6 * O @ O.T, np.sqrt(p / p_star) * O)
    run = ql.integrate(ql.Task(p, p_star), solution, eta=eta, alpha=alpha, rtol=1e-12)
    return np.log(run.loss[0] / run.loss[1]) / (alpha[1] - alpha[0])


critical = ql.critical_learning_rate(ql.Task(2, p_star))
fractions = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0, 1.02, 1.05])
fig, ax = plotting.figure(width=6.5)
predicted = 8 * fractions * critical / p_star * (1 - fractions)
ax.plot(fractions, predicted, ":", color=PALETTE["law"], label="$(8η/p^*)(1 - η/η_c)$")
worst, zero = 0.0, {}
for p, marker, size in ((2, "o", 10), (3, "s", 6), (8, "x", 6)):
    rates = np.array([decay(p, f * critical, [10.0, 20.0]) for f in fractions])
    style = dict(ms=size, mfc="none", color=plotting.p_color(p), label=f"ODE, p = {p}")
    ax.plot(fractions, rates, marker, **style)
    worst = max(worst, abs(rates - predicted).max())
    low, high = 0.9 * critical, 1.04 * critical  # bisection for the rate zero
    while high - low > 3e-5:
        middle = (low + high) / 2
        low, high = (middle, high) if decay(p, middle, [100.0, 200.0]) > 0 else (low, middle)
    zero[p] = (low + high) / 2
ax.axhline(0, color=PALETTE["theory"], lw=0.8)
ax.set(xlabel="$η / η_c$", ylabel="decay rate of the loss")
ax.legend()
print(
    *(
        f"p = {p}: the rate is zero at η = {number(x, 5)}; η_c = {number(critical, 5)}"
        for p, x in zero.items()
    ),
    sep="\n",
)
change = zero[8] / zero[2] - 1
repel.compare(repel.choices[1 if abs(change) < 1e-3 else 0 if change > 0 else 2])
plotting.Picture(
    fig,
    f"Decay rate of the loss near a solution against η/η_c: p = 2, 3 and 8 lie on one curve, "
    f"positive below 1 and negative above, within {number(worst, 1)} of the prediction.",
)  # fmt: skip

# %% [markdown]
# **See** circles, squares and crosses on top of each other, on one dotted curve for all p. Overparameterization neither
# allows larger learning rates nor forbids them, as far as solutions are concerned. (The plateau is another matter: see the
# last section of [notebook 02](02_escape.ipynb).)
#
# ## Free against spherical
#
# So far norms moved freely. Now each weight vector is rescaled to norm √N after every step. Then there is no norm
# adjustment, q = 1, and the plateau lies at 1/p + 1/p\*, above the free one, [(3.5)](../docs/theory.md#eq-3-5); with
# p = p\* = 2 the difference is large, with many units it vanishes as 2/p². The growth rate in the flow is 4η/p\* as
# before; noise takes away more of it when p is small.

# %%
fixed = ql.predict(
    "How many α later does a spherical student of 16 units escape than a free one, at N = 10⁶ and η = 0.05?"
)
fixed

# %%
N = 10**6
fig, (left, right) = plotting.figure(2)
many = (2, 4, 16)
laws = {
    c: {p: ql.escape_law(ql.Task(p, p_star), N, eta, c) for p in many}
    for c in ("free", "spherical")
}
for c, ls, marker in (("free", "-", "o"), ("spherical", "--", "s")):
    for p in (2, 8):
        how = dict(eta=eta, alpha=140.0, constraint=c)
        run = ql.integrate(ql.Task(p, p_star), nested_start(N, p, c), **how)
        plotting.loss_curves(left, run, color=plotting.p_color(p), label=f"{c}, p = {p}", ls=ls)
    means = [law.mean for law in laws[c].values()]
    right.plot(list(many), means, color=PALETTE["law"], ls=ls, label=f"law, {c}")
    for p, runs in ((2, 40), (4, 24), (16, 8)):
        law = laws[c][p]
        times = ql.escape_times(
            ql.Task(p, p_star), eta=eta, N=N, runs=runs, seed=(5, p, N), method="diffusion",
            constraint=c, progress=False,
        )  # fmt: skip
        style = dict(fmt=marker, ms=4, color=PALETTE["sgd"], label=f"SGD, {c}" if p == 2 else None)
        right.errorbar(p, times.mean(), 2 * law.std / np.sqrt(runs), **style)
left.set_ylim(0, 1.2)
left.legend(fontsize="small")
right.set(xlabel="units p", ylabel="mean escape time α", xscale="log", ylim=(60, 95))
right.set_xticks(many, [str(p) for p in many])
right.minorticks_off()
right.legend(fontsize="small")
gap = {p: laws["spherical"][p].mean - laws["free"][p].mean for p in many}
fixed.compare(gap[16], "although plateau and growth rate are nearly the same.")
for c in ("free", "spherical"):
    C = ql.late_time_law(ql.Task(4, p_star), eta_late, c).prefactor
    print(f"late loss of p = 4 at η = {eta_late}, {c}: {number(C)}/α²")
plotting.Picture(
    fig,
    plotting.sentence(
        "left: a spherical student rests on a higher plateau than a free one",
        "right: it escapes later, by " + ", ".join(f"{number(gap[p], 2)} at p = {p}" for p in many),
    ),
)

# %% [markdown]
# **See** that the dashed lines lie above the solid ones at every p. **Surprise:** the distance does not vanish for large p,
# although plateaus and growth rates then agree. Fixed norms cost time after the linear stage too: a free unit grows along
# the directions it has found; a spherical one cannot grow, it has to turn. The power law at late times remains, with
# another prefactor, which the cell prints.
#
# ## Explore
#
# The thick curve is the p of the slider, the thin ones are p = 1, 2, 4, 8 and 16. On the right are mean and spread of the
# law of the escape time for N = 10⁶, with the ODE from one start. With p below p\* the loss ends above zero. Past η<sub>c</sub> a
# sentence says that solutions repel.
#
# Which p would you choose if the loss has to be below 10⁻² as early as possible? And below 10⁻⁶?

# %%
ql.explorers.overparameterization()

# %% [markdown]
# ## Exercises
#
# Put your answer in place of the dots and run the cell. The [solutions](solutions/03_overparameterization_solutions.ipynb)
# have the way to each answer.
#
# **03.1 (change a number).** The teacher has p\* = 4 units now. By how much, in α, does a student of p = 32 units escape
# earlier than one of p = 4, on average, at N = 10⁶ and η = 0.05? (One number, within one per cent.)

# %%
answer = ...
ql.check("03.1", answer)

# %% [markdown]
# **03.2 (explain).** For two units in the teacher, which student should you take to have the loss below 10⁻⁶ as early as
# possible? (One letter.)
#
# - (a) p = 8: it escapes first.
# - (b) p = 2: without surplus units the loss dies exponentially.
# - (c) It does not matter: all of them reach zero loss.
# - (d) p = 1: fewer weights are learned with fewer samples.

# %%
answer = ...
ql.check("03.2", answer)

# %% [markdown]
# **03.3 (derive).** In gradient flow at late times each surplus eigenvalue a of Q obeys a′ = −(8η/p) a² (p + 2)/(p\* + 2).
# To what does α a tend for p = 5, p\* = 2 and η = 0.1? (One number. Check it with `ql.gradient_flow` at α = 10⁵.)

# %%
answer = ...
ql.check("03.3", answer)

# %% [markdown]
# **03.4 (derive).** What is the least loss of p = 3 units for four in the teacher? (One number. Hint: by symmetry each unit
# learns one of the teacher's. Then WᵀW/(pN) has p equal eigenvalues x, and the loss is L(x) = ½ (p x − 1)² +
# p (x − 1/p\*)² + (p\* − p)/p\*².)

# %%
answer = ...
ql.check("03.4", answer)

# %% [markdown]
# **03.5 (derive).** Show that on the plateau of gradient flow, where s + 2q/p = 0, Ξ = 2 L<sub>plateau</sub>. What does this make of
# the growth rate r to second order in η, for p = 32, p\* = 2 and η = 0.05? (One number. How far is it from
# `plateau(task, eta).escape_rate`?)

# %%
answer = ...
ql.check("03.5", answer)

# %% [markdown]
# ## Claims
#
# What this notebook says, measured again with error bars.

# %%
claims.table("03_overparameterization")
