"""Pools: one number out of each window.

A window has as many elements as its kernel everywhere: padded positions count as work, ceil_mode's overhang included.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from graphcost.call import spatial
from graphcost.rules.conv import check_windows
from graphcost.rules.registry import rule, types
from graphcost.rules.shared.resizing import wanted_sizes
from graphcost.rules.shared.sizes import where_known
from graphcost.rules.shared.window_types import per_axis, pooled, ranked
from graphcost.terms import Arith, Term, work
from graphcost.types import DType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call


@rule("MaxPool")
def max_pool(call: Call) -> Iterator[Term]:
    """Y[n, c, p] = the largest of X[n, c, p*stride + q*dilation - pad] over q.

    X: (N, C, *spatial), Y: (N, C, *spatial). The largest of k elements takes k - 1 comparisons, padded positions
    included; remembering where it was (Indices) takes no arithmetic.

    Source: https://onnx.ai/onnx/operators/onnx__MaxPool.html
    """
    return _largest(call.output("Y"), _window(call))


@rule("GlobalMaxPool")
def global_max_pool(call: Call) -> Iterator[Term]:
    """Y[n, c] = the largest of X[n, c, p] over p: k - 1 comparisons for k positions.

    X: (N, C, *spatial), Y: (N, C, 1, ...).

    Source: https://onnx.ai/onnx/operators/onnx__GlobalMaxPool.html
    """
    return _largest(call.output("Y"), _all_positions(call))


@rule("AveragePool")
def average_pool(call: Call) -> Iterator[Term]:
    """Y[n, c, p] = (sum over q of X[n, c, p*stride + q*dilation - pad]) / count.

    X: (N, C, *spatial), Y: (N, C, *spatial). A sum of k elements takes k - 1 additions, padded positions included;
    one division per output, whatever count_include_pad makes the count.

    Source: https://onnx.ai/onnx/operators/onnx__AveragePool.html
    """
    return _average(call.output("Y"), _window(call))


@rule("GlobalAveragePool")
def global_average_pool(call: Call) -> Iterator[Term]:
    """Y[n, c] = (sum over p of X[n, c, p]) / count: k - 1 additions for k positions, one division per output.

    X: (N, C, *spatial), Y: (N, C, 1, ...).

    Source: https://onnx.ai/onnx/operators/onnx__GlobalAveragePool.html
    """
    return _average(call.output("Y"), _all_positions(call))


@rule("LpPool")
def lp_pool(call: Call) -> Iterator[Term]:
    """Y[n, c, o] = (sum over q of |X[n, c, o*stride + q*dilation - pad]|^p)^(1/p).

    X: (N, C, *spatial), Y: (N, C, *spatial). p = 1 takes absolute values only; p = 2 squares by a multiplication
    and takes a square root; any other p takes an absolute value and a power per element and a power per output.
    A sum of k elements takes k - 1 additions. Padded positions count as work.

    Source: https://onnx.ai/onnx/operators/onnx__LpPool.html
    """
    return _norm(call.output("Y"), _p(call), _window(call))


@rule("GlobalLpPool")
def global_lp_pool(call: Call) -> Iterator[Term]:
    """Y[n, c] = (sum over q of |X[n, c, q]|^p)^(1/p), as LpPool with one window over all positions.

    X: (N, C, *spatial), Y: (N, C, 1, ...).

    Source: https://onnx.ai/onnx/operators/onnx__GlobalLpPool.html
    """
    return _norm(call.output("Y"), _p(call), _all_positions(call))


@types("MaxPool", "AveragePool", "LpPool")
def pool_types(call: Call) -> Iterator[TensorType]:
    """Say the types of Y and Indices; onnx, in ceil_mode, finds a place for a window that begins in the padding."""
    y = pooled(call, ranked(call, "X", len(call.attr("kernel_shape", tuple)) + 2))
    yield y
    yield TensorType(DType.INT64, y.shape)


@types("MaxUnpool")
def max_unpool_type(call: Call) -> Iterator[TensorType]:
    """Say the type: `output_shape`, else (size - 1) * stride + kernel - pads along each spatial axis."""
    x = call.partial("X")
    spatial, dims = x.rank - 2, shape_of(x)
    kernel = per_axis(call, "kernel_shape", spatial, default=0, least=1)
    if call.has_input("output_shape"):
        yield TensorType(x.dtype, wanted_sizes(call, "output_shape", x.rank))
        return
    strides = per_axis(call, "strides", spatial, default=1, least=1)
    pads = per_axis(call, "pads", 2 * spatial, default=0, least=0)
    columns = zip(dims[2:], strides, kernel, pads[:spatial], pads[spatial:], strict=True)
    sizes = (where_known(_reach, *column) for column in columns)
    yield TensorType(x.dtype, (*dims[:2], *sizes))


def _reach(size: int, stride: int, kernel: int, begin: int, end: int) -> int:
    return (size - 1) * stride + kernel - begin - end


def _largest(y: TensorType, window: int) -> Iterator[Term]:
    yield work("max", Arith.CMP, outputs=y.elements, comparisons=window - 1)


def _average(y: TensorType, window: int) -> Iterator[Term]:
    yield work("sum", Arith.ADD, outputs=y.elements, additions=window - 1)
    yield work("/ count", Arith.DIV, outputs=y.elements)


def _norm(y: TensorType, p: float, window: int) -> Iterator[Term]:
    if p == 2:
        yield work("x * x", Arith.MUL, outputs=y.elements, window=window)
    else:
        yield work("|x|", Arith.SIGN, outputs=y.elements, window=window)
    if p not in (1, 2):
        yield work("|x|^p", Arith.POW, outputs=y.elements, window=window)
    yield work("sum", Arith.ADD, outputs=y.elements, additions=window - 1)
    if p != 1:
        yield work("^(1/p)", Arith.SQRT if p == 2 else Arith.POW, outputs=y.elements)


def _p(call: Call) -> float:
    return call.attr("p", float if call.opset < 2 else int)


def _window(call: Call) -> int:
    kernel = call.attr("kernel_shape", tuple)
    check_windows(call, call.input("X"), kernel)
    return prod(kernel)


def _all_positions(call: Call) -> int:
    positions = spatial(call.input("X").dims)
    if positions < 1:
        raise call.error(f"wants at least 1 position to pool, X has {positions}")
    return positions
