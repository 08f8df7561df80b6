"""The one way to write a number, wherever a person reads it."""

import math
from decimal import Decimal

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_THIN = "\N{NARROW NO-BREAK SPACE}"


def number(x: float, digits: int = 3) -> str:
    """Return x with `digits` significant digits, as print would have it.

    From 10⁻³ to 10⁵ plainly, in groups of three from 10,000 on; beyond as a power of ten:
    0.0026, −1.5, 1000, 39 982, 4.5·10⁻⁷, 10¹². Integers below 10⁶ keep all their digits. Trailing
    zeros are left out, infinity is ∞.
    """
    if not math.isfinite(x):
        return "not a number" if math.isnan(x) else "∞" if x > 0 else "−∞"
    sign, size = "−" if x < 0 else "", abs(x)
    if size == 0:
        return "0"
    mantissa, _, power = f"{size:.{digits - 1}e}".partition("e")
    exponent = int(power)
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    exact = str(int(size)) if float(size).is_integer() and size < 1e6 else ""
    of_ten = mantissa == "1" and exponent >= 4 and (not exact or size == 10**exponent)
    if not of_ten and (exact or -3 <= exponent < 5):
        left, dot, right = (exact or f"{Decimal(f'{mantissa}e{exponent}'):f}").partition(".")
        if len(left) > 4:
            left = f"{int(left):,}".replace(",", _THIN)
        return f"{sign}{left}{dot}{right}"
    times = "" if mantissa == "1" else f"{mantissa}·"
    return f"{sign}{times}10{str(exponent).translate(_SUPERSCRIPT)}"
