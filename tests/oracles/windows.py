"""Convolutions and pools as the plainest loops, written from the operators' text.

Padding is really there: zeros (for a maximum, -infinity) around the input, with which the loops work as with any other
element.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import numpy as np
from hypothesis import strategies as st


@dataclass(frozen=True)
class Axis:
    """One spatial axis and how windows move over it."""

    size: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    begin: int = 0
    end: int = 0
    ceil: bool = False

    @property
    def extent(self):
        """From a window's first position to its last one."""
        return (self.kernel - 1) * self.dilation + 1

    def starts(self):
        """Return where windows start on the padded axis, walking as long as they fit; with ceil, one that hangs over
        the end as well, unless it would start in the padding at the end."""
        found, start, padded = [], 0, self.begin + self.size + self.end
        while start + self.extent <= padded:
            found.append(start)
            start += self.stride
        end_of_last = start - self.stride + self.extent
        if self.ceil and end_of_last < padded and start < self.begin + self.size:
            found.append(start)
        return found

    def with_padding(self, auto_pad):
        """Return the axis with the padding that auto_pad asks for."""
        if auto_pad == "NOTSET":
            return self
        if auto_pad == "VALID":
            return replace(self, begin=0, end=0)
        outputs = -(-self.size // self.stride)
        total = max(0, (outputs - 1) * self.stride + self.extent - self.size)
        begin, end = _halves(total, auto_pad)
        return replace(self, begin=begin, end=end, ceil=False)


@st.composite
def axes(draw, *, ceil=False, largest=4):
    """Draw an axis on which at least one window fits."""
    kernel, stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    begin, end = draw(st.integers(0, kernel - 1)), draw(st.integers(0, kernel - 1))
    smallest = max(1, (kernel - 1) * dilation + 1 - begin - end)
    size = draw(st.integers(smallest, max(smallest, largest)))
    return Axis(size, kernel, stride, dilation, begin, end, ceil)


@st.composite
def padded_axes(draw, *, ceil=False):
    """Draw some axes with the padding that auto_pad gives them, and auto_pad."""
    auto_pad = draw(st.sampled_from(("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")))
    rank = draw(st.integers(1, 3))
    drawn = [draw(axes(ceil=ceil, largest=5 - rank)) for _ in range(rank)]
    if auto_pad == "VALID":
        drawn = [replace(axis, size=max(axis.size, axis.extent)) for axis in drawn]
    return [axis.with_padding(auto_pad) for axis in drawn], auto_pad


def attributes(windows, auto_pad):
    """Return how a node says all that."""
    said = {
        "strides": [axis.stride for axis in windows],
        "dilations": [axis.dilation for axis in windows],
        "auto_pad": auto_pad,
    }
    if auto_pad == "NOTSET":
        said["pads"] = [axis.begin for axis in windows] + [axis.end for axis in windows]
    return said


def axes_of(x, kernel, said):
    """Return the axes of X that a node's attributes speak of."""
    rank, auto_pad = len(kernel), said.get("auto_pad", "NOTSET")
    strides, dilations = said.get("strides", [1] * rank), said.get("dilations", [1] * rank)
    pads, ceil = said.get("pads", [0] * 2 * rank), said.get("ceil_mode", 0) == 1
    columns = zip(x.shape[2:], kernel, strides, dilations, pads[:rank], pads[rank:], strict=True)
    return [Axis(*column, ceil).with_padding(auto_pad) for column in columns]


def transposed_axes_of(x, kernel, said):
    """Return the axes of a ConvTranspose, whose padding is what the result loses, and what it gains at the end."""
    plain = axes_of(x, kernel, {name: said[name] for name in ("strides", "dilations") if name in said})
    more = said.get("output_padding", [0] * len(plain))
    pads = said.get("pads", [0] * 2 * len(plain))
    losses = list(zip(pads[: len(plain)], pads[len(plain) :], strict=True))
    if "output_shape" in said or said.get("auto_pad", "NOTSET").startswith("SAME"):
        sizes = said.get("output_shape", [axis.size * axis.stride for axis in plain])
        surplus = [axis.stride * (axis.size - 1) + axis.extent - size for axis, size in zip(plain, sizes, strict=True)]
        losses = [_halves(max(total, 0), said.get("auto_pad")) for total in surplus]
        more = [max(-total, 0) for total in surplus]
    return [replace(axis, begin=a, end=b) for axis, (a, b) in zip(plain, losses, strict=True)], more


def _halves(total, auto_pad):
    less, more = total // 2, total - total // 2
    return (less, more) if auto_pad == "SAME_UPPER" else (more, less)


def conv(tally, x, w, b=None, *, windows, group=1):
    """Return Y[n, m, p] = sum over c, q of X[n, c, p*stride + q*dilation - pad] * W[m, c, q], plus B[m]."""
    x = _padded(x, windows, tally.number(0))
    maps, channels = w.shape[:2]
    y = np.empty((len(x), maps, *_outputs(windows)), object)
    for n, m in np.ndindex(y.shape[:2]):
        first = m // (maps // group) * channels
        for place, window in _places(windows):
            total = tally.number(0)
            for c in range(channels):
                for q, position in window:
                    total = total.mac(x[(n, first + c, *position)], w[(m, c, *q)])
            y[(n, m, *place)] = total if b is None else total + b[m]
    return y


def conv_transpose(tally, x, w, b=None, *, windows, more, group=1):
    """Return what adding X[n, c, p] * W[c, m] into Y at p*stride gives; pads cut off what has been computed."""
    maps = w.shape[1]
    sizes = [axis.stride * (axis.size - 1) + axis.extent for axis in windows]
    full = np.empty((len(x), maps * group, *sizes), object)
    full[...] = tally.number(0)
    for n, c, *p in np.ndindex(x.shape):
        first = c // (x.shape[1] // group) * maps
        for m in range(maps):
            for q in np.ndindex(w.shape[2:]):
                steps = zip(windows, p, q, strict=True)
                place = (n, first + m, *(axis.stride * i + axis.dilation * j for axis, i, j in steps))
                full[place] = full[place].mac(x[(n, c, *p)], w[(c, m, *q)])
    y = _cropped(full, windows, more, tally.number(0))
    if b is not None:
        for place in np.ndindex(y.shape):
            y[place] = y[place] + b[place[1]]
    return y


def max_pool(tally, x, windows):
    """Return the largest element of each window."""
    return _pooled(_padded(x, windows, tally.number(-inf)), windows, _largest)


def masked_max_pool(tally, x, mask, windows):
    """Return the largest element of each window; on each line of it those before the first zero of the mask count.

    Padding lies under a mask of ones.
    """
    x, mask = _padded(x, windows, tally.number(-inf)), _padded(mask, windows, tally.number(1))
    y = np.empty((*x.shape[:2], *_outputs(windows)), object)
    for n, c in np.ndindex(y.shape[:2]):
        for place, window in _places(windows):
            lines = {}
            for q, position in window:
                lines.setdefault(q[:-1], []).append((n, c, *position))
            kept = [one for line in lines.values() for one in _before_zero(mask, line)]
            y[(n, c, *place)] = _largest([x[one] for one in kept]) if kept else tally.number(-inf)
    return y


def _before_zero(mask, line):
    for position in line:
        if mask[position].equals(0.0):
            return
        yield position


def average_pool(tally, x, windows, *, include_pad):
    """Return each window's sum over how many elements it has; those of the padding are counted with include_pad."""
    real = _padded(np.ones(x.shape, object), windows, 0)
    counts = _pooled(real, windows, lambda flags: len(flags) if include_pad else sum(flags))
    sums = _pooled(_padded(x, windows, tally.number(0)), windows, _sum)
    y = np.empty(sums.shape, object)
    for place in np.ndindex(y.shape):
        y[place] = sums[place] / counts[place]
    return y


def lp_pool(tally, x, windows, p):
    """Return each window's p-norm: the square root of squares for 2, absolute values for 1."""

    def norm(elements):
        if p == 1:
            return _sum([abs(element) for element in elements])
        if p == 2:
            return _sum([element * element for element in elements]).sqrt()
        return _sum([abs(element).pow(p) for element in elements]).pow(1 / p)

    return _pooled(_padded(x, windows, tally.number(0)), windows, norm)


def whole(x):
    """Return the windows of a global pool: one over everything."""
    return [Axis(size, size) for size in x.shape[2:]]


def _largest(elements):
    found = elements[0]
    for element in elements[1:]:
        found = found.maximum(element)
    return found


def _sum(elements):
    total = elements[0]
    for element in elements[1:]:
        total = total + element
    return total


def _pooled(x, windows, reduce):
    y = np.empty((*x.shape[:2], *_outputs(windows)), object)
    for n, c in np.ndindex(y.shape[:2]):
        for place, window in _places(windows):
            y[(n, c, *place)] = reduce([x[(n, c, *position)] for _, position in window])
    return y


def _outputs(windows):
    return [len(axis.starts()) for axis in windows]


def _places(windows):
    """Yield each output's place with its window: pairs of a place in the kernel and one in the padded input."""
    for place in np.ndindex(*_outputs(windows)):
        starts = [axis.starts()[i] for axis, i in zip(windows, place, strict=True)]
        window = [
            (q, [start + axis.dilation * j for axis, start, j in zip(windows, starts, q, strict=True)])
            for q in np.ndindex(*(axis.kernel for axis in windows))
        ]
        yield place, window


def _padded(x, windows, filler):
    """Return the input with its padding, and with what a window that hangs over the end needs beyond it."""
    sizes = [max(a.begin + a.size + a.end, *(start + a.extent for start in a.starts()), 0) for a in windows]
    padded = np.empty((*x.shape[:2], *sizes), object)
    padded[...] = filler
    padded[(..., *(slice(axis.begin, axis.begin + axis.size) for axis in windows))] = x
    return padded


def _cropped(full, windows, more, filler):
    for number, (axis, gain) in enumerate(zip(windows, more, strict=True), start=2):
        tail = np.empty((*full.shape[:number], gain, *full.shape[number + 1 :]), object)
        tail[...] = filler
        full = np.concatenate([full, tail], axis=number)
        full = full.take(range(axis.begin, full.shape[number] - axis.end), axis=number)
    return full
