"""How often Loops run whose trip count only the run can tell: as the user gives it, `trips:NODE=7`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.errors import UsageError
from graphcost.load.quote import listed, shown
from graphcost.order import identity
from graphcost.shapes.bind import refuse_impossible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from graphcost.types import Graph, Model, Node

PREFIX = "trips:"


def given(model: Model, dims: Mapping[str, int]) -> dict[str, int]:
    """Return how often Loops run, by their name or first output. UsageError for one that the model does not have.

    A name can be an id of a report, in which the ids of the nodes around it stand before its own.
    """
    bound = {name.removeprefix(PREFIX): times for name, times in dims.items() if name.startswith(PREFIX)}
    for name, times in bound.items():
        refuse_impossible(f"{PREFIX}{name}", [times])
    loops = {identity(node) for node in _nodes(model) if node.op_type == "Loop"} if bound else set()
    return {one: times for name, times in bound.items() for one in _named(name, loops)}


def _named(name: str, loops: set[str]) -> set[str]:
    found = {one for one in loops if name == one or name.endswith(f"/{one}")}
    if not found:
        raise UsageError(f"the model has no Loop {shown(name)}, there is {listed(sorted(map(shown, loops))) or 'none'}")
    return found


def _nodes(model: Model) -> Iterator[Node]:
    """Yield the nodes of a model, those of its bodies and functions included."""
    stack: list[Graph] = [model, *(one.graph for one in model.functions.values())]
    while stack:
        for node in stack.pop().nodes:
            yield node
            stack += node.subgraphs.values()
