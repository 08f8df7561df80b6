"""Results on disk and in other processes: whole or absent, themselves or refused."""

import contextlib
import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import quadlib as ql
from quadlib.archive import check_possible
from quadlib.ensemble import EnsembleInterrupted, StoreError

TASK = ql.Task(2, 1, [1.5], label_noise=0.1)
RUN = ql.integrate(TASK, ql.random_overlaps(TASK, 50, 0), eta=0.1, alpha=[0.0, 1.0, 5.0])
RUNS = ql.ensemble(TASK, eta=0.1, alpha=[0.0, 1.0], N=20, runs=2, seed=(0, 20), progress=False)
ARRAYS = {ql.Trajectory: ("alpha", "Q", "M", "loss"), ql.Ensemble: ("alpha", "loss", "Q", "M")}


def assert_equal(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    for name in ARRAYS[type(a)]:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert not getattr(b, name).flags.writeable
    np.testing.assert_array_equal(a.task.T, b.task.T)
    assert a.task.label_noise == b.task.label_noise
    assert a.meta == b.meta


@pytest.mark.parametrize("result", [RUN, RUNS], ids=["Trajectory", "Ensemble"])
def test_a_damaged_file_is_refused_or_holds_the_same(result: Any, tmp_path: Path) -> None:
    """A bit of every seventh byte flipped in turn, and some lengths."""
    path = tmp_path / "whole.npz"
    result.save(path)
    data, refused, same = path.read_bytes(), 0, 0
    variants = [data[:n] for n in range(0, len(data), 19)]
    variants += [
        data[:i] + bytes([data[i] ^ 1 << i % 8]) + data[i + 1 :] for i in range(0, len(data), 7)
    ]
    for variant in variants:
        (tmp_path / "damaged.npz").write_bytes(variant)
        try:
            loaded = type(result).load(tmp_path / "damaged.npz")
        except ValueError as error:
            message = str(error)
            refused += message.startswith("path must be a file") and "\n" not in message
        else:
            same += 1
            assert_equal(result, loaded)
    assert same + refused == len(variants)
    assert refused > len(variants) / 2


def test_a_file_says_what_it_is(tmp_path: Path) -> None:
    RUN.save(tmp_path / "run")
    RUNS.save(tmp_path / "runs")
    with pytest.raises(ValueError, match="it holds a saved Trajectory"):
        ql.Ensemble.load(tmp_path / "run")
    with pytest.raises(ValueError, match="it holds a saved Ensemble"):
        ql.Trajectory.load(tmp_path / "runs")


FORGED = [
    dict(alpha=np.array([0.0, 5.0, 1.0])),
    dict(alpha=np.array([-1.0, 0.0, 1.0])),
    dict(alpha=np.array([0.0, 1.0, 1.0])),
    dict(alpha=np.array([0.0, 1.0])),
    dict(Q=np.stack([np.array([[1.0, 0.5], [0.0, 1.0]])] * 3)),
    dict(Q=np.full((3, 2, 2), np.nan)),
    dict(Q=np.stack([np.eye(3)] * 3)),
    dict(M=np.full((3, 2, 1), 2.0)),  # no covariance
    dict(M=np.array([[["__import__('os')._exit(1)"]]])),
    dict(M=np.array([[[print]]], dtype=object)),
    dict(loss=np.zeros(3)),
    dict(loss=np.full(3, np.inf)),
    dict(meta="[1, 2]"),
    dict(meta="{" * 100_000),
    dict(meta='{"constraint": "spherical"}'),
    dict(T=np.array([[-1.0]])),
    dict(T=np.eye(2)),
    dict(label_noise=np.nan),
]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "change", FORGED, ids=[f"{i}-{next(iter(f))}" for i, f in enumerate(FORGED)]
)
def test_a_forged_file_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    parts: dict[str, Any] = {name: getattr(RUN, name) for name in ARRAYS[ql.Trajectory]}
    parts |= dict(T=TASK.T, label_noise=0.1, kind="Trajectory", meta="{}") | change
    if {"Q", "M"} & set(change) and parts["M"].dtype == float and parts["Q"].shape[1] == 2:
        C = [
            np.block([[q, m], [m.T, TASK.T]]) * TASK.readout
            for q, m in zip(parts["Q"], parts["M"], strict=True)
        ]
        parts["loss"] = [(np.trace(c) ** 2 + 2 * np.trace(c @ c) + 0.1) / 2 for c in C]
    np.savez(tmp_path / "forged.npz", **parts)
    with pytest.raises(ValueError, match="must be a file written by Trajectory") as caught:
        ql.Trajectory.load(tmp_path / "forged.npz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("unit", [1e-10, 1.0, 1e10])
@pytest.mark.parametrize(
    ("reason", "Q", "M", "loss", "meta"),
    [
        ("", 0.0, 0.0, 0.0, "{}"),
        ("", 0.0, 0.0, 0.0, '{"constraint": "spherical"}'),
        ("loss must be that of Q and M", 0.0, 0.0, 1e-6, "{}"),
        ("Q must be symmetric", [[0.0, 1e-6], [0.0, 0.0]], 0.0, 0.0, "{}"),
        ("must be a covariance", 0.0, [[1.5**0.5 + 1e-6], [0.0]], 0.0, "{}"),
        ("unit diagonal", [[0, 0], [0, 1e-6]], 0.0, 0.0, '{"constraint": "spherical"}'),
    ],
)
def test_one_impossible_state_is_found(
    unit: float, reason: str, Q: Any, M: Any, loss: float, meta: str, tmp_path: Path
) -> None:
    """The last of three, off by a millionth, whatever the unit; without it all is read."""
    unit = 1.0 if "spherical" in meta else unit
    last = np.array([0.0, 0.0, 1.0])[:, None, None]
    T = np.array([[1.5 * unit]])
    Q, M = unit * (np.eye(2) + last * Q), unit * last * np.broadcast_to(M, (2, 1))
    C = [np.block([[q, m], [m.T, T]]) * TASK.readout for q, m in zip(Q, M, strict=True)]
    level = np.array([(np.trace(c) ** 2 + 2 * np.trace(c @ c) + 0.1 * unit**2) / 2 for c in C])
    parts = dict(alpha=[0.0, 1.0, 2.0], Q=Q, M=M, T=T, loss=level * (1 + loss * last[:, 0, 0]))
    parts |= dict(label_noise=0.1 * unit**2, kind="Trajectory", meta=meta)
    np.savez(tmp_path / "run.npz", **parts)
    if reason:
        with pytest.raises(ValueError, match=reason):
            ql.Trajectory.load(tmp_path / "run.npz")
    else:
        np.testing.assert_array_equal(ql.Trajectory.load(tmp_path / "run.npz").Q, Q)


def test_a_run_of_identical_units_is_read_back(tmp_path: Path) -> None:
    run = ql.integrate(
        TASK, ql.Overlaps(np.ones((2, 2)), [[0.1], [0.1]]), eta=0.1, alpha=[1.0, 9.0]
    )
    run.save(tmp_path / "run.npz")
    assert_equal(ql.Trajectory.load(tmp_path / "run.npz"), run)


class Payload:
    """What pickle makes a file of when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    parts: dict[str, Any] = {name: getattr(RUN, name) for name in ARRAYS[ql.Trajectory]}
    parts |= dict(T=TASK.T, label_noise=0.1, kind="Trajectory", meta="{}")
    parts["M"] = np.array([[[Payload(tmp_path / "executed")]]], dtype=object)
    np.savez(tmp_path / "forged.npz", **parts)
    with pytest.raises(ValueError, match="must be a file written by Trajectory"):
        ql.Trajectory.load(tmp_path / "forged.npz")
    assert not (tmp_path / "executed").exists()


KILLED = """
import os, sys
import numpy as np
import quadlib as ql
from quadlib.archive import check_possible
run = ql.Trajectory.load(sys.argv[1])
def half(file, **arrays):
    file.write(b"half of it")
    file.flush()
    os._exit(9)
np.savez_compressed = half
run.save(sys.argv[1])
"""


def test_what_goes_wrong_while_saving_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.npz"
    RUN.save(path)
    with pytest.raises(TypeError, match="meta must hold"):
        replace_meta(RUN, {"x": object()}).save(path)
    assert os.listdir(tmp_path) == ["run.npz"]
    assert subprocess.run([sys.executable, "-c", KILLED, path], check=False).returncode == 9
    assert_equal(RUN, ql.Trajectory.load(path))

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space"):
        RUN.save(path)
    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        RUN.save(path)
    monkeypatch.undo()
    assert_equal(RUN, ql.Trajectory.load(path))
    assert len(list(tmp_path.glob("*.tmp"))) == 1  # of the killed process


def replace_meta(run: ql.Trajectory, meta: dict[str, Any]) -> ql.Trajectory:
    return ql.Trajectory(run.task, run.alpha, run.Q, run.M, meta, run.loss)


def test_numbers_of_any_kind_in_meta_are_kept(tmp_path: Path) -> None:
    meta = {"eta": np.float32(0.5), "seed": (1, np.int64(2)), "more": {"q": [np.arange(2), None]}}
    run = replace_meta(RUN, meta)
    run.save(tmp_path / "run")
    assert ql.Trajectory.load(tmp_path / "run").meta == run.meta
    assert run.meta["more"]["q"] == ((0, 1), None)
    with pytest.raises(TypeError):
        run.meta["more"]["q"] = 1


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("path", [5, "", b"", None, 1.5], ids=repr)
def test_a_path_is_a_text(path: Any) -> None:
    for call in (RUN.save, RUNS.save, ql.Trajectory.load, ql.Ensemble.load):
        with pytest.raises(TypeError, match="path must be a str"):
            call(path)


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    RUN.save("~/run.npz")
    assert_equal(RUN, ql.Trajectory.load(tmp_path / "run.npz"))


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link.npz").symlink_to(tmp_path / "there" / "run.npz")
    RUN.save(tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert_equal(RUN, ql.Trajectory.load(tmp_path / "there" / "run.npz"))


COPIES = [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy, copy.copy]


@pytest.mark.parametrize("copied", COPIES, ids=["pickle", "deepcopy", "copy"])
def test_copies_are_equal_and_read_only(copied: Any) -> None:
    assert_equal(RUN, copied(RUN))
    assert_equal(RUNS, copied(RUNS))
    state, weights = ql.random_overlaps(TASK, 9, 0), ql.random_weights(TASK, 9, 0)
    for x, names in ((TASK, ["T"]), (state, ["Q", "M"]), (weights, ["W", "W_star"])):
        for name in names:
            array = getattr(copied(x), name)
            np.testing.assert_array_equal(array, getattr(x, name))
            assert not array.flags.writeable
    for kind in (ql.DivergenceError, ql.RunInterrupted):
        error = copied(kind("It ended.", RUN))
        assert str(error) == "It ended."
        assert_equal(RUN, error.trajectory)
    for kind in (EnsembleInterrupted, StoreError):
        error = copied(kind("It ended.", RUNS))
        assert str(error) == "It ended."
        assert_equal(RUNS, error.ensemble)


def test_recorded_losses_and_overlaps_agree_to_1e_9() -> None:
    """Of (tr Q/p + tr T/p*)² + label noise, 7² + .5 here; and of 7 p where Q is symmetric."""
    task, Q, M = ql.Task(2, 2, [4.0, 2.0], 0.5), np.diag([5.0, 3.0]), np.zeros((2, 2))
    loss = ql.loss(task, ql.Overlaps(Q, M))
    for off, fits in ((0.99, True), (-0.99, True), (1.01, False), (-1.01, False)):
        with contextlib.nullcontext() if fits else pytest.raises(ValueError, match="loss must"):
            check_possible(task, Q, M, np.array(loss + off * 49.5e-9), {})
        skew = Q + off * np.array([[0.0, 7e-9], [-7e-9, 0.0]])
        with contextlib.nullcontext() if fits else pytest.raises(ValueError, match="symmetric"):
            check_possible(task, skew, M, np.array(loss), {})
