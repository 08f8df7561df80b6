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
# The student has p units, the teacher p\*. What is gained, and what is lost, by taking more students than
# necessary?
#
# **What you will learn.** More students lower the plateau and bring the escape forward, but only by a
# shift that has a limit as p → ∞: time still grows as ln N, with nearly the same slope. After the escape they do
# harm: with p = p\* the loss dies exponentially, with p > p\* as 1/α². The learning rate above which solutions
# repel does not depend on p at all. Fixed norms change the level of the plateau, and little else.
#
# **You need** the tour, the plateau and the escape time (notebook 02). About 25 minutes.
#
# | here | in the library | meaning |
# |---|---|---|
# | p, p\* | `Task(p, p_star)` | number of students and of teachers |
# | η | `eta` | learning rate |
# | α | `alpha` | samples seen, divided by N |
# | α_esc | `escape_time`, `escape_times` | first α at which half of the plateau's loss is gone |
# | r | `plateau(task, eta).escape_rate` | growth rate of the overlaps M on the plateau |
# | q | `plateau(task, eta).q` | squared norm of a student on the plateau, divided by N |
# | law | `escape_law(task, N, eta)` | predicted mean and spread of α_esc |
# | surplus | p − p\* | students that no teacher needs |

# %%
import numpy as np

import quadlib as ql
from quadlib import claims, plotting
from quadlib.claims import overparameterization as over

p_star, eta = 2, 0.05
colour = {p: plotting.p_color(p) for p in (1, 2, 3, 4, 8, 16, 32)}

# %% [markdown]
# ## Too few, enough, too many
#
# We keep two teachers and add students one after another, the ones already there unchanged
# (`nested_start`). The overlap ODE says what each of these networks does from such a start in high dimension.
#
# **Predict.** The plateau of gradient flow lies at 1/(p + 2) + 1/p\* (equation 3.1 of `docs/theory.md`). It
# falls as students are added, to no less than 1/p\*. One student cannot express two teachers. The best it
# can do is to learn one of them, a little too large, at a loss of
#
# $$ L_\infty = \frac{(1 - p/p^\star)^2}{p + 2} + \frac{p^\star - p}{(p^\star)^2}, \qquad p < p^\star. $$
#
# **Run.**

# %%
alpha = np.linspace(0, 140, 281)
runs = {
    p: ql.integrate(
        ql.Task(p, p_star), over.nested_start(p_star, 10**6, p, 32, seed=17), eta=eta, alpha=alpha
    )
    for p in (1, 2, 4, 8, 32)
}
fig, ax = plotting.figure(width=7.5)
for p, run in runs.items():
    plotting.loss_curves(ax, run, color=colour[p], label=f"p = {p}")
ax.axhline(over.floor(1, p_star), color="0.5", ls="--", lw=1, label="floor of p = 1")
ax.set(ylim=(0, 1.2), title="Two teachers, N = 10⁶, η = 0.05")
ax.legend()
plotting.Picture(
    fig,
    plotting.sentence(
        "loss of the ODE against α",
        *(
            f"p = {p}: plateau near {np.interp(30, alpha, run.loss):.2f}, "
            f"escape at α = {run.escape_time():.0f}, end at {run.loss[-1]:.2g}"
            for p, run in runs.items()
        ),
    ),
)

# %%
for p, run in runs.items():
    level = ql.plateau(ql.Task(p, p_star)).loss
    print(f"p = {p:2}: loss {np.interp(30, alpha, run.loss):.3f} on the plateau; flow: {level:.3f}")
print(f"p =  1: loss {runs[1].loss[-1]:.3f} at the end; flow: {over.floor(1, p_star):.3f}")

# %% [markdown]
# **Verdict.** The levels follow the formula up to a small excess, which is the gradient noise of this η; the floor
# of a single student, where noise never ceases, feels it most. From p\* students on the loss vanishes. The order of the escapes is that of p, but look at the distances: from one
# student to four much is gained, from eight to thirty-two hardly anything.
#
# ## Why so little?
#
# **Predict.** On the plateau M is small, and for gradient flow from Q(0) = q₀ I (equation 3.2)
#
# $$ M(\alpha) = M(0) \sqrt{\frac{q(\alpha)}{q_0}} \; e^{4 \eta \alpha / p^\star}, \qquad q \to \frac{p}{p + 2}. $$
#
# The number of students is missing from the exponent. It enters in two places: in the prefactor √(q/q₀), which
# the *norm adjustment* of the first few units of time makes, and in the number p p\* of overlaps that start to
# grow.

# %%
G = np.random.default_rng(0).standard_normal((32, p_star))
times = np.linspace(0, 60, 121)
growth = {}
for p in (2, 8, 32):
    start = ql.Overlaps(np.eye(p), 1e-6 * G[:p])
    task = ql.Task(p, p_star)
    for noise in (False, True):
        run = ql.integrate(task, start, eta=eta, alpha=times, gradient_noise=noise)
        growth[p, noise] = np.linalg.norm(run.M, axis=(1, 2)) / np.linalg.norm(start.M)

fig, (left, right) = plotting.figure(2)
for p in (2, 8, 32):
    scaled = growth[p, False] * np.exp(-4 * eta * times / p_star)
    left.plot(times, growth[p, False], color=colour[p], label=f"p = {p}, flow")
    left.plot(times, growth[p, True], color=colour[p], ls="--", label=f"p = {p}, ODE")
    right.plot(times, scaled, color=colour[p], label=f"p = {p}, flow")
    right.axhline(np.sqrt(p / (p + 2)), color="k", ls=":", lw=1)
left.set(yscale="log", xlabel="α = samples / N", ylabel="‖M(α)‖ / ‖M(0)‖")
right.set(xlabel="α = samples / N", ylabel="the same, times exp(−4ηα/p*)", ylim=(0.6, 1.05))
right.set_title("dotted: √(p/(p + 2))", fontsize="medium")
left.legend(fontsize="small")
right.legend(fontsize="small")
plotting.Picture(
    fig,
    "Left: overlaps M grow exponentially, at nearly one rate for p = 2, 8 and 32. Right: with the "
    "exponential taken out, gradient flow settles at "
    + ", ".join(f"{growth[p, False][-1] * np.exp(-4 * eta * 60 / p_star):.3f}" for p in (2, 8, 32))
    + ".",
)

# %%
print(f"gradient flow: 4η/p* = {4 * eta / p_star:.4f}")
for p in (2, 8, 32):
    flow, ode = (np.log(growth[p, noise][-1] / growth[p, noise][-21]) / 10 for noise in (0, 1))
    law = ql.plateau(ql.Task(p, p_star), eta).escape_rate
    print(f"p = {p:2}: rate of the flow {flow:.4f}, of the ODE {ode:.4f}, predicted {law:.4f}")

# %% [markdown]
# **Verdict.** For gradient flow the rate is that of the formula, the same for all p, and the prefactor settles on
# the dotted lines.
#
# **Surprise.** With gradient noise the rates do differ a little. Theory knows it: in r = 4η/p\* − 2η² Ξ the second
# term is the slowing down by noise, and Ξ is close to twice the loss of the plateau, which is lower for more
# students. So more students do escape at a slightly higher rate; the difference is of order η relative to the
# rate and vanishes in the limit of small learning rates. What does not vanish is the prefactor.
#
# ## The escape time against p
#
# Now real escapes at finite N: SGD from random starts, many runs for each p, by the diffusion (one draw stands for
# many samples, so that N can be what we like).
#
# **Predict.** The overlaps grow from order N^(−1/2) to order one at rate r, so
#
# $$ 2 r \langle \alpha_{\mathrm{esc}} \rangle = \ln N + b(p). $$
#
# All that depends on p, apart from r, is one number b(p): the logarithm of a prefactor of N. The law of notebook 02
# predicts it: it collects q, the noise of the plateau, the number of overlaps, and the time that the last part of
# the escape takes.

# %%
counts = {1: 60, 2: 60, 4: 40, 8: 24, 16: 12, 32: 8}
sizes = (10**4, 10**7, 10**10)
found = {
    (p, N): over.escapes(p, N, runs, seed=p * N % 991) for p, runs in counts.items() for N in sizes
}
p_values = np.array(list(counts))
mean = {N: np.array([found[p, N][0].escape_times.mean() for p in counts]) for N in sizes}
law = {N: np.array([found[p, N][1].mean for p in counts]) for N in sizes}
error = {N: [found[p, N][1].std / np.sqrt(runs) for p, runs in counts.items()] for N in sizes}
rate = np.array([found[p, sizes[0]][1].rate for p in counts])
b = 2 * rate * law[10**10] - np.log(10.0**10)

# %%
fig, (left, right) = plotting.figure(2)
for N in sizes:
    color, label = plotting.N_color(N), f"N = $10^{{{round(np.log10(N))}}}$"
    left.errorbar(p_values, mean[N], error[N], fmt="o", ms=4, color=color, label=label)
    left.plot(p_values, law[N], color=color, lw=1)
    right.errorbar(
        p_values,
        2 * rate * mean[N] - b,
        2 * rate * error[N],
        fmt="o",
        ms=4,
        color=color,
        label=label,
    )
    right.axhline(np.log(N), color=color, lw=1)
left.set(ylabel="escape time α", ylim=(0, 170))
right.set(ylabel="2r⟨α_esc⟩ − b(p)", ylim=(0, 30))
for ax, title in ((left, "lines: escape law"), (right, "lines: ln N")):
    ax.set(xlabel="students p", xscale="log")
    ax.set_xticks(p_values, [str(p) for p in p_values])
    ax.minorticks_off()
    ax.set_title(title, fontsize="medium")
    ax.legend(fontsize="small", ncols=3, loc="upper right")
plotting.Picture(
    fig,
    plotting.sentence(
        "left: mean escape time of SGD falls from p = 1 to p = 32",
        *(f"N = {N:.0e}: from {mean[N][0]:.0f} to {mean[N][-1]:.0f}" for N in sizes),
        "right: with the predicted offset b(p) taken away all p lie on ln N, the largest distance "
        f"being {max(abs(2 * rate * mean[N] - b - np.log(N)).max() for N in sizes):.2f}",
    ),
)

# %%
limit = ql.escape_law(ql.Task(1000, p_star), 10**10, eta)
print(" p     b(p)   saved against p = p*, in α:", *(f"N = {N:.0e}" for N in sizes))
for i, p in enumerate(p_values):
    saved = "   ".join(f"{mean[N][1] - mean[N][i]:8.1f}" for N in sizes)
    print(f"{p:2}   {b[i]:6.2f}                               {saved}")
print(f"p = 1000: b = {2 * limit.rate * limit.mean - np.log(1e10):.2f}")

# %% [markdown]
# **Verdict.** One number for each p makes the points of all N and all p fall on ln N: p changes a prefactor, as if
# N were multiplied by a factor that does not depend on N, and not the logarithm. And b(p) converges: p = 32 is close to
# the limit of infinitely many students. That is the sense in which overparameterization helps only modestly.
#
# Most of the gain is made in going from p\* to a few times p\*. There p × p\* random overlaps are poor at
# covering all teachers: the smallest singular value of M(0) is much smaller than the largest, and the last teacher
# escapes late. With many students all singular values of M(0) are nearly alike.
#
# ## What is predicted without solving anything
#
# The start of the escape has a closed form. The loss has fallen by ε as soon as (2/(p p\*)) ‖M‖² = ε (equation 4.6),
# and ‖M‖² is, on average, p p\* (v_eff/N) (q/q₀) e^{2rα} for small η. The number p p\* cancels.
#
# **Predict.** As long as the drop of the loss is small it is 2 q e^{2rα}/N for a start of typical size: p enters
# through nothing but q = p/(p + 2).

# %%
small, N = 0.01, 10**12
alpha = np.linspace(350, 750, 201)
fig, (left, right) = plotting.figure(2)
measured, times = {}, {}
for p in (2, 4, 8, 32):
    task = ql.Task(p, p_star)
    start = over.nested_start(p_star, N, p, 32, seed=17)
    # all p from overlaps of typical size: what is compared is the prefactor, not the luck of the start
    start = ql.Overlaps(start.Q, start.M * np.sqrt(p * p_star / N) / np.linalg.norm(start.M))
    run = ql.integrate(task, start, eta=small, alpha=alpha, gradient_noise=False)
    q, r = p / (p + 2), 4 * small / p_star
    drop = ql.plateau(task).loss - run.loss
    left.plot(alpha, drop * N * np.exp(-2 * r * alpha), color=colour[p], label=f"p = {p}")
    left.axhline(2 * q, color="k", ls=":", lw=1)
    right.semilogy(alpha + np.log(q) / (2 * r), drop, color=colour[p], label=f"p = {p}")
    measured[p] = (drop * N * np.exp(-2 * r * alpha))[50]
    times[p] = np.interp([1e-4, 0.2], drop, alpha + np.log(q) / (2 * r))
left.set(xlabel="α", ylabel="(L_plateau − L) · N exp(−2rα)", ylim=(0, 2.1))
left.set_title("dotted: 2p/(p + 2)", fontsize="medium")
right.set(xlabel="α + ln(q)/2r", ylabel="L_plateau − L", xlim=(500, 740), ylim=(1e-3, 1))
left.legend()
early, late = np.ptp(list(times.values()), axis=0)
plotting.Picture(
    fig,
    "Left: drop of the loss below the plateau, with the exponential taken out: constant in the linear "
    "stage, at "
    + ", ".join(f"{m:.3f} for p = {p}" for p, m in measured.items())
    + f". Right: shifted by ln(q)/2r the drops coincide at first, within {early:.1g} in α where they "
    f"are 1e-4, and part later, {late:.0f} where they are 0.2.",
)

# %%
for p, m in measured.items():
    print(f"p = {p:2}: prefactor {m:.4f}, predicted 2p/(p + 2) = {2 * p / (p + 2):.4f}")

# %% [markdown]
# **Verdict.** In the linear stage the prefactor is exactly the predicted one, and the shifted curves coincide. Later
# they differ, because the rest of the escape is a question of singular values: with p = 2 the second
# teacher comes late. The whole b(p) needs the law.
#
# ## Late times: where more is less
#
# **Predict.** With p = p\* every error is corrected at a rate of its own, and L dies as exp(−8η(1 − η/η_c) α/p\*)
# (equation 6.9). The p − p\* surplus students have to vanish, and nothing pushes them: the loss is of
# fourth order in them (notebook 05). The force is cubic, their squared norms fall as 1/α, and the loss as
#
# $$ L \simeq \frac{C}{\alpha^2}, \qquad C = \frac{(p - p^\star)(p^\star + 2)}{64 \eta^2 (p + 2)} \, \frac{1}{1 - 2\eta/(1 - 4\eta/p^\star)}. $$
#
# The last factor is gradient noise, 1 for the flow (equation 6.8). C grows with p: more surplus, more loss.

# %%
eta_late = 0.1
times = np.concatenate([np.linspace(1, 100, 100), np.geomspace(102, 1e4, 100)])
fig, (left, right) = plotting.figure(2)
words = []
for p in (2, 3, 4, 8):
    task = ql.Task(p, p_star)
    run = ql.integrate(
        task, over.nested_start(p_star, 10**4, p, 8), eta=eta_late, alpha=times, rtol=1e-11
    )
    law = ql.late_time_law(task, eta_late)
    shown = run.loss > 1e-11
    for ax in (left, right):
        ax.plot(run.alpha[shown], run.loss[shown], color=colour[p], label=f"p = {p}")
    if law.kind == "power law":
        left.plot(times, law.prefactor / times**2, "k:", lw=1)
        words.append(f"p = {p}: L α² = {run.loss[-1] * 1e8:.3f}, law {law.prefactor:.3f}")
    else:
        i = np.argmax(run.loss < 1e-3)
        line = run.loss[i] * np.exp(-law.rate * (times - times[i]))
        right.plot(times[i:100], line[i:100], "k--", lw=1)
        j = np.argmax(run.loss < 1e-9)
        measured = np.log(run.loss[i] / run.loss[j]) / (times[j] - times[i])
        words.append(f"p = {p}: rate {measured:.3f}, law {law.rate:.3f}")
left.set(xscale="log", yscale="log", xlabel="α", ylabel="loss", ylim=(1e-9, 2), title="power laws")
right.set(yscale="log", xlabel="α", xlim=(0, 120), ylim=(1e-9, 2), title="an exponential")
left.legend()
plotting.Picture(fig, plotting.sentence("loss of the ODE at late times", *words))

# %%
print(*words, sep="\n")

# %% [markdown]
# **Verdict.** The curves run into the dotted laws (left), and p = p\* alone is a straight line on the right,
# parallel to the dashed law. The network that escapes first is the last to arrive: at the right end of the left
# picture the order of the curves is reversed.
#
# For p < p\* the loss ends on its floor instead.
#
# ## The critical learning rate
#
# **Predict.** Too large an η makes the solutions repel. A student near a solution makes an error which only sees the
# p\* combinations of students that the solution uses (section 3 of `docs/theory.md`), so
#
# $$ \eta_c = \frac{p^\star}{2 (p^\star + 2)} \qquad \text{for every } p \ge p^\star . $$
#
# We start a little off a solution and measure the rate at which the loss decays or grows.

# %%
fractions = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0, 1.02, 1.05])
rates = {}
for p in (2, 3, 8):
    task = ql.Task(p, p_star)
    critical = ql.critical_learning_rate(task)
    start = over.near_solution(task, 1e-6)
    window = {}
    for f in fractions:
        run = ql.integrate(task, start, eta=f * critical, alpha=[10.0, 20.0], rtol=1e-12)
        window[f] = np.log(run.loss[0] / run.loss[1]) / 10
    rates[p] = np.array(list(window.values()))

fig, ax = plotting.figure(width=6.5)
predicted = 8 * fractions * critical / p_star * (1 - fractions)
ax.plot(fractions, predicted, "k-", lw=1, label="(8η/p*)(1 − η/η_c)")
for p, marker, size in ((2, "o", 10), (3, "s", 6), (8, "x", 6)):
    ax.plot(fractions, rates[p], marker, ms=size, mfc="none", color=colour[p], label=f"p = {p}")
ax.axhline(0, color="0.6", lw=0.8)
ax.set(xlabel="η / η_c", ylabel="decay rate of the loss")
ax.legend()
worst = max(abs(values - predicted).max() for values in rates.values())
plotting.Picture(
    fig,
    f"Decay rate of the loss near a solution against η/η_c: p = 2, 3 and 8 lie on one curve, "
    f"positive below 1 and negative above, within {worst:.1g} of the prediction.",
)

# %%
for p in (2, 3, 8):
    zero = over.learning_rate_without_decay(ql.Task(p, p_star))
    print(f"p = {p}: the rate is zero at η = {zero:.5f}; predicted {critical:.5f}")

# %% [markdown]
# **Verdict.** One curve for all p. Overparameterization neither allows larger learning rates nor forbids them.
#
# ## Free against spherical
#
# So far norms moved freely. Now each student is rescaled to norm √N after every step.
#
# **Predict.** There is no norm adjustment, q = 1, and the plateau lies at 1/p + 1/p\*, above the free one (equation
# 3.5); with p = p\* = 2 the difference is large, with many students it vanishes as 2/p². The growth rate in
# the flow is 4η/p\* as before; noise takes away more of it when p is small. So spherical students
# should escape later, most of all at p = p\*.

# %%
N = 10**6
fig, (left, right) = plotting.figure(2)
laws = {
    c: {p: ql.escape_law(ql.Task(p, p_star), N, eta, c) for p in (2, 3, 4, 6, 8, 16, 32)}
    for c in ("free", "spherical")
}
for c, name in (("free", "ode"), ("spherical", "flow")):
    color = plotting.PALETTE[name]
    for p, style in ((2, "-"), (8, "--")):
        start = over.nested_start(p_star, N, p, 32, c, seed=17)
        run = ql.integrate(ql.Task(p, p_star), start, eta=eta, alpha=140.0, constraint=c)
        plotting.loss_curves(left, run, color=color, label=f"{c}, p = {p}", ls=style)
    means = [law.mean for law in laws[c].values()]
    right.plot(list(laws[c]), means, color=color, label=f"{c}, law")
    for p, runs in ((2, 60), (4, 40), (8, 24), (16, 12)):
        ensemble, law = over.escapes(p, N, runs, c, seed=p)
        right.errorbar(
            p, ensemble.escape_times.mean(), law.std / np.sqrt(runs), fmt="o", ms=4, color=color
        )
left.set_ylim(0, 1.2)
left.legend(fontsize="small")
right.set(xlabel="students p", ylabel="mean escape time α", xscale="log", ylim=(60, 95))
right.set_xticks([2, 4, 8, 16, 32], ["2", "4", "8", "16", "32"])
right.minorticks_off()
right.legend()
gap = {p: laws["spherical"][p].mean - laws["free"][p].mean for p in laws["free"]}
plotting.Picture(
    fig,
    plotting.sentence(
        "left: spherical students rest on a higher plateau than free ones",
        "right: they escape later, by "
        + ", ".join(f"{gap[p]:.1f} at p = {p}" for p in (2, 4, 8, 16, 32)),
    ),
)

# %%
for c in ("free", "spherical"):
    C = ql.late_time_law(ql.Task(4, p_star), eta_late, c).prefactor
    print(f"{c}: late loss of p = 4 is {C:.3f}/α² at η = {eta_late}")

# %% [markdown]
# **Verdict.** Spherical students escape later at every p, but the distance does not vanish for large p, although
# the plateaus and the growth rates then agree. Fixed norms cost time after the linear stage too: a
# free student grows along the teachers it has found; a spherical one cannot grow, it has to turn. The power law at
# late times remains, with another prefactor.
#
# ## Explore
#
# - **students p**: the thick curve. From 1 to 16, the thin grey ones are p = 1, 2, 4, 8, 16.
# - **teachers p\***: with p below it, the loss ends on a floor; the orange curve is p = p\*.
# - **learning rate η**: past η_c a sentence says that solutions repel.
# - **norms**: free or spherical.
#
# On the right are mean and spread of the escape law for N = 10⁶, with the ODE from one start. Which p
# would you choose if the loss has to be below 10⁻² as early as possible? And below 10⁻⁶?

# %%
ql.explorers.overparameterization()

# %% [markdown]
# ## Exercises
#
# **1 (change a number).** How much earlier than p = p\* = 4 do p = 8, 16 and 32 students escape at N = 10⁶? And
# at N = 10¹²?

# %% jupyter={"source_hidden": true}
for N in (10**6, 10**12):
    times = {p: ql.escape_law(ql.Task(p, 4), N, eta).mean for p in (4, 8, 16, 32)}
    print(f"N = {N:.0e}:", {p: f"{times[4] - t:.1f} of {times[4]:.0f}" for p, t in times.items()})
# Twice the escape time, but far from twice the savings. They would not grow at all if the rates were
# equal; at finite η they differ a little.

# %% [markdown]
# **2 (compare).** At which α does the loss of p = 2, 3, 4, 8 students fall below 0.3, 10⁻², 10⁻⁴ and 10⁻⁶ for two teachers?

# %% jupyter={"source_hidden": true}
for p in (2, 3, 4, 8):
    start = over.nested_start(p_star, 10**6, p, 32, seed=17)
    grid = np.geomspace(1, 1e4, 400)
    run = ql.integrate(ql.Task(p, p_star), start, eta=eta, alpha=grid, rtol=1e-9)
    print(f"p = {p}:", *(f"{run.escape_time(level):8.0f}" for level in (0.3, 1e-2, 1e-4, 1e-6)))
# Surplus students win the race to a moderate loss, and lose the one to a small loss; at 10⁻² it is
# about even.

# %% [markdown]
# **3 (measure).** In gradient flow the surplus eigenvalues of Q become p(p\* + 2)/(8η(p + 2)α). Check it.

# %% jupyter={"source_hidden": true}
task = ql.Task(5, 2)
start = ql.Overlaps(np.eye(5), 0.2 * ql.random_overlaps(task, 50, 1).M)
flow = ql.gradient_flow(task, start, eta=0.1, alpha=[1e4, 1e5])
for a, Q in zip(flow.alpha, flow.Q, strict=True):
    surplus = np.linalg.eigvalsh(Q)[:3] * a
    print(f"α = {a:.0e}: α × surplus eigenvalues", surplus.round(3), "law", 5 * 4 / (8 * 0.1 * 7))

# %% [markdown]
# **4 (derive).** Find the floor of p < p\* students. Hint: by symmetry each student learns one teacher, WᵀW/(pN) has
# p equal eigenvalues x, and the loss is ½ s² + tr b² with s = p x − 1.

# %% jupyter={"source_hidden": true}
# L(x) = ½ (p x − 1)² + p (x − 1/p*)² + (p* − p)/p*². From L' = 0, x = (1 + 2/p*)/(p + 2).
p, k = 3, 4
x = (1 + 2 / k) / (p + 2)
print((p * x - 1) ** 2 / 2 + p * (x - 1 / k) ** 2 + (k - p) / k**2, "=", over.floor(p, k))
task = ql.Task(p, k)
start = ql.random_overlaps(task, 10**4, rng=0)
print("gradient flow ends at", ql.gradient_flow(task, start, eta=0.1, alpha=[1000.0]).loss[-1])

# %% [markdown]
# **5 (derive).** Show that on the plateau of gradient flow Ξ = 2 L_plateau, so that r ≈ 4η/p\* − 4η² L_plateau: the
# lower the plateau, the faster it is left. How good is that at η = 0.05 and at 0.01?

# %% jupyter={"source_hidden": true}
# At q = p/(p + 2): s + 2q/p = 0, so that 4sq/p + 8q²/p² = (4q/p)(s + 2q/p) = 0 and what is left of
# Ξ is s² + 2(q²/p + 1/p*) = E[Δ²] = 2L.
for step in (0.05, 0.01):
    for p in (2, 32):
        level = ql.plateau(ql.Task(p, 2))
        guess = 4 * step / 2 - 4 * step**2 * level.loss
        print(f"η = {step}, p = {p:2}: {guess:.5f}", end=" ")
        print(f"exact {ql.plateau(ql.Task(p, 2), step).escape_rate:.5f}")

# %% [markdown]
# ## Claims

# %%
claims.Table(claim.check() for claim in claims.of("03_overparameterization"))
