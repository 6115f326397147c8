"""Quantized operators that combine many elements: pools, means, softmax, normalizations.

Each is dequantize, the operator that its name says, quantize: the terms of that operator, in the scale's type. Every
input is dequantized once per element, however many windows it is in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules import normalization, pool, softmax
from graphcost.rules.quantized import as_channels_first, dequantized, quantized, spatial_type
from graphcost.rules.registry import MICROSOFT, NHWC
from graphcost.rules.shared import axes, window_types
from graphcost.terms import Arith, in_type, work
from graphcost.types import DType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from graphcost.call import Call
    from graphcost.terms import Term

_POOLED = "x_scale x_zero_point y_scale y_zero_point"
_POOL = "X x_scale x_zero_point? y_scale y_zero_point? -> Y"
_WINDOWS = {"auto_pad": "NOTSET", "ceil_mode": 0, "channels_last": 0, "count_include_pad": 0}

MICROSOFT.signature("QLinearAveragePool", _POOL, **_WINDOWS)
NHWC.signature("QLinearAveragePool", _POOL, **_WINDOWS)
MICROSOFT.signature("QLinearGlobalAveragePool", _POOL, channels_last=0)


@MICROSOFT.rule("QLinearAveragePool", not_weights=_POOLED)
@NHWC.rule("QLinearAveragePool", not_weights=_POOLED)
def qlinear_average_pool(call: Call) -> Iterator[Term]:
    """Y = quantize(AveragePool(dequantize(X))), as AveragePool with its windows.

    X: (N, C, *spatial), with channels_last (N, *spatial, C). quantize(y) = saturate(round(y / y_scale) + y_zero_point).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearAveragePool
    """
    return _pooled(call, pool.average_pool(as_channels_first(call)))


@MICROSOFT.rule("QLinearGlobalAveragePool", not_weights=_POOLED)
def qlinear_global_average_pool(call: Call) -> Iterator[Term]:
    """Y = quantize(average), with average = GlobalAveragePool(dequantize(X)).

    X: (N, C, *spatial), with channels_last (N, *spatial, C). quantize(y) = saturate(round(y / y_scale) + y_zero_point).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearGlobalAveragePool
    """
    return _pooled(call, pool.global_average_pool(as_channels_first(call)))


def _pooled(call: Call, terms: Iterable[Term]) -> Iterator[Term]:
    yield from dequantized(call, "X", "x_scale", "x_zero_point")
    yield from in_type(call.input("x_scale").dtype, terms)
    yield from quantized(call, "y", call.output("Y").elements, "y_scale", "y_zero_point")


@MICROSOFT.types("QLinearAveragePool")
@NHWC.types("QLinearAveragePool")
def average_pool_type(call: Call) -> Iterator[TensorType]:
    """Yield Y: as AveragePool's."""
    yield spatial_type(call, lambda x: window_types.pooled(call, x))


@MICROSOFT.types("QLinearGlobalAveragePool")
def global_average_pool_type(call: Call) -> Iterator[TensorType]:
    """Yield Y: as GlobalAveragePool's."""
    yield spatial_type(call, window_types.pooled_globally)


MICROSOFT.signature(
    "QLinearReduceMean",
    "data data_scale data_zero_point? reduced_scale reduced_zero_point? -> reduced",
    keepdims=1,
)
MICROSOFT.signature("ReduceSumInteger", "data -> reduced", keepdims=1)


@MICROSOFT.rule("QLinearReduceMean", not_weights="data_scale data_zero_point reduced_scale reduced_zero_point")
def qlinear_reduce_mean(call: Call) -> Iterator[Term]:
    """Reduced = quantize(sum(x) / n) along `axes`, with x = (data - data_zero_point) * data_scale.

    quantize(y) = saturate(round(y / reduced_scale) + reduced_zero_point).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearReduceMean
    """
    rows, dtype = _rows(call), call.input("data_scale").dtype
    yield from dequantized(call, "data", "data_scale", "data_zero_point")
    yield work("sum(x)", Arith.ADD, dtype=dtype, rows=rows.count, steps=rows.steps)
    yield work("sum(x) / n", Arith.DIV, dtype=dtype, rows=rows.count)
    yield from quantized(call, "y", rows.count, "reduced_scale", "reduced_zero_point")


@MICROSOFT.rule("ReduceSumInteger")
def reduce_sum_integer(call: Call) -> Iterator[Term]:
    """Reduced = sum(data) along `axes`, in 32 bits.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.ReduceSumInteger
    """
    rows = _rows(call)
    yield work("sum(data)", Arith.ADD, dtype=call.output("reduced").dtype, rows=rows.count, steps=rows.steps)


def _rows(call: Call) -> axes.Rows:
    count = call.output("reduced").elements
    return axes.Rows(count, call.input("data").elements // count if count else 0)


@MICROSOFT.types("QLinearReduceMean", "ReduceSumInteger")
def reduced_type(call: Call) -> Iterator[TensorType]:
    """Yield the data's shape without `axes`; a sum of integers has 32 bits, and a sign where the data has one."""
    data = call.partial("data")
    wide = DType.UINT32 if data.dtype is DType.UINT8 else DType.INT32
    gone = {axes.position(call, axis, data.rank) for axis in call.attr_or("axes", tuple, ())} or set(range(data.rank))
    kept = [1 if axis in gone else dim for axis, dim in enumerate(shape_of(data))]
    shape = kept if call.attr("keepdims", int) else [dim for axis, dim in enumerate(kept) if axis not in gone]
    yield TensorType(wide if call.op_type == "ReduceSumInteger" else data.dtype, tuple(shape))


MICROSOFT.signature("QLinearSoftmax", "X X_scale x_zero_point? y_scale y_zero_point -> Y", axis=-1)
MICROSOFT.signature("QOrderedLayerNormalization", "X scale_X scale B? scale_Y -> Y", axis=-1)


@MICROSOFT.rule("QLinearSoftmax", not_weights="X_scale x_zero_point y_scale y_zero_point")
def qlinear_softmax(call: Call) -> Iterator[Term]:
    """Y = quantize(Softmax(x)), with x = (X - x_zero_point) * X_scale; Softmax is the stable one, row by row.

    A row runs along `axis`; where the attribute `opset` is below 13, along `axis` and all axes that follow it.
    quantize(y) = saturate(round(y / y_scale) + y_zero_point).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearSoftmax
    """
    x, axis = call.input("X"), call.attr("axis", int)
    rows = axes.from_axis(call, x, axis) if call.attr("opset", int) < 13 else axes.over(call, x, [axis])
    yield from dequantized(call, "X", "X_scale", "x_zero_point")
    yield from in_type(call.input("X_scale").dtype, softmax.shares(rows))
    yield from quantized(call, "y", x.elements, "y_scale", "y_zero_point")


@MICROSOFT.rule("QOrderedLayerNormalization", not_weights="scale_X scale_Y")
def qordered_layer_normalization(call: Call) -> Iterator[Term]:
    """Y = saturate(round((d * InvStdDev * scale + B) / scale_Y)), as LayerNormalization of X * scale_X.

    A row runs along `axis` and all axes that follow it. There are no zero points. Computed in scale_X's type.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QOrderedLayerNormalization
    """
    x, dtype = call.input("X"), call.input("scale_X").dtype
    rows = axes.from_axis(call, x, call.attr("axis", int))
    yield work("X * scale_X", Arith.MUL, dtype=dtype, elements=x.elements)
    yield from normalization.standardized(rows, dtype)
    yield work("* scale", Arith.MUL, dtype=dtype, rows=rows.count, elements=rows.size)
    if call.optional("B"):
        yield work("+ B", Arith.ADD, dtype=dtype, rows=rows.count, elements=rows.size)
    yield from quantized(call, "y", x.elements, "scale_Y", "")


MICROSOFT.like_input("QLinearSoftmax", "QOrderedLayerNormalization")
