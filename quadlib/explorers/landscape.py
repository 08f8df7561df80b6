"""The Hessian along a run: its spectrum, and what a finite sample makes of it."""

from functools import lru_cache
from typing import Any

import ipywidgets
import numpy as np

from quadlib.dynamics.ode import integrate
from quadlib.explorers import controls
from quadlib.landscape import Spectrum, empirical_hessian_operator, hessian_spectrum
from quadlib.live import Caption, Explorer, Pieces
from quadlib.plateau import plateau
from quadlib.plotting import PALETTE
from quadlib.shapes import Array
from quadlib.state import Overlaps, random_overlaps
from quadlib.task import Task
from quadlib.trajectory import Trajectory

__all__ = ["Landscape"]

_ETA, _RUN_N, _SAMPLE_N = 0.05, 10**4, 60
_STEPS = np.outer(2.0 ** np.arange(-2, 8), [1.0, 1.5]).ravel()
_COLUMNS = ("eigenvalue", "multiplicity")


class Landscape(Explorer):
    """Loss along a run, and the Hessian's spectrum at one point of it."""

    def build(self) -> dict[str, Any]:
        """Loss on the left; population and empirical spectrum on the right."""
        grid = self.live.figure.add_gridspec(2, 2, width_ratios=[1, 1.5])
        self.left = self.live.figure.add_subplot(grid[:, 0])
        self.top = self.live.figure.add_subplot(grid[0, 1])
        self.bottom = self.live.figure.add_subplot(grid[1, 1], sharex=self.top)
        (self.loss,) = self.left.plot([], [], color=PALETTE["ode"], lw=2)
        (self.here,) = self.left.plot([], [], "o", color=PALETTE["flow"], ms=9)
        self.left.set(xlabel="α = samples / N", ylabel="population loss", xlim=(0, 100))
        self.left.set_ylim(0, 1)
        self.stems = self.top.vlines([], [], [], colors=PALETTE["ode"], lw=2)
        self.negative = self.top.vlines([], [], [], colors=PALETTE["flow"], lw=2)
        self.top.set(yscale="log", ylim=(0.5, 2e5), ylabel="multiplicity")
        self.top.set_title(f"population, N = {_RUN_N}; below zero in orange", fontsize="medium")
        (self.bars,) = self.bottom.step([], [], where="mid", color=PALETTE["diffusion"])
        self.bottom.set(yscale="log", xlim=(-1, 4), ylim=(0.5, 2e3), ylabel="count")
        self.bottom.set_xlabel("Hessian eigenvalue")
        self.bottom.set_title(f"one sample of data, N = {_SAMPLE_N}", fontsize="medium")
        self.live.animate(self.loss, self.here, self.stems, self.negative, self.bars)
        return {
            "alpha": ipywidgets.IntSlider(15, 0, 100, description="α along the run, %"),
            "p": controls.units(4, 8),
            "p_star": controls.teachers(2, 4),
            "samples": ipywidgets.FloatLogSlider(
                8.0, min=0, max=2, step=0.1, readout_format=".1f", description="samples / N"
            ),
        }

    def draw(self, values: dict[str, Any]) -> Caption:
        """Population spectrum now; the empirical one, a dense eigenproblem, a moment later."""
        p, p_star = values["p"], values["p_star"]
        run = _run(p, p_star)
        i = round(values["alpha"] / 100 * (len(run.alpha) - 1))
        state = Overlaps(run.Q[i], run.M[i])
        spectrum = hessian_spectrum(run.task, state, _RUN_N)
        self.loss.set_data(run.alpha, run.loss)
        self.here.set_data([run.alpha[i]], [run.loss[i]])
        top = np.ceil(5 * run.loss.max()) / 5
        self.live.limits(self.left, (0.0, float(run.alpha[-1])), (0.0, float(top)))
        # Sampling spreads the spectrum by about (1 + √(N/n))²
        reach = spectrum.values[-1] * (1 + values["samples"] ** -0.5) ** 2
        high = float(_STEPS[min(np.searchsorted(_STEPS, reach), len(_STEPS) - 1)])
        self.live.limits(self.bottom, (-high / 4, high), (0.5, 2e3))
        for lines, chosen in (
            (self.negative, spectrum.values < 0),
            (self.stems, spectrum.values >= 0),
        ):
            lines.set_segments(_segments(spectrum, chosen))
        self.bars.set_data([], [])
        caption = Caption(
            f"At α = {run.alpha[i]:.0f} of {run.alpha[-1]:.0f} the loss is {run.loss[i]:.3g}; the "
            f"Hessian has {spectrum.index} negative eigenvalues, {spectrum.nullity} that are "
            f"zero, the lowest {spectrum.values[0]:.3g} and the highest {spectrum.values[-1]:.3g}",
            _COLUMNS,
            _rows(spectrum),
        )
        self.later(self._sampled(run.task, state, values["samples"], caption))
        return caption

    def _sampled(self, task: Task, state: Overlaps, ratio: float, caption: Caption) -> Pieces:
        edges = np.linspace(*self.bottom.get_xlim(), 101)
        eigenvalues = _empirical(task, state, ratio)
        counts = np.histogram(eigenvalues, edges)[0].astype(float)
        below = int((eigenvalues < -1e-9).sum())

        def show() -> Caption:
            self.bars.set_data((edges[1:] + edges[:-1]) / 2, np.where(counts > 0, counts, 0.1))
            return caption._replace(
                alt=f"{caption.alt}. With {ratio:.1f} samples per dimension, N = {_SAMPLE_N}, "
                f"{below} of {len(eigenvalues)} eigenvalues are negative, the lowest "
                f"{eigenvalues[0]:.3g}, the highest {eigenvalues[-1]:.3g}"
            )

        yield show


@lru_cache(maxsize=16)
def _run(p: int, p_star: int) -> Trajectory:
    """Follow the ODE from a random start to well after the escape."""
    task = Task(p, p_star)
    rate = plateau(task, _ETA).escape_rate
    start = random_overlaps(task, _RUN_N, 1)
    end = 10 * np.ceil((np.log(_RUN_N) / 2 + 5) / rate / 10)
    return integrate(task, start, eta=_ETA, alpha=float(end), rtol=1e-10)


def _empirical(task: Task, state: Overlaps, ratio: float) -> Array:
    """Eigenvalues of the Hessian of the loss on ratio · N samples."""
    rng = np.random.default_rng(0)
    weights = state.weights(task, _SAMPLE_N, rng)
    X = rng.standard_normal((max(1, round(ratio * _SAMPLE_N)), _SAMPLE_N))
    operator = empirical_hessian_operator(weights, X)
    return np.linalg.eigvalsh(operator @ np.eye(operator.shape[0]))


def _segments(spectrum: Spectrum, chosen: Array) -> list[Array]:
    pairs = zip(spectrum.values[chosen], spectrum.multiplicities[chosen], strict=True)
    return [np.array([[value, 0.5], [value, count]]) for value, count in pairs]


def _rows(spectrum: Spectrum) -> list[tuple[float, int]]:
    """All eigenvalues, or the lowest and the highest fifteen."""
    rows = [
        (float(value), int(count))
        for value, count in zip(spectrum.values, spectrum.multiplicities, strict=True)
    ]
    return rows if len(rows) <= 30 else rows[:15] + rows[-15:]
