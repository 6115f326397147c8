"""Products of quantized numbers: the multiply-accumulates are those of MatMul and Conv, in the type of the integers.

(A - a_zero_point) * (B - b_zero_point) costs a subtraction per element of A and of B, once each, in every run; where an
operand is known before any run, together with its zero point, it is done when the model is loaded and costs nothing.
Padded positions count as work and are not subtracted from. A scale made of others costs nothing where these are known
before any run; else it is made once for each of its elements.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from graphcost.rules import conv, matmul
from graphcost.rules.quantized import (
    as_channels_first,
    dynamically_quantized,
    is_beforehand,
    requantized,
    saturated,
    shifted,
    spatial_type,
)
from graphcost.rules.registry import MICROSOFT, NHWC, rule
from graphcost.rules.shared import window_types
from graphcost.rules.shared.operands import biased
from graphcost.terms import Arith, in_type, work
from graphcost.types import DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term


@rule("MatMulInteger", since=10, not_weights="a_zero_point b_zero_point")
def matmul_integer(call: Call) -> Iterator[Term]:
    """Y[..., m, n] = sum over k of (A[..., m, k] - a_zero_point) * (B[..., k, n] - b_zero_point), as numpy.matmul does.

    A: (*batch, M, K), B: (*batch, K, N), Y: (*batch, M, N) in 32 bits; zero points: one, or one per row or column.

    Source: https://onnx.ai/onnx/operators/onnx__MatMulInteger.html
    """
    yield from shifted(call, "A", "a_zero_point")
    yield from shifted(call, "B", "b_zero_point")
    yield matmul.product(call, call.input("A"), call.input("B"), call.output("Y"))


@rule("ConvInteger", since=10, not_weights="x_zero_point w_zero_point")
def conv_integer(call: Call) -> Iterator[Term]:
    """Y = Conv(x - x_zero_point, w - w_zero_point), in 32 bits.

    x: (N, C, *spatial), w: (M, C/group, *kernel), y: (N, M, *spatial); zero points: one, or one per map of w.

    Source: https://onnx.ai/onnx/operators/onnx__ConvInteger.html
    """
    yield from shifted(call, "x", "x_zero_point")
    yield from shifted(call, "w", "w_zero_point")
    yield _named(conv.convolution(call, call.input("x"), call.input("w"), call.output("y")), "x", "w")


_SCALED = "a_scale a_zero_point b_scale b_zero_point y_scale y_zero_point"


@rule("QLinearMatMul", since=10, not_weights=_SCALED)
def qlinear_matmul(call: Call) -> Iterator[Term]:
    """Y = saturate(round(scale * (a - a_zero_point) * (b - b_zero_point)) + y_zero_point), as numpy.matmul does.

    scale = a_scale * b_scale / y_scale, for every row where a_scale is a vector, for every column where b_scale is one.

    Source: https://onnx.ai/onnx/operators/onnx__QLinearMatMul.html
    """
    y, dtype = call.output("y"), call.input("y_scale").dtype
    yield from shifted(call, "a", "a_zero_point")
    yield from shifted(call, "b", "b_zero_point")
    yield _named(matmul.product(call, call.input("a"), call.input("b"), y), "a", "b")
    yield from _scales(call, dtype, "a_scale", "b_scale", "y_scale")
    yield from requantized(call, "a*b", y.elements, dtype, "y_zero_point")


_CONVOLVED = "x_scale x_zero_point w_scale w_zero_point y_scale y_zero_point"
_CONV = "x x_scale x_zero_point w w_scale w_zero_point y_scale y_zero_point B? -> y"

MICROSOFT.signature("QLinearConv", _CONV, group=1, auto_pad="NOTSET", channels_last=0)
NHWC.signature("QLinearConv", _CONV, group=1, auto_pad="NOTSET")
NHWC.signature("QLinearConvTranspose", _CONV, group=1, auto_pad="NOTSET")


@rule("QLinearConv", since=10, not_weights=_CONVOLVED)
@MICROSOFT.rule("QLinearConv", not_weights=_CONVOLVED)
@NHWC.rule("QLinearConv", not_weights=_CONVOLVED)
def qlinear_conv(call: Call) -> Iterator[Term]:
    """Y = saturate(round(scale * (Conv(x - x_zero_point, w - w_zero_point) + B)) + y_zero_point).

    scale = x_scale * w_scale / y_scale, for every map where w_scale is a vector. B: (M,), of 32 bits.
    x: (N, C, *spatial), with channels_last (N, *spatial, C); w: (M, C/group, *kernel) in either case.

    Source: https://onnx.ai/onnx/operators/onnx__QLinearConv.html
    """
    call = as_channels_first(call)
    w, y = call.input("w"), call.output("y")
    return _convolved(call, conv.convolution(call, call.input("x"), w, y), w.dims[0])


@NHWC.rule("QLinearConvTranspose", not_weights=_CONVOLVED)
def qlinear_conv_transpose(call: Call) -> Iterator[Term]:
    """Y = saturate(round(scale * (ConvTranspose(x - x_zero_point, w - w_zero_point) + B)) + y_zero_point).

    scale = x_scale * w_scale / y_scale. x: (N, *spatial, C), w: (C, M/group, *kernel), B: (M,), y: (N, *spatial, M).
    As for ConvTranspose, products that land on positions that pads or output_shape crop away count as work.

    Source: https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/graph/contrib_ops/nhwc_schema_defs.cc
    """
    call = as_channels_first(call)
    x, w = call.input("x"), call.input("w")
    if x.dims[1] != w.dims[0]:
        raise call.error(f"wants x with the {w.dims[0]} channels of w, it has {x.dims[1]}")
    product = work("X*W", Arith.MAC, inputs=x.elements, channels_per_group=w.dims[1], kernel=prod(w.dims[2:]))
    return _convolved(call, product, w.dims[1] * call.attr("group", int))


def _convolved(call: Call, product: Term, channels: int) -> Iterator[Term]:
    y, dtype = call.output("y"), call.input("y_scale").dtype
    yield from shifted(call, "x", "x_zero_point")
    yield from shifted(call, "w", "w_zero_point")
    yield _named(product, "x", "w")
    yield from in_type(DType.INT32, conv.bias(call, y, channels))
    yield from _scales(call, dtype, "x_scale", "w_scale", "y_scale")
    yield from requantized(call, "x*w", y.elements, dtype, "y_zero_point")


@MICROSOFT.types("QLinearConv")
@NHWC.types("QLinearConv")
def qlinear_conv_type(call: Call) -> Iterator[TensorType]:
    """Yield y: as Conv's, in the zero point's type."""
    found = spatial_type(call, lambda x: window_types.convolved(call, x, call.partial("w")))
    yield replace(found, dtype=call.partial("y_zero_point").dtype)


@NHWC.types("QLinearConvTranspose")
def qlinear_conv_transpose_type(call: Call) -> Iterator[TensorType]:
    """Yield y: as ConvTranspose's, in the zero point's type."""
    pads = window_types.per_axis(call, "pads", 2 * (call.partial("x").rank - 2), default=0, least=0)
    found = spatial_type(call, lambda x: window_types.deconvolved(call, x, call.partial("w"), pads))
    yield replace(found, dtype=call.partial("y_zero_point").dtype)


MICROSOFT.signature("MatMulInteger16", "A B -> Y")
MICROSOFT.signature(
    "MatMulIntegerToFloat",
    "A B a_scale b_scale a_zero_point? b_zero_point? bias? -> Y",
)
MICROSOFT.signature("DynamicQuantizeMatMul", "A B b_scale b_zero_point? bias? -> Y")
MICROSOFT.signature(
    "QGemm",
    "A a_scale a_zero_point B b_scale b_zero_point C? y_scale? y_zero_point? -> Y",
    transA=0,
    transB=0,
    alpha=1.0,
)
MICROSOFT.signature("QOrderedMatMul", "A scale_A B scale_B scale_Y bias? C? scale_C? -> Y")


@MICROSOFT.rule("MatMulInteger16")
def matmul_integer16(call: Call) -> Iterator[Term]:
    """Y[..., m, n] = sum over k of A[..., m, k] * B[..., k, n], as numpy.matmul does, in integers of 16 bits.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulInteger16
    """
    yield matmul.product(call, call.input("A"), call.input("B"), call.output("Y"))


@MICROSOFT.types("MatMulInteger16")
def matmul_integer16_type(call: Call) -> Iterator[TensorType]:
    """Yield Y: as MatMul's, unsigned where A and B are."""
    found = matmul.product_type(call, call.partial("A"), call.partial("B"))
    yield TensorType(DType.UINT32 if found.dtype is DType.UINT16 else DType.INT32, found.shape)


@MICROSOFT.rule("MatMulIntegerToFloat", not_weights="a_scale b_scale a_zero_point b_zero_point")
def matmul_integer_to_float(call: Call) -> Iterator[Term]:
    """Y = scale * (A - a_zero_point) * (B - b_zero_point) + bias, as numpy.matmul does; scale = a_scale * b_scale.

    bias: (N,), added to every row.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulIntegerToFloat
    """
    y = call.output("Y")
    yield from matmul_integer(call)
    yield from _scales(call, y.dtype, "a_scale", "b_scale")
    yield work("A*B * scale", Arith.MUL, dtype=y.dtype, outputs=y.elements)
    yield from biased(call, "bias", y)


@MICROSOFT.rule("DynamicQuantizeMatMul", not_weights="b_scale b_zero_point")
def dynamic_quantize_matmul(call: Call) -> Iterator[Term]:
    """Y = a_scale * b_scale * (a - a_zero_point) * (B - b_zero_point) + bias; a = DynamicQuantizeLinear(A), in 8 bits.

    A is quantized as a whole, with a_scale and a_zero_point from its range in every run. bias: (N,).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.DynamicQuantizeMatMul
    """
    a, y = call.input("A"), call.output("Y")
    yield from dynamically_quantized("A", a.elements, tensors=1, dtype=a.dtype)
    yield work("a - a_zero_point", Arith.ADD, dtype=DType.UINT8, elements=a.elements)
    yield from shifted(call, "B", "b_zero_point")
    yield replace(matmul.product(call, a, call.input("B"), y), dtype=DType.UINT8)
    yield work("scale = a_scale * b_scale", Arith.MUL, dtype=y.dtype, scales=call.input("b_scale").elements)
    yield work("A*B * scale", Arith.MUL, dtype=y.dtype, outputs=y.elements)
    yield from biased(call, "bias", y)


@MICROSOFT.types("MatMulIntegerToFloat")
@MICROSOFT.types("DynamicQuantizeMatMul")
def float_product_type(call: Call) -> Iterator[TensorType]:
    """Yield Y: as MatMul's, in b_scale's type."""
    found = matmul.product_type(call, call.partial("A"), call.partial("B"))
    yield TensorType(call.partial("b_scale").dtype, found.shape)


@MICROSOFT.rule("QGemm", not_weights="a_scale a_zero_point b_scale b_zero_point y_scale y_zero_point")
def qgemm(call: Call) -> Iterator[Term]:
    """Y = scale * ((A - a_zero_point) * (B - b_zero_point) + C), with scale = alpha * a_scale * b_scale.

    With y_scale, Y = saturate(round(scale * (...)) + y_zero_point), with scale = alpha * a_scale * b_scale / y_scale.
    A: (M, K) or, with transA, (K, M); B: (K, N) or, with transB, (N, K); C: broadcast to (M, N), of 32 bits.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QGemm
    """
    y, dtype = call.output("Y"), call.input("a_scale").dtype
    yield from shifted(call, "A", "a_zero_point")
    yield from shifted(call, "B", "b_zero_point")
    yield matmul.product(call, *matmul.both_as_read(call), y)
    if call.optional("C"):
        yield work("+ C", Arith.ADD, dtype=DType.INT32, outputs=y.elements)
    yield from _scales(call, dtype, "a_scale", "b_scale", "y_scale", alpha=call.attr("alpha", float))
    if call.optional("y_scale"):
        yield from requantized(call, "A*B", y.elements, dtype, "y_zero_point")
    else:
        yield work("A*B * scale", Arith.MUL, dtype=dtype, outputs=y.elements)


@MICROSOFT.types("QGemm")
def qgemm_type(call: Call) -> Iterator[TensorType]:
    """Yield Y: (M, N), in the type of y_zero_point; in float32 where there is none."""
    dtype = call.partial("y_zero_point").dtype if call.has_input("y_zero_point") else DType.FLOAT32
    yield TensorType(dtype, matmul.gemm_type(call).shape)


@MICROSOFT.rule("QOrderedMatMul", not_weights="scale_A scale_B scale_Y scale_C")
def qordered_matmul(call: Call) -> Iterator[Term]:
    """Y = saturate(round(alpha * A * B + bias / scale_Y + beta * C)); alpha = scale_A * scale_B / scale_Y.

    beta = scale_C / scale_Y. A: (batch, M, K), B: (K, N), bias: (N,), C: (batch or 1, M, N); bias and C are scaled once
    per element of theirs, and there are no zero points. In which order a matrix lies says where its elements are, not
    what is computed.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QOrderedMatMul
    """
    y, dtype = call.output("Y"), call.input("scale_Y").dtype
    yield matmul.product(call, call.input("A"), call.input("B"), y)
    yield from _scales(call, dtype, "scale_A", "scale_B", "scale_Y")
    yield work("alpha * A*B", Arith.MUL, dtype=dtype, outputs=y.elements)
    if bias := call.optional("bias"):
        yield work("bias / scale_Y", Arith.DIV, dtype=dtype, elements=bias.elements)
        yield work("+ bias / scale_Y", Arith.ADD, dtype=dtype, outputs=y.elements)
    if c := call.optional("C"):
        if not is_beforehand(call, "scale_C", "scale_Y"):
            yield work("beta = scale_C / scale_Y", Arith.DIV, dtype=dtype)
        yield work("beta * C", Arith.MUL, dtype=dtype, elements=c.elements)
        yield work("+ beta * C", Arith.ADD, dtype=dtype, outputs=y.elements)
    yield from saturated(call, y.elements, dtype, "")


@MICROSOFT.types("QOrderedMatMul")
def qordered_matmul_type(call: Call) -> Iterator[TensorType]:
    """Yield Y: as MatMul's, whatever the matrices' order."""
    yield matmul.product_type(call, call.partial("A"), call.partial("B"))


def _scales(call: Call, dtype: DType | None, a: str, b: str, y: str = "", *, alpha: float = 1.0) -> Iterator[Term]:
    """Yield the work of making one scale of others, a * b / y, where they aren't known before any run."""
    has_y = bool(y) and call.optional(y) is not None
    if is_beforehand(call, a, b, *([y] if has_y else [])):
        return
    rows, columns = call.input(a), call.input(b)
    down = (*rows.dims, 1) if rows.rank == 1 else rows.dims
    count = TensorType(dtype, tuple(matmul.broadcast(call, down, columns.dims))).elements
    yield work(f"{a} * {b}", Arith.MUL, dtype=dtype, scales=count)
    if alpha != 1:
        yield work(f"alpha * {a} * {b}", Arith.MUL, dtype=dtype, scales=count)
    if has_y:
        yield work(f"{a} * {b} / {y}", Arith.DIV, dtype=dtype, scales=count)


def _named(term: Term, *factors: str) -> Term:
    """Return a product under the names that this operator gives its factors."""
    return replace(term, what="*".join(factors), wrt=factors)
