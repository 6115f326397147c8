"""Sampling at places that are data: grids of coordinates, and the affine maps that make them."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from graphcost.rules.registry import MICROSOFT, rule
from graphcost.rules.shared import interpolation
from graphcost.terms import Arith, work
from graphcost.types import TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term

MODES = {"nearest": "nearest", "linear": "linear", "bilinear": "linear", "cubic": "cubic", "bicubic": "cubic"}
"""What each mode is for any number of axes; until opset 19 they had the names that they bear in two."""

MICROSOFT.signature(
    "GridSample",
    "X Grid -> Y",
    align_corners=0,
    mode="bilinear",
    padding_mode="zeros",
)


@MICROSOFT.types("GridSample")
def grid_sample_type(call: Call) -> Iterator[TensorType]:
    """Say the type of Y: (N, C, *outputs)."""
    x, grid = call.partial("X"), call.partial("Grid")
    if x.rank != grid.rank or x.rank < 3:
        raise call.error(f"wants X and Grid of the same rank, 3 or more, they are {x} and {grid}")
    yield TensorType(x.dtype, (*shape_of(x)[:2], *shape_of(grid)[1:-1]))


@rule("GridSample", since=16)
@MICROSOFT.rule("GridSample")
def grid_sample(call: Call) -> Iterator[Term]:
    """Y[n, c, p] = sum over q of weight[n, p, q] * X[n, c, floor(x[n, p]) + q].

    X: (N, C, *spatial), grid: (N, *outputs, r), Y: (N, C, *outputs), for r spatial axes. Each coordinate of the grid
    becomes a position along its axis of `length` points: x = ((grid + 1) * length - 1) / 2 or, with `align_corners`,
    (grid + 1) / 2 * (length - 1). `nearest` rounds it; `linear` averages 2 points along each axis, `cubic` 4. Weights
    are computed once per place and hold for all channels. Which points `padding_mode` takes for those outside is
    finding a place, and no work; those of zeros count as any other.

    Source: https://onnx.ai/onnx/operators/onnx__GridSample.html
    """
    x, grid, y, mode = (
        call.input("X"),
        call.input(call.schema.inputs[1]),
        call.output("Y"),
        MODES[call.choice("mode", MODES)],
    )
    axes = x.rank - 2
    if grid.rank != x.rank or grid.dims[0] != x.dims[0] or grid.dims[-1] != axes:
        wanted = f"({x.dims[0]}, {axes} sizes, {axes})"
        raise call.error(f"wants a grid of shape {wanted} for X of {x.dims}, it is {grid.dims}")
    yield from _positions(call, grid)
    if mode == "nearest":
        yield work("round(x)", Arith.ROUND, dtype=grid.dtype, coordinates=grid.elements)
        return
    points = (2 * interpolation.REACH[mode]) ** axes
    yield from interpolation.ratios(grid.elements, grid.dtype)
    yield from interpolation.weights(mode, grid.elements, grid.dtype)
    yield from interpolation.joint_weights(prod(grid.dims[:-1]), points, axes, grid.dtype)
    yield from interpolation.average(y.elements, points, x.dtype if _is_float(x) else grid.dtype)


def _positions(call: Call, grid: TensorType) -> Iterator[Term]:
    additions = 1 if call.attr("align_corners", int) else 2
    yield work("x", Arith.ADD, dtype=grid.dtype, coordinates=grid.elements, additions=additions)
    yield work("x", Arith.MUL, dtype=grid.dtype, coordinates=grid.elements)
    yield work("x", Arith.DIV, dtype=grid.dtype, coordinates=grid.elements)


def _is_float(one: TensorType) -> bool:
    return one.dtype is not None and one.dtype.is_float


@rule("AffineGrid", since=20, not_weights="size")
def affine_grid(call: Call) -> Iterator[Term]:
    """grid[n, p, i] = sum over j of theta[n, i, j] * position[p, j], with the positions (x, y, 1) or (x, y, z, 1).

    theta: (N, r, r + 1), size: (N, C, *outputs), grid: (N, *outputs, r). The positions, evenly spaced from -1 to 1,
    follow from `size` and are known beforehand; the product with their last coordinate, 1, counts as any other.

    Source: https://onnx.ai/onnx/operators/onnx__AffineGrid.html
    """
    theta, grid = call.input("theta"), call.output("grid")
    axes = grid.rank - 2
    if theta.dims != (grid.dims[0], axes, axes + 1):
        raise call.error(f"wants theta of shape {(grid.dims[0], axes, axes + 1)}, it is {theta.dims}")
    yield work("theta*position", Arith.MAC, wrt=("theta",), coordinates=grid.elements, products=axes + 1)
