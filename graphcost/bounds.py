"""A number that is exact, or that says between which ends it lies."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Bounds:
    """A number that is exact, or between two others.

    >>> Bounds.exactly(3) + Bounds(1, 2), Bounds(1, None).times(4), Bounds.exactly(5).either(Bounds.exactly(2))
    (Bounds(low=4, high=5), Bounds(low=4, high=None), Bounds(low=2, high=5))
    """

    low: int
    """It is at least this."""
    high: int | None
    """It is at most this; None where nothing can be said."""

    @classmethod
    def exactly(cls, value: int) -> Bounds:
        """Return a number that is known."""
        return cls(value, value)

    @classmethod
    def of(cls, value: Bounds | int) -> Bounds:
        """Return a number that may be known already as one with bounds."""
        return value if isinstance(value, Bounds) else cls.exactly(value)

    @property
    def is_exact(self) -> bool:
        """Whether both ends are the same."""
        return self.low == self.high

    @property
    def best(self) -> int:
        """The number to show: the high end where there is one, else the low one, to be shown with `>=`."""
        return self.low if self.high is None else self.high

    def __add__(self, other: Bounds) -> Bounds:
        high = None if self.high is None or other.high is None else self.high + other.high
        return Bounds(self.low + other.low, high)

    @classmethod
    def total(cls, parts: Iterable[Bounds]) -> Bounds:
        """Return the sum of several numbers.

        >>> Bounds.total([Bounds(1, 2), Bounds(3, 3)])
        Bounds(low=4, high=5)
        """
        low = high = 0
        is_bounded = True
        for part in parts:
            low += part.low
            if part.high is None:
                is_bounded = False
            else:
                high += part.high
        return cls(low, high if is_bounded else None)

    def times(self, count: int | None) -> Bounds:
        """Return the number for several runs; an unknown count may be none at all."""
        if count is None:
            return NOTHING if self == NOTHING else UNBOUNDED
        return Bounds(self.low * count, 0 if count == 0 else None if self.high is None else self.high * count)

    def either(self, other: Bounds) -> Bounds:
        """Return what holds where one of two happens, and which isn't known."""
        high = None if self.high is None or other.high is None else max(self.high, other.high)
        return Bounds(min(self.low, other.low), high)


NOTHING = Bounds(0, 0)
UNBOUNDED = Bounds(0, None)


def share_of(part: Bounds, whole: Bounds) -> Fraction | None:
    """Return the most that a part can be of a whole; None where nothing can be said.

    >>> share_of(Bounds.exactly(1), Bounds.exactly(3)), share_of(Bounds(1, 2), Bounds(5, None))
    (Fraction(1, 3), Fraction(2, 5))
    """
    return Fraction(min(part.high, whole.low), whole.low) if whole.low and part.high is not None else None
