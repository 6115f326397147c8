"""Names that come from a file: made text where they are no UTF-8."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import onnx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from graphcost.types import Graph, Model


def text(name: str | bytes) -> str:
    """Return a name as text; protobuf gives bytes where it is no UTF-8."""
    return name if isinstance(name, str) else name.decode("utf-8", errors="backslashreplace")


def are_text(model: Model) -> bool:
    """Return whether all names of a model are text; protobuf gives bytes where one is no UTF-8."""
    return all(isinstance(name, str) for name in _names(model))


def _names(model: Model) -> Iterator[str]:
    functions = model.functions.values()
    yield model.producer
    yield from model.opsets
    for one in functions:
        yield from (*one.opsets, *one.defaults)
    yield from chain.from_iterable(model.functions)
    for graph in (model, *(one.graph for one in functions)):
        yield from _in_graph(graph)


def _in_graph(graph: Graph) -> Iterator[str]:
    yield from (graph.name, *graph.inputs, *graph.outputs, *graph.values)
    for node in graph.nodes:
        yield from (node.name, node.op_type, node.domain, node.overload, *node.inputs, *node.outputs)
        for one in node.proto.attribute:
            yield from (one.name, one.ref_attr_name)
        for body in node.subgraphs.values():
            yield from _in_graph(body)


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
