"""Casts as the plainest loop, written from the operator's text: element by element, on numbers that count."""

from __future__ import annotations

import math

import numpy as np


def cast(numbers, source, target):
    """Return the elements as those of another type; `source` and `target` are numpy's."""
    made = np.empty(numbers.shape, float)
    for place in np.ndindex(numbers.shape):
        x = numbers[place]
        if target.kind == "b" and source.kind != "b":
            made[place] = not x.equals(0)
        elif source.kind == "f" and target.kind in "iu":
            made[place] = float(x.round(math.trunc))
        else:
            made[place] = float(x)
    return made
