"""The escape from the plateau: the loss, the growth of M under it, and the law of its time."""

import math
import time
from functools import partial
from typing import Any, ClassVar

import numpy as np

from quadlib.dynamics.compiled import if_compiled
from quadlib.dynamics.together import Together
from quadlib.escape import EscapeLaw, escape_law_in_pieces
from quadlib.explorers import controls
from quadlib.explorers.runs import Setting, advance, curves, doubts, outcome, passages, setting
from quadlib.live import Caption, Explorer, Pieces
from quadlib.notation import number
from quadlib.passage import first_passage
from quadlib.plotting import PALETTE
from quadlib.shapes import Array
from quadlib.trajectory import Trajectory

_RUNS, _BINS = (10, 10, 20, 40, 80, 160), 30
_COLUMNS = ("α", "loss of the ODE", "‖M‖ of the ODE")


class Escape(Explorer):
    """Loss and ‖M‖ of the ODE and of SGD, and the histogram of escape times against the law."""

    seconds: ClassVar[float] = 2.0  # of the processor, after which no more runs are begun

    def build(self) -> dict[str, Any]:
        """Loss over ‖M‖ on the left, escape times on the right."""
        sides = dict(left=0.075, right=0.97, top=0.865, bottom=0.13, wspace=0.2, hspace=0.17)
        figure = self.live.figure
        grid = figure.add_gridspec(2, 2, **sides)
        self.top, self.bottom = (figure.add_subplot(grid[row, 0]) for row in (0, 1))
        self.right = figure.add_subplot(grid[:, 1])
        line, grown = self.live.line, "growth at the plateau's rate, √(q/q₀) exp(rα)"
        self.sgd = line(self.top, "sgd", lw=0.7, label="SGD, ten runs")
        self.ode = line(self.top, "ode", lw=2, label="ODE")
        self.level = line(self.top, "theory", ":", lw=1.2, label="plateau")
        self.sgd_M = line(self.bottom, "sgd", lw=0.7)
        self.ode_M = line(self.bottom, "ode", lw=2)
        self.growth = line(self.bottom, "theory", ":", lw=1.5, label=grown)
        self.edges = np.arange(_BINS + 1.0)
        style: Any = dict(fill=True, facecolor="#D9D9D9", edgecolor=PALETTE["sgd"], lw=0.8)
        self.bars = self.right.stairs(np.zeros(_BINS), self.edges, label="SGD", **style)
        self.law = line(self.right, "law", lw=2, label="law")
        self.bare = line(self.right, "law", "--", lw=1.2, label="law without the noise of SGD")
        for ax, x, y in (
            (self.top, "", "population loss"),
            (self.bottom, "α = samples / N", "‖M‖"),
            (self.right, "escape time α", "probability density"),
        ):
            self.live.tidy(ax)
            ax.set(xlabel=x, ylabel=y, xlim=(0, 1), ylim=(0, 1))
            self.live.legend(ax)
            self.live.say(ax, "All diverge at once.")
        self.top.locator_params(axis="y", nbins=3)
        self.top.tick_params(labelbottom=False)
        self.live.log(self.bottom.yaxis)
        self.live.animate()
        self.batches: list[Together] = []
        self.tall = 1.0
        return {
            "p": controls.units(),
            "p_star": controls.teachers(),
            "eta": controls.learning_rate(0.1),
            "log_N": controls.log_dimension(6.0),
        }

    def ahead(self, values: dict[str, Any]) -> None:
        """Know the ODE."""
        setting(values).ode()

    def draw(self, values: dict[str, Any]) -> Caption:
        """Draw the ODE and the growth rate at once; the law and the runs follow."""
        now = setting(values)
        ode = now.ode()
        norm = np.linalg.norm(ode.M, axis=(1, 2))
        self.ode.set_data(ode.alpha, ode.loss)
        self.ode_M.set_data(ode.alpha, norm)
        for line in (self.sgd, self.sgd_M, self.level, self.growth, self.law, self.bare):
            line.set_data([], [])
        self.bars.set_data(np.zeros(_BINS))
        self.live.say(self.right, "" if now.leaves else "No escape, no law.")
        top, self.batches = ode.loss[0], []
        if now.plateau:
            self.level.set_data([0.0, now.end], [now.plateau.loss] * 2)
            # (3.2), with the growth rate at this learning rate; q₀ = 1
            with np.errstate(over="ignore"):
                line = norm[0] * math.sqrt(now.plateau.q)
                growth = line * np.exp(now.plateau.escape_rate * now.alpha)
            self.growth.set_data(now.alpha, np.where(growth < 10, growth, np.nan))
            top = max(top, now.plateau.loss)
        end = min(now.end, controls.round_up(2 * ode.alpha[-1]))
        self.live.limits(self.top, (0.0, end), (0.0, controls.round_up(1.1 * top)))
        low = 10.0 ** (math.floor(math.log10(norm[0])) - 1)
        self.live.limits(self.bottom, (0.0, end), (low, 10.0))
        caption = _caption(now, ode, norm)
        self.later(self.runs(now, caption))
        return caption

    def runs(self, now: Setting, caption: Caption) -> Pieces:
        """Add the law, then the runs, twice as many each time."""
        end, law = controls.a_second(), None
        if now.leaves:
            asked = now.task, now.N, now.eta
            try:
                law = yield from escape_law_in_pieces(*asked)
                bare = yield from escape_law_in_pieces(*asked, plateau_noise=False)
            except ValueError:
                law, text = None, "No law: half of the plateau's loss is not lost from every start."
                caption = caption._replace(alt=f"{caption.alt} {text}")
                self.live.say(self.right, text.replace(" is", "\nis"))
            else:
                caption = caption._replace(
                    alt=f"{caption.alt} By the law the escape time is {number(law.mean)} ± "
                    f"{number(law.std)}; without the noise of SGD it would be {number(bare.mean)}.",
                    warning=caption.warning or doubts(law),
                )
                yield partial(self.show_law, law, bare, caption)
        done, begun = 0, time.process_time()
        for more in _RUNS if law else _RUNS[:1]:  # a histogram needs the law's limits
            batch = now.runs(more, done)
            yield from advance(batch, end)
            done += len(batch.state)
            yield partial(self.show_runs, now, batch, caption, law)
            # the next is as long as all before
            if time.process_time() - begun > if_compiled(self.seconds, 0.3):
                break

    def show_law(self, law: EscapeLaw, bare: EscapeLaw, caption: Caption) -> Caption:
        """Draw the densities, in limits that seldom change."""
        step = controls.round_up(law.std)
        middle = step * round(law.mean / step)
        low, high = max(0.0, middle - 4 * step), middle + 5 * step
        alpha = np.linspace(low, high, 200)
        density, other = law.density(alpha), bare.density(alpha)
        self.law.set_data(alpha, density)
        self.law.set_linestyle("-" if law.trusted else ":")
        self.bare.set_data(alpha, other)
        self.edges = np.linspace(low, high, _BINS + 1)
        self.bars.set_data(np.zeros(_BINS), self.edges)
        self.tall = controls.round_up(1.4 * max(density.max(), other.max()))
        self.live.limits(self.right, (low, high), (0.0, self.tall))
        return caption

    def show_runs(
        self, now: Setting, batch: Together, caption: Caption, law: EscapeLaw | None
    ) -> Caption:
        """Draw ten runs and all escape times, and say when they escape."""
        self.batches.append(batch)
        first = self.batches[0]
        self.sgd.set_data(*curves(first, first.loss))
        self.sgd_M.set_data(*curves(first, np.linalg.norm(first.M, axis=(2, 3))))
        escaped = np.concatenate([passages(part, now.half) for part in self.batches])
        text = outcome(self.batches, _RUNS[0], escaped, law)
        if law:
            counts = np.histogram(escaped, self.edges)[0]
            width = self.edges[1] - self.edges[0]
            heights = counts / (width * max(len(escaped), 1))
            self.bars.set_data(heights)
            tall = max(self.tall, controls.round_up(heights.max()))
            self.live.limits(self.right, (self.edges[0], self.edges[-1]), (0.0, tall))
            beside = len(escaped) - int(counts.sum())
            text += f", {beside} of them beside the histogram" * bool(beside)
        return caption._replace(alt=f"{caption.alt} {text}.", summary=f"{text}.")

    def script(self, values: dict[str, Any]) -> str:
        """Return the calls for the ODE, the law and the runs that are shown."""
        now = setting(values)
        lines = now.calls(now.ode(), sum(len(batch.loss) for batch in self.batches))
        if len(self.law.get_xdata()):
            lines.append("law = ql.escape_law(task, N, eta)")
            lines.append("bare = ql.escape_law(task, N, eta, plateau_noise=False)")
        return "\n".join(lines)


def _caption(now: Setting, ode: Trajectory, norm: Array) -> Caption:
    task, level = now.task, now.plateau
    alt = f"p = {task.p}, p* = {task.p_star}, N = {number(now.N)}, η = {number(now.eta)}: "
    if level:
        alt += f"the plateau is at loss {number(level.loss)}, "
        alt += f"where M goes as exp({number(level.escape_rate)} α); "
    escape = float(first_passage(ode.alpha, ode.loss, now.half))
    summary = "The ODE does not escape."
    if math.isfinite(escape):
        alt += f"the ODE has lost half of it at α = {number(escape)}, and "
        summary = f"The ODE has lost half of the plateau at α = {number(escape)}."
    alt += (
        f"the ODE's loss goes from {number(ode.loss[0])} to {number(ode.loss[-1])} at "
        f"α = {number(ode.alpha[-1])}, ‖M‖ from {number(norm[0], 2)} to {number(norm[-1], 2)}."
    )
    rows = np.column_stack([ode.alpha, ode.loss, norm]).tolist()
    return Caption(alt, _COLUMNS, rows, summary, now.warning(ode))
