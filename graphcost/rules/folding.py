"""Columns of blocks, folded into images."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from graphcost.rules.registry import rule
from graphcost.rules.shared.window_types import per_axis
from graphcost.terms import Arith, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term


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
