"""Deformable convolution: each position of each window is moved by an offset, and sampled where it comes to lie."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from graphcost.rules.conv import bias, convolution
from graphcost.rules.registry import rule, types
from graphcost.rules.shared import interpolation
from graphcost.rules.shared.window_types import convolved, ranked
from graphcost.terms import Arith, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import TensorType


@types("DeformConv")
def deform_conv_type(call: Call) -> Iterator[TensorType]:
    """Say the type of Y, that of Conv; onnx finds a place for a window that is longer than the padded input."""
    w = call.partial("W")
    yield convolved(call, ranked(call, "X", w.rank), w)


@rule("DeformConv", since=19)
def deform_conv(call: Call) -> Iterator[Term]:
    """Y[n, m, p] = B[m] + sum over c, q of sample[n, c, p, q] * mask[n, g, q, p] * W[m, c, q].

    sample[n, c, p, q] = X[n, c] at p*stride + q*dilation - pad + offset[n, g, q, p], by linear interpolation over the
    2^r points around it. X: (N, C, *spatial), W: (M, C/group, *kernel), offset: (N, offset_group * kernel * r,
    *outputs), mask: (N, offset_group * kernel, *outputs), Y: (N, M, *outputs), for r spatial axes; g is the channel's
    offset group. Weights are computed once per offset group; each channel is sampled, and multiplied with the mask,
    once for all of its group's output channels. Samples outside count as work.

    Source: https://onnx.ai/onnx/operators/onnx__DeformConv.html, https://arxiv.org/abs/1811.11168
    """
    x, w, offset, y = call.input("X"), call.input("W"), call.input("offset"), call.output("Y")
    product = convolution(call, x, w, y)
    axes, places, channels = x.rank - 2, _places(call, x, w, y), x.dims[1]
    samples = y.dims[0] * channels * prod(w.dims[2:]) * prod(y.dims[2:])
    yield work("x = place + offset", Arith.ADD, coordinates=offset.elements)
    yield from interpolation.ratios(offset.elements)
    yield from interpolation.weights("linear", offset.elements)
    yield from interpolation.joint_weights(places, 2**axes, axes)
    yield from interpolation.average(samples, 2**axes)
    if call.optional("mask"):
        yield work("sample * mask", Arith.MUL, samples=samples)
    yield product
    yield from bias(call, y, w.dims[0])


def _places(call: Call, x: TensorType, w: TensorType, y: TensorType) -> int:
    """Return how many places are sampled in all offset groups; there is an offset, and a mask, for each."""
    groups, axes, kernel = call.attr("offset_group", int), x.rank - 2, prod(w.dims[2:])
    if groups < 1 or x.dims[1] % groups:
        raise call.error(f"wants channels that are a multiple of offset_group, {groups}, X has {x.dims[1]}")
    for name, per_place in (("offset", axes), ("mask", 1)):
        wanted = (x.dims[0], groups * kernel * per_place, *y.dims[2:])
        found = call.optional(name)
        if found and found.dims != wanted:
            raise call.error(f"wants {name} of shape {wanted}, it is {found.dims}")
    return x.dims[0] * groups * kernel * prod(y.dims[2:])
