"""Searching and sorting as the plainest loops, and the inputs that make them work the most."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from graphcost.terms import Arith


def top_k(tally, row, k, is_before):
    """Return the places of the best k: each number is put by halving into the list of the best so far."""
    best = []
    for place, number in enumerate(row):
        low, high = 0, len(best)
        while low < high:
            middle = (low + high) // 2
            tally.counts[Arith.CMP] += 1
            if is_before(float(number), float(row[best[middle]])):
                high = middle
            else:
                low = middle + 1
        best.insert(low, place)
        del best[k:]
    return best


def unique(tally, slices):
    """Return the places of the first of each kind in ascending order, and for each slice which kind it is of.

    A slice is a list of numbers. Each is sought by halving among the kinds so far.
    """
    kinds, of_kind, counts = [], [], {}
    for place, one in enumerate(slices):
        low, high, found = 0, len(kinds), None
        while low < high and found is None:
            middle = (low + high) // 2
            order = compared(tally, one, slices[kinds[middle]])
            if order == 0:
                found = kinds[middle]
            elif order < 0:
                high = middle
            else:
                low = middle + 1
        if found is None:
            kinds.insert(low, place)
            counts[place] = tally.number(1)
        else:
            counts[found] = counts[found] + 1
        of_kind.append(place if found is None else found)
    return kinds, of_kind, counts


def compared(tally, one, other):
    """Return -1, 0 or 1 as one slice is less than, equal to or greater than another: one look tells that of two."""
    for a, b in zip(one, other, strict=True):
        tally.counts[Arith.CMP] += 1
        if float(a) != float(b):
            return -1 if float(a) < float(b) else 1
    return 0


def is_ascending(tally, row):
    """Return whether each number is at most its successor: who knows that has sorted the row."""
    return all(compared(tally, [a], [b]) <= 0 for a, b in pairwise(row))


def hardest(count, k):
    """Return distinct numbers, of which each falls into the larger half whenever the loops look for its place."""
    order = []
    for place in range(count):
        low, high = 0, min(len(order), k)
        while low < high:
            middle = (low + high) // 2
            if middle - low >= high - middle - 1:
                high = middle
            else:
                low = middle + 1
        order.insert(low, place)
    return [float(order.index(place)) for place in range(count)]


def non_zero(x):
    """Return the places of the numbers that are not 0, as numpy.nonzero does."""
    places = [place for place in np.ndindex(x.shape) if not x[place].equals(0.0)]
    return np.array(places, np.int64).reshape(len(places), x.ndim).T


def banned(tally, ids, size):
    """Return the tokens that would end an n-gram of a sequence that it holds already."""
    found = set()
    for start in range(len(ids) - size + 1):
        last, matches = ids[len(ids) - size + 1 :], True
        for offset in range(size - 1):
            if compared(tally, [ids[start + offset]], [last[offset]]) != 0:
                matches = False
                break
        if matches:
            found.add(ids[start + size - 1])
    return found


def all_finite(tally, tensors, *, asks_nan, asks_inf):
    """Return whether no number is NaN or infinite: the verdicts on all of them, one after the other."""
    verdicts = []
    for one in (number for tensor in tensors for number in tensor.flat):
        if asks_nan:
            verdicts.append(one.equals(one))
        if asks_inf:
            verdicts += [not one.equals(np.inf), not one.equals(-np.inf)]
    result = tally.number(verdicts[0] if verdicts else 1)
    for verdict in verdicts[1:]:
        result = result & tally.number(verdict)
    return bool(float(result))
