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
# numbers, whose covariance *is* the overlaps. So the mean of a step is a closed function of the overlaps: an ODE.
# You will measure that mean, see what the η² term in it is and what is lost without it, watch the distance
# between SGD and the ODE fall as N^(-1/2), and see where it does not fall at all. At the end N disappears from the
# cost of an *exact* simulation.
#
# **You need** Gaussian vectors and averages; the tour (notebook 00) helps. About 25 minutes.
#
# | here | in the library | meaning |
# |---|---|---|
# | p, p\* | `task.p`, `task.p_star` | numbers of student and teacher units |
# | w_i, w\*_r | rows of `Weights.W`, `Weights.W_star` | weight vectors of N entries of order one |
# | Q, M, T | `Overlaps.Q`, `Overlaps.M`, `task.T` | W Wᵀ/N, W W\*ᵀ/N, W\* W\*ᵀ/N |
# | λ, λ\* | fields | w·x/√N of a sample x, for students and teachers |
# | Δ | error | mean of λ² minus mean of λ\*² minus label noise |
# | α | `trajectory.alpha` | samples seen, divided by N |
# | η | `eta` | learning rate |
# | start | `random_overlaps` | overlaps at α = 0 |
# | drift | `drift(task, state, eta)` | dQ/dα and dM/dα |
# | gradient noise | `integrate(..., gradient_noise=...)` | the η² term of the drift |
#
# Equation numbers are those of docs/theory.md.

# %%
import numpy as np
from scipy import stats

import quadlib as ql
from quadlib import claims, plotting
from quadlib.claims.dynamics import distance, mean_step, one_step

PALETTE = plotting.PALETTE

# %% [markdown]
# ## The question, as a picture
#
# We take one set of overlaps of order one as the start, and give it to SGD at three dimensions N. In each panel
# the thin lines are runs with different samples; the thick line is the ODE this notebook derives. Both start from
# the same overlaps.

# %%
task, eta = ql.Task(p=4, p_star=2), 0.05
start = ql.random_overlaps(task, 40, rng=14)  # a random start in 40 dimensions, kept for all N
alpha = np.linspace(0, 60, 121)
ode = ql.integrate(task, start, eta=eta, alpha=alpha)

fig, axes = plotting.figure(3, height=3.2)
spread = {}
for ax, N in zip(axes, (100, 1000, 10_000), strict=True):
    runs = [
        ql.simulate(task, start, eta=eta, alpha=alpha, N=N, rng=seed, progress=False)
        for seed in range(6)
    ]
    for run in runs:
        plotting.overlap_curve(ax, run, color=PALETTE["sgd"], lw=0.8)
    plotting.overlap_curve(ax, ode, label="ODE")
    ax.set(title=f"N = {N}", ylim=(-0.4, 1.4))
    spread[N] = np.std([run.M[-1, 0, 0] for run in runs])
axes[0].legend()
plotting.Picture(
    fig,
    plotting.sentence(
        "the overlap M[0, 0] of six SGD runs and of the ODE against α",
        *(f"at N = {N} the runs end with a spread of {value:.2g}" for N, value in spread.items()),
    ),
)

# %% [markdown]
# The runs close in on one curve. Two things are to be explained: why there is a curve, and how fast they close in.
#
# ## One step sees p + p\* Gaussian numbers
#
# A sample x ~ N(0, I) enters the network only through its fields λ = W x/√N and λ\* = W\* x/√N. They are linear in
# x, hence jointly Gaussian with mean zero, and a Gaussian is known when its covariance is:
#
# $$ C = \begin{pmatrix} Q & M \\ M^T & T \end{pmatrix} \qquad (1.6) $$
#
# **Predict.** The covariance of the fields of many samples is the matrix of overlaps, whatever the N·(p + p\*)
# weights behind it are.

# %%
rng = np.random.default_rng(1)
N, samples = 200, 50_000
weights = start.weights(task, N, rng)  # weights with exactly these overlaps
fields = rng.standard_normal((samples, N)) @ np.vstack([weights.W, weights.W_star]).T / np.sqrt(N)
C = np.block([[start.Q, start.M], [start.M.T, task.T]])
measured = fields.T @ fields / samples
error = np.sqrt((np.outer(np.diag(C), np.diag(C)) + C**2) / samples)  # of each entry
worst = np.abs((measured - C) / error).max()

fig, (left, right) = plotting.figure(2, height=2.8)
plotting.heat_map(left, C, name="overlaps [[Q, M], [Mᵀ, T]]")
image = plotting.heat_map(right, measured, name="covariance of the fields")
fig.colorbar(image, ax=[left, right])
plotting.Picture(
    fig,
    f"Two heat maps that look the same: the overlaps, and the covariance of the fields of "
    f"{samples} samples. The largest deviation of an entry is {worst:.1f} standard errors.",
)

# %% [markdown]
# **Verdict.** They are the same matrix, up to the error of finitely many samples. From here on we may forget the
# weights: every average over x is a Gaussian integral with covariance C.
#
# ## The mean of one step
#
# One SGD step is (1.4)
#
# $$ w_i \leftarrow w_i - \frac{2\eta\,\Delta\,\lambda_i}{\sqrt N}\, x . $$
#
# Multiply by w\*_r / N, and by w_j / N, to see what it does to the overlaps:
#
# $$ \delta M_{ir} = -\frac{2\eta}{N}\,\Delta\,\lambda_i\lambda^*_r, \qquad
#    \delta Q_{ij} = -\frac{4\eta}{N}\,\Delta\,\lambda_i\lambda_j
#    + \frac{4\eta^2}{N}\,\Delta^2\lambda_i\lambda_j\,\frac{|x|^2}{N} . $$
#
# Only products of fields, and |x|²/N, which is 1 up to N^(-1/2). The error Δ = fᵀAf is a quadratic form in the
# fields f = (λ, λ\*), with A = diag(1/p, ..., -1/p\*, ...), so we need Gaussian moments of degree four and six.
# With s = tr AC, Wick's rule (sum over all pairings) gives (1.8) and (1.9)
#
# $$ \Phi = E[\Delta f f^T] = sC + 2CAC, \qquad
#    \Gamma = E[\Delta^2 f f^T] = E[\Delta^2]\,C + 4s\,CAC + 8\,CACAC . $$
#
# **Predict.** N times the mean change in one step is, as N → ∞, the drift (2.1), (2.2)
#
# $$ \frac{dM}{d\alpha} = -2\eta\,\Phi_{\rm st}, \qquad
#    \frac{dQ}{d\alpha} = -4\eta\,\Phi_{\rm ss} + 4\eta^2\,\Gamma_{\rm ss} , $$
#
# where the subscripts name the student-teacher and the student-student block. `one_step` draws literal
# N-dimensional samples at fixed weights; `drift` is the formula. We use a large η, so that the η² term counts.

# %%
large = 0.3
dQ, dM = ql.drift(task, start, large)
without, _ = ql.drift(task, start, large, gradient_noise=False)
steps_Q, steps_M = one_step(weights, large, 50_000, rng)
above = np.triu_indices(task.p)  # Q is symmetric
parts = [
    (r"$Q_{ij}$", steps_Q[:, above[0], above[1]], dQ[above], without[above]),
    (r"$M_{ir}$", steps_M.reshape(len(steps_M), -1), dM.ravel(), None),
]

fig, axes = plotting.figure(2, height=3.2)
said = []
for ax, (name, steps, predicted, bare) in zip(axes, parts, strict=True):
    mean, error = steps.mean(0), steps.std(0) / np.sqrt(len(steps))
    entry = np.arange(len(mean))
    ax.errorbar(entry, mean, 2 * error, fmt="o", ms=4, color=PALETTE["theory"], label="SGD, ± 2σ")
    ax.plot(entry, predicted, "_", ms=16, mew=2, color=PALETTE["ode"], label="drift")
    if bare is not None:
        ax.plot(entry, bare, "_", ms=16, mew=2, color=PALETTE["flow"], label="without η²")
        said.append(f"without the η² term Q misses by {np.abs((mean - bare) / error).max():.0f} σ")
    ax.set(xlabel="entry", ylabel=f"N × mean change of {name}", xticks=entry)
    ax.margins(y=0.25)
    ax.legend(loc="upper center", ncols=3, fontsize="small")
    said.append(
        f"largest deviation of {name[1]} from the drift {np.abs((mean - predicted) / error).max():.1f} σ"
    )
plotting.Picture(fig, plotting.sentence("mean change of every overlap in one SGD step", *said))

# %% [markdown]
# **Verdict.** The mean step is the drift, entry by entry. On the left the bars without the η² term are far off, most
# of all for the diagonal entries of Q, the norms of the students (entries 0, 4, 7 and 9).
#
# (At finite N the mean is known exactly too: the η² term is larger by a factor 1 + 6/N. Exercise 4.)
#
# From a mean to an ODE is one more step. In a time δ with 1/N ≪ δ ≪ 1 there are Nδ samples and the overlaps
# hardly move. Their increments are independent, of order 1/N each: the sum of the means is δ·drift, and what is left
# over is random, of order √(Nδ)/N = √(δ/N). As N → ∞ only the drift survives. `integrate` solves that ODE.
#
# ## What the η² term is
#
# Along any fixed direction the random parts of the steps cancel on average, and only the mean gradient is left.
# A *norm* cannot cancel. Each step adds a random vector of squared length of order η²/N (per weight vector, divided
# by N), and a unit of time has N of them: a contribution of order η² that survives N → ∞. It points nowhere. It
# makes students longer, and their fields noisier, without teaching them anything.
#
# **Predict.** Without the term (`gradient_noise=False`, population gradient flow) norms come out too small. The
# dynamics takes a time of order 1/η, in which the term adds 4η²Γ·(1/η): its effect is proportional to η. On the
# plateau the level q = Q_ii itself is known, (3.1) and (3.3).

# %%
quick = 0.1
points = np.linspace(0, 40, 201)
with_noise = ql.integrate(task, start, eta=quick, alpha=points)
flow = ql.integrate(task, start, eta=quick, alpha=points, gradient_noise=False)
sgd = ql.simulate(task, start, eta=quick, alpha=points, N=10_000, rng=1, progress=False)

etas = np.geomspace(0.002, 0.1, 8)
gaps = []
for e in etas:
    pair = [
        ql.integrate(task, start, eta=e, alpha=points * quick / e, gradient_noise=noise)
        for noise in (True, False)
    ]
    gaps.append(distance(*pair))

fig, (left, right) = plotting.figure(2)
for run, color, label in (
    (sgd, PALETTE["sgd"], "SGD, N = 10⁴"),
    (with_noise, PALETTE["ode"], "ODE"),
    (flow, PALETTE["flow"], "ODE without η² term"),
):
    left.plot(points, np.trace(run.Q, axis1=1, axis2=2) / task.p, color=color, label=label)
left.set(xlabel="α = samples / N", ylabel="mean squared norm tr Q/p", title=f"η = {quick}")
left.legend()
right.loglog(etas, gaps, "o", color=PALETTE["flow"], label="distance between the two ODEs")
right.loglog(etas, gaps[0] * etas / etas[0], ":", color=PALETTE["theory"], label="slope 1")
right.set(xlabel="learning rate η", ylabel="distance")
right.legend()
levels = [ql.plateau(task, e).q for e in (0.0, quick)]
print(f"plateau level q: {levels[0]:.3f} without gradient noise, {levels[1]:.3f} with it")
print(f"distance between the two ODEs ∝ η^{np.polyfit(np.log(etas), np.log(gaps), 1)[0]:.2f}")
plotting.Picture(
    fig,
    plotting.sentence(
        f"left: the mean squared norm dips to {np.trace(sgd.Q, axis1=1, axis2=2).min() / 4:.3f} for "
        f"SGD, to {np.trace(with_noise.Q, axis1=1, axis2=2).min() / 4:.3f} for the ODE and to "
        f"{np.trace(flow.Q, axis1=1, axis2=2).min() / 4:.3f} without its η² term",
        f"right: the distance between the two ODEs grows from {gaps[0]:.2g} at η = {etas[0]:.3f} to "
        f"{gaps[-1]:.2g} at η = {etas[-1]:.1f}",
    ),
)

# %% [markdown]
# **Verdict.** SGD follows the ODE with the term, and not the one without. The difference is first order in η: gradient
# flow is the limit η → 0, and the ODE is right for any η at which it has a solution.
#
# ## How close: N^(-1/2)
#
# **Predict.** What the drift leaves over is a sum of independent increments of size √(δ/N). So the distance
#
# $$ D = \sqrt{\left\langle \lVert Q_{\rm SGD} - Q_{\rm ODE} \rVert^2 +
#    \lVert M_{\rm SGD} - M_{\rm ODE} \rVert^2 \right\rangle_\alpha} $$
#
# is proportional to N^(-1/2): the slope is -1/2 in a log-log plot. Measured against the ODE *without* the η² term,
# it must stop falling, at the distance between the two ODEs.
#
# Up to N = 3000 we run the exact chain. Beyond it, the diffusion of theory section 9 lets one draw stand for many
# samples, with the same mean and covariance.

# %%
times = np.linspace(0, 30, 61)
exact = ql.integrate(task, start, eta=eta, alpha=times)
bare = ql.integrate(task, start, eta=eta, alpha=times, gradient_noise=False)
sizes, rows = [100, 300, 1000, 3000, 10**4, 10**5, 10**6], []
for N in sizes:
    chain = N <= 3000
    method, step = ("overlaps", None) if chain else ("diffusion", 0.02)
    how = dict(eta=eta, alpha=times, N=N, method=method, step=step, progress=False)
    runs = [ql.simulate(task, start, rng=seed, **how) for seed in range(40)]
    squares = np.array([[distance(run, curve) ** 2 for run in runs] for curve in (exact, bare)])
    rows.append(np.sqrt(squares.mean(1)))
D, D_bare = np.array(rows).T
slope = np.polyfit(np.log(sizes), np.log(D), 1)[0]
gap = distance(exact, bare)

fig, ax = plotting.figure(width=6.5)
ax.loglog(sizes, D, "o", color=PALETTE["ode"], label="SGD to the ODE")
ax.loglog(sizes, D_bare, "s", color=PALETTE["flow"], label="SGD to the ODE without η² term")
ax.loglog(sizes, D[-1] * np.sqrt(sizes[-1] / np.array(sizes)), ":", color="k", label="slope −1/2")
ax.axhline(gap, color=PALETTE["flow"], ls="--", lw=1, label="between the two ODEs")
ax.set(xlabel="N", ylabel="distance D")
ax.legend()
print(f"fitted slope {slope:.3f}")
plotting.Picture(
    fig,
    f"The distance between SGD and the ODE falls from {D[0]:.2g} at N = {sizes[0]} to {D[-1]:.2g} "
    f"at N = {sizes[-1]:.0e}, slope {slope:.2f}; to the ODE without its η² term it levels off at "
    f"{D_bare[-1]:.2g}, where the two ODEs are {gap:.2g} apart.",
)

# %% [markdown]
# **Verdict.** The slope is -1/2, over four decades. (The claim table has the slope with its error, from the exact
# chain alone.) The distance from the wrong ODE levels off where predicted.
#
# ## Explore
#
# - **log₁₀ N**: dimension of the grey runs, and of the diamond on the right. Every run is the exact chain as long as
#   it is affordable, then the diffusion.
# - **learning rate η**, **students p**, **teachers p\***: the task. The time axis grows as p\*/η.
# - **gradient noise in the ODE**: which ODE the distances are measured from, drawn strong on the left.
#   It does not touch SGD, which always has its noise.
# - **label noise**: variance ν of the noise on the labels, for SGD and for both ODEs.
# - **follow**: the overlap (or the loss) on the left, whose distance is on the right.
# - **start**: the same overlaps for every N, or overlaps drawn at random at each N.
# - **new seed**: another start and other samples.
#
# Try: switch the gradient noise off, and see the grey dots stop at the dashed line. Then raise the label noise.
# Then switch it on again and choose "random at each N": the dots no longer fall. The next section says why.

# %%
ql.explorers.sgd_to_ode()

# %% [markdown]
# ## Where the ODE is not enough
#
# "SGD follows the ODE" holds for a given start as N → ∞, up to a fixed time. But a random start is not given: the
# entries of M(0) are themselves of order N^(-1/2), as small as the fluctuations, and both are then multiplied by the
# same exponential growth on the plateau.
#
# **Predict.** Up to a fixed early time the distance falls as N^(-1/2). The *escape* happens when M has grown to order
# one, and by then the fluctuations have grown with it: the time at which SGD escapes differs from that of the ODE
# from the very same start by an amount that does not depend on N. Only the mean time grows, as ln N.

# %%
fig, axes = plotting.figure(2)
said, level = [], ql.plateau(task, eta).loss
for ax, N in zip(axes, (10**4, 10**8), strict=True):
    end = 20 * np.ceil(ql.escape_law(task, N, eta).mean / 12)
    at = np.concatenate([np.linspace(0, 5, 11), np.linspace(5, end, 240)[1:]])
    begin = ql.random_overlaps(task, N, rng=3)
    own = ql.integrate(task, begin, eta=eta, alpha=at)
    how = dict(eta=eta, alpha=at, N=N, method="diffusion", step=0.02, progress=False)
    runs = [ql.simulate(task, begin, rng=seed, **how) for seed in range(20)]
    for run in runs:
        plotting.loss_curves(ax, run, color=PALETTE["sgd"], lw=0.8)
    plotting.loss_curves(ax, own, label="ODE, same start")
    plotting.plateau_line(ax, level)
    ax.set(title=f"N = 1e{np.log10(N):.0f}", ylim=(0, 1))
    ax.legend(loc="lower left")
    early = np.sqrt(np.mean([((run.M[:11] - own.M[:11]) ** 2).sum((1, 2)) for run in runs]))
    escapes = np.array([run.escape_time() for run in runs])
    said.append(
        f"N = {N:.0e}: distance of M up to α = 5 {early:.1e}, escape of the ODE at "
        f"{own.escape_time():.0f}, of SGD at {escapes.mean():.0f} ± {escapes.std():.1f}"
    )
print(*said, sep="\n")
plotting.Picture(
    fig, plotting.sentence("loss of 20 SGD runs and of the ODE from one random start", *said)
)

# %% [markdown]
# **Verdict.** Early on the ODE is better by the factor √(N/N'), and the escape scatters just as much at the larger N.
# This is no failure of the ODE: it is right about everything but the random start it was not given. The noise
# collected on the plateau acts like a perturbed start, and notebook 02 turns that into a law for the escape time.
#
# ## The exact chain, and why N disappears
#
# The ODE drops the fluctuations. They need not be dropped: the argument that gave the mean gives the whole law.
# Split x into its components along the p\* teacher directions, along the p directions which the students span
# besides, and the rest. A step needs
#
# - z\* and z⊥: p\* + p independent standard normal numbers, which fix all the fields, and
# - the squared length of the rest: χ², a chi-square number of N - p - p\* degrees of freedom,
#
# because δQ contains |x|², and nothing else of x. So the overlaps after a step have a law that depends on the
# overlaps before it: they are a Markov chain, (8.1) to (8.5), exact at every N ≥ p + p\*. N is left in two places: the
# size 2η/N of a step, and the degrees of freedom of *one* random number. This is `method="overlaps"`, the default;
# `method="weights"` is the literal algorithm.

# %%
for N in (100, 10_000, 1_000_000):
    print(
        f"N = {N:>7}: a step of 'weights' draws {N} numbers and moves {task.p * N}; "
        f"a step of the chain needs {task.p + task.p_star} normal numbers and one χ²"
    )

# %% [markdown]
# **Predict.** Not only means: histograms must agree, of every overlap at every time. We choose a small N, where the
# fluctuations are large and the ODE is far off, and start both methods from the same overlaps (the literal weights
# in a random orientation, which cannot matter).

# %%
small, N, count = ql.Task(p=2, p_star=1), 30, 3000
begin = ql.random_overlaps(small, 40, rng=2)
orient = np.random.default_rng(5)
how = dict(eta=eta, alpha=[5.0, 15.0], N=N, progress=False)
literal = [
    ql.simulate(small, begin.weights(small, N, orient), rng=orient, method="weights", **how)
    for _ in range(count)
]
chain = [ql.simulate(small, begin, rng=orient, method="overlaps", **how) for _ in range(count)]
limit = ql.integrate(small, begin, eta=eta, alpha=[5.0, 15.0])

fig, axes = plotting.figure(4, height=3.0)
said = []
for ax, (name, of) in zip(
    axes,
    {
        "Q[0, 0], α = 5": lambda run: run.Q[0, 0, 0],
        "Q[0, 1], α = 5": lambda run: run.Q[0, 0, 1],
        "M[0, 0], α = 15": lambda run: run.M[1, 0, 0],
        "loss, α = 15": lambda run: run.loss[1],
    }.items(),
    strict=True,
):
    a, b = (np.array([of(run) for run in runs]) for runs in (literal, chain))
    bins = np.linspace(*np.quantile(a, [0.002, 0.998]), 31)
    ax.hist(a, bins, density=True, color=PALETTE["sgd"], alpha=0.6, label="weights")
    ax.hist(b, bins, density=True, histtype="step", color=PALETTE["flow"], lw=1.5, label="overlaps")
    ax.axvline(of(limit), color=PALETTE["ode"], lw=2, label="ODE")
    ax.set(xlabel=name, yticks=[])
    pvalue = stats.ks_2samp(a, b).pvalue
    said.append(f"{name}: Kolmogorov-Smirnov p-value {pvalue:.2f}")
axes[0].legend(fontsize="small")
print(*said, sep="\n")
plotting.Picture(
    fig,
    plotting.sentence(
        f"histograms of four quantities over {count} runs at N = {N}, literal weights and chain, "
        "coincide, with the ODE as a line",
        *said,
    ),
)

# %% [markdown]
# **Verdict.** The p-values are those of two samples of one law: the chain is no approximation. It replaces a vector of
# N numbers by p + p\* + 1 of them, and a run of αN steps costs the same per step at any N. The ODE's single value says
# only where the histogram goes as N grows.
#
# ## Exercises
#
# **1 (change a number).** The distance D falls with N. How does it depend on η, over a time of order 1/η? Guess the
# exponent before you run it.

# %% jupyter={"source_hidden": true}
# Each sample adds a variance ∝ (η/N)², there are N/η of them: D ∝ √(η/N), exponent 1/2.
found = []
for e in (0.0025, 0.005, 0.01):
    span = times * 0.05 / e
    curve = ql.integrate(task, start, eta=e, alpha=span)
    how = dict(eta=e, alpha=span, N=10**8, method="diffusion", step=0.001 / e, progress=False)
    runs = [ql.simulate(task, start, rng=seed, **how) for seed in range(40)]
    found.append(np.sqrt(np.mean([distance(run, curve) ** 2 for run in runs])))
print(f"D ∝ η^{np.polyfit(np.log([0.0025, 0.005, 0.01]), np.log(found), 1)[0]:.2f}")

# %% [markdown]
# **2 (change a setting).** With `constraint="spherical"` every student is rescaled to norm √N after each step. What is
# left of the η² term? Compare `drift` with and without it.

# %% jupyter={"source_hidden": true}
# The norms are fixed, but the noise still shrinks what is not noise: rescaling a student that has
# become longer by noise makes its overlaps with everything else smaller, (2.3).
ball = ql.random_overlaps(task, 40, rng=14, constraint="spherical")
on, off = (ql.drift(task, ball, 0.3, "spherical", noise) for noise in (True, False))
print("change of Q_ii:", np.abs(np.diag(on[0])).max().round(12))
print("η² term in dM/dα, divided by M:", ((on[1] - off[1]) / ball.M)[:, 0].round(3))

# %% [markdown]
# **3 (derive).** Where does label noise of variance ν enter the drift? Why not in dM/dα?

# %% jupyter={"source_hidden": true}
# Δ gains -√ν ξ with ξ independent of everything, mean 0. Φ = E[Δ f fᵀ] is linear in Δ: unchanged.
# Γ = E[Δ² f fᵀ] gains ν C. So dQ/dα gains 4η²ν Q: pure diffusion of the norms.
noisy = ql.Task(4, 2, label_noise=0.5)
clean, dirty = ql.drift(task, start, 0.1), ql.drift(noisy, start, 0.1)
print("dQ:", np.allclose(dirty[0] - clean[0], 4 * 0.1**2 * 0.5 * start.Q))
print("dM:", np.allclose(dirty[1], clean[1]))

# %% [markdown]
# **4 (derive).** Show that at finite N, and without label noise, the mean step is exactly the drift with Γ replaced
# by (1 + 6/N) Γ. Hint: direction and length of x are independent; what is E|x|⁸ / E|x|⁶?

# %% jupyter={"source_hidden": true}
# Δ²λλ is homogeneous of degree 6 in x, so with x = |x| u its mean is E[|x|⁶] E[g(u)], and with one
# more factor |x|²/N it is E[|x|⁸]/N E[g(u)]. For chi-square of N degrees E|x|⁸/E|x|⁶ = N + 6.
tiny = ql.random_weights(ql.Task(2, 1), 6, rng=1)
sample = one_step(tiny, 0.3, 400_000, rng)[0][:, 0, 0]
mean, error = sample.mean(), sample.std() / np.sqrt(len(sample))
for name, value in (
    ("drift", ql.drift(tiny.task(), tiny.overlaps, 0.3)[0][0, 0]),
    ("with 1 + 6/N", mean_step(tiny.task(), tiny.overlaps, 0.3, 6)[0][0, 0]),
):
    print(f"{name}: {value:.4f}, deviation of the measured mean {(mean - value) / error:.1f} σ")

# %% [markdown]
# **5 (derive).** For p = p\* = 1 and Q = 1, M = 0, the drift of M vanishes. How does the variance of M grow at first?

# %% jupyter={"source_hidden": true}
# N Var M = 4η² α Var(Δλλ*), Δ = λ² - λ*² with independent λ, λ*:
# E[(λ² - λ*²)² λ² λ*²] = 15 - 2·3·3 + 15 = 12, so N Var M = 48 η² α; this is D of (4.2) at q = 1.
one, origin = ql.Task(1, 1), ql.Overlaps([[1.0]], [[0.0]])
ends = [
    ql.simulate(one, origin, eta=0.01, alpha=[0.5], N=1000, rng=seed, progress=False).M[0, 0, 0]
    for seed in range(2000)
]
measured = 1000 * np.var(ends)
print(
    f"N Var M: {measured:.5f} ± {measured * np.sqrt(2 / 2000):.5f}, predicted {48 * 0.01**2 * 0.5:.5f}"
)

# %% [markdown]
# ## Claims

# %%
claims.Table(claim.check() for claim in claims.of("01_sgd_to_ode"))
