"""Resizing: each element of the output is one of the input's, or a weighted average of those around its place.

Where the points lie and what they weigh follows from shapes, scales and attributes alone: it is known before any run.
Only the region that `roi` crops may come from a run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, prod
from typing import TYPE_CHECKING

from graphcost.call import Stage
from graphcost.errors import UnknownShapeError
from graphcost.rules.registry import each_once, rule, types
from graphcost.rules.shared import interpolation, resizing
from graphcost.terms import Arith, in_type, work
from graphcost.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from fractions import Fraction

    from graphcost.call import Call
    from graphcost.terms import Term

MODES = ("nearest", *interpolation.REACH)
"""How an element of the output comes about."""


types("Resize", "Upsample")(resizing.resized)


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis along which elements are averaged."""

    points: int
    """How many are averaged along it."""
    resized: int
    """Its size in the output."""


def reads_its_points(call: Call) -> tuple[int, int]:
    """Return the traffic: of each axis of X, no more than the points that its output positions take."""
    x, y = call.input("X"), call.output("Y")
    rest, written = each_once(replace(call, inputs=(None, *call.inputs[1:])))
    points = [1] * x.rank if _mode(call) == "nearest" else [_points(call, one) for one in resizing.factors(call, x, y)]
    read = (min(size, wide * resized) for size, wide, resized in zip(x.dims, points, y.dims, strict=True))
    return TensorType(x.dtype, tuple(read)).bytes + rest, written


@rule("Resize", since=10, not_weights="roi scales sizes", traffic=reads_its_points)
@rule("Upsample", not_weights="scales", traffic=reads_its_points)
def resize(call: Call) -> Iterator[Term]:
    """Y[p] = sum over q of weight[p, q] * X[place(p) + q], a product and, but for the first, an addition per point q.

    X, Y: tensors of the same rank. `nearest` takes one point and computes nothing. Along each axis that is resized,
    `linear` averages 2 points, `cubic` 4; an axis whose scale is 1 takes one, unless `roi` crops it. With `antialias`,
    where an axis shrinks, 2 * ceil(1 / scale) points are averaged, twice as many with `cubic`. Points outside count as
    work. The average is taken over all axes at once, as the specification says it; runtimes that go axis by axis need
    less. Places and weights are known beforehand; with a `roi` from the run they are computed once per position along
    each axis, and their products once per position, in the type of roi. A roi whose elements aren't known may crop any
    axis, or none: the most averages along all of them, the fewest along those that are resized.

    Source: https://onnx.ai/onnx/operators/onnx__Resize.html, https://onnx.ai/onnx/operators/onnx__Upsample.html
    """
    y = call.output("Y")
    if _mode(call) == "nearest":
        return
    surely, perhaps = _axes(call)
    fewest = list(_interpolated(call, y, surely))
    for most, least in zip(_interpolated(call, y, [*surely, *perhaps]), fewest, strict=True):
        if most.count:
            yield replace(most, least=least.count) if perhaps else most


def _interpolated(call: Call, y: TensorType, axes: Sequence[Axis]) -> Iterator[Term]:
    points = prod(axis.points for axis in axes)
    yield from interpolation.average(y.elements if axes else 0, points)
    if _crops(call) and _comes_from_run(call, "roi"):
        yield from in_type(call.input("roi").dtype, _cropped_weights(call, axes, points))


def _cropped_weights(call: Call, axes: Sequence[Axis], points: int) -> Iterator[Term]:
    """Yield the work of finding out what points weigh that follow from a roi of the run."""
    coordinates, places = sum(axis.resized for axis in axes), prod(axis.resized for axis in axes)
    yield from _cropped_coordinates(axes)
    yield from interpolation.ratios(coordinates)
    yield from interpolation.weights(_mode(call), coordinates)
    yield from _renormalization(call, axes)
    yield from interpolation.joint_weights(places, points, len(axes))


def _cropped_coordinates(axes: Sequence[Axis]) -> Iterator[Term]:
    """Yield the work of start * (length - 1) + x * (end - start) * (length - 1) / (resized - 1), or the middle."""
    many = sum(axis.resized for axis in axes if axis.resized > 1)
    single = sum(1 for axis in axes if axis.resized == 1)
    yield work("x = start * (length - 1) + ...", Arith.MUL, coordinates=many, products=3)
    yield work("x = start * (length - 1) + ...", Arith.ADD, coordinates=many, additions=2)
    yield work("x = start * (length - 1) + ...", Arith.DIV, coordinates=many)
    yield work("x = 0.5 * (start + end) * (length - 1)", Arith.MUL, coordinates=single, products=2)
    yield work("x = 0.5 * (start + end) * (length - 1)", Arith.ADD, coordinates=single)


def _renormalization(call: Call, axes: Sequence[Axis]) -> Iterator[Term]:
    if call.attr_or("exclude_outside", int, 0):
        coordinates, points = sum(axis.resized for axis in axes), max((axis.points for axis in axes), default=1)
        yield work("sum(weights)", Arith.ADD, coordinates=coordinates, additions=points - 1)
        yield work("weight / sum(weights)", Arith.DIV, coordinates=coordinates, points=points)


def _axes(call: Call) -> tuple[list[Axis], list[Axis]]:
    """Return the axes along which elements are averaged, and those of which only a roi that isn't known can tell."""
    x, y = call.input("X"), call.output("Y")
    cropped = _cropped(call, x)
    surely, perhaps = [], []
    for axis, factor in enumerate(resizing.factors(call, x, y)):
        one = Axis(_points(call, factor), y.dims[axis])
        if factor != 1 or cropped[axis]:
            surely.append(one)
        elif cropped[axis] is None:
            perhaps.append(one)
    return surely, perhaps


def _cropped(call: Call, x: TensorType) -> list[bool | None]:
    """Return of each axis whether roi crops it; None where that isn't known."""
    found: list[bool | None] = [False] * x.rank
    if not _crops(call):
        return found
    named = resizing.axes(call, x.rank)
    known = resizing.elements(call, "roi")
    if known is not None and len(known) != 2 * len(named):
        raise call.error(f"wants a roi of {2 * len(named)} elements, it has {len(known)}")
    for place, axis in enumerate(named):
        found[axis] = None if known is None else (known[place], known[place + len(named)]) != (0, 1)
    return found


def _crops(call: Call) -> bool:
    return call.attr_or("coordinate_transformation_mode", str, "asymmetric") == "tf_crop_and_resize"


def _comes_from_run(call: Call, name: str) -> bool:
    place = call.schema.inputs.index(name)
    return place < len(call.stages) and call.stages[place] is Stage.RUN


def _points(call: Call, factor: Fraction) -> int:
    """Return how many points are averaged along an axis that is resized by a factor, or cropped."""
    reach = interpolation.REACH[_mode(call)]
    if not call.attr_or("antialias", int, 0):
        return 2 * reach
    if _crops(call) and _comes_from_run(call, "roi"):
        raise UnknownShapeError("what an antialiasing filter weighs follows from roi, which is not known")
    return 2 * ceil(reach / factor) if 0 < factor < 1 else 2 * reach


def _mode(call: Call) -> str:
    return call.choice("mode", MODES)
