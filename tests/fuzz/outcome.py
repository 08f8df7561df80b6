"""What a call may end in: a result that satisfies its invariants, or a documented error."""

import math
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import quadlib as ql

HOME = Path(ql.__file__).parent
DOCUMENTED = (TypeError, ValueError, ql.DivergenceError)
SECONDS = 20  # of this process, after which a call hangs; on the clock, of workers, ten times that


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Fail what takes longer, of the processor: others may have it meanwhile."""

    def late(*_: Any) -> None:
        raise AssertionError(f"not done after {seconds} s")

    clocks = (signal.ITIMER_PROF, signal.SIGPROF, 1), (signal.ITIMER_REAL, signal.SIGALRM, 10)
    before = [signal.signal(number, late) for _, number, _ in clocks]
    for clock, _, times in clocks:
        signal.setitimer(clock, times * seconds)
    try:
        yield
    finally:
        for (clock, number, _), handler in zip(clocks, before, strict=True):
            signal.setitimer(clock, 0)
            signal.signal(number, handler)


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


def outcome(name: str, values: dict[str, Any]) -> str:
    """Call a function: "result", or the name of a documented error; else AssertionError."""
    try:
        with at_most(SECONDS):
            result = getattr(ql, name)(**values)
    except DOCUMENTED as error:
        assert_documented(error)
        if isinstance(error, ql.DivergenceError):
            trajectory(error.trajectory)
        return type(error).__name__
    result_of(name, result, values)
    return "result"
