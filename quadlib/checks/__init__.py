"""Argument checks: each returns a clean value or raises one sentence that says what to do.

The library is made for numbers in these ranges. Inside them a result is finite and nothing
overflows; what lies outside is refused. (At 1e90 the drift, cubic in the overlaps and quadratic
in η, stays below 1e308.)
"""

from quadlib.checks.arrays import finite_array as finite_array
from quadlib.checks.arrays import read_only as read_only
from quadlib.checks.arrays import recording_points as recording_points
from quadlib.checks.arrays import symmetric_array as symmetric_array
from quadlib.checks.scalars import LARGEST as LARGEST
from quadlib.checks.scalars import LARGEST_ALPHA as LARGEST_ALPHA
from quadlib.checks.scalars import LARGEST_ETA as LARGEST_ETA
from quadlib.checks.scalars import LARGEST_N as LARGEST_N
from quadlib.checks.scalars import MOST_UNITS as MOST_UNITS
from quadlib.checks.scalars import ROUNDING as ROUNDING
from quadlib.checks.scalars import SMALLEST as SMALLEST
from quadlib.checks.scalars import Constraint as Constraint
from quadlib.checks.scalars import Random as Random
from quadlib.checks.scalars import Seed as Seed
from quadlib.checks.scalars import as_generator as as_generator
from quadlib.checks.scalars import axes as axes
from quadlib.checks.scalars import check_choice as check_choice
from quadlib.checks.scalars import check_constraint as check_constraint
from quadlib.checks.scalars import check_dimension as check_dimension
from quadlib.checks.scalars import check_eta as check_eta
from quadlib.checks.scalars import check_flag as check_flag
from quadlib.checks.scalars import check_integer as check_integer
from quadlib.checks.scalars import check_kind as check_kind
from quadlib.checks.scalars import check_real as check_real
from quadlib.checks.scalars import check_seed as check_seed
