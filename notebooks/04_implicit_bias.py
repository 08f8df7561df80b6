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
# # 04 Implicit bias
#
# There are infinitely many solutions with zero loss. Which one is learned, and what decides it?
#
# **What you will learn.** The zero-loss solutions form a smooth manifold, because only the sum of the squared fields matters
# and the units can be rotated into each other. Gradient flow conserves a matrix, but it is the orientation of M that picks
# the solution: it stays what it was at the start, and names the solution closest to it. The overlap ODE does the same up to
# an error that vanishes with N. A single run of SGD does not: its choice is blurred, and neither more data nor more
# dimensions sharpen it. Only a smaller learning rate does.
#
# **You need** the plateau, the escape and the noise collected on the plateau ([notebook 02](02_escape.ipynb)), and the singular
# value decomposition of a matrix.
#
# **Time.** About 65 minutes, and 50 for the exercises.
#
# | here | in the library | meaning |
# |---|---|---|
# | student, teacher | `Task(p, p_star)` | two networks, of p and p\* quadratic units |
# | W, W\* | `Weights.W`, `Weights.W_star` | their weights, a row of N numbers for each unit |
# | M | `Overlaps.M` | W W\*ᵀ/N, p × p\*: overlaps with the teacher units; of size 1/√N at the start |
# | O | `polar_factor(M)` | the orientation of M: M = O h with p\* orthonormal columns O and a symmetric positive h |
# | O₀, O∞ | | polar factors of M at the start and at the end of a run |
# | closest solution | `closest_solution` | the zero-loss point nearest to the start: √(p/p\*) O₀ W\* |
# | distance | `solution_distance` | Frobenius norm of the difference, divided by √N |
# | 1 − cos | `misalignment` | 1 − tr O₀ᵀO∞/p\*: 0 if the two orientations agree, 2 if they are opposite |
# | blur | `blur_law` | mean and standard deviation of 1 − cos over runs of SGD |
# | conserved matrix $\mathcal{I}$ | `conserved_quantity` | equation [(5.2)](../docs/theory.md#eq-5-2) |
# | v<sub>eff</sub> | `EscapeLaw.v_eff` | N times the variance of M, with the noise collected on the plateau |

# %%
import numpy as np
from scipy.optimize import least_squares

import quadlib as ql
from quadlib import claims, plotting
from quadlib.notation import number

ORANGE, BLUE, GREY = (plotting.PALETTE[name] for name in ("flow", "ode", "sgd"))
LEVEL = dict(color=plotting.PALETTE["theory"], ls=":", lw=1.2)

# %% [markdown]
# ## Two units, one teacher unit: a circle
#
# With p = 2 and p\* = 1 the overlaps M are a point in a plane. The output of the student is (λ₁² + λ₂²)/2, that of
# the teacher λ\*². They are equal for every input if and only if w₁ = M₁ w\*, w₂ = M₂ w\* with M₁² + M₂² = 2: zero
# loss is a **circle** of radius √2. With spherical norms, |w₁|² = |w₂|² = N, only the points M₁ = ±1, M₂ = ±1 are left
# of it.
#
# From Q(0) = I the direction of M is conserved by the ODE with free norms (equation
# [(5.3)](../docs/theory.md#eq-5-3)): every start flows straight out. We start 24 times, all close to the centre, every
# 15 degrees.

# %%
free_ends = ql.predict("Free norms: how many different end points do the 24 starts reach?")
free_ends

# %%
ball_ends = ql.predict("And with spherical norms?")
ball_ends

# %%
angles = 0.1 + np.arange(24) * np.pi / 12
pair = ql.Task(p=2, p_star=1)
turn = np.linspace(0, 2 * np.pi, 200)
circle = np.sqrt(2) * np.array([np.cos(turn), np.sin(turn)])
fig, axes = plotting.figure(2, height=4.4)
ends = {}
for ax, constraint in zip(axes, ("free", "spherical"), strict=True):
    ax.plot(*circle, label="zero loss, free norms", **LEVEL)
    runs = [
        ql.integrate(
            pair, ql.Overlaps(np.eye(2), 0.05 * np.array([[np.cos(a)], [np.sin(a)]])), eta=0.1,
            alpha=np.linspace(0, 100, 201), constraint=constraint, rtol=1e-10,
        ).M[:, :, 0]
        for a in angles
    ]  # fmt: skip
    for M in runs:
        ax.plot(*M.T, color=BLUE, lw=1, label="ODE" if M is runs[0] else None)
        ax.plot(*M[-1], "o", color=BLUE, ms=4, label="end" if M is runs[0] else None)
    ax.set(aspect="equal", xlabel="M₁", ylabel="M₂", title=f"{constraint} norms")
    ends[constraint] = np.array([np.arctan2(*M[-1][::-1]) for M in runs])
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
missed = np.abs(np.angle(np.exp(1j * (ends["free"] - angles)))).max()
found = {name: len(np.unique(np.degrees(e).round(1))) for name, e in ends.items()}
plotting.Picture(
    fig,
    "Paths of M from 24 starts near the centre. Free norms: straight rays that end on the circle of radius √2, at the "
    f"angle of the start to {number(missed, 1)}. Spherical norms: curved paths that end in {found['spherical']} points "
    "of the circle.",
)

# %%
print(f"free norms: {found['free']} end points, the angle changes by at most {number(missed, 1)}")
print(f"spherical norms: {found['spherical']} end points, at",
      ", ".join(f"{number(a)}°" for a in np.unique(np.degrees(ends["spherical"]).round(1))))  # fmt: skip
free_ends.compare(found["free"], "each start its own")
ball_ends.compare(found["spherical"], "M₁ = ±1, M₂ = ±1")

# %% [markdown]
# **Verdict.** With free norms the start decides, continuously; with spherical norms it only decides between four
# corners.
#
# ## The manifold
#
# In general the loss is zero where WᵀW/p = W\*ᵀW\*/p\*, that is (equation [(5.4)](../docs/theory.md#eq-5-4))
#
# $$W = \sqrt{p/p^\star}\, O\, W^\star, \qquad O^T O = I .$$
#
# O has p p\* entries, bound by p\*(p\* + 1)/2 conditions. We do not use this formula in what follows: from many points
# near one solution we minimise the loss numerically, and count in how many directions the end points spread.

# %%
spread_in = ql.predict("In how many dimensions will they spread for p = 3, p* = 2?")
spread_in


# %%
def dimension(p, k, size=1e-4, N=7):
    """Number of directions in which minima spread around one of them; only the loss is used."""
    rng = np.random.default_rng((0, p, k))
    w_star = ql.random_weights(ql.Task(p, k), N, rng).W_star / np.sqrt(N)

    def residual(w):
        """Numbers whose squares add up to the loss: with b = wᵀw/p − w*ᵀw*/p*, ½ (tr b)² + tr b²."""
        w = w.reshape(p, N)
        b = w.T @ w / p - w_star.T @ w_star / k
        return np.append(b.ravel(), np.trace(b) / np.sqrt(2))

    def minimum(start):
        return least_squares(residual, start, xtol=1e-15, ftol=1e-15, gtol=1e-15).x

    centre = minimum(rng.standard_normal(p * N))  # a minimum, wherever the search ends
    reached = [minimum(centre + size * rng.standard_normal(p * N)) for _ in range(p * N)]
    widths = np.linalg.svd(np.array(reached) - centre, compute_uv=False)
    return int((widths > 0.02 * max(size, widths[0])).sum())


sizes = (1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)
measured = {(p, k): dimension(p, k) for p, k in sizes}
print(" p  p*  p p* − p*(p* + 1)/2  measured")
for (p, k), found in measured.items():
    print(f"{p:2d} {k:3d} {p * k - k * (k + 1) // 2:12d} {found:15d}")
spread_in.compare(measured[3, 2])

# %% [markdown]
# **Verdict.** The dimensions agree. A single unit has two isolated solutions, ±w\*; for p > 1 the solutions are never
# isolated. [Notebook 05](05_landscape.ipynb) finds the same directions in the Hessian.
#
# ## What is conserved
#
# In gradient flow all units see the same error, and the weights obey W′ = KW + (4η/p\*) M W\* with one p × p matrix
# K = −2η(sI + 2Q/p) for all of them (s is the mean error, [section 5](../docs/theory.md#section-5)). What K does to M
# and to Q⊥ = Q − M T⁻¹ Mᵀ, the part of Q outside the teacher's span, cancels in
#
# $$\mathcal I = e^{-4\eta T\alpha/p^\star} M^T Q_\perp^{-1} M\, e^{-4\eta T\alpha/p^\star} .$$
#
# These p\*(p\* + 1)/2 numbers are constant along the flow, through plateau and escape, for any T.

# %%
keeps = ql.predict(
    "The ODE contains the gradient noise of SGD, its η² term. What happens to the matrix there?",
    ["it stays constant as well", "its entries shrink", "its entries grow"],
)
keeps

# %%
unequal = ql.Task(p=4, p_star=2, T=[1.2, 0.8])
start = ql.random_overlaps(unequal, N=10**4, rng=1)
alpha = np.linspace(0, 40, 81)
flow = ql.gradient_flow(unequal, start, eta=0.1, alpha=alpha)
ode = ql.integrate(unequal, start, eta=0.1, alpha=alpha)
kept, drifted = (ql.conserved_quantity(run) / ql.conserved_quantity(run)[0] for run in (flow, ode))

fig, (left, right) = plotting.figure(2)
plotting.loss_curves(left, ode, label="ODE, with its η² term")
plotting.loss_curves(left, flow, color=ORANGE, ls="--", label="gradient flow")
left.legend()
for (i, j), marker in zip(((0, 0), (0, 1), (1, 1)), "os^", strict=True):
    entry = rf"$\mathcal{{I}}_{{{i + 1}{j + 1}}}$"
    mark = dict(marker=marker, markevery=(4 * i + 4 * j, 16), ms=5)
    right.plot(alpha, drifted[:, i, j], color=BLUE, label=f"{entry}, ODE", **mark)
    right.plot(alpha, kept[:, i, j], "--", color=ORANGE, label=f"{entry}, flow", **mark)
right.set(xlabel="α = samples / N", ylabel="entries of the matrix / start", ylim=(0, None))
right.legend(ncols=2, fontsize="small", loc="center right")
change = np.abs(kept - 1).max()
plotting.Picture(
    fig,
    f"Left: the loss falls from {number(flow.loss[0], 2)} over a plateau to {number(flow.loss[-1], 2)} in gradient "
    f"flow and {number(ode.loss[-1], 2)} in the ODE. Right: three entries of the matrix, divided by their start: "
    f"constant to {number(change, 1)} in gradient flow; in the ODE they end between "
    f"{number(drifted[-1].min(), 2)} and {number(drifted[-1].max(), 2)}.",
)

# %%
print(f"flow: the entries change by at most {number(change, 1)} of themselves")
for i in (40, 80):
    print(f"ODE at α = {alpha[i]:.0f}: the entries are {number(drifted[i].min(), 2)} to "
          f"{number(drifted[i].max(), 2)} of their start")  # fmt: skip
keeps.compare(keeps.choices[1])

# %% [markdown]
# **Verdict.** The three orange lines lie on each other and do not move; their markers tell them apart. The ODE's
# matrix shrinks, because gradient noise makes Q⊥ larger. On the plateau its entries shrink together: noise changes the
# size of Q⊥ and hardly turns anything. What is left at the end, when Q⊥ is small, they do no longer share.
#
# ## What selects the solution
#
# Does $\mathcal{I}$ decide which solution is chosen? Rotate the units of the start: W → RW with RᵀR = I. Then M → RM and Q⊥ → RQ⊥Rᵀ,
# and R drops out of $\mathcal{I}$. But R is just what leads from one solution to another. Here are two such starts with Q(0) = I, the
# second one with its units rotated by a quarter turn.

# %%
same_end = ql.predict(
    "Their matrices 𝓘 are equal. Will the two end on the same solution?", ["yes", "no"]
)
same_end

# %%
task = ql.Task(p=4, p_star=2)
M = 0.01 * np.random.default_rng(4).standard_normal((4, 2))
R = np.kron(np.eye(2), [[0, -1], [1, 0]])
starts = [ql.Overlaps(np.eye(4), M), ql.Overlaps(np.eye(4), R @ M)]
first, second = (ql.conserved_quantity(ql.integrate(task, s, eta=0.1, alpha=[0.0])) for s in starts)
print(f"entries of 𝓘 differ by {number(np.abs(first - second).max(), 1)}")
for name, noise in {"flow": False, "ODE": True}.items():
    how = dict(eta=0.1, alpha=[150.0], gradient_noise=noise, rtol=1e-12)
    ends = [ql.integrate(task, s, **how).M[-1] for s in starts]
    apart = np.linalg.norm(ends[0] - ends[1])
    kept = max(
        float(ql.misalignment(ql.polar_factor(end), ql.polar_factor(s.M)))
        for end, s in zip(ends, starts, strict=True)
    )
    print(f"{name}: the two ends M differ by {number(apart)}; "
          f"1 − cos between start and end is at most {number(kept, 1)}")  # fmt: skip
same_end.compare("no" if apart > 0.01 else "yes", "R turns the start and the end alike")

# %% [markdown]
# **Verdict.** $\mathcal{I}$ knows the shape of the start, M(0)ᵀM(0), but not how it lies in the space of the units, and only that
# distinguishes solutions. What each run keeps is the **orientation** of M, its polar factor O: for T = I and Q(0) = q₀I it
# does not move at all, in the flow and in the ODE with gradient noise, where $\mathcal{I}$ is not conserved; from a random start it moves
# by O(1/√N) ([section 5](../docs/theory.md#section-5)). The abstract of the paper says that a conserved quantity enforces
# the choice of the closest solution. That is true of the orientation; which quantity the authors mean it does not tell.
#
# ## The closest of all
#
# So for T = I and Q(0) = q₀I the run ends at √(p/p\*) O₀ W\*. All solutions have the same norm, so that their distance from
# the start depends on tr OᵀM(0) alone, and this is largest for O = O₀ (an orthogonal Procrustes problem): the end point is
# the **closest solution** (equation [(5.3)](../docs/theory.md#eq-5-3)).
#
# There is little to tell the solutions apart: M(0) is of size 1/√N, and all of them are nearly equally far away. We
# draw 20 000 of them at random and let the flow run from a random start at N = 1000.

# %%
nearer_ones = ql.predict(
    "How many of the 20 000 are nearer to the start than the one where the flow ends?"
)
nearer_ones


# %%
def distances(task, state, O):
    """‖W − √(p/p*) O W*‖/√N of each O, from the overlaps of W alone."""
    ratio = task.p / task.p_star
    square = np.trace(state.Q) + ratio * np.trace(task.T)
    return np.sqrt(square - 2 * np.sqrt(ratio) * (O * state.M).sum((-2, -1)))


N = 1000
start = ql.random_overlaps(task, N, rng=3)
end = ql.gradient_flow(task, start, eta=0.05, alpha=[300.0]).M[-1]
chosen = float(distances(task, start, ql.polar_factor(end)))
closest = float(distances(task, start, ql.polar_factor(start.M)))
frames = ql.polar_factor(np.random.default_rng(0).standard_normal((20_000, 4, 2)))
others = distances(task, start, frames)
nearer = int((others < chosen).sum())

fig, ax = plotting.figure(width=7.0)
ax.hist(others, 80, color="0.75", label="random solutions")
ax.axvline(closest, color="0.55", lw=6, label="closest solution")
ax.axvline(chosen, color=ORANGE, lw=1.5, ls="--", label="where the flow ends")
ax.set(xlabel="distance from the start, ‖W(0) − solution‖/√N", ylabel="number")
ax.legend()
plotting.Picture(
    fig,
    f"Histogram of the distances from the start to {number(len(others))} random solutions, from {others.min():.3f} to "
    f"{others.max():.3f}. The closest solution is at {closest:.4f}, the flow ends at {chosen:.4f}; {nearer} of the "
    "random ones are nearer.",
)

# %%
print(f"distances: {others.min():.3f} to {others.max():.3f}; the flow ends at {chosen:.4f}, "
      f"{number(chosen - closest, 1)} farther than the closest")  # fmt: skip
nearer_ones.compare(nearer, "it ends at the left edge of the histogram")
w = ql.random_weights(task, 50, rng=0)
same = float(distances(task, w.overlaps, ql.polar_factor(w.overlaps.M)))
print(
    f"solution_distance of weights with N = 50: {ql.solution_distance(w):.6f}, from overlaps {same:.6f}"
)

# %% [markdown]
# **Verdict.** No random solution is nearer than the one chosen. The difference to the very closest is small but not
# zero. That is our next question.
#
# ## How exact, for the ODE
#
# A random start has Q(0) = I only up to 1/√N. On the way to the plateau Q becomes qI, and M is turned by $Q(0)^{-1/2}$. So
# O∞ differs from O₀ by 1/√N, for the flow and for the ODE with gradient noise (equation
# [(5.6)](../docs/theory.md#eq-5-6)). For the flow the polar factor of $Q(0)^{-1/2} M(0)$ is a better prediction. What
# remains then is Q − qI at the moment of escape: it decays at rate 8η/(p + 2) (exercise 04.5) while the escape takes
# (p\*/8η) ln N, so the remainder falls as N to the power −1/2 − p\*/(p + 2).


# %%
def deviations(eta, N, gradient_noise, starts=6):
    """‖O∞ − O‖ for O = O₀, and for the polar factor of Q(0)^(−1/2) M(0); root mean squares."""
    long_enough = (np.log(N) / 2 + 9) / ql.plateau(task, eta).escape_rate
    rows = []
    for i in range(starts):
        start = ql.random_overlaps(task, N, rng=(4, N, i))
        how = dict(eta=eta, alpha=[long_enough], gradient_noise=gradient_noise, rtol=1e-10)
        last = ql.polar_factor(ql.integrate(task, start, **how).M[-1])
        values, vectors = np.linalg.eigh(start.Q)
        whitened = (vectors / np.sqrt(values)) @ vectors.T @ start.M
        rows.append([np.linalg.norm(last - ql.polar_factor(M)) for M in (start.M, whitened)])
    return np.sqrt((np.array(rows) ** 2).mean(0))


sizes = np.array([10**3, 10**5, 10**7, 10**9])
flows = np.array([deviations(0.05, int(N), False) for N in sizes])
odes = np.array([deviations(0.05, int(N), True) for N in sizes])
fig, ax = plotting.figure(width=7.0)
ax.loglog(sizes, odes[:, 0], "o-", ms=10, mfc="white", color=BLUE, label="ODE, from O₀")
ax.loglog(sizes, flows[:, 0], "s--", ms=5, color=ORANGE, label="flow, from O₀")
ax.loglog(sizes, flows[:, 1], "^--", mfc="white", color=ORANGE,
          label="flow, from the polar factor of $Q(0)^{-1/2} M(0)$")  # fmt: skip
ax.set(xlabel="N", ylabel="‖O∞ − O‖")
ax.legend()
slopes = [
    np.polyfit(np.log(sizes), np.log(y), 1)[0] for y in (odes[:, 0], flows[:, 0], flows[:, 1])
]
plotting.Picture(
    fig,
    "Deviation against N, both logarithmic: straight lines of slope "
    f"{number(slopes[0], 2)} for the ODE, {number(slopes[1], 2)} for the flow, and {number(slopes[2], 2)} for the flow "
    "from the better prediction.",
)

# %%
print("slopes: ODE {}, flow {}, better prediction {}".format(*(number(s, 2) for s in slopes)))
print(f"theory: −0.5, −0.5 and −1/2 − p*/(p + 2) = {number(-1 / 2 - 2 / 6, 2)}")

# %% [markdown]
# **Verdict.** The upper two lines nearly coincide (squares within circles): what turns M is the start, and the noise of the
# ODE adds little. In the limit of high dimension the ODE ends on the closest solution. If SGD follows the ODE, should it not
# do the same?
#
# ## Surprise: the blur of SGD
#
# SGD follows the ODE from starts of order one. Here M(0) is of order 1/√N, and so is the noise that many random samples
# add to M while it is small. It comes early: later noise meets an M that has already grown. In effect a run starts not
# from M(0) but from M(0) plus Gaussian noise, which makes the variance of its entries v<sub>eff</sub>/N instead of 1/N
# ([notebook 02](02_escape.ipynb)). So a run ends on the solution closest to the *perturbed* start. With independent Gaussian
# matrices J, J′ and ε = v<sub>eff</sub> − 1 the mean misalignment is that of the polar factors of J and J + √ε J′ (equation
# [(5.5)](../docs/theory.md#eq-5-5)); `blur_law` averages it.
#
# First p = 2, p\* = 1: runs of SGD from one and the same start.

# %%
N, eta, RUNS = 10**6, 0.05, ql.if_compiled(300, 200)
one = ql.Overlaps(np.eye(2), np.sqrt(2 / N) * np.array([[0.8], [0.6]]))
alpha = np.linspace(0, 70, 71)
runs = ql.ensemble(
    pair, eta=eta, alpha=alpha, N=N, runs=RUNS, seed=(5, N), method="diffusion", start=one,
    step=0.05, progress=False,
)  # fmt: skip
ode = ql.integrate(pair, one, eta=eta, alpha=alpha)
turned = ql.misalignment(ql.polar_factor(runs.M), ql.polar_factor(one.M))
mean_turn = turned.mean(0)
blur, _ = ql.blur_law(pair, eta, np.sqrt(N) * one.M)
half = int(np.argmax(mean_turn > mean_turn[-1] / 2))

fig, (left, right) = plotting.figure(2, height=4.2)
left.plot(*circle, label="zero loss", **LEVEL)
for i in range(40):
    left.plot(*runs.M[i, :, :, 0].T, color=GREY, lw=0.7, label=None if i else "40 runs of SGD")
    left.plot(*runs.M[i, -1, :, 0], "o", color=GREY, ms=3)
left.plot(*ode.M[:, :, 0].T, color=BLUE, lw=2.5, label="ODE")
left.legend(loc="center", bbox_to_anchor=(0.28, 0.36), fontsize="small")
left.set(aspect="equal", xlabel="M₁", ylabel="M₂", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))
right.plot(alpha, turned[:40].T, color=GREY, lw=0.5)
right.plot([], [], color=GREY, lw=0.5, label="1 − cos, 40 runs")
right.plot(alpha, mean_turn, color=GREY, lw=3.5, label=f"mean of {RUNS} runs")
plotting.loss_curves(right, ode, label="loss of the ODE")
right.axhline(blur, color=plotting.PALETTE["law"], lw=1.2, label="predicted mean")
right.set(xlabel="α = samples / N", ylabel="1 − cos, loss", ylim=(0, 1.6))
right.legend()
plotting.Picture(
    fig,
    f"Left: the ODE goes straight to the circle; 40 runs of SGD end spread around it. Right: the mean of 1 − cos, "
    f"predicted {blur:.3f}, passes half of its final value {mean_turn[-1]:.3f} at α = {alpha[half]:.0f}, while the loss "
    f"falls only at α = {ode.escape_time():.0f}.",
)

# %%
error = turned[:, -1].std(ddof=1) / np.sqrt(RUNS)
print(f"mean of 1 − cos: {mean_turn[-1]:.4f} ± {error:.4f}, predicted {blur:.4f}: "
      f"{abs(mean_turn[-1] - blur) / error:.1f} standard errors apart")  # fmt: skip
print(
    f"the choice is half made at α = {alpha[half]:.0f}, and seen in the loss at α = {ode.escape_time():.0f}"
)

# %% [markdown]
# **Verdict.** The runs go straight out too, each to the solution closest to what the first few samples per dimension
# made of its start. The choice is made long before anything is seen in the loss.
#
# Now for p = 4, p\* = 2, with N and with η. (Steps of the diffusion must be short here: the noise of the plateau has to
# be the sum of many samples. At the smallest N the exact chain is used.)

# %%
with_N = ql.predict(
    "From N = 500 to 10¹¹, what becomes of the mean of 1 − cos at η = 0.05?",
    ["it falls as 1/N, like the ODE's", "it falls as 1/√N", "it stays"],
)
with_N

# %%
halved = ql.predict("And at one N: by what factor does it shrink if η is halved (0.05 to 0.025)?")
halved


# %%
few = ql.if_compiled(100, 30)  # where nothing is compiled, in the browser say, fewer


def sgd_blur(eta, N, runs=few):
    """Mean of 1 − cos between start and end of runs of SGD, and its standard error."""
    law = ql.escape_law(task, N, eta)
    method, step = (
        ("overlaps", None) if N < ql.if_compiled(1000, 0) else ("diffusion", 0.03 / law.rate)
    )
    M = ql.ensemble(
        task, eta=eta, alpha=[0.0, law.mean + 4 * law.std], N=N, runs=runs,
        seed=(6, N, round(1e6 * eta)), method=method, step=step, progress=False,
    ).M  # fmt: skip
    turned = ql.misalignment(ql.polar_factor(M[:, 0]), ql.polar_factor(M[:, 1]))
    return turned.mean(), turned.std(ddof=1) / np.sqrt(runs)


Ns, etas = (500, 10**5, 10**8, 10**11), (0.0125, 0.025, 0.05, 0.1)
against_N = np.array([sgd_blur(0.05, N) for N in Ns])
against_eta = np.array([sgd_blur(eta, 10**6) for eta in etas])
law = np.array([ql.blur_law(task, eta)[0] for eta in etas])

fig, (left, right) = plotting.figure(2)
bars = dict(fmt="o", color=GREY, capsize=3, label=f"SGD, mean of {few} runs")
left.errorbar(Ns, *against_N.T, **bars)
left.axhline(law[2], color=plotting.PALETTE["law"], lw=1.2, label="predicted")
left.loglog(sizes, odes[:, 0] ** 2 / 4, "s-", color=BLUE, label="ODE")
left.set(xlabel="N", ylabel="mean of 1 − cos", title="η = 0.05")
right.errorbar(etas, *against_eta.T, **bars)
right.loglog(etas, law, color=plotting.PALETTE["law"], lw=1.2, label="predicted")
right.set(xlabel="learning rate η", ylabel="mean of 1 − cos", title="N = 10⁶")
left.legend(loc="center right", fontsize="small")
right.legend()
right.set_xticks(etas, [number(eta) for eta in etas])
right.set_xticks([], minor=True)
right.set_yticks([0.03, 0.1, 0.3], ["0.03", "0.1", "0.3"])
right.set_yticks([], minor=True)
plotting.Picture(
    fig,
    f"Mean of 1 − cos. Left, against N: SGD stays between {number(against_N[:, 0].min())} and "
    f"{number(against_N[:, 0].max())}, predicted {number(law[2])}; the ODE falls as 1/N. Right, against η: from "
    f"{number(against_eta[0, 0])} to {number(against_eta[-1, 0])}, as predicted.",
)

# %%
for eta, (measured, error), predicted in zip(etas, against_eta, law, strict=True):
    epsilon = ql.escape_law(task, 10**6, eta).v_eff - 1
    print(
        f"η = {eta:<6g}: ε = {epsilon:.3f}, predicted {predicted:.4f}, measured {measured:.4f} ± {error:.4f}"
    )
with_N.compare(with_N.choices[2])
halved.compare(law[2] / law[1], "by the law: nearly proportional to ε, and this to η")

# %% [markdown]
# **Verdict.** The blur does not shrink with N. It shrinks with η, because ε does: at a small learning rate more samples
# are averaged while M is small. For p ≥ p\* + 2 the blur is proportional to ε in the limit; for fewer units a start that
# is nearly singular matters, and it shrinks more slowly (after equation [(5.5)](../docs/theory.md#eq-5-5)). So the
# statement "SGD picks the closest solution" is exact for the ODE of high dimension, and true for single runs of SGD only
# in the limit η → 0.
#
# ## Explore
#
# - **start: angle, size**: M(0) of the first two units, and its norm in units of that of a random start; Q(0) is that of
#   a random start.
# - **student units p**, **teacher units p\***: with p = 2, p\* = 1 the circle; else its projection, a disc for p > 2.
# - **learning rate η**, **log₁₀ N**.
# - **SGD noise**: thirty runs of SGD from this very start, or none.
# - **new seed**: other random numbers, for start and samples.
#
# The star is the closest solution. On the right the grey curves settle early. Move N over ten decades: grey stays, blue
# falls. Then enlarge the start.

# %%
ql.explorers.implicit_bias()

# %% [markdown]
# ## Exercises
#
# Put your answer in place of the dots and run the cell; it says right, or gives a hint. A number counts as right within
# one part in a thousand, if nothing else is said. The [solutions](solutions/04_implicit_bias_solutions.ipynb) have the way to each answer.
#
# **04.1 (change a number).** The start of the figure with the circle has |M(0)| = √(2/N), the size of a random start. Make
# M(0) three times as large. What is the predicted mean of 1 − cos for p = 2, p\* = 1, η = 0.05? (Within 2 %.)

# %%
answer = ...
ql.check("04.1", answer)

# %% [markdown]
# **04.2 (compute).** With p = p\* = 1 there are two solutions, ±w\*. J and J + √ε J′ are two Gaussian numbers then. What
# share of the runs of SGD ends at the farther solution, for η = 0.05? ε = v<sub>eff</sub> − 1, and v<sub>eff</sub> is an attribute of the law
# of escape at any N.

# %%
answer = ...
ql.check("04.2", answer)

# %% [markdown]
# **04.3 (explain).** The matrix $\mathcal{I}$ is conserved by gradient flow for any T. Why can it not decide which solution is
# chosen?
#
# - (a) Because the gradient noise of SGD destroys it.
# - (b) Because W → RW with a rotation R of the units leaves $\mathcal{I}$ unchanged but leads to another solution.
# - (c) Because it is of order 1/N and vanishes in high dimension.

# %%
answer = ...
ql.check("04.3", answer)

# %% [markdown]
# **04.4 (derive).** Obtain the dimension of the manifold of solutions from the symmetry, for p = 6, p\* = 4: how many
# parameters has the group of rotations of the units, and how many of them leave a given solution as it is? Two numbers;
# their difference is the dimension.

# %%
answer = ...
ql.check("04.4", answer)

# %% [markdown]
# **04.5 (derive).** On the plateau of gradient flow let Q = qI + δ, with δ small and traceless, and M = 0. At what rate
# does δ decay for p = 4, p\* = 2, η = 0.05? Use Q′ = −4η(sQ + 2Q²/p) (equation [(2.2)](../docs/theory.md#eq-2-2)).

# %%
answer = ...
ql.check("04.5", answer)

# %% [markdown]
# **04.6 (change a number).** Let T = diag(1.3, 0.7), p = 4, Q(0) = I, and M(0) that of
# `ql.random_overlaps(task, 10**8, rng=5)`. Run the flow (`integrate` with `gradient_noise=False`) at η = 0.1 to α = 400, and
# take the cosines between the columns of M at the end and at the start. What do they say? (One letter, in quotes.)
#
# - (a) Both columns keep the direction of their start.
# - (b) Only the column of the larger teacher unit does; so for T ≠ I the flow does not end on the closest solution.
# - (c) Both turn alike, towards the closest solution.

# %%
answer = ...
ql.check("04.6", answer)

# %% [markdown]
# ## Claims
#
# What this notebook says, measured now: prediction, measurement, verdict.

# %%
claims.table("04_implicit_bias")
