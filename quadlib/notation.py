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
    whole = float(size).is_integer() and size < 1e6
    mantissa, power = f"{size:.{digits - 1}e}".split("e")
    exponent, mantissa = (
        int(power),
        mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa,
    )
    exact = f"{int(size):d}" if whole else ""
    if mantissa == "1" and exponent >= 4 and (not exact or size == 10**exponent):
        return f"{sign}10{str(exponent).translate(_SUPERSCRIPT)}"
    if whole or -3 <= exponent < 5:
        plain = exact or f"{Decimal(f'{mantissa}e{exponent}'):f}"
        left, dot, right = plain.partition(".")
        return (
            sign + (f"{int(left):,}".replace(",", _THIN) if len(left) > 4 else left) + dot + right
        )
    times = "" if mantissa == "1" else f"{mantissa}·"
    return f"{sign}{times}10{str(exponent).translate(_SUPERSCRIPT)}"
