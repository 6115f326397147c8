"""Names that come from a file: made text where they are no UTF-8."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from graphcost.types import Graph, Model


def text(name: str | bytes) -> str:
    """Return a name as text; protobuf gives bytes where it is no UTF-8."""
    return name if isinstance(name, str) else name.decode("utf-8", errors="backslashreplace")


def are_text(model: Model) -> bool:
    """Return whether all names of a model are text; protobuf gives bytes where one is no UTF-8."""
    functions = model.functions.values()
    opsets = (*model.opsets, *(domain for one in functions for domain in one.opsets))
    try:
        "".join((model.producer, *opsets, *(part for key in model.functions for part in key)))
        "".join(name for one in functions for name in one.defaults)
        return all(map(_in_graph, (model, *(one.graph for one in functions))))
    except TypeError:
        return False


def _in_graph(graph: Graph) -> bool:
    """Return True, or raise TypeError at a name that is no text."""
    "".join((graph.name, *graph.inputs, *graph.outputs, *graph.values))
    for node in graph.nodes:
        "".join((node.name, node.op_type, node.domain, node.overload, *node.inputs, *node.outputs))
        "".join([name for one in node.proto.attribute for name in (one.name, one.ref_attr_name)])
    return all(_in_graph(body) for node in graph.nodes for body in node.subgraphs.values())


def mended(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a model whose names are all text."""
    new = onnx.ModelProto()
    new.CopyFrom(proto)
    _decode(new)
    return new


def _decode(message: Message) -> None:
    for field, value in message.ListFields():
        if field.message_type:
            for inner in value if field.is_repeated else [value]:
                _decode(inner)
        elif field.type == field.TYPE_STRING and field.is_repeated:
            value[:] = map(text, value)
        elif field.type == field.TYPE_STRING:
            setattr(message, field.name, text(value))
