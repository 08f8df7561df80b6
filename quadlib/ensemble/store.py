"""Finished batches on disk: one file each, complete or absent, recognised by its parameters."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from quadlib.archive import write_whole
from quadlib.dynamics.start import Draw
from quadlib.ensemble.runs import Batch, Job
from quadlib.shapes import Array, Bool
from quadlib.trajectory import versions

_FORMAT = 2


def described(job: Job, begin: Draw | None) -> dict[str, Any]:
    """Everything that decides the numbers of a job, as JSON has it.

    A function that draws starts is known by a start that it draws.
    """
    state = job.start if begin is None else begin(np.random.default_rng(0))
    digest = hashlib.sha256()
    if state is not None:
        for array in vars(state).values():
            digest.update(np.ascontiguousarray(array).tobytes())
    values = vars(job.task) | vars(job)
    values["start"] = None if state is None else digest.hexdigest()[:16]
    del values["task"]
    return json.loads(json.dumps(values, default=np.ndarray.tolist))  # type: ignore[no-any-return]


class Store:
    """A folder of finished batches of one job.

    The name of a file tells its runs and a digest of the parameters, so that any set of files
    can be put together, whoever wrote them and in whatever batches.

    Raises
    ------
    ValueError
        If the folder holds runs of other parameters.
    OSError
        If it cannot be read or written.
    """

    def __init__(self, folder: Path, job: Job, begin: Draw | None) -> None:
        self.job = job
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        parameters = {"format": _FORMAT, "quadlib": versions()["quadlib"]} | described(job, begin)
        text = json.dumps(parameters, indent=1)
        self.digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        path = self.folder / "parameters.json"
        try:
            found = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            # Absent or damaged: the digest in the names keeps other runs out all the same.
            write_whole(path, lambda file: file.write(text.encode()))
            return
        if found != parameters:
            known = found if isinstance(found, dict) else {}
            other = ", ".join(name for name in parameters if known.get(name) != parameters[name])
            raise ValueError(
                f"store must be a folder of the same ensemble, got {os.fspath(folder)!r} with "
                f"another {other or 'set of parameters'}; choose another folder."
            )

    def batches(self, missing: Bool[Array, " runs"]) -> Iterator[Batch]:
        """Yield stored batches that hold runs that are `missing` when they are reached.

        A file that is damaged is left out, so that its runs are computed again.
        """
        for path in sorted(self.folder.glob(f"runs-{self.digest}-*.npz")):
            match = re.fullmatch(r"runs-[0-9a-f]+-(\d+)-(\d+)\.npz", path.name)
            if match is None:
                continue
            start, stop = int(match[1]), int(match[2]) + 1
            if not missing[start:stop].any():
                continue
            try:
                with open(path, "rb") as file, np.load(file, allow_pickle=False) as data:
                    arrays = tuple(data[name] for name in self.job.results)
            except Exception:  # a damaged archive can raise nearly anything
                continue
            shapes = tuple((stop - start, *axes) for axes in self.job.results.values())
            if tuple(array.shape for array in arrays) == shapes:
                yield Batch(start, stop, arrays)

    def write(self, batch: Batch) -> None:
        """Put a batch on disk."""
        name = f"runs-{self.digest}-{batch.start:08d}-{batch.stop - 1:08d}.npz"
        arrays: dict[str, Any] = dict(zip(self.job.results, batch.arrays, strict=True))
        write_whole(self.folder / name, lambda file: np.savez(file, **arrays))
