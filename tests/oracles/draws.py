"""Random numbers as the plainest loops; every draw gives the same number."""

from __future__ import annotations

import math

from oracles import rows


def scaled(tally, count, factor, start):
    """Return start + factor * draw; a factor of 1 and a start of 0 are left out."""
    result = []
    for _ in range(count):
        one = tally.random()
        one = one if factor == 1 else one * factor
        result.append(one if start == 0 else one + start)
    return result


def bernoulli(tally, probabilities):
    return [float(tally.random() < one) for one in probabilities]


def multinomial(tally, row, samples):
    """Return samples from the classes of one row of unnormalized log-probabilities."""
    highest = rows.combine(list(row), lambda a, b: a.maximum(b), tally.number(-math.inf))
    sums = []
    for one in row:
        e = (one - highest).exp()
        sums.append(sums[-1] + e if sums else e)
    found = []
    for _ in range(samples):
        target = tally.random() * sums[-1]
        low, high = 0, len(sums) - 1
        while low < high:
            middle = (low + high) // 2
            if sums[middle] > target:
                high = middle
            else:
                low = middle + 1
        found.append(low)
    return found
