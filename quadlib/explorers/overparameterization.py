"""More students than teachers: one loss curve a p, their late times, and when they escape."""

import math
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from quadlib.checks import Constraint
from quadlib.claims.overparameterization import nested_start
from quadlib.dynamics.ode import integrate
from quadlib.escape import escape_law
from quadlib.explorers import controls
from quadlib.late_time import LateTimeLaw, late_time_law
from quadlib.live import Caption, Explorer, Pieces
from quadlib.plateau import NoPlateauError, critical_learning_rate, plateau
from quadlib.plotting import PALETTE
from quadlib.shapes import Array
from quadlib.state import Overlaps
from quadlib.task import Task
from quadlib.trajectory import DivergenceError, Trajectory

__all__ = ["Overparameterization"]

_N, _LARGEST, _POINTS = 10**6, 16, 201
_SEED = 25  # its ODE escapes near the mean of the law at every p
_OTHERS = (1, 2, 4, 8, 16)
_LATE = (1e-9, 100.0)
_NICE = np.outer(10.0 ** np.arange(-1, 7), [1, 1.5, 2.5, 4, 6.5]).ravel()
_COLUMNS = ("students p", "⟨α_esc⟩, law", "std, law")


class _Setting(NamedTuple):
    p: int
    p_star: int
    eta: float
    constraint: Constraint

    @property
    def task(self) -> Task:
        return Task(self.p, self.p_star)

    @property
    def start(self) -> Overlaps:
        return nested_start(self.p_star, _N, self.p, _LARGEST, self.constraint, _SEED)

    @property
    def end(self) -> float:
        """Time at which typical students have escaped, rounded up; the same for every p."""
        return float(_NICE[np.searchsorted(_NICE, 3.2 * self.p_star / self.eta)])


class Overparameterization(Explorer):
    """Loss of the ODE for p students beside other p; late times; escape against p, N = 1e6."""

    patience = 8.0

    def build(self) -> dict[str, Any]:
        """Loss on the left, late times in the middle, escape times on the right."""
        figure = self.live.figure
        figure.set_layout_engine("none")
        sides = dict(left=0.065, right=0.985, top=0.9, bottom=0.135, wspace=0.31)
        self.left, self.middle, self.right = figure.subplots(1, 3, gridspec_kw=sides)
        blue, grey, orange, black = (PALETTE[c] for c in ("ode", "sgd", "flow", "theory"))
        self.lines = {}
        for ax in (self.left, self.middle):
            lines = [ax.plot([], [], color=grey, lw=0.8)[0] for _ in _OTHERS]
            lines += ax.plot([], [], color=orange, lw=1.5, label="p = p*")
            lines += ax.plot([], [], color=blue, lw=2.2, label="this p")
            lines[0].set_label(f"p = {', '.join(map(str, _OTHERS))}")
            self.lines[ax] = lines
            ax.set(xlabel="α = samples / N")
            ax.locator_params(nbins=4)  # ticks cost more than lines
        self.middle.set(xscale="log", yscale="log", title="late times")
        self.middle.minorticks_off()
        self.left.set_ylabel("population loss", labelpad=2)
        (self.level,) = self.left.plot([], [], color=black, ls=":", lw=1.2, label="plateau")
        (self.law,) = self.middle.plot([], [], color=black, ls="--", lw=1.2, label="law, this p")
        self.bars = self.right.vlines([], [], [], colors=black, lw=1.5)
        (self.means,) = self.right.plot([], [], "o", color=black, ms=4, label="law: mean ± std")
        (self.here,) = self.right.plot([], [], "o", color=blue, ms=8, alpha=0.7)
        self.here.set_label("ODE, this p")
        self.right.locator_params(nbins=4)
        self.right.set(xlabel="students p", xscale="log", title=f"escape, N = {_N:,}")
        self.right.set_ylabel("escape time α", labelpad=2)
        self.right.set_xticks(_OTHERS, [str(p) for p in _OTHERS])
        self.right.minorticks_off()
        self.note = self.left.text(0.0, 1.035, "", transform=self.left.transAxes, color=orange)
        moving = [*self.lines[self.left], *self.lines[self.middle], self.level, self.law]
        self.live.animate(*moving, self.bars, self.means, self.here, self.note)
        self.left.legend(loc="upper right", fontsize="small").set_zorder(1)
        self.middle.legend(handles=[self.law], loc="upper right", fontsize="small").set_zorder(1)
        self.right.legend(loc="lower left", fontsize="small").set_zorder(1)
        self.family: _Setting | None = None
        return {
            "p": controls.units(4, _LARGEST),
            "p_star": controls.teachers(),
            "eta": controls.learning_rate(),
            "constraint": controls.constraint(),
        }

    def draw(self, values: dict[str, Any]) -> Caption:
        """Draw this p on its way to the escape at once; the rest follows."""
        now = _Setting(values["p"], values["p_star"], values["eta"], values["constraint"])
        run = _early(now)
        level, note = _judge(now, run)
        family = now._replace(p=now.p_star)
        if family != self.family:  # else what is there of other p is still right
            for line in self.lines[self.left] + self.lines[self.middle]:
                line.set_data([], [])
            self.means.set_data([], [])
            self.bars.set_segments([])
        self.family = family
        self.lines[self.left][-1].set_data(run.alpha, run.loss)
        self.lines[self.middle][-1].set_data([], [])
        self.level.set_data([0, now.end], [level, level])
        self.law.set_data([], [])
        escape = run.escape_time() if math.isfinite(level) else math.inf
        self.here.set_data([now.p], [escape])
        self.note.set_text(note)
        self.live.limits(self.left, (0.0, now.end), (0.0, 1.8))
        self.live.limits(self.middle, (now.end / 10, now.end * 100), _LATE)
        self.live.limits(self.right, (0.8, 20.0), (0.0, now.end))
        norms = now.constraint.capitalize()
        words = [note, f"{norms} norms, p = {now.p}, p* = {now.p_star}, η = {now.eta:g}."]
        if math.isfinite(level):
            words.append(f"The plateau is at {level:.3f}.")
        if math.isfinite(escape):
            words.append(f"The ODE escapes at α = {escape:.1f}.")
        elif len(run.alpha):
            words.append(f"At α = {run.alpha[-1]:.4g} the loss of the ODE is {run.loss[-1]:.3g}.")
        caption = Caption(" ".join(filter(None, words)))
        self.later(self._rest(now, caption))
        return caption

    def _rest(self, now: _Setting, caption: Caption) -> Pieces:
        """Other p on the left, late times, laws of the escape."""
        for line, p in zip(self.lines[self.left][-2::-1], (now.p_star, *_OTHERS), strict=True):
            other = _early(now._replace(p=p))
            yield partial(line.set_data, other.alpha, other.loss)
        lines = self.lines[self.middle]
        run = _late(now)
        caption = caption._replace(alt=f"{caption.alt} {_words(now, run)}")
        yield partial(self._show_law, now, run, caption)
        for line, p in zip(lines[::-1], (now.p, now.p_star, *_OTHERS[::-1]), strict=True):
            yield partial(line.set_data, *_shown(_late(now._replace(p=p))))
        caption = caption._replace(columns=_COLUMNS)
        for p in sorted({*_OTHERS, now.p}):
            if (found := _escape(now._replace(p=p))) is not None:
                caption = caption._replace(rows=(*caption.rows, (p, *found)))
                if p == now.p:
                    words = f" The law of SGD at N = {_N:,}: α = {found[0]:.1f} ± {found[1]:.1f}."
                    caption = caption._replace(alt=caption.alt + words)
                yield partial(self._show_escapes, caption)

    def _show_escapes(self, caption: Caption) -> Caption:
        rows: Any = caption.rows
        self.means.set_data([row[0] for row in rows], [row[1] for row in rows])
        self.bars.set_segments([[(p, mean - std), (p, mean + std)] for p, mean, std in rows])
        return caption

    def _show_law(self, now: _Setting, run: Trajectory, caption: Caption) -> Caption:
        self.law.set_data(*_law_curve(now, run))
        return caption


def _shown(run: Trajectory) -> tuple[Array, Array]:
    """Loss down to the axis; further down there is only rounding."""
    below = np.flatnonzero(run.loss < _LATE[0])
    shown = slice(below[0] + 1 if len(below) else None)
    return run.alpha[shown], run.loss[shown]


def _integrate(setting: _Setting, alpha: Array, rtol: float) -> Trajectory:
    try:
        return integrate(
            setting.task, setting.start, eta=setting.eta, alpha=alpha,
            constraint=setting.constraint, rtol=rtol,
        )  # fmt: skip
    except DivergenceError as error:
        return error.trajectory


@lru_cache(maxsize=64)
def _early(setting: _Setting) -> Trajectory:
    return _integrate(setting, np.linspace(0, setting.end, _POINTS), 1e-5)


@lru_cache(maxsize=64)
def _late(setting: _Setting) -> Trajectory:
    return _integrate(setting, np.geomspace(setting.end / 10, setting.end * 100, 241), 1e-7)


@lru_cache(maxsize=256)
def _escape(setting: _Setting) -> tuple[float, float] | None:
    """Mean and standard deviation of the escape time, or None where SGD does not escape."""
    with suppress(ValueError), np.errstate(over="ignore", invalid="ignore"):  # it may diverge
        # The law is slow to find that there is no escape; the ODE knows at once
        if math.isfinite(_early(setting).escape_time()):
            law = escape_law(setting.task, _N, setting.eta, setting.constraint)
            return law.mean, law.std
    return None


def _judge(now: _Setting, run: Trajectory) -> tuple[float, str]:
    """Level of the plateau, NaN without one, and a sentence if the story is spoilt."""
    level, note = math.nan, "No plateau exists at this η: lower η."
    with suppress(NoPlateauError):
        top = plateau(now.task, now.eta, now.constraint)
        level = top.loss
        note = "" if top.escape_rate > 0 else "The plateau attracts at this η: lower η."
    if len(run.alpha) < _POINTS:
        note = "The ODE diverges: lower η."
    elif not note and now.p < now.p_star:
        note = "p < p*: the loss cannot reach zero."
    elif not note and now.eta >= (critical := critical_learning_rate(now.task)):
        note = f"η is not below η_c = {critical:.3g}: solutions repel."
    return level, note


def _late_law(now: _Setting) -> LateTimeLaw | None:
    with suppress(ValueError):
        return late_time_law(now.task, now.eta, now.constraint)
    return None


def _law_curve(now: _Setting, run: Trajectory) -> tuple[Array, Array]:
    """C/α², or the exponential through the point at which the loss is 1e-3."""
    law, small = _late_law(now), np.flatnonzero(run.loss < 1e-3)
    if law is None or len(small) == 0:
        return np.empty(0), np.empty(0)
    if law.rate is None:
        return run.alpha, (law.prefactor or 0.0) / run.alpha**2
    i = small[0]
    x = np.linspace(run.alpha[i], 2 * run.alpha[i], 100)
    return x, run.loss[i] * np.exp(-law.rate * (x - run.alpha[i]))


def _words(now: _Setting, run: Trajectory) -> str:
    if len(run.alpha) == 0:
        return "Then nothing is left of it."
    law, end = _late_law(now), f"at α = {run.alpha[-1]:.3g} the loss is {run.loss[-1]:.2g}."
    if law is None:
        return f"Late, {end}"
    if law.prefactor is None:
        return f"Late the loss falls exponentially, at rate {law.rate:.3g}."
    return f"Late the loss falls as {law.prefactor:.3g}/α²; {end}"
