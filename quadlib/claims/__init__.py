"""Every claim as data: statement, prediction, measurement, verdict.

``quadlib.claims.C1.check()`` measures one; ``quadlib.claims.of("02_escape")`` are those of a
notebook. ``python -m quadlib.claims docs/claims.md`` measures all and writes their table.
"""

from quadlib.claims.base import Claim as Claim
from quadlib.claims.base import Finding as Finding
from quadlib.claims.base import Table as Table
from quadlib.claims.base import Verdict as Verdict
from quadlib.claims.beyond import any_N as any_N
from quadlib.claims.beyond import floor as floor
from quadlib.claims.beyond import past_eta_c as past_eta_c
from quadlib.claims.beyond import staircase as staircase
from quadlib.claims.bias import C3 as C3
from quadlib.claims.bias import C4 as C4
from quadlib.claims.bias import blur as blur
from quadlib.claims.dynamics import C1 as C1
from quadlib.claims.dynamics import one_law as one_law
from quadlib.claims.dynamics import random_start as random_start
from quadlib.claims.escape import existence as existence
from quadlib.claims.escape import law_of_escape as law_of_escape
from quadlib.claims.escape import logarithm as logarithm
from quadlib.claims.escape import on_plateau as on_plateau
from quadlib.claims.escape import plateau_noise as plateau_noise
from quadlib.claims.landscape import C5 as C5
from quadlib.claims.landscape import multiplicities as multiplicities
from quadlib.claims.landscape import quartic as quartic
from quadlib.claims.landscape import sampled as sampled
from quadlib.claims.overparameterization import C2 as C2
from quadlib.claims.overparameterization import critical as critical
from quadlib.claims.overparameterization import late_times as late_times
from quadlib.claims.overparameterization import prefactor as prefactor
from quadlib.claims.overparameterization import spherical as spherical

# In the order of the notebooks
ALL: tuple[Claim, ...] = (
    *(C1, random_start, one_law),
    *(on_plateau, law_of_escape, plateau_noise, logarithm, existence),
    *(C2, prefactor, late_times, critical, spherical),
    *(C3, C4, blur),
    *(C5, multiplicities, quartic, sampled),
    *(staircase, floor, past_eta_c, any_N),
)


def of(notebook: str) -> tuple[Claim, ...]:
    """Return the claims that a notebook shows."""
    return tuple(claim for claim in ALL if claim.notebook == notebook)


def table(notebook: str) -> Table:
    """Measure the claims of a notebook quickly; the table of what was found."""
    return Table(claim.check() for claim in of(notebook))
