"""The order in which a graph's nodes run, how each is known, and how long values live: one pass over the nodes each."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from graphcost.errors import InvalidModelError
from graphcost.load.quote import listed, shown
from graphcost.results import Finding

if TYPE_CHECKING:
    from graphcost.types import Graph, Model, Node


def ids(graph: Graph) -> tuple[str, ...]:
    """Return a unique id for each node: its name where that is unique, else its first output."""
    times = Counter(node.name for node in graph.nodes)
    taken = {name for name, count in times.items() if name and count == 1}
    found = []
    for index, node in enumerate(graph.nodes):
        one = node.name
        if times[one] > 1 or not one:
            one = next(filter(None, node.outputs), node.op_type)
            while one in taken:
                one = f"{one}#{index}"
            taken.add(one)
        found.append(one)
    return tuple(found)


def identity(node: Node) -> str:
    """Return what a node is called: its name, else its first output; another node may be called the same."""
    return node.name or next(filter(None, node.outputs), node.op_type)


def sort(model: Model) -> Model:
    """Return the model with its nodes, and those of its bodies, in an order in which they can run.

    Nodes that stand in such an order already stay as they are; others keep their order as far as possible, and a
    finding says so. Raises InvalidModelError where there is no such order, naming the circle.
    """
    ordered = _sorted(model)
    functions = {key: replace(one, graph=_sorted(one.graph)) for key, one in model.functions.items()}
    if ordered is model and all(one.graph is model.functions[key].graph for key, one in functions.items()):
        return model
    message = "the nodes do not stand in an order in which they can run; they were sorted"
    finding = Finding("unsorted", "warning", model.name, message)
    return replace(model, nodes=ordered.nodes, functions=functions, findings=(*model.findings, finding))


def _sorted(graph: Graph) -> Graph:
    nodes = tuple(_with_sorted_bodies(node) if node.subgraphs else node for node in graph.nodes)
    if _is_sorted(graph):
        changed = any(new is not old for new, old in zip(nodes, graph.nodes, strict=True))
        return replace(graph, nodes=nodes) if changed else graph
    return replace(graph, nodes=_in_order(replace(graph, nodes=nodes)))


def _with_sorted_bodies(node: Node) -> Node:
    bodies = {name: _sorted(body) for name, body in node.subgraphs.items()}
    changed = any(bodies[name] is not body for name, body in node.subgraphs.items())
    return replace(node, subgraphs=bodies) if changed else node


def _is_sorted(graph: Graph) -> bool:
    later = {name for node in graph.nodes for name in node.outputs if name}
    for node in graph.nodes:
        if not later.isdisjoint(node.inputs) or not later.isdisjoint(node.captures):
            return False
        later.difference_update(node.outputs)
    return True


def _in_order(graph: Graph) -> tuple[Node, ...]:
    import networkx as nx  # noqa: PLC0415  # 60 ms that a model in order saves

    writers = {name: place for place, node in enumerate(graph.nodes) for name in node.outputs if name}
    found = nx.DiGraph()
    found.add_nodes_from(range(len(graph.nodes)))
    for place, node in enumerate(graph.nodes):
        found.add_edges_from((writers[name], place) for name in (*node.inputs, *node.captures) if name in writers)
    try:
        return tuple(graph.nodes[place] for place in nx.lexicographical_topological_sort(found))
    except nx.NetworkXUnfeasible:
        keys = ids(graph)
        circle = listed([shown(keys[place]) for place, _ in nx.find_cycle(found)], " -> ")
        message = f"graph {shown(graph.name)}: wants no circle, these nodes form one: {circle}"
        raise InvalidModelError(message) from None


def last_reads(graph: Graph) -> dict[str, int]:
    """Return for each value that is read the last step that does; outputs are kept beyond the last node's.

    Step i runs the i-th node. With the step of its writer this is a value's lifetime.
    """
    last = {name: step for step, node in enumerate(graph.nodes) for name in (*node.inputs, *node.captures)}
    last |= dict.fromkeys(graph.outputs, len(graph.nodes))
    return last
