"""Numbers as people read them; the only place in graphcost that rounds.

Counts and rates take SI prefixes (1 M = 10^6), sizes binary ones (1 KiB = 2^10 B). Three significant digits,
cut to what a table needs; the exact integers stay in the Report and in every machine-readable format.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fractions import Fraction

_SI = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_IEC = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def count(value: int) -> str:
    """Return a count with its SI prefix.

    >>> count(999), count(1_234_567), count(4_089_184_256), count(10**40)
    ('999', '1.23 M', '4.09 G', '10000000000000000 Y')
    """
    return _scaled(value, 1000, _SI)


def size(value: float) -> str:
    """Return a number of bytes with its binary prefix.

    >>> size(512), size(2_265_092)
    ('512 B', '2.16 MiB')
    """
    return _scaled(value, 1024, _IEC)


def rate(value: float, unit: str) -> str:
    """Return a rate with its SI prefix.

    >>> rate(19.5e12, "FLOP/s")
    '19.5 TFLOP/s'
    """
    number, _, prefix = _scaled(value, 1000, _SI).partition(" ")
    return f"{number} {prefix}{unit}"


def seconds(value: float) -> str:
    """Return a time in the largest unit that keeps it at 1 or more.

    >>> seconds(0.001131649), seconds(2.5)
    ('1.13 ms', '2.5 s')
    """
    scale, unit = next((step for step in _SECONDS if value >= step[0]), _SECONDS[-1])
    return f"{value / scale:.3g} {unit}"


def percent(value: float | Fraction) -> str:
    """Return a part of one in percent.

    >>> percent(1 / 3)
    '33.3 %'
    """
    return f"{float(100 * value):.1f} %"


def _scaled(value: float, base: int, prefixes: tuple[str, ...]) -> str:
    power = 0
    while abs(value) >= base ** (power + 1) and power + 1 < len(prefixes):
        power += 1
    scaled = Decimal(value) / base**power  # a count can pass what a float holds
    if power + 1 < len(prefixes) and float(f"{scaled:.3g}") >= base:  # 999,999 is 1 M, not 1e+03 k
        power, scaled = power + 1, Decimal(value) / base ** (power + 1)
    number = f"{scaled:.0f}" if power == 0 or scaled >= 100 else f"{float(scaled):.3g}"
    return f"{number} {prefixes[power]}".rstrip()
