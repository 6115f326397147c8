"""Model -> networkx, and the traversals that users of the library ask for.

The graph of operators is a `networkx.DiGraph`. Its nodes are operators, known by their id (the same as in a Report),
and the model's inputs and outputs, known as `("input", name)` and `("output", name)`. An operator carries its Node as
the attribute `node`; an edge carries the names of the values that pass along it as `values`.

    >>> from graphcost.load import load
    >>> model = load("models/mlp.onnx")
    >>> graph = operators(model)
    >>> [graph.nodes[one]["node"].op_type for one in longest_chain(graph) if one in by_operator(graph, "Gemm")]
    ['Gemm', 'Gemm', 'Gemm', 'Gemm']
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import networkx as nx

from graphcost.errors import UsageError
from graphcost.order import ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from graphcost.types import Graph


def operators(graph: Graph) -> nx.DiGraph[Any]:
    """Return the graph of operators, inputs and outputs, with the values on its edges."""
    result: nx.DiGraph[Any] = nx.DiGraph(name=graph.name)
    keys = ids(graph)
    writer: dict[str, Any] = {}
    for name in graph.inputs:
        writer[name] = ("input", name)
        result.add_node(("input", name))
    for key, node in zip(keys, graph.nodes, strict=True):
        result.add_node(key, node=node)
        writer.update((name, key) for name in node.outputs if name)
    for key, node in zip(keys, graph.nodes, strict=True):
        for name in (*node.inputs, *node.captures):
            _connect(result, writer.get(name), key, name)
    for name in graph.outputs:
        result.add_node(("output", name))
        _connect(result, writer.get(name), ("output", name), name)
    return result


def _connect(result: nx.DiGraph[Any], source: Any, target: Any, name: str) -> None:
    """Add a value to the edge between two nodes; initializers and outer values have no source here."""
    if source is None:
        return
    known = result.get_edge_data(source, target)
    if known is None:
        result.add_edge(source, target, values=(name,))
    elif name not in known["values"]:
        known["values"] += (name,)


def bipartite(graph: Graph) -> nx.MultiDiGraph[Any]:
    """Return operators and values both as nodes: `("operator", id)`, `("value", name)`; edges numbered by position."""
    result: nx.MultiDiGraph[Any] = nx.MultiDiGraph(name=graph.name)
    result.add_nodes_from((("value", name), {"value": value}) for name, value in graph.values.items())
    for key, node in zip(ids(graph), graph.nodes, strict=True):
        result.add_node(("operator", key), node=node)
        result.add_edges_from((("value", n), ("operator", key), i) for i, n in enumerate(node.inputs) if n)
        result.add_edges_from((("operator", key), ("value", n), i) for i, n in enumerate(node.outputs) if n)
    return result


def by_operator(found: nx.DiGraph[Any], op_type: str) -> list[str]:
    """Return the ids of the nodes that apply an operator."""
    return [key for key, node in found.nodes(data="node") if node and node.op_type == op_type]


def by_name(found: nx.DiGraph[Any], pattern: str) -> list[str]:
    """Return the ids of the nodes whose id a regular expression finds."""
    return [key for key, node in found.nodes(data="node") if node and re.search(pattern, key)]


def between(found: nx.DiGraph[Any], source: str, target: str) -> nx.DiGraph[Any]:
    """Return the operators on the ways from one value to another, as a view of the graph.

    Raises UsageError where one of the values does not exist.
    """
    after = {two for one in _readers(found, source) for two in (one, *nx.descendants(found, one))}
    writer = _writer(found, target)
    before = {writer, *nx.ancestors(found, writer)}
    return nx.subgraph_view(found, filter_node=(after & before).__contains__)


def _readers(found: nx.DiGraph[Any], name: str) -> Iterator[Any]:
    _writer(found, name)
    return (target for _, target, values in found.edges(data="values") if name in values)


def _writer(found: nx.DiGraph[Any], name: str) -> Any:
    for key, node in found.nodes(data="node"):
        if (node and name in node.outputs) or key == ("input", name):
            return key
    raise UsageError(f"the graph has no value {name!r}")


def longest_chain(found: nx.DiGraph[Any]) -> list[Any]:
    """Return the nodes of the longest way from an input to an output, in order."""
    return critical_path(found, lambda _: 1)


def critical_path(found: nx.DiGraph[Any], cost: Callable[[str], float]) -> list[Any]:
    """Return the most expensive way through the graph, where `cost` prices an operator by its id."""
    best: dict[Any, tuple[float, Any]] = {}
    for key in nx.topological_sort(found):
        own = cost(key) if found.nodes[key] else 0
        reached, before = max(((best[one][0], one) for one in found.pred[key]), default=(0, None), key=lambda it: it[0])
        best[key] = (own + reached, before)
    return _walk_back(best)


def _walk_back(best: dict[Any, tuple[float, Any]]) -> list[Any]:
    end = max(reversed(best), key=lambda key: best[key][0], default=None)  # of equals the last, an output
    path = []
    while end is not None:
        path.append(end)
        end = best[end][1]
    return path[::-1]
