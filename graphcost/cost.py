"""Node -> NodeCost: a rule, else the body that the specification gives the operator, else unpriced."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING

import graphcost.rules  # noqa: F401  # importing registers the rules
from graphcost import shapes
from graphcost.bounds import UNBOUNDED, Bounds
from graphcost.call import NO_SCHEMA, Stage
from graphcost.errors import NodeError, UnknownShapeError
from graphcost.order import ids
from graphcost.results import BodyCost, NodeCost, Status
from graphcost.rules import registry
from graphcost.rules.registry import each_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graphcost.call import Body, Call, TypedGraph
    from graphcost.results import Pattern
    from graphcost.rules.registry import Entry
    from graphcost.terms import Term
    from graphcost.types import Node


@dataclass(frozen=True, slots=True, eq=False)
class _Priced:
    """What a call costs; all nodes that share the call share this."""

    status: Status
    terms: tuple[Term, ...] = ()
    read: Bounds = UNBOUNDED
    written: Bounds = UNBOUNDED
    bodies: tuple[BodyCost, ...] = ()
    reason: str = ""


@dataclass(slots=True)
class Pricing:
    """Prices graphs, each call and each body once."""

    parameters: Mapping[Node, int]
    """The parameters that each node is the first to read."""
    _calls: dict[Call, _Priced] = field(default_factory=dict)
    _bodies: dict[TypedGraph, tuple[NodeCost, ...]] = field(default_factory=dict)

    def graph(self, typed: TypedGraph) -> tuple[NodeCost, ...]:
        """Return what each node of a graph costs."""
        known = self._bodies.get(typed)
        if known is None:
            patterns = _patterns(typed)
            known = self._bodies[typed] = tuple(
                self._node(key, node, call, patterns.get(node, ""))
                for key, node, call in zip(ids(typed.graph), typed.graph.nodes, typed.calls, strict=True)
            )
        return known

    def _node(self, key: str, node: Node, call: Call, pattern: Pattern) -> NodeCost:
        priced = self._calls.get(call)
        if priced is None:
            priced = self._calls[call] = self._price(call)
        return NodeCost(
            id=key,
            node=node,
            call=call,
            status=priced.status,
            terms=priced.terms,
            parameters=self.parameters.get(node, 0),
            read=priced.read,
            written=priced.written,
            bodies=priced.bodies,
            pattern=pattern,
            reason=priced.reason,
        )

    def _price(self, call: Call) -> _Priced:
        priced = self._by_rule(call)
        stage = _BY_STAGE.get(call.stage)
        return replace(priced, status=stage) if stage and priced.status is not Status.INVALID else priced

    def _by_rule(self, call: Call) -> _Priced:
        if call.problem:
            return _with_traffic(call, None, _Priced(Status.INVALID, reason=call.problem))
        if call.bodies:
            return self._of_bodies(call.bodies)
        entry = registry.find(call.op_type, call.domain, call.opset)
        if entry is None:
            return _with_traffic(call, None, self._by_specified_body(call))
        if call.schema is NO_SCHEMA and not call.domain:
            return _Priced(Status.INVALID, reason=f"opset {call.opset} has no operator {call.op_type}")
        return _with_traffic(call, entry, _by_entry(call, entry))

    def _by_specified_body(self, call: Call) -> _Priced:
        """Price the function body that the specification gives the operator."""
        typed = shapes.body_of(call)
        if typed is None:
            return _Priced(Status.UNPRICED, reason=f"there is no rule for {call.op_type}")
        body = BodyCost(call.op_type, 1, self.graph(typed))
        return _Priced(_worst(body), bodies=(body,), reason=_reason(body))

    def _of_bodies(self, bodies: tuple[Body, ...]) -> _Priced:
        """Price control flow and functions by what they run."""
        found = tuple(BodyCost(one.label, one.times, self.graph(one.graph)) for one in bodies)
        read, written = _moved(found, lambda one: one.read), _moved(found, lambda one: one.written)
        if any(one.times is None for one in found):
            return _Priced(Status.UNKNOWN, (), read, written, found, "how often its body runs is not known")
        open_one = next((one for one in found if _worst(one).is_open), found[0])
        return _Priced(_worst(open_one), (), read, written, found, _reason(open_one))


def _by_entry(call: Call, entry: Entry) -> _Priced:
    """Price a call by its rule, or by the declaration that it computes nothing."""
    if entry.terms is None:
        return _Priced(Status.FREE)
    try:
        terms = tuple(entry.terms(call))
    except UnknownShapeError as fault:
        return _Priced(Status.UNKNOWN, reason=str(fault))
    except NodeError as fault:
        return _Priced(Status.INVALID, reason=str(fault))
    return _Priced(Status.PRICED, tuple(_typed(term, call) for term in terms))


_BY_STAGE = {Stage.PREPARATION: Status.PREPARATION, Stage.SHAPE: Status.SHAPE}


def _typed(term: Term, call: Call) -> Term:
    return term if term.dtype else replace(term, dtype=call.dtype)


def _worst(body: BodyCost) -> Status:
    """Return the status of a body: that of its first node whose cost is not known, else priced."""
    return next((one.status for one in body.nodes if one.status.is_open), Status.PRICED)


def _reason(body: BodyCost) -> str:
    return next((f"{one.id}: {one.reason}" for one in body.nodes if one.status.is_open), "")


def _moved(bodies: tuple[BodyCost, ...], bytes_of: Callable[[NodeCost], Bounds]) -> Bounds:
    """Return the bytes that some bodies move, of which one runs."""
    sums = [
        Bounds.total(bytes_of(one) for one in body.nodes if one.status.is_per_run).times(body.times) for body in bodies
    ]
    return reduce(Bounds.either, sums)


def _with_traffic(call: Call, entry: Entry | None, priced: _Priced) -> _Priced:
    """Add the bytes that a call reads and writes, where all types are known."""
    try:
        read, written = (entry.traffic if entry else each_once)(call)
    except (NodeError, UnknownShapeError):
        return priced
    return replace(priced, read=Bounds.exactly(read), written=Bounds.exactly(written))


def _patterns(typed: TypedGraph) -> dict[Node, Pattern]:
    """Return the nodes that conventions price as a part of something larger."""
    writers = {name: node for node in typed.graph.nodes for name in node.outputs}
    found: dict[Node, Pattern] = {}
    for node, call in zip(typed.graph.nodes, typed.calls, strict=True):
        if node.op_type == "Add" and _is_bias(typed, node, call, writers):
            found[node] = "bias"
        elif node.op_type == "Reciprocal" and _op_type(writers.get(node.inputs[0])) == "Sqrt":
            found[node] = "rsqrt"
    return found


PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_PASSES_ON = frozenset({"Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})


def _is_bias(typed: TypedGraph, node: Node, call: Call, writers: Mapping[str, Node]) -> bool:
    """Return whether an Add adds a parameter to a product, directly or behind a change of layout."""
    for product, bias in (node.inputs, node.inputs[::-1]):
        if call.stage is Stage.RUN and typed.stage_of(bias) is Stage.PREPARATION:
            writer = writers.get(product)
            while writer is not None and writer.op_type in _PASSES_ON:
                writer = writers.get(writer.inputs[0])
            return _op_type(writer) in PRODUCTS
    return False


def _op_type(node: Node | None) -> str:
    return node.op_type if node else ""
