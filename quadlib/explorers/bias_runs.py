"""What the explorer of the implicit bias starts from, and the runs it follows."""

import math
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from quadlib.dynamics.compiled import if_compiled
from quadlib.dynamics.together import Together
from quadlib.explorers import controls
from quadlib.explorers.runs import begun, drawn, in_pieces, level_of, method, repelled
from quadlib.plateau import Plateau
from quadlib.shapes import Array
from quadlib.state import Overlaps, random_overlaps
from quadlib.task import Task
from quadlib.trajectory import Trajectory

POINTS, RUNS = 121, 30
"""Recorded times of a run; runs of SGD."""


class Setting(NamedTuple):
    """What the controls ask for: a task, a start, and the time to follow it."""

    task: Task
    start: Overlaps
    scale: float
    turn: Array
    N: int
    eta: float
    seed: int
    plateau: Plateau | None
    end: float

    @property
    def radius(self) -> float:
        """Length of a column of M at zero loss."""
        return math.sqrt(self.task.p / self.task.p_star)

    @property
    def solvable(self) -> bool:
        """Whether there is a zero-loss solution."""
        return self.task.p >= self.task.p_star

    @property
    def alpha(self) -> Array:
        """Recorded times."""
        return np.linspace(0.0, self.end, POINTS)

    @property
    def step(self) -> float | None:
        """Short steps of the diffusion: their noise is to be Gaussian, as that of many samples."""
        step = if_compiled(0.004, 0.01) / self.eta
        return None if method(self.N, self.end) == "overlaps" else step

    @property
    def warning(self) -> str:
        """One sentence if this setting spoils the story, else nothing."""
        p, p_star = self.task.p, self.task.p_star
        if self.plateau is None:
            return "The learning rate η is too large: no plateau exists. Lower it."
        if self.plateau.escape_rate <= 0:
            return "The learning rate η is too large: the plateau is never left. Lower it."
        if not self.solvable:
            return f"p = {p} is less than p* = {p_star}: no zero-loss solution. Raise p."
        return repelled(self.task, self.eta)


def chosen(values: dict[str, Any]) -> Setting:
    """Return the setting for these values of the controls."""
    task, N, eta = Task(values["p"], values["p_star"]), round(10 ** values["log_N"]), values["eta"]
    p, k = task.p, task.p_star
    level = level_of(task, eta)
    first = random_overlaps(task, N, values["seed"])
    # Turn the units so that the first teacher is seen by the first unit alone, then by `angle`
    M = np.linalg.qr(first.M, mode="complete")[1]
    scale = float(np.sign(M[0, 0]) * values["size"] * math.sqrt(p * k / N) / np.linalg.norm(M))
    c, s = (round(f(math.radians(values["angle"])), 15) for f in (math.cos, math.sin))
    turn = np.array([[c, -s], [s, c]])[:p, :p]
    M = scale * M
    M[:2] = turn @ M[:2]
    start = Overlaps(first.Q - first.M @ first.M.T + M @ M.T, M)
    rate = level.escape_rate if level and level.escape_rate > 0 else 4 * eta / k
    end = (max(math.log(N) / 2 - math.log(values["size"]), 0.0) + 5) / rate
    end = controls.round_up(min(end, 200 / eta))
    return Setting(task, start, scale, turn, N, eta, values["seed"], level, end)


def flow(setting: Setting) -> Generator[None, None, Trajectory]:
    """Follow gradient flow, which never diverges, in slices."""
    task, start, eta, alpha = setting.task, setting.start, setting.eta, setting.alpha
    return in_pieces(task, start, eta=eta, alpha=alpha, gradient_noise=False, rtol=1e-5)


def sgd(setting: Setting) -> Together:
    """Return runs of SGD from the start of this setting, at α = 0."""
    more: Any = dict(eta=setting.eta, alpha=setting.alpha, N=setting.N, step=setting.step)
    more["method"] = method(setting.N, setting.end)
    return begun(setting.task, RUNS, (setting.seed, 1), setting.start, **more)


def script(setting: Setting, points: int) -> str:
    """Return the calls that give flow, ODE, of which so many points are drawn, and runs of SGD."""
    task, eta, N, seed = setting.task, setting.eta, setting.N, setting.seed
    way = method(N, setting.end)
    runs = drawn(RUNS, task, N, eta, setting.end, way, setting.step)
    how = f'runs={runs}, seed=({seed}, 1), method="{way}", step={setting.step}'
    turn = np.array2string(setting.turn, separator=", ", precision=17).replace("\n", "")
    ends = f"((False, {POINTS}), (True, {points}))"
    return f"""import numpy as np
import quadlib as ql
task, alpha = ql.Task({task.p}, {task.p_star}), np.linspace(0, {setting.end}, {POINTS})
drawn = ql.random_overlaps(task, {N}, {seed})
M = {setting.scale!r} * np.linalg.qr(drawn.M, mode="complete")[1]
M[:2] = np.array({turn}) @ M[:2]
start, eta = ql.Overlaps(drawn.Q - drawn.M @ drawn.M.T + M @ M.T, M), {eta}
flow, ode = (ql.integrate(task, start, eta=eta, alpha=alpha[:n], gradient_noise=noise, rtol=1e-5) for noise, n in {ends})
turned = [ql.misalignment(ql.polar_factor(run.M), ql.polar_factor(M)) for run in (flow, ode)]
sgd = ql.ensemble(task, start=start, eta=eta, alpha=alpha, N={N}, {how}, progress=False)"""  # noqa: E501
