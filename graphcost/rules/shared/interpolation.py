"""Weighted averages of the points around a place: what resizing, sampling and deformed convolutions share.

Along each axis, `ratio` says how far the place lies beyond the point before it, and the weights of the 2 or 4 nearest
points follow from it. The weight of a point in several axes is the product of its weights along each. Registers no
operator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.terms import Arith, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.terms import Term
    from graphcost.types import DType

REACH = {"linear": 1, "cubic": 2}
"""How many points lie on each side of a place, by mode."""


def ratios(coordinates: int, dtype: DType | None = None) -> Iterator[Term]:
    """Yield the work of ratio = x - floor(x), once per coordinate."""
    yield work("floor(x)", Arith.ROUND, dtype=dtype, coordinates=coordinates)
    yield work("ratio = x - floor(x)", Arith.ADD, dtype=dtype, coordinates=coordinates)


def weights(mode: str, coordinates: int, dtype: DType | None = None) -> Iterator[Term]:
    """Yield the work of the weights along one axis, once per coordinate.

    linear: 1 - r, r. cubic, with r + 1, 1 - r and 2 - r for the distances to the other points and a known beforehand:
    ((a*(r + 1) - 5a)*(r + 1) + 8a)*(r + 1) - 4a, ((a + 2)*r - (a + 3))*r*r + 1, and both again from the other side.
    """
    if mode == "linear":
        yield work("1 - ratio", Arith.ADD, dtype=dtype, coordinates=coordinates)
    else:
        yield work("cubic(ratio)", Arith.MUL, dtype=dtype, coordinates=coordinates, products=12)
        yield work("cubic(ratio)", Arith.ADD, dtype=dtype, coordinates=coordinates, additions=13)


def joint_weights(places: int, points: int, axes: int, dtype: DType | None = None) -> Iterator[Term]:
    """Yield the work of the points' weights in several axes: products of those along each."""
    products = max(axes - 1, 0)
    yield work("weight = product over axes", Arith.MUL, dtype=dtype, places=places, points=points, products=products)


def average(values: int, points: int, dtype: DType | None = None) -> Iterator[Term]:
    """Yield the work of sum(weight * X) over the points around a place."""
    yield work("weight * X", Arith.MUL, dtype=dtype, values=values, points=points)
    yield work("sum(weight * X)", Arith.ADD, dtype=dtype, values=values, additions=points - 1)
