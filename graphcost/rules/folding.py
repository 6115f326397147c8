"""Columns of blocks and images: what folds, unfolds, unpools and crops, and the shapes that come of it."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from graphcost.rules.axes import position
from graphcost.rules.domains import MICROSOFT
from graphcost.rules.registry import rule, signature, types
from graphcost.rules.sizes import axes
from graphcost.rules.windows import per_axis
from graphcost.terms import Arith, work
from graphcost.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Dim

signature("UnfoldTensor", "input -> output", domain=MICROSOFT, dim=-1, step=1)


@rule("Col2Im", since=18)
def col2im(call: Call) -> Iterator[Term]:
    """output[n, c, p*stride + q*dilation - pad] += input[n, (c, q), p], into an image of zeros.

    input: (N, C * block, L), with q in `block_shape` and p one of the L places that a block takes in `image_shape`;
    output: (N, C, *image_shape). Elements that land in the padding count as work.

    Source: https://onnx.ai/onnx/operators/onnx__Col2Im.html
    """
    columns, image = call.input("input"), call.output("output")
    block = tuple(int(one) for one in call.constant("block_shape").reshape(-1))
    if columns.rank != 3 or columns.dims[1] % prod(block):
        raise call.error(f"wants channels that are a multiple of the block's {prod(block)} elements, it has {columns}")
    places = prod(_steps(call, image.dims[2:], block))
    if columns.dims[2] != places:
        raise call.error(f"wants a column for each of {places} blocks, there are {columns.dims[2]}")
    yield work("output += input", Arith.ADD, elements=columns.elements)


def _steps(call: Call, image: tuple[int, ...], block: tuple[int, ...]) -> Iterator[int]:
    """Yield how many places a block takes along each axis of an image."""
    axes = len(image)
    strides = per_axis(call, "strides", axes, default=1, least=1)
    dilations = per_axis(call, "dilations", axes, default=1, least=1)
    pads = per_axis(call, "pads", 2 * axes, default=0, least=0)
    for axis, (size, wide) in enumerate(zip(image, block, strict=True)):
        room = size + pads[axis] + pads[axes + axis] - ((wide - 1) * dilations[axis] + 1)
        yield max(room // strides[axis] + 1, 0)


@types("UnfoldTensor", domain=MICROSOFT)
def unfold_tensor_type(call: Call) -> Iterator[TensorType]:
    """Say the type: along `dim`, a place for each slice; the slices' `size` elements become the last axis."""
    whole = call.partial("input")
    axis, size, step = position(call, call.attr("dim", int), whole.rank), call.attr("size", int), call.attr("step", int)
    dims: list[Dim] = list(whole.shape or ())
    length = dims[axis]
    if size < 1 or step < 1 or (isinstance(length, int) and length < size):
        raise call.error(f"wants slices of 1 to {length} elements, a step of 1 or more apart; they are {size}, {step}")
    dims[axis] = (length - size) // step + 1 if isinstance(length, int) else None
    yield TensorType(whole.dtype, (*dims, size))


@types("MaxUnpool")
def max_unpool_type(call: Call) -> Iterator[TensorType]:
    """Say the type: `output_shape`, else (size - 1) * stride + kernel - pads along each spatial axis."""
    x = call.partial("X")
    spatial, dims = x.rank - 2, x.shape or ()
    kernel = per_axis(call, "kernel_shape", spatial, default=0, least=1)
    if len(call.inputs) > 2 and call.inputs[2] is not None:
        yield TensorType(x.dtype, _asked(call, "output_shape", x.rank))
        return
    strides = per_axis(call, "strides", spatial, default=1, least=1)
    pads = per_axis(call, "pads", 2 * spatial, default=0, least=0)
    columns = zip(dims[2:], strides, kernel, pads[:spatial], pads[spatial:], strict=True)
    sizes = (
        (size - 1) * stride + wide - begin - end if isinstance(size, int) else None
        for size, stride, wide, begin, end in columns
    )
    yield TensorType(x.dtype, (*dims[:2], *sizes))


@types("CenterCropPad")
def center_crop_pad_type(call: Call) -> Iterator[TensorType]:
    """Say the type: the sizes in `shape` along the axes that it speaks of, which are unknown where `shape` is."""
    whole = call.partial("input_data")
    named = axes(call, whole.rank)
    dims: list[Dim] = list(whole.shape or ())
    for axis, size in zip(named, _asked(call, "shape", len(named)), strict=True):
        dims[axis] = size
    yield TensorType(whole.dtype, tuple(dims))


def _asked(call: Call, name: str, count: int) -> tuple[Dim, ...]:
    """Return the sizes that an input holds; unknown ones where its elements aren't known."""
    place = call.schema.inputs.index(name)
    known = call.constants[place] if place < len(call.constants) else None
    if known is None:
        return (None,) * count
    sizes = tuple(int(size) for size in known.reshape(-1))
    if len(sizes) != count or any(size < 0 for size in sizes):
        raise call.error(f"wants {name} to be {count} sizes of 0 or more, it is {sizes}")
    return sizes
