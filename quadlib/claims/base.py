"""What a claim is: a statement, predictions, measurements with their errors, and a verdict."""

import html
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Claim", "Effort", "Finding", "Table", "Verdict", "claim"]

Effort: TypeAlias = Literal["quick", "full"]

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
    """

    quantity: str
    predicted: float
    measured: float
    error: float = 0.0
    tolerance: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether measurement and prediction agree."""
        return abs(self.measured - self.predicted) <= self.tolerance + SIGMAS * self.error

    @property
    def sigmas(self) -> float:
        """Deviation beyond the tolerance, in standard errors."""
        beyond = abs(self.measured - self.predicted) - self.tolerance
        if beyond <= 0:
            return 0.0
        return beyond / self.error if self.error > 0 and math.isfinite(beyond) else math.inf

    @property
    def verdict(self) -> str:
        """One word, or by how much the claim fails."""
        return "holds" if self.holds else f"fails by {self.sigmas:.1f} σ"


@dataclass(frozen=True)
class Verdict:
    """A claim and what was found; shown as a table in a notebook."""

    claim: "Claim"
    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether every finding agrees with its prediction."""
        return all(finding.holds for finding in self.findings)

    def _repr_html_(self) -> str:
        return Table([self]).to_html()

    def __str__(self) -> str:
        return Table([self]).to_markdown()


@dataclass(frozen=True)
class Claim:
    """A statement of the paper or of this package that a computation can contradict.

    Attributes
    ----------
    name
        Short name: C1 to C5 are the paper's.
    statement
        The claim in one sentence.
    notebook
        Where it is shown.
    """

    name: str
    statement: str
    notebook: str
    measure: Callable[[Effort], Iterable[Finding]]

    def check(self, effort: Effort = "quick") -> Verdict:
        """Measure: in seconds ("quick"), or longer with smaller errors ("full")."""
        if effort not in ("quick", "full"):
            raise ValueError(f"effort must be 'quick' or 'full', got {effort!r}; choose one.")
        return Verdict(self, tuple(self.measure(effort)))


def claim(
    name: str, statement: str, notebook: str
) -> Callable[[Callable[[Effort], Iterator[Finding]]], Claim]:
    """Turn a generator of findings into a `Claim`."""

    def decorate(measure: Callable[[Effort], Iterator[Finding]]) -> Claim:
        return Claim(name, statement, notebook, measure)

    return decorate


class Table:
    """Verdicts as one table, in HTML for notebooks and in Markdown for files."""

    columns = ("claim", "quantity", "predicted", "measured", "verdict")

    def __init__(self, verdicts: Iterable[Verdict]) -> None:
        self.verdicts = tuple(verdicts)

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Cells; the first finding of a claim carries its statement."""
        for verdict in self.verdicts:
            head = f"{verdict.claim.name}: {verdict.claim.statement}"
            for finding in verdict.findings:
                measured = _number(finding.measured)
                if finding.error > 0:
                    measured += f" ± {finding.error:.1g}"
                yield (
                    head,
                    finding.quantity,
                    _number(finding.predicted),
                    measured,
                    finding.verdict,
                )
                head = ""

    def to_markdown(self) -> str:
        """Return a GitHub table."""
        lines = [self.columns, ("---",) * len(self.columns)]
        lines += [tuple(cell.replace("|", "\\|") for cell in row) for row in self.rows()]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"

    def to_html(self) -> str:
        """Return an HTML table."""

        def line(cells: tuple[str, ...], tag: str) -> str:
            return "<tr>" + "".join(_cell(cell, tag) for cell in cells) + "</tr>"

        body = "".join(line(row, "td") for row in self.rows())
        return f"<table><thead>{line(self.columns, 'th')}</thead><tbody>{body}</tbody></table>"

    _repr_html_ = to_html
    __str__ = to_markdown


def _cell(text: str, tag: str) -> str:
    return f'<{tag} style="text-align:left">{html.escape(text)}</{tag}>'


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:.4g}"
