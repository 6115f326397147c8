"""Nodes that conventions price as a part of something larger: a bias, a reciprocal square root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.call import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graphcost.call import Call, TypedGraph
    from graphcost.results import Pattern
    from graphcost.types import Node

_PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_PASSES_ON = frozenset({"Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})


def patterns(typed: TypedGraph) -> dict[Node, Pattern]:
    """Return the nodes of a graph that are part of a pattern."""
    writers = {name: node for node in typed.graph.nodes for name in node.outputs if name}
    found: dict[Node, Pattern] = {}
    for node, call in zip(typed.graph.nodes, typed.calls, strict=True):
        if node.domain or call.problem or call.bodies:
            continue
        if node.op_type == "Add" and _is_bias(typed, node, call, writers):
            found[node] = "bias"
        elif node.op_type == "Reciprocal" and _writes(writers, node.inputs[0], {"Sqrt"}):
            found[node] = "rsqrt"
    return found


def _is_bias(typed: TypedGraph, node: Node, call: Call, writers: Mapping[str, Node]) -> bool:
    """Return whether an Add adds a parameter to a product, directly or behind a change of layout."""
    if call.stage is not Stage.RUN:
        return False
    one, two = node.inputs
    return any(
        typed.stage_of(bias) is Stage.PREPARATION and _writes(writers, _behind_layout(product, writers), _PRODUCTS)
        for product, bias in ((one, two), (two, one))
    )


def _behind_layout(name: str, writers: Mapping[str, Node]) -> str:
    """Return the value that a chain of views and transposes shows."""
    while (writer := writers.get(name)) and not writer.domain and writer.op_type in _PASSES_ON and writer.inputs:
        name = writer.inputs[0]
    return name


def _writes(writers: Mapping[str, Node], name: str, op_types: frozenset[str] | set[str]) -> bool:
    """Return whether one of some operators of ai.onnx computes a value."""
    writer = writers.get(name)
    return writer is not None and not writer.domain and writer.op_type in op_types
