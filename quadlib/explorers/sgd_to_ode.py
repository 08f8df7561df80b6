"""One overlap along SGD runs and along the ODE, and how their distance falls with N."""

import math
import time
from collections.abc import Generator
from functools import partial
from typing import Any, NamedTuple

import ipywidgets
import numpy as np

from quadlib.checks import check_dimension
from quadlib.dynamics.compiled import if_compiled
from quadlib.dynamics.together import Together
from quadlib.explorers import controls, runs
from quadlib.live import Caption, Explorer, Pieces
from quadlib.notation import number
from quadlib.shapes import Array
from quadlib.state import Overlaps, random_overlaps
from quadlib.task import Task
from quadlib.trajectory import Trajectory

_SIZES, _FEWER = (10**2, 10**3, 10**4, 10**6, 10**8), (10**2, 10**4, 10**6)
_RUNS, _START_N, _POINTS, _RTOL = 6, 40, 151, 1e-6
_ROUND = (1, 2, 4, 6)
_NAMES = {True: "ODE", False: "ODE without gradient noise"}
_FOLLOW = ("Q₁₁", "Q₁₂", "M₁₁", "M₁₂", "loss")
_SPAN, _HEIGHT = (4.0, 2.5e8), (1e-6, 10.0)


class _Case(NamedTuple):
    """A task with its learning rate and its starts."""

    task: Task
    eta: float
    fixed: bool
    seed: int

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.task.p, self.task.p_star, self.task.label_noise, *self[1:])

    def size(self, N: int) -> int:
        return _START_N if self.fixed else N

    def start(self, N: int) -> Overlaps:
        return random_overlaps(self.task, self.size(N), 14 + self.seed)

    def end(self, N: int) -> float:
        """A round α, long enough to escape at the rate of gradient flow, (3.2)."""
        end = self.task.p_star / (4 * self.eta) * (np.log(self.size(N)) / 2 + 4)
        return controls.round_up(end, _ROUND)

    def alpha(self, N: int) -> Array:
        return np.linspace(0.0, self.end(N), _POINTS)

    def method(self, N: int) -> dict[str, Any]:
        """Every sample, or the diffusion in steps whose error, step², is far below 1/√N."""
        method = runs.method(N, self.end(N))
        longest = min(0.02, 0.5 / N**0.25)
        if not self.fixed:  # from random starts runs part far more
            longest = if_compiled(longest, 0.02)
        step = dict(step=longest / self.eta) if method == "diffusion" else {}
        return dict(method=method, **step)

    def ode(self, N: int, noise: bool) -> Trajectory:
        more: Any = dict(eta=self.eta, alpha=self.alpha(N), gradient_noise=noise, rtol=_RTOL)
        return runs.as_far(self.task, self.start(N), **more)

    def runs(self, N: int) -> Together:
        more: Any = dict(eta=self.eta, alpha=self.alpha(N), N=N, **self.method(N))
        return runs.begun(self.task, _RUNS, (self.seed, N), self.start(N), **more)


class SgdToOde(Explorer):
    """SGD at one N beside the ODE from the same start; their distance at many N."""

    def build(self) -> dict[str, Any]:
        """The followed overlap against α on the left, its distance against N on the right."""
        self.left, self.right = self.live.panels(1, 2, width_ratios=[1.5, 1], wspace=0.24)
        line, left, right = self.live.line, self.left, self.right
        self.sgd = [line(left, "sgd", lw=0.8) for _ in range(_RUNS)]
        self.sgd[0].set_label(f"SGD, {_RUNS} runs")
        self.ode = line(left, "ode", lw=2, label="ODE")
        self.flow = line(left, "flow", "--", label="ODE without gradient noise")
        left.set(xlabel="α = samples / N")
        self.law = line(right, "theory", ":", lw=1.2, label="slope −½")
        self.floor = line(right, "flow", "--", label="between the two ODEs")
        self.dots = line(right, "sgd", "o", ms=6, label="SGD to the thick ODE")
        self.here = line(right, "sgd", "D", mfc="none", ms=9, label="at this N")
        self.live.log(right.xaxis, right.yaxis)
        right.set(xlim=_SPAN, ylim=_HEIGHT, xlabel="N", ylabel="root mean square distance")
        for ax in (left, right):
            self.live.legend(ax, ncols=3 if ax is left else 2)
        self.live.animate()
        self.known: dict[Any, Together] = {}
        return {
            "log_N": controls.log_dimension(3.0, 8.0),
            "eta": controls.learning_rate(),
            "p": controls.units(4, 8),
            "p_star": controls.teachers(),
            "gradient_noise": ipywidgets.Checkbox(
                True, description="gradient noise in the ODE", indent=False
            ),
            "label_noise": ipywidgets.FloatSlider(
                0.0, min=0, max=1, step=0.1, readout_format=".1f", description="label noise"
            ),
            "overlap": ipywidgets.Dropdown(options=_FOLLOW, value="M₁₁", description="follow"),
            "start": ipywidgets.Dropdown(
                options=["same at every N", "random at each N"], description="start"
            ),
            "seed": ipywidgets.Button(description="new seed"),
        }

    def ahead(self, values: dict[str, Any]) -> None:
        """Know both ODEs."""
        case, N, _ = _chosen(values)
        for noise in (True, False):
            case.ode(N, noise)

    def draw(self, v: dict[str, Any]) -> Caption:
        """Both ODEs now; runs and distances a moment later."""
        case, N, what = _chosen(v)
        odes = {noise: case.ode(N, noise) for noise in (True, False)}
        chosen = odes[v["gradient_noise"]]
        for line, noise in ((self.ode, True), (self.flow, False)):
            line.set_data(odes[noise].alpha, followed(odes[noise], what))
            line.set_linewidth(2.2 if noise == v["gradient_noise"] else 1.0)
        values = followed(chosen, what)
        both = np.concatenate([followed(ode, what) for ode in odes.values()])
        lowest = 0.0 if what in ("loss", "Q₁₁") else -8.0
        self.live.limits(self.left, (0.0, case.end(N)), _limits(both, lowest))
        self.left.set_ylabel(what)
        for artist in (*self.sgd, self.law, self.floor, self.dots, self.here):
            artist.set_data([], [])
        name = _NAMES[v["gradient_noise"]]
        first, last, end = map(number, (values[0], values[-1], chosen.alpha[-1]))
        story = f"{what[0].upper()}{what[1:]} of the {name} goes from {first} at α = 0 "
        story += f"to {last} at α = {end}"
        rows = list(zip(chosen.alpha.tolist(), values.tolist(), strict=True))
        warning = f"The {name} diverges after α = {end}. Lower the learning rate η."
        warning *= len(chosen.alpha) < _POINTS
        caption = Caption(f"{story}.", ("α", f"{what} of the {name}"), rows, f"{story}.", warning)
        distances = self._distances(case, N, v["gradient_noise"], what, caption)
        self.later(distances, f"runs at N = {number(N)}")
        return caption

    def _distances(self, case: _Case, N: int, noise: bool, what: str, caption: Caption) -> Pieces:
        end, name, ode = controls.a_second(), _NAMES[noise], case.ode(N, noise)
        sgd = yield from self._runs(case, N, end)
        mean, lost = _distance(sgd, ode, what), int(sgd.diverged.sum())
        text = f"{_RUNS} SGD runs at N = {number(N)} ({runs.how(sgd, _RUNS)}) "
        if lost:
            text = f"{lost} of the {text}diverge."
        elif math.isinf(mean):
            text += f"do not follow the {name} to the end."
        else:
            text += f"are {number(mean, 2)} from the {name} in root mean square."
        caption = caption._replace(alt=f"{caption.alt} {text}", summary=text)
        self.live.say(self.right, "No distance: runs or ODE diverge.\nLower the learning rate η.")

        def grey() -> Caption:
            for line, n, curve in zip(self.sgd, sgd.recorded, followed(sgd, what), strict=True):
                line.set_data(sgd.alpha[:n], curve[:n])
            self.here.set_data([N], [mean])
            return caption

        yield grey
        found: dict[int, float] = {}
        done = 0
        for size in if_compiled(_SIZES, _FEWER):
            if time.process_time() > end - 0.3:
                break
            sgd = yield from self._runs(case, size, end)
            if sgd.active:
                break
            done += 1
            miss = _distance(sgd, case.ode(size, noise), what)
            if math.isfinite(miss):
                found[size] = miss
            yield partial(self.dots.set_data, list(found), list(found.values()))
        if done < len(_SIZES):
            less = controls.fewer(f"Distances at {done} of {len(_SIZES)} N")
            caption = caption.and_so(f" {less}.")
        if len(found) < 2:

            def none() -> Caption:
                self.live.limits(self.right, _SPAN, _HEIGHT)  # not those of an earlier setting
                return caption

            yield none
            return
        sizes, distances = list(found), list(found.values())
        gap = _distance(case.ode(N, False), case.ode(N, True), what)
        last = sizes[-1] if case.fixed else sizes[0]  # the largest is closest to the limit
        there = _distance((yield from self._runs(case, last, end)), case.ode(last, True), what)
        slope = float(np.polyfit(np.log(sizes), np.log(distances), 1)[0])
        text = f" From N = {number(sizes[0])} to {number(sizes[-1])} the distance scales as "
        text += f"N to the power {number(slope, 2)}."
        rows = [(f"distance at N = {number(n)}", value) for n, value in found.items()]

        def lines() -> Caption:
            law = there * (np.array(_SPAN) / last) ** -0.5
            self.law.set_data(_SPAN, law)
            self.floor.set_data(_SPAN, [gap, gap])  # nowhere if it is infinite
            # low enough for the law's end, in steps of three decades
            near = min(law[-1], *distances, gap if gap > 0 else 1.0)
            low = 10.0 ** (3 * math.floor(math.log10(near) / 3))
            self.live.limits(self.right, _SPAN, (low, _HEIGHT[1]))
            return caption.and_so(text)._replace(rows=[*caption.rows, *rows])

        yield lines

    def _runs(self, case: _Case, N: int, end: float) -> Generator[None, None, Together]:
        """Return the runs at N, from where they are known in slices until `end`."""
        key = (case.key, N)
        made = self.known.pop(key, None) or case.runs(N)
        yield from runs.advance(made, end)
        self.known[key] = made
        if len(self.known) > 60:
            del self.known[next(iter(self.known))]
        return made

    def script(self, values: dict[str, Any]) -> str:
        """Return the calls for both ODEs, the runs at this N and their distance."""
        case, N, what = _chosen(values)
        task, size = case.task, case.size(N)
        noise = f", label_noise={task.label_noise:g}" * (task.label_noise > 0)
        recorded = {full: len(case.ode(N, full).alpha) for full in (True, False)}
        cut = {full: f"[:{n}]" if n < _POINTS else "" for full, n in recorded.items()}
        how = "".join(f", {name}={value!r}" for name, value in case.method(N).items())
        curve = what if what == "loss" else f"{what[0]}[..., 0, {'₁₂'.index(what[-1])}]"
        ode = "ode" if values["gradient_noise"] else "flow"
        lines = f"""import numpy as np
import quadlib as ql
task, N, eta = ql.Task({task.p}, {task.p_star}{noise}), {N}, {case.eta:g}
alpha, more = np.linspace(0, {case.end(N):g}, {_POINTS}), dict(eta=eta, rtol={_RTOL:g})
start = ql.random_overlaps(task, {size}, rng={14 + case.seed})
ode = ql.integrate(task, start, alpha=alpha{cut[True]}, **more)
flow = ql.integrate(task, start, alpha=alpha{cut[False]}, gradient_noise=False, **more)
how = dict(N=N, runs={_RUNS}, seed=({case.seed}, N){how})
sgd = ql.ensemble(task, start=start, eta=eta, alpha=alpha, progress=False, **how)"""
        if recorded[values["gradient_noise"]] < _POINTS:
            return lines
        return f"{lines}\ndistance = np.sqrt(np.mean((sgd.{curve} - {ode}.{curve}) ** 2))"


def _chosen(v: dict[str, Any]) -> tuple[_Case, int, str]:
    task = Task(v["p"], v["p_star"], label_noise=v["label_noise"])
    what, N = v["overlap"], check_dimension(round(10 ** v["log_N"]), task.p, task.p_star)
    if what[1:] == "₁₂" and (task.p if what[0] == "Q" else task.p_star) == 1:
        units = "p" if what[0] == "Q" else "p*"
        raise ValueError(f"{what} needs {units} of at least 2, got 1; follow {what[0]}₁₁.")
    return _Case(task, v["eta"], v["start"] == "same at every N", v["seed"]), N, what


def followed(result: Trajectory | Together, what: str) -> Array:
    """The curves that a name of the control "follow" stands for."""
    if what == "loss":
        return result.loss
    matrix = result.Q if what[0] == "Q" else result.M
    return matrix[..., 0, 1 if what[-1] == "₂" else 0]


def _limits(values: Array, lowest: float) -> tuple[float, float]:
    """Round limits with some room; a divergence leaves the picture."""
    low, high = np.clip([values.min(), values.max()], -4.0, 8.0)
    room = max(high - low, 0.1) / 4
    unit = controls.round_up(2 * room, _ROUND)
    bottom, top = np.floor((low - room) / unit) * unit, np.ceil((high + room) / unit) * unit
    return max(float(bottom), lowest), float(top)


def _distance(one: Trajectory | Together, ode: Trajectory, what: str) -> float:
    """Root mean square over α and runs of the difference; inf if one of them diverged."""
    whole = len(one.alpha) == len(ode.alpha) == _POINTS and np.isfinite(followed(one, what)).all()
    if not whole:
        return math.inf
    return float(np.sqrt(np.mean((followed(one, what) - followed(ode, what)) ** 2)))
