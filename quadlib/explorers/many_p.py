"""The ODE of networks of many p, before and after the escape, and the law of their escape."""

import math
from collections.abc import Generator
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from quadlib.checks import Constraint
from quadlib.dynamics.progress import to_the_end
from quadlib.escape import escape_law_in_pieces
from quadlib.explorers import controls
from quadlib.explorers.runs import in_pieces, level_of
from quadlib.plateau import critical_learning_rate
from quadlib.shapes import Array
from quadlib.state import Overlaps, random_overlaps
from quadlib.task import Task
from quadlib.trajectory import Trajectory

N, LARGEST, POINTS = 10**6, 16, 121
_SEED = 25  # its ODE escapes near the mean of the law at every p


class Setting(NamedTuple):
    """What the controls ask for."""

    p: int
    p_star: int
    eta: float
    constraint: Constraint

    @property
    def task(self) -> Task:
        """Teacher units of one length."""
        return Task(self.p, self.p_star)

    @property
    def start(self) -> Overlaps:
        """The first p of many random units: more units, the others unchanged."""
        full = random_overlaps(Task(LARGEST, self.p_star), N, _SEED, constraint=self.constraint)
        return Overlaps(full.Q[: self.p, : self.p], full.M[: self.p])

    @property
    def end(self) -> float:
        """When typical networks have escaped, rounded up; the same for every p."""
        return _end(*self[1:])

    @property
    def late(self) -> Array:
        """From before the escape on, whole decades: their axis seldom changes."""
        first = math.floor(math.log10(self.end)) - 1
        return np.geomspace(10.0**first, 10.0 ** (first + 4), POINTS)

    @property
    def settles(self) -> bool:
        """Whether solutions attract; else the ODE may go up and down for ever, for minutes."""
        return self.eta < critical_learning_rate(Task(self.p_star, self.p_star))


_ODES: dict[tuple[Setting, bool], Trajectory] = {}
_LAWS: dict[Setting, tuple[float, float] | None] = {}


@lru_cache(64)
def _end(p_star: int, eta: float, constraint: Constraint) -> float:
    usual = 3.5 * p_star / eta
    # at a large η only networks of more units leave the plateau
    levels = (level_of(Task(p, p_star), eta, constraint) for p in (p_star, 2 * p_star, LARGEST))
    slow = next((10 / x.escape_rate for x in levels if x and x.escape_rate > 0), 0.0)
    return controls.round_up(max(usual, min(slow, 4 * usual)))


def ode(setting: Setting, late: bool = False) -> Generator[None, None, Trajectory]:
    """Follow the ODE through the escape, or from there on, as far as it goes, in slices."""
    if (setting, late) not in _ODES:
        if len(_ODES) > 150:
            _ODES.clear()
        task, start, eta = setting.task, setting.start, setting.eta
        alpha = setting.late if late else np.linspace(0, setting.end, POINTS)
        how: Any = dict(constraint=setting.constraint, rtol=1e-6 if late else 1e-5)
        _ODES[setting, late] = yield from in_pieces(task, start, eta=eta, alpha=alpha, **how)
    return _ODES[setting, late]


def law(setting: Setting) -> Generator[None, None, tuple[float, float] | None]:
    """Mean and standard deviation of the escape time, or None where SGD does not escape."""
    if setting not in _LAWS:
        found, how = None, (setting.task, N, setting.eta, setting.constraint)
        with suppress(ValueError):
            whole = yield from escape_law_in_pieces(*how)
            found = whole.mean, whole.std
        _LAWS[setting] = found
    return _LAWS[setting]


def script(now: Setting) -> str:
    """Return the calls that give the curves of this p, and its law."""
    escapes = to_the_end(law(now)) is not None
    kinds = (False, True) if now.settles else (False,)
    cuts = [*(len(to_the_end(ode(now, late)).alpha) for late in kinds), 0][:2]
    early, late = (f"[:{cut}]" if cut < POINTS else "" for cut in cuts)
    norms = f'constraint="{now.constraint}"'
    lines = [
        "import numpy as np",
        "import quadlib as ql",
        f"task, how = ql.Task({now.p}, {now.p_star}), dict(eta={now.eta}, {norms})",
        f"many = ql.Task({LARGEST}, {now.p_star})",
        f"full = ql.random_overlaps(many, {N}, {_SEED}, {norms})",
        f"start = ql.Overlaps(full.Q[:{now.p}, :{now.p}], full.M[:{now.p}])",
        f"alpha, times = np.linspace(0, {now.end}, {POINTS}){early}, "
        f"np.geomspace({now.late[0]:g}, {now.late[-1]:g}, {POINTS}){late}",
        "ode = ql.integrate(task, start, alpha=alpha, rtol=1e-5, **how)",
        "late = ql.integrate(task, start, alpha=times, rtol=1e-6, **how)" * (cuts[1] > 0),
        f"law = ql.escape_law(task, {N}, **how)" * escapes,
    ]
    return "\n".join(filter(None, lines))
