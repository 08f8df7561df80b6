"""Where is the escape law right, and does it know?

Cells drawn at random: p to 32, p* to 4, T ≠ I and label noise in a quarter of them each, both
constraints, η from .05 to .95 of the last plateau, N from 300 to 1e5. A cell counts if 60 runs of
the chain cost less than 5 s, and at most 300 are made. N = 1e5 never passes that, so that it has a
draw of its own: p to 4 and η from .3 of the last plateau, cells counting if 60 runs cost less than
30 s, until eight are not refused. In each, mean and standard deviation of `escape_law` against
`escape_times` of the exact chain. The law is right where its mean is within 2 % and 4 standard
errors, its standard deviation within 10 % and 4 standard errors. It has to be right wherever it is
`trusted`, and trusted in 80 % of the cells where it is right.

    python -m benchmarks escape_grid
"""

import math
from typing import Any

import numpy as np

from benchmarks.common import Row
from quadlib import (
    Task,
    critical_learning_rate,
    ensemble,
    escape_law,
    escape_times,
    learning_rates,
)

CELLS, SECONDS, MOST_RUNS, FEWEST_RUNS, SEED = 72, 5.0, 300, 60, 5
LARGE, LARGE_SECONDS = 8, 30.0  # at N = 1e5
GOAL, OWN_GOAL = 0.8, 0.005
WAYS = (50.0, 100.0, 200.0)  # how far runs were followed until they diverge


def draw(rng: np.random.Generator, large: bool = False) -> dict[str, Any]:
    """A cell, without regard to its cost."""
    units = [1, 2, 3, 4] if large else [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]
    p, p_star = int(rng.choice(units)), int(rng.integers(1, 5))
    constraint = str(rng.choice(["free", "spherical"], p=[2 / 3, 1 / 3]))
    share = round(float(rng.uniform(0.3 if large else 0.05, 0.95)), 2)
    N = 10**5 if large else int(rng.choice([300, 1000, 10**4, 10**5]))
    T = rng.uniform(0.4, 1.6, p_star)
    T = (T * p_star / T.sum()).round(2).tolist() if p_star > 1 and rng.random() < 0.25 else None
    noise = round(float(rng.uniform(0.02, 0.3)), 2) if rng.random() < 0.25 else 0.0
    return dict(p=p, p_star=p_star, T=T, noise=noise, N=N, constraint=constraint, share=share)


def cell(c: dict[str, Any], seconds: float = SECONDS) -> dict[str, Any] | None:
    """Law and chain in one cell; None where too few runs would be cheap."""
    task, where = Task(c["p"], c["p_star"], c["T"], c["noise"]), c["constraint"]
    eta = c["share"] * learning_rates(task, where).plateau
    try:
        law = escape_law(task, c["N"], eta, where)
    except ValueError:
        return c | {"eta": eta, "refused": True}
    # Microseconds a step of the chain, measured
    cost = 1e-6 * (0.05 + 0.0011 * task.p**2 + 0.01 * task.p_star) * c["N"] * law.mean
    runs = min(MOST_RUNS, int(seconds / cost))
    if runs < FEWEST_RUNS:
        return None
    runs = FEWEST_RUNS if seconds > SECONDS else runs
    # Every cell has its own random numbers
    seed = (SEED, task.p, task.p_star, c["N"], round(100 * c["share"]), int(where == "free"))
    how: dict[str, Any] = dict(eta=eta, N=c["N"], runs=runs, seed=seed, constraint=where)
    times = escape_times(task, **how, progress=False)
    found = times[np.isfinite(times)]
    result = c | {"eta": eta, "refused": False, "runs": runs, "lost": 1 - len(found) / runs}
    for name in ("mean", "std", "mean_error", "std_error", "neglected", "divergence", "trusted"):
        result["law_" + name] = getattr(law, name)
    if len(found) < 20:
        return result | {"right": False}
    mean, std = found.mean(), found.std()
    error = std / math.sqrt(len(found))
    std_error = ((found - mean) ** 2).std() / math.sqrt(len(found)) / (2 * std)
    right = abs(law.mean - mean) < 0.02 * mean + 4 * error
    right &= abs(law.std - std) < 0.1 * std + 4 * std_error
    result |= {"mean": mean, "mean_se": error, "std": std, "std_se": std_error}
    return {k: v.item() if isinstance(v, np.generic) else v for k, v in result.items()} | {
        "right": bool(right)
    }


def diverging(p: int, p_star: int, eta: float, N: int = 1000, runs: int = 800) -> dict[str, Any]:
    """Share of runs that have blown up until each of `WAYS`, and when 40 % have, if ever."""
    task, alpha = Task(p, p_star), np.arange(0.0, WAYS[-1] + 1)
    seed = (SEED, p, p_star, N)
    found = ensemble(task, eta=eta, alpha=alpha, N=N, runs=runs, seed=seed, progress=False)
    gone = (~np.isfinite(found.loss)).mean(0)
    shares = [float(gone[alpha == way][0]) for way in WAYS]
    when = float(alpha[(gone >= 0.4).argmax()]) if gone[-1] >= 0.4 else None
    ratio = eta / critical_learning_rate(task)
    return dict(
        p=p, p_star=p_star, eta=eta, N=N, runs=runs, shares=shares, when=when, of_critical=ratio
    )


def spread(times: Any) -> tuple[float, float]:
    """Standard deviation and its relative standard error."""
    square = (times - times.mean()) ** 2
    return float(square.mean() ** 0.5), float(square.std() / len(times) ** 0.5 / 2 / square.mean())


def diffusing(p: int, p_star: int, eta: float, where: Any, runs: int = 16_000) -> dict[str, Any]:
    """Escape times of the diffusion against those of the chain, at N = 1000: ratios, errors."""
    how: dict[str, Any] = dict(eta=eta, N=1000, constraint=where, runs=runs, progress=False)
    seed = (SEED, p, p_star, round(1000 * eta))
    ours, exact = (
        escape_times(Task(p, p_star), **how, seed=(*seed, i), method=method)
        for i, method in enumerate(("diffusion", "overlaps"))
    )
    (std, error), (its_std, its_error) = spread(ours), spread(exact)
    mean_se = math.hypot(std, its_std) / math.sqrt(runs) / exact.mean()
    found = dict(p=p, p_star=p_star, eta=eta, constraint=where, N=1000, runs=runs)
    ratios = dict(mean=float(ours.mean() / exact.mean()), mean_se=float(mean_se))
    return found | ratios | dict(std=std / its_std, std_se=math.hypot(error, its_error))


def measure() -> dict[str, Any]:
    rng, cells = np.random.default_rng(SEED), []
    while len(cells) < CELLS:
        if done := cell(draw(rng)):
            cells.append(done)
    rng, large = np.random.default_rng((SEED, 10**5)), []
    while sum(not c["refused"] for c in large) < LARGE:
        if done := cell(draw(rng, True), LARGE_SECONDS):
            large.append(done)
    near = [(1, 1, 0.9 / 6), (1, 1, 0.97 / 6), (4, 2, 0.2), (4, 2, 0.27)]
    most = [(4, 2, 0.18, "free"), (2, 2, 0.15, "free"), (2, 2, 0.15, "spherical")]  # .6 of the last
    return {
        "cells": cells + large,
        "diverging": [diverging(*x) for x in near],
        "diffusing": [diffusing(*x) for x in most],
    }


def count(result: dict[str, Any]) -> tuple[int, int, int, int, int]:
    """Cells; refused; trusted; trusted and right; right."""
    cells = [c for c in result["cells"] if not c["refused"]]
    trusted, right = ({i for i, c in enumerate(cells) if c[k]} for k in ("law_trusted", "right"))
    refused = len(result["cells"]) - len(cells)
    return len(result["cells"]), refused, len(trusted), len(trusted & right), len(right)


def own_errors(result: dict[str, Any]) -> list[float]:
    """The larger of the law's own two errors in each cell, over its standard deviation."""
    cells = [c for c in result["cells"] if not c["refused"]]
    return [max(c["law_mean_error"], c["law_std_error"]) / c["law_std"] for c in cells]


def table(result: dict[str, Any]) -> list[Row]:
    cells, refused, trusted, both, right = count(result)
    own = own_errors(result)
    small = sum(error < OWN_GOAL for error in own)
    return [
        Row(
            f"`escape_law` right where it is trusted ({cells} random cells, {refused} refused)",
            "all",
            f"{both} of {trusted}",
            both == trusted,
        ),
        Row(
            "`escape_law` trusted where it is right",
            f"≥ {GOAL:.0%}",
            f"{both / right:.0%} ({both} of {right})",
            both >= GOAL * right,
        ),
        Row(
            "`escape_law`, its own error over its standard deviation",
            f"≤ {OWN_GOAL:.1%}",
            f"{small} of {len(own)} cells, at most {max(own):.1%}",
            small == len(own),
            "starts of the full ODE, p* = 4, T ≠ I on the sphere, in half a second",
        ),
        Row(
            "diffusion over chain, escape times at N = 1000, η = .6 of the largest",
            "mean 1 %, std 5 %",
            "; ".join(
                f"{d['mean']:.3f} ± {d['mean_se']:.3f}, {d['std']:.3f} ± {d['std_se']:.3f}"
                for d in result["diffusing"]
            ),
            all(
                abs(d["mean"] - 1) < 0.01 and abs(d["std"] - 1) < 0.05 for d in result["diffusing"]
            ),
        ),
    ]


def page(result: dict[str, Any]) -> str:
    """The grid and the runs that diverge, as docs/escape_grid.md."""
    cells, refused, trusted, both, right = count(result)
    own = own_errors(result)
    lines = [
        "# Where the escape law is right",
        "",
        "Made by `python -m benchmarks escape_grid`: the law of the escape time (theory, section",
        "4) against the exact chain in cells drawn at random. The law is right where its mean is",
        "within 2 % and 4 standard errors of that of the runs, and its standard deviation within",
        f"10 % and 4 standard errors. Cells of which {FEWEST_RUNS} runs cost more than {SECONDS:g}",
        "seconds were passed over: large N with large p or small η, where the law is at its best.",
        f"N = 10⁵ has {LARGE} cells of its own, p to 4, η from .3 of the last plateau, and",
        f"{FEWEST_RUNS} runs each.",
        "",
        f"{cells} cells. In {refused} the law refuses, since as N → ∞ there is no escape. It is",
        f"trusted in {trusted}, right in {both} of these, and right in {right} in all:",
        f"{both / right:.0%} of the cells where it is right are trusted. Its own error is below",
        f"{OWN_GOAL:.1%} of its standard deviation in {sum(e < OWN_GOAL for e in own)} of "
        f"{len(own)}, and at most {max(own):.1%}.",
        "",
        "| p, p\\* | T | ν | N | constraint | η | η/last | runs | not escaped | law/runs, mean | "
        "law/runs, std | neglected | trusted | right |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for c in sorted(result["cells"], key=lambda c: (c["constraint"], c["N"], c["share"])):
        T = "I" if c["T"] is None else "diag(" + ", ".join(f"{t:g}" for t in c["T"]) + ")"
        row = [f"{c['p']}, {c['p_star']}", T, f"{c['noise']:g}", f"{c['N']}", c["constraint"]]
        row += [f"{c['eta']:.4f}", f"{c['share']:.2f}"]
        if c["refused"]:
            row += ["", "", "refused", "", "", "", ""]
        else:
            row += [f"{c['runs']}", f"{c['lost']:.3f}"]
            if "mean" in c:
                row += [
                    f"{c['law_' + name] / c[name]:.3f} ± {c[name + '_se'] / c[name]:.3f}"
                    for name in ("mean", "std")
                ]
            else:
                row += ["", ""]
            yes = {True: "yes", False: "no"}
            row += [
                f"{c['law_neglected']:.4f}".replace("inf", "∞"),
                yes[c["law_trusted"]],
                yes[c["right"]],
            ]
        lines.append("| " + " | ".join(row) + " |")
    lines += [
        "",
        "## Runs that diverge below the last plateau",
        "",
        "Not rare, close to η_c: the share of runs that have blown up until some α, and the α at",
        "which four in ten have.",
        "",
        "| p, p\\* | η | η/η_c | N | runs | "
        + " | ".join(f"α = {way:g}" for way in WAYS)
        + " | 40 % |",
        "|" + "---|" * (6 + len(WAYS)),
    ]
    for d in result["diverging"]:
        row = [f"{d['p']}, {d['p_star']}", f"{d['eta']:.4f}", f"{d['of_critical']:.2f}"]
        row += [f"{d['N']}", f"{d['runs']}", *(f"{x:.0%}" for x in d["shares"])]
        row.append("never" if d["when"] is None else f"α = {d['when']:g}")
        lines.append("| " + " | ".join(row) + " |")
    lines += [
        "",
        "## The diffusion",
        "",
        "Its escape times, divided by those of the chain, at .6 of the largest learning rate.",
        "",
        "| p, p\\* | η | constraint | N | runs | mean | std |",
        "|" + "---|" * 7,
    ]
    for d in result["diffusing"]:
        row = [f"{d['p']}, {d['p_star']}", f"{d['eta']:g}", d["constraint"], f"{d['N']}"]
        row += [f"{d['runs']}", *(f"{d[x]:.4f} ± {d[x + '_se']:.4f}" for x in ("mean", "std"))]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"
