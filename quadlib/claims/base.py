"""What a claim is: a statement, predictions, measurements with their errors, and a verdict."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from quadlib.checks import check_choice
from quadlib.notation import number

__all__ = ["Claim", "Effort", "Finding", "Method", "Table", "shown_in"]

Effort: TypeAlias = Literal["quick", "full"]
Method: TypeAlias = Literal["weights", "chain", "diffusion", "ODE", "algebra"]
Measure: TypeAlias = Callable[[Effort], Iterable["Finding"]]

SIGMAS = 4.0
"""A finding holds within its tolerance and this many standard errors (false alarms: 6e-5)."""


@dataclass(frozen=True)
class Finding:
    """One prediction beside its measurement.

    Attributes
    ----------
    quantity
        What is compared, with its conditions.
    predicted, measured
        The two numbers.
    error
        Standard error of the measurement; 0 if it is exact.
    tolerance
        Deviation that the theory allows itself (terms it leaves out), in the same units.
    method
        What was measured: "weights" is literal SGD, "chain" its exact law in the overlaps,
        "diffusion" many steps in one, "ODE" the limit N → ∞ or gradient flow, "algebra" the loss
        and its derivatives.
    rival
        What another theory predicts, if there is one.
    """

    quantity: str
    predicted: float
    measured: float
    error: float = 0.0
    tolerance: float = 0.0
    method: Method = "algebra"
    rival: float | None = None

    def sigmas(self, value: float) -> float:
        """Distance of the measurement from a value beyond the tolerance, in standard errors."""
        beyond = abs(self.measured - value) - self.tolerance
        if beyond <= 0:
            return 0.0
        return beyond / self.error if self.error > 0 and math.isfinite(beyond) else math.inf

    @property
    def verdict(self) -> str:
        """One word, or what is wrong: it does not agree, or could not have told the rival."""
        accepts = self.tolerance + SIGMAS * self.error
        if not abs(self.measured - self.predicted) <= accepts:
            return f"fails by {number(self.sigmas(self.predicted), 2)} σ"
        blunt = self.rival is not None and accepts > abs(self.predicted - self.rival) / 2
        return "too blunt to tell the rival" if blunt else "holds"

    @property
    def holds(self) -> bool:
        """Whether it agrees, by room of at most half the distance to the rival.

        So nothing agrees with both, and where the rival is right this fails as surely as a true
        prediction holds.
        """
        return self.verdict == "holds"


@dataclass(frozen=True)
class Claim:
    """A statement of the paper (C1 to C5) or this package, which a computation can contradict."""

    name: str
    statement: str
    notebook: str
    measure: Measure

    def check(self, effort: Effort = "quick") -> "Table":
        """Measure: in seconds ("quick"), or longer with smaller errors ("full")."""
        check_choice("effort", effort, ("quick", "full"))
        return Table((self, finding) for finding in self.measure(effort))


def shown_in(notebook: str) -> Callable[[str], Callable[[Measure], Claim]]:
    """Return what makes a claim of a name and a generator of findings with the statement."""
    return lambda name: (
        lambda measure: Claim(name, " ".join((measure.__doc__ or "").split()), notebook, measure)
    )


class Table:
    """What was found of one claim or more; in a notebook, a table."""

    columns = (
        "claim", "quantity", "predicted", "measured", "tolerance", "method", "rival", "verdict",
    )  # fmt: skip

    def __init__(self, found: Iterable[tuple[Claim, Finding]]) -> None:
        self.found = tuple(found)
        self.findings = tuple(finding for _, finding in self.found)

    @property
    def holds(self) -> bool:
        """Whether every finding does."""
        return all(finding.holds for finding in self.findings)

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Cells; the first finding of a claim carries its statement."""
        above = None
        for claim, f in self.found:
            head = "" if claim is above else f"{claim.name}: {claim.statement}"
            measured = number(f.measured, 4) + (f" ± {number(f.error, 1)}" if f.error else "")
            rival = "" if f.rival is None else number(f.rival, 4)
            if f.rival is not None and f.error:
                rival += f" ({number(f.sigmas(f.rival), 2)} σ off)"
            tolerance, above = number(f.tolerance, 2), claim
            predicted = number(f.predicted, 4)
            yield head, f.quantity, predicted, measured, tolerance, f.method, rival, f.verdict

    def to_markdown(self) -> str:
        """Return a GitHub table."""
        lines = [self.columns, ("---",) * len(self.columns)]
        lines += [tuple(cell.replace("|", "\\|") for cell in row) for row in self.rows()]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"

    __repr__ = _repr_markdown_ = to_markdown
