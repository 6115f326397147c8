"""Nodes that onnx's inference or its reference misreads: what they are asked, or what is said in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx

from graphcost.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphcost.types import Node, Type


def in_order(node: Node, rank: int | None) -> Any:
    """Return the NodeProto of a node whose first input has a rank, the axes that Squeeze or Unsqueeze holds in order.

    As an attribute, before opset 13, they are taken one after the other, as if they stood in ascending order. Before
    opset 11 they don't count from the end; runtimes let them.
    """
    axes = held_axes(node)
    if not axes or rank is None:
        return node.proto
    rank += len(axes) if node.op_type == "Unsqueeze" else 0
    proto = onnx.NodeProto.FromString(node.proto.SerializeToString())
    for one in proto.attribute:
        if one.name == "axes":
            one.ints[:] = sorted(axis % rank for axis in axes)
    return proto


def held_axes(node: Node) -> tuple[int, ...]:
    """Return the axes that a Squeeze or Unsqueeze holds as an attribute; none for any other node."""
    axes = node.attributes.get("axes")
    if node.domain or node.op_type not in {"Squeeze", "Unsqueeze"} or not isinstance(axes, tuple):
        return ()
    return axes if all(isinstance(axis, int) for axis in axes) else ()


def unread(node: Node, inputs: Sequence[Type | None]) -> TensorType | None:
    """Return the type of a Slice with axes or steps of unknown rank; None for any other node.

    onnx's inference takes them as left out.
    """
    if node.domain or node.op_type != "Slice" or not any(map(has_no_rank, inputs[3:5])):
        return None
    x = inputs[0]
    if not isinstance(x, TensorType):
        return TensorType(None, None)
    return TensorType(x.dtype, None if x.shape is None else (None,) * len(x.shape))


def has_no_rank(one: Type | None) -> bool:
    """Return whether a value is a tensor, for all that is known, of which not even the rank is."""
    return isinstance(one, TensorType) and one.shape is None
