"""Numbers that count what is done to them, for the plainest loops that one can write."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from graphcost.terms import Arith


@dataclass
class Tally:
    """What was done, by kind of scalar work."""

    counts: Counter[Arith] = field(default_factory=Counter)

    def number(self, value: float = 1.0) -> Number:
        """Return a number whose operations are counted here."""
        return Number(float(value), self)

    def tensor(self, values) -> np.ndarray:
        """Return an array of numbers whose operations are counted here."""
        return np.vectorize(self.number, otypes=[object])(values)

    def some(self, *shape: int) -> np.ndarray:
        """Return an array of this shape, of small numbers that all differ."""
        places = np.arange(math.prod(shape)).reshape(shape)
        return self.tensor(np.sin(2.0 * places))

    def random(self) -> Number:
        """Return a number that was drawn; always the same one, so that a loop can be run again."""
        self.counts[Arith.RANDOM] += 1
        return self.number(0.7)

    def __getitem__(self, arith: Arith) -> int:
        return self.counts[arith]

    def as_dict(self) -> dict[Arith, int]:
        """Return the kinds of work that were done at all."""
        return {arith: count for arith, count in self.counts.items() if count}


def values(numbers: np.ndarray) -> np.ndarray:
    """Return the plain values of an array of counting numbers."""
    return np.vectorize(float, otypes=[float])(numbers)


@dataclass(frozen=True)
class Number:
    """A float that counts what is done to it. Operands that are plain floats count too: a constant is a number."""

    value: float
    tally: Tally

    def _did(self, arith: Arith, value: float) -> Number:
        self.tally.counts[arith] += 1
        return Number(value, self.tally)

    def __add__(self, other):
        return self._did(Arith.ADD, self.value + float(other))

    def __radd__(self, other):
        return self + other

    def __sub__(self, other):
        return self._did(Arith.ADD, self.value - float(other))

    def __rsub__(self, other):
        return self._did(Arith.ADD, float(other) - self.value)

    def __mul__(self, other):
        return self._did(Arith.MUL, self.value * float(other))

    def __rmul__(self, other):
        return self * other

    def __truediv__(self, other):
        return self._did(Arith.DIV, self.value / (float(other) or 1.0))

    def __rtruediv__(self, other):
        return self._did(Arith.DIV, float(other) / (self.value or 1.0))

    def __mod__(self, other):
        return self._did(Arith.DIV, self.value % (float(other) or 1.0))

    def __neg__(self):
        return self._did(Arith.SIGN, -self.value)

    def __abs__(self):
        return self._did(Arith.SIGN, abs(self.value))

    def __gt__(self, other):
        self.tally.counts[Arith.CMP] += 1
        return self.value > float(other)

    def __lt__(self, other):
        self.tally.counts[Arith.CMP] += 1
        return self.value < float(other)

    def __ge__(self, other):
        self.tally.counts[Arith.CMP] += 1
        return self.value >= float(other)

    def __le__(self, other):
        self.tally.counts[Arith.CMP] += 1
        return self.value <= float(other)

    def equals(self, other) -> bool:
        self.tally.counts[Arith.CMP] += 1
        return self.value == float(other)

    def choose(self, yes, no):
        """Return one of two by this condition, counted as a comparison."""
        self.tally.counts[Arith.CMP] += 1
        return yes if self.value else no

    def __and__(self, other):
        return self._did(Arith.LOGIC, int(self.value) & int(other))

    def __or__(self, other):
        return self._did(Arith.LOGIC, int(self.value) | int(other))

    def __xor__(self, other):
        return self._did(Arith.LOGIC, int(self.value) ^ int(other))

    def __invert__(self):
        return self._did(Arith.LOGIC, ~int(self.value))

    def __lshift__(self, other):
        return self._did(Arith.LOGIC, int(self.value) << int(other))

    def __rshift__(self, other):
        return self._did(Arith.LOGIC, int(self.value) >> int(other))

    def __float__(self):
        return float(self.value)

    def __int__(self):
        return int(self.value)

    def mac(self, a, b) -> Number:
        """Return self + a * b, counted as one multiply-accumulate."""
        return self._did(Arith.MAC, self.value + float(a) * float(b))

    def exp(self) -> Number:
        return self._did(Arith.EXP, math.exp(min(self.value, 50.0)))

    def log(self) -> Number:
        return self._did(Arith.LOG, math.log(abs(self.value) or 1.0))

    def sqrt(self) -> Number:
        return self._did(Arith.SQRT, math.sqrt(abs(self.value)))

    def pow(self, exponent) -> Number:
        return self._did(Arith.POW, abs(self.value) ** min(float(exponent), 4.0))

    def tanh(self) -> Number:
        return self._did(Arith.TANH, math.tanh(self.value))

    def erf(self) -> Number:
        return self._did(Arith.ERF, math.erf(self.value))

    def trig(self, function=math.sin) -> Number:
        return self._did(Arith.TRIG, function(self.value))

    def sign(self) -> Number:
        return self._did(Arith.SIGN, (self.value > 0.0) - (self.value < 0.0))

    def round(self, function=round) -> Number:
        return self._did(Arith.ROUND, float(function(self.value)))

    def maximum(self, other) -> Number:
        return self._did(Arith.CMP, max(self.value, float(other)))

    def minimum(self, other) -> Number:
        return self._did(Arith.CMP, min(self.value, float(other)))
