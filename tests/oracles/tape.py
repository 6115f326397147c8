"""Numbers that remember how they came about, so that a loop can be run backwards, step by step, and counted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(eq=False)
class Taped:
    """A number, what it was made of, and the derivative of the result by it, once that was handed back."""

    value: float
    tape: list[Taped]
    parents: tuple = ()
    handed: object = None

    def __post_init__(self):
        self.tape.append(self)

    def mac(self, a, b):
        return Taped(self.value + a.value * b.value, self.tape, ("mac", self, a, b))

    def __add__(self, other):
        return Taped(self.value + other.value, self.tape, ("add", self, other))

    def __rmul__(self, factor):
        return Taped(factor * self.value, self.tape, ("scaled", self, factor))

    def __float__(self):
        return self.value


@dataclass
class Tape:
    """Makes such numbers, as a Tally makes those that count."""

    numbers: list[Taped] = field(default_factory=list)

    def number(self, value=0.0):
        return Taped(float(value), self.numbers)

    def tensor(self, values):
        return np.vectorize(self.number, otypes=[object])(values)

    def back(self, tally, outputs, wanted):
        """Hand 1.0 back from every output, and count what that takes for the numbers that are wanted."""
        for one in outputs:
            one.handed = tally.number(1.0)
        moving = {id(one) for one in wanted}
        for one in self.numbers:
            if any(id(parent) in moving for parent in one.parents[1:]):
                moving.add(id(one))
        for one in reversed(self.numbers):
            if one.parents and one.handed is not None:
                _STEPS[one.parents[0]](one, moving)


def _mac(one, moving):
    _, before, a, b = one.parents
    before.handed = one.handed
    for target, other in ((a, b), (b, a)):
        if id(target) in moving:
            target.handed = (target.handed or one.handed.tally.number(0.0)).mac(one.handed, other.value)


def _add(one, moving):
    for target in one.parents[1:]:
        if id(target) in moving:
            target.handed = one.handed if target.handed is None else target.handed + one.handed


def _scaled(one, moving):
    _, target, factor = one.parents
    if id(target) in moving:
        target.handed = factor * one.handed


_STEPS = {"mac": _mac, "add": _add, "scaled": _scaled}
