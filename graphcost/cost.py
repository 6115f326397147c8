"""Node -> NodeCost: a rule, else the body that the specification gives the operator, else unpriced."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING

from graphcost import shapes
from graphcost.bounds import NOTHING, UNBOUNDED, Bounds
from graphcost.call import NO_SCHEMA, Fusion, Stage
from graphcost.errors import NodeError, UnknownShapeError
from graphcost.order import identity, ids
from graphcost.parameters import tables
from graphcost.patterns import patterns
from graphcost.results import BodyCost, NodeCost, Status
from graphcost.rules import registry
from graphcost.rules.registry import each_once
from graphcost.terms import Arith
from graphcost.types import size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from graphcost.call import Body, Call, TypedGraph
    from graphcost.results import Pattern
    from graphcost.rules.registry import Entry
    from graphcost.terms import Term
    from graphcost.types import Node, Type


@dataclass(frozen=True, slots=True, eq=False)
class _Priced:
    """What a call costs; all nodes that share the call share this."""

    status: Status
    reason: str = ""
    terms: tuple[Term, ...] = ()
    read: Bounds = UNBOUNDED
    written: Bounds = UNBOUNDED
    bodies: tuple[BodyCost, ...] = ()


@dataclass(slots=True)
class Pricer:
    """Prices graphs, each call and each body once."""

    parameters: Mapping[Node, int]
    """The parameters that each node is the first to read."""
    _calls: dict[Call, _Priced] = field(default_factory=dict)
    _bodies: dict[TypedGraph, tuple[NodeCost, ...]] = field(default_factory=dict)

    def graph(self, typed: TypedGraph) -> tuple[NodeCost, ...]:
        """Return what each node of a graph costs."""
        known = self._bodies.get(typed)
        if known is None:
            known_patterns = patterns(typed)
            known = self._bodies[typed] = tuple(
                self._node(key, node, call, known_patterns.get(node, ""))
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
            read=_read_once(node, call, priced.read) + _tables_read(node),
            written=priced.written,
            bodies=priced.bodies,
            pattern=pattern,
            reason=_told(node, priced),
        )

    def _price(self, call: Call) -> _Priced:
        if call.fusion is Fusion.GONE:
            return _Priced(Status.FREE, read=NOTHING, written=NOTHING)
        priced = self._by_rule(call)
        stage = _BY_STAGE.get(call.stage) if call.fusion is Fusion.ALONE else None
        return replace(priced, status=stage) if stage and priced.status is not Status.INVALID else priced

    def _by_rule(self, call: Call) -> _Priced:
        if call.problem:
            return _with_traffic(call, _Priced(Status.INVALID, call.problem))
        entry, is_defined = registry.of(call), call.schema is not NO_SCHEMA or bool(call.domain)
        if call.bodies and not (entry and is_defined):
            return self._of_bodies(call.bodies)
        if entry is None:
            return _with_traffic(call, self._by_specified_body(call))
        if not is_defined:
            return _Priced(Status.INVALID, f"opset {call.opset} has no operator {call.op_type}")
        return _with_traffic(call, _by_entry(call, entry))

    def _by_specified_body(self, call: Call) -> _Priced:
        """Price the function body that the specification gives the operator."""
        typed = shapes.body_of(call)
        if typed is None:
            return _Priced(Status.UNPRICED, f"there is no rule for {call.op_type}")
        body = BodyCost(call.op_type, 1, self.graph(typed))
        return _Priced(*_standing((body,)), bodies=(body,))

    def _of_bodies(self, bodies: tuple[Body, ...]) -> _Priced:
        """Price control flow and functions by what they run."""
        found = tuple(BodyCost(one.label, one.times, self.graph(one.graph)) for one in bodies)
        read, written = _moved(found, lambda one: one.read), _moved(found, lambda one: one.written)
        return _Priced(*_standing(found), read=read, written=written, bodies=found)


def _read_once(node: Node, call: Call, read: Bounds) -> Bounds:
    """Return the bytes that a node reads, a value that it takes twice, as Mul(x, x) does, read once."""
    names = [name for name in node.inputs if name]
    entry = registry.of(call) if len(set(names)) < len(names) and call.reads is None else None
    if entry is None or entry.traffic is not each_once or read.high is None:
        return read
    sizes = {name: size_of(type_) or 0 for name, type_ in zip(node.inputs, call.inputs, strict=True) if name}
    return Bounds.exactly(sum(sizes.values()))


def _tables_read(node: Node) -> Bounds:
    """Return the bytes that a node reads of the tables in its attributes: the elements decide which, at most all."""
    if node.domain != "ai.onnx.ml":
        return NOTHING
    return Bounds(0, sum(size_of(type_) or 0 for _, type_ in tables(node)))


def count_invalid(typed: TypedGraph) -> int:
    """Return how many nodes of a graph break their operator's specification."""
    return sum(1 for one in Pricer({}).graph(typed) if one.status is Status.INVALID)


def _by_entry(call: Call, entry: Entry) -> _Priced:
    """Price a call by its rule, or by the declaration that it computes nothing."""
    if entry.terms is None:
        return _Priced(Status.FREE)
    try:
        terms = tuple(entry.terms(call))
    except UnknownShapeError as fault:
        return _Priced(Status.UNKNOWN, str(fault))
    except NodeError as fault:
        return _Priced(Status.INVALID, str(fault))
    except Exception as fault:  # noqa: BLE001  # a rule that breaks stops no analysis; what it says is not known
        return _Priced(Status.UNKNOWN, f"the rule of {call.operator} breaks: {type(fault).__name__}: {fault}")
    wrong = next((term for term in terms if not 0 <= term.bounds.low <= term.count), None)
    if wrong:
        found = f"from {wrong.bounds.low} to {wrong.count} of {wrong.what!r}"
        return _Priced(Status.INVALID, f"the rule of {call.operator} yields {found}")
    status = Status.PRICED if terms else Status.FREE  # Dropout in inference, a Clip without bounds
    return _Priced(status, terms=tuple(_typed(term, call) for term in terms))


_BY_STAGE = {Stage.PREPARATION: Status.PREPARATION, Stage.SHAPE: Status.SHAPE}


def _typed(term: Term, call: Call) -> Term:
    """Return a term with the type it computes in."""
    if term.dtype:
        return term
    return replace(term, dtype=call.product_dtype if term.arith is Arith.MAC else call.dtype)


def _told(node: Node, priced: _Priced) -> str:
    """Return why a node's cost is not known, and what the user can do about it."""
    can_be_bound = node.op_type == "Loop" and any(body.times is None for body in priced.bodies)
    return f"{priced.reason}; bind it with --dim trips:{identity(node)}=" if can_be_bound else priced.reason


def _standing(bodies: tuple[BodyCost, ...]) -> tuple[Status, str]:
    """Return how far the cost of some bodies is known, and what stands against it: the first node that is open."""
    if any(body.times is None for body in bodies):
        return Status.UNKNOWN, "how often its body runs is not known"
    for node in (one for body in bodies for one in body.nodes if one.status.is_open):
        return node.status, f"{node.id}: {node.reason}"
    return Status.PRICED, ""


def _moved(bodies: tuple[BodyCost, ...], bytes_of: Callable[[NodeCost], Bounds]) -> Bounds:
    """Return the bytes that some bodies move, of which one runs."""
    sums = [
        Bounds.total(bytes_of(one) for one in body.nodes if one.status.is_per_run).times(body.times) for body in bodies
    ]
    return reduce(Bounds.either, sums)


def _with_traffic(call: Call, priced: _Priced) -> _Priced:
    """Add the bytes that a call reads and writes, as far as they are known."""
    try:
        read, written = registry.traffic(call)
    except (NodeError, UnknownShapeError):
        entry = registry.of(call)
        if entry is None or entry.traffic is not each_once or priced.status is Status.INVALID:
            return priced
        read, written = _known_bytes(call.inputs), _known_bytes(call.outputs)
    return replace(priced, read=Bounds.of(read), written=Bounds.of(written))


def _known_bytes(types: Iterable[Type | None]) -> Bounds:
    """Return the bytes of some values, at least those whose size is known."""
    sizes = [size_of(one) for one in types if one is not None]
    known = sum(filter(None, sizes))
    return Bounds(known, None if None in sizes else known)
