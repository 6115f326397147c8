"""What onnx's inference must not be asked: there it leaves the bounds of its lists, and the process ends or is harmed.

And the axes of Squeeze and Unsqueeze, of which it overlooks those that are not there.

Found by asking it about more than a million random nodes (onnx 1.23.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnx import defs

from graphcost.load import schema
from graphcost.load.quote import listed
from graphcost.shapes import amend
from graphcost.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from graphcost.types import Node, Type

MANY = 1 << 30
"""What onnx gives as the most inputs where any number may follow is more than this."""

HIGHEST_RANK = 4_096
"""A tensor of more elements gives no shape: inference would write down as many dimensions."""


def miscounted(node: Node) -> str:
    """Return how a node lacks an input or output that its operator needs, or has one too many; empty where it doesn't.

    onnx's inference looks itself; a type rule of ours may take for granted what is required.
    """
    known = schema.definition(node.op_type, node.domain, node.opset)
    if known is None:
        return ""
    if not known.min_input <= len(node.inputs) <= known.max_input:
        return f"wants {_range(known.min_input, known.max_input)} inputs, has {len(node.inputs)}"
    if not known.min_output <= len(node.outputs) <= known.max_output:
        return f"wants {_range(known.min_output, known.max_output)} outputs, has {len(node.outputs)}"
    single = (one.name for one, name in zip(known.inputs, node.inputs, strict=False) if not name and _is_single(one))
    return next((f"wants the input {name}, there is none" for name in single), "")


def _range(least: int, most: int) -> str:
    return f"{least}" if least == most else f"{least} to {most}" if most < MANY else f"{least} or more"


def _is_single(one: defs.OpSchema.FormalParameter) -> bool:
    return one.option == defs.OpSchema.FormalParameterOption.Single


_GIVES_SHAPE = {"ConstantOfShape": 0, "Expand": 1, "Reshape": 1, "Tile": 1}
"""The operators whose output has as many dimensions as an input has elements, and which input that is."""


def refusal(node: Node, inputs: Sequence[Type | None]) -> str:
    """Return what is wrong with a node that would harm inference; empty for any other."""
    refuse = None if node.domain else _REFUSALS.get(node.op_type)
    return refuse(node, inputs) if refuse else ""


def _split(node: Node, _inputs: Sequence[Type | None]) -> str:
    wanted = node.attributes.get("num_outputs", len(node.outputs))
    return "" if wanted == len(node.outputs) else f"wants {wanted} outputs, has {len(node.outputs)}"


def _gather_nd(node: Node, _inputs: Sequence[Type | None]) -> str:
    batch_dims = node.attributes.get("batch_dims", 0)
    return "" if isinstance(batch_dims, int) and batch_dims >= 0 else f"wants batch_dims of 0 or more, has {batch_dims}"


def _layer_normalization(node: Node, inputs: Sequence[Type | None]) -> str:
    axis, x = node.attributes.get("axis", -1), inputs[0] if inputs else None
    if not isinstance(x, TensorType) or x.shape is None:
        return ""
    is_inside = isinstance(axis, int) and -len(x.shape) <= axis < len(x.shape)
    return "" if is_inside else f"wants an axis of the {len(x.shape)} that X has, it is {axis}"


def _held_axes(node: Node, inputs: Sequence[Type | None]) -> str:
    axes, x = amend.held_axes(node), inputs[0] if inputs else None
    if not isinstance(x, TensorType) or x.shape is None:
        return ""
    is_wider = node.op_type == "Unsqueeze"
    rank = len(x.shape) + (len(axes) if is_wider else 0)
    if not all(-rank <= axis < rank for axis in axes) or (is_wider and len({axis % rank for axis in axes}) < len(axes)):
        return f"wants axes among {rank}, they are {listed(axes)}"
    return ""


def _shape_giver(node: Node, inputs: Sequence[Type | None]) -> str:
    given = inputs[_GIVES_SHAPE[node.op_type] : _GIVES_SHAPE[node.op_type] + 1]
    shape = given[0].shape if given and isinstance(given[0], TensorType) else None
    sizes = [dim for dim in shape or () if isinstance(dim, int)]
    return (
        f"wants a shape of at most {HIGHEST_RANK} dimensions, has {sizes[0]}"
        if sizes and sizes[0] > HIGHEST_RANK
        else ""
    )


_REFUSALS: dict[str, Callable[[Node, Sequence[Type | None]], str]] = {
    "GatherND": _gather_nd,
    "LayerNormalization": _layer_normalization,
    "Split": _split,
    "Squeeze": _held_axes,
    "Unsqueeze": _held_axes,
    **dict.fromkeys(_GIVES_SHAPE, _shape_giver),
}
