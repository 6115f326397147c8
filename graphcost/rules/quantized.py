"""Quantizing and dequantizing: numbers as small integers, with a scale and a zero point.

What all quantized operators share:

- y = saturate(round(x / scale) + zero_point): a division, a rounding, an addition, and two comparisons, one for each
  end of the type's range. y = (x - zero_point) * scale: a subtraction and a multiplication.
- A zero point that is left out costs nothing; one that is given costs an addition, whatever its value is.
- This arithmetic is done in the scale's type. A scale that is made of others (x_scale * w_scale / y_scale) costs
  nothing where these are known before any run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.call import Stage
from graphcost.rules.registry import MICROSOFT, NHWC, rule
from graphcost.rules.shared import axes, window_types
from graphcost.rules.shared.float_codes import named_float, named_float_or
from graphcost.terms import Arith, work
from graphcost.types import DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from graphcost.call import Call
    from graphcost.terms import Term


def dequantized(call: Call, name: str, scale: str, zero_point: str) -> Iterator[Term]:
    """Yield the work of (x - zero_point) * scale, for every element of an input."""
    elements, dtype = call.input(name).elements, call.input(scale).dtype
    if call.optional(zero_point):
        yield work(f"{name} - {zero_point}", Arith.ADD, dtype=dtype, elements=elements)
    yield work(f"({name} - {zero_point}) * {scale}", Arith.MUL, dtype=dtype, elements=elements)


def quantized(call: Call, what: str, outputs: int, scale: str, zero_point: str) -> Iterator[Term]:
    """Yield the work of saturate(round(what / scale) + zero_point), for so many elements."""
    dtype = call.input(scale).dtype
    yield work(f"{what} / {scale}", Arith.DIV, dtype=dtype, outputs=outputs)
    yield from saturated(call, outputs, dtype, zero_point)


def requantized(call: Call, what: str, outputs: int, dtype: DType | None, zero_point: str) -> Iterator[Term]:
    """Yield the work of saturate(round(what * scale) + zero_point), for so many elements and a scale made of others."""
    yield work(f"{what} * scale", Arith.MUL, dtype=dtype, outputs=outputs)
    yield from saturated(call, outputs, dtype, zero_point)


def saturated(call: Call, outputs: int, dtype: DType | None, zero_point: str) -> Iterator[Term]:
    """Yield the work of saturate(round(x) + zero_point), for so many elements; without a zero point its name is ''."""
    yield work("round", Arith.ROUND, dtype=dtype, outputs=outputs)
    if zero_point and call.optional(zero_point):
        yield work(f"+ {zero_point}", Arith.ADD, dtype=dtype, outputs=outputs)
    yield work("saturate", Arith.CMP, dtype=dtype, outputs=outputs, bounds=2)


def shifted(call: Call, name: str, zero_point: str) -> Iterator[Term]:
    """Yield the work of x - zero_point, once for every element of an integer input.

    None without a zero point, or where input and zero point are both known before any run.
    """
    if call.optional(zero_point) and not is_beforehand(call, name, zero_point):
        tensor = call.input(name)
        yield work(f"{name} - {zero_point}", Arith.ADD, dtype=tensor.dtype, elements=tensor.elements)


def is_beforehand(call: Call, *names: str) -> bool:
    """Return whether all of these inputs are known before any run; one that is left out is."""
    given = {call.schema.inputs.index(name) for name in names}
    known = enumerate(zip(call.inputs, call.stages, strict=True))
    return all(one is None or stage is not Stage.RUN for place, (one, stage) in known if place in given)


@rule("QuantizeLinear", since=10, not_weights="y_scale y_zero_point")
@MICROSOFT.rule("QuantizeLinear", not_weights="y_scale y_zero_point")
def quantize_linear(call: Call) -> Iterator[Term]:
    """Y = saturate(round(x / y_scale) + y_zero_point), per tensor, per axis or per block of it.

    Computed in the type that `precision` names, else y_scale's. A floating-point y (8, 6 or 4 bits) needs no rounding
    to an integer: taking the nearest of its values is a change of representation, and `saturate`=0 keeps an 8-bit
    one from being bounded.

    Source: https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html
    """
    y, scale = call.output("y"), call.input("y_scale")
    _check_scale(call, call.input("x"), scale)
    dtype = named_float_or(call, "precision", scale.dtype)
    yield work("x / y_scale", Arith.DIV, dtype=dtype, outputs=y.elements)
    if y.dtype is None or not y.dtype.is_float:
        yield from saturated(call, y.elements, dtype, "y_zero_point")
        return
    if call.optional("y_zero_point"):
        yield work("+ y_zero_point", Arith.ADD, dtype=dtype, outputs=y.elements)
    if y.dtype.bits != 8 or call.attr_or("saturate", int, 1):
        yield work("saturate", Arith.CMP, dtype=dtype, outputs=y.elements, bounds=2)


@rule("DequantizeLinear", since=10, not_weights="x_scale x_zero_point")
@MICROSOFT.rule("DequantizeLinear", not_weights="x_scale x_zero_point")
def dequantize_linear(call: Call) -> Iterator[Term]:
    """Y = (x - x_zero_point) * x_scale, per tensor, per axis or per block of it; computed in y's type.

    Source: https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html
    """
    y = call.output("y")
    _check_scale(call, call.input("x"), call.input("x_scale"))
    if call.optional("x_zero_point"):
        yield work("x - x_zero_point", Arith.ADD, dtype=y.dtype, outputs=y.elements)
    yield work("(x - x_zero_point) * x_scale", Arith.MUL, dtype=y.dtype, outputs=y.elements)


def _check_scale(call: Call, x: TensorType, scale: TensorType) -> None:
    """Raise NodeError where a scale is neither one element, nor one for each place or block on the axis."""
    if scale.elements == 1:
        return
    axis = axes.position(call, call.attr_or("axis", int, 1), x.rank) if x.rank > 1 else 0
    block = call.attr_or("block_size", int, 0)
    wanted = x.dims[axis : axis + 1]
    if block:
        wanted = tuple(-(-size // block) if place == axis else size for place, size in enumerate(x.dims))
    if scale.dims != wanted:
        raise call.error(f"wants a scale of shape {wanted} for x of shape {x.dims}, it is {scale.dims}")


MICROSOFT.signature("QuantizeLinear", "x y_scale y_zero_point? -> y")
MICROSOFT.signature("DequantizeLinear", "x x_scale x_zero_point? -> y")


@MICROSOFT.types("QuantizeLinear")
def quantized_type(call: Call) -> Iterator[TensorType]:
    """Yield y: x's shape in the zero point's type, uint8 without one."""
    dtype = call.partial("y_zero_point").dtype if call.has_input("y_zero_point") else DType.UINT8
    yield TensorType(dtype, call.partial("x").shape)


@MICROSOFT.types("DequantizeLinear")
def dequantized_type(call: Call) -> Iterator[TensorType]:
    """Yield y: x's shape in the scale's type."""
    yield TensorType(call.partial("x_scale").dtype, call.partial("x").shape)


@rule("DynamicQuantizeLinear", since=11)
def dynamic_quantize_linear(call: Call) -> Iterator[Term]:
    """Y = saturate(round(x / y_scale) + y_zero_point), with a scale and a zero point from x's own range.

    y_scale = (max(0, max(x)) - min(0, min(x))) / (qmax - qmin)
    y_zero_point = round(saturate(qmin - min(0, min(x)) / y_scale))

    The largest and the smallest of n elements take n - 1 comparisons each; qmax - qmin is known beforehand.

    Source: https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html
    """
    return dynamically_quantized("x", call.input("x").elements, tensors=1, dtype=call.input("x").dtype)


def dynamically_quantized(what: str, elements: int, *, tensors: int, dtype: DType | None) -> Iterator[Term]:
    """Yield the work of DynamicQuantizeLinear, for some tensors of so many elements each."""
    steps = max(elements - 1, 0)
    yield work(f"max({what}), min({what})", Arith.CMP, dtype=dtype, tensors=tensors, comparisons=steps, ends=2)
    yield work("max(0, max), min(0, min)", Arith.CMP, dtype=dtype, tensors=tensors, ends=2)
    yield work("max - min", Arith.ADD, dtype=dtype, tensors=tensors)
    yield work("scale = (max - min) / (qmax - qmin)", Arith.DIV, dtype=dtype, tensors=tensors)
    yield work("min / scale", Arith.DIV, dtype=dtype, tensors=tensors)
    yield work("qmin - min / scale", Arith.ADD, dtype=dtype, tensors=tensors)
    yield work("saturate(qmin - min / scale)", Arith.CMP, dtype=dtype, tensors=tensors, bounds=2)
    yield work("zero_point = round(...)", Arith.ROUND, dtype=dtype, tensors=tensors)
    yield work(f"{what} / scale", Arith.DIV, dtype=dtype, tensors=tensors, elements=elements)
    yield work(f"round({what} / scale)", Arith.ROUND, dtype=dtype, tensors=tensors, elements=elements)
    yield work("+ zero_point", Arith.ADD, dtype=dtype, tensors=tensors, elements=elements)
    yield work("saturate", Arith.CMP, dtype=dtype, tensors=tensors, elements=elements, bounds=2)


MICROSOFT.signature("QuantizeWithOrder", "input scale_input -> output")
MICROSOFT.signature("DequantizeWithOrder", "input scale_input -> output")
MICROSOFT.signature("QuantizeBFP", "x -> y shape strides", block_dim=-1)
MICROSOFT.signature("DequantizeBFP", "x shape strides -> y", block_dim=-1, dtype=1)


@MICROSOFT.rule("QuantizeWithOrder", not_weights="scale_input")
def quantize_with_order(call: Call) -> Iterator[Term]:
    """Output = saturate(round(input / scale_input)), in another order of its elements; there is no zero point.

    Putting elements in another order moves them and computes nothing.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QuantizeWithOrder
    """
    return quantized(call, "input", call.input("input").elements, "scale_input", "")


@MICROSOFT.rule("DequantizeWithOrder", not_weights="scale_input")
def dequantize_with_order(call: Call) -> Iterator[Term]:
    """Output = input * scale_input, in another order of its elements; there is no zero point.

    Computed in the output's type. Putting elements in another order moves them and computes nothing.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.DequantizeWithOrder
    """
    output = call.output("output")
    yield work("input * scale_input", Arith.MUL, dtype=output.dtype, outputs=output.elements)


@MICROSOFT.types("QuantizeWithOrder")
def ordered_type(call: Call) -> Iterator[TensorType]:
    """Yield the output: the input's shape in int8."""
    yield TensorType(DType.INT8, call.partial("input").shape)


@MICROSOFT.types("DequantizeWithOrder")
def unordered_type(call: Call) -> Iterator[TensorType]:
    """Yield the output: the input's shape in the type that `to` names."""
    yield TensorType(named_float(call, "to"), call.partial("input").shape)


@MICROSOFT.rule("QuantizeBFP")
def quantize_bfp(call: Call) -> Iterator[Term]:
    """Y = round(x / 2^e), where all elements of a block share e, the largest exponent among them.

    The blocks lie along `block_dim`; how long they are, `bfp_type` says in numbers that the specification doesn't
    explain. Finding e takes one comparison less than a block has elements: at most one block per line, where it takes
    the most, and at least none at all, where every block is one element. Reading an exponent computes nothing.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QuantizeBFP
    """
    x = call.input("x")
    lines = axes.over(call, x, [call.attr("block_dim", int)])
    yield work("e = max(exponent(x))", Arith.CMP, least=0, lines=lines.count, comparisons=lines.steps)
    yield work("x / 2^e", Arith.DIV, elements=x.elements)
    yield work("round(x / 2^e)", Arith.ROUND, elements=x.elements)


@MICROSOFT.rule("DequantizeBFP")
def dequantize_bfp(call: Call) -> Iterator[Term]:
    """Y = x * 2^e, where all elements of a block share e; making 2^e of e changes its representation alone.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.DequantizeBFP
    """
    y = call.output("y")
    yield work("x * 2^e", Arith.MUL, dtype=y.dtype, outputs=y.elements)


@MICROSOFT.types("QuantizeBFP")
def bfp_types(call: Call) -> Iterator[TensorType]:
    """Yield y, a row of bytes of which only the runtime knows how many, and the shape and the strides of x."""
    rank = call.partial("x").rank
    yield TensorType(DType.UINT8, (None,))
    yield TensorType(DType.INT64, (rank,))
    yield TensorType(DType.INT64, (rank,))


@MICROSOFT.types("DequantizeBFP")
def from_bfp_type(call: Call) -> Iterator[TensorType]:
    """Yield y: the shape that the input `shape` holds, in the type that `dtype` names."""
    yield TensorType(named_float(call, "dtype"), tuple(int(size) for size in call.constant("shape").flat))


def is_channels_last(call: Call) -> bool:
    """Return whether the first input and the first output of a call are (N, *spatial, C)."""
    return call.domain == NHWC.name or call.attr_or("channels_last", int, 0) != 0


def as_channels_first(call: Call) -> Call:
    """Return a call with its first input and its first output as (N, C, *spatial), whatever their layout is."""
    return window_types.moved_channels(call) if is_channels_last(call) else call


def spatial_type(call: Call, infer: Callable[[TensorType], TensorType]) -> TensorType:
    """Return the output's type in the call's own layout, from what infers it of X: (N, C, *spatial)."""
    x = call.partial(call.schema.inputs[0])
    return window_types.channels_last(infer(window_types.channels_first(x))) if is_channels_last(call) else infer(x)
