"""Quantizing and dequantizing: numbers as small integers, with a scale and a zero point.

What all quantized operators share:

- y = saturate(round(x / scale) + zero_point): a division, a rounding, an addition, and two comparisons, one for each
  end of the type's range. y = (x - zero_point) * scale: a subtraction and a multiplication.
- A zero point that is left out costs nothing; one that is given costs an addition, whatever its value is.
- This arithmetic is done in the scale's type. A scale that is made of others (x_scale * w_scale / y_scale) costs
  nothing where these are known before any run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphcost.call import Stage
from graphcost.rules import axes, windows
from graphcost.rules.domains import MICROSOFT, NHWC
from graphcost.rules.registry import rule, signature, types
from graphcost.terms import Arith, work
from graphcost.types import DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from graphcost.call import Call
    from graphcost.terms import Term

FLOATS = {1: DType.FLOAT32, 10: DType.FLOAT16, 11: DType.FLOAT64, 16: DType.BFLOAT16}
"""The floating-point types that an attribute names by TensorProto's numbers."""


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
    """Yield the work of x - zero_point, once for every element of an integer input; nothing without a zero point."""
    if call.optional(zero_point):
        tensor = call.input(name)
        yield work(f"{name} - {zero_point}", Arith.ADD, dtype=tensor.dtype, elements=tensor.elements)


def in_type(dtype: DType | None, terms: Iterable[Term]) -> Iterator[Term]:
    """Yield terms as work in a type, not in that of the operator's first input."""
    for term in terms:
        yield replace(term, dtype=dtype)


def is_beforehand(call: Call, *names: str) -> bool:
    """Return whether all of these inputs are known before any run; one that is left out is."""
    given = {call.schema.inputs.index(name) for name in names}
    known = enumerate(zip(call.inputs, call.stages, strict=True))
    return all(one is None or stage is not Stage.RUN for place, (one, stage) in known if place in given)


@rule("QuantizeLinear", since=10, not_weights="y_scale y_zero_point")
@rule("QuantizeLinear", domain=MICROSOFT, not_weights="y_scale y_zero_point")
def quantize_linear(call: Call) -> Iterator[Term]:
    """Y = saturate(round(x / y_scale) + y_zero_point), per tensor, per axis or per block of it.

    Computed in the type that `precision` names, else y_scale's. A floating-point y (8, 6 or 4 bits) needs no rounding
    to an integer: taking the nearest of its values is a change of representation, and `saturate`=0 keeps an 8-bit
    one from being bounded.

    Source: https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html
    """
    y, scale = call.output("y"), call.input("y_scale")
    _check_scale(call, call.input("x"), scale)
    code = call.attr_or("precision", int, 0)
    if code and code not in FLOATS:
        raise call.error(f"wants precision to be one of {', '.join(map(str, FLOATS))}, it is {code}")
    dtype = FLOATS.get(code, scale.dtype)
    yield work("x / y_scale", Arith.DIV, dtype=dtype, outputs=y.elements)
    if y.dtype is None or not y.dtype.is_float:
        yield from saturated(call, y.elements, dtype, "y_zero_point")
        return
    if call.optional("y_zero_point"):
        yield work("+ y_zero_point", Arith.ADD, dtype=dtype, outputs=y.elements)
    if y.dtype.bits != 8 or call.attr_or("saturate", int, 1):
        yield work("saturate", Arith.CMP, dtype=dtype, outputs=y.elements, bounds=2)


@rule("DequantizeLinear", since=10, not_weights="x_scale x_zero_point")
@rule("DequantizeLinear", domain=MICROSOFT, not_weights="x_scale x_zero_point")
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


signature("QuantizeLinear", "x y_scale y_zero_point? -> y", domain=MICROSOFT)
signature("DequantizeLinear", "x x_scale x_zero_point? -> y", domain=MICROSOFT)


@types("QuantizeLinear", domain=MICROSOFT)
def quantized_type(call: Call) -> Iterator[TensorType]:
    """Yield y: x's shape in the zero point's type, uint8 without one."""
    given = len(call.inputs) > 2 and call.inputs[2] is not None
    yield TensorType(call.partial("y_zero_point").dtype if given else DType.UINT8, call.partial("x").shape)


@types("DequantizeLinear", domain=MICROSOFT)
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


signature("QuantizeWithOrder", "input scale_input -> output", domain=MICROSOFT)
signature("DequantizeWithOrder", "input scale_input -> output", domain=MICROSOFT)
signature("QuantizeBFP", "x -> y shape strides", domain=MICROSOFT, block_dim=-1)
signature("DequantizeBFP", "x shape strides -> y", domain=MICROSOFT, block_dim=-1, dtype=1)


@rule("QuantizeWithOrder", domain=MICROSOFT, not_weights="scale_input")
def quantize_with_order(call: Call) -> Iterator[Term]:
    """Output = saturate(round(input / scale_input)), in another order of its elements; there is no zero point.

    Putting elements in another order moves them and computes nothing.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QuantizeWithOrder
    """
    return quantized(call, "input", call.input("input").elements, "scale_input", "")


@rule("DequantizeWithOrder", domain=MICROSOFT, not_weights="scale_input")
def dequantize_with_order(call: Call) -> Iterator[Term]:
    """Output = input * scale_input, in another order of its elements; there is no zero point.

    Computed in the output's type. Putting elements in another order moves them and computes nothing.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.DequantizeWithOrder
    """
    output = call.output("output")
    yield work("input * scale_input", Arith.MUL, dtype=output.dtype, outputs=output.elements)


@types("QuantizeWithOrder", domain=MICROSOFT)
def ordered_type(call: Call) -> Iterator[TensorType]:
    """Yield the output: the input's shape in int8."""
    yield TensorType(DType.INT8, call.partial("input").shape)


@types("DequantizeWithOrder", domain=MICROSOFT)
def unordered_type(call: Call) -> Iterator[TensorType]:
    """Yield the output: the input's shape in the type that `to` names."""
    yield TensorType(_named_type(call, "to"), call.partial("input").shape)


@rule("QuantizeBFP", domain=MICROSOFT)
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


@rule("DequantizeBFP", domain=MICROSOFT)
def dequantize_bfp(call: Call) -> Iterator[Term]:
    """Y = x * 2^e, where all elements of a block share e; making 2^e of e changes its representation alone.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.DequantizeBFP
    """
    y = call.output("y")
    yield work("x * 2^e", Arith.MUL, dtype=y.dtype, outputs=y.elements)


@types("QuantizeBFP", domain=MICROSOFT)
def bfp_types(call: Call) -> Iterator[TensorType]:
    """Yield y, a row of bytes of which only the runtime knows how many, and the shape and the strides of x."""
    rank = call.partial("x").rank
    yield TensorType(DType.UINT8, (None,))
    yield TensorType(DType.INT64, (rank,))
    yield TensorType(DType.INT64, (rank,))


@types("DequantizeBFP", domain=MICROSOFT)
def from_bfp_type(call: Call) -> Iterator[TensorType]:
    """Yield y: the shape that the input `shape` holds, in the type that `dtype` names."""
    yield TensorType(_named_type(call, "dtype"), tuple(int(size) for size in call.constant("shape").flat))


def _named_type(call: Call, attribute: str) -> DType:
    code = call.attr(attribute, int)
    if code not in FLOATS:
        raise call.error(f"wants {attribute} to be one of {', '.join(map(str, FLOATS))}, it is {code}")
    return FLOATS[code]


def is_channels_last(call: Call) -> bool:
    """Return whether the first input and the first output of a call are (N, *spatial, C)."""
    return call.domain == NHWC or call.attr_or("channels_last", int, 0) != 0


def as_channels_first(call: Call) -> Call:
    """Return a call with its first input and its first output as (N, C, *spatial), whatever their layout is."""
    return windows.moved_channels(call) if is_channels_last(call) else call


def spatial_type(call: Call, infer: Callable[[TensorType], TensorType]) -> TensorType:
    """Return the output's type in the call's own layout, from what infers it of X: (N, C, *spatial)."""
    x = call.partial(call.schema.inputs[0])
    return windows.channels_last(infer(windows.channels_first(x))) if is_channels_last(call) else infer(x)
