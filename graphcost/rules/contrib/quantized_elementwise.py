"""Quantized operators that do the same to every element: dequantize, compute, quantize.

Every input is dequantized once per element, however often broadcasting uses it. What a runtime looks up in a table of
256 entries (sigmoid and leaky relu of 8 bits) is counted as the formula that the table stands for. Where the
specification says nothing of rounding and saturation, they are QuantizeLinear's.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from graphcost.rules.elementwise import GELU, TABLE
from graphcost.rules.matmul import broadcast
from graphcost.rules.quantized import dequantized, is_beforehand, quantized, requantized, shifted
from graphcost.rules.registry import MICROSOFT
from graphcost.rules.shared.axes import position
from graphcost.terms import Arith, in_type, work
from graphcost.types import DType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.rules.elementwise import Row
    from graphcost.terms import Term

_TWO = "A_scale A_zero_point B_scale B_zero_point C_scale C_zero_point"
_ONE = "X_scale X_zero_point Y_scale Y_zero_point"

MICROSOFT.signature("QLinearAdd", "A A_scale A_zero_point? B B_scale B_zero_point? C_scale C_zero_point? -> C")
MICROSOFT.signature("QLinearMul", "A A_scale A_zero_point? B B_scale B_zero_point? C_scale C_zero_point? -> C")
MICROSOFT.signature("MulInteger", "A A_zero_point? B B_zero_point? -> C")
MICROSOFT.signature("QLinearSigmoid", "X X_scale X_zero_point? Y_scale Y_zero_point? -> Y")
MICROSOFT.signature("QLinearLeakyRelu", "X X_scale X_zero_point? Y_scale Y_zero_point? -> Y", alpha=0.01)
MICROSOFT.signature("QOrderedGelu", "X scale_X scale_Y -> Y")
MICROSOFT.signature(
    "QLinearWhere",
    "condition X x_scale x_zero_point Y y_scale y_zero_point z_scale z_zero_point -> Z",
)
MICROSOFT.signature("QLinearConcat", "Y_scale Y_zero_point inputs -> Y")


@MICROSOFT.rule("QLinearAdd", not_weights=_TWO)
def qlinear_add(call: Call) -> Iterator[Term]:
    """C = saturate(round((A_scale * (A - A_zero_point) + B_scale * (B - B_zero_point)) / C_scale) + C_zero_point).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearAdd
    """
    outputs = call.output("C").elements
    yield from dequantized(call, "A", "A_scale", "A_zero_point")
    yield from dequantized(call, "B", "B_scale", "B_zero_point")
    yield work("A + B", Arith.ADD, dtype=call.input("C_scale").dtype, outputs=outputs)
    yield from quantized(call, "(A + B)", outputs, "C_scale", "C_zero_point")


@MICROSOFT.rule("QLinearMul", not_weights=_TWO)
def qlinear_mul(call: Call) -> Iterator[Term]:
    """C = saturate(round((A - A_zero_point) * (B - B_zero_point) * scale) + C_zero_point).

    scale = A_scale * B_scale / C_scale, which costs nothing where all three are known before any run. The product of
    A and B is one of integers.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearMul
    """
    outputs, dtype = call.output("C").elements, call.input("C_scale").dtype
    yield from _integer_product(call, outputs)
    if not is_beforehand(call, "A_scale", "B_scale", "C_scale"):
        yield work("A_scale * B_scale", Arith.MUL, dtype=dtype)
        yield work("scale = A_scale * B_scale / C_scale", Arith.DIV, dtype=dtype)
    yield from requantized(call, "A*B", outputs, dtype, "C_zero_point")


@MICROSOFT.rule("MulInteger", not_weights="A_zero_point B_zero_point")
def mul_integer(call: Call) -> Iterator[Term]:
    """C = (A - A_zero_point) * (B - B_zero_point), a product of integers.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MulInteger
    """
    return _integer_product(call, call.output("C").elements)


def _integer_product(call: Call, outputs: int) -> Iterator[Term]:
    yield from shifted(call, "A", "A_zero_point")
    yield from shifted(call, "B", "B_zero_point")
    yield work("A*B", Arith.MUL, outputs=outputs)


@MICROSOFT.types("QLinearAdd", "QLinearMul", "MulInteger")
def product_type(call: Call) -> Iterator[TensorType]:
    """Yield C: what A and B are broadcast to; MulInteger widens the type to 32 bits."""
    a, b = call.partial("A"), call.partial("B")
    dtype = DType.INT32 if call.op_type == "MulInteger" else a.dtype
    yield TensorType(dtype, tuple(broadcast(call, shape_of(a), shape_of(b))))


@MICROSOFT.rule("QLinearSigmoid", not_weights=_ONE)
def qlinear_sigmoid(call: Call) -> Iterator[Term]:
    """Y = quantize(1 / (1 + exp(-x))), with x = (X - X_zero_point) * X_scale.

    quantize(y) = saturate(round(y / Y_scale) + Y_zero_point). A table that a runtime makes of it beforehand is counted
    as what it stands for: the formula, for every element.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearSigmoid
    """
    return _activated(call, TABLE["Sigmoid"])


@MICROSOFT.rule("QLinearLeakyRelu", not_weights=_ONE)
def qlinear_leaky_relu(call: Call) -> Iterator[Term]:
    """Y = quantize(x < 0 ? alpha * x : x), with x = (X - X_zero_point) * X_scale.

    Every element counts as a negative one. quantize(y) = saturate(round(y / Y_scale) + Y_zero_point). A table that a
    runtime makes of it beforehand is counted as what it stands for: the formula, for every element.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearLeakyRelu
    """
    return _activated(call, TABLE["LeakyRelu"])


def _activated(call: Call, row: Row) -> Iterator[Term]:
    elements, dtype = call.input("X").elements, call.input("X_scale").dtype
    yield from dequantized(call, "X", "X_scale", "X_zero_point")
    yield from in_type(dtype, row.over(elements))
    yield from quantized(call, "y", elements, "Y_scale", "Y_zero_point")


@MICROSOFT.rule("QOrderedGelu", not_weights="scale_X scale_Y")
def qordered_gelu(call: Call) -> Iterator[Term]:
    """Y = saturate(round(Gelu(X * scale_X) / scale_Y)), with Gelu(x) = 0.5 * x * (1 + erf(x / sqrt(2))).

    There are no zero points.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QOrderedGelu
    """
    elements, dtype = call.input("X").elements, call.input("scale_X").dtype
    yield work("X * scale_X", Arith.MUL, dtype=dtype, elements=elements)
    yield from in_type(dtype, GELU["none"].over(elements))
    yield from quantized(call, "y", elements, "scale_Y", "")


MICROSOFT.like_input("QLinearSigmoid", "QLinearLeakyRelu", "QOrderedGelu")


@MICROSOFT.rule("QLinearWhere", not_weights="x_scale x_zero_point y_scale y_zero_point z_scale z_zero_point")
def qlinear_where(call: Call) -> Iterator[Term]:
    """Z = quantize(condition ? x : y), with x = (X - x_zero_point) * x_scale, y = (Y - y_zero_point) * y_scale.

    quantize(z) = saturate(round(z / z_scale) + z_zero_point).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearWhere
    """
    outputs = call.output("Z").elements
    yield from dequantized(call, "X", "x_scale", "x_zero_point")
    yield from dequantized(call, "Y", "y_scale", "y_zero_point")
    yield work("condition ? x : y", Arith.CMP, dtype=call.input("z_scale").dtype, outputs=outputs)
    yield from quantized(call, "z", outputs, "z_scale", "z_zero_point")


@MICROSOFT.types("QLinearWhere")
def where_type(call: Call) -> Iterator[TensorType]:
    """Yield Z: what condition, X and Y are broadcast to, in X's type."""
    shapes = [shape_of(call.partial(name)) for name in ("condition", "X", "Y")]
    joined = reduce(lambda one, other: tuple(broadcast(call, one, other)), shapes)
    yield TensorType(call.partial("X").dtype, joined)


@MICROSOFT.rule("QLinearConcat", not_weights="Y_scale Y_zero_point")
def qlinear_concat(call: Call) -> Iterator[Term]:
    """Y = the inputs side by side, each as saturate(round((x - zero_point) * scale / Y_scale) + Y_zero_point).

    The inputs come in threes: a tensor, its scale, its zero point. One that has Y's own scale and zero point already
    is counted as the others are: only its elements tell.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QLinearConcat
    """
    outputs, dtype = call.output("Y").elements, call.input("Y_scale").dtype
    yield work("x - zero_point", Arith.ADD, dtype=dtype, outputs=outputs)
    yield work("(x - zero_point) * scale", Arith.MUL, dtype=dtype, outputs=outputs)
    yield from quantized(call, "x", outputs, "Y_scale", "Y_zero_point")


@MICROSOFT.types("QLinearConcat")
def concat_type(call: Call) -> Iterator[TensorType]:
    """Yield Y: as the first tensor, but along `axis` as long as all of them together."""
    tensors = [one for one in call.inputs[2::3] if isinstance(one, TensorType) and one.shape is not None]
    if not tensors or len(call.inputs) % 3 != 2:
        raise call.error(f"wants a tensor, a scale and a zero point for each input, it has {len(call.inputs) - 2}")
    first = tensors[0]
    axis = position(call, call.attr("axis", int), first.rank)
    if any(one.rank != first.rank for one in tensors):
        raise call.error(f"wants tensors of rank {first.rank}, one is of rank {max(one.rank for one in tensors)}")
    sizes = [shape_of(one)[axis] for one in tensors]
    known = [size for size in sizes if isinstance(size, int)]
    total = sum(known) if len(known) == len(call.inputs[2::3]) else None
    yield TensorType(first.dtype, tuple(total if place == axis else dim for place, dim in enumerate(shape_of(first))))
