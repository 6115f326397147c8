"""Softmax, reductions and normalizations as the plainest loops over rows: the elements that belong together.

Tensors are arrays of counting numbers; every function returns such an array.
"""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import product

import numpy as np


def rows(shape, axes):
    """Yield, row by row, the places of the elements along some axes."""
    axes = {axis % len(shape) for axis in axes}
    for base in product(*(range(1 if axis in axes else size) for axis, size in enumerate(shape))):
        yield list(product(*(range(n) if axis in axes else [base[axis]] for axis, n in enumerate(shape))))


def combine(numbers, step, start):
    """Return a row's combination: n numbers take n - 1 steps."""
    if not numbers:
        return start
    result = numbers[0]
    for one in numbers[1:]:
        result = step(result, one)
    return result


def total(numbers, tally):
    return combine(numbers, lambda a, b: a + b, tally.number(0.0))


def mean(numbers, tally):
    return total(numbers, tally) / float(len(numbers))


def maximum(numbers, tally):
    return combine(numbers, lambda a, b: a.maximum(b), tally.number(-math.inf))


def variance(differences, tally):
    return mean([d * d for d in differences], tally)


# Softmax and its kin


def exponentials(numbers, tally):
    """Return x - max(x), exp(x - max(x)) and the sum of the latter."""
    peak = maximum(numbers, tally)
    differences = [x - peak for x in numbers]
    powers = [d.exp() for d in differences]
    return differences, powers, total(powers, tally)


def softmax(x, axes, tally):
    y = np.empty(x.shape, object)
    for row in rows(x.shape, axes):
        _, powers, whole = exponentials([x[place] for place in row], tally)
        for place, power in zip(row, powers, strict=True):
            y[place] = power / whole
    return y


def log_softmax(x, axes, tally):
    y = np.empty(x.shape, object)
    for row in rows(x.shape, axes):
        differences, _, whole = exponentials([x[place] for place in row], tally)
        logarithm = whole.log()
        for place, difference in zip(row, differences, strict=True):
            y[place] = difference - logarithm
    return y


def hardmax(x, axes, tally):
    y = np.full(x.shape, tally.number(0.0), object)
    for row in rows(x.shape, axes):
        if row:
            y[first(row, x, lambda a, b: a > b)] = tally.number(1.0)
    return y


def first(row, x, better):
    """Return the place of the first element that is better than all before it."""
    best = row[0]
    for place in row[1:]:
        if better(x[place], x[best]):
            best = place
    return best


# Reductions: from the numbers of one row to one number

REDUCTIONS = {
    "ReduceSum": total,
    "ReduceMean": mean,
    "ReduceMax": maximum,
    "ReduceMin": lambda row, tally: combine(row, lambda a, b: a.minimum(b), tally.number(math.inf)),
    "ReduceProd": lambda row, tally: combine(row, lambda a, b: a * b, tally.number(1.0)),
    "ReduceL1": lambda row, tally: total([abs(x) for x in row], tally),
    "ReduceL2": lambda row, tally: total([x * x for x in row], tally).sqrt(),
    "ReduceSumSquare": lambda row, tally: total([x * x for x in row], tally),
    "ReduceLogSum": lambda row, tally: total(row, tally).log(),
    "ReduceLogSumExp": lambda row, tally: total([x.exp() for x in row], tally).log(),
}


def reduce(op_type, x, axes, tally):
    """Return one number per row, in the order of the rows."""
    return [REDUCTIONS[op_type]([x[place] for place in row], tally) for row in rows(x.shape, axes)]


def arg_best(x, axis, better):
    """Return the position along the axis of each row's first best element."""
    return [first(row, x, better)[axis] for row in rows(x.shape, [axis])]


def running(x, axis, step, start, *, exclusive, reverse):
    y = np.empty(x.shape, object)
    for row in rows(x.shape, [axis]):
        places = row[::-1] if reverse else row
        sources = [start, *(x[place] for place in places[:-1])] if exclusive else [x[place] for place in places]
        for i, place in enumerate(places):
            is_copy = i == 0 or (exclusive and i == 1)
            y[place] = sources[i] if is_copy else step(y[places[i - 1]], sources[i])
    return y


# Normalizations


def batch_normalization(inputs, epsilon):
    x, scale, b, mu, var = inputs
    y = np.empty(x.shape, object)
    roots = {place: (var[place] + epsilon).sqrt() for place in np.ndindex(var.shape)}
    for place in np.ndindex(x.shape):
        channel = channel_of(place, scale)
        y[place] = (x[place] - mu[channel]) / roots[channel] * scale[channel] + b[channel]
    return y


def batch_normalization_in_training(inputs, tally, epsilon, momentum):
    x, scale, b, mu, var = inputs
    y, running_mean, running_var = np.empty(x.shape, object), np.empty(mu.shape, object), np.empty(mu.shape, object)
    members = defaultdict(list)
    for place in np.ndindex(x.shape):
        members[channel_of(place, scale)].append(place)
    for channel, row in members.items():
        current_mean = mean([x[place] for place in row], tally)
        differences = [x[place] - current_mean for place in row]
        current_var = variance(differences, tally)
        root = (current_var + epsilon).sqrt()
        for place, d in zip(row, differences, strict=True):
            y[place] = d / root * scale[channel] + b[channel]
        running_mean[channel] = mu[channel] * momentum + current_mean * (1 - momentum)
        running_var[channel] = var[channel] * momentum + current_var * (1 - momentum)
    return y, running_mean, running_var


def channel_of(place, scale):
    return place[1 : 1 + scale.ndim] if len(place) > 1 else (0,)


def standardized(numbers, tally, epsilon):
    """Return (x - mean) / sqrt(variance + epsilon)."""
    middle = mean(numbers, tally)
    differences = [x - middle for x in numbers]
    root = (variance(differences, tally) + epsilon).sqrt()
    return [d / root for d in differences]


def instance_normalization(inputs, tally, epsilon):
    x, scale, b = inputs
    y = np.empty(x.shape, object)
    for row in rows(x.shape, range(2, x.ndim)):
        for place, z in zip(row, standardized([x[place] for place in row], tally, epsilon), strict=True):
            y[place] = z * scale[place[1]] + b[place[1]]
    return y


def group_normalization(inputs, tally, epsilon, num_groups, opset):
    x, scale, bias = inputs
    y, per_group = np.empty(x.shape, object), x.shape[1] // num_groups
    members = defaultdict(list)
    for place in np.ndindex(x.shape):
        members[place[0], place[1] // per_group].append(place)
    for (_, group), row in members.items():
        for place, z in zip(row, standardized([x[place] for place in row], tally, epsilon), strict=True):
            own = group if opset < 21 else place[1]
            y[place] = z * scale[own] + bias[own]
    return y


def layer_normalization(inputs, tally, epsilon, axis):
    x, scale, b = inputs
    y = np.empty(x.shape, object)
    scale = np.broadcast_to(scale, x.shape)
    for row in rows(x.shape, range(axis % x.ndim, x.ndim)):
        middle = mean([x[place] for place in row], tally)
        differences = [x[place] - middle for place in row]
        inverse = 1.0 / (variance(differences, tally) + epsilon).sqrt()
        for place, d in zip(row, differences, strict=True):
            y[place] = d * inverse * scale[place]
            if b is not None:
                y[place] = y[place] + np.broadcast_to(b, x.shape)[place]
    return y


def rms_normalization(inputs, tally, epsilon, axis):
    x, scale = inputs
    y = np.empty(x.shape, object)
    scale = np.broadcast_to(scale, x.shape)
    for row in rows(x.shape, range(axis % x.ndim, x.ndim)):
        rms = (mean([x[place] * x[place] for place in row], tally) + epsilon).sqrt()
        for place in row:
            y[place] = x[place] / rms * scale[place]
    return y


def mean_variance_normalization(x, tally, axes):
    y = np.empty(x.shape, object)
    for row in rows(x.shape, axes):
        middle = mean([x[place] for place in row], tally)
        differences = [x[place] - middle for place in row]
        root = variance(differences, tally).sqrt()
        for place, d in zip(row, differences, strict=True):
            y[place] = d / root
    return y


def lp_normalization(x, tally, axis, p):
    y = np.empty(x.shape, object)
    for row in rows(x.shape, [axis]):
        powers = [abs(x[place]) if p == 1 else x[place] * x[place] for place in row]
        norm = total(powers, tally) if p == 1 else total(powers, tally).sqrt()
        is_zero = norm.equals(0.0)
        for place in row:
            y[place] = tally.number(0.0) if is_zero else x[place] / norm
    return y


def local_response_normalization(x, tally, *, size, alpha, beta, bias):
    y, channels = np.empty(x.shape, object), x.shape[1]
    for place in np.ndindex(x.shape):
        n, c, *rest = place
        window = range(max(0, c - math.floor((size - 1) / 2)), min(channels - 1, c + math.ceil((size - 1) / 2)) + 1)
        square_sum = total([x[(n, i, *rest)] * x[(n, i, *rest)] for i in window], tally)
        y[place] = x[place] / (bias + (alpha / size) * square_sum).pow(beta)
    return y
