"""Past the plain task: unequal teachers, label noise, large learning rates, large N."""

import math
from typing import Any

import ipywidgets
import numpy as np

from quadlib.claims.beyond import learned
from quadlib.dynamics import simulate
from quadlib.dynamics.ode import integrate
from quadlib.explorers import controls
from quadlib.live import Caption, Explorer, Pieces
from quadlib.plateau import NoPlateauError, critical_learning_rate, plateau
from quadlib.plotting import PALETTE, teacher_color
from quadlib.shapes import Array
from quadlib.state import random_overlaps
from quadlib.task import Task
from quadlib.trajectory import DivergenceError, Trajectory

__all__ = ["Beyond"]

_POINTS, _RUNS = 201, 6
_TEACHERS = tuple(teacher_color(r) for r in range(3))


class Beyond(Explorer):
    """Loss, and how much of each of three teachers is learned, T = diag(1 + d, 1, 1 − d)."""

    def build(self) -> dict[str, Any]:
        """Loss on the left; the learned part of each teacher on the right."""
        figure = self.live.figure
        figure.set_layout_engine("none")
        sides = dict(left=0.075, right=0.985, top=0.91, bottom=0.13, wspace=0.17)
        self.left, self.right = figure.subplots(1, 2, gridspec_kw=sides)
        (self.ode,) = self.left.plot([], [], color=PALETTE["ode"], lw=2, label="ODE")
        (self.level,) = self.left.plot([], [], color="k", ls=":", lw=1.2, label="plateau")
        (self.floor,) = self.left.plot([], [], color="k", ls="--", lw=1, label="label noise / 2")
        self.sgd = [
            self.left.plot([], [], color=PALETTE["sgd"], lw=0.7, label="SGD" if i == 0 else None)[0]
            for i in range(_RUNS)
        ]
        self.left.set(xlabel="α = samples / N", ylabel="population loss")
        self.learned = [
            self.right.plot([], [], color=name, lw=2, label=f"teacher {r + 1}")[0]
            for r, name in enumerate(_TEACHERS)
        ]
        self.noisy = [
            self.right.plot([], [], color=name, lw=0.5)[0]
            for _ in range(_RUNS)
            for name in _TEACHERS
        ]
        self.right.set(xlabel="α = samples / N", ylabel="learned part of a teacher", ylim=(0, 1.3))
        self.note = self.left.text(
            0, 1.03, "", transform=self.left.transAxes, color=PALETTE["flow"]
        )
        moving = [self.ode, self.level, self.floor, *self.sgd, *self.learned, *self.noisy]
        self.live.animate(*moving, self.note)
        # Under the lines they belong to the background: their text would cost 10 ms a move
        self.left.legend(loc="upper right", fontsize="small").set_zorder(1)
        self.right.legend(loc="upper left", fontsize="small").set_zorder(1)
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
        """Draw the ODE at once, runs of the diffusion from the same start a moment later."""
        spread, eta, N = values["spread"], values["eta"], round(10 ** values["log_N"])
        task = Task(values["p"], 3, [1 + spread, 1.0, 1 - spread], values["label_noise"])
        start = random_overlaps(task, N, values["seed"])
        end = controls.round_up(2 * (math.log(N) / 2 + 6) * 3 / (4 * eta * (1 + spread)))
        points = np.linspace(0, end, _POINTS)
        note = ""
        try:
            ode = integrate(task, start, eta=eta, alpha=points, rtol=1e-5)
        except DivergenceError as error:
            ode = error.trajectory
            last = f"{ode.alpha[-1]:.3g}" if len(ode.alpha) else "0"
            note = f"The ODE diverges after α = {last}: lower η."
        try:
            level = plateau(task, eta).loss
        except NoPlateauError:
            level = math.nan
            note = note or "There is no plateau at this η: lower η."
        if not note and task.p < 3:
            note = f"p = {task.p} students cannot express 3 teachers."
        elif not note and eta > (critical := critical_learning_rate(task)):
            note = f"η is above η_c = {critical:.3g}: solutions repel."
        parts = learned(ode)
        self.ode.set_data(ode.alpha, ode.loss)
        self.level.set_data([0, end], [level, level])
        self.floor.set_data([0, end], [task.label_noise / 2] * 2)
        for line, part in zip(self.learned, parts.T, strict=True):
            line.set_data(ode.alpha, part)
        for line in (*self.sgd, *self.noisy):
            line.set_data([], [])
        self.note.set_text(note)
        high = min(ode.loss.max(), 1.5 * ode.loss[0]) if len(ode.loss) else 1.0
        self.live.limits(self.left, (0.0, end), (0.0, controls.round_up(1.3 * float(high))))
        self.live.limits(self.right, (0.0, end), (0.0, 1.3))
        caption = _caption(ode, parts, level, note)
        self.later(self._runs(task, start, eta, points, N, values["seed"], caption))
        return caption

    def _runs(
        self, task: Task, start: Any, eta: float, points: Array, N: int, seed: int, caption: Caption
    ) -> Pieces:
        method: Any = "overlaps" if N < 300 else "diffusion"
        diverged = 0
        for i in range(_RUNS):
            run = None
            try:
                rng = np.random.default_rng((seed, i))
                run = simulate(
                    task, start, eta=eta, alpha=points, N=N, rng=rng, method=method, progress=False
                )
            except DivergenceError as error:
                run = error.trajectory
                diverged += 1
            words = f" {i + 1} SGD runs from the same start"
            words += f", {diverged} of which diverge" if diverged else ""
            words += f", end at loss {run.loss[-1]:.3g}." if len(run.loss) else "."

            def show(i: int = i, run: Trajectory = run, words: str = words) -> Caption:
                self.sgd[i].set_data(run.alpha, run.loss)
                for r, part in enumerate(learned(run).T):
                    self.noisy[3 * i + r].set_data(run.alpha, part)
                return caption._replace(alt=caption.alt + words)

            yield show


def _caption(ode: Trajectory, parts: Array, level: float, note: str) -> Caption:
    if len(ode.alpha) == 0:
        return Caption(note)
    words = [note] if note else []
    if math.isfinite(level):
        words.append(f"The plateau is at loss {level:.3g}.")
    words.append(f"The ODE ends at loss {ode.loss[-1]:.3g}, α = {ode.alpha[-1]:.3g}.")
    for r, part in enumerate(parts.T):
        half = np.flatnonzero(part > 0.5)
        when = f"by α = {ode.alpha[half[0]]:.3g}" if len(half) else "at no time"
        words.append(f"Teacher {r + 1} is half learned {when}.")
    rows = [
        (float(ode.alpha[i]), float(ode.loss[i]), *map(float, parts[i]))
        for i in range(0, len(ode.alpha), 10)
    ]
    return Caption(" ".join(words), ("α", "loss", "teacher 1", "teacher 2", "teacher 3"), rows)
