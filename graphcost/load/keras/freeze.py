"""A graph whose variables are inputs -> the same graph with their elements as constants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphcost.load.keras.lift import Lifted

LARGE = 1_000
"""Bytes above which elements stand beside the graph: TensorFlow takes no graph of more than 2 GB."""


def frozen(lifted: Lifted) -> tuple[Any, dict[str, bytes]]:
    """Return the GraphDef with a constant for each variable, and the elements that it leaves out, by node."""
    left_out: dict[str, bytes] = {}
    for node in lifted.graph.node:
        variable = lifted.variables.get(node.name)
        if variable is not None:
            left_out |= _become_constant(node, variable)
    return lifted.graph, left_out


def _become_constant(node: Any, variable: Any) -> dict[str, bytes]:
    dtype, content = variable.dtype.as_datatype_enum, variable.numpy().tobytes()
    is_large = len(content) > LARGE
    node.op = "Const"
    node.ClearField("attr")
    node.attr["dtype"].type = dtype
    tensor = node.attr["value"].tensor
    tensor.dtype = dtype
    tensor.tensor_shape.CopyFrom(variable.shape.as_proto())
    tensor.tensor_content = b"" if is_large else content
    return {node.name: content} if is_large else {}
