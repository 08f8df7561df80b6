"""Every public function, called with arguments valid, almost valid and absurd.

A call returns what satisfies its invariants, or raises a documented error: one sentence, from a
line of quadlib. ``make fuzz`` draws anew and more often.
"""

import math
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fuzz_arguments as arg
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import quadlib as ql

HOME = Path(ql.__file__).parent
DOCUMENTED = (TypeError, ValueError, ql.DivergenceError)
SECONDS = 60  # after which a call hangs
FUZZING = "QUADLIB_FUZZ" in os.environ
EXAMPLES = int(os.environ.get("QUADLIB_FUZZ", "12"))  # of each function


@pytest.fixture(scope="module", autouse=True)
def unchecked_shapes() -> Iterator[None]:
    """The run-time check of shapes would object before the library does."""
    jaxtyping = pytest.importorskip("jaxtyping")
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Fail what hangs."""

    def late(*_: Any) -> None:
        raise AssertionError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def assert_documented(error: BaseException) -> None:
    """One sentence, raised in a line of quadlib."""
    message, trace = str(error), error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    assert trace is not None
    assert Path(trace.tb_frame.f_code.co_filename).is_relative_to(HOME), repr(error)
    assert "\n" not in message, message
    assert message.endswith("."), message
    assert not re.search(r"[.!?] [A-Z]", message), message


def finite(*values: Any) -> None:
    """No NaN, no infinity."""
    for value in values:
        assert np.isfinite(np.asarray(value, float)).all(), value


def covariance(task: ql.Task, Q: Any, M: Any) -> None:
    """Symmetric and positive semidefinite, jointly with the teacher, up to rounding."""
    finite(Q, M)
    assert np.array_equal(Q, np.swapaxes(Q, -1, -2))
    q = np.sqrt(np.maximum(np.diagonal(Q, axis1=-2, axis2=-1), 1e-300))
    t = np.sqrt(np.diag(task.T))
    C = np.eye(task.p + task.p_star) * np.ones((*q.shape[:-1], 1, 1))
    C[..., : task.p, : task.p] = Q / q[..., :, None] / q[..., None, :]
    C[..., : task.p, task.p :] = M / q[..., :, None] / t
    C[..., task.p :, : task.p] = np.swapaxes(C[..., : task.p, task.p :], -1, -2)
    C[..., task.p :, task.p :] = task.T / t[:, None] / t
    assert not C.size or np.linalg.eigvalsh(C).min() > -1e-6


def trajectory(run: ql.Trajectory) -> None:
    """States that are possible, at increasing times; escape times within the run."""
    covariance(run.task, run.Q, run.M)
    assert (np.diff(run.alpha) > 0).all()
    floor = run.task.label_noise / 2
    assert (run.loss >= floor * (1 - 1e-12)).all()
    if len(run.alpha):
        level = (run.loss.max() + run.loss.min()) / 2
        time = run.escape_time(float(level))
        assert run.alpha[0] <= time <= run.alpha[-1] or math.isinf(time)


def spectrum(result: ql.Spectrum) -> None:
    finite(result.values)
    assert (np.diff(result.values) > 0).all()
    assert (result.multiplicities > 0).all()


def law(result: ql.EscapeLaw) -> None:
    finite(result.mean, result.std, result.rate, result.v_eff, result.mean_error, result.std_error)
    assert result.mean >= 0
    assert result.std >= 0
    assert 0 <= result.divergence <= 1
    assert isinstance(result.trusted, bool)
    finite(result.density(np.linspace(0.0, min(2 * result.mean + 1, 1e90), 7)))


def positive(*values: float | None) -> None:
    for value in values:
        assert value is None or (math.isfinite(value) and value >= 0), values


def result_of(name: str, result: Any, given_: dict[str, Any]) -> None:
    """The invariants of what a function returns."""
    task = given_.get("task")
    if isinstance(result, ql.Trajectory):
        trajectory(result)
    elif isinstance(result, ql.Ensemble):
        assert np.isfinite(result.loss[~result.diverged]).all()
        covariance(result.task, result.Q[~result.diverged], result.M[~result.diverged])
    elif isinstance(result, ql.Overlaps):
        if task is not None:
            covariance(task, result.Q, result.M)
        finite(result.Q, result.M)
    elif isinstance(result, ql.Weights):
        finite(result.W, result.W_star)
    elif isinstance(result, ql.Spectrum):
        spectrum(result)
    elif isinstance(result, ql.EscapeLaw):
        law(result)
    elif isinstance(result, ql.Plateau):
        positive(result.q, result.loss)
        finite(result.escape_rate)
    elif isinstance(result, ql.LearningRates):
        for rate in (result.critical, result.runaway, result.plateau):
            assert rate is None or rate > 0  # inf: nothing runs away on the sphere
    elif isinstance(result, ql.LateTimeLaw):
        positive(result.exponent, result.rate, result.prefactor)
    elif name == "escape_times":
        assert not np.isnan(result).any()
        assert (result >= 0).all()
    elif isinstance(result, tuple):
        finite(*result)
    elif isinstance(result, float | np.ndarray):
        finite(result)


CONSTRAINTS = st.sampled_from(["free", "spherical"])


@st.composite
def call(draw: Any, name: str) -> dict[str, Any]:
    """Arguments of one function; in two calls of three some of them are absurd."""
    task = draw(arg.tasks())
    constraint = draw(CONSTRAINTS)
    N = draw(st.integers(task.p + task.p_star, 40))
    free = dict(task=task, state=draw(arg.states(task)), eta=draw(arg.etas()))
    both = free | dict(state=draw(arg.states(task, constraint)), constraint=constraint)
    start = dict(task=task, N=N, rng=draw(arg.seeds()), q0=draw(arg.scales(1e30)))
    start["constraint"] = constraint
    runs = dict(task=task, eta=draw(arg.etas()), N=N, constraint=constraint, progress=False)
    weights = ql.random_weights(task, N, 0, draw(arg.scales(1e30)))
    values: dict[str, Any] = {
        "loss": dict(task=task, state=free["state"]),
        "drift": both | dict(gradient_noise=draw(st.booleans())),
        "integrate": both | dict(alpha=draw(arg.times()), gradient_noise=draw(st.booleans())),
        "gradient_flow": free | dict(alpha=draw(arg.times(1e12))),
        "plateau": dict(task=task, eta=draw(arg.etas()), constraint=constraint),
        "escape_level": dict(task=task, eta=draw(arg.etas()), constraint=constraint),
        "critical_learning_rate": dict(task=task),
        "learning_rates": dict(task=task, constraint=constraint),
        "escape_law": dict(task=task, N=10 ** draw(st.integers(1, 12)), eta=draw(arg.etas()),
                           constraint=constraint, plateau_noise=draw(st.booleans())),
        "late_time_law": dict(task=task, eta=draw(arg.etas()), constraint=constraint),
        "blur_law": dict(task=task, eta=draw(arg.etas())),
        "random_overlaps": start,
        "random_weights": start,
        "simulate": runs | dict(start=draw(st.none() | arg.states(task, constraint)),
                                alpha=draw(arg.times(5.0)), rng=draw(arg.seeds()),
                                method=draw(st.sampled_from(["overlaps", "diffusion", "weights"]))),
        "ensemble": runs | dict(alpha=draw(arg.times(3.0)), runs=2, seed=draw(st.integers(0, 9)),
                                method=draw(st.sampled_from(["overlaps", "diffusion"]))),
        "escape_times": runs | dict(runs=2, seed=(1, N), method="diffusion", N=10**6,
                                    eta=draw(st.floats(0.02, 0.6))),
        "polar_factor": dict(M=ql.random_overlaps(task, N, 1).M),
        "misalignment": dict(O=np.eye(3, 2), other=np.eye(3, 2)[::-1]),
        "closest_solution": dict(weights=weights),
        "solution_distance": dict(weights=weights),
        "conserved_quantity": dict(trajectory=arg.RUN),
        "hessian_spectrum": dict(task=task, state=free["state"], N=N),
        "hessian_operator": dict(weights=weights),
        "empirical_hessian_operator": dict(weights=weights, X=np.ones((4, N))),
        "Task": dict(p=draw(st.integers(1, 9)), p_star=draw(st.integers(1, 4)), T=None,
                     label_noise=draw(arg.scales())),
        "Overlaps": dict(Q=np.eye(3) * draw(arg.scales()), M=np.zeros((3, 2))),
        "Weights": dict(W=weights.W, W_star=weights.W_star),
    }[name]  # fmt: skip
    for key in draw(st.lists(st.sampled_from(sorted(values)), max_size=2, unique=True)):
        values[key] = draw(arg.absurd())
    return values


NAMES = (
    *("Task", "Overlaps", "Weights", "loss", "drift", "integrate", "gradient_flow", "plateau"),
    *("escape_level", "critical_learning_rate", "learning_rates", "escape_law", "late_time_law"),
    *("blur_law", "random_overlaps", "random_weights", "simulate", "ensemble", "escape_times"),
    *("polar_factor", "misalignment", "closest_solution", "solution_distance", "hessian_operator"),
    *("conserved_quantity", "hessian_spectrum", "empirical_hessian_operator"),
)


def test_every_public_function_is_called() -> None:
    elsewhere = {"check", "predict"}  # of exercises, which answer in prints
    classes = {"Trajectory", "Ensemble", "EscapeLaw", "Spectrum", "Plateau", "LateTimeLaw"}
    classes |= {"LearningRates", "DivergenceError", "RunInterrupted", "NoPlateauError"}
    public = {name for name in vars(ql) if callable(getattr(ql, name)) and name[0] != "_"}
    assert public - elsewhere - classes - {"import_module", "Any"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@settings(suppress_health_check=list(HealthCheck), max_examples=EXAMPLES, derandomize=not FUZZING)
@given(data=st.data())
def test_a_call_returns_what_it_should_or_says_why_not(name: str, data: Any) -> None:
    function: Callable[..., Any] = getattr(ql, name)
    values = data.draw(call(name), label=name)
    try:
        with at_most(SECONDS):
            result = function(**values)
    except DOCUMENTED as error:
        assert_documented(error)
        if isinstance(error, ql.DivergenceError):
            trajectory(error.trajectory)
    else:
        result_of(name, result, values)
