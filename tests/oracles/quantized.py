"""Quantized operators as the plainest loops, written from the operators' text.

A scale or a zero point is a plain number where it is known before any run, a counting one where it is not, None where
it is left out. Arithmetic on plain numbers alone is done before any run, and not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from oracles import products, windows
from oracles.fused import each


@dataclass
class Quantizer:
    """The scale and the zero point of a tensor, spread so that they can be broadcast to it; the range of its type."""

    scale: np.ndarray
    zero_point: np.ndarray | None
    dtype: np.dtype

    def dequantize(self, q):
        """Return (q - zero_point) * scale."""
        return each(lambda x, s: x * s, self.shift(q), self.scale)

    def shift(self, q):
        """Return q - zero_point; q itself where there is no zero point."""
        return q if self.zero_point is None else each(lambda x, z: x - z, q, self.zero_point)

    def quantize(self, x):
        """Return saturate(round(x / scale) + zero_point)."""
        return self.saturate(each(lambda x, s: x / s, x, self.scale))

    def saturate(self, x):
        """Return saturate(round(x) + zero_point)."""
        x = each(lambda x: x.round(), x)
        if self.zero_point is not None:
            x = each(lambda x, z: x + z, x, self.zero_point)
        low, high = np.iinfo(self.dtype).min, np.iinfo(self.dtype).max
        return each(lambda x: x.maximum(low).minimum(high), x)


def spread(one, shape, axis=1, block=0):
    """Return a scale or a zero point so that it can be broadcast: for all, for each place on an axis, or per block."""
    if one is None or one.size == 1:
        return one if one is None else one.reshape(())
    if block:
        return np.repeat(one, block, axis).take(range(shape[axis]), axis)
    return one.reshape([-1 if place == axis % len(shape) else 1 for place in range(len(shape))])


def dynamic_quantize_linear(tally, x):
    """Return y, its scale and its zero point, from the range of x."""
    largest = smallest = next(x.flat, tally.number(0))
    for element in list(x.flat)[1:]:
        largest, smallest = largest.maximum(element), smallest.minimum(element)
    largest, smallest = largest.maximum(0), smallest.minimum(0)
    scale = (largest - smallest) / 255
    zero_point = (0 - smallest / scale).maximum(0).minimum(255).round()
    one = Quantizer(np.array(scale), np.array(zero_point), np.uint8)
    return one.quantize(x), scale, zero_point


def scaled(a, b, y=None, alpha=1.0):
    """Return alpha * a * b / y of scales."""
    found = each(lambda s, t: s * t, a, b)
    if alpha != 1:
        found = each(lambda s: alpha * s, found)
    return found if y is None else each(lambda s, t: s / t, found, y)


def integer_matmul(tally, a, b, of_a, of_b):
    """Return (A - a_zero_point) * (B - b_zero_point)."""
    return products.matmul(tally, of_a.shift(a), of_b.shift(b))


def qlinear_matmul(tally, a, b, of_a, of_b, of_y):
    """Return saturate(round(scale * (a - a_zero_point) * (b - b_zero_point)) + y_zero_point)."""
    product = integer_matmul(tally, a, b, of_a, of_b)
    scale = scaled(of_a.scale, of_b.scale, of_y.scale)
    return of_y.saturate(each(lambda x, s: x * s, product, scale))


def scaled_product(product, scale, bias=None):
    """Return scale * product + bias."""
    y = each(lambda x, s: x * s, product, scale)
    return y if bias is None else each(lambda x, b: x + b, y, bias)


def dynamic_quantize_matmul(tally, a, b, of_b, bias):
    """Return DynamicQuantizeLinear(A) * B, dequantized, plus bias."""
    q, scale, zero_point = dynamic_quantize_linear(tally, a)
    of_a = Quantizer(np.array(scale), np.array(zero_point), np.uint8)
    return scaled_product(integer_matmul(tally, q, b, of_a, of_b), scaled(of_a.scale, of_b.scale), bias)


def qgemm(tally, a, b, c, of_a, of_b, of_y, alpha):
    """Return (A - a_zero_point) * (B - b_zero_point) + C, scaled; quantized again where there is a scale for that."""
    product = integer_matmul(tally, a, b, of_a, of_b)
    if c is not None:
        product = each(lambda x, y: x + y, product, np.broadcast_to(c, product.shape))
    y = scaled_product(product, scaled(of_a.scale, of_b.scale, of_y and of_y.scale, alpha))
    return of_y.saturate(y) if of_y else y


def qordered_matmul(tally, a, b, scales, bias, c):
    """Return saturate(round(alpha * A * B + bias / scale_Y + beta * C))."""
    of_a, of_b, of_y, of_c = scales
    y = scaled_product(products.matmul(tally, a, b), scaled(of_a, of_b, of_y))
    if bias is not None:
        y = each(lambda x, b: x + b, y, each(lambda b, s: b / s, bias, of_y))
    if c is not None:
        beta = each(lambda s, t: s / t, of_c, of_y)
        y = each(lambda x, c: x + c, y, each(lambda c, s: c * s, c, beta))
    return Quantizer(of_y, None, np.int8).saturate(y)


def qlinear_conv(tally, x, w, b, of_x, of_w, of_y, said):
    """Return Conv of integers plus B, quantized again; a scale or zero point of w may be one for each of its maps."""
    per_map = Quantizer(spread(of_w.scale, w.shape, 0), spread(of_w.zero_point, w.shape, 0), of_w.dtype)
    found = windows.axes_of(x, w.shape[2:], said)
    y = windows.conv(tally, of_x.shift(x), per_map.shift(w), b, windows=found, group=said.get("group", 1))
    return _finished(y, of_x, of_w, of_y)


def qlinear_conv_transpose(tally, x, w, b, of_x, of_w, of_y, said):
    """Return ConvTranspose of integers plus B, quantized again."""
    found, more = windows.transposed_axes_of(x, w.shape[2:], said)
    group = said.get("group", 1)
    y = windows.conv_transpose(tally, of_x.shift(x), of_w.shift(w), b, windows=found, more=more, group=group)
    return _finished(y, of_x, of_w, of_y)


def _finished(y, of_x, of_w, of_y):
    scale = scaled(of_x.scale, of_w.scale, of_y.scale)
    return of_y.saturate(each(lambda a, s: a * s, y, spread(scale, y.shape, 1)))


def first(x):
    """Return (N, *spatial, C) as (N, C, *spatial)."""
    return np.moveaxis(x, -1, 1)


def last(y):
    """Return (N, C, *spatial) as (N, *spatial, C)."""
    return np.moveaxis(y, 1, -1)
