"""Products of matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules.registry import rule
from graphcost.terms import Arith, Term, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.types import TensorType


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
    rows, inner = _matrix(call, "A", call.attr("transA", int))
    inner_of_b, columns = _matrix(call, "B", call.attr("transB", int))
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


def _matrix(call: Call, name: str, transposed: int) -> tuple[int, ...]:
    dims = call.input(name).dims
    if len(dims) != 2:
        raise call.error(f"wants {name} of rank 2, it is of rank {len(dims)}")
    return dims[::-1] if transposed else dims


def _check_inner(call: Call, of_a: int, of_b: int) -> None:
    if of_a != of_b:
        raise call.error(f"wants A and B to have the same inner size, A has {of_a}, B has {of_b}")


def _check_broadcast(call: Call, c: tuple[int, ...], y: tuple[int, ...]) -> None:
    fits = all(mine in (1, yours) for mine, yours in zip(reversed(c), reversed(y), strict=False))
    if len(c) > len(y) or not fits:
        raise call.error(f"wants C to be broadcastable to {y}, it is {c}")
