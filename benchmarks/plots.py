"""Pictures of the results: cost against N, against p, and against the number of cores."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from quadlib.notation import number


def draw(results: dict[str, Any], folder: Path) -> list[tuple[str, str]]:
    """Write what the results allow; return file names and alternative texts."""
    drawn = []
    for name, picture, needs in (
        ("against_N", against_N, {"kernels"}),
        ("against_p", against_p, {"kernels", "ode"}),
        ("against_cores", against_cores, {"ensemble"}),
    ):
        if needs <= results.keys():
            figure = Figure(figsize=(5, 3.2), layout="constrained")
            alt = picture(figure.add_subplot(), results)
            figure.savefig(folder / f"{name}.png", dpi=110)
            drawn.append((f"{name}.png", alt))
    return drawn


def against_N(ax: Any, results: dict[str, Any]) -> str:
    """Seconds for samples N, one unit of α: a step takes its time N times."""
    kernels = results["kernels"]
    weights = [(r["N"], r["N"] * r["us"] * 1e-6) for r in kernels["against_N"]["weights"]]
    chain = [(r["N"], r["N"] * r["ns"] * 1e-9) for r in kernels["against_N"]["overlaps"]]
    each = kernels["run"]["ms"] * 1e-3 / 250
    ax.loglog(*zip(*weights, strict=True), "o-", label="weights")
    ax.loglog(*zip(*chain, strict=True), "s-", label="overlaps")
    ax.loglog([1e3, 1e8], [each, each], "--", label="diffusion")
    ax.set(xlabel="N", ylabel="seconds for a unit of α")
    ax.legend()
    N, last = weights[-1]
    same = next(s for n, s in chain if n == N)
    return (
        f"Seconds for a unit of α against N, p = 4, p* = 2. Literal SGD grows as N²: "
        f"{number(last)} s at N = {number(N)}; the overlap chain as N: {number(same, 2)} s there "
        f"and {number(chain[-1][1], 2)} s at N = {number(chain[-1][0])}; the diffusion stays at "
        f"{number(each, 1)} s."
    )


def against_p(ax: Any, results: dict[str, Any]) -> str:
    """Microseconds for a step of the chain and of the diffusion, milliseconds of an ODE."""
    cost = results["kernels"]["against_p"]
    chain = [(r["p"], r["ns"] * 1e-3) for r in cost["overlaps"]]
    diffusion = [(r["p"], r["us"]) for r in cost["diffusion"]]
    ode = [(r["p"], r["ms"] * 1e3) for r in results["ode"]["against_p"]]
    ax.loglog(*zip(*chain, strict=True), "s-", label="overlaps, a step")
    ax.loglog(*zip(*diffusion, strict=True), "^-", label="diffusion, a step")
    ax.loglog(*zip(*ode, strict=True), "o-", label="integrate to α = 100")
    ax.set(xlabel="p", ylabel="microseconds")
    ax.set_xticks([p for p, _ in chain], [str(p) for p, _ in chain])
    ax.legend()
    steps, diffused, followed = (
        " to ".join(number(cost, 2) for _, cost in (costs[0], costs[-1]))
        for costs in (chain, diffusion, ode)
    )
    return (
        f"Microseconds against p at p* = 2. From p = {chain[0][0]} to {chain[-1][0]} a step of the "
        f"overlap chain goes from {steps}, one of the diffusion from {diffused}, and the ODE up to "
        f"α = 100 at a tolerance of {number(1e-6)} from {followed}."
    )


def against_cores(ax: Any, results: dict[str, Any]) -> str:
    table = results["ensemble"]["against_cores"]
    counts = [row["workers"] for row in table]
    speed = [table[0]["seconds"] / row["seconds"] for row in table]
    ax.plot(counts, counts, "--", color="0.6", label="perfect")
    ax.plot(counts, speed, "o-", label="ensemble")
    ax.set(xlabel="processes", ylabel="times faster than one", xticks=counts)
    ax.legend()
    parts = [f"{s:.2f} on {n}" for n, s in zip(counts[1:], speed[1:], strict=True)]
    return f"Times faster than one process, of {results['ensemble']['cores']} cores: " + (
        ", ".join(parts) + "."
    )
