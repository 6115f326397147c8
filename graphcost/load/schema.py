"""What onnx's own specification says about operators: names, defaults, function bodies."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import onnx
from onnx import defs

from graphcost.call import NO_SCHEMA, Schema
from graphcost.load import protos
from graphcost.types import UNKNOWN, TensorType

if TYPE_CHECKING:
    from graphcost.call import Call


@cache
def find(op_type: str, domain: str, opset: int) -> Schema | None:
    """Return what the specification says about an operator at an opset; None where it doesn't know it."""
    found = definition(op_type, domain, opset)
    if found is None:
        return None
    return Schema(
        since=found.since_version,
        inputs=tuple(one.name for one in found.inputs),
        outputs=tuple(one.name for one in found.outputs),
        optional_outputs=frozenset(
            place
            for place, one in enumerate(found.outputs)
            if one.option == defs.OpSchema.FormalParameterOption.Optional
        ),
        defaults={
            name: protos.attribute(one.default_value)
            for name, one in found.attributes.items()
            if one.default_value.type != onnx.AttributeProto.UNDEFINED
        },
        has_body=found.has_function or found.has_context_dependent_function,  # type: ignore[attr-defined]  # no stub yet
    )


def names_of(op_type: str, domain: str, opset: int) -> Schema:
    """Return the same as `find`, with no names at all for an operator that the specification doesn't know."""
    return find(op_type, domain, opset) or NO_SCHEMA


@cache
def definition(op_type: str, domain: str, opset: int) -> defs.OpSchema | None:
    """Return onnx's own schema of an operator at an opset; one from the future is read as the newest known."""
    try:
        return defs.get_schema(op_type, min(opset, newest(domain)), domain)
    except defs.SchemaError:
        return None


@cache
def newest(domain: str) -> int:
    """Return the newest version of a domain that onnx knows; 1 where it doesn't know the domain."""
    versions = (one.since_version for one in defs.get_all_schemas_with_history() if one.domain == domain)
    return defs.onnx_opset_version() if domain == "" else max(versions, default=1)


def body(call: Call) -> onnx.FunctionProto | None:
    """Return the function body that the specification gives a call's operator at its opset; None without one."""
    found: Any = definition(call.op_type, call.domain, call.opset)  # its stub lacks the methods asked for here
    if found is None or _takes_graphs(found) or any(_is_left_out(one) for one in call.attributes.values()):
        return None
    version = _latest(found.function_opset_versions, call.opset)
    if version is not None:
        return onnx.FunctionProto.FromString(found.get_function_with_opset_version(version))
    version = _latest(found.context_dependent_function_opset_versions, call.opset)
    if version is None:
        return None
    node = _node(call).SerializeToString()
    types = [protos.proto_of(one or UNKNOWN).SerializeToString() for one in call.inputs]
    try:
        built = found.get_context_dependent_function_with_opset_version(version, node, types)
    except Exception:  # noqa: BLE001  # whatever its C++ throws; there is no body for such a node
        return None
    return onnx.FunctionProto.FromString(built) if built else None


def _takes_graphs(found: defs.OpSchema) -> bool:
    """Return whether an operator takes a graph as an attribute, which a Call does not carry."""
    return any(one.type is defs.OpSchema.AttrType.GRAPH for one in found.attributes.values())


def _is_left_out(value: Any) -> bool:
    """Return whether an attribute is too large to be read, or of a kind that isn't read."""
    return value is None or isinstance(value, TensorType)


def _latest(versions: list[int], opset: int) -> int | None:
    return max((one for one in versions if one <= opset), default=None)


def _node(call: Call) -> onnx.NodeProto:
    names = [f"x{index}" if one else "" for index, one in enumerate(call.inputs)]
    outputs = [f"y{index}" if one else "" for index, one in enumerate(call.outputs)]
    node = onnx.helper.make_node(call.op_type, names, outputs, domain=call.domain)
    node.attribute.extend(attributes(call))
    return node


def attributes(call: Call) -> list[onnx.AttributeProto]:
    """Return a call's attributes, and the specification's defaults for those that it doesn't set."""
    found = definition(call.op_type, call.domain, call.opset)
    kinds = {name: int(one.type) for name, one in found.attributes.items()} if found else {}  # type: ignore[call-overload]  # an enum of C++
    values = {**call.schema.defaults, **call.attributes}
    return [protos.attribute_proto(name, value, kinds.get(name)) for name, value in values.items()]
