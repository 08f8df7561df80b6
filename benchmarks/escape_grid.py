"""Where is the escape law right, and does it know?

Cells drawn at random: p to 32, p* to 4, T ≠ I and label noise in a quarter of them each, both
constraints, η from .05 to .95 of the last plateau, N from 300 to 1e4 (1e5 is drawn, but was never
cheap enough).
In each, mean and standard deviation of `escape_law` against `escape_times` of the exact chain. The
law is right where its mean is within 2 % and 4 standard errors, its standard deviation within
10 % and 4 standard errors. It has to be right wherever it is `trusted`, and trusted in 80 % of
the cells where it is right.

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
GOAL = 0.8


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """A cell, without regard to its cost."""
    p, p_star = int(rng.choice([1, 2, 3, 4, 6, 8, 12, 16, 24, 32])), int(rng.integers(1, 5))
    constraint = str(rng.choice(["free", "spherical"], p=[2 / 3, 1 / 3]))
    share, N = round(float(rng.uniform(0.05, 0.95)), 2), int(rng.choice([300, 1000, 10**4, 10**5]))
    T = rng.uniform(0.4, 1.6, p_star)
    T = (T * p_star / T.sum()).round(2).tolist() if p_star > 1 and rng.random() < 0.25 else None
    noise = round(float(rng.uniform(0.02, 0.3)), 2) if rng.random() < 0.25 else 0.0
    return dict(p=p, p_star=p_star, T=T, noise=noise, N=N, constraint=constraint, share=share)


def cell(c: dict[str, Any]) -> dict[str, Any] | None:
    """Law and chain in one cell; None where too few runs would be cheap."""
    task, where = Task(c["p"], c["p_star"], c["T"], c["noise"]), c["constraint"]
    eta = c["share"] * learning_rates(task, where).plateau
    try:
        law = escape_law(task, c["N"], eta, where)
    except ValueError:
        return c | {"eta": eta, "refused": True}
    # Microseconds a step of the chain, measured
    cost = 1e-6 * (0.05 + 0.0011 * task.p**2 + 0.01 * task.p_star) * c["N"] * law.mean
    runs = min(MOST_RUNS, int(SECONDS / cost))
    if runs < FEWEST_RUNS:
        return None
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


def diverging(p: int, p_star: int, eta: float, N: int = 1000, runs: int = 400) -> dict[str, Any]:
    task, alpha = Task(p, p_star), np.arange(0.0, 100.5, 0.5)
    seed = (SEED, p, p_star, N)
    found = ensemble(task, eta=eta, alpha=alpha, N=N, runs=runs, seed=seed, progress=False)
    share = float(found.diverged.mean())
    ratio = eta / critical_learning_rate(task)
    return dict(p=p, p_star=p_star, eta=eta, N=N, runs=runs, share=share, of_critical=ratio)


def measure() -> dict[str, Any]:
    rng, cells = np.random.default_rng(SEED), []
    while len(cells) < CELLS:
        c = draw(rng)
        if done := cell(c):
            cells.append(done)
    near = [(1, 1, 0.9 / 6), (1, 1, 0.97 / 6), (4, 2, 0.2), (4, 2, 0.27)]
    return {"cells": cells, "diverging": [diverging(*x) for x in near]}


def count(result: dict[str, Any]) -> tuple[int, int, int, int, int]:
    """Cells; refused; trusted; trusted and right; right."""
    cells = [c for c in result["cells"] if not c["refused"]]
    trusted, right = ({i for i, c in enumerate(cells) if c[k]} for k in ("law_trusted", "right"))
    refused = len(result["cells"]) - len(cells)
    return len(result["cells"]), refused, len(trusted), len(trusted & right), len(right)


def table(result: dict[str, Any]) -> list[Row]:
    cells, refused, trusted, both, right = count(result)
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
    ]


def page(result: dict[str, Any]) -> str:
    """The grid and the runs that diverge, as docs/escape_grid.md."""
    cells, refused, trusted, both, right = count(result)
    lines = [
        "# Where the escape law is right",
        "",
        "Made by `python -m benchmarks escape_grid`: the law of the escape time (theory, section",
        "4) against the exact chain in cells drawn at random. The law is right where its mean is",
        "within 2 % and 4 standard errors of that of the runs, and its standard deviation within",
        "10 % and 4 standard errors. Cells whose runs cost too much were passed over: large N with",
        "large p or small η, where the law is at its best.",
        "",
        f"{cells} cells. In {refused} the law refuses, since as N → ∞ there is no escape. It is",
        f"trusted in {trusted}, right in {both} of these, and right in {right} in all:",
        f"{both / right:.0%} of the cells where it is right are trusted.",
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
            row += [f"{c['law_neglected']:.4f}", yes[c["law_trusted"]], yes[c["right"]]]
        lines.append("| " + " | ".join(row) + " |")
    lines += [
        "",
        "## Runs that diverge below the last plateau",
        "",
        "Not rare, close to η_c: the share of runs that blew up until α = 100.",
        "",
        "| p, p\\* | η | η/η_c | N | runs | diverged |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {d['p']}, {d['p_star']} | {d['eta']:.4f} | {d['of_critical']:.2f} | {d['N']} | "
        f"{d['runs']} | {d['share']:.0%} |"
        for d in result["diverging"]
    ]
    return "\n".join(lines) + "\n"
