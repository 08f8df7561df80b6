import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quadlib.notation import number

THIN = "\u202f"


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0, "0"),
        (-0.0, "0"),
        (0.05, "0.05"),
        (0.0026, "0.0026"),
        (4.5e-7, "4.5·10⁻⁷"),
        (-1.5, "−1.5"),
        (-2e-5, "−2·10⁻⁵"),
        (1, "1"),
        (0.9996, "1"),
        (1000, "1000"),
        (10**4, "10⁴"),
        (9999.9, "10⁴"),
        (39982, f"39{THIN}982"),
        (316228, f"316{THIN}228"),
        (123456.7, "1.23·10⁵"),
        (1234.5, "1230"),
        (1e6, "10⁶"),
        (10**12, "10¹²"),
        (1e-12, "10⁻¹²"),
        (56234133, "5.62·10⁷"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "not a number"),
        (np.float64(0.25), "0.25"),
        (np.int64(7), "7"),
    ],
)
def test_a_number_is_written_one_way(x, text):
    assert number(x) == text


def read(text):
    """The value that a person reads."""
    text = text.replace("−", "-").replace(THIN, "")
    mantissa, ten, exponent = re.fullmatch(
        r"(-?[\d.]+?)?·?(?:(10)([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?", text
    ).groups()
    if ten is None:
        return float(mantissa)
    plain = exponent.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    return float((mantissa or "1") if mantissa != "-" else "-1") * 10.0 ** int(plain)


@given(st.floats(1e-300, 1e300), st.integers(1, 6))
def test_what_is_read_is_right_to_the_last_digit(x, digits):
    assert read(number(x, digits)) == pytest.approx(x, rel=0.5001 * 10.0 ** (1 - digits))


@given(st.integers(0, 10**6 - 1))
def test_integers_below_a_million_are_exact(n):
    assert read(number(n)) == n


@given(st.floats(-1e20, 1e20), st.integers(1, 6))
def test_no_computer_notation(x, digits):
    assert not re.search(r"[e+,-]|\.0*$|\.\d*0$", number(x, digits).replace("·10", "x"))
