"""The part of a graph that a Gradient derives: the nodes between the values that it names."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphcost.call import TypedGraph
from graphcost.rules.registry import TRAINING

if TYPE_CHECKING:
    from graphcost.call import Call
    from graphcost.types import Node


def with_parts(typed: TypedGraph) -> TypedGraph:
    """Return the graph with the part that each Gradient derives beside it; itself, where there is none."""
    if not any(map(_is_gradient, typed.calls)):
        return typed
    writers = {name: place for place, node in enumerate(typed.graph.nodes) for name in node.outputs if name}
    calls = (
        replace(call, part=_part(typed, writers, node, call)) if _is_gradient(call) and not call.problem else call
        for node, call in zip(typed.graph.nodes, typed.calls, strict=True)
    )
    return replace(typed, calls=tuple(calls))


def _is_gradient(call: Call) -> bool:
    return call.op_type == "Gradient" and call.domain == TRAINING.name


def _part(typed: TypedGraph, writers: dict[str, int], node: Node, call: Call) -> TypedGraph | None:
    """Return the nodes between `xs` and `zs`, and `y`: its inputs are what the node is fed, its output is y."""
    ends = (*call.attr_or("xs", tuple, ()), *call.attr_or("zs", tuple, ()))
    y = call.attr_or("y", str, "")
    if y not in writers and y not in ends:
        return None
    places = sorted(_before(typed, writers, y, set(ends)))
    nodes = tuple(typed.graph.nodes[place] for place in places)
    graph = replace(typed.graph, nodes=nodes, inputs=node.inputs, outputs=(y,))
    return TypedGraph(graph, tuple(typed.calls[place] for place in places), typed.facts)


def _before(typed: TypedGraph, writers: dict[str, int], y: str, ends: set[str]) -> set[int]:
    """Return the places of the nodes that `y` depends on, as far as the ends."""
    found: set[int] = set()
    names = [y]
    while names:
        name = names.pop()
        place = None if name in ends else writers.get(name)
        if place is not None and place not in found:
            found.add(place)
            names.extend((*typed.graph.nodes[place].inputs, *typed.graph.nodes[place].captures))
    return found
