"""The whole story in one picture: the loss stays on a plateau, then falls."""

import math
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any

import ipywidgets
import numpy as np

from quadlib.dynamics.together import Together
from quadlib.escape import EscapeLaw, escape_law_in_pieces
from quadlib.explorers import controls
from quadlib.explorers.runs import Setting, curves, doubts, followed, outcome, passages, setting
from quadlib.live import Caption, Explorer, Pieces
from quadlib.notation import number
from quadlib.passage import first_passage
from quadlib.plotting import PALETTE, joined
from quadlib.shapes import Array
from quadlib.trajectory import Trajectory

_COLUMNS = ("α", "ODE loss", "M smallest", "M largest", "Q smallest", "Q largest")


class Tour(Explorer):
    """SGD runs, the ODE they follow, its plateau and the time of escape; and the overlaps."""

    def build(self) -> dict[str, Any]:
        """Loss on the left; singular values of the overlaps on the right."""
        self.left, self.right = self.live.panels(1, 2)
        grey, blue, black, dark = (PALETTE[name] for name in ("sgd", "ode", "law", "theory"))
        (self.sgd,) = self.left.plot([], [], color=grey, lw=0.7, label="SGD runs")
        (self.ode,) = self.left.plot([], [], color=blue, lw=2, label="ODE, dot: escape")
        (self.levels,) = self.left.plot([], [], color=dark, ls=":", lw=1.2, label="plateau, floor")
        (self.escapes,) = self.left.plot([], [], "o", color=grey, ms=3)
        (self.law,) = self.left.plot([], [], "|-", color=black, lw=2.5, ms=12, mew=2)
        self.law.set_label("law: mean ± std")
        (self.ode_escape,) = self.left.plot([], [], "o", color=blue, ms=7)
        self.left.set(xlabel="α = samples / N", ylabel="population loss")
        (self.M,) = self.right.plot([], [], color=blue, label="singular values of M")
        (self.Q,) = self.right.plot([], [], color=blue, ls="-.", lw=1, label="eigenvalues of Q")
        self.right.set(xlabel="α = samples / N", ylabel="overlaps of the ODE")
        self.live.alike(self.left.xaxis, self.right.xaxis)
        self.live.animate()
        self.live.legend(self.left, handlelength=1.3, columnspacing=0.7)
        self.live.legend(self.right)
        return {
            "p": controls.units(),
            "p_star": controls.teachers(),
            "log_N": controls.log_dimension(3.0),
            "eta": controls.learning_rate(),
            "label_noise": ipywidgets.FloatSlider(
                0.0, max=1.0, step=0.05, description="label noise"
            ),
            "constraint": controls.constraint(),
            "runs": ipywidgets.IntSlider(20, 0, 50, description="SGD runs"),
            "seed": ipywidgets.Button(description="new seed"),
        }

    def ahead(self, values: dict[str, Any]) -> None:
        """Know the ODE and its overlaps."""
        _overlaps(setting(values).ode())

    def draw(self, values: dict[str, Any]) -> Caption:
        """Draw what the ODE says at once; the runs and the law of escape follow."""
        now = setting(values)
        ode = now.ode()
        escape = float(first_passage(ode.alpha, ode.loss, now.half))
        overlaps = _overlaps(ode)
        self.ode.set_data(ode.alpha, ode.loss)
        self.ode_escape.set_data([escape], [now.half])
        levels = [now.floor] + ([now.plateau.loss] if now.plateau else [])
        self.levels.set_data(*joined([[0.0, now.end]] * len(levels), [[y, y] for y in levels]))
        for line, parts in zip((self.Q, self.M), overlaps, strict=True):
            line.set_data(*joined([ode.alpha] * parts.shape[1], parts.T))
        for empty in (self.sgd, self.law, self.escapes):
            empty.set_data([], [])
        # What blows up leaves the picture
        high = min(ode.loss.max(), 1.5 * max(ode.loss[0], now.half))
        end = min(now.end, controls.round_up(2 * ode.alpha[-1]))
        self.live.limits(self.left, (0.0, end), (0.0, controls.round_up(1.1 * high)))
        tall = controls.round_up(1.1 * min(float(np.max(overlaps[0])), 2 * now.task.p))
        self.live.limits(self.right, (0.0, end), (0.0, tall))
        caption = _caption(now, ode, escape, overlaps)
        if values["runs"]:
            rest = self.runs(now, values["runs"], caption, escape)
            self.later(rest, f"{values['runs']} runs")
        return caption

    def runs(self, now: Setting, number_of: int, caption: Caption, escape: float) -> Pieces:
        """Add the law of the escape time, then the runs, about ten times a second."""
        end, law = controls.a_second(), None
        # For p < p* half of the loss may not be lost from every start: then there is no law
        with suppress(ValueError):
            if math.isfinite(escape):
                law = yield from escape_law_in_pieces(now.task, now.N, now.eta, now.constraint)
                x = [law.mean - law.std, law.mean + law.std]
                self.law.set_linestyle("-" if law.trusted else ":")
                caption = caption._replace(warning=caption.warning or doubts(law))
                yield partial(self.law.set_data, x, [now.half] * 2)
        sgd = now.runs(number_of)
        yield from followed(sgd, end, partial(self.show, now, sgd, caption, law, escape))

    def show(
        self, now: Setting, sgd: Together, caption: Caption, law: EscapeLaw | None, ode: float
    ) -> Caption:
        """Draw these runs, and say when they escape."""
        self.sgd.set_data(*curves(sgd, sgd.loss))
        escaped = passages(sgd, now.half)
        self.escapes.set_data(escaped, np.full(len(escaped), now.half))
        text = outcome([sgd], self.controls["runs"].value, escaped, law)
        summary = f"{text}; the ODE at {number(ode)}." if math.isfinite(ode) else f"{text}."
        late = ode - escaped if len(escaped) > 1 else np.zeros(1)
        if math.inf > late.mean() > 2 * late.std() / math.sqrt(len(late)):
            text += (
                ", earlier than the ODE: the samples' noise lets M grow on the plateau, which "
                "the limit of large N leaves out"
            )
        return caption._replace(alt=f"{caption.alt} {text}.", summary=summary)

    def script(self, values: dict[str, Any]) -> str:
        """Return the calls for the ODE, its plateau, the law of escape and the runs."""
        now = setting(values)
        ode = now.ode()
        lines = now.calls(ode, now.drawn(values["runs"]))
        if math.isfinite(first_passage(ode.alpha, ode.loss, now.half)):
            lines.append(f'law = ql.escape_law(task, N, eta, "{now.constraint}")')
        return "\n".join(lines)


@lru_cache(64)
def _overlaps(ode: Trajectory) -> tuple[Array, Array]:
    """Return the eigenvalues of Q and the singular values of M."""
    return np.linalg.eigvalsh(ode.Q), np.linalg.svd(ode.M, compute_uv=False)


def _caption(
    now: Setting, ode: Trajectory, escape: float, overlaps: tuple[Array, Array]
) -> Caption:
    task, (Q, M) = now.task, overlaps
    where = f"p = {task.p}, p* = {task.p_star}, N = {number(now.N)}, η = {number(now.eta)}"
    if task.label_noise:
        where += f", label noise {number(task.label_noise)}"
    story = f"the ODE's loss begins at {number(ode.loss[0])}"
    if now.plateau:
        story += f"; the plateau is at {number(now.plateau.loss)}"
    if math.isfinite(escape):
        story += f"; half of it is lost at α = {number(escape)}"
    end = f"at α = {number(ode.alpha[-1])} the loss is {number(ode.loss[-1], 2)}"
    alt = (
        f"{now.constraint.capitalize()} norms, {where}: {story}; {end}. There the singular "
        f"values of M are {controls.span(M[-1])}, the eigenvalues of Q {controls.span(Q[-1])}."
    )
    lost = f"The ODE has lost half of the plateau at α = {number(escape)}; {end}."
    summary = lost if math.isfinite(escape) else f"The ODE does not escape; {end}."
    table = np.column_stack([ode.alpha, ode.loss, M[:, -1], M[:, 0], Q[:, 0], Q[:, -1]])
    return Caption(alt, _COLUMNS, table.tolist(), summary, now.warning(ode))
