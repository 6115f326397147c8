"""Normalizations with what onnxruntime fuses around them, as the plainest loops."""

from __future__ import annotations

import numpy as np
from oracles import rows
from oracles.fused import added, each, silu


def inverse_rms(numbers, tally, epsilon):
    """Return each number times 1 / sqrt(mean of squares + epsilon)."""
    inverse = 1.0 / (rows.mean([x * x for x in numbers], tally) + epsilon).sqrt()
    return [x * inverse for x in numbers]


def rms_rows(x, tally, epsilon, axes):
    """Return every row of x, along some axes, divided by its root mean square."""
    y = np.empty(x.shape, object)
    for row in rows.rows(x.shape, axes):
        for place, z in zip(row, inverse_rms([x[place] for place in row], tally, epsilon), strict=True):
            y[place] = z
    return y


def scaled(x, scale):
    return x if scale is None else each(lambda a, b: a * b, x, scale)


def skip_layer_normalization(inputs, tally, epsilon):
    x, skip, gamma, beta, bias = inputs
    return rows.layer_normalization((added(x, skip, bias), gamma, beta), tally, epsilon, -1)


def skip_simplified(inputs, tally, epsilon):
    x, skip, gamma, bias = inputs
    return scaled(rms_rows(added(x, skip, bias), tally, epsilon, [-1]), gamma)


def branchwise(x, scale, tally, epsilon, split):
    """Normalize each branch; `split` is the shape of x with the branches apart: (..., branches, elements)."""
    y = rms_rows(x.reshape(split), tally, epsilon, [-1])
    return scaled(y, scale).reshape(x.shape)


def gated(x, scale, gate, tally, epsilon, activation):
    split = x.reshape(*x.shape[:-1], -1, len(scale))
    y = scaled(rms_rows(split, tally, epsilon, [-1]), scale).reshape(x.shape)
    return scaled(y, each(activation, gate))


def group_norm(x, gamma, beta, tally, epsilon, groups, *, channels_last, is_active):
    """Normalize groups of channels; SiLU follows where it is asked for."""
    first = np.moveaxis(x, -1, 1) if channels_last else x
    y = rows.group_normalization((first, gamma, beta), tally, epsilon, groups, 21)
    y = each(silu, y) if is_active else y
    return np.moveaxis(y, 1, -1) if channels_last else y


def embedded(tables, ids):
    """Return the sum of the rows that the ids name; a table that is None is left out."""
    looked_up = [table[place] for table, place in zip(tables, ids, strict=True) if table is not None]
    return added(*looked_up)


def mask_index(mask, tally):
    """Return how many ones each row of the mask has."""
    found = []
    for row in mask:
        flags = [tally.number(one.equals(1.0)) for one in row]
        found.append(rows.total(flags, tally))
    return np.array(found, object)
