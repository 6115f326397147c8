"""Gradient: the derivative of a part of the graph. It has no price: its work is that of other nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules.registry import TRAINING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.types import Type


@TRAINING.types("Gradient")
def gradient_types(call: Call) -> Iterator[Type | None]:
    """A derivative by a tensor is of that tensor's type; the inputs are those tensors, then others."""
    yield from call.inputs[: len(call.outputs)]
