"""A structure and its variables -> a model with weights, in which what depends on weights alone is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from graphcost.load import origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.generic]

REPEATS = frozenset({"Expand", "Tile"})
"""What makes much of little stays a node."""
RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)


def fill(proto: onnx.ModelProto, variables: Mapping[str, Any]) -> None:
    """Put the elements of variables in the place of a structure's inputs; those that no node reads are left out."""
    graph = proto.graph
    weights = {one.name for one in graph.input if origin.entry(one.metadata_props, origin.VARIABLE) is not None}
    given = [one for one in graph.input if one.name not in weights]
    read = {name for node in graph.node for name in _read(node)}
    elements = {name: np.asarray(variables[name].numpy()) for name in weights & read & variables.keys()}
    del graph.input[:]
    graph.input.extend(given)
    computed = _computed(proto, elements)
    _store(graph, {**elements, **computed})


def _computed(proto: onnx.ModelProto, elements: dict[str, Array]) -> dict[str, Array]:
    """Take the nodes that depend on weights alone out of a graph, and return what the others read of them."""
    graph = proto.graph
    ready = {*elements, *(one.name for one in graph.initializer)}
    early: list[onnx.NodeProto] = []
    late: list[onnx.NodeProto] = []
    for node in graph.node:
        is_early = any(name in ready for name in node.input) and _is_early(node, ready)
        (early if is_early else late).append(node)
        ready.update(node.output if is_early else ())
    read = {name for node in late for name in _read(node)} | {one.name for one in graph.output}
    wanted = [name for node in early for name in node.output if name in read]
    if not wanted:
        return {}
    found = _evaluated(proto, early, elements, wanted)
    del graph.node[:]
    graph.node.extend(late)
    return dict(zip(wanted, found, strict=True))


def _is_early(node: onnx.NodeProto, ready: set[str]) -> bool:
    has_body = any(one.HasField("g") for one in node.attribute)
    is_plain = not has_body and not node.domain and node.op_type not in RANDOM | REPEATS
    return is_plain and ready.issuperset(filter(None, node.input))


def _evaluated(
    proto: onnx.ModelProto, nodes: list[onnx.NodeProto], elements: dict[str, Array], wanted: list[str]
) -> list[Array]:
    inputs = [helper.make_value_info(name, onnx.TypeProto()) for name in elements]
    outputs = [helper.make_value_info(name, onnx.TypeProto()) for name in wanted]
    part = helper.make_graph(nodes, "weights", inputs, outputs, list(proto.graph.initializer))
    model = helper.make_model(part, opset_imports=proto.opset_import, ir_version=proto.ir_version)
    return [np.asarray(one) for one in ReferenceEvaluator(model).run(None, elements)]


def _store(graph: onnx.GraphProto, elements: Mapping[str, Array]) -> None:
    """Keep the tensors that a node or an output reads, and no others."""
    read = {name for node in graph.node for name in _read(node)} | {one.name for one in graph.output}
    kept = [one for one in graph.initializer if one.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    graph.initializer.extend(numpy_helper.from_array(one, name) for name, one in elements.items() if name in read)


def _read(node: onnx.NodeProto) -> set[str]:
    """Return the names that a node and the bodies in it read."""
    inner = (one for attribute in node.attribute if attribute.HasField("g") for one in attribute.g.node)
    return {*node.input, *(name for one in inner for name in _read(one))}
