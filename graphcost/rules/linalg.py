"""Linear algebra: what takes an elimination. A zero is computed with like any other number.

The elimination is Gauss' with partial pivoting, A = P*L*U: in each column the largest |element| on or below the
diagonal is sought, its row is swapped up (no work), and a multiple of it is subtracted from every row below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules.registry import MICROSOFT, rule
from graphcost.terms import Arith, work
from graphcost.types import TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Dim


MICROSOFT.signature("Inverse", "X -> Y")
MICROSOFT.signature("SparseToDenseMatMul", "A B -> Y", transA=0, transB=0, alpha=1.0)


@rule("Det", since=11)
def det(call: Call) -> Iterator[Term]:
    """Y = the product of the pivots of X, with the other sign where an odd number of rows was swapped.

    X: (*batch, n, n), Y: (*batch). X is eliminated by Gauss' algorithm with partial pivoting; a pivot of 0 ends nothing
    early.

    Source: https://onnx.ai/onnx/operators/onnx__Det.html
    """
    matrices, n = _square(call)
    yield from _elimination(matrices, n)
    yield work("product of the pivots", Arith.MUL, matrices=matrices, products=max(n - 1, 0))
    yield work("sign of the swaps", Arith.SIGN, least=0, matrices=matrices, signs=min(max(n - 1, 0), 1))


MICROSOFT.like_input("Inverse")


@MICROSOFT.rule("Inverse")
def inverse(call: Call) -> Iterator[Term]:
    """Y = X^-1: X = P*L*U is eliminated, then L*U*Y = P^-1 is solved, column by column, forwards and backwards.

    X, Y: (*batch, n, n). The diagonal of L is 1; the zeros of P^-1 are computed with like any other number.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.Inverse
    """
    matrices, n = _square(call)
    yield from _elimination(matrices, n)
    for arith in (Arith.MUL, Arith.ADD):
        yield work("y - L * y, y - U * y", arith, matrices=matrices, columns=n, elements=n * (n - 1))
    yield work("y / pivot", Arith.DIV, matrices=matrices, columns=n, elements=n)


def _square(call: Call) -> tuple[int, int]:
    """Return how many matrices there are, and how many rows and columns each has."""
    dims = call.input("X").dims
    if len(dims) < 2 or dims[-1] != dims[-2]:
        raise call.error(f"wants X of shape (..., n, n), it is {dims}")
    return TensorType(None, dims[:-2]).elements, dims[-1]


def _elimination(matrices: int, n: int) -> Iterator[Term]:
    """Yield the work of n - 1 steps. Of m rows: |x| of m, m - 1 comparisons and factors, (m - 1)^2 products."""
    below = n * (n - 1) // 2
    squares = (n - 1) * n * (2 * n - 1) // 6
    yield work("|x|", Arith.SIGN, matrices=matrices, elements=below + max(n - 1, 0))
    yield work("largest |x| of a column", Arith.CMP, matrices=matrices, comparisons=below)
    yield work("factor = x / pivot", Arith.DIV, matrices=matrices, factors=below)
    yield work("x - factor * row", Arith.MUL, matrices=matrices, elements=squares)
    yield work("x - factor * row", Arith.ADD, matrices=matrices, elements=squares)


@MICROSOFT.types("SparseToDenseMatMul")
def sparse_to_dense_matmul_type(call: Call) -> Iterator[TensorType]:
    """Y has the rows of A and the columns of B."""
    b = call.partial("B")
    (rows, _), (_, columns) = _read(call, "A", "transA"), _read(call, "B", "transB")
    yield TensorType(b.dtype, (rows, columns))


def _read(call: Call, name: str, transposed: str) -> tuple[Dim, Dim]:
    dims = shape_of(call.partial(name))
    if len(dims) != 2:
        raise call.error(f"wants {name} of rank 2, it is of rank {len(dims)}")
    return (dims[1], dims[0]) if call.attr(transposed, int) else (dims[0], dims[1])


@MICROSOFT.rule("SparseToDenseMatMul")
def sparse_to_dense_matmul(call: Call) -> Iterator[Term]:
    """Y = alpha * A * B, with a multiply-accumulate for each stored element of A and each column of B.

    A: (M, K), sparse, B: (K, N), Y: (M, N). How many elements A stores no type tells: all at most, none at least.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.SparseToDenseMatMul
    """
    y, a = call.output("Y"), call.input("A")
    _, inner = _read(call, "A", "transA")
    inner_of_b, _ = _read(call, "B", "transB")
    if inner != inner_of_b:
        raise call.error(f"wants A and B to have the same inner size, A has {inner}, B has {inner_of_b}")
    yield work("A*B", Arith.MAC, wrt=("A", "B"), least=0, stored=a.elements, columns=y.dims[1])
    if call.attr("alpha", float) != 1:
        yield work("alpha * A*B", Arith.MUL, outputs=y.elements)
