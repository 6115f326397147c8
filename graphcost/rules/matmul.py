"""Products of matrices."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from graphcost.rules.registry import rule
from graphcost.terms import Arith, Term, work
from graphcost.types import TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.types import Dim, Shape


@rule("MatMul")
def matmul(call: Call) -> Iterator[Term]:
    """Y[..., m, n] = sum over k of A[..., m, k] * B[..., k, n], as numpy.matmul does.

    A: (*batch, M, K), B: (*batch, K, N), Y: (*batch, M, N); the batches are broadcast.
    A of rank 1 is one row (K,), B of rank 1 one column (K,); Y lacks that axis.

    Source: https://onnx.ai/onnx/operators/onnx__MatMul.html
    """
    yield product(call, call.input("A"), call.input("B"), call.output("Y"))


@rule("Gemm")
def gemm(call: Call) -> Iterator[Term]:
    """Y[m, n] = alpha * (sum over k of A[m, k] * B[k, n]) + beta * C[m, n].

    A: (M, K) or, with transA, (K, M); B: (K, N) or, with transB, (N, K); C: broadcast to (M, N); Y: (M, N).
    Reading a matrix in the other order computes nothing. alpha and beta cost a multiplication where they are not 1:
    alpha one per element of Y, beta one per element of C itself. Without C, beta stands for nothing.

    Source: https://onnx.ai/onnx/operators/onnx__Gemm.html
    """
    (rows, inner), (inner_of_b, columns) = (one.dims for one in both_as_read(call))
    _check_inner(call, inner, inner_of_b)
    yield work("A*B", Arith.MAC, wrt=("A", "B"), rows=rows, columns=columns, inner=inner)
    if call.attr("alpha", float) != 1:
        yield work("alpha * A*B", Arith.MUL, rows=rows, columns=columns)
    if c := call.optional("C"):
        _check_broadcast(call, c.dims, (rows, columns))
        if call.attr("beta", float) != 1:
            yield work("beta * C", Arith.MUL, elements=c.elements)
        yield work("+ C", Arith.ADD, rows=rows, columns=columns)


def product(call: Call, a: TensorType, b: TensorType, y: TensorType) -> Term:
    """Return the multiply-accumulates of Y = A*B as numpy.matmul has it, broadcast batches and vectors included."""
    inner = a.dims[-1]
    _check_inner(call, inner, b.dims[-2] if b.rank > 1 else b.dims[0])
    return work("A*B", Arith.MAC, wrt=("A", "B"), outputs=y.elements, inner=inner)


def product_type(call: Call, a: TensorType, b: TensorType) -> TensorType:
    """Return the type of Y = A*B as numpy.matmul has it, as far as those of A and B are known."""
    left, right = shape_of(a), shape_of(b)
    if not left or not right:
        raise call.error(f"wants A and B of rank 1 or more, they are {a} and {b}")
    columns = right[-1:] if len(right) > 1 else ()
    return TensorType(a.dtype, (*broadcast(call, left[:-2], right[:-2]), *left[-2:-1], *columns))


def gemm_type(call: Call) -> TensorType:
    """Return the type of Gemm's Y: (M, N), as far as those of A and B are known."""
    a, b = call.partial("A"), call.partial("B")
    return TensorType(a.dtype, (shape_of(_as_read(call, a, "A"))[0], shape_of(_as_read(call, b, "B"))[1]))


def both_as_read(call: Call) -> tuple[TensorType, TensorType]:
    """Return the types of A and B as the product reads them: (rows, columns)."""
    return _as_read(call, call.input("A"), "A"), _as_read(call, call.input("B"), "B")


def _as_read(call: Call, tensor: TensorType, name: str) -> TensorType:
    """Return the type of A or B as the product reads it: (rows, columns)."""
    shape = shape_of(tensor)
    if len(shape) != 2:
        raise call.error(f"wants {name} of rank 2, it is of rank {len(shape)}")
    return replace(tensor, shape=shape[::-1]) if call.attr(f"trans{name}", int) else tensor


def broadcast(call: Call, one: Shape, other: Shape) -> list[Dim]:
    """Return the shape that two are broadcast to, as numpy does it, as far as they are known."""
    pairs = reversed(list(zip_longest(reversed(one), reversed(other), fillvalue=1)))
    return [_common(call, mine, yours) for mine, yours in pairs]


def _common(call: Call, mine: Dim, yours: Dim) -> Dim:
    if mine == 1:
        return yours
    if yours in {1, mine}:
        return mine
    known = [dim for dim in (mine, yours) if isinstance(dim, int)]
    if len(known) > 1:
        raise call.error(f"wants batches that can be broadcast, they are {mine} and {yours}")
    return known[0] if known else None


def _check_inner(call: Call, of_a: int, of_b: int) -> None:
    if of_a != of_b:
        raise call.error(f"wants A and B to have the same inner size, A has {of_a}, B has {of_b}")


def _check_broadcast(call: Call, c: tuple[int, ...], y: tuple[int, ...]) -> None:
    fits = all(mine in (1, yours) for mine, yours in zip(reversed(c), reversed(y), strict=False))
    if len(c) > len(y) or not fits:
        raise call.error(f"wants C to be broadcastable to {y}, it is {c}")
