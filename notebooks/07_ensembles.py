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
# # 07 Ensembles
#
# When does SGD escape, not in one run but in thousands, from N = 10³ to N = 10¹²?
#
# **What you will learn.** The escape time is a random number. Its mean grows as ln N, and its distribution does not
# change with N apart from that shift. You also learn how ensembles of this size are made, how to keep them, and how
# to send them to a cluster.
#
# **You need** the law of the escape time ([notebook 02](02_escape.ipynb)), mean, standard deviation and standard error.
#
# **Time.** About 40 minutes, and 40 for the exercises.
#
# | here | in the library | meaning |
# |---|---|---|
# | run | `simulate` | one-pass SGD from one random start, with samples of its own |
# | ensemble | `ensemble`, `Ensemble` | many runs that differ only in their random numbers |
# | exact chain | `method="overlaps"` | SGD without N-dimensional vectors, exact in law; its cost grows with αN |
# | diffusion | `method="diffusion"` | one random step stands for many samples; the same cost at every N |
# | escape time α<sub>esc</sub> | `escape_times` | first α at which half of the plateau's loss is lost |
# | r | `plateau(task, eta).escape_rate` | rate at which the overlaps M grow on the plateau |
# | law | `escape_law` | mean, spread and density of α<sub>esc</sub>, from the theory |
# | store | `store=` | folder in which finished runs are kept |

# %%
import logging
import tempfile
from pathlib import Path

import numpy as np

import quadlib as ql
from quadlib import plotting
from quadlib.notation import number

task, eta = ql.Task(p=2, p_star=1), 0.1
SIZES, RUNS = [10**3, 10**4, 10**6, 10**9, 10**12], ql.if_compiled(500, 200)
# where nothing is compiled, in the browser say, fewer
CHAIN_SIZES, CHAIN_RUNS = ql.if_compiled([10**3, 10**4], [10**3]), ql.if_compiled(200, 20)

# %% [markdown]
# ## What the law says
#
# A random start has overlaps M of size 1/√N, which grow at the rate r until they are of order one. That takes a
# time (ln N)/2r (equation [(4.5)](../docs/theory.md#eq-4-5)). The spread comes from the size of the first overlaps
# and from the noise collected on the plateau.
#
# First the growth rate of M on the plateau; then two questions.

# %%
rate = ql.plateau(task, eta).escape_rate
print(f"r = {number(rate)}")

# %%
delay = ql.predict("By how much does a factor of ten in N delay the mean escape time, in α?")
delay

# %%
spread = ql.predict(
    "What becomes of its standard deviation from N = 10³ to 10¹²?",
    ["it shrinks as 1/√N", "it stays", "it grows as ln N"],
)
spread

# %%
laws = {N: ql.escape_law(task, N, eta) for N in SIZES}
for N, law in laws.items():
    print(f"N = {number(N):>4}: mean {law.mean:6.2f}, standard deviation {law.std:.2f}")
ten = np.log(10) / (2 * rate)
print(f"a factor of ten in N: {ten:.2f} in α")
delay.compare(ten, "ln(10)/2r")
spread.compare(spread.choices[1])

# %% [markdown]
# **Verdict.** A factor of ten in N always costs the same time. The first overlaps and the noise of the plateau both
# scale as 1/√N, so that their ratio, and with it the spread, does not depend on N.
#
# ## Run
#
# `escape_times` runs SGD until each run has escaped, and keeps nothing but the time. Its arguments are those of
# `ensemble`. `seed` fixes every number of every run, whatever computes it. It contains N here: with one seed for
# all sizes the runs at 10⁹ and 10¹² would share their random numbers, and their agreement would say nothing.
# `progress` shows the time left.

# %%
diffusion = {
    N: ql.escape_times(
        task, eta=eta, N=N, runs=RUNS, seed=(1, N), method="diffusion", progress=False
    )
    for N in SIZES
}
chain = {
    N: ql.escape_times(task, eta=eta, N=N, runs=CHAIN_RUNS, seed=(2, N), progress=False)
    for N in CHAIN_SIZES
}
print(sum(len(times) for times in (*diffusion.values(), *chain.values())), "runs")

# %% [markdown]
# ## Chain and diffusion
#
# The diffusion replaces many samples by one random step with the same mean and covariance. Where both methods are
# affordable, they must give one distribution.
#
# For N = 10³ and 10⁴ the law, the exact chain and the diffusion are compared.

# %%
agree = ql.predict(
    "What will the two figures show?",
    [
        "all three agree",
        "the diffusion spreads more than the chain",
        "the law is narrower than both",
    ],
)
agree

# %%
fig, axes = plotting.figure(2)
words = []
for ax, N in zip(axes, CHAIN_SIZES, strict=False):
    exact, fast, law = chain[N], diffusion[N], laws[N]
    plotting.escape_histogram(
        ax, exact, [("law", law, plotting.PALETTE["law"])], bins=25, label="exact chain"
    )
    ax.hist(fast, 50, density=True, histtype="step", lw=1.5, label="diffusion",
            color=plotting.PALETTE["diffusion"])  # fmt: skip
    ax.set(title=f"N = {number(N)}")
    ax.legend()
    words.append(
        f"at N = {number(N)} the mean escape time is {exact.mean():.2f} in the chain, {fast.mean():.2f} in "
        f"the diffusion and {law.mean:.2f} in the law"
    )
plotting.Picture(fig, plotting.sentence("Histograms of escape times of two methods", *words))

# %%
for N in CHAIN_SIZES:
    error = np.hypot(*(t.std(ddof=1) / np.sqrt(len(t)) for t in (chain[N], diffusion[N])))
    gap = chain[N].mean() - diffusion[N].mean()
    print(
        f"N = {number(N)}: mean of the chain − mean of the diffusion = {number(gap, 2)} ± {error:.2f}"
    )
agree.compare(agree.choices[0], "as far as the eye can tell")

# %% [markdown]
# **Verdict.** Filled bars, green outline and black line lie on each other: at these N nothing is lost by taking many
# samples together.
#
# ## Nine orders of magnitude
#
# **What to see.** Left: the distribution at each N, darker for larger N; a triangle marks the mean that the law
# gives. Right: all of them, shifted by that mean.

# %%
fig, (left, right) = plotting.figure(2)
bins = np.linspace(-8, 14, 67)
for N, law in laws.items():
    times, style = diffusion[N], plotting.N_style(N)
    left.hist(times, 50, density=True, histtype="step", lw=1.3, **style)
    left.text(law.mean, 0.31, f"$10^{{{round(np.log10(N))}}}$", ha="center")
    left.plot(law.mean, 0.0, "^", color=plotting.PALETTE["law"], clip_on=False,
              label="mean of the law" if N == SIZES[0] else None)  # fmt: skip
    right.hist(times - law.mean, bins, density=True, histtype="step", lw=1.3, **style)
shift = np.linspace(-8, 14, 200)
right.plot(shift, law.density(shift + law.mean), color=plotting.PALETTE["law"], lw=2, label="law")
left.set(xlabel="escape time α", ylabel="probability density", ylim=(0, 0.4))
left.set_title("the number above each is N", fontsize="medium")
left.legend(loc="upper center", fontsize="small")
right.set(xlabel="escape time − mean of the law")
right.legend()
means = np.array([diffusion[N].mean() for N in laws])
stds = np.array([diffusion[N].std(ddof=1) for N in laws])
plotting.Picture(
    fig,
    f"Distributions of the escape time move from mean {means[0]:.1f} at N = 10³ to {means[-1]:.1f} "
    f"at N = 10¹². Shifted by the mean of the law they lie on one curve, with standard deviations "
    f"between {stds.min():.2f} and {stds.max():.2f}.",
)

# %%
print("   N     method       mean ± error     law     std ± error    law")
for N, law in laws.items():
    for name, found in (("chain", chain), ("diffusion", diffusion)):
        if N in found:
            mean, std, root = found[N].mean(), found[N].std(ddof=1), np.sqrt(len(found[N]))
            tails = (((found[N] - mean) / std) ** 4).mean()  # 3 for a Gaussian, more here
            print(f"{number(N):>5}  {name:>9}  {mean:9.2f} ± {std / root:.2f}  {law.mean:6.2f}  "
                  f"{std:7.2f} ± {std * np.sqrt(tails - 1) / root / 2:.2f}  {law.std:5.2f}")  # fmt: skip
slope = np.polyfit(np.log(SIZES), means, 1)[0]
print(f"slope of the mean against ln N: {slope:.3f}, predicted 1/2r = {1 / (2 * rate):.3f}")

# %% [markdown]
# **Verdict.** The spread is the same from N = 10³ to 10¹², and every factor of ten delays the escape by the same
# time. Means and spreads agree with the law within a few of their errors, but for terms of order 1/N at the
# smallest N.
#
# ## Whole runs, kept in a folder
#
# Where the path matters and not only its end, `ensemble` records every run at the times of a grid. It takes
# `runs × recorded points` of memory, never `runs × steps`. `store` names a folder: interrupt the cell (■), execute it
# again, and it goes on where it was, with the same numbers.

# %%
store = Path(tempfile.mkdtemp()) / "runs"
law, N = laws[10**6], 10**6
grid = law.mean + law.std * np.linspace(-5.5, 8, 41)
how = dict(eta=eta, alpha=grid, N=N, seed=(3, N), method="diffusion", progress=False)
kept = ql.ensemble(task, runs=500, store=store, **how)
print("recorded:", kept.M.shape, "overlaps M of", len(kept.loss), "runs")

# %% [markdown]
# The same call with the same folder, but with 600 runs instead of 500.

# %%
resumed = ql.predict("How many runs will be computed?")
resumed

# %%
more = ql.ensemble(task, runs=600, store=store, **how)
print("the first 500 have the same numbers:", np.array_equal(more.loss[:500], kept.loss))
try:
    ql.ensemble(task, runs=500, store=store, **{**how, "eta": 0.2})
except ValueError as error:
    print(str(error).replace(str(store), "..."))
resumed.compare(100, "500 are read")

# %% [markdown]
# **Verdict.** The folder holds every run: the 500 are read, 100 are computed. With another learning rate it refuses,
# because its runs answer another question.
#
# What can be seen of a run at the first recorded time, long before its loss moves? Its overlap with the teacher unit.

# %%
early = ql.predict(
    "How are ln|M| at the first recorded time and the escape time correlated? (A number from −1 to 1.)"
)
early

# %%
size = np.linalg.norm(kept.M[:, 0], axis=(1, 2))
times = kept.escape_times
order = np.argsort(times)
correlation = np.corrcoef(np.log(size), times)[0, 1]
print(f"|M| √N at α = {grid[0]:.1f}: fastest fifty {1e3 * size[order[:50]].mean():.1f}, "
      f"slowest fifty {1e3 * size[order[-50:]].mean():.1f}")  # fmt: skip
print(f"correlation of ln|M| with the escape time: {number(correlation)}")
early.compare(correlation)

# %% [markdown]
# **Verdict.** A run that escapes late is one whose overlap was small from early on: the time of the escape is
# decided long before anything is seen in the loss.
#
# ## The same on a cluster
#
# An ensemble runs on any `concurrent.futures.Executor`, and its numbers do not depend on it. Dask has one that
# reaches other machines. Here its cluster is two processes on this one; on a SLURM cluster replace it by
# `SLURMCluster(cores=32, memory="64GB")` of the package `dask-jobqueue`, followed by `cluster.scale(jobs=10)`.

# %%
try:
    from distributed import Client, LocalCluster
except ImportError:
    print("Dask is not installed here: pip install quadlib[dask]")
else:
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as cluster,
        Client(cluster) as client,
    ):
        remote = ql.ensemble(task, runs=500, executor=client.get_executor(pure=False), **how)
    print("the same numbers:", np.array_equal(remote.loss, kept.loss))

# %% [markdown]
# ## Exercises
#
# Put your answer in place of the dots and run the cell; it says right, or gives a hint. A number counts as right within
# one part in a thousand, if nothing else is said. The [solutions](solutions/07_ensembles_solutions.ipynb) have the way to each answer.
#
# **07.1 (change a number).** How large must N be for a mean escape time of 55? Ask the law, and answer with log₁₀ N
# (within 0.02); then run ten runs there.

# %%
answer = ...
ql.check("07.1", answer)

# %% [markdown]
# **07.2 (compute).** How many runs does it take to measure the standard deviation of the escape time to 1 %? Take
# its distribution for a Gaussian.

# %%
answer = ...
ql.check("07.2", answer)

# %% [markdown]
# **07.3 (explain).** Somebody compares the escape times at N = 10⁹ and N = 10¹² with `seed=1` for both and finds
# that their differences agree with the law to 0.01, with an error bar of 0.1 computed from the two spreads. What went
# wrong?
#
# - (a) Nothing; an agreement better than the error bar is good luck.
# - (b) The two sets share their random numbers: the difference has hardly any noise, the means have all of it, and
#   the error bar describes neither.
# - (c) An integer seed makes all runs of one ensemble equal.

# %%
answer = ...
ql.check("07.3", answer)

# %% [markdown]
# **07.4 (derive).** The overlaps start as p p\* Gaussian numbers, M grows as exp(rα), and the escape comes when |M|
# reaches a fixed size. Show that the escape time then has the standard deviation √ψ₁(p p\*/2)/2r, with ψ₁ the
# trigamma function (`scipy.special.polygamma(1, x)`), and give it for p = 2, p\* = 1, η = 0.1.

# %%
answer = ...
ql.check("07.4", answer)

# %% [markdown]
# **07.5 (compute).** A run of the exact chain at N = 10¹² would take as many steps as there are samples until the mean
# escape time. At 10⁻⁷ s a step, how many days is that, for p = 2, p\* = 1, η = 0.1? (Within 1 %.)

# %%
answer = ...
ql.check("07.5", answer)
