"""Interpolation, sampling and regions as the plainest loops, written from the operators' text.

Where a number comes from data, what is done to it is counted; integer places and what is known beforehand are not.
"""

from __future__ import annotations

from itertools import product
from math import floor

import numpy as np

A = -0.75


def coefficients(mode, ratio):
    """Return the places beside the point before and the weights of the points there."""
    if mode == "linear":
        return [(0, 1.0 - ratio), (1, ratio)]
    before, rest, beyond = ratio + 1.0, 1.0 - ratio, 2.0 - ratio
    return [(-1, _outer(before)), (0, _inner(ratio)), (1, _inner(rest)), (2, _outer(beyond))]


def _inner(distance):
    return ((A + 2) * distance - (A + 3)) * distance * distance + 1.0


def _outer(distance):
    return ((A * distance - 5 * A) * distance + 8 * A) * distance - 4 * A


def split(x):
    """Return the point before a place and how far the place lies beyond it."""
    before = x.round(floor)
    return int(before), x - before


def joint(along_axes):
    """Return the points of several axes with their weights: the products of those along each axis."""
    found = []
    for points in product(*along_axes):
        weight = points[0][1]
        for _, other in points[1:]:
            weight = weight * other
        found.append((tuple(place for place, _ in points), weight))
    return found


def average(points, value_at):
    """Return the sum of the values at some points, each times its weight."""
    total = None
    for place, weight in points:
        part = value_at(place) * weight
        total = part if total is None else total + part
    return total


def inside_or_zero(tally, x):
    """Return what gives a value of an array, and zero outside."""

    def value_at(place):
        is_inside = all(0 <= i < size for i, size in zip(place, x.shape, strict=True))
        return x[place] if is_inside else tally.number(0)

    return value_at


def reflected(i, size, *, align):
    """Return the place that i comes to when the ends of an axis reflect it until it is inside."""
    while not 0 <= i < size:
        low, high = (0, 2 * (size - 1)) if align else (-1, 2 * size - 1)
        i = low - i if i < 0 else high - i
    return i


def grid_sample(tally, x, grid, mode, padding, *, align):
    """Return Y[n, c, p], each sampled where grid[n, p] says; its coordinates stand from the last axis to the first."""
    y = np.empty((*x.shape[:2], *grid.shape[1:-1]), object)
    for n, *p in np.ndindex(grid.shape[:-1]):
        places = [_denormalized(one, size, align) for one, size in zip(grid[(n, *p)][::-1], x.shape[2:], strict=True)]
        if mode == "nearest":
            points = [(tuple(int(one.round()) for one in places), None)]
        else:
            parts = [split(one) for one in places]
            points = joint([[(i + o, w) for o, w in coefficients(mode, ratio)] for i, ratio in parts])
        for c in range(x.shape[1]):
            value_at = _padded(tally, x[n, c], padding, align)
            y[(n, c, *p)] = value_at(points[0][0]) if mode == "nearest" else average(points, value_at)
    return y


def _denormalized(one, size, align):
    return (one + 1) / 2 * (size - 1) if align else ((one + 1) * size - 1) / 2


def _padded(tally, x, padding, align):
    if padding == "zeros":
        return inside_or_zero(tally, x)

    def value_at(place):
        if padding == "border":
            return x[tuple(min(max(i, 0), size - 1) for i, size in zip(place, x.shape, strict=True))]
        return x[tuple(reflected(i, size, align=align) for i, size in zip(place, x.shape, strict=True))]

    return value_at


def affine_grid(tally, theta, sizes, *, align):
    """Return grid[n, p] = theta[n] * (*p, 1), with positions from -1 to 1; x, the last axis, stands first."""
    axes = len(sizes)
    grid = np.empty((len(theta), *sizes, axes), object)
    for n, *p in np.ndindex(grid.shape[:-1]):
        position = [
            -1 + 2 * i / (size - 1) if align else -1 + (2 * i + 1) / size
            for i, size in reversed(list(zip(p, sizes, strict=True)))
        ]
        for row in range(axes):
            total = tally.number(0)
            for column, coordinate in enumerate([*position, 1.0]):
                total = total.mac(theta[n, row, column], coordinate)
            grid[(n, *p, row)] = total
    return grid


def roi_align(tally, x, rois, images, said, *, half_pixel):
    """Return the mean, or the largest, of the samples in each bin of each region."""
    ratio, scale, bins = said["sampling_ratio"], said["spatial_scale"], (said["output_height"], said["output_width"])
    y = np.empty((len(rois), x.shape[1], *bins), object)
    for r, (x1, y1, x2, y2) in enumerate(rois):
        along = [
            _sampled_axis(low, high, scale, many, ratio, half_pixel)
            for low, high, many in zip((y1, x1), (y2, x2), bins, strict=True)
        ]
        for i, j in np.ndindex(bins):
            samples = [
                joint([_clamped(*a, x.shape[2]), _clamped(*b, x.shape[3])]) if _near(a, b, x) else _nowhere(a)
                for a, b in product(along[0][i], along[1][j])
            ]
            for c in range(x.shape[1]):
                value_at = inside_or_zero(tally, x[images[r], c])
                y[r, c, i, j] = _pooled(samples, value_at, said["mode"])
    return y


def _sampled_axis(low, high, scale, bins, ratio, half_pixel):
    """Return the samples along an axis, bin by bin: the point before, the weights of it and the next one."""
    low, high = low * scale, high * scale
    if half_pixel:
        low, high = low - 0.5, high - 0.5
    length = high - low
    if not half_pixel:
        length = length.maximum(1.0)
    wide = length / bins
    places = [[low + wide * i + wide * (k + 0.5) / ratio for k in range(ratio)] for i in range(bins)]
    return [[(float(one), *_weighed(one)) for one in row] for row in places]


def _weighed(one):
    before, ratio = split(one)
    return before, coefficients("linear", ratio)


def _near(a, b, x):
    return all(-1 <= one[0] <= size for one, size in zip((a, b), x.shape[2:], strict=True))


def _clamped(place, before, weights, size):
    """Return the points with their weights; where the place is beyond an end, all the weight is on the last point."""
    if place <= 0 or before >= size - 1:
        end = 0 if place <= 0 else size - 1
        tally = weights[0][1].tally
        return [(end, tally.number(1)), (end, tally.number(0))]
    return [(before + offset, weight) for offset, weight in weights]


def _nowhere(a):
    tally = a[2][0][1].tally
    return joint([[(-1, tally.number(0))] * 2] * 2)


def _pooled(samples, value_at, mode):
    if mode == "avg":
        total = None
        for points in samples:
            one = average(points, value_at)
            total = one if total is None else total + one
        return total / len(samples)
    values = [value_at(place) * weight for points in samples for place, weight in points]
    return _largest(values)


def _largest(values):
    found = values[0]
    for one in values[1:]:
        found = found.maximum(one)
    return found


def max_roi_pool(tally, x, rois, bins, scale):
    """Return the largest element of each bin of each region; zero where a bin is empty."""
    y = np.empty((len(rois), x.shape[1], *bins), object)
    for r, (image, x1, y1, x2, y2) in enumerate(rois):
        along = [
            _rounded_axis(low, high, scale, many, size)
            for low, high, many, size in zip((y1, x1), (y2, x2), bins, x.shape[2:], strict=True)
        ]
        for c, i, j in np.ndindex(y.shape[1:]):
            values = [x[int(image), c, row, column] for row, column in product(along[0][i], along[1][j])]
            y[r, c, i, j] = _largest(values) if values else tally.number(0)
    return y


def _rounded_axis(low, high, scale, bins, size):
    low, high = ((one * scale).round(lambda value: floor(value + 0.5)) for one in (low, high))
    wide = (high - low + 1).maximum(1.0) / bins
    edges = [(int((wide * i).round(floor)), int((wide * (i + 1)).round(lambda v: -floor(-v)))) for i in range(bins)]
    return [range(max(int(low) + a, 0), min(int(low) + b, size)) for a, b in edges]


def crop_and_resize(tally, x, boxes, images, crop, mode, beyond=0.0):
    """Return what lies inside each box, resized to one size; `beyond` where a place is outside."""
    y = np.empty((len(boxes), x.shape[1], *crop), object)
    for r, (y1, x1, y2, x2) in enumerate(boxes):
        along = [
            _cropped_axis(low, high, many, size)
            for low, high, many, size in zip((y1, x1), (y2, x2), crop, x.shape[2:], strict=True)
        ]
        if mode == "nearest":
            parts = [[(one, int(one.round(lambda v: floor(v + 0.5)))) for one in axis] for axis in along]
        else:
            parts = [[(one, _weighed(one)) for one in axis] for axis in along]
        for i, j in np.ndindex(*crop):
            (a, near), (b, beside) = parts[0][i], parts[1][j]
            points = None if mode == "nearest" else joint([_shifted(*near), _shifted(*beside)])
            is_inside = all(0 <= float(one) <= size - 1 for one, size in zip((a, b), x.shape[2:], strict=True))
            for c in range(x.shape[1]):
                value_at = inside_or_zero(tally, x[images[r], c])
                value = value_at((near, beside)) if points is None else average(points, value_at)
                y[r, c, i, j] = value if is_inside else tally.number(beyond)
    return y


def _shifted(before, weights):
    return [(before + offset, weight) for offset, weight in weights]


def _cropped_axis(low, high, crop, size):
    if crop == 1:
        return [(low + high) * 0.5 * (size - 1)]
    step = (high - low) * (size - 1) / (crop - 1)
    start = low * (size - 1)
    return [start + step * i for i in range(crop)]


def deform_conv(tally, x, w, offset, b, mask, windows, *, group, offset_group):
    """Return Y[n, m, p] = B[m] + sum over c, q of sample[n, c, p, q] * mask * W[m, c, q]."""
    starts = [axis.starts() for axis in windows]
    kernel, outputs = w.shape[2:], tuple(len(one) for one in starts)
    y = np.empty((len(x), len(w), *outputs), object)
    offset = offset.reshape(len(x), offset_group, *kernel, len(kernel), *outputs)
    mask = None if mask is None else mask.reshape(len(x), offset_group, *kernel, *outputs)
    for n in range(len(x)):
        for p in np.ndindex(*outputs):
            sampled = {}
            for g, *q in np.ndindex(offset_group, *kernel):
                moved = [
                    offset[(n, g, *q, axis, *p)] + (starts[axis][p[axis]] + q[axis] * one.dilation - one.begin)
                    for axis, one in enumerate(windows)
                ]
                points = joint([_shifted(*_weighed(one)) for one in moved])
                many = x.shape[1] // offset_group
                for c in range(g * many, (g + 1) * many):
                    value = average(points, inside_or_zero(tally, x[n, c]))
                    sampled[(c, *q)] = value if mask is None else value * mask[(n, g, *q, *p)]
            for m in range(len(w)):
                first = m // (len(w) // group) * w.shape[1]
                total = tally.number(0)
                for c, *q in np.ndindex(w.shape[1:]):
                    total = total.mac(sampled[(first + c, *q)], w[(m, c, *q)])
                y[(n, m, *p)] = total if b is None else total + b[m]
    return y


def col2im(tally, columns, image, windows):
    """Return an image to which every element of the columns is added where it belongs; the padding is cut off."""
    kernel = [axis.kernel for axis in windows]
    starts = [axis.starts() for axis in windows]
    channels = columns.shape[1] // int(np.prod(kernel))
    padded = np.empty((len(columns), channels, *(axis.begin + axis.size + axis.end for axis in windows)), object)
    padded[...] = tally.number(0)
    blocks = columns.reshape(len(columns), channels, *kernel, *(len(one) for one in starts))
    for n, c, *rest in np.ndindex(blocks.shape):
        q, p = rest[: len(kernel)], rest[len(kernel) :]
        steps = zip(windows, starts, p, q, strict=True)
        place = (n, c, *(begins[i] + j * axis.dilation for axis, begins, i, j in steps))
        padded[place] = padded[place] + blocks[(n, c, *rest)]
    cut = tuple(slice(axis.begin, axis.begin + size) for axis, size in zip(windows, image, strict=True))
    return padded[(..., *cut)]
