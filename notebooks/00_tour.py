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
# A network, the *student*, has p quadratic units. It learns to imitate another network, the *teacher*, which has
# p\* of them. It sees a stream of random samples and uses each one once, for one step of SGD (stochastic gradient
# descent). Its loss drops a little, then rests for a long time on a plateau, and at last falls to zero.
# **When does it leave the plateau, and where does it end?**
#
# **What you will learn.** What the picture of this package shows, how the model is defined, what its parts are
# called, and which notebook tells which part of the story.
#
# **You need** gradient descent, and to know that a Gaussian vector has a covariance. Nothing else.
# To move the sliders, the kernel must be running: press Shift+Enter in the first cell of code.
#
# **Time.** About 35 minutes, and 40 for the exercises.

# %%
import quadlib as ql

ql.explorers.tour()

# %% [markdown]
# **Left**: the loss on data not seen before, against α, the number of samples divided by the number N of inputs.
#
# - Thin grey lines are runs of SGD, each from its own random start. They arrive a moment after the rest.
# - The blue line is the ODE (ordinary differential equation) that SGD follows as N → ∞, from the start of the first
#   run. Its dot marks the *escape*: the moment when half of the plateau's loss is gone. The small grey dots mark the
#   escapes of the runs.
# - Dotted lines are the level of the plateau and, if the labels are noisy, the loss that remains in the end.
# - The black bar is the theory: mean and standard deviation of the escape time, over starts and samples.
#
# **Right**: the overlaps of the same ODE. The singular values of M say how much of the teacher the student has found,
# the eigenvalues of Q how long its weight vectors are. Both are defined below.
#
# **See** how the loss on the left rests while the overlaps M on the right already grow: the plateau is where the
# student learns without showing it. And see that the blue line escapes later than most of the grey ones. This is no
# accident: SGD collects noise on the plateau, and some of it points towards the teacher. [Notebook 02](02_escape.ipynb)
# turns that into a law.
#
# **The controls.** With the keyboard, Tab goes from one to the next and the arrow keys move a slider. You can change
# the numbers of units p and p\* (with p > p\* the student is *overparameterized*), the dimension N of the input from
# 10 to 10¹², the learning rate η, and the noise on the teacher's labels. The norms of the student's weight vectors are
# *free*, or *spherical*: then each is kept at norm √N. A button shows the numbers behind the picture as a table.

# %% [markdown]
# ## The model in four lines
#
# An input x has N independent Gaussian entries of mean 0 and variance 1. Unit i of the student has a weight vector
# wᵢ, unit r of the teacher a weight vector w\*ᵣ, all of norm about √N. A unit sees the input through its *field*
# w·x/√N, and squares it; a network answers with the mean over its units. So output, label, loss and step are
#
# $$
# \begin{aligned}
# \text{output} \quad & \hat y = \frac1p \sum_{i=1}^p \lambda_i^2, \quad \lambda_i = \frac{w_i \cdot x}{\sqrt N}
# \cr
# \text{label} \quad & y = \frac{1}{p^\star} \sum_{r=1}^{p^\star} (\lambda^\star_r)^2 + \sqrt\nu\, \xi, \quad
#   \lambda^\star_r = \frac{w^\star_r \cdot x}{\sqrt N}, \quad \xi \sim N(0, 1)
# \cr
# \text{loss} \quad & L = \tfrac12 E[\Delta^2], \quad \Delta = \hat y - y
# \cr
# \text{step} \quad & w_i \leftarrow w_i - \frac{2 \eta}{\sqrt N}\, \Delta\, \lambda_i\, x
# \end{aligned}
# $$
#
# These are equations [(1.1)](../docs/theory.md#eq-1-1), [(1.2)](../docs/theory.md#eq-1-2) and
# [(1.4)](../docs/theory.md#eq-1-4) of the theory. Each step takes a fresh sample: there is no training set to go
# through twice, and the average E over samples is the loss on data not seen before.
#
# **About the learning rate.** The gradient of Δ²/2 with respect to wᵢ is (2/p) Δ λᵢ x/√N. The step above has no 1/p:
# it is absorbed in η. If your program moves along the raw gradient, its learning rate has to be η p for the same
# step. Here is one step both ways:

# %%
import numpy as np

from quadlib.notation import number

rng = np.random.default_rng(0)
p, p_star, N, eta = 4, 2, 1000, 0.05
W, W_star, x = (rng.standard_normal(shape) for shape in ((p, N), (p_star, N), N))


def error(W):
    """Δ on the sample x: the student's answer minus the teacher's."""
    return np.mean((W @ x / np.sqrt(N)) ** 2) - np.mean((W_star @ x / np.sqrt(N)) ** 2)


step = -2 * eta / np.sqrt(N) * error(W) * np.outer(W @ x / np.sqrt(N), x)

# the raw gradient of Δ²/2 for the first ten weights of the first unit, by finite differences
gradient = []
for j in range(10):
    moved = W.copy()
    moved[0, j] += 1e-6
    gradient.append((error(moved) ** 2 / 2 - error(W) ** 2 / 2) / 1e-6)
ratio = step[0, :10] / -np.array(gradient)
print(
    f"step / (−raw gradient): from {number(ratio.min())} to {number(ratio.max())}; η p = {eta * p}"
)

# %% [markdown]
# **Why is there a plateau?** At the start the student's weights are random: in N dimensions they are nearly orthogonal
# to those of the teacher. The student soon learns how large the answers are, since for that it only has to adjust the
# norms of its weights. To do better it must turn towards the teacher, but what pulls it there is proportional to the
# overlap that it already has, and that is tiny, about 1/√N. So the overlap grows exponentially, from next to nothing.
# The plateau is the time that this takes.
#
# ## Names
#
# | here | in the library | meaning |
# |---|---|---|
# | student, teacher | `Task(p, p_star)` | the two networks; their parts are *units*: p and p\* of them |
# | N | `N` | dimension of the input x |
# | W, W\* | `Weights` | weights of student and teacher, one row for each unit |
# | Q, M | `Overlaps` | W Wᵀ/N and W W\*ᵀ/N, the *overlaps*: all that the loss depends on |
# | T | `Task.T` | W\* W\*ᵀ/N; here the identity: the teacher's units are orthogonal and equally strong |
# | η | `eta` | learning rate |
# | ν | `Task.label_noise` | variance of the noise on the labels; here 0 |
# | α | `alpha` | time: samples divided by N |
# | plateau | `plateau` | a student without overlap with the teacher: M = 0 and Q = q I, the norms at rest |
# | escape time | `Trajectory.escape_time` | the first α at which half of the plateau's loss is gone, [(4.4)](../docs/theory.md#eq-4-4) |
# | SGD | `simulate` | one run, sample by sample; for large N by the diffusion, which lumps samples together |
# | ODE | `integrate` | the same for N → ∞ |
# | law of escape | `escape_law` | mean and spread of the escape time at finite N |

# %% [markdown]
# ## The same in five calls
#
# What the picture shows is a few lines of code: the task, a random start, the ODE, one run of SGD, and the two laws
# that the theory gives.

# %%
task = ql.Task(p=4, p_star=2)
eta, N = 0.05, 1000

start = ql.random_overlaps(task, N, rng=0)
ode = ql.integrate(task, start, eta=eta, alpha=60.0)
sgd = ql.simulate(task, start, eta=eta, alpha=60.0, N=N, rng=1, progress=False)
level = ql.plateau(task, eta)
law = ql.escape_law(task, N, eta)

print(f"plateau: loss {number(level.loss)}, M grows as exp({number(level.escape_rate)} α)")
print(f"escape:  ODE at α = {number(ode.escape_time())}, SGD at α = {number(sgd.escape_time())}")
print(f"law:     α = {number(law.mean)} ± {number(law.std, 2)}, over starts and samples")

# %% [markdown]
# ## Try it: more dimensions
#
# Before you go on, say what you expect; a guess is enough, and you may leave it out. The dimension is raised from
# N = 10³ to 10¹². The overlap of the start with the teacher is of order 1/√N, and on the plateau it grows
# exponentially. What becomes of the escape time, and of its spread from run to run?

# %%
mean = ql.predict(
    f"At N = 10³ runs escape at α = {number(law.mean)} on average. At which α at N = 10¹²?"
)
mean

# %%
spread = ql.predict(
    "And how much do the escape times differ from run to run at N = 10¹²?",
    ["much less than at N = 10³", "about as much", "much more"],
)
spread

# %%
sizes = (10**3, 10**6, 10**9, 10**12)
laws = [ql.escape_law(task, size, eta) for size in sizes]
for size, of_N in zip(sizes, laws, strict=True):
    print(f"N = {number(size):>4}: escape at α = {number(of_N.mean)} ± {number(of_N.std, 2)}")
mean.compare(laws[-1].mean, "each factor of a thousand in N adds the same amount.")
ratio = laws[-1].std / laws[0].std
spread.compare(
    spread.choices[0 if ratio < 0.5 else 1 if ratio < 2 else 2],
    "in units of α the runs never become alike.",
)

# %% [markdown]
# A billion times more dimensions, and the time α is only about three times as long: it grows as ln N. Each factor of N
# only makes the first overlap smaller, and the exponential growth makes up for it. Note that α counts samples in units
# of N; exercise 00.2 asks for the samples themselves.
#
# The second answer surprises many. In high dimension we expect averages over many coordinates to be sharp, and runs to
# become alike. They do, as long as the overlaps are of order one. But *when* a run escapes depends on the logarithm of
# one small random overlap, and the logarithm of a random number does not become sharp when the number becomes small.
#
# ## More units than the teacher has
#
# Now p goes from 2 to 16, with p\* = 2. The student has eight times as many units as it needs.

# %%
sooner = ql.predict("By how many per cent does the mean escape time fall, from p = 2 to p = 16?")
sooner

# %%
of_p = {p: ql.escape_law(ql.Task(p, 2), N, eta) for p in (2, 4, 8, 16)}
for p, law_p in of_p.items():
    print(f"p = {p:>2}: escape at α = {number(law_p.mean)}, growth rate {number(law_p.rate)}")
sooner.compare(
    100 * (1 - of_p[16].mean / of_p[2].mean),
    "the growth rate hardly depends on p, and the exponent decides.",
)

# %% [markdown]
# More units help, but modestly. The growth rate hardly changes; what more units give is a better first overlap, since
# some of them lie closer to the teacher by chance. [Notebook 03](03_overparameterization.ipynb) tells what p changes,
# and what it costs at the end of the curve: look at the loss on the left of the picture for p = 2 and for p = 16.
#
# ## Larger steps
#
# If η is doubled, everything goes about twice as fast. Does that go on?

# %%
large = ql.predict(
    "What happens at η = 0.4, eight times the learning rate of above?",
    ["the escape comes eight times earlier", "there is no plateau: the weights blow up"],
)
large

# %%
try:
    ql.plateau(task, eta=0.4)
    outcome = large.choices[0]
except ql.NoPlateauError as complaint:
    outcome = large.choices[1]
    print(complaint, end="\n\n")
large.compare(outcome)
print(f"Already above η = {number(ql.critical_learning_rate(task))} the solutions repel.")

# %% [markdown]
# Each step adds noise to the weights. If the steps are too large, the noise makes the weights longer, longer weights
# make larger errors, and those make more noise. Before that happens on the plateau, it happens at the zero-loss
# solutions: above the *critical learning rate* that the cell prints they repel, and the loss never vanishes.
# [Notebook 06](06_beyond.ipynb) says what is there instead.
#
# ## Exercises
#
# Put your answer in place of the dots and run the cell; it says right, or gives a hint. A number counts as right within
# one part in a thousand. The [solutions](solutions/00_tour_solutions.ipynb) have the way to each answer.
#
# **00.1 (change a number).** For the task and the η of the five calls, what is the mean escape time of the law at
# N = 10⁹? (One number.)

# %%
answer = ...
ql.check("00.1", answer)

# %% [markdown]
# **00.2 (compute).** How many samples does SGD need on average until it escapes, at N = 10³ and at N = 10⁹? (A list of
# two numbers. Have you seen such data sets?)

# %%
answer = ...
ql.check("00.2", answer)

# %% [markdown]
# **00.3 (compute).** You write the same student, p = 4, in a program that minimises Δ²/2 by plain SGD on the weights wᵢ.
# Which learning rate makes its steps equal to ours with η = 0.05? (One number.)

# %%
answer = ...
ql.check("00.3", answer)

# %% [markdown]
# **00.4 (explain).** Why does the escape time α grow with N? (One letter, in quotes.)
#
# - (a) There are N times as many weights to be learned, so it takes N times as long.
# - (b) The plateau is deeper in higher dimension.
# - (c) The start has an overlap of order 1/√N with the teacher, and it has to grow to order one at a rate that does not
#   depend on N.
# - (d) A single step moves the overlaps by an amount of order 1/N, and that becomes small.

# %%
answer = ...
ql.check("00.4", answer)

# %% [markdown]
# **00.5 (derive).** If M = 0, Q = q I and T = I, the loss is L(q) = ½ (q − 1)² + q²/p + 1/p\*. For which q is it
# smallest if p = 4 and p\* = 2, and how large is it there? (A list of two numbers: q and L. Compare them with the
# plateau in the picture at small η.)

# %%
answer = ...
ql.check("00.5", answer)

# %% [markdown]
# ## Where to go next
#
# | notebook | question |
# |---|---|
# | [01 From one SGD step to an ODE](01_sgd_to_ode.ipynb) | Why do a few overlaps describe SGD in any dimension, and how well? |
# | [02 The escape from the plateau](02_escape.ipynb) | When does SGD leave the plateau, and how much does this vary from run to run? |
# | [03 Overparameterization](03_overparameterization.ipynb) | What do more units than needed change? |
# | [04 Implicit bias](04_implicit_bias.ipynb) | Which of the many zero-loss solutions does SGD pick? |
# | [05 The landscape](05_landscape.ipynb) | What do plateau and solutions look like in the loss landscape? |
# | [06 Beyond](06_beyond.ipynb) | Teacher units of unequal strength, label noise, large learning rates, N = 10¹² |
# | [07 Ensembles](07_ensembles.ipynb) | How are thousands of runs done, on a laptop or a cluster? |
#
# The mathematics, with numbered equations, is in the [theory](../docs/theory.md).
