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
# # 01 From one SGD step to an ODE
#
# One-pass SGD moves p·N weights by random steps. Why does it follow a smooth curve that knows nothing of N?
#
# **What you will learn.** What a step does to the overlaps depends on the sample only through p + p\* Gaussian
# numbers, whose covariance *is* the overlaps. So the mean of a step is a function of the overlaps alone, and that makes
# an ODE. You will measure that mean, see what its η² term is and what is lost without it, watch the distance between
# SGD and the ODE fall as 1/√N, and see where it does not fall at all. At the end N disappears from the cost per
# sample of an *exact* simulation.
#
# **You need** Gaussian vectors, their covariance, and that the variance of a sum of independent numbers is the sum of
# their variances. [The tour](00_tour.ipynb) has the model. Three things are explained where they are used: Wick's rule
# for averages of products of Gaussians, what a Markov chain is, and the Kolmogorov–Smirnov test.
#
# **Time.** About 65 minutes, and 40 for the exercises. It is best read in two sittings; a good place to stop is marked.
#
# | here | in the library | meaning |
# |---|---|---|
# | p, p\* | `task.p`, `task.p_star` | numbers of units of the student and of the teacher |
# | wᵢ, w\*ᵣ | rows of `Weights.W`, `Weights.W_star` | weight vectors of N entries of order one |
# | Q, M, T | `Overlaps.Q`, `Overlaps.M`, `task.T` | W Wᵀ/N, W W\*ᵀ/N, W\* W\*ᵀ/N |
# | λ, λ\* | fields | w·x/√N of a sample x, for the units of student and teacher |
# | Δ | error | mean of λ² minus mean of λ\*² minus label noise |
# | α | `trajectory.alpha` | samples seen, divided by N |
# | η | `eta` | learning rate |
# | start | `random_overlaps` | overlaps at α = 0 |
# | drift | `drift(task, state, eta)` | dQ/dα and dM/dα |
# | gradient noise | `integrate(..., gradient_noise=...)` | the η² term of the drift |
#
# The numbers of equations lead to the [theory](../docs/theory.md).

# %%
import numpy as np
from scipy import stats

import quadlib as ql
from quadlib import claims, plotting
from quadlib.notation import number

PALETTE = plotting.PALETTE


def distance(run, curve):
    """Root mean square over time of the distance between two trajectories."""
    squares = ((run.Q - curve.Q) ** 2).sum((1, 2)) + ((run.M - curve.M) ** 2).sum((1, 2))
    return np.sqrt(squares.mean())


# %% [markdown]
# ## The question, as a picture
#
# We take one set of overlaps of order one as the start, and give it to SGD in three dimensions N. In each panel
# the thin grey lines are six runs with different samples, and the thick blue line is the ODE which this notebook
# derives. All start from the same overlaps.
#
# **See** how the grey lines close in on the blue one from left to right.

# %%
task, eta = ql.Task(p=4, p_star=2), 0.05
start = ql.random_overlaps(task, 40, rng=14)  # a random start in 40 dimensions, kept for all N
alpha = np.linspace(0, 60, 121)
ode = ql.integrate(task, start, eta=eta, alpha=alpha)

fig, axes = plotting.figure(3, height=3.2)
spread = {}
for ax, N in zip(axes, (100, 1000, 10_000), strict=True):
    # every sample; where nothing is compiled, in the browser say, many samples at a time
    method = ql.if_compiled("overlaps", "overlaps" if N < 1000 else "diffusion")
    how = dict(eta=eta, alpha=alpha, N=N, method=method, progress=False)
    runs = [ql.simulate(task, start, rng=(seed, N), **how) for seed in range(6)]
    for i, run in enumerate(runs):
        label = "six runs of SGD" if i == 0 else None
        plotting.overlap_curve(ax, run, color=PALETTE["sgd"], lw=0.8, label=label)
    plotting.overlap_curve(ax, ode, label="ODE")
    ax.set(title=f"N = {number(N)}", ylim=(0, 0.8), ylabel="M₁₁")
    spread[N] = np.std([run.M[-1, 0, 0] for run in runs])
axes[0].legend(loc="lower right")
plotting.Picture(
    fig,
    plotting.sentence(
        "the overlap M₁₁ of six SGD runs and of the ODE against α",
        *(f"at N = {number(N)} the runs end with a spread of {number(value, 2)}" for N, value in spread.items()),
    ),
)  # fmt: skip

# %% [markdown]
# Two things are to be explained: why there is a curve, and how fast the runs close in on it.
#
# ## One step sees p + p\* Gaussian numbers
#
# A sample x ~ N(0, I) enters the network only through its fields λ = W x/√N and λ\* = W\* x/√N. They are linear in
# x, hence jointly Gaussian with mean zero, and a Gaussian is known when its covariance is.

# %%
covariance = ql.predict(
    "What is the covariance E[λ₁ λ₂] of the fields of two units of the student?",
    ["the overlap Q₁₂", "Q₁₂/N, since x has N entries", "zero, since the sample is random"],
)
covariance

# %% [markdown]
# The covariance of all the fields together, those of the student first, is a matrix of p + p\* rows, here 4 + 2. We
# draw 50 000 samples in N = 200 dimensions and compare it with the overlaps.

# %%
rng = np.random.default_rng(1)
N, samples = 200, 50_000
weights = start.weights(task, N, rng)  # weights with exactly these overlaps
fields = rng.standard_normal((samples, N)) @ np.vstack([weights.W, weights.W_star]).T / np.sqrt(N)
C = np.block([[start.Q, start.M], [start.M.T, task.T]])
measured = fields.T @ fields / samples
error = np.sqrt((np.outer(np.diag(C), np.diag(C)) + C**2) / samples)  # of each entry
worst = np.abs((measured - C) / error).max()
candidates = {
    covariance.choices[0]: C[0, 1],
    covariance.choices[1]: C[0, 1] / N,
    covariance.choices[2]: 0.0,
}
nearest = min(candidates, key=lambda words: abs(candidates[words] - measured[0, 1]))
covariance.compare(nearest, f"measured {number(measured[0, 1])}, and Q₁₂ = {number(C[0, 1])}.")

fig, (left, right) = plotting.figure(2, height=2.8)
plotting.heat_map(left, C, name="overlaps [[Q, M], [Mᵀ, T]]")
image = plotting.heat_map(right, measured, name="covariance of the fields")
fig.colorbar(image, ax=[left, right])
plotting.Picture(
    fig,
    f"Two heat maps that look the same: the overlaps, and the covariance of the fields of "
    f"{number(samples)} samples. The largest deviation of an entry is {number(worst, 2)} standard errors.",
)  # fmt: skip

# %% [markdown]
# The two matrices are the same up to the error of finitely many samples. This is equation
# [(1.6)](../docs/theory.md#eq-1-6):
#
# $$ C = \begin{pmatrix} Q & M \\ M^T & T \end{pmatrix} . $$
#
# From here on we may forget the weights: every average over x is a Gaussian integral with covariance C, whatever the
# N·(p + p\*) weights behind it are.
#
# ## The mean of one step
#
# One step of SGD is [(1.4)](../docs/theory.md#eq-1-4)
#
# $$ w_i \leftarrow w_i - \frac{2\eta\,\Delta\,\lambda_i}{\sqrt N}\, x . $$
#
# Multiply it by w\*ᵣ/N, and by wⱼ/N, to see what it does to the overlaps:
#
# $$ \delta M_{ir} = -\frac{2\eta}{N}\,\Delta\,\lambda_i\lambda^*_r, \qquad
#    \delta Q_{ij} = -\frac{4\eta}{N}\,\Delta\,\lambda_i\lambda_j
#    + \frac{4\eta^2}{N}\,\Delta^2\lambda_i\lambda_j\,\frac{|x|^2}{N} . $$
#
# There are only products of fields in it, and |x|²/N, which is 1 up to something of order 1/√N. The error
# Δ = fᵀ A f is a quadratic form in the fields f = (λ, λ\*), with the diagonal matrix A = diag(1/p, …, −1/p\*, …). So
# its mean is known as soon as we can average products of four and of six Gaussians.
#
# **Wick's rule.** The average of a product of Gaussians of mean zero is the sum over all ways to form pairs of them,
# each pair giving its covariance. For four of them there are three ways:
#
# $$ E[f_a f_b f_c f_d] = C_{ab} C_{cd} + C_{ac} C_{bd} + C_{ad} C_{bc} . $$
#
# (Test it with four times the same Gaussian of variance 1: the fourth moment is 3.) For six there are fifteen. Sorting
# the pairs by whether they stay within a form fᵀ A f or connect it with something else gives, with s = tr AC,
# [(1.8)](../docs/theory.md#eq-1-8) and [(1.9)](../docs/theory.md#eq-1-9):
#
# $$ \Phi = E[\Delta f f^T] = sC + 2CAC, \qquad
#    \Gamma = E[\Delta^2 f f^T] = E[\Delta^2]\,C + 4s\,CAC + 8\,CACAC . $$
#
# So N times the mean change in one step is, as N → ∞, the *drift* [(2.1)](../docs/theory.md#eq-2-1),
# [(2.2)](../docs/theory.md#eq-2-2)
#
# $$ \frac{dM}{d\alpha} = -2\eta\,\Phi_{\rm st}, \qquad
#    \frac{dQ}{d\alpha} = -4\eta\,\Phi_{\rm ss} + 4\eta^2\,\Gamma_{\rm ss} , $$
#
# where "st" is the block student–teacher of these matrices and "ss" the block student–student. Everything on the right
# is a function of the overlaps.
#
# We check it with a large η, so that the η² term counts. `steps` below takes literal steps of N-dimensional weights;
# `drift` is the formula.

# %%
size = ql.predict(
    "Which overlaps come out most wrong, if the η² term is left out of the drift of Q?",
    ["the norms Qᵢᵢ", "the overlaps Qᵢⱼ of two different units", "all alike"],
)
size

# %%
large = 0.3


def steps(weights, eta, samples, rng):
    """N times the change of Q and M in one SGD step, for independent samples from the same weights."""
    W, W_star, N = weights.W, weights.W_star, weights.N
    changes_Q, changes_M = [], []
    for _ in range(samples // 1000):
        x = rng.standard_normal((1000, N))
        fields, teacher = x @ W.T / np.sqrt(N), x @ W_star.T / np.sqrt(N)
        error = (fields**2).mean(1) - (teacher**2).mean(1)
        factor = -2 * eta / np.sqrt(N) * error[:, None] * fields
        after = W + factor[:, :, None] * x[:, None, :]  # 1000 networks after one step each
        changes_Q.append(after @ after.transpose(0, 2, 1) - W @ W.T)
        changes_M.append(after @ W_star.T - W @ W_star.T)
    return np.concatenate(changes_Q), np.concatenate(changes_M)


dQ, dM = ql.drift(task, start, large)
without, _ = ql.drift(task, start, large, gradient_noise=False)
steps_Q, steps_M = steps(weights, large, 20_000, rng)
above = np.triu_indices(task.p)  # Q is symmetric
parts = [
    ("Q", steps_Q[:, above[0], above[1]], dQ[above], without[above], np.transpose(above) + 1),
    ("M", steps_M.reshape(len(steps_M), -1), dM.ravel(), None, np.argwhere(dM > -np.inf) + 1),
]

fig, axes = plotting.figure(2, height=3.4)
said = []
for ax, (name, found, predicted, bare, indices) in zip(axes, parts, strict=True):
    mean, error = found.mean(0), found.std(0) / np.sqrt(len(found))
    entry = np.arange(len(mean))
    if bare is not None:
        ax.plot(entry, bare, "_", ms=16, mew=2, color=PALETTE["flow"], label="drift without η²")
        missed = np.abs(mean - bare)
        said.append(f"without the η² term Q misses by up to {number((missed / error).max(), 2)} σ")
    ax.plot(entry, predicted, "_", ms=16, mew=2, color=PALETTE["ode"], label="drift")
    ax.errorbar(entry, mean, 2 * error, fmt="o", ms=4, color=PALETTE["sgd"], label="SGD, ± 2σ")
    ax.set(xlabel=f"entry of {name}", ylabel=f"N × mean change of {name}")
    ax.set_xticks(entry, [f"{i}{j}" for i, j in indices])
    ax.margins(y=0.3)
    ax.legend(loc="upper center", ncols=3, fontsize="small")
    said.append(
        f"{name} deviates from the drift by at most {number((np.abs(mean - predicted) / error).max(), 2)} σ"
    )
diagonal = above[0] == above[1]
ratio = missed[diagonal].mean() / missed[~diagonal].mean()
size.compare(
    size.choices[0 if ratio > 2 else 1 if ratio < 0.5 else 2],
    f"on average the norms miss by {number(ratio, 2)} times as much.",
)
plotting.Picture(fig, plotting.sentence("mean change of every overlap in one SGD step", *said))  # fmt: skip

# %% [markdown]
# **See**, on the left, that each grey dot sits on its blue bar: the mean step is the drift, entry by entry. The orange
# bars, without the η² term, are far off for the entries 11, 22, 33 and 44, the norms of the units. On the right there is
# no orange, because the drift of M has no η² term. Not every error bar reaches its blue bar: of bars of ± 2σ one in twenty
# should miss.
#
# (At finite N the mean is known exactly too: the η² term is a little larger. Exercise 01.4 asks by how much.)
#
# **From a mean to an ODE** is one more step. In a time δ with 1/N ≪ δ ≪ 1 there are Nδ samples, and the overlaps hardly
# move. The increments are independent, of order 1/N each. Their means add up to δ times the drift. What is left over is
# random, with a variance of Nδ times 1/N², so it is of order √(δ/N). As N → ∞ only the drift survives. `integrate` solves
# that ODE.
#
# ## What the η² term is
#
# Each step adds a random vector to w/√N, of a squared length of order 1/N. Along any fixed direction these vectors average
# out. Their squared lengths do not: N of them add up to something of order one in a unit of time. So the noise of the
# gradient makes the weight vectors longer, and the fields larger, without teaching them anything.
#
# Without the term (`gradient_noise=False`) the ODE is *population gradient flow*: gradient descent with tiny steps on
# the exact loss. The dynamics takes a time of order 1/η. What becomes of the difference between the two when η is
# reduced?

# %%
half = ql.predict(
    "At half the learning rate, followed for twice the time: how many times as large is the distance "
    "between the ODE with and without the η² term?"
)
half

# %%
quick = 0.1
points = np.linspace(0, 40, 201)
with_noise = ql.integrate(task, start, eta=quick, alpha=points)
flow = ql.integrate(task, start, eta=quick, alpha=points, gradient_noise=False)
method = ql.if_compiled("overlaps", "diffusion")
how = dict(eta=quick, alpha=points, N=10_000, method=method, progress=False)
sgd = ql.simulate(task, start, rng=1, **how)

etas = quick / 2.0 ** np.arange(6)
gaps = []
for e in etas:
    pair = [
        ql.integrate(task, start, eta=e, alpha=points * quick / e, gradient_noise=noise)
        for noise in (True, False)
    ]
    gaps.append(distance(*pair))

fig, (left, right) = plotting.figure(2)
norms = {}
for run, style, label in (
    (sgd, dict(color=PALETTE["sgd"], lw=1), "one run of SGD, N = 10⁴"),
    (with_noise, dict(color=PALETTE["ode"], lw=2), "ODE"),
    (flow, dict(color=PALETTE["flow"], ls="--", lw=2), "ODE without η² term"),
):
    norms[label] = np.trace(run.Q, axis1=1, axis2=2) / task.p
    left.plot(points, norms[label], label=label, **style)
left.set(xlabel="α = samples / N", ylabel="mean squared norm tr Q/p", title=f"η = {quick}")
left.legend()
right.loglog(etas, gaps, "o", color=PALETTE["ode"], label="distance between the two ODEs")
right.loglog(etas, gaps[0] * etas / etas[0], ":", color=PALETTE["theory"], label="slope 1")
right.set(xlabel="learning rate η", ylabel="distance")
right.legend()
half.compare(
    gaps[-1] / gaps[-2],
    "the term is of order η², and acts for a time of order 1/η "
    f"(from η = {number(etas[-2], 2)} to {number(etas[-1], 2)}).",
)
levels = [ql.plateau(task, e).q for e in (0.0, quick)]
print(f"plateau level q: {number(levels[0])} without gradient noise, {number(levels[1])} with it")
power = np.polyfit(np.log(etas), np.log(gaps), 1)[0]
print(f"the distance between the two ODEs scales as η to the power {number(power)}")
plotting.Picture(
    fig,
    plotting.sentence(
        "left: the mean squared norm against α; its lowest value is "
        + ", ".join(f"{number(curve.min())} for the {label}" for label, curve in norms.items()),
        f"right: the distance between the two ODEs grows from {number(gaps[-1], 2)} at η = "
        f"{number(etas[-1], 2)} to {number(gaps[0], 2)} at η = {number(etas[0], 2)}",
    ),
)

# %% [markdown]
# **See** on the left that the grey run of SGD covers the blue line of the ODE with the term, and not the dashed one
# without: the norms rest at a higher level, the q that the cell prints ([(3.1)](../docs/theory.md#eq-3-1) without noise,
# [(3.3)](../docs/theory.md#eq-3-3) with it). On the right the dots follow the dotted line of slope 1: gradient flow is
# the limit η → 0. At any finite η it is the ODE with the η² term that SGD follows.
#
# ## How close: 1/√N
#
# What the drift leaves over is a sum of independent increments of size √(δ/N). We measure the distance
#
# $$ D = \sqrt{\left\langle \lVert Q_{\rm SGD} - Q_{\rm ODE} \rVert^2 +
#    \lVert M_{\rm SGD} - M_{\rm ODE} \rVert^2 \right\rangle_\alpha} , $$
#
# where the brackets are an average over time (`distance` above) and over 24 runs. Up to N = 3000 every sample is
# simulated. Beyond it we use the *diffusion* of [section 9](../docs/theory.md#section-9), which lets a few draws stand
# for many samples, with the same mean and covariance.

# %%
fall = ql.predict("By what factor does the distance D fall when N goes from 100 to 10⁶?")
fall

# %%
times = np.linspace(0, 30, 61)
exact = ql.integrate(task, start, eta=eta, alpha=times)
bare = ql.integrate(task, start, eta=eta, alpha=times, gradient_noise=False)
sizes, rows = [100, 300, 1000, 3000, 10**4, 10**5, 10**6], []
for N in sizes:
    chain = N <= ql.if_compiled(3000, 100)
    method, step = ("overlaps", None) if chain else ("diffusion", ql.if_compiled(0.02, 0.1))
    how = dict(eta=eta, alpha=times, N=N, method=method, step=step, progress=False)
    runs = [ql.simulate(task, start, rng=(seed, N), **how) for seed in range(ql.if_compiled(24, 4))]
    squares = np.array([[distance(run, curve) ** 2 for run in runs] for curve in (exact, bare)])
    rows.append(np.sqrt(squares.mean(1)))
D, D_bare = np.array(rows).T
slope = np.polyfit(np.log(sizes), np.log(D), 1)[0]
gap = distance(exact, bare)

fig, ax = plotting.figure(width=6.5)
ax.loglog(sizes, D, "o", color=PALETTE["sgd"], label="SGD to the ODE")
ax.loglog(
    sizes, D_bare, "s", mfc="none", color=PALETTE["sgd"], label="SGD to the ODE without η² term"
)
guide = D[-1] * np.sqrt(sizes[-1] / np.array(sizes))
ax.loglog(sizes, guide, ":", color=PALETTE["theory"], label="slope −1/2")
ax.axhline(gap, color=PALETTE["flow"], ls="--", lw=1, label="between the two ODEs")
ax.set(xlabel="N", ylabel="distance D")
ax.legend()
print(f"fitted slope {number(slope)}")
fall.compare(D[0] / D[-1], "D is proportional to 1/√N, and N grows by a factor 10⁴.")
plotting.Picture(
    fig,
    f"The distance between SGD and the ODE falls from {number(D[0], 2)} at N = {sizes[0]} to "
    f"{number(D[-1], 2)} at N = {number(sizes[-1])}, slope {number(slope)}; to the ODE without its η² term "
    f"it levels off at {number(D_bare[-1], 2)}, where the two ODEs are {number(gap, 2)} apart.",
)  # fmt: skip

# %% [markdown]
# **See** the round dots on the dotted line of slope −1/2, over four decades of N. The square ones, the distance to the
# ODE without its η² term, fall at first and then stop, at the distance between the two ODEs: more dimensions do not help
# against a term that is missing. (The dots scatter a little about the line: each is an average over 24 runs.)
#
# **A good place to stop.** What follows asks where the ODE is *not* enough, and what to do then.
#
# ## Explore
#
# The grey runs on the left, and the diamond on the right, have the dimension N of the slider. You can change the task
# and η (the time axis grows as p\*/η), the noise on the labels, and which overlap is followed. The switch *gradient
# noise in the ODE* chooses which ODE the distances are measured from; it does not touch SGD, which always has its noise.
# The start is the same for every N, or drawn at random at each N.
#
# Try: switch the gradient noise off, and see the grey dots stop at the dashed line. Then raise the label noise.
# Then switch it on again and choose "random at each N": the dots no longer fall. The next section says why.

# %%
ql.explorers.sgd_to_ode()

# %% [markdown]
# ## Where the ODE is not enough
#
# "SGD follows the ODE" holds for a given start as N → ∞, up to a fixed time. But at a random start the entries of M(0)
# are themselves of order 1/√N, as small as the fluctuations, and both are then multiplied by the same exponential
# growth on the plateau.
#
# We start SGD and the ODE from the *very same* random overlaps, at N = 10⁴ and at N = 10⁸.

# %%
scatter = ql.predict(
    "How do the escape times of 20 such runs of SGD scatter at N = 10⁸, compared with N = 10⁴?",
    ["a hundred times less", "about as much", "a hundred times more"],
)
scatter

# %%
fig, axes = plotting.figure(2)
said, widths, level = [], [], ql.plateau(task, eta).loss
for ax, N in zip(axes, (10**4, 10**8), strict=True):
    end = 20 * np.ceil(ql.escape_law(task, N, eta).mean / 12)
    at = np.concatenate([np.linspace(0, 5, 11), np.linspace(5, end, 240)[1:]])
    begin = ql.random_overlaps(task, N, rng=(3, N))
    own = ql.integrate(task, begin, eta=eta, alpha=at)
    how = dict(eta=eta, alpha=at, N=N, method="diffusion", progress=False)
    how["step"] = ql.if_compiled(0.05, 0.1)
    runs = [ql.simulate(task, begin, rng=(seed, N), **how) for seed in range(ql.if_compiled(20, 3))]
    for i, run in enumerate(runs):
        label = f"{len(runs)} runs of SGD" if i == 0 else None
        plotting.loss_curves(ax, run, color=PALETTE["sgd"], lw=0.8, label=label)
    plotting.loss_curves(ax, own, label="ODE, same start")
    plotting.plateau_line(ax, level)
    ax.set(title=f"N = {number(N)}", ylim=(0, 1))
    ax.legend(loc="lower left")
    early = np.sqrt(np.mean([((run.M[:11] - own.M[:11]) ** 2).sum((1, 2)) for run in runs]))
    escapes = np.array([run.escape_time() for run in runs])
    widths.append(escapes.std())
    said.append(
        f"N = {number(N)}: until α = 5 M is {number(early, 2)} away; the ODE escapes at α = "
        f"{number(own.escape_time(), 2)}, SGD at {number(escapes.mean(), 2)} ± {number(escapes.std(), 2)}"
    )
print(*said, sep="\n")
ratio = widths[1] / widths[0]
scatter.compare(scatter.choices[0 if ratio < 0.1 else 1 if ratio < 10 else 2])
plotting.Picture(
    fig, plotting.sentence("loss of 20 SGD runs and of the ODE from one random start", *said)
)

# %% [markdown]
# **See** the same fan of grey lines in both panels. Early on the ODE is better at the larger N by the factor
# √(10⁸/10⁴) = 100, as the printed distances say. But M(0), too, is smaller by this factor. By the time M has grown to
# order one the fluctuations have grown with it, and the time at which SGD escapes differs from that of the ODE by an
# amount that does not depend on N. Only the mean time grows.
#
# This is no failure of the ODE: it is right about everything but a perturbation of the start, which it was not given. The
# noise collected on the plateau acts like one, and [notebook 02](02_escape.ipynb) turns that into a law for the escape
# time.
#
# ## The exact chain, and why N disappears
#
# The ODE drops the fluctuations. They need not be dropped: the argument that gave the mean gives the whole law.
# Split x into its components along the p\* directions of the teacher, along the p further directions which the student's
# units span, and the rest. A step needs
#
# - z\* and z⊥: p\* + p independent standard normal numbers, which fix all the fields, and
# - the squared length of the rest: χ², the sum of N − p − p\* squares of standard normal numbers (a *chi-square* number),
#
# because δQ contains |x|², and nothing else of x. So the law of the overlaps after a step depends on the overlaps before
# it, and on nothing earlier. Such a process is called a *Markov chain*. This one, [(8.1)](../docs/theory.md#eq-8-1) to
# [(8.5)](../docs/theory.md#eq-8-5), is exact at every N ≥ p + p\*. N is left in two places: in the size 2η/N of a step,
# and in the number of squares in *one* random number. This is `method="overlaps"`, the default; `method="weights"` is the
# literal algorithm.

# %%
for N in (100, 10_000, 1_000_000):
    print(
        f"N = {number(N)}: a step of 'weights' draws {number(N)} numbers and moves {number(task.p * N)}; "
        f"a step of the chain needs {task.p + task.p_star} normal numbers and one χ²"
    )

# %% [markdown]
# If the chain is exact, then not only means but whole histograms agree, of every overlap at every time. We choose a
# small N, where the fluctuations are large and the ODE is far off, and start both methods from the same overlaps (the
# literal weights in a random orientation, which cannot matter).
#
# **The Kolmogorov–Smirnov test** compares two samples. It takes the largest distance between their cumulative
# distributions, and its p-value is the probability of a distance as large as that, or larger, if both samples have the
# same law. Then it is equally likely to lie anywhere between 0 and 1. If the laws differ it is close to 0; below 10⁻⁴ we would say that they do.

# %%
small, N, count = ql.Task(p=2, p_star=1), 30, ql.if_compiled(1000, 60)
begin = ql.random_overlaps(small, 40, rng=2)
how = dict(eta=eta, alpha=[5.0, 15.0], N=N, runs=count, progress=False)


def turned(rng):
    """Weights with the overlaps of the start, in a random orientation."""
    return begin.weights(small, N, rng)


literal = ql.ensemble(small, start=turned, seed=(5, 0), method="weights", **how)
chain = ql.ensemble(small, start=begin, seed=(5, 1), method="overlaps", **how)
limit = ql.integrate(small, begin, eta=eta, alpha=[5.0, 15.0])

fig, axes = plotting.figure(4, height=3.2)
said = []
for ax, (name, of) in zip(
    axes,
    {
        "Q₁₁, α = 5": lambda runs: runs.Q[..., 0, 0, 0],
        "Q₁₂, α = 5": lambda runs: runs.Q[..., 0, 0, 1],
        "M₁₁, α = 15": lambda runs: runs.M[..., 1, 0, 0],
        "loss, α = 15": lambda runs: runs.loss[..., 1],
    }.items(),
    strict=True,
):
    a, b = of(literal), of(chain)
    bins = np.linspace(*np.quantile(a, [0.002, 0.998]), 26)
    ax.hist(a, bins, density=True, color="#D9D9D9", label="literal weights")
    ax.hist(b, bins, density=True, histtype="step", color=PALETTE["sgd"], lw=1.5, label="chain")
    ax.axvline(of(limit), color=PALETTE["ode"], lw=2, label="ODE")
    ax.set(xlabel=name, yticks=[])
    said.append(f"{name}: Kolmogorov–Smirnov p-value {number(stats.ks_2samp(a, b).pvalue, 2)}")
axes[0].set(ylabel="probability density")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
print(*said, sep="\n")
plotting.Picture(
    fig,
    plotting.sentence(
        f"histograms of four quantities over {number(count)} runs at N = {N}, literal weights and chain, "
        "coincide, with the ODE as a line",
        *said,
    ),
)

# %% [markdown]
# **See** that outline and filled histogram coincide in each panel, and that the p-values are such as two samples of one
# law have: the chain is no approximation. It replaces a vector of N numbers by p + p\* + 1 of them, and a sample costs
# the same at any N. (A run up to α takes αN samples, so its cost still grows as N; the diffusion removes that as well,
# approximately.) The ODE's single value only says where the histograms go as N grows.
#
# ## Exercises
#
# Put your answer in place of the dots and run the cell. The [solutions](solutions/01_sgd_to_ode_solutions.ipynb) have
# the way to each answer.
#
# **01.1 (change a number).** The distance D falls as 1/√N. How does it depend on η, over a time of order 1/η and at
# fixed N: as which power? (One number, the exponent; within 10 %. Find it by an argument like that for N, or measure D at
# two small values of η.)

# %%
answer = ...
ql.check("01.1", answer)

# %% [markdown]
# **01.2 (compute).** With `constraint="spherical"` each weight vector is brought back to norm √N after every step, so that
# Qᵢᵢ = 1. What is left of the η² term? Take η = 0.3 and the start `ball` below, and use `ql.drift` with and without
# gradient noise: by how much does the noise change dM₁₁/dα, divided by M₁₁? (One number, with its sign.)

# %%
ball = ql.Overlaps(np.eye(4), 0.1 * np.ones((4, 2)))
answer = ...  # ql.drift(task, ball, 0.3, "spherical", gradient_noise=...)
ql.check("01.2", answer)

# %% [markdown]
# **01.3 (explain).** Labels have noise of variance ν: the error is Δ − √ν ξ, with ξ independent of everything else. What
# does this change in the drift? (One letter.)
#
# - (a) dM/dα and dQ/dα, in both terms: Δ is in all of them.
# - (b) Only dM/dα, by −2η√ν M: a wrong label turns the student away from the teacher.
# - (c) Nothing: the noise has mean zero.
# - (d) Only dQ/dα, by +4η²ν Q: Φ is linear in Δ, and Γ is quadratic.

# %%
answer = ...
ql.check("01.3", answer)

# %% [markdown]
# **01.4 (derive).** The mean step at finite N, without label noise, is exactly the drift with a larger η² term. By which
# factor is it larger at N = 30? (One number. Hint: Δ²λᵢλⱼ is a polynomial of degree six in x. Direction and length of x
# are independent, so the factor |x|²/N in δQ multiplies the mean by E|x|⁸/(N E|x|⁶), and the moments of |x|² are
# E|x|²ⁿ = N(N + 2)…(N + 2n − 2).)

# %%
answer = ...
ql.check("01.4", answer)

# %% [markdown]
# **01.5 (derive).** For p = p\* = 1 and Q = 1, M = 0 the drift of M vanishes. But M does not stay: N times its variance
# grows as c η² α at first. What is c? (One number. Hint: the increments −(2η/N) Δ λλ\* are independent; here Δ = λ² − λ\*²
# with independent λ and λ\* of variance 1, and E λ⁴ = 3, E λ⁶ = 15.)

# %%
answer = ...
ql.check("01.5", answer)

# %% [markdown]
# ## Claims
#
# What this notebook says, measured again with error bars. The table has the prediction, the measurement, how it was
# made, and where there is one the prediction of a rival theory that is rejected.

# %%
claims.table("01_sgd_to_ode")
