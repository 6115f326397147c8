"""What onnx's inference must not be asked: there it leaves the bounds of its lists, and the process ends or is harmed.

Found by asking it about more than a million random nodes (onnx 1.23.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphcost.types import Node, Type

HIGHEST_RANK = 4_096
"""A tensor of more elements gives no shape: inference would write down as many dimensions."""

_GIVES_SHAPE = {"ConstantOfShape": 0, "Expand": 1, "Reshape": 1, "Tile": 1}
"""The operators whose output has as many dimensions as an input has elements, and which input that is."""


def refusal(node: Node, inputs: Sequence[Type | None]) -> str:
    """Return what is wrong with a node that would harm inference; empty for any other."""
    if node.domain:
        return ""
    match node.op_type:
        case "Split":
            return _split(node)
        case "GatherND":
            return _gather_nd(node)
        case "LayerNormalization":
            return _layer_normalization(node, inputs)
        case "ConstantOfShape" | "Expand" | "Reshape" | "Tile":
            return _shape_giver(inputs[_GIVES_SHAPE[node.op_type] : _GIVES_SHAPE[node.op_type] + 1])
        case _:
            return ""


def _split(node: Node) -> str:
    wanted = node.attributes.get("num_outputs", len(node.outputs))
    return "" if wanted == len(node.outputs) else f"wants {wanted} outputs, has {len(node.outputs)}"


def _gather_nd(node: Node) -> str:
    batch_dims = node.attributes.get("batch_dims", 0)
    return "" if isinstance(batch_dims, int) and batch_dims >= 0 else f"wants batch_dims of 0 or more, has {batch_dims}"


def _layer_normalization(node: Node, inputs: Sequence[Type | None]) -> str:
    axis, x = node.attributes.get("axis", -1), inputs[0] if inputs else None
    if not isinstance(x, TensorType) or x.shape is None:
        return ""
    is_inside = isinstance(axis, int) and -len(x.shape) <= axis < len(x.shape)
    return "" if is_inside else f"wants an axis of the {len(x.shape)} that X has, it is {axis}"


def _shape_giver(given: Sequence[Type | None]) -> str:
    shape = given[0].shape if given and isinstance(given[0], TensorType) else None
    sizes = [dim for dim in shape or () if isinstance(dim, int)]
    return (
        f"wants a shape of at most {HIGHEST_RANK} dimensions, has {sizes[0]}"
        if sizes and sizes[0] > HIGHEST_RANK
        else ""
    )
