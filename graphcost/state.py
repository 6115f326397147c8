"""What a model hands on to its next run: the keys and values of attention that were computed once and are kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

from graphcost.bounds import NOTHING, UNBOUNDED, Bounds
from graphcost.call import NO_SCHEMA
from graphcost.rules import registry
from graphcost.types import size_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call, TypedGraph
    from graphcost.types import Graph, Node


def state(typed: TypedGraph) -> Bounds:
    """Return the bytes of the state that a graph writes for its next run.

    That is what attention operators give as present keys, values and states, and the cache as exporters write it that
    take attention apart: an input of the model to which a Concat alone appends, to be read further on and returned.
    """
    appended = Bounds.total(_bytes(typed, name) for name in _appended(typed.graph))
    return appended + _Sum().graph(typed)


def _appended(graph: Graph) -> Iterator[str]:
    """Yield the outputs that are an input of the model with something appended."""
    concats = [
        node for node in graph.nodes if node.op_type == "Concat" and not node.domain and node.inputs and node.outputs
    ]
    readers = Counter(name for node in graph.nodes if node.op_type not in _ASKS for name in {*node.inputs})
    for node in concats:
        past, present = node.inputs[0], node.outputs[0]
        is_cache = past in graph.inputs and readers[past] == 1 and present in graph.outputs and readers[present]
        if is_cache:
            yield present


_ASKS = frozenset({"Shape", "Size"})
"""They read no element of a cache."""


def _bytes(typed: TypedGraph, name: str) -> Bounds:
    size = size_of(typed.type_of(name))
    return Bounds(size or 0, size)


@dataclass(slots=True)
class _Sum:
    """Adds up the state that the operators of graphs write, each body once; a loop carries its state along."""

    _graphs: dict[TypedGraph, Bounds] = field(default_factory=dict)

    def graph(self, typed: TypedGraph) -> Bounds:
        if typed not in self._graphs:
            pairs = zip(typed.graph.nodes, typed.calls, strict=True)
            self._graphs[typed] = Bounds.total(self._call(typed, node, call) for node, call in pairs)
        return self._graphs[typed]

    def _call(self, typed: TypedGraph, node: Node, call: Call) -> Bounds:
        if call.bodies:
            return reduce(Bounds.either, [self.graph(body.graph) for body in call.bodies])
        entry = registry.of(call)
        if entry is None:
            return UNBOUNDED if call.schema is NO_SCHEMA else NOTHING
        pairs = zip(call.schema.outputs, node.outputs, strict=False)
        names = (value for formal, value in pairs if formal in entry.state and value in typed.graph.outputs)
        return Bounds.total(_bytes(typed, name) for name in names)
