"""Mean and spread of the escape time follow the law, for every kind of task.

Every comparison with an ensemble allows what the law promises (1 % of the mean, 10 % of the
standard deviation) and five standard errors: a false alarm in all of them together has a
probability below 3e-5, whatever the seeds; these are fixed.
"""

import math

import numpy as np
import pytest
from scipy import stats

import quadlib as ql

SIGMAS = 5.0


def spread(times):
    """Standard deviation and its standard error, by the fourth moment."""
    square = (times - times.mean()) ** 2
    std = math.sqrt(square.mean())
    return std, square.std() / math.sqrt(len(times)) / (2 * std)


@pytest.mark.parametrize(
    ("p", "p_star", "T", "noise", "constraint", "N", "runs"),
    [
        # the exact chain
        (1, 1, None, 0.0, "free", 1000, 400),
        (1, 1, None, 0.0, "spherical", 1000, 300),
        (2, 2, None, 0.0, "free", 1000, 300),
        (2, 2, None, 0.0, "spherical", 1000, 200),
        (3, 3, [1.0, 0.5, 2.0], 0.0, "free", 1000, 200),
        (4, 2, None, 0.3, "spherical", 1000, 200),
        (16, 2, None, 0.0, "free", 1000, 60),
        (4, 4, None, 0.0, "free", 1000, 100),
        (2, 1, None, 0.0, "free", 10**4, 50),
        # one draw for many samples
        (2, 2, None, 0.0, "free", 10**4, 300),
        (4, 2, None, 0.0, "free", 10**5, 200),
        (8, 4, None, 0.0, "spherical", 10**6, 100),
        (3, 4, None, 0.0, "free", 10**6, 150),
        (3, 3, [1.0, 0.5, 2.0], 0.2, "free", 10**8, 200),
        (2, 2, [1.0, 0.3], 0.0, "spherical", 10**8, 200),
        (4, 2, None, 0.0, "free", 10**12, 200),
        (2, 2, None, 0.0, "spherical", 10**12, 200),
    ],
)
def test_ensembles_follow_the_law(p, p_star, T, noise, constraint, N, runs):
    task, eta = ql.Task(p, p_star, T, noise), 0.1
    law = ql.escape_law(task, N, eta, constraint)
    chain = N == 1000 or p_star == 1
    result = ql.ensemble(
        task,
        eta=eta,
        alpha=np.arange(0.0, law.mean + 12 * law.std, 0.25),
        N=N,
        runs=runs,
        seed=1,
        method="overlaps" if chain else "diffusion",
        constraint=constraint,
        progress=False,
    )
    times = result.escape_times
    std, error = spread(times)
    assert abs(times.mean() - law.mean) < 0.01 * law.mean + SIGMAS * std / math.sqrt(runs)
    assert abs(std - law.std) < 0.1 * law.std + SIGMAS * error


@pytest.mark.parametrize("constraint", ["free", "spherical"])
@pytest.mark.parametrize("T", [None, [1.5, 0.5]])
def test_without_plateau_noise_it_is_the_ode_from_random_starts(T, constraint):
    task, eta, N, runs = ql.Task(3, 2, T), 0.1, 10**8, 60
    law = ql.escape_law(task, N, eta, constraint, plateau_noise=False)
    rng = np.random.default_rng(2)
    alpha = np.linspace(0.0, law.mean + 12 * law.std, 401)
    times = np.array(
        [
            ql.integrate(
                task,
                ql.random_overlaps(task, N, rng, constraint=constraint),
                eta=eta,
                alpha=alpha,
                constraint=constraint,
                rtol=1e-6,
            ).escape_time()
            for _ in range(runs)
        ]
    )
    std, error = spread(times)
    assert law.v_eff == 1.0
    # the law's own draws: 2000 of them
    assert abs(times.mean() - law.mean) < SIGMAS * std * math.sqrt(1 / runs + 1 / 1000)
    assert abs(std - law.std) < SIGMAS * math.hypot(error, std / math.sqrt(1000))


def test_density_is_the_law_of_the_times():
    task, eta, N, runs = ql.Task(4, 2), 0.1, 10**6, 300
    law = ql.escape_law(task, N, eta)
    alpha = np.linspace(law.mean - 8 * law.std, law.mean + 12 * law.std, 2001)
    mass = np.concatenate([[0.0], np.cumsum(law.density(alpha))[:-1]]) * (alpha[1] - alpha[0])
    times = ql.ensemble(
        task, eta=eta, alpha=alpha[::10], N=N, runs=runs, seed=3, method="diffusion", progress=False
    ).escape_times
    # The mean may be off by 1 %; what is tested here is the shape
    shape = times - times.mean() + law.mean
    assert stats.kstest(shape, lambda x: np.interp(x, alpha, mass)).pvalue > 1e-5


@pytest.mark.parametrize("T", [None, [1.0, 2.0]])
@pytest.mark.parametrize("constraint", ["free", "spherical"])
def test_density_has_the_mean_and_the_spread_of_the_law(T, constraint):
    law = ql.escape_law(ql.Task(3, 2, T), 10**5, 0.1, constraint)
    alpha = np.linspace(law.mean - 15 * law.std, law.mean + 25 * law.std, 4001)
    density = law.density(alpha)
    step = alpha[1] - alpha[0]
    mean = (alpha * density).sum() * step
    assert density.sum() * step == pytest.approx(1.0, abs=1e-6)
    # A kernel estimate, T ≠ I, is wider by its kernel
    assert mean == pytest.approx(law.mean, abs=1e-3 * law.std)
    std = math.sqrt(((alpha - mean) ** 2 * density).sum() * step)
    assert std == pytest.approx(law.std, rel=1e-3 if T is None else 0.05)


@pytest.mark.parametrize("constraint", ["free", "spherical"])
def test_only_the_mean_depends_on_large_N_and_only_through_its_logarithm(constraint):
    task, eta = ql.Task(4, 2, label_noise=0.1), 0.1
    low, high = (ql.escape_law(task, N, eta, constraint) for N in (10**7, 10**12))
    shift = math.log(10**5) / (2 * ql.plateau(task, eta, constraint).escape_rate)
    assert high.mean - low.mean == pytest.approx(shift, rel=1e-4)
    assert high.std == pytest.approx(low.std, rel=1e-3)
    assert high.v_eff == pytest.approx(low.v_eff, rel=1e-6)


def test_rotating_the_teacher_changes_nothing():
    t, N, eta = np.array([1.0, 0.4, 1.7]), 10**5, 0.1
    R = stats.ortho_group.rvs(3, random_state=1)
    rotated = R @ np.diag(t) @ R.T
    one = ql.escape_law(ql.Task(3, 3, t), N, eta)
    other = ql.escape_law(ql.Task(3, 3, (rotated + rotated.T) / 2), N, eta)
    assert (other.mean, other.std) == pytest.approx((one.mean, one.std), rel=1e-6)


def test_spread_for_one_teacher_is_that_of_the_logarithm_of_a_chi_square():
    for p in (1, 5):
        law = ql.escape_law(ql.Task(p, 1), 10**9, 0.05)
        # ln χ²: variance ψ₁(p/2), by quadrature
        variance = stats.loggamma(p / 2).var()
        assert law.std == pytest.approx(math.sqrt(variance) / (2 * law.rate), rel=1e-3)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("task", "N", "eta", "constraint", "error", "message"),
    [
        (ql.Task(4, 2), 10**4, 0.31, "free", ql.NoPlateauError, "plateau to exist"),
        (ql.Task(1, 4), 10**4, 0.2, "free", ql.NoPlateauError, "random weights to reach"),
        (ql.Task(16, 4), 10**4, 0.5, "free", ValueError, "plateau to be left"),
        (ql.Task(1, 1), 10**4, 0.2, "spherical", ValueError, "plateau to be left"),
        (ql.Task(1, 4), 10**4, 0.05, "free", ValueError, "half of the plateau's loss"),
        (ql.Task(16, 1), 10**4, 0.3, "free", ValueError, "half of the plateau's loss"),
        (ql.Task(4, 2), 5, 0.1, "free", ValueError, "N must be at least"),
        (ql.Task(4, 2), 10**4, 0.0, "free", ValueError, "eta must"),
        (ql.Task(4, 2), 10**4, math.nan, "free", ValueError, "eta must"),
        (ql.Task(4, 2), 10**4, 0.1, "sphere", ValueError, "constraint must"),
    ],
)
def test_where_there_is_no_law_a_sentence_says_why(task, N, eta, constraint, error, message):
    with pytest.raises(error, match=message) as caught:
        ql.escape_law(task, N, eta, constraint)
    assert str(caught.value).endswith(".")
