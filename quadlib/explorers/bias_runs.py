"""What the explorer of the implicit bias starts from, and the runs it follows."""

import math
from typing import Any, NamedTuple

import numpy as np

from quadlib.dynamics import simulate
from quadlib.dynamics.ode import integrate
from quadlib.explorers import controls
from quadlib.plateau import NoPlateauError, Plateau, critical_learning_rate, plateau
from quadlib.state import Overlaps, random_overlaps
from quadlib.task import Task
from quadlib.trajectory import DivergenceError, Trajectory

__all__ = ["POINTS", "Setting", "chosen", "deterministic", "sgd"]

POINTS = 121
"""Recorded times of a run."""


class Setting(NamedTuple):
    """What the controls ask for: a task, a start, and the time to follow it."""

    task: Task
    start: Overlaps
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
    def note(self) -> str:
        """One sentence if this setting spoils the story, else nothing."""
        p, p_star = self.task.p, self.task.p_star
        if self.plateau is None:
            return f"No plateau exists at η = {self.eta:g}: lower η."
        if self.plateau.escape_rate <= 0:
            return f"The plateau attracts at η = {self.eta:g}: lower η."
        if p < p_star:
            return f"p = {p} < p* = {p_star}: there is no zero-loss solution to choose."
        critical = critical_learning_rate(self.task)
        if self.eta > critical:
            return f"η = {self.eta:g} is above η_c = {critical:.3g}: solutions repel."
        return ""


def chosen(values: dict[str, Any]) -> Setting:
    """Return the setting for these values of the controls."""
    task, N, eta = Task(values["p"], values["p_star"]), round(10 ** values["log_N"]), values["eta"]
    p, k = task.p, task.p_star
    try:
        level = plateau(task, eta)
    except NoPlateauError:
        level = None
    drawn = random_overlaps(task, N, np.random.default_rng((values["seed"], 0)))
    # Turn the units so that the first teacher is seen by the first student alone, then by `angle`
    M = np.linalg.qr(drawn.M, mode="complete")[1]
    M *= np.sign(M[0, 0]) * values["size"] * math.sqrt(p * k / N) / np.linalg.norm(M)
    angle = math.radians(values["angle"])
    c, s = math.cos(angle), math.sin(angle)
    M[:2] = np.array([[c, -s], [s, c]]) @ M[:2] if p > 1 else c * M
    start = Overlaps(drawn.Q - drawn.M @ drawn.M.T + M @ M.T, M)
    rate = level.escape_rate if level and level.escape_rate > 0 else 4 * eta / k
    end = (max(math.log(N) / 2 - math.log(values["size"]), 0.0) + 5) / rate
    end = controls.round_up(min(end, 200 / eta))
    return Setting(task, start, N, eta, values["seed"], level, end)


def deterministic(setting: Setting, gradient_noise: bool) -> Trajectory:
    """Follow the ODE, or gradient flow, as far as it goes."""
    points = np.linspace(0.0, setting.end, POINTS)
    try:
        return integrate(
            setting.task, setting.start, eta=setting.eta, alpha=points, rtol=1e-7,
            gradient_noise=gradient_noise,
        )  # fmt: skip
    except DivergenceError as error:
        return error.trajectory


def sgd(setting: Setting, run: int) -> Trajectory:
    """Follow a run of SGD from the start of this setting, as far as it goes."""
    exact = setting.N * setting.end <= 2e5 or setting.N < 300
    # Short steps: their noise is to be Gaussian, as that of many samples
    step = None if exact else 0.004 / setting.eta
    try:
        return simulate(
            setting.task, setting.start, eta=setting.eta, N=setting.N,
            alpha=np.linspace(0.0, setting.end, POINTS),
            rng=np.random.default_rng((setting.seed, 1, run)),
            method="overlaps" if exact else "diffusion", step=step, progress=False,
        )  # fmt: skip
    except DivergenceError as error:
        return error.trajectory
