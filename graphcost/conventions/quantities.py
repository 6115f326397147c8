"""What conventions' formulas are made of: elements in and out, windows, products."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.terms import multiply_accumulates
from graphcost.types import TensorType

if TYPE_CHECKING:
    from graphcost.results import NodeCost
    from graphcost.types import Type


def products(node: NodeCost) -> int:
    """Return the multiply-accumulates of a node's formula, which is exact wherever a convention has one of its own."""
    return multiply_accumulates(node.terms).best


def elements_in(node: NodeCost) -> int:
    """1 per element of the first input."""
    return _elements(node.call.inputs[0])


def elements_out(node: NodeCost) -> int:
    """1 per element of the output."""
    return _elements(node.call.outputs[0])


def biased(node: NodeCost) -> int:
    """Return the outputs to which a product adds its bias: all of them, or none where it has no third input."""
    has_bias = len(node.call.inputs) > 2 and node.call.inputs[2] is not None
    return elements_out(node) if has_bias else 0


def window(node: NodeCost) -> int:
    """Return the elements of a pool's window; a global pool's is the whole of X: (N, C, *spatial)."""
    if node.node.op_type.startswith("Global"):
        return prod(node.call.input("X").dims[2:])
    return prod(node.call.attr("kernel_shape", tuple))


def rank(node: NodeCost) -> int:
    """Return the rank of the first input."""
    first = node.call.inputs[0]
    return first.rank if isinstance(first, TensorType) else 0


def _elements(type_: Type | None) -> int:
    if not isinstance(type_, TensorType):
        raise UnknownShapeError(f"the elements of {type_} are not known")
    return type_.elements
