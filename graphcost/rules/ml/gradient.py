"""Gradient: the derivative of a part of the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.rules.registry import TRAINING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Type


@TRAINING.types("Gradient")
def gradient_types(call: Call) -> Iterator[Type | None]:
    """A derivative by a tensor is of that tensor's type; the inputs are those tensors, then others."""
    yield from call.inputs[: len(call.outputs)]


@TRAINING.rule("Gradient")
def gradient(_call: Call) -> Iterator[Term]:
    """Outputs[i] = dy / dInputs[i], through the nodes that lie between them, of which `xs` and `y` name the ends.

    Its work is the backward pass of those nodes; that is no part of its own call, so it is not known.

    Source: https://onnx.ai/onnx/operators/onnx_aionnxpreviewtraining_Gradient.html
    """
    raise UnknownShapeError("the nodes that it differentiates are known by their ends only")
