"""More units than teacher units: one loss curve a p, their late times, and when they escape."""

import math
import time
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from quadlib.dynamics.progress import to_the_end
from quadlib.explorers import controls, many_p
from quadlib.explorers.many_p import LARGEST, POINTS, N, Setting
from quadlib.explorers.runs import level_of, quicken, repelled
from quadlib.late_time import LateTimeLaw, late_time_law
from quadlib.live import Caption, Explorer, Pieces
from quadlib.notation import number
from quadlib.plotting import PALETTE, p_color, p_style
from quadlib.shapes import Array
from quadlib.trajectory import Trajectory

_OTHERS = (1, 2, 4, 8, 16)
_LATE, _HIGH = (1e-9, 10.0), 2.1  # for p = p* = 1 the loss begins at 2
_COLUMNS = ("units p", "mean escape time by the law", "its standard deviation")


class Overparameterization(Explorer):
    """Loss of the ODE for p units beside other p; late times; escape against p, N = 10⁶."""

    patience = 8.0

    def build(self) -> dict[str, Any]:
        """Loss on the left, late times in the middle, escape times on the right."""
        self.left, self.middle, self.right = self.live.panels(1, 3, wspace=0.36)
        self.others, self.this = {}, {}
        for ax in (self.left, self.middle):
            self.others[ax] = {
                p: ax.plot([], [], lw=1, label=f"p = {p}" if p == 1 else str(p), **p_style(p))[0]
                for p in _OTHERS
            }
            (self.this[ax],) = ax.plot([], [], color="k", lw=2.6, label="this p (thick)")
            ax.set(xlabel="α = samples / N")
        line = self.live.line
        self.level = line(self.left, "theory", ":", label="plateau")
        self.left.set_ylabel("population loss")
        self.live.log(self.middle.xaxis, self.middle.yaxis)
        self.middle.set_ylabel("population loss, late")
        self.law = line(self.middle, "law", lw=1.2, label="law")
        self.here = line(self.right, "ode", "o", ms=7, label="ODE, this p")
        self.bars = self.right.vlines([], [], [], colors=PALETTE["law"], lw=1.5)
        self.means = line(self.right, "law", "_", ms=9, mew=1.5, label="law: mean ± std")
        self.right.set(xlabel="units p", xscale="log", ylabel=f"escape time α, N = {number(N)}")
        self.right.set_xticks(_OTHERS, [str(p) for p in _OTHERS])
        self.right.minorticks_off()
        self.live.animate()
        self.live.legend(self.left, handles=[self.this[self.left], self.level])
        self.live.legend(self.middle, handles=[*self.others[self.middle].values(), self.law],
                         ncols=6, handlelength=1.0, columnspacing=0.7)  # fmt: skip
        self.live.legend(self.right)
        self.family: Setting | None = None
        return {
            "p": controls.units(4, LARGEST),
            "p_star": controls.teachers(),
            "eta": controls.learning_rate(),
            "constraint": controls.constraint(),
        }

    def draw(self, values: dict[str, Any]) -> Caption:
        """Draw this p on its way to the escape at once; the rest follows."""
        now = Setting(**values)
        run = to_the_end(many_p.ode(now))
        level, warning = _judge(now, run)
        family = now._replace(p=0)
        if family != self.family:  # else what is there of other p is still right
            for line in (line for lines in self.others.values() for line in lines.values()):
                line.set_data([], [])
            self.means.set_data([], [])
            self.bars.set_segments([])
        self.family = family
        for line in self.this.values():
            line.set(data=([], []), color=p_color(now.p))
        self.this[self.left].set_data(run.alpha, run.loss)
        self.level.set_data([0, now.end], [level, level])
        self.law.set_data([], [])
        escape = run.escape_time() if math.isfinite(level) else math.inf
        self.here.set_data([now.p], [escape])
        self.live.say(self.right, "no escape from the plateau:\nno law of its time")
        self.live.say(self.middle, "η is too large:\nno zero loss to fall to")
        self.live.limits(self.left, (0.0, now.end), (0.0, _HIGH))
        self.live.limits(self.middle, (now.late[0], now.late[-1]), _LATE)
        self.live.limits(self.right, (0.8, 20.0), (0.0, now.end))
        alt = f"{now.constraint.capitalize()} norms, p = {now.p}, p* = {now.p_star}, "
        alt += f"η = {number(now.eta)}, N = {number(N)}. "
        alt += f"The plateau is at loss {number(level)}. " * math.isfinite(level)
        last = f"has the loss {number(run.loss[-1])} at α = {number(run.alpha[-1])}"
        story = f"escapes at α = {number(escape)}" if math.isfinite(escape) else last
        summary = f"With p = {now.p} the ODE {story}."
        caption = Caption(alt + summary, summary=summary, warning=warning)
        self.later(self._rest(now, caption))
        return caption

    def _rest(self, now: Setting, caption: Caption) -> Pieces:
        end = controls.a_second()
        for p, line in self.others[self.left].items():
            other = yield from many_p.ode(now._replace(p=p))
            yield partial(line.set_data, other.alpha, other.loss)
        if now.settles:
            run = yield from many_p.ode(now, late=True)
            caption = caption._replace(alt=f"{caption.alt} {_words(now, run)}")
            yield partial(self._show_law, now, run, caption)
        laws, every = 0, sorted({*_OTHERS, now.p}, key=lambda p: p != now.p)
        rows: list[tuple[int, float, float]] = []
        for p in every:
            if (found := (yield from many_p.law(now._replace(p=p)))) is not None:
                rows.append((p, *found))
                caption = caption._replace(columns=_COLUMNS, rows=sorted(rows))
                if p == now.p:
                    words = f" SGD escapes at α = {' ± '.join(map(number, found))}, by the law."
                    caption = caption.and_so(words)
                yield partial(self._show_escapes, caption)
            yield None
            laws += 1
            if time.process_time() > end - 0.6:
                break
        late, others = 0, self.others[self.middle] if now.settles else {}
        for p, line in others.items():
            if time.process_time() > end - 0.4:
                break
            other = yield from many_p.ode(now._replace(p=p), late=True)
            yield partial(line.set_data, *_shown(other))
            late += 1
        yield from quicken()
        less = controls.fewer(
            f"laws at {laws} of {len(every)} p" * (laws < len(every)),
            f"late losses of {late} of {len(others)} other p" * (late < len(others)),
        )
        if less:
            yield partial(caption.and_so, f" Drawn are {less}.")

    def _show_escapes(self, caption: Caption) -> Caption:
        p, mean, std = np.array(caption.rows, dtype=float).T
        self.means.set_data(p, mean)
        self.bars.set_segments(np.stack([[p, mean - std], [p, mean + std]]).transpose(2, 0, 1))
        return caption

    def _show_law(self, now: Setting, run: Trajectory, caption: Caption) -> Caption:
        self.this[self.middle].set_data(*_shown(run))
        self.law.set_data(*_law_curve(now, run))
        return caption

    def script(self, values: dict[str, Any]) -> str:
        """Return the calls that give the curves of this p, and the laws."""
        return many_p.script(Setting(**values))


def _shown(run: Trajectory) -> tuple[Array, Array]:
    """Loss between the edges of the picture; further down there is only rounding."""
    inside = (run.loss > _LATE[0]) & (run.loss < _LATE[1])
    shown = slice(int(inside.cumprod().sum()))
    return run.alpha[shown], run.loss[shown]


def _judge(now: Setting, run: Trajectory) -> tuple[float, str]:
    """Level of the plateau, NaN without one, and a sentence if the story is spoilt."""
    top = level_of(now.task, now.eta, now.constraint)
    level, story = top.loss if top else math.nan, "" if top else "no plateau exists"
    if top and top.escape_rate <= 0:
        story = "on the plateau M shrinks, nothing escapes"
    if len(run.alpha) < POINTS:
        story = "the ODE diverges"
    if story:
        return level, f"The learning rate η is too large: {story}. Lower it."
    if now.p < now.p_star:
        less = f"p = {now.p} is less than p* = {now.p_star}"
        return level, f"{less}: the loss cannot reach zero. Raise p."
    return level, repelled(now.task, now.eta)


def _late_law(now: Setting) -> LateTimeLaw | None:
    with suppress(ValueError):
        law = late_time_law(now.task, now.eta, now.constraint)
        return law if law.kind != "floor" else None
    return None


def _law_curve(now: Setting, run: Trajectory) -> tuple[Array, Array]:
    """C/α², or the exponential through the point at which the loss is 1e-3; inside the picture."""
    law, small, x = _late_law(now), np.flatnonzero(run.loss < 1e-3), run.alpha
    if law is None or len(small) == 0:
        return x[:0], x[:0]
    i = small[0]
    y = (law.prefactor or 0.0) / x**2
    if law.rate is not None:
        x = np.linspace(x[i], 2 * x[i], 100)
        y = run.loss[i] * np.exp(-law.rate * (x - x[0]))
    inside = (y > _LATE[0]) & (y < _LATE[1])
    return x[inside], y[inside]


def _words(now: Setting, run: Trajectory) -> str:
    if len(run.alpha) == 0:
        return "Then nothing is left of it."
    end = f"at α = {number(run.alpha[-1])} the loss is {number(run.loss[-1])}."
    law = _late_law(now)
    if law is None:
        return f"Late, {end}"
    power, rate = f"as {number(law.prefactor or 0.0)}/α²; {end}", number(law.rate or 0.0)
    how = power if law.rate is None else f"exponentially, at rate {rate}."
    return f"Late the loss falls {how}"
