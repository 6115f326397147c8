"""Gradient: the derivative of a part of the graph, whose work is the backward pass of the nodes of that part."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from graphcost.bounds import Bounds
from graphcost.errors import UnknownShapeError
from graphcost.rules import gradients
from graphcost.rules.registry import TRAINING, each_once, of
from graphcost.terms import Arith, work
from graphcost.types import DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from graphcost.call import Call, TypedGraph
    from graphcost.rules.registry import Wanted
    from graphcost.terms import Term
    from graphcost.types import Node, Type

    Applied = tuple[Node, Call]


@TRAINING.types("Gradient")
def gradient_types(call: Call) -> Iterator[Type | None]:
    """A derivative by a tensor is of that tensor's type; the inputs are those tensors, then others."""
    yield from call.inputs[: len(call.outputs)]


def at_least_the_ends(call: Call) -> tuple[Bounds, Bounds]:
    """Return the traffic of Gradient: its inputs and outputs, and an unknown part of what lies between."""
    read, written = each_once(call)
    return Bounds(read, None), Bounds(written, None)


@TRAINING.rule("Gradient", traffic=at_least_the_ends)
def gradient(call: Call) -> Iterator[Term]:
    """Return dY/dX for every X of `xs`, backwards through the nodes between these and `y`.

    dY/dY is 1 at every element. Each node between hands on what it was handed (graphcost.rules.gradients says how),
    and a value that several nodes read, or one reads twice, gets the sum of what these hand on. What the forward pass
    computed is there; where the node is fed other tensors than it names, the part is first computed anew for them.
    Of an X whose output is left out nothing is computed, nor for a node through which no derivative flows.

    Source: https://github.com/onnx/onnx/blob/main/docs/Operators.md#ai.onnx.preview.training.Gradient
    """
    part = call.part
    if part is None:
        raise UnknownShapeError(f"no node of this graph computes {call.attr('y', str)!r}")
    xs, zs = call.attr("xs", tuple), call.attr_or("zs", tuple, ())
    fixed = next((one for one in call.inputs[: len(xs)] if not _can_move(one)), None)
    if fixed is not None:
        raise UnknownShapeError(f"there is no derivative by {fixed}")
    wanted = {x for x, output in zip(xs, call.outputs, strict=False) if output is not None}
    if part.graph.inputs != (*xs, *zs):
        yield from _forward(part)
    yield from _backward(part, list(_flow(part, wanted)))


def _forward(part: TypedGraph) -> Iterator[Term]:
    for node, call in zip(part.graph.nodes, part.calls, strict=True):
        entry = of(call)
        if entry is None:
            raise UnknownShapeError(f"there is no formula for {call.operator}")
        yield from _of_node(node, call, entry.terms(call) if entry.terms else ())


def _flow(part: TypedGraph, wanted: set[str]) -> Iterator[tuple[Applied, Wanted]]:
    """Yield the nodes through which a derivative flows, the last first, with the places of the inputs it flows to."""
    moving = set(wanted)
    for node, call in zip(part.graph.nodes, part.calls, strict=True):
        if not moving.isdisjoint((*node.inputs, *node.captures)) and not gradients.is_flat(call):
            moving.update(name for name, type_ in zip(node.outputs, call.outputs, strict=True) if _can_move(type_))
    handed = set(part.graph.outputs)
    for node, call in zip(reversed(part.graph.nodes), reversed(part.calls), strict=True):
        places = tuple(place for place, name in enumerate(node.inputs) if name in moving)
        is_moved = bool(places) or not moving.isdisjoint(node.captures)
        if is_moved and not handed.isdisjoint(moving.intersection(node.outputs)):
            handed.update(node.inputs[place] for place in places)
            yield (node, call), places


def _backward(part: TypedGraph, flow: list[tuple[Applied, Wanted]]) -> Iterator[Term]:
    for (node, call), places in flow:
        yield from _of_node(node, call, gradients.terms_of(call, places))
    reads = Counter(node.inputs[place] for (node, _), places in flow for place in places)
    for name, times in reads.items():
        type_ = part.type_of(name)
        if times > 1 and isinstance(type_, TensorType):
            yield work(f"d{name} + d{name}", Arith.ADD, dtype=type_.dtype, elements=type_.elements, additions=times - 1)


def _of_node(node: Node, call: Call, terms: Iterable[Term]) -> Iterator[Term]:
    """Yield terms with the operator that they are of, in the type in which that computes."""
    for term in terms:
        dtype = call.product_dtype if term.arith is Arith.MAC else call.dtype
        yield replace(term, what=f"{node.op_type}: {term.what}", dtype=term.dtype or dtype)


def _can_move(type_: Type | None) -> bool:
    """Return whether a derivative can flow through a value: unless it is known to hold no such numbers, it can."""
    dtype = type_.dtype if isinstance(type_, TensorType) else None
    return type_ is not None and (dtype is None or not (dtype.is_integer or dtype in _NO_NUMBERS))


_NO_NUMBERS = (DType.BOOL, DType.STRING)
