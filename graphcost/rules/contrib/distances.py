"""Distances: between all pairs of points, and along the cheapest path through a matrix of costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.rules.registry import MICROSOFT
from graphcost.terms import Arith, work
from graphcost.types import DType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term


MICROSOFT.signature("CDist", "A B -> C", metric="sqeuclidean")
MICROSOFT.signature("DynamicTimeWarping", "input -> output")


@MICROSOFT.types("CDist")
def cdist_type(call: Call) -> Iterator[TensorType]:
    """C has a row for each row of A and a column for each row of B."""
    a, b = call.partial("A"), call.partial("B")
    yield TensorType(a.dtype, (*shape_of(a)[:1], *shape_of(b)[:1]))


@MICROSOFT.rule("CDist")
def cdist(call: Call) -> Iterator[Term]:
    """C[m, k] = sum over n of (A[m, n] - B[k, n])^2, or its square root, as `metric` is sqeuclidean or euclidean.

    A: (M, N), B: (K, N), C: (M, K). The other metrics that the attribute could name have no kernel in onnxruntime and
    are left unknown.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.CDist
    """
    a, b, metric = call.input("A"), call.input("B"), call.attr("metric", str)
    if a.rank != 2 or b.rank != 2 or a.dims[1] != b.dims[1]:
        raise call.error(f"wants A: (M, N) and B: (K, N), they are {a.dims} and {b.dims}")
    if metric not in {"sqeuclidean", "euclidean"}:
        raise UnknownShapeError(f"how the distance {metric!r} is computed is not known")
    pairs, size = a.dims[0] * b.dims[0], a.dims[1]
    yield work("d = A - B", Arith.ADD, pairs=pairs, elements=size)
    yield work("d * d", Arith.MUL, pairs=pairs, elements=size)
    yield work("sum(d * d)", Arith.ADD, pairs=pairs, additions=max(size - 1, 0))
    if metric == "euclidean":
        yield work("sqrt(sum(d * d))", Arith.SQRT, pairs=pairs)


@MICROSOFT.types("DynamicTimeWarping")
def dynamic_time_warping_type(_call: Call) -> Iterator[TensorType]:
    """Two rows of places; how long the path is depends on the costs."""
    yield TensorType(DType.INT32, (2, None))


@MICROSOFT.rule("DynamicTimeWarping")
def dynamic_time_warping(call: Call) -> Iterator[Term]:
    """D[r, c] = input[r, c] + min(D[r - 1, c - 1], D[r - 1, c], D[r, c - 1]); output = the path of the least D.

    input: (M, N) or (1, M, N). The first row and the first column have one way to be reached, and nothing to compare.
    Each place remembers where it was reached from, so that reading the path back computes nothing.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.DynamicTimeWarping
    """
    dims = call.input("input").dims
    if len(dims) < 2 or dims[:-2] not in {(), (1,)}:
        raise call.error(f"wants an input of shape (M, N) or (1, M, N), it is {dims}")
    rows, columns = dims[-2:]
    if rows and columns:
        yield work("min of 3", Arith.CMP, rows=rows - 1, columns=columns - 1, comparisons=2)
        yield work("input + min", Arith.ADD, places=rows * columns - 1)
