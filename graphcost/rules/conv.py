"""Convolutions, and the arithmetic of windows that pools share."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from graphcost.rules.registry import rule, types
from graphcost.rules.shared.window_types import convolved, deconvolved, per_axis, ranked
from graphcost.terms import Arith, Term, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.types import TensorType


@rule("Conv")
def conv(call: Call) -> Iterator[Term]:
    """Y[n, m, p] = B[m] + sum over c, q of X[n, c, p*stride + q*dilation - pad] * W[m, c, q].

    X: (N, C, *spatial), W: (M, C/group, *kernel), B: (M,), Y: (N, M, *spatial).
    W already holds C/group channels, so groups need no factor. Padded positions count as work.

    Source: https://onnx.ai/onnx/operators/onnx__Conv.html
    """
    w, y = call.input("W"), call.output("Y")
    yield convolution(call, call.input("X"), w, y)
    yield from bias(call, y, w.dims[0])


@types("Conv")
def conv_type(call: Call) -> Iterator[TensorType]:
    """Say the type of Y; onnx finds a place for a window that is longer than the padded input."""
    w = call.partial("W")
    yield convolved(call, ranked(call, "X", w.rank), w)


@rule("ConvTranspose")
def conv_transpose(call: Call) -> Iterator[Term]:
    """Y[n, m, p*stride + q*dilation - pad] += X[n, c, p] * W[c, m, q], and B[m] to every element.

    X: (N, C, *spatial), W: (C, M/group, *kernel), B: (M,), Y: (N, M, *spatial).
    Every element of X is multiplied with the whole kernel for its group's M/group output channels;
    products that land on positions that pads or output_shape crop away count as work.

    Source: https://onnx.ai/onnx/operators/onnx__ConvTranspose.html
    """
    x, w, y = call.input("X"), call.input("W"), call.output("Y")
    _check_kernel(call, x, w)
    _check_channels(call, x.dims[1], w.dims[0])
    yield work(
        "X*W", Arith.MAC, wrt=("X", "W"), inputs=x.elements, channels_per_group=w.dims[1], kernel=prod(w.dims[2:])
    )
    yield from bias(call, y, w.dims[1] * call.attr("group", int))


@types("ConvTranspose")
def conv_transpose_type(call: Call) -> Iterator[TensorType]:
    """Say the type of Y; onnx is wrong about SAME_* with output_padding and about an output_shape below that of X."""
    w = call.partial("W")
    pads = per_axis(call, "pads", 2 * (w.rank - 2), default=0, least=0)
    if "pads" in call.attributes and call.attr("auto_pad", str) != "NOTSET":
        raise call.error(f"wants either auto_pad or pads, they are {call.attr('auto_pad', str)} and {pads}")
    yield deconvolved(call, ranked(call, "X", w.rank), w, pads)


def convolution(call: Call, x: TensorType, w: TensorType, y: TensorType) -> Term:
    """Return the multiply-accumulates of Y = X*W, for X: (N, C, *spatial) and W: (M, C/group, *kernel)."""
    group = call.attr("group", int)
    _check_kernel(call, x, w)
    _check_channels(call, x.dims[1], w.dims[1] * group)
    if group < 1 or w.dims[0] % group:
        raise call.error(f"wants as many maps as are a multiple of group, {group}, W has {w.dims[0]}")
    check_windows(call, x, w.dims[2:])
    return work("X*W", Arith.MAC, wrt=("X", "W"), outputs=y.elements, channels=w.dims[1], kernel=prod(w.dims[2:]))


def check_windows(call: Call, x: TensorType, kernel: tuple[int, ...]) -> None:
    """Raise NodeError where a window is longer than the padded input.

    The specification's formula leaves no output there, but type inference rounds towards zero and finds one.
    In ceil_mode a window may reach less than a stride beyond the end.
    """
    ones = (1,) * len(kernel)
    strides, dilations = call.attr_or("strides", tuple, ones), call.attr_or("dilations", tuple, ones)
    overhang = [stride - 1 if call.attr_or("ceil_mode", int, 0) else 0 for stride in strides]
    extents = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    for size, extent, over in zip(_padded_sizes(call, x, extents), extents, overhang, strict=True):
        if size + over < extent:
            raise call.error(f"wants windows of {extent} positions, X has {size} with its padding")


def _padded_sizes(call: Call, x: TensorType, extents: list[int]) -> list[int]:
    """Return the spatial sizes of X: (N, C, *spatial) with its padding, for windows of these extents."""
    sizes = x.dims[2:]
    padding, pads = call.attr_or("auto_pad", str, "NOTSET"), call.attr_or("pads", tuple, (0,) * 2 * len(sizes))
    if padding != "NOTSET" and "pads" in call.attributes and (padding != "VALID" or any(pads)):
        raise call.error(f"wants either auto_pad or pads, they are {padding} and {pads}")
    if padding.startswith("SAME"):
        return [max(size, extent) if size else 0 for size, extent in zip(sizes, extents, strict=True)]
    begins, ends = pads[: len(sizes)], pads[len(sizes) :]
    return [size + begin + end for size, begin, end in zip(sizes, begins, ends, strict=True)]


def bias(call: Call, y: TensorType, channels: int) -> Iterator[Term]:
    """Yield the work of adding B, one number for each channel of Y, where it is there."""
    if b := call.optional("B"):
        if b.dims != (channels,):
            raise call.error(f"wants B of shape {(channels,)}, it is {b.dims}")
        yield work("+ B", Arith.ADD, outputs=y.elements)


def _check_kernel(call: Call, x: TensorType, w: TensorType) -> None:
    if w.rank != x.rank:
        raise call.error(f"wants W of rank {x.rank}, as X has, it is of rank {w.rank}")
    declared = call.attr_or("kernel_shape", tuple, w.dims[2:])
    if declared != w.dims[2:]:
        raise call.error(f"wants W with the kernel_shape {declared}, it has {w.dims[2:]}")


def _check_channels(call: Call, of_x: int, of_w: int) -> None:
    if of_x != of_w:
        raise call.error(f"wants X with the {of_w} channels of W, it has {of_x}")
