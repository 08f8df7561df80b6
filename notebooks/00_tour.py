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
# # 00 The tour
#
# A student with p quadratic units learns from a teacher with p\* of them. It sees a stream of random
# samples and uses each one once, for one step of SGD. Its loss drops a little, then rests for a long time on
# a plateau, and at last falls to zero. **When does it leave the plateau, and where does it end?**
#
# **What you will learn.** What the picture of this whole package shows, what its parts are called, and in
# which notebook each part of the story is told.
#
# **You need** nothing but curiosity; to move the sliders, a running kernel. About 10 minutes.

# %%
import quadlib as ql

ql.explorers.tour()

# %% [markdown]
# **Left**, the loss on data not seen before, against α, the number of samples divided by the number of
# inputs N.
#
# - Thin grey lines: runs of SGD, each from its own random start. They arrive a moment after the rest.
# - Blue: the ODE that SGD follows as N → ∞, from the start of the first run. Its dot marks the escape, where
#   half of the plateau's loss is lost; small grey dots mark the escapes of the runs.
# - Dotted: the level of the plateau, and the loss that remains in the end because labels are noisy.
# - Black bar: mean and standard deviation of the escape time in theory, over starts and samples.
#
# **Right**, the overlaps of the same ODE: the singular values of M, how much of the teacher the student has
# found, and the eigenvalues of Q, how large it is in each direction of its units.
#
# The controls. With the keyboard: Tab goes from one to the next, the arrow keys move a slider.
#
# - **students p**, **teachers p\***: the numbers of units. With p > p\* the student is overparameterized.
# - **log₁₀ N**: the dimension of the input, from 10 to 10¹².
# - **learning rate η**: of one step of SGD.
# - **label noise**: the variance of the noise on the teacher's output.
# - **norms**: *free*, or *spherical*, where every student is kept at norm √N.
# - **SGD runs**, **new seed**: how many runs, and other random numbers.
# - **data**: the numbers behind the picture, as a table.

# %% [markdown]
# ## Names
#
# | here | in the library | meaning |
# |---|---|---|
# | p, p\* | `Task(p, p_star)` | units of the student and of the teacher |
# | N | `N` | dimension of the input x, whose entries are independent and Gaussian |
# | W, W\* | `Weights` | weights of student and teacher, one row for each unit |
# | output | | mean of the squared fields, (1/p) Σ (wᵢ·x)²/N; so also the teacher's |
# | Q, M | `Overlaps` | W Wᵀ/N and W W\*ᵀ/N, all that the loss depends on |
# | T | `Task.T` | W\* W\*ᵀ/N; here the identity |
# | η | `eta` | learning rate |
# | α | `alpha` | time: samples divided by N |
# | plateau | `plateau` | students with no overlap with the teacher, M = 0 and Q = q I |
# | escape time | `Trajectory.escape_time` | the first α with at most half of the plateau's loss |
# | SGD | `simulate` | one run, sample by sample or by the diffusion, which lumps samples together |
# | ODE | `integrate` | the same for N → ∞ |
# | law of escape | `escape_law` | mean and spread of the escape time at finite N |

# %% [markdown]
# ## The same in five calls
#
# What the picture shows is a few lines of code. The task, a random start, the ODE, one run of SGD, and the
# two laws that theory gives.

# %%
task = ql.Task(p=4, p_star=2)
eta, N = 0.05, 1000

start = ql.random_overlaps(task, N, rng=0)
ode = ql.integrate(task, start, eta=eta, alpha=100.0)
sgd = ql.simulate(task, start, eta=eta, alpha=100.0, N=N, rng=1, progress=False)
level = ql.plateau(task, eta)
law = ql.escape_law(task, N, eta)

print(f"plateau: loss {level.loss:.3f}, M grows as exp({level.escape_rate:.3f} α)")
print(f"escape:  ODE at α = {ode.escape_time():.1f}, SGD at α = {sgd.escape_time():.1f}")
print(f"law:     α = {law.mean:.1f} ± {law.std:.1f}, over starts and samples")

# %% [markdown]
# ## Three things to try
#
# Each time, say what you expect before you move the slider.
#
# 1. **Raise N** from 10³ to 10¹², one decade at a time. The start has an overlap of size 1/√N with the
#    teacher, and on the plateau this overlap grows exponentially. So how should the escape time depend on N?
#    And how its spread?
# 2. **Raise p** from 2 to 16 with p\* = 2. Does a student with eight times as many units as it needs escape
#    sooner? By how much, and what becomes of the end of the curve?
# 3. **Raise η** slowly towards 0.3. First everything just goes faster. Then it does not: a sentence above the
#    picture says what happens.
#
# What comes out, for the first two:

# %%
for exponent in (3, 6, 9, 12):
    law = ql.escape_law(task, 10**exponent, eta)
    print(f"N = 10^{exponent:<2d}  escape at α = {law.mean:5.1f} ± {law.std:.1f}")

for p in (2, 4, 8, 16):
    law = ql.escape_law(ql.Task(p, 2), N, eta)
    print(
        f"p = {p:<2d}     escape at α = {law.mean:5.1f} ± {law.std:.1f}, growth rate {law.rate:.4f}"
    )

# %% [markdown]
# The escape time grows with ln N, by the same amount for each factor of a thousand, and its spread stays what
# it is: each factor only makes the first overlap smaller, and the exponential growth makes up for it. More
# students help, but modestly: the growth rate hardly changes, and what they gain is a better first overlap.
#
# For the third: above a critical learning rate the solutions themselves repel, and at some larger one
# there is no plateau any more, and the weights blow up.

# %%
critical = ql.critical_learning_rate(task)
print(f"solutions repel above η = {critical:.3f}")
try:
    ql.plateau(task, eta=0.4)
except ql.NoPlateauError as error:
    print(error)

# %% [markdown]
# ## Where to go next
#
# | notebook | question |
# |---|---|
# | `01_sgd_to_ode` | Why do a few overlaps describe SGD in any dimension, and how well? |
# | `02_escape` | When does SGD leave the plateau, and how much does this vary from run to run? |
# | `03_overparameterization` | What do more students than needed change? |
# | `04_implicit_bias` | Which of the many zero-loss solutions does it pick? |
# | `05_landscape` | What do plateau and solutions look like in the loss landscape? |
# | `06_beyond` | Teachers of unequal strength, label noise, large learning rates, N = 10¹² |
# | `07_ensembles` | How are thousands of runs done, on a laptop or a cluster? |
#
# The mathematics, with numbered equations, is in `docs/theory.md`.
