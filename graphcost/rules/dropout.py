"""Dropout: a name for its input in inference, a random mask in training."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphcost.rules.registry import MICROSOFT, each_once, rule
from graphcost.terms import Arith, work
from graphcost.types import DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term


def _mask_alone(call: Call) -> tuple[int, int]:
    """Return the bytes of a Dropout: in inference only the mask is written, where it is asked for."""
    if trains(call):
        return each_once(call)
    return 0, call.output("mask").bytes if call.has_output("mask") else 0


@rule("Dropout", traffic=_mask_alone, overwrites=True, not_weights="ratio training_mode")
def dropout(call: Call) -> Iterator[Term]:
    """Dropout = data * mask * scale, with mask = (random >= ratio) and scale = 1 / (1 - ratio) known beforehand.

    In inference (no `training_mode` or a false one; before opset 7, `is_test`; opsets 7 to 11 know nothing else) the
    output is the data under another name, and nothing is computed.

    Source: https://onnx.ai/onnx/operators/onnx__Dropout.html
    """
    if not trains(call):
        return
    yield from _dropped(call.output("output").elements)


MICROSOFT.signature("BiasDropout", "data bias residual? ratio? training_mode? -> output mask?")
MICROSOFT.signature("BitmaskBiasDropout", "data bias residual? ratio? training_mode? -> output mask?")
MICROSOFT.signature("BitmaskDropout", "data ratio? training_mode? -> output mask?")


@MICROSOFT.types("BiasDropout")
def bias_dropout_types(call: Call) -> Iterator[TensorType]:
    """The output has the type of data, and so has the mask, as booleans."""
    data = call.partial("data")
    yield from (data, replace(data, dtype=DType.BOOL))


@MICROSOFT.types("BitmaskDropout", "BitmaskBiasDropout")
def bitmask_types(call: Call) -> Iterator[TensorType]:
    """The output has the type of data, and the mask holds 32 elements in each of its own."""
    data = call.partial("data")
    yield from (data, TensorType(DType.UINT32, (-(-data.elements // 32) if data.is_known else None,)))


@MICROSOFT.rule("BitmaskDropout", traffic=_mask_alone, overwrites=True)
def bitmask_dropout(call: Call) -> Iterator[Term]:
    """Output = data * mask * scale, as Dropout; packing the mask into bits is a change of representation.

    Without a true `training_mode` the output is the data under another name, and nothing is computed.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.BitmaskDropout
    """
    if trains(call):
        yield from _dropped(call.output("output").elements)


@MICROSOFT.rule("BiasDropout", "BitmaskBiasDropout", overwrites=True)
def bias_dropout(call: Call) -> Iterator[Term]:
    """Output = Dropout(data + bias) + residual; without a true `training_mode`, data + bias + residual.

    bias: (D,) for data: (..., D), or of data's shape. Packing a mask into bits is a change of representation.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.BiasDropout
    """
    outputs, bias = call.output("output"), call.input("bias")
    if bias.dims not in {outputs.dims, outputs.dims[-1:]}:
        raise call.error(f"wants bias of shape {outputs.dims[-1:]} or {outputs.dims}, it is {bias.dims}")
    yield work("data + bias", Arith.ADD, outputs=outputs.elements)
    if trains(call):
        yield from _dropped(outputs.elements)
    if call.optional("residual"):
        yield work("+ residual", Arith.ADD, outputs=outputs.elements)


def _dropped(outputs: int) -> Iterator[Term]:
    yield work("random", Arith.RANDOM, outputs=outputs)
    yield work("mask = random >= ratio", Arith.CMP, outputs=outputs)
    yield work("data * mask", Arith.MUL, outputs=outputs)
    yield work("* scale", Arith.MUL, outputs=outputs)


def trains(call: Call) -> bool:
    """Return whether elements are dropped at all."""
    if not call.domain and call.opset < 7:
        return call.attr("is_test", int) == 0
    return call.has_input("training_mode") and bool(call.scalar("training_mode"))
