"""Every claim as data: statement, prediction, measurement, verdict.

``quadlib.claims.C1.check()`` measures one; ``quadlib.claims.table("02_escape")`` those of a
notebook. ``python -m quadlib.claims docs/claims.md`` measures all and writes their table.
"""

from contextlib import suppress

from quadlib.claims import beyond, bias, dynamics, escape, landscape, overparameterization
from quadlib.claims.base import Claim as Claim
from quadlib.claims.base import Finding as Finding
from quadlib.claims.base import Table as Table
from quadlib.claims.measure import Unaffordable

# In the order of the notebooks
_ROOMS = (dynamics, escape, overparameterization, bias, landscape, beyond)
_NAMED: dict[str, Claim] = {name: getattr(room, name) for room in _ROOMS for name in room.__all__}
ALL: tuple[Claim, ...] = tuple(_NAMED.values())


def __getattr__(name: str) -> Claim:
    if name in _NAMED:
        return _NAMED[name]
    raise AttributeError(f"quadlib.claims has no {name!r}; its claims are {', '.join(_NAMED)}.")


def table(notebook: str) -> Table:
    """Measure the claims of a notebook quickly; without numba those that need no runs of SGD."""
    found: list[tuple[Claim, Finding]] = []
    for claim in ALL:
        if claim.notebook == notebook:
            with suppress(Unaffordable):
                for finding in claim.measure("quick"):
                    found.append((claim, finding))
    return Table(found)
