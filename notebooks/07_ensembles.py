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
# When does SGD escape, not in one run but in ten thousand, from N = 10³ to N = 10¹²?
#
# **What you will learn.** The escape time is a random number. Its mean grows as ln N, and its distribution
# does not change with N apart from that shift. You also learn how to make ensembles of this size, how
# to keep them, and how to send them to a cluster.
#
# **You need** notebook 02, where the law of the escape time comes from. About 20 minutes; the computation
# takes one minute on two cores.
#
# | here | in the library | meaning |
# |---|---|---|
# | run | `simulate` | one-pass SGD from one random start, with its own samples |
# | ensemble | `ensemble`, `Ensemble` | many runs that differ only in their random numbers |
# | exact chain | `method="overlaps"` | SGD without N-dimensional vectors, exact in law; its cost grows with N α |
# | diffusion | `method="diffusion"` | one draw stands for many samples; the same cost at every N |
# | escape time α_esc | `Ensemble.escape_times` | first α at which half of the plateau's loss is lost |
# | law | `escape_law` | mean, spread and density of α_esc, from the theory |
# | store | `store=` | folder in which finished runs are kept |

# %%
import tempfile
from pathlib import Path

import numpy as np
from IPython.display import clear_output

import quadlib as ql
from quadlib import plotting

task, eta = ql.Task(p=2, p_star=1), 0.1
CHAIN_RUNS, CHAIN_N = 1000, [10**3, 10**4]
DIFFUSION_RUNS, DIFFUSION_N = 10_000, [10**3, 10**4, 10**6, 10**9, 10**12]

# %% [markdown]
# ## Predict
#
# A random start has overlaps M of size 1/√N, which grow at the rate r until they are of order one. That
# takes a time (ln N)/2r: a factor of ten in N costs ln 10/2r, whatever N is. The spread comes from the size of the
# first overlaps and from the noise collected on the plateau. Both scale as 1/√N, so that the spread does not depend on N.

# %%
laws = {N: ql.escape_law(task, N, eta) for N in DIFFUSION_N}
for N, law in laws.items():
    print(f"N = {N:.0e}: mean {law.mean:6.2f}, standard deviation {law.std:.2f}")
rate = laws[10**12].rate
print(f"a factor of ten in N: {np.log(10) / (2 * rate):.2f} in α")

# %% [markdown]
# ## Run
#
# We record each run at 53 times around the escape that the law predicts, and not the long plateau before it.
# An ensemble takes `runs × recorded points` of memory, never `runs × steps`.
#
# Three arguments are worth their letters. `seed` fixes every number of every run, whatever computes it.
# `progress` shows the time left. `store` names a folder: interrupt the next cell (■), execute it again, and it
# goes on where it was, with the same numbers.

# %%
store = Path(tempfile.mkdtemp())
chain, diffusion = {}, {}
times = np.append(np.linspace(-5.5, 8, 50), [10, 12, 14])  # the last ones for one run in 10 000
for N, law in laws.items():
    alpha = law.mean + law.std * times
    diffusion[N] = ql.ensemble(
        task, eta=eta, alpha=alpha, N=N, runs=DIFFUSION_RUNS, seed=N, method="diffusion",
        store=store / f"diffusion-{N}",
    )  # fmt: skip
    if N in CHAIN_N:
        chain[N] = ql.ensemble(
            task, eta=eta, alpha=alpha, N=N, runs=CHAIN_RUNS, seed=N, store=store / f"chain-{N}"
        )
    clear_output()  # the progress bars have done their work

# %% [markdown]
# The folder now holds every run. The same call with the same folder reads it and computes nothing; with more
# `runs` it computes only those that are missing; with another learning rate it refuses.

# %%
N = CHAIN_N[-1]
again = ql.ensemble(
    task, eta=eta, alpha=chain[N].alpha, N=N, runs=CHAIN_RUNS, seed=N, store=store / f"chain-{N}"
)
print("the same numbers:", np.array_equal(again.loss, chain[N].loss))
try:
    ql.ensemble(task, eta=0.2, alpha=1.0, N=N, runs=1, seed=N, store=store / f"chain-{N}")
except ValueError as error:
    print(str(error).replace(str(store), "..."))

# %% [markdown]
# ## Verdict: chain and diffusion
#
# The diffusion replaces many samples by one draw with the same mean and covariance. Where both methods are
# affordable, they must give one distribution.

# %%
fig, axes = plotting.figure(2)
words = []
for ax, N in zip(axes, CHAIN_N, strict=True):
    exact, fast, law = chain[N].escape_times, diffusion[N].escape_times, laws[N]
    plotting.escape_histogram(
        ax, exact, [("law", law, plotting.PALETTE["theory"])], label="exact chain"
    )
    ax.hist(fast, 60, density=True, histtype="step", lw=1.5, label="diffusion",
            color=plotting.PALETTE["diffusion"])  # fmt: skip
    ax.set(title=f"N = {N}")
    ax.legend()
    words.append(
        f"at N = {N} the mean escape time is {exact.mean():.2f} in the chain, {fast.mean():.2f} in "
        f"the diffusion and {law.mean:.2f} in the law"
    )
plotting.Picture(fig, plotting.sentence("Histograms of escape times of two methods", *words))

# %% [markdown]
# ## Verdict: ten orders of magnitude
#
# Left: the distribution at each N. Right: all of them, shifted by the mean that the law gives.

# %%
fig, (left, right) = plotting.figure(2)
shades, bins = np.linspace(0.75, 0.0, len(laws)), np.linspace(-8, 14, 67)
for shade, (N, law) in zip(shades, laws.items(), strict=True):
    times, color = diffusion[N].escape_times, str(shade)
    left.hist(times, 50, density=True, histtype="step", color=color)
    left.text(law.mean, 0.265, f"$10^{{{np.log10(N):.0f}}}$", ha="center")
    left.plot(law.mean, 0.0, "^", color=plotting.PALETTE["flow"], clip_on=False)
    right.hist(times - law.mean, bins, density=True, histtype="step", color=color)
shift = np.linspace(-8, 14, 200)
right.plot(shift, law.density(shift + law.mean), color=plotting.PALETTE["flow"], label="law")
left.set(xlabel="escape time α", ylabel="probability density", ylim=(0, 0.29))
left.set_title("N", fontsize="medium")
right.set(xlabel="escape time − mean of the law")
right.legend()
means = np.array([diffusion[N].escape_times.mean() for N in laws])
stds = np.array([diffusion[N].escape_times.std(ddof=1) for N in laws])
plotting.Picture(
    fig,
    f"Distributions of the escape time move from mean {means[0]:.1f} at N = 1e3 to {means[-1]:.1f} "
    f"at N = 1e12. Shifted by the mean of the law they lie on one curve, with standard deviations "
    f"between {stds.min():.2f} and {stds.max():.2f}.",
)

# %%
print("        N     method      mean ± error    law     std ± error   law  diverged")
for N, law in laws.items():
    for name, ensembles in (("chain", chain), ("diffusion", diffusion)):
        if N not in ensembles:
            continue
        times = ensembles[N].escape_times
        mean, std, root = times.mean(), times.std(ddof=1), np.sqrt(len(times))
        print(
            f"{N:9.0e}  {name:>9}  {mean:7.2f} ± {std / root:.2f}  {law.mean:6.2f}   "
            f"{std:.2f} ± {std / root / np.sqrt(2):.2f}  {law.std:.2f}  {ensembles[N].diverged.sum():4d}"
        )
slope = np.polyfit(np.log(DIFFUSION_N), means, 1)[0]
print(f"slope of the mean against ln N: {slope:.3f}, predicted 1/2r = {1 / (2 * rate):.3f}")

# %% [markdown]
# The spread is the same from N = 10³ to 10¹², and every factor of ten delays the escape by the same time.
# With ten thousand runs the errors are a few hundredths, and at that precision chain, diffusion and law still
# agree, but for terms of order 1/N at the smallest N.
#
# ## The same on a cluster
#
# An ensemble runs on any `concurrent.futures.Executor`, and its numbers do not depend on it. Dask has one
# that reaches other machines. Here its cluster is two processes on this one; on a SLURM cluster replace it by
# `SLURMCluster(cores=32, memory="64GB")` of the package `dask-jobqueue`, followed by `cluster.scale(jobs=10)`.

# %%
try:
    from distributed import Client, LocalCluster
except ImportError:
    print("Dask is not installed here: pip install quadlib[dask]")
else:
    N = CHAIN_N[0]
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        remote = ql.ensemble(
            task, eta=eta, alpha=chain[N].alpha, N=N, runs=CHAIN_RUNS, seed=N, progress=False,
            executor=client.get_executor(pure=False),
        )  # fmt: skip
    print("the same numbers:", np.array_equal(remote.loss, chain[N].loss))

# %% [markdown]
# ## Exercises
#
# **1 (change a number).** How large must N be for a mean escape time of 55? Ask the law, then run ten runs there.

# %% jupyter={"source_hidden": true}
law = laws[10**12]
N = round(10**12 * np.exp(2 * law.rate * (55 - law.mean)))
ten = ql.ensemble(
    task, eta=eta, alpha=80.0, N=N, runs=10, seed=0, method="diffusion", progress=False
)
mean, std = ten.escape_times.mean(), ten.escape_times.std(ddof=1)
print(f"N = {N:.1e}: mean {mean:.1f} ± {std / np.sqrt(10):.1f}")

# %% [markdown]
# **2 (look closer).** Which runs escape last? Compare the overlap |M| at the first recorded time of the
# slowest tenth with that of the fastest tenth, at N = 10⁶.

# %% jupyter={"source_hidden": true}
some = diffusion[10**6]
order = np.argsort(some.escape_times)
size = np.linalg.norm(some.M[:, 0], axis=(1, 2)) * 1e3
print(f"|M| √N: fastest {size[order[:1000]].mean():.2f}, slowest {size[order[-1000:]].mean():.2f}")
print(f"correlation of ln|M| with α_esc: {np.corrcoef(np.log(size), some.escape_times)[0, 1]:.2f}")
# The escape time is decided early: by the overlaps that the run has before they can be seen in the loss.

# %% [markdown]
# **3 (count).** How many runs does it take to measure the standard deviation to 1 %?

# %% jupyter={"source_hidden": true}
# For a distribution near a Gaussian the relative error of the standard deviation is 1/√(2 n).
print(f"{1 / (2 * 0.01**2):.0f} runs")

# %% [markdown]
# **4 (derive).** The overlaps start as p p\* Gaussian numbers, M grows as e^{rα}, and the escape comes when |M|
# reaches a fixed size. Show that the escape time then has the standard deviation √ψ₁(p p\*/2)/2r, with the trigamma
# function ψ₁, and compare.

# %% jupyter={"source_hidden": true}
from scipy.special import polygamma

# |M|² is χ² with p p* degrees of freedom times e^{2rα}; so α_esc = const − ln(χ²)/2r, and the
# variance of ln χ² with n degrees of freedom is ψ₁(n/2).
std = np.sqrt(polygamma(1, task.p * task.p_star / 2)) / (2 * rate)
print(f"{std:.2f}, measured {stds[-1]:.2f}")
