"""The Hessian along a run: its spectrum, and what a finite sample makes of it."""

from collections.abc import Generator
from functools import lru_cache
from typing import Any

import ipywidgets
import numpy as np

from quadlib.explorers import controls
from quadlib.explorers.runs import as_far, quicken
from quadlib.landscape import Spectrum, empirical_hessian_operator, hessian_spectrum
from quadlib.live import Caption, Explorer, Pieces
from quadlib.notation import number
from quadlib.plateau import plateau
from quadlib.plotting import PALETTE
from quadlib.shapes import Array
from quadlib.state import Overlaps, random_overlaps
from quadlib.task import Task
from quadlib.trajectory import Trajectory

_ETA, _RUN_N, _SAMPLE_N, _POINTS = 0.05, 10**4, 60, 121
_COLUMNS = ("eigenvalue", "multiplicity")
_ROUND = (1, 1.5, 2, 3, 4, 6, 8)

_KNOWN: dict[tuple[int, int, int, float], Array] = {}  # sampled spectra


class Landscape(Explorer):
    """Loss along a run, and the Hessian's spectrum at one point of it."""

    def build(self) -> dict[str, Any]:
        """Loss on the left; the spectrum of the population loss, and of the loss on a sample."""
        panels = self.live.panels(1, 3, width_ratios=[1, 1.3, 1.3], wspace=0.36)
        self.left, self.middle, self.right = panels
        black, below = PALETTE["law"], PALETTE["negative"]
        self.loss = self.live.line(self.left, "ode", lw=2, label="ODE")
        self.here = self.live.line(self.left, "ode", "o", ms=9, label="here")
        self.here.set_clip_on(False)  # at both ends of the run too
        self.left.set(xlabel="α = samples / N", ylabel="population loss")
        self.stems = {}
        for ax, name in ((self.middle, "population"), (self.right, "sample")):
            stems = [
                ax.vlines([], [], [], colors=color, lw=2.2, label=label)
                for color, label in ((below, "below zero"), (black, f"{name}: zero and above"))
            ]
            self.stems[ax] = stems
            self.live.log(ax.yaxis)
            ax.set_xlabel("Hessian eigenvalue")
            self.live.legend(ax, ncols=2)
        self.middle.set_ylabel(f"number, N = {number(_RUN_N)}")
        self.right.set_ylabel(f"number, N = {_SAMPLE_N}")
        self.live.legend(self.left, ncols=2)
        self.live.alike(self.middle.xaxis, self.right.xaxis)
        self.live.animate()
        return {
            "alpha": ipywidgets.IntSlider(15, 0, 100, description="α along the run, %"),
            "p": controls.units(4, 8),
            "p_star": controls.teachers(),
            "samples": ipywidgets.FloatLogSlider(
                8.0,
                base=2,
                min=0,
                max=7,
                step=0.25,
                readout_format=".1f",
                description="samples / N",
            ),
        }

    def ahead(self, values: dict[str, Any]) -> None:
        """Know the ODE."""
        _run(values["p"], values["p_star"])

    def draw(self, values: dict[str, Any]) -> Caption:
        """Population spectrum now; that of a sample, a dense eigenproblem, a moment later."""
        p, p_star, ratio = values["p"], values["p_star"], values["samples"]
        run = _run(p, p_star)
        i = _index(values["alpha"])
        spectrum = hessian_spectrum(run.task, Overlaps(run.Q[i], run.M[i]), _RUN_N)
        self.loss.set_data(run.alpha, run.loss)
        self.here.set_data([run.alpha[i]], [run.loss[i]])
        high = controls.round_up(1.05 * float(run.loss.max()))
        self.live.limits(self.left, (0.0, float(run.alpha[-1])), (0.0, high))
        self._draw_spectra(spectrum, np.empty(0))
        low, high = spectrum.values[[0, -1]]
        outside = spectrum.multiplicities >= _RUN_N - p - p_star
        flat = number(spectrum.multiplicities[outside].sum())
        alt = (
            f"At α = {number(run.alpha[i])} of a run that ends at α = {number(run.alpha[-1])}, "
            f"p = {p} and p* = {p_star}, the loss is {number(run.loss[i])}. The Hessian has "
            f"{number(p * _RUN_N)} eigenvalues, {spectrum.index} below zero; they reach from "
            f"{number(low)} to {number(high)}. The {flat} along directions that no unit sees are "
            f"{controls.span(spectrum.values[outside])}; they are exactly zero only on the plateau "
            "of gradient flow, which a learning rate moves."
        )
        summary = f"{_lead_down(spectrum.index)}; the lowest curvature is {number(low)}."
        rows = tuple(zip(spectrum.values.tolist(), spectrum.multiplicities.tolist(), strict=True))
        caption = Caption(alt, _COLUMNS, rows, summary)
        sampled = self._sampled((p, p_star, i, ratio), spectrum, caption)
        self.later(sampled, f"{_samples(ratio)} samples")
        return caption

    def _sampled(
        self, setting: tuple[int, int, int, float], population: Spectrum, caption: Caption
    ) -> Pieces:
        eigenvalues = yield from _empirical(*setting)
        below = int((eigenvalues < -1e-9).sum())

        def show() -> Caption:
            self._draw_spectra(population, eigenvalues)
            words = (
                f"On one sample, samples / N = {number(setting[-1])} at N = {_SAMPLE_N}, "
                f"it has {len(eigenvalues)} eigenvalues, {below} below zero; they reach from "
                f"{number(eigenvalues[0])} to {number(eigenvalues[-1])}."
            )
            return caption._replace(
                alt=f"{caption.alt} {words}",
                summary=f"{caption.summary} On the sample {_lead_down(below).lower()}.",
            )

        yield show

    def _draw_spectra(self, population: Spectrum, sampled: Array) -> None:
        """Count both in bins between round limits that hold all eigenvalues, with a margin."""
        values = np.concatenate([population.values, sampled])
        ends = 1.05 * np.maximum([-values.min(), values.max()], 0.0)
        low, high = (controls.round_up(end, _ROUND) for end in ends)
        x = (-max(low, high / 10), max(high, low / 10))
        edges = np.linspace(*x, 121)
        edges -= edges[np.argmin(np.abs(edges))]  # no bin has both signs
        middle = (edges[1:] + edges[:-1]) / 2
        for ax, top, shown, weights in (
            (self.middle, 2e5, population.values, population.multiplicities),
            (self.right, 1e3, sampled, None),
        ):
            self.live.limits(ax, x, (0.5, top))
            counts, _ = np.histogram(shown, edges, weights=weights)
            for stems, side in zip(self.stems[ax], (middle < 0, middle >= 0), strict=True):
                pairs = zip(middle, counts, side & (counts > 0), strict=True)
                stems.set_segments([[(m, 0.5), (m, count)] for m, count, seen in pairs if seen])

    def script(self, values: dict[str, Any]) -> str:
        """Return the calls that give the two spectra."""
        p, k, n = values["p"], values["p_star"], _samples(values["samples"])
        i, end = _index(values["alpha"]), float(_run(p, k).alpha[-1])
        return f"""import numpy as np
import quadlib as ql
task, rng = ql.Task({p}, {k}), np.random.default_rng(0)
start = ql.random_overlaps(task, {_RUN_N}, 1)
run = ql.integrate(task, start, eta={_ETA}, alpha=np.linspace(0, {end}, {_POINTS}), rtol=1e-6)
state = ql.Overlaps(run.Q[{i}], run.M[{i}])
spectrum = ql.hessian_spectrum(task, state, N={_RUN_N})
weights = state.weights(task, {_SAMPLE_N}, rng)
H = ql.empirical_hessian_operator(weights, rng.standard_normal(({n}, {_SAMPLE_N})))
sampled = np.linalg.eigvalsh(H @ np.eye({p * _SAMPLE_N}))"""


def _lead_down(count: int) -> str:
    return f"{count or 'No'} direction{'s lead' if count > 1 else ' leads'} down"


def _index(percent: int) -> int:
    return round(percent / 100 * (_POINTS - 1))


def _samples(ratio: float) -> int:
    return max(1, round(ratio * _SAMPLE_N))


@lru_cache(maxsize=32)
def _run(p: int, p_star: int) -> Trajectory:
    """Follow the ODE from a random start to well after the escape."""
    task = Task(p, p_star)
    rate = plateau(task, _ETA).escape_rate
    start = random_overlaps(task, _RUN_N, 1)
    end = 10 * np.ceil((np.log(_RUN_N) / 2 + 5) / rate / 10)
    return as_far(task, start, eta=_ETA, alpha=np.linspace(0, end, _POINTS), rtol=1e-6)


def _empirical(p: int, p_star: int, i: int, ratio: float) -> Generator[None, None, Array]:
    """Eigenvalues of the Hessian of the loss on ratio · N samples, in slices."""
    key = p, p_star, i, ratio
    if key in _KNOWN:
        return _KNOWN[key]
    rng, run = np.random.default_rng(0), _run(p, p_star)
    weights = Overlaps(run.Q[i], run.M[i]).weights(run.task, _SAMPLE_N, rng)
    X = rng.standard_normal((_samples(ratio), _SAMPLE_N))
    operator = empirical_hessian_operator(weights, X)
    columns: list[Array] = []
    for some in np.split(np.eye(p * _SAMPLE_N), p * _SAMPLE_N // 20, axis=1):  # few fit a cache
        columns.append(operator @ some)
        yield None
    if len(_KNOWN) == 256:
        _KNOWN.clear()
    _KNOWN[key] = found = np.linalg.eigvalsh(np.hstack(columns))
    yield None
    yield from quicken()
    return found
