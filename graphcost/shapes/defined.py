"""Operators that take graphs as attributes and that the specification defines by a function built around these."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import onnx
from onnx import defs

from graphcost.load import protos, schema
from graphcost.types import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphcost.types import Node, Type


def function_of(node: Node, inputs: Sequence[Type | None]) -> onnx.FunctionProto | None:
    """Return the function of a node with its graphs inside; None where its operator has none, or takes no graphs."""
    version = _version(node.op_type, node.domain, node.opset)
    if version is None:
        return None
    definition: Any = schema.definition(node.op_type, node.domain, node.opset)
    types = [protos.proto_of(one or UNKNOWN).SerializeToString() for one in inputs]
    try:
        proto = node.proto.SerializeToString()
        found = definition.get_context_dependent_function_with_opset_version(version, proto, types)
        return onnx.FunctionProto.FromString(found) if found else None
    except Exception:  # noqa: BLE001  # whatever its C++ throws; there is no function for such a node
        return None


@cache
def _version(op_type: str, domain: str, opset: int) -> int | None:
    """Return the version of the function that holds at an opset."""
    found: Any = schema.definition(op_type, domain, opset)  # its stub lacks the versions
    takes_graphs = found and any(one.type is defs.OpSchema.AttrType.GRAPH for one in found.attributes.values())
    versions = found.context_dependent_function_opset_versions if takes_graphs else ()
    return max((one for one in versions if one <= opset), default=None)
