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
# **What you will learn.** The zero-loss solutions form a smooth manifold, because only the sum of the squared
# fields matters and the students can be rotated into each other. Gradient flow conserves a matrix, and with it
# the orientation of the start: it ends on the solution closest to where it began. The overlap ODE does the same
# up to an error that vanishes with N. A single run of SGD does not: its choice is blurred, and more data or
# more dimensions do not sharpen it. Only a smaller learning rate does.
#
# **You need** the plateau and the escape from it (notebook 02). About 25 minutes.
#
# | here | in the library | meaning |
# |---|---|---|
# | W, W\* | `Weights.W`, `Weights.W_star` | students (p × N) and teachers (p\* × N) |
# | M(0) | `Overlaps.M` | overlaps of the start with the teachers, of size 1/√N |
# | O | `polar_factor(M)` | M(MᵀM)^(−1/2), the orientation of M: p\* orthonormal columns |
# | closest solution | `closest_solution` | √(p/p\*) O W\* with O the polar factor of M |
# | distance | `solution_distance`, `distances` | Frobenius norm of the difference, divided by √N |
# | conserved matrix | `conserved_quantity` | equation 5.2 of `docs/theory.md` |
# | 1 − cos | `misalignment` | 1 − tr O₀ᵀO/p\*: 0 if two orientations agree |
# | v_eff | `EscapeLaw.v_eff` | N times the variance of M, with the noise collected on the plateau |

# %%
import numpy as np

import quadlib as ql
from quadlib import claims, plotting
from quadlib.claims import alignment as look

# %% [markdown]
# ## Two students, one teacher: a circle
#
# With p = 2 and p\* = 1 the overlaps M are a point in a plane. The output of the student is
# (λ₁² + λ₂²)/2, that of the teacher λ\*². They are equal for every input if and only if w₁ = M₁ w\*,
# w₂ = M₂ w\* with M₁² + M₂² = 2: zero loss is a **circle** of radius √2.
#
# With spherical norms, w₁² = w₂² = N, only M₁ = ±1, M₂ = ±1 are left of it: **four points**.
#
# **Predict.** From Q(0) = I the direction of M is conserved (equation 5.3). With free norms every start flows
# straight out to its closest point of the circle. With spherical norms it has to turn to one of the four.
#
# **Run.** Twenty-four starts, all close to the centre.

# %%
angles = 0.1 + np.arange(24) * np.pi / 12
pair = ql.Task(p=2, p_star=1)
fig, axes = plotting.figure(2, height=4.4)
turn = np.linspace(0, 2 * np.pi, 200)
for ax, constraint in zip(axes, ("free", "spherical"), strict=True):
    for angle in angles:
        M = 0.05 * np.array([[np.cos(angle)], [np.sin(angle)]])
        run = ql.integrate(
            pair, ql.Overlaps(np.eye(2), M), eta=0.1, alpha=np.linspace(0, 200, 400),
            constraint=constraint,
        )  # fmt: skip
        ax.plot(*run.M[:, :, 0].T, color=plotting.PALETTE["ode"], lw=1)
        ax.plot(*run.M[-1, :, 0], "o", color=plotting.PALETTE["flow"], ms=4)
    ax.plot(np.sqrt(2) * np.cos(turn), np.sqrt(2) * np.sin(turn), ":", color="0.5")
    ax.set(aspect="equal", xlabel="M₁", ylabel="M₂", title=f"{constraint} norms")
free, spherical = (look.end_angles(angles, c) for c in ("free", "spherical"))
missed = np.abs(np.angle(np.exp(1j * (free - angles)))).max()
corners = len(np.unique(np.round(spherical, 3)))
plotting.Picture(
    fig,
    "Paths of M from 24 starts near the centre. Free norms: straight rays that end on the circle "
    f"of radius √2, at the angle of the start to {missed:.0e}. Spherical norms: curved paths that "
    f"end in {corners} points of the circle.",
)

# %%
print(f"free norms: the angle changes by at most {missed:.0e}")
print(f"spherical norms: {corners} end points, at", np.unique(np.degrees(spherical).round(1)), "°")

# %% [markdown]
# **Verdict.** As predicted: with free norms the start decides, continuously, and with spherical norms it only
# decides between four corners.
#
# ## The manifold
#
# In general the loss is zero where WᵀW/p = W\*ᵀW\*/p\*, that is
#
# $$W = \sqrt{p/p^\star}\, O\, W^\star, \qquad O^T O = I .$$
#
# O has p p\* entries, bound by p\*(p\* + 1)/2 conditions.
#
# **Predict.** The set has dimension p p\* − p\*(p\* + 1)/2.
#
# **Run.** We do not use the formula for W. From many points near one solution we minimise the loss numerically,
# and count in how many directions the end points spread.

# %%
print(" p  p*   predicted   measured")
for p, k in ((1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)):
    print(f"{p:2d} {k:3d} {p * k - k * (k + 1) // 2:8d} {look.dimension(ql.Task(p, k)):10d}")

# %% [markdown]
# **Verdict.** The dimensions agree. A single student has two isolated solutions, ±w\*; for p > 1 the solutions
# are never isolated. Notebook 05 finds the same directions in the Hessian.
#
# ## What is conserved
#
# In gradient flow all students see the same error, and W changes by W′ = KW + (4η/p\*) M W\* with one p × p
# matrix K for all. Its effect on M and on Q⊥ = Q − M T⁻¹ Mᵀ, what the students have outside the teachers' span,
# cancels in
#
# $$\mathcal I = e^{-4\eta T\alpha/p^\star} M^T Q_\perp^{-1} M\, e^{-4\eta T\alpha/p^\star} .$$
#
# **Predict.** These p\*(p\* + 1)/2 numbers are constant along the flow, through plateau and escape, for any T.
# The gradient noise of SGD, the η² term of the ODE, changes them.

# %%
unequal = ql.Task(p=4, p_star=2, T=[1.2, 0.8])
start = ql.random_overlaps(unequal, N=10**4, rng=1)
alpha = np.linspace(0, 40, 81)
flow = ql.gradient_flow(unequal, start, eta=0.1, alpha=alpha)
ode = ql.integrate(unequal, start, eta=0.1, alpha=alpha)
kept, drifted = ql.conserved_quantity(flow), ql.conserved_quantity(ode)

fig, (left, right) = plotting.figure(2)
plotting.loss_curves(left, flow, color=plotting.PALETTE["flow"], label="gradient flow")
plotting.loss_curves(left, ode, label="ODE, with its η² term")
left.legend()
for (i, j), style in zip(((0, 0), (0, 1), (1, 1)), ("-", "--", ":"), strict=True):
    scale = kept[0, i, j]
    right.plot(alpha, kept[:, i, j] / scale, style, color=plotting.PALETTE["flow"])
    right.plot(alpha, drifted[:, i, j] / scale, style, color=plotting.PALETTE["ode"])
right.set(xlabel="α = samples / N", ylabel="entries of the matrix / start", ylim=(0, None))
change = np.abs(kept / kept[0] - 1).max()
plotting.Picture(
    fig,
    f"Left: the loss falls from {flow.loss[0]:.2f} over a plateau to {flow.loss[-1]:.4f} in "
    f"gradient flow and {ode.loss[-1]:.4f} in the ODE. Right: three entries of the matrix, divided "
    f"by their start: constant to {change:.0e} in gradient flow; in the ODE they end between "
    f"{(drifted[-1] / kept[0]).min():.2f} and {(drifted[-1] / kept[0]).max():.2f}.",
)

# %% [markdown]
# **Verdict.** The orange lines, solid, dashed and dotted for three entries, lie on each other and do not move.
# The ODE's matrix shrinks, because gradient noise makes Q⊥ larger; but up to the escape all its entries shrink
# by one factor. Noise changes the size of Q⊥ and hardly turns anything. What matters for the choice of the
# solution survives, as the next section shows.
#
# ## The closest of all
#
# For T = I and Q(0) = q₀I more is true. The matrices Q and M stay functions of M(0)ᵀM(0) around one fixed
# frame, its polar factor O₀, and the run ends at √(p/p\*) O₀ W\*. All solutions have the same norm, so that
# their distance from the start depends on tr OᵀM(0) alone, and this is largest for O = O₀: the end point is the
# **closest solution** (equation 5.3).
#
# Note how little there is to tell the solutions apart. M(0) is of size 1/√N, and all of them are nearly
# equally far away.
#
# **Predict.** The flow ends at the left end of the histogram of distances.

# %%
task = ql.Task(p=4, p_star=2)
N = 1000
start = ql.random_overlaps(task, N, rng=3)
end = ql.gradient_flow(task, start, eta=0.05, alpha=[300.0]).M[-1]
chosen = float(look.distances(task, start, look.polar_factor(end)))
closest = float(look.distances(task, start, look.polar_factor(start.M)))
frames = look.polar_factor(np.random.default_rng(0).standard_normal((20_000, 4, 2)))
others = look.distances(task, start, frames)

fig, ax = plotting.figure(width=7.0)
ax.hist(others, 80, color=plotting.PALETTE["sgd"], label="random solutions")
ax.axvline(closest, color=plotting.PALETTE["theory"], lw=5, alpha=0.6, label="closest solution")
ax.axvline(chosen, color=plotting.PALETTE["flow"], lw=1.5, ls="--", label="where the flow ends")
ax.set(xlabel="distance from the start, ‖W(0) − solution‖/√N", ylabel="number")
ax.legend()
nearer = int((others < chosen).sum())
plotting.Picture(
    fig,
    f"Histogram of the distances from the start to {len(others)} random solutions, from "
    f"{others.min():.3f} to {others.max():.3f}. The closest solution is at {closest:.4f}, the "
    f"flow ends at {chosen:.4f}; {nearer} of the random ones are nearer.",
)

# %%
w = ql.random_weights(task, 50, rng=0)
print(f"the flow ends {chosen - closest:.1e} farther than the closest solution")
print(f"solution_distance of weights with N = 50: {ql.solution_distance(w):.6f}")
print(f"the same from their overlaps:             "
      f"{float(look.distances(task, w.overlaps, look.polar_factor(w.overlaps.M))):.6f}")  # fmt: skip

# %% [markdown]
# **Verdict.** No random solution is nearer than the one chosen. The difference to the very closest is small but
# not zero. That is our next question.
#
# ## How exact, for the ODE
#
# A random start has Q(0) = I only up to 1/√N. On the way to the plateau Q becomes qI, and M is turned by
# Q(0)^(−1/2).
#
# **Predict.** O∞ differs from O₀ by N^(−1/2), for the flow and for the ODE with gradient noise (equation 5.6).
# For the flow the polar factor of Q(0)^(−1/2)M(0) is a better prediction. What remains is Q − qI at the moment
# of escape. It decays at rate 8η/(p + 2), and the escape takes (p\*/8η) ln N, so the remainder falls
# as N to the power −1/2 − p\*/(p + 2).

# %%
sizes = np.array([10**3, 10**5, 10**7, 10**9])
deviations = {
    name: np.array([look.ode_deviations(task, 0.05, n, 6, 1, noise) for n in sizes])
    for name, noise in (("flow", False), ("ode", True))
}
root = {name: np.sqrt((found**2).mean(1)) for name, found in deviations.items()}
fig, ax = plotting.figure(width=7.0)
ax.loglog(sizes, root["ode"][:, 0], "o-", color=plotting.PALETTE["ode"], label="ODE, from O₀")
ax.loglog(sizes, root["flow"][:, 0], "s--", color=plotting.PALETTE["flow"], label="flow, from O₀")
ax.loglog(sizes, root["flow"][:, 1], "^:", color=plotting.PALETTE["diffusion"],
          label="flow, from the polar factor of Q(0)^(−1/2) M(0)")  # fmt: skip
ax.set(xlabel="N", ylabel="‖O∞ − O‖")
ax.legend()
slopes = [
    np.polyfit(np.log(sizes), np.log(y), 1)[0]
    for y in (root["ode"][:, 0], root["flow"][:, 0], root["flow"][:, 1])
]
plotting.Picture(
    fig,
    "Deviation against N, both logarithmic: straight lines of slope "
    f"{slopes[0]:.2f} for the ODE, {slopes[1]:.2f} for the flow, and {slopes[2]:.2f} for the flow "
    "from the better prediction.",
)

# %%
print("slopes: ODE {:.3f}, flow {:.3f}, better prediction {:.3f}".format(*slopes))
print(f"predicted: -0.5, -0.5 and {-1 / 2 - 2 / 6:.3f}")

# %% [markdown]
# **Verdict.** In the limit of high dimension the ODE ends on the closest solution. If SGD follows the ODE,
# should it not do the same?
#
# ## Surprise: the blur of SGD
#
# SGD follows the ODE from starts of order one. Here M(0) is of order 1/√N, and so is the noise that many random
# samples add to M while it is small. It comes in the first moments: later noise meets an M that has already
# grown. In effect a run starts not from M(0) but from M(0) plus Gaussian noise, which makes the variance of its
# entries v_eff/N instead of 1/N (notebook 02).
#
# **Predict.** A run ends on the solution closest to the *perturbed* start. With independent Gaussian matrices
# J, J′ and ε = v_eff − 1 the mean misalignment is that of the polar factors of J and J + √ε J′ (equation 5.5).
# N has dropped out.
#
# **Run.** First p = 2, p\* = 1: two hundred runs of SGD from one and the same start, of which forty are drawn.

# %%
N, eta = 10**6, 0.05
one = ql.Overlaps(np.eye(2), np.sqrt(2 / N) * np.array([[0.8], [0.6]]))
alpha = np.linspace(0, 70, 141)
how = {"eta": eta, "alpha": alpha}
runs = [
    ql.simulate(pair, one, N=N, rng=i, method="diffusion", step=0.02, progress=False, **how)
    for i in range(200)
]
ode = ql.integrate(pair, one, **how)
O_0 = look.polar_factor(one.M)
turned = np.array([look.misalignment(look.polar_factor(run.M), O_0) for run in runs])

fig, (left, right) = plotting.figure(2, height=4.2)
left.plot(np.sqrt(2) * np.cos(turn), np.sqrt(2) * np.sin(turn), ":", color="0.5")
for run in runs[:40]:
    left.plot(*run.M[:, :, 0].T, color=plotting.PALETTE["sgd"], lw=0.7)
    left.plot(*run.M[-1, :, 0], "o", color="0.35", ms=3)
left.plot(*ode.M[:, :, 0].T, color=plotting.PALETTE["ode"], lw=2.5)
left.set(aspect="equal", xlabel="M₁", ylabel="M₂", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))
right.plot(alpha, turned[:40].T, color=plotting.PALETTE["sgd"], lw=0.5)
right.plot(alpha, turned.mean(0), color="k", lw=2, label="mean of 1 − cos")
plotting.loss_curves(right, ode, label="loss of the ODE")
copies = np.broadcast_to(one.M, (40_000, 2, 1))
blur = look.blurred(copies, (ql.escape_law(pair, N, eta).v_eff - 1) / N, rng=0).mean()
right.axhline(blur, color="k", ls="--", lw=1, label="predicted mean")
right.set(xlabel="α = samples / N", ylabel="1 − cos, loss", ylim=(0, 1.6))
right.legend()
half = int(np.argmax(turned.mean(0) > turned.mean(0)[-1] / 2))
plotting.Picture(
    fig,
    f"Left: the ODE goes straight to the circle; 40 runs of SGD end spread around it. Right: the "
    f"mean of 1 − cos, predicted {blur:.3f}, passes half of its final value "
    f"{turned[:, -1].mean():.3f} at α = {alpha[half]:.1f}, while the loss falls only at α = {ode.escape_time():.0f}.",
)

# %%
error = turned[:, -1].std(ddof=1) / np.sqrt(len(turned))
print(f"mean of 1 − cos: {turned[:, -1].mean():.3f} ± {error:.3f}, predicted {blur:.3f}")
print(f"the choice is half made at α = {alpha[half]:.1f}, and seen at α = {ode.escape_time():.0f}")

# %% [markdown]
# **Verdict.** The runs go straight out too, each to the solution closest to what the first few samples per
# dimension made of its start. The choice is made long before anything is seen in the loss.
#
# Now with N and η. Steps of the diffusion must be short here: the noise of the plateau has to be the sum of
# many samples. A long step replaces them by a few draws of a heavy-tailed variable, of the same variance but of
# a smaller mean misalignment. At the smallest N below, the exact chain is used.

# %%
eta_all, N_all = np.array([0.0125, 0.025, 0.05, 0.1]), np.array([500, 10**5, 10**8, 10**11])


def mean(sample):
    return sample.mean(), sample.std(ddof=1) / np.sqrt(len(sample))


method = {500: "overlaps"}
against_N = [
    mean(look.sgd_misalignments(task, 0.05, int(n), 100, 1, method.get(int(n), "diffusion")))
    for n in N_all
]
against_eta = [mean(look.sgd_misalignments(task, e, 10**6, 100, 2)) for e in eta_all]
epsilon = np.array([ql.escape_law(task, 10**6, e).v_eff - 1 for e in eta_all])
theory = np.array([look.predicted_blur(4, 2, e)[0] for e in epsilon])

fig, (left, right) = plotting.figure(2)
bars = {"fmt": "o", "color": "0.35", "capsize": 3, "label": "SGD, mean of 100 runs"}
left.errorbar(N_all, *np.transpose(against_N), **bars)
left.axhline(theory[2], color="k", ls="--", lw=1.2, label="predicted")
left.loglog(sizes, (deviations["ode"][:, :, 0] ** 2).mean(1) / 4, "o-",
            color=plotting.PALETTE["ode"], label="ODE")  # fmt: skip
left.set(xlabel="N", ylabel="mean of 1 − cos", title="η = 0.05")
right.errorbar(eta_all, *np.transpose(against_eta), **bars)
right.loglog(eta_all, theory, "k--", lw=1.2, label="predicted")
right.set(xlabel="learning rate η", ylabel="mean of 1 − cos", title="N = 10⁶")
left.legend(loc=(0.4, 0.5), fontsize="small")
right.legend()
right.set_xticks(eta_all, [f"{e:g}" for e in eta_all])
right.set_xticks([], minor=True)
slope = np.polyfit(np.log(eta_all), np.log([m for m, _ in against_eta]), 1)[0]
plotting.Picture(
    fig,
    "Mean of 1 − cos. Left, against N: SGD stays between "
    f"{min(m for m, _ in against_N):.3f} and {max(m for m, _ in against_N):.3f}, predicted "
    f"{theory[2]:.3f}; the ODE falls as 1/N. Right, against η: from {against_eta[0][0]:.3f} to "
    f"{against_eta[-1][0]:.3f}, as predicted; exponent {slope:.2f}.",
)

# %%
for e, eps, predicted, (measured, error) in zip(eta_all, epsilon, theory, against_eta, strict=True):
    print(
        f"η = {e:.4f}: ε = {eps:.3f}, predicted {predicted:.4f}, measured {measured:.4f} ± {error:.4f}"
    )

# %% [markdown]
# **Verdict.** The blur does not shrink with N. It shrinks with η, because ε does: at a small learning rate more
# samples are averaged while M is small. For p ≥ p\* + 2 the blur is proportional to ε in the limit; for fewer
# students a start that is nearly singular matters, and it shrinks more slowly (docs/theory.md, after 5.5). So
# the statement "SGD picks the closest solution" is exact for the high-dimensional ODE, and true for single runs
# of SGD only in the limit η → 0.
#
# ## Explore
#
# - **start: angle, size**: M(0) of the first two students, and its norm in units of that of a random start;
#   Q(0) is that of a random start.
# - **students p**, **teachers p\***: with p = 2, p\* = 1 the circle; else its projection, a disc for p > 2.
# - **learning rate η**, **log₁₀ N**.
# - **SGD noise**: thirty runs of SGD from this very start, or none.
# - **new seed**: other random numbers, for start and samples.
#
# The star is the closest solution. On the right the grey curves settle early, black is their mean and dashed
# its prediction. Move N over ten decades: grey stays, blue falls. Then enlarge the start.

# %%
ql.explorers.implicit_bias()

# %% [markdown]
# ## Exercises
#
# **1 (change a number).** How much does the blur shrink if M(0) is three times as large as that of a random
# start? Predict it for p = 4, p\* = 2, η = 0.05, and compare with the explorer.

# %% jupyter={"source_hidden": true}
rng = np.random.default_rng(0)
M = rng.standard_normal((20_000, 4, 2))
for size in (1, 3):
    print(f"size {size}: 1 − cos = {look.blurred(size * M, epsilon[2], rng).mean():.4f}")
# The noise is the same, its ratio to the start a ninth in variance.

# %% [markdown]
# **2 (a sign).** With p = p\* = 1 there are two solutions, ±w\*. How often does SGD choose the farther one?

# %% jupyter={"source_hidden": true}
sign = ql.Task(1, 1)
eps = ql.escape_law(sign, 500, 0.05).v_eff - 1
flips = look.sgd_misalignments(sign, 0.05, 500, 400, 3, "overlaps") / 2
print(f"measured {flips.mean():.3f} ± {flips.std() / 20:.3f}")
print(f"probability that J and J + √ε J′ differ in sign: {np.arctan(np.sqrt(eps)) / np.pi:.3f}")

# %% [markdown]
# **3 (unequal teachers).** With T ≠ I the matrix above is still conserved. Is the polar factor? Start from
# Q(0) = I, with N = 10⁸ and T = diag(1.3, 0.7).

# %% jupyter={"source_hidden": true}
other = ql.Task(4, 2, T=[1.3, 0.7])
isotropic = ql.Overlaps(np.eye(4), ql.random_overlaps(other, 10**8, rng=5).M)
last = ql.integrate(other, isotropic, eta=0.1, alpha=[400.0], gradient_noise=False).M[-1]
off = look.misalignment(look.polar_factor(last / [1.3, 0.7]), look.polar_factor(isotropic.M))
print(f"1 − cos = {off:.3f}: the end point is not the closest solution")
# The larger teacher is learned first and keeps its direction; the other one has to be orthogonal.
first = isotropic.M[:, 0] / np.linalg.norm(isotropic.M[:, 0])
print(
    f"cosine of the first column with its start: {last[:, 0] @ first / np.linalg.norm(last[:, 0]):.4f}"
)

# %% [markdown]
# **4 (derive).** Obtain the dimension of the manifold from the symmetry: the rotations of p students, and those
# among them that leave a solution as it is.

# %% jupyter={"source_hidden": true}
# O(p) acts on the solutions, all of which it reaches from one. A solution spans p* of the p
# dimensions of unit space; the rotations of the other p − p* do nothing.
for p, k in ((2, 1), (4, 2), (6, 4)):
    orbit = p * (p - 1) // 2 - (p - k) * (p - k - 1) // 2
    print(f"p = {p}, p* = {k}: {orbit} = {p * k - k * (k + 1) // 2}")

# %% [markdown]
# **5 (derive).** Show that with Q = qI + δ, δ traceless and small, M = 0, gradient flow on the plateau has
# δ′ = −(8η/(p + 2)) δ, the rate used above.

# %% jupyter={"source_hidden": true}
# Q' = −4η(sQ + 2Q²/p), and s + 2q/p = 0 on the plateau: δ' = −4η(s + 4q/p) δ = −(8ηq/p) δ with
# q = p/(p + 2). As a check:
q, d = 4 / 6, 1e-6 * np.diag([1.0, -1.0, 0.0, 0.0])
dQ, _ = ql.drift(task, ql.Overlaps(q * np.eye(4) + d, np.zeros((4, 2))), 0.05, gradient_noise=False)
print(f"rate {-dQ[0, 0] / d[0, 0]:.5f}, predicted {8 * 0.05 / 6:.5f}")

# %% [markdown]
# ## Claims

# %%
claims.Table(claim.check() for claim in claims.of("04_implicit_bias"))
