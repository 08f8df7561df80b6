"""The loops of `dynamics` do the same compiled, as written, in NumPy, and in slices."""

import contextlib
import importlib
import runpy
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import quadlib as ql
from quadlib.dynamics.components import Components
from quadlib.dynamics.derivative import derivative
from quadlib.dynamics.overlaps import block_length
from quadlib.dynamics.progress import bar, to_the_end
from quadlib.dynamics.record import largest_error
from quadlib.dynamics.start import starter
from quadlib.dynamics.together import Together
from quadlib.passage import first_passage

FULL_T = [[1.0, 0.4], [0.4, 0.7]]
ALPHA = np.array([0.0, 0.1, 0.3, 0.3001, 1.2])
END = np.array([0.0, 20.0])
LONG = np.arange(101) * 0.15
NOISY = ql.Task(3, 2, FULL_T, 0.3)
ONE, FAINT = ql.Task(1, 1), ql.Task(2, 2, None, 0.1)


def runs(
    task: ql.Task, method: Any, constraint: Any, N: int, eta: float, slices: float, **how: Any
) -> Together:
    draw = starter(task, how.pop("start", None), N, method, constraint, 1.0)
    rngs = [np.random.default_rng((5, i)) for i in range(3)]
    how = dict(alpha=ALPHA, N=N, eta=eta, method=method, constraint=constraint) | how
    together = Together(task, draw, rngs, **how)
    while together.advance(slices):
        pass
    return together


@pytest.mark.parametrize("constraint", ["free", "spherical"])
@pytest.mark.parametrize(
    ("task", "method", "N", "eta", "how"),
    [
        (NOISY, "weights", 40, 0.05, {}),
        (NOISY, "overlaps", 40, 0.05, {}),
        (NOISY, "diffusion", 400, 0.05, {"alpha": ALPHA[2:]}),
        (ql.Task(3, 2), "weights", 5, 0.03, {}),
        (ql.Task(3, 2), "overlaps", 5, 0.03, {}),
        (ql.Task(3, 2), "overlaps", 6, 0.03, {}),
        (ql.Task(7, 2), "overlaps", 60, 0.03, {}),
        (ql.Task(3, 2), "diffusion", 10**30, 0.03, {"step": 0.07}),
        (ql.Task(3, 2), "diffusion", 60, 0.0, {}),
        # which diverge, some at once
        (ONE, "weights", 10, 0.8, {"alpha": np.array([0.0, 50.0])}),
        (ONE, "overlaps", 10, 0.8, {"alpha": np.array([0.0, 50.0])}),
        # (no whole number of steps, which rounding would make one more)
        (ONE, "diffusion", 60, 0.8, {"alpha": np.array([0.0, 47.3])}),
        (ql.Task(1, 1, None, 1e14), "diffusion", 60, 0.8, {}),
        # after some steps in which nothing moves, by the noise of a label
        (ql.Task(1, 1, None, 1.2e12), "diffusion", 400, 1e-30, {"step": 0.1, "alpha": END}),
        # which pass a level: on the way, at the start, never
        *[
            (FAINT, method, N, 0.1, {"level": level, "window": 0.15, "alpha": LONG})
            for method, N in (("weights", 20), ("overlaps", 20), ("diffusion", 100))
            for level in (0.7, 100.0, 0.0)
        ],
    ],
)
def test_a_loop_is_what_is_written(
    monkeypatch: pytest.MonkeyPatch, task: Any, method: Any, N: int, eta: float, how: Any,
    constraint: Any,
) -> None:  # fmt: skip
    room = importlib.import_module(f"quadlib.dynamics.{method}")
    if constraint == "spherical" and method == "diffusion":
        eta = min(eta, 0.1)  # above η_c rounding near a solution grows
    compiled = runs(task, method, constraint, N, eta, 1.0, **how)
    monkeypatch.setattr(room, "_loop", room._loop.__wrapped__)
    others = [runs(task, method, constraint, N, eta, slices, **how) for slices in (1.0, 0.0)]
    for name in ("together", "weights"):
        other = importlib.import_module(f"quadlib.dynamics.{name}")
        monkeypatch.setattr(other, "numba_found", lambda: False)
    others += [runs(task, method, constraint, N, eta, slices, **how) for slices in (1.0, 0.0)]
    for other in others:
        np.testing.assert_array_equal(other.recorded, compiled.recorded)
        np.testing.assert_array_equal(other.diverged, compiled.diverged)
        # where a run diverges, the others count a slice to its end
        ended = ~compiled.diverged | (method == "diffusion")
        np.testing.assert_allclose(other.done[ended], compiled.done[ended], rtol=1e-12)
        np.testing.assert_allclose(other.passage, compiled.passage, rtol=1e-9)
        for a, b in ((other.Q, compiled.Q), (other.M, compiled.M)):
            np.testing.assert_array_equal(np.isinf(a), np.isinf(b))
            known = np.isfinite(b)
            assert (np.abs(a[known] - b[known]) <= 1e-9 * np.maximum(1, np.abs(b[known]))).all()
        np.testing.assert_array_equal(np.isinf(other.loss), np.isinf(other.Q[..., 0, 0]))
    if how.get("level") == 100.0:
        assert (compiled.passage == 0).all()
    if how.get("level") == 0.0:
        assert np.isinf(compiled.passage).all()
    if how.get("level") == 0.7 and method != "diffusion":  # whose steps end at records
        fine = runs(task, method, constraint, N, eta, 1.0, alpha=LONG)
        expected = first_passage(LONG, fine.loss, 0.7)
        np.testing.assert_allclose(compiled.passage, expected, rtol=1e-9)
        assert np.isfinite(expected).any()
    if "level" not in how and not compiled.diverged.any():
        np.testing.assert_allclose(compiled.done, compiled.alpha[-1], rtol=1e-12, atol=0.5 / N)
    if eta == 0.8 and constraint == "free":
        assert compiled.diverged.any()
    if eta in (0.8, 1e-30) and task.label_noise < 1e14:
        assert (compiled.done[compiled.diverged] > 0).all()
    if eta == 1e-30:
        assert (compiled.done < 20.0).all()


@pytest.mark.parametrize("noise", [True, False])
@pytest.mark.parametrize("constraint", ["free", "spherical"])
@pytest.mark.parametrize(
    ("task", "units"),
    # as many as the teacher has, more, fewer, one, and two of a kind
    [(ql.Task(2, 2, None, 0.3), 2), (ql.Task(7, 3), 7), (ql.Task(2, 4), 2), (ONE, 1), (NOISY, 2)],
)
def test_the_derivative_in_loops_is_that_in_matrices(
    monkeypatch: pytest.MonkeyPatch, task: ql.Task, units: int, constraint: Any, noise: bool
) -> None:
    rng = np.random.default_rng(3)
    copies = np.minimum(np.arange(task.p), units - 1)
    given = ql.random_overlaps(task, 40, rng, constraint=constraint)
    start = ql.Overlaps(given.Q[np.ix_(copies, copies)], given.M[copies])
    how: Any = (task, start, 0.3, constraint, noise)
    motion = Components(*how)
    assert len(motion.a) == units
    m, P, E = motion.parts(motion.start + 0.3 * rng.standard_normal(len(motion.start)))
    y = motion.joined(m, P, E)
    expected = motion.derivative(0.0, y).copy()
    for loop in (derivative, derivative.__wrapped__):
        monkeypatch.setattr("quadlib.dynamics.components.derivative", loop)
        same = Components(*how, compiled=True)
        off = np.abs(same.derivative(0.0, y) - expected).max()
        assert off < 1e-13 * np.abs(expected).max()
        for factor in (0.99, 1.01, np.nan):  # of the largest trace of -4 eta K
            E = np.zeros_like(E)
            E[0, 0] = -factor * motion.largest / (4 * 0.3) - (P.diagonal() * motion.a).sum()
            z = motion.joined(m, P, E)
            for one in (motion, same):
                with contextlib.nullcontext() if factor < 1 else pytest.raises(FloatingPointError):
                    one.derivative(0.0, z)


@pytest.mark.parametrize(
    ("task", "constraint", "eta"),
    # (of the last many leave not even a norm above zero)
    [(ql.Task(2, 2), "spherical", 0.3), (ONE, "free", 0.15), (ONE, "spherical", 1.0)],
)
def test_steps_that_leave_the_possible_states_are_taken_again_and_shorter(
    monkeypatch: pytest.MonkeyPatch, task: ql.Task, constraint: Any, eta: float
) -> None:
    lockstep = importlib.import_module("quadlib.dynamics.lockstep")
    factor, refused = lockstep._factor, []

    def counting(C: Any) -> Any:
        L, fit = factor(C)
        refused.append((~fit).sum())
        return L, fit

    alpha = np.array([0.0, 3.07, 9.3]) * (0.1 if eta == 1.0 else 1.0)
    how: Any = dict(method="diffusion", N=50, slices=1.0, step=1.0, alpha=alpha)
    compiled = runs(task, constraint=constraint, eta=eta, **how)
    as_kind(monkeypatch, "diffusion", "written" if task == ONE else "compiled")
    written = runs(task, constraint=constraint, eta=eta, **how)
    monkeypatch.setattr(lockstep, "_factor", counting)
    monkeypatch.setattr("quadlib.dynamics.together.numba_found", lambda: False)
    numpy = runs(task, constraint=constraint, eta=eta, **how)
    assert sum(refused) > 0
    for other in (written, numpy):
        np.testing.assert_array_equal(other.recorded, compiled.recorded)
        known = np.isfinite(compiled.Q)
        np.testing.assert_allclose(other.Q[known], compiled.Q[known], rtol=1e-9)
        known = np.isfinite(compiled.M)
        np.testing.assert_allclose(other.M[known], compiled.M[known], atol=1e-9)


def as_kind(monkeypatch: pytest.MonkeyPatch, method: str, kind: str) -> None:
    """Let the loops of a method be compiled, as they are written, or NumPy's."""
    room = importlib.import_module(f"quadlib.dynamics.{method}")
    if kind == "written":
        monkeypatch.setattr(room, "_loop", room._loop.__wrapped__)
    for name in ("together", "weights") if kind == "numpy" else ():
        other = importlib.import_module(f"quadlib.dynamics.{name}")
        monkeypatch.setattr(other, "numba_found", lambda: False)


@pytest.mark.parametrize("kind", ["compiled", "written", "numpy"])
@pytest.mark.parametrize(("q", "off"), [(1.0, 5e-10), (100.0, 0.6e-12), (0.01, 0.6e-12)])
def test_a_start_that_is_no_covariance_to_rounding_is_refused(
    monkeypatch: pytest.MonkeyPatch, kind: str, q: float, off: float
) -> None:
    """An eigenvalue of −5·10⁻¹⁰ is let in by the check of the start, but has no root; −10⁻¹² has.

    The pivot of [[q, q (1 + x)], [q (1 + x), q]] is −2 q x.
    """
    as_kind(monkeypatch, "diffusion", kind)
    how: Any = dict(method="diffusion", constraint="free", N=100, eta=0.0, slices=1.0)
    start = ql.Overlaps([[q, q * (1 + off)], [q * (1 + off), q]], [[0.0], [0.0]])
    with pytest.raises(ValueError, match="where the overlaps stop being a covariance"):
        runs(ql.Task(2, 1), start=start, **how)
    x = 0.4e-12
    start = ql.Overlaps([[q, q * (1 + x)], [q * (1 + x), q]], [[0.0], [0.0]])
    assert (runs(ql.Task(2, 1), start=start, **how).recorded == len(ALPHA)).all()


@pytest.mark.parametrize("kind", ["compiled", "written", "numpy"])
@pytest.mark.parametrize("method", ["weights", "overlaps", "diffusion"])
def test_a_level_is_one_of_the_loss_with_the_noise_of_labels(
    monkeypatch: pytest.MonkeyPatch, method: Any, kind: str
) -> None:
    """A run has passed at its start what is a little more than its loss there, not what is less."""
    as_kind(monkeypatch, method, kind)
    start = ql.random_weights(NOISY, 60, 3)
    loss = ql.loss(NOISY, start)
    how: Any = dict(constraint="free", N=60, eta=0.0, slices=1.0, start=start, window=0.1)
    for factor, passage in ((1 + 1e-9, 0.0), (1 - 1e-9, np.inf)):
        found = runs(NOISY, method, level=factor * loss, alpha=np.array([0.5]), **how)
        assert (found.passage == passage).all()


@pytest.mark.parametrize("kind", ["compiled", "written", "numpy"])
def test_a_step_of_the_diffusion_is_one_of_its_budget(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    as_kind(monkeypatch, "diffusion", kind)
    draw = starter(ONE, None, 100, "diffusion", "free", 1.0)
    how: Any = dict(eta=1e-3, alpha=np.array([4.0]), N=100, method="diffusion", step=0.5)
    together = Together(ONE, draw, [np.random.default_rng(0)], **how)
    steps = next(together._groups)
    for budget, done in ((1, 0.5), (2, 1.5), (3, 3.0)):
        assert steps.advance(budget)
        assert together.done[0] == done
    assert not steps.advance(3)


@pytest.mark.parametrize(("p", "k", "rows"), [(1, 1, 8), (4, 2, 12), (3, 2, 12), (16, 1, 28)])
def test_a_row_of_the_chain_is_a_multiple_of_four_numbers(p: int, k: int, rows: int) -> None:
    """At least five directions are opened, and one more for each four units."""
    assert p + k + block_length(p, k) == rows


def test_the_error_beyond_which_a_run_has_diverged() -> None:
    """10⁶ times 1, the mean norm, and tr T/p*."""
    start = ql.Overlaps(np.diag([2.0, 4.0]), np.zeros((2, 2)))
    assert largest_error(ql.Task(2, 2, [1.0, 4.0]), start) == 1e6 * (1 + 3 + 2.5)


@pytest.mark.parametrize("kind", ["compiled", "written", "numpy"])
def test_a_diffusion_that_leaves_the_possible_states_is_refused(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """At N = 10, where `simulate` would have refused at once, 400 runs do not stay a covariance."""
    as_kind(monkeypatch, "diffusion", kind)
    task, rngs = ql.Task(2, 2), [np.random.default_rng((3, i)) for i in range(400)]
    draw = starter(task, None, 10, "diffusion", "free", 1.0)
    how: Any = dict(eta=0.125, alpha=np.array([20.3]), N=10, method="diffusion")
    together = Together(task, draw, rngs, **how)
    with pytest.raises(ValueError, match=r"N must be large enough .* got 10, .*; use method="):
        together.advance(1e9)


def test_a_start_may_be_drawn_by_a_function() -> None:
    how: Any = dict(task=NOISY, method="overlaps", constraint="free", N=40, eta=0.05, slices=1.0)
    own = runs(**how, start=lambda rng: ql.random_overlaps(NOISY, 40, rng))
    np.testing.assert_array_equal(own.Q, runs(**how).Q)


def test_a_run_alone_shows_its_samples_and_starts_with_weights_of_variance_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = importlib.import_module("quadlib.dynamics")
    how: Any = dict(eta=0.1, alpha=[0.5, 1.0, 2.0], N=100, rng=0)
    expected = ql.simulate(ONE, None, q0=1.0, progress=False, **how)
    asked, shown = [], [0]

    class Bar(contextlib.nullcontext[None]):
        n = property(lambda self: shown[-1])

        def __enter__(self) -> Any:
            return self

        def update(self, more: int) -> None:
            shown.append(shown[-1] + more)

    monkeypatch.setattr(room, "bar", lambda *what: asked.append(what) or Bar())
    monkeypatch.setattr(room, "_SHOW", 0.0)
    np.testing.assert_array_equal(ql.simulate(ONE, None, **how).Q, expected.Q)
    assert asked == [(True, 200, "sample")]
    assert len(shown) > 50
    assert shown == sorted(shown)
    assert shown[-1] == 200


@pytest.mark.parametrize("seed", [7, (7, 100), None])
def test_a_run_tells_its_seed_if_it_was_given_one(seed: Any) -> None:
    rng = np.random.default_rng(0) if seed is None else seed
    run = ql.simulate(ONE, None, eta=0.1, alpha=[0.0], N=10, rng=rng, progress=False)
    assert run.meta["seed"] == seed


@pytest.mark.parametrize("method", ["weights", "overlaps", "diffusion"])
def test_before_the_first_step_nothing_is_done(method: Any) -> None:
    draw = starter(NOISY, None, 60, method, "free", 1.0)
    how: Any = dict(eta=0.1, alpha=ALPHA, N=60, method=method)
    together = Together(NOISY, draw, [np.random.default_rng(0)] * 2, **how)
    for nothing in (together.done, together.recorded, together.diverged):
        assert not nothing.any()
    for missing in (together.Q, together.M, together.loss, together.passage):
        assert np.isinf(missing).all()
    assert together.active


@pytest.mark.parametrize("kind", ["compiled", "numpy"])
@pytest.mark.parametrize("method", ["weights", "overlaps", "diffusion"])
def test_a_call_ends_when_its_time_is_over_or_all_is_done(
    monkeypatch: pytest.MonkeyPatch, method: Any, kind: str
) -> None:
    """In no time sixteen steps are done, some of which may only draw."""
    for name in ("together", "weights") if kind == "numpy" else ():
        other = importlib.import_module(f"quadlib.dynamics.{name}")
        monkeypatch.setattr(other, "numba_found", lambda: False)
    alpha = np.array([2.0]) if method == "weights" else np.array([20.0])
    how: Any = dict(eta=0.1, alpha=alpha, N=50, method=method)
    draw = starter(ONE, None, 50, method, "free", 1.0)
    together = Together(ONE, draw, [np.random.default_rng(0)], **how)
    assert together.advance(0.0)
    if method == "diffusion":
        assert 0 < together.done[0] < 10.0
    else:
        assert 15 <= 50 * together.done[0] <= 16
    assert not together.advance(1e9)
    np.testing.assert_allclose(together.done, alpha, rtol=1e-12)


def test_a_step_may_be_as_short_as_a_sample() -> None:
    how: Any = dict(eta=0.1, alpha=0.5, N=64, rng=0, method="diffusion")
    assert len(ql.simulate(NOISY, None, step=1 / 64, **how).alpha) == 201


def test_without_numba_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    room = importlib.import_module("quadlib.dynamics.compiled")
    assert room.numba_found.__wrapped__()
    assert room.if_compiled(3, 2) == 3
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr(room, "numba_found", room.numba_found.__wrapped__)
    assert room.if_compiled(3, 2) == 2


def test_a_cache_that_cannot_be_written_is_done_without_and_warned_of_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room, tried = importlib.import_module("quadlib.dynamics.compiled"), []

    def njit(cache: bool, **options: Any) -> Any:
        tried.append(cache)
        if cache:
            raise OSError("No space left on device")
        return lambda loop: loop

    monkeypatch.setattr("numba.njit", njit)
    monkeypatch.setattr(room, "_warned", [])
    half = room.compiled(lambda x: 1 / x)
    with pytest.warns(RuntimeWarning, match="No space left on device"):
        assert half(2) == 0.5
    assert half(4) == 0.25
    assert room.compiled(lambda x: x)(3) == 3  # and no second warning
    assert tried == [True, False, True, False]
    with pytest.raises(ZeroDivisionError):
        half(0)
    assert len(tried) == 4  # what is in memory is not compiled again for an error of its own


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_an_interrupt_that_the_compiler_drops_is_raised_again(
    monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """In a callback of LLVM Python prints it as ignored, and goes on."""
    room, went_on = importlib.import_module("quadlib.dynamics.compiled"), []
    handler = signal.getsignal(signal.SIGINT)

    def work() -> None:
        for _ in range(300):
            time.sleep(0.01)

    def compiling() -> None:
        for first in range(lost):
            with contextlib.suppress(KeyboardInterrupt):
                if not first:
                    signal.raise_signal(signal.SIGINT)
                work()
        if not lost:
            signal.raise_signal(signal.SIGINT)
        work()
        went_on.append(True)

    monkeypatch.setattr("numba.njit", lambda **_: lambda loop: loop)
    with pytest.raises(KeyboardInterrupt):
        room.compiled(compiling)()
    assert not went_on
    assert signal.getsignal(signal.SIGINT) is handler
    again: list[int] = []
    signal.signal(signal.SIGINT, lambda *_: again.append(1))
    time.sleep(0.3)  # three times what lies between two of them
    signal.signal(signal.SIGINT, handler)
    assert not again


def test_an_interrupt_that_nothing_hears_ends_the_compilation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room, calls = importlib.import_module("quadlib.dynamics.compiled"), []

    def compiling() -> None:
        calls.append(1)
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("numba.njit", lambda **_: lambda loop: loop)
    loop = room.compiled(compiling)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            loop()
    monkeypatch.setattr(signal, "raise_signal", lambda _: None)
    loop()  # compiled at last: from now on nothing is done about signals
    monkeypatch.setattr(signal, "signal", None)
    loop()
    assert len(calls) == 4
    # elsewhere signals belong to others
    other = room.compiled(lambda: threading.current_thread().name)
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(other()), name="elsewhere")
    thread.start()
    thread.join()
    assert seen == ["elsewhere"]


def test_a_handler_of_interrupts_that_is_not_pythons_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    room, heard = importlib.import_module("quadlib.dynamics.compiled"), []
    monkeypatch.setattr("numba.njit", lambda **_: lambda loop: loop)
    own = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        room.compiled(lambda: signal.raise_signal(signal.SIGINT))()
    finally:
        signal.signal(signal.SIGINT, own)
    assert heard == [1]


def test_arrays_are_those_of_numpy_where_jaxtyping_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "jaxtyping", raising=False)
    path = Path(ql.__file__).parent / "shapes.py"
    shapes = runpy.run_path(str(path))
    assert shapes["Float"][np.ndarray, "p N"] is np.ndarray
    assert shapes["Int"] is shapes["Float"]


def test_a_bar_appears_after_a_second_if_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    with bar(True, 1000, "sample", 20) as shown:
        assert (shown.n, shown.total, shown.unit, shown.unit_scale) == (20, 1000, "sample", True)
        assert (shown.delay, shown.monitor_interval, shown.disable) == (1.0, 0, False)
    with bar(True, 1000, "sample") as shown:
        assert shown.n == 0
    with bar(False, 1000, "sample") as hidden:
        assert hidden.disable
    assert capsys.readouterr().err == ""


def test_a_bar_does_not_ask_for_widgets(monkeypatch: pytest.MonkeyPatch) -> None:
    class Auto(ModuleType):
        def __getattr__(self, name: str) -> Any:
            warnings.warn("IProgress not found. Please update jupyter", stacklevel=2)
            return contextlib.nullcontext

    monkeypatch.setitem(sys.modules, "tqdm.auto", Auto("tqdm.auto"))
    with pytest.raises(TypeError, match="total"):  # what stands for tqdm knows no argument
        bar(True, 1, "sample")


def test_what_comes_of_slices_is_what_they_return() -> None:
    def slices() -> Any:
        for i in range(3):
            yield done.append(i)
        return "all"

    done: list[int] = []
    assert to_the_end(slices()) == "all"
    assert done == [0, 1, 2]
