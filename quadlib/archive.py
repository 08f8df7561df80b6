"""Results on disk: one .npz file without pickled objects, whole or absent, that says what it is."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, ClassVar, TypeVar
from uuid import uuid4

import numpy as np

from quadlib.checks import ROUNDING
from quadlib.shapes import Array, Float
from quadlib.state import scaled_covariance
from quadlib.task import Task, joint_covariance, squared_error


def frozen(value: Any) -> Any:
    """Return mappings, lists and arrays read-only, all the way down."""
    if isinstance(value, Mapping):
        return MappingProxyType({str(name): frozen(entry) for name, entry in value.items()})
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value


def thawed(value: Any) -> Any:
    """Return what `frozen` made as dicts, which pickle and JSON can take."""
    if isinstance(value, Mapping):
        return {name: thawed(entry) for name, entry in value.items()}
    return tuple(map(thawed, value)) if isinstance(value, tuple) else value


def check_path(name: str, value: object) -> Path:
    """Return a path; "~" is the home folder, and "" is no path."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise TypeError(
            f'{name} must be a str or a pathlib.Path, got {value!r}; write for example "run.npz".'
        )
    return Path(os.fsdecode(value)).expanduser()


def write_whole(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    """Write a file that is complete from the moment it exists under its name."""
    temporary = path.with_name(f"{uuid4().hex}.tmp")
    try:
        with open(temporary, "xb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


Kind = TypeVar("Kind", bound="Saved")  # beartype checks no method that says Self


class Saved:
    """A result that a file can hold: its task, its meta, and arrays of these names."""

    task: Task
    meta: Mapping[str, Any]
    _arrays: ClassVar[tuple[str, ...]]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result to `path` as one compressed .npz file, with no pickled objects.

        A file that is there already is replaced by a complete new one or stays as it is.

        Raises
        ------
        OSError
            If the file cannot be written.
        TypeError
            If `path` is no path, or `meta` holds something else than numbers, texts, lists and
            dicts.
        """
        target = Path(os.path.realpath(check_path("path", path)))
        try:
            meta = json.dumps(thawed(self.meta))
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"meta must hold numbers, texts, lists and dicts only, got {error}; leave the rest "
                "out."
            ) from None
        arrays: dict[str, Any] = {name: getattr(self, name) for name in self._arrays}
        arrays |= {"T": self.task.T, "label_noise": self.task.label_noise}
        texts: dict[str, Any] = {"kind": np.array(type(self).__name__), "meta": np.array(meta)}
        write_whole(target, lambda file: np.savez_compressed(file, **arrays, **texts))

    @classmethod
    def load(cls: type[Kind], path: str | os.PathLike[str]) -> Kind:
        """Read a result of this class that `save` wrote.

        Raises
        ------
        OSError
            If there is no such file.
        ValueError
            If it holds something else, or is damaged.
        """
        parts, fault = None, "it holds something else, or is damaged"
        with open(check_path("path", path), "rb") as file:
            try:
                with np.load(file, allow_pickle=False) as data:
                    found = str(data["kind"])
                    if found == cls.__name__ and data.zip.testzip() is None:
                        T, noise, meta = data["T"], float(data["label_noise"]), str(data["meta"])
                        arrays = {name: data[name] for name in cls._arrays}
                        parts = T, noise, arrays, json.loads(meta)
                    elif found != cls.__name__:
                        fault = f"it holds a saved {found}"
            except Exception:  # a damaged archive can raise nearly anything
                parts = None
        try:
            if parts is None:
                raise ValueError(fault)
            T, noise, arrays, meta = parts
            p, p_star = arrays["M"].shape[-2:]
            return cls._checked(Task(p, p_star, T, noise), *arrays.values(), meta)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"path must be a file written by {cls.__name__}.save, got {str(path)!r} "
                f"({str(error).rstrip('.')}); save it again with the right class."
            ) from None

    @classmethod
    def _checked(cls: type[Kind], task: Task, *parts: Any) -> Kind:
        """Return the result of these arrays and this meta, if it is a possible one."""
        raise NotImplementedError


def check_possible(
    task: Task,
    Q: Float[Array, "*n p p"],
    M: Float[Array, "*n p k"],
    loss: Float[Array, "*n"],
    meta: Mapping[str, Any],
) -> None:
    """Raise ValueError unless each of the recorded states is possible and the losses are theirs."""
    size = np.trace(Q, axis1=-2, axis2=-1) / task.p + np.trace(task.T) / task.p_star
    C = joint_covariance(Q, M, task.T)
    level = squared_error(C, task.readout, task.label_noise) / 2
    if not (np.abs(level - loss) <= ROUNDING * (size**2 + task.label_noise)).all():
        raise ValueError("loss must be that of Q and M, got another one")
    if not (np.abs(Q - np.swapaxes(Q, -1, -2)).max((-2, -1)) <= ROUNDING * size * task.p).all():
        raise ValueError("Q must be symmetric, got another matrix")
    diagonal = np.diagonal(Q, axis1=-2, axis2=-1)
    if meta.get("constraint") == "spherical" and not (np.abs(diagonal - 1) <= ROUNDING).all():
        raise ValueError("Q must have a unit diagonal, got another one")
    try:
        np.linalg.cholesky(scaled_covariance(task, Q, M) + ROUNDING * np.eye(len(task.readout)))
    except np.linalg.LinAlgError:
        raise ValueError("Q, M and T must be a covariance, got a state that is none") from None
