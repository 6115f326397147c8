"""Resize as the plainest loop over the specification's text."""

from __future__ import annotations

from itertools import product
from math import floor

import numpy as np
from oracles.sampling import average, coefficients, joint, split


def resize(x, new, along):
    """Return X with new sizes, where `along` gives for an axis the points that each new position averages."""
    y = np.empty(new, object)
    axes = sorted(along)
    for places in product(*(range(new[axis]) for axis in axes)):
        points = joint([along[axis][i] for axis, i in zip(axes, places, strict=True)])
        at = dict(zip(axes, places, strict=True))
        for rest in product(*((at[axis],) if axis in at else range(size) for axis, size in enumerate(new))):
            y[rest] = average(points, lambda place, rest=rest: x[_moved(rest, axes, place)])
    return y


def _moved(place, axes, points):
    found = list(place)
    for axis, point in zip(axes, points, strict=True):
        found[axis] = point
    return tuple(found)


def points_along(tally, size, new, scale, said, region=(0.0, 1.0)):
    """Return for each new position along an axis the points it averages, with their weights."""
    places = [original(tally, i, size, new, scale, said["coordinate_transformation_mode"], region) for i in range(new)]
    return [_inside(tally, _weighed(tally, place, scale, said), size, said) for place in places]


def original(tally, i, size, new, scale, mode, region):  # noqa: PLR0911  # one formula per mode
    """Return the place in the original that a new position comes from."""
    width = scale * size
    start, end = (one if hasattr(one, "tally") else tally.number(one) for one in region)
    at = tally.number(i)
    match mode:
        case "half_pixel":
            return (at + 0.5) / scale - 0.5
        case "half_pixel_symmetric":
            return size / 2 * (1 - new / width) + (at + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            return (at + 0.5) / scale - 0.5 if width != 1 else tally.number(-0.5)
        case "align_corners":
            return at * (size - 1) / (width - 1) if width != 1 else tally.number(0)
        case "asymmetric":
            return at / scale
        case "tf_crop_and_resize" if new > 1:
            return start * (size - 1) + (end - start) * i * (size - 1) / (new - 1)
        case "tf_crop_and_resize":
            return (start + end) * 0.5 * (size - 1)
    raise AssertionError(mode)


def _weighed(tally, place, scale, said):
    """Return the points around a place with their weights; an antialiasing filter is stretched where it shrinks."""
    before, ratio = split(place)
    if not said.get("antialias"):
        return [(before + offset, weight) for offset, weight in coefficients(said["mode"], ratio)]
    reach, stretch, shape = (1, min(scale, 1), _triangle) if said["mode"] == "linear" else (2, min(scale, 1), _keys)
    side = 1
    while side * stretch < reach:
        side += 1
    offsets = range(1 - side, side + 1)
    heights = [shape(abs(offset - float(ratio)) * stretch) for offset in offsets]
    return [(before + o, tally.number(height / sum(heights))) for o, height in zip(offsets, heights, strict=True)]


def _triangle(distance):
    return max(1 - distance, 0.0)


def _keys(distance, a=-0.75):
    if distance <= 1:
        return (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    return a * (distance**3 - 5 * distance**2 + 8 * distance - 4) if distance < 2 else 0.0


def _inside(tally, points, size, said):
    """Return the points with those outside moved to the ends, or with `exclude_outside` without weight."""
    if said.get("exclude_outside"):
        kept = [(place, weight if 0 <= place < size else tally.number(0)) for place, weight in points]
        total = kept[0][1]
        for _, weight in kept[1:]:
            total = total + weight
        points = [(place, weight / total) for place, weight in kept]
    return [(min(max(place, 0), size - 1), weight) for place, weight in points]


def nearest(x, new, scales, said):
    """Return X with new sizes, each element that of the nearest place."""
    y = np.empty(new, object)
    for place in np.ndindex(*new):
        source = []
        for i, size, many, scale in zip(place, x.shape, new, scales, strict=True):
            at = float(original(_Plain, i, size, many, scale, said["coordinate_transformation_mode"], (0.0, 1.0)))
            source.append(min(max(_rounded(at, said["nearest_mode"]), 0), size - 1))
        y[place] = x[tuple(source)]
    return y


class _Plain:
    number = float


def _rounded(at, mode):
    ways = {
        "round_prefer_floor": lambda: -floor(-(at - 0.5)),
        "round_prefer_ceil": lambda: floor(at + 0.5),
        "floor": lambda: floor(at),
        "ceil": lambda: -floor(-at),
    }
    return ways[mode]()
