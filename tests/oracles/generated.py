"""Tensors that are computed from a few numbers, as the plainest loops."""

from __future__ import annotations

import math

from graphcost.terms import Arith


def arithmetic_range(start, delta, count):
    return [start + delta * float(i) for i in range(count)]


def window(tally, name, size, *, periodic):
    """Return a window of some size, element by element."""
    length = size if periodic else size - 1
    turn = 2 * math.pi / (length or 1)
    result = []
    for place in range(size):
        n = tally.number(place)
        if name == "BlackmanWindow":
            first, second = (n * turn).trig(math.cos) * 0.5, (n * (2 * turn)).trig(math.cos) * 0.08
            result.append(0.42 - first + second)
        else:
            factor = 0.5 if name == "HannWindow" else 21 / 46
            result.append((1 - factor) - (n * turn).trig(math.cos) * factor)
    return result


def mel_weight_matrix(tally, triangles, dft_length, sample_rate, low_hertz, high_hertz):
    """Return the matrix, bin by bin, each with a number for each triangle."""
    low, high = (mel(tally.number(one)) for one in (low_hertz, high_hertz))
    step = (high - low) / float(triangles + 2)
    edges = [bin_of(tally, low + step * float(i), dft_length, sample_rate) for i in range(triangles + 2)]
    matrix = [[0.0] * triangles for _ in range(dft_length // 2 + 1)]
    for i in range(triangles):
        lower, center, upper = edges[i : i + 3]
        up, down = center - lower, upper - center
        if up.equals(0):
            matrix[int(center)][i] = 1.0
        else:
            for j in range(int(lower), int(center) + 1):
                matrix[j][i] = float((tally.number(j) - lower) / up)
        if down > 0:
            for j in range(int(center), int(upper)):
                matrix[j][i] = float((upper - tally.number(j)) / down)
    return matrix


def mel(hertz):
    return (hertz / 700.0 + 1.0).log() * (2595 / math.log(10))


def bin_of(tally, place, dft_length, sample_rate):
    exponent = place / 2595.0
    power = tally.number(10.0 ** float(exponent))
    tally.counts[Arith.POW] += 1
    return ((power - 1.0) * 700.0 * float(dft_length + 1) / float(sample_rate)).round(math.floor)
