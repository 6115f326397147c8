"""Dropout: a name for its input in inference, a random mask in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules.registry import each_once, rule
from graphcost.terms import Arith, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term


def traffic(call: Call) -> tuple[int, int]:
    """Return the bytes of a Dropout: in inference only the mask is written, where it is asked for."""
    if _trains(call):
        return each_once(call)
    return 0, call.output("mask").bytes if call.has_output("mask") else 0


@rule("Dropout", traffic=traffic, overwrites=True)
def dropout(call: Call) -> Iterator[Term]:
    """Dropout = data * mask * scale, with mask = (random >= ratio) and scale = 1 / (1 - ratio) known beforehand.

    In inference (no `training_mode` or a false one; before opset 7, `is_test`; opsets 7 to 11 know nothing else) the
    output is the data under another name, and nothing is computed.

    Source: https://onnx.ai/onnx/operators/onnx__Dropout.html
    """
    if not _trains(call):
        return
    outputs = call.output("output").elements
    yield work("random", Arith.RANDOM, outputs=outputs)
    yield work("mask = random >= ratio", Arith.CMP, outputs=outputs)
    yield work("data * mask", Arith.MUL, outputs=outputs)
    yield work("* scale", Arith.MUL, outputs=outputs)


def _trains(call: Call) -> bool:
    if call.opset < 7:
        return call.attr("is_test", int) == 0
    if call.opset < 12 or call.optional("training_mode") is None:
        return False
    return bool(call.scalar("training_mode"))
