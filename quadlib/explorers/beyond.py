"""Past the plain task: unequal teachers, label noise, large learning rates, large N."""

import math
from contextlib import suppress
from functools import partial
from typing import Any

import ipywidgets
import numpy as np

from quadlib.dynamics.together import Together
from quadlib.explorers import controls
from quadlib.explorers.runs import as_far, begun, curves, followed, how, level_of, method, repelled
from quadlib.late_time import late_time_law
from quadlib.live import Caption, Explorer, Pieces
from quadlib.notation import number
from quadlib.plotting import teacher_style
from quadlib.shapes import Array
from quadlib.state import random_overlaps
from quadlib.task import Task
from quadlib.trajectory import Trajectory

_POINTS, _RUNS = 121, 6
_COLUMNS = ("α", "ODE loss", *(f"ODE, teacher unit {r}" for r in (1, 2, 3)))
_TOP = 1.4


class Beyond(Explorer):
    """Loss, and how much of each of three teacher units is learned, T = diag(1 + d, 1, 1 − d)."""

    def build(self) -> dict[str, Any]:
        """Loss on the left; the learned part of each teacher unit on the right."""
        self.left, self.right = self.live.panels(1, 2, wspace=0.2)
        line = self.live.line
        self.sgd = line(self.left, "sgd", lw=0.7, label="SGD runs")
        self.ode = line(self.left, "ode", lw=2, label="ODE")
        self.level = line(self.left, "theory", ":", label="plateau")
        self.floor = line(self.left, "law", lw=1, label="floor")
        self.left.set(xlabel="α = samples / N", ylabel="population loss")
        self.noisy = line(self.right, "sgd", lw=0.7, label="SGD runs")
        self.learned = [
            self.right.plot([], [], lw=2.2, label=name, **teacher_style(r))[0]
            for r, name in enumerate(("teacher unit 1", "2", "3"))
        ]
        self.right.set(xlabel="α = samples / N", ylabel="learned part of a teacher unit")
        self.live.alike(self.left.xaxis, self.right.xaxis)
        self.live.animate()
        self.live.legend(self.left, ncols=4)
        self.live.legend(self.right, ncols=4)
        return {
            "spread": ipywidgets.FloatSlider(
                0.6, min=0.0, max=0.95, step=0.05, description="spread d of T"
            ),
            "label_noise": ipywidgets.FloatSlider(
                0.0, min=0.0, max=1.0, step=0.05, description="label noise"
            ),
            "eta": controls.learning_rate(),
            "log_N": controls.log_dimension(6.0),
            "p": controls.units(6, 12),
            "seed": ipywidgets.Button(description="new seed"),
        }

    def draw(self, values: dict[str, Any]) -> Caption:
        """Draw the ODE at once, runs of SGD from the same start a moment later."""
        task, eta, N, end = _setting(values)
        start = random_overlaps(task, N, values["seed"])
        points = np.linspace(0, end, _POINTS)
        ode, top = as_far(task, start, eta=eta, alpha=points, rtol=1e-5), level_of(task, eta)
        level = top.loss if top else math.nan
        parts = _learned(ode.M, task)
        self.ode.set_data(ode.alpha, ode.loss)
        self.level.set_data([0, end], [level, level])
        floor = math.nan
        with suppress(ValueError):
            floor = late_time_law(task, eta).floor
        # of first order in the noise: over the plateau it means nothing
        self.floor.set_data([0, end], [math.nan if floor >= level else floor] * 2)
        for line, part in zip(self.learned, parts.T, strict=True):
            line.set_data(ode.alpha, part)
        for line in (self.sgd, self.noisy):
            line.set_data([], [])
        # What blows up leaves the picture
        high = controls.round_up(1.1 * min(ode.loss.max(), 1.5 * ode.loss[0]))
        x = 0.0, min(end, controls.round_up(2 * ode.alpha[-1]))
        self.live.limits(self.left, x, (0.0, high))
        self.live.limits(self.right, x, (0.0, _TOP))
        for ax in (self.left, self.right):
            self.live.say(ax, "The ODE diverges at once.\nLower the learning rate η.")
        caption = _caption(task, eta, N, ode, parts, level, _warning(task, eta, ode, end, level))
        self.later(self._runs(values, start, points, caption))
        return caption

    def _runs(self, values: dict[str, Any], start: Any, points: Array, caption: Caption) -> Pieces:
        task, eta, N, end = _setting(values)
        more: Any = dict(eta=eta, alpha=points, N=N, method=method(N, end))
        sgd = begun(task, _RUNS, (values["seed"], 1), start, **more)
        yield from followed(sgd, controls.a_second(), partial(self.show, task, sgd, caption))

    def show(self, task: Task, sgd: Together, caption: Caption) -> Caption:
        """Draw these runs, and say where they end."""
        losses, parts = sgd.loss, np.moveaxis(_learned(sgd.M, task), -1, 1)
        self.sgd.set_data(*curves(sgd, losses))
        self.noisy.set_data(*curves(sgd, parts.reshape(-1, len(sgd.alpha))))
        last = losses[np.isfinite(losses[:, -1]), -1]
        words = f"{len(losses)} runs of SGD ({how(sgd, _RUNS)}) from the same start"
        words += f" end at a loss {controls.span(last)}" if len(last) else ""
        if diverged := int(sgd.diverged.sum()):
            words += f"{', but' if len(last) else ':'} {diverged} of them diverge"
        return caption._replace(alt=f"{caption.alt} {words}.")

    def script(self, values: dict[str, Any]) -> str:
        """Return the calls that give the ODE and the runs of SGD."""
        task, eta, N, end = _setting(values)
        seed, T = values["seed"], [round(float(t), 2) for t in np.diag(task.T)]
        n = len(self.ode.get_xdata())
        cut = "" if n == _POINTS else f"[:{n}]"
        return f"""import numpy as np
import quadlib as ql
task = ql.Task({task.p}, 3, T={T}, label_noise={task.label_noise})
start = ql.random_overlaps(task, {N}, {seed})
alpha = np.linspace(0, {end}, {_POINTS}){cut}
ode = ql.integrate(task, start, eta={eta}, alpha=alpha, rtol=1e-5)
learned = (ode.M**2).sum(1) * 3 / ({task.p} * np.diag(task.T) ** 2)
how = dict(eta={eta}, alpha=alpha, N={N}, method="{method(N, end)}", progress=False)
sgd = ql.ensemble(task, start=start, runs={_RUNS}, seed=({seed}, 1), **how)"""


def _setting(values: dict[str, Any]) -> tuple[Task, float, int, float]:
    """Task, η, N, and the time by which even the weakest teacher unit is learned, within reason."""
    d, eta, N = values["spread"], values["eta"], round(10 ** values["log_N"])
    task = Task(values["p"], 3, [1 + d, 1.0, 1 - d], values["label_noise"])
    first, last = (math.log(N) / 2 + 5) * 3 / (4 * eta * np.array([1 + d, 1 - d]))
    return task, eta, N, controls.round_up(min(1.1 * last, 8 * first))


def _learned(M: Array, task: Task) -> Array:
    """Squared length of each column of M, relative to that of a zero-loss solution."""
    return np.asarray((M**2).sum(-2) * 3 / (task.p * np.diag(task.T) ** 2))


def _warning(task: Task, eta: float, ode: Trajectory, end: float, level: float) -> str:
    """One sentence if this setting spoils the story, else nothing."""
    if ode.alpha[-1] < end:
        after = f"the ODE diverges after α = {number(ode.alpha[-1])}"
        return f"The learning rate η is too large: {after}. Lower it."
    if not math.isfinite(level):
        return "The learning rate η is too large: no plateau exists. Lower it."
    if task.p < 3:
        return f"{task.p} student unit{'s' * (task.p > 1)} cannot express 3 teacher units."
    return repelled(task, eta)


def _caption(
    task: Task, eta: float, N: int, ode: Trajectory, parts: Array, level: float, warning: str
) -> Caption:
    T = ", ".join(number(t) for t in np.diag(task.T))
    alt = f"Teacher units with T = diag({T}), p = {task.p}, N = {number(N)}, "
    alt += f"η = {number(eta)}, label noise {number(task.label_noise)}:"
    if math.isfinite(level):
        alt += f" the plateau is at loss {number(level)};"
    alt += f" the loss of the ODE is {number(ode.loss[-1])} at α = {number(ode.alpha[-1])}."
    steps = []
    for r, part in enumerate(parts.T):
        half = np.flatnonzero(part > 0.5)
        when = "half learned at the start"
        if not len(half):
            when = "not learned" + " in the time shown" * (task.p >= 3 and not warning)
        if len(half) and half[0] > 0:
            when = f"half learned at α = {number(ode.alpha[half[0]])}"
        steps.append(f"teacher unit {r + 1} is {when}")
    story = "; ".join(steps)
    story = f"{story[0].upper()}{story[1:]}"
    rows = np.column_stack([ode.alpha, ode.loss, parts]).tolist()
    return Caption(f"{alt} {story}.", _COLUMNS, rows, f"{story}.", warning)
