"""One walk in topological order infers every type; what repeats is inferred once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import graphcost.rules  # noqa: F401  # importing registers the rules
from graphcost.call import NO_SCHEMA, Body, Call, Fact, Stage, TypedGraph
from graphcost.errors import InvalidModelError, NodeError, UnknownShapeError, UsageError
from graphcost.load import onnx as reader
from graphcost.load import schema
from graphcost.load.quote import shown
from graphcost.rules import registry
from graphcost.shapes import control_flow, defined, evaluate, guard, lists
from graphcost.shapes.amend import has_no_rank
from graphcost.shapes.facts import READS_FLOATS, Facts, cleaned, decides_types, infer
from graphcost.shapes.part import with_parts
from graphcost.types import UNKNOWN, OptionalType, TensorType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from graphcost.call import Schema
    from graphcost.rules.registry import TypeRule
    from graphcost.types import Array, Function, FunctionKey, Graph, Node, Type

    Env = dict[str, Fact]

DEEPEST = 64
"""How deep bodies and functions may nest; subgraphs alone can't pass 33, protobuf forbids it."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What the walk found out about one signature."""

    call: Call
    """The call that its nodes share."""
    facts: tuple[Fact | None, ...]
    """The outputs; None where one is left out."""


@dataclass(slots=True)
class Walk:
    """Walks graphs and functions, and remembers each signature that it met."""

    functions: Mapping[FunctionKey, Function]
    """The model's local functions."""
    bound: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    """Sizes that the user gave to dimensions of inner values, by value and axis."""
    trips: Mapping[str, int] = field(default_factory=dict)
    """How often Loops run, as the user gave it, by the node's name or first output."""
    facts: Facts = field(default_factory=Facts)
    """The shared facts."""
    evaluations_left: int = 50_000
    """How many nodes may still be evaluated to find out how often loops run."""
    turns_left: int = 50_000
    """How many nodes may still be visited to follow loops turn by turn."""
    visited: int = 0
    """How many nodes were visited, those of a body once per walk."""
    _known: dict[Any, Outcome] = field(default_factory=dict)
    _depth: int = 0

    def graph(self, graph: Graph, env: Env) -> TypedGraph:
        """Type every node of a graph; `env` holds what is known of its inputs and of the outer values it reads."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise InvalidModelError(f"graph {graph.name!r}: bodies and functions nest deeper than {DEEPEST}")
        for value in graph.values.values():
            if value.role == "initializer":
                env[value.name] = self.facts.get(value.type, Stage.PREPARATION, value.read)
        calls = tuple([self._node(node, env) for node in graph.nodes])
        self.visited += len(calls)
        self._depth -= 1
        return with_parts(TypedGraph(graph, calls, env))

    @property
    def unknown(self) -> Fact:
        """The fact that nothing is known."""
        return self.facts.get(UNKNOWN, Stage.RUN)

    def _node(self, node: Node, env: Env) -> Call:
        inputs = tuple([(env.get(name) or self.unknown) if name else None for name in node.inputs])
        outcome = self._outcome(node, inputs, env)
        if self.bound and self._depth == 1 and not self.bound.keys().isdisjoint(node.outputs):
            outcome = self._rebound(node, outcome)
        for name, fact in zip(node.outputs, outcome.facts, strict=True):
            if name and fact:
                env[name] = fact
        return outcome.call

    def _rebound(self, node: Node, outcome: Outcome) -> Outcome:
        """Return the outcome with the sizes that the user gave to dimensions of the node's outputs."""
        facts = tuple(
            self.facts.get(_resized(name, fact.type, self.bound.get(name, {})), fact.stage) if fact else None
            for name, fact in zip(node.outputs, outcome.facts, strict=True)
        )
        return Outcome(replace(outcome.call, outputs=tuple(one.type if one else None for one in facts)), facts)

    def _outcome(self, node: Node, inputs: tuple[Fact | None, ...], env: Env) -> Outcome:
        if node.op_type == "Constant" and not node.domain and len(node.outputs) == 1:
            return self._constant(node)
        captured = tuple([env.get(name) for name in node.captures]) if node.captures else ()
        has_body = bool(node.subgraphs) or self._function(node) is not None
        key = _signature(node, inputs, captured, whole=has_body)
        outcome = self._known.get(key)
        if outcome is None:
            outcome = self._known[key] = self._new(node, inputs, env)
        return outcome

    def _function(self, node: Node) -> Function | None:
        return self.functions.get((node.domain, node.op_type, node.overload)) if self.functions else None

    def _new(self, node: Node, inputs: tuple[Fact | None, ...], env: Env) -> Outcome:
        """Find out the types of a signature that was not met before."""
        stage = _stage(node, inputs, env)
        function = self._function(node)
        if function is not None:
            return self._called(node, inputs, function)
        walk_bodies = None if node.domain else control_flow.WALKS.get(node.op_type)
        if walk_bodies is not None and node.opset >= control_flow.SINCE[node.op_type]:
            try:
                control_flow.check(node, inputs)
                found, bodies = walk_bodies(self, node, inputs, env, stage)
            except NodeError as fault:
                return self._refused(node, inputs, stage, str(fault))
            facts = self._named(node, found)
            return Outcome(_call(node, inputs, facts, max(stage, _latest(bodies)), bodies=bodies), facts)
        built = defined.function_of(node, [one.type if one else None for one in inputs])
        if built is not None:
            return self._defined(node, inputs, built)
        return self._ordinary(node, inputs, stage)

    def _defined(self, node: Node, inputs: tuple[Fact | None, ...], built: Any) -> Outcome:
        """Walk the function that stands for a node with its graphs; inference says what is wrong with the node."""
        _, problem = infer(node, inputs)
        if problem:
            return self._refused(node, inputs, Stage.RUN, problem)
        return self._called(node, inputs, reader.function(built))

    def _named(self, node: Node, found: list[Fact]) -> tuple[Fact | None, ...]:
        """Return a fact for each output of a node, None where one is left out."""
        found = found + [self.unknown] * (len(node.outputs) - len(found))
        return tuple(fact if name else None for name, fact in zip(node.outputs, found, strict=False))

    def _refused(self, node: Node, inputs: tuple[Fact | None, ...], stage: Stage, problem: str) -> Outcome:
        facts = tuple(self.facts.get(UNKNOWN, stage) if name else None for name in node.outputs)
        return Outcome(_call(node, inputs, facts, stage, problem=problem), facts)

    def _constant(self, node: Node) -> Outcome:
        found, elements = evaluate.constant(node)
        if found is None:
            return self._refused(node, (), Stage.PREPARATION, "wants one attribute that holds its value, has none")
        facts = (self.facts.known(found, Stage.PREPARATION, elements),)
        return Outcome(_call(node, (), facts, Stage.PREPARATION), facts)

    def _ordinary(self, node: Node, inputs: tuple[Fact | None, ...], stage: Stage) -> Outcome:
        found, problem = _inferred(node, inputs, stage)
        if not problem and registry.types_of(node.op_type, node.domain) is None and any(map(has_no_rank, found)):
            found = self._by_specified_body(node, inputs, found, stage)
        values: list[Array | None] = [None] * len(found) if problem or node.subgraphs else _values(node, inputs, found)
        facts = tuple(
            None if one is None else self.facts.known(one if value is None else _measured(value, one), stage, value)
            for one, value in zip(found, values, strict=True)
        )
        return Outcome(_call(node, inputs, facts, stage, problem=problem), facts)

    def _by_specified_body(
        self, node: Node, inputs: tuple[Fact | None, ...], found: tuple[Type | None, ...], stage: Stage
    ) -> tuple[Type | None, ...]:
        """Return the types that the function body of the specification gives, where its operator says nothing."""
        outputs = tuple(Fact(one, stage) if one else None for one in found)
        typed = self.specified(_call(node, inputs, outputs, stage), inputs)
        if typed is None:
            return found
        pairs = zip(found, typed.graph.outputs, strict=False)
        return tuple(typed.type_of(name) if has_no_rank(one) else one for one, name in pairs)

    def specified(self, call: Call, inputs: Sequence[Fact | None]) -> TypedGraph | None:
        """Type the function body that the specification gives a call's operator; None without one."""
        try:
            body, attributes = schema.body(call), schema.attributes(call)
        except Exception:  # noqa: BLE001  # whatever onnx raises for an attribute of a wrong type: there is no such body
            return None
        return None if body is None else self.function(reader.function(body), attributes, inputs)

    def _called(self, node: Node, inputs: tuple[Fact | None, ...], function: Function) -> Outcome:
        """Walk a function's body for this signature of its inputs."""
        problem = _mismatch(node, function)
        if problem:
            return self._refused(node, inputs, Stage.RUN, problem)
        typed = self.function(function, node.proto.attribute, inputs)
        facts = self._named(node, [typed.facts.get(name) or self.unknown for name in typed.graph.outputs])
        bodies = (Body(function.name, 1, typed),)
        stage = max((fact.stage for fact in facts if fact), default=Stage.PREPARATION)
        return Outcome(_call(node, inputs, facts, max(stage, _latest(bodies)), bodies=bodies), facts)

    def function(self, one: Function, attributes: Iterable[Any], inputs: Sequence[Fact | None]) -> TypedGraph:
        """Type a function's body for a call's attributes (AttributeProtos) and inputs."""
        given = dict(zip_longest(one.graph.inputs, inputs[: len(one.graph.inputs)]))
        body = reader.bind(one, attributes, {name for name, fact in given.items() if fact is None})
        return self.graph(body, {name: fact for name, fact in given.items() if fact})

    def inner(self, node: Node, name: str, env: Env, inputs: tuple[Fact, ...] = ()) -> TypedGraph:
        """Type a body of If, Loop or Scan, which sees the outer values that it names."""
        graph = node.subgraphs[name]
        seen = {outer: env[outer] for outer in node.captures if outer in env}
        given = {
            one: self._taken(graph.values[one].type, fact) for one, fact in zip(graph.inputs, inputs, strict=False)
        }
        return self.graph(graph, seen | given)

    def _taken(self, declared: Type, fact: Fact) -> Fact:
        """Return what a body sees of a value: one that it takes as optional may be given as it is."""
        if not isinstance(declared, OptionalType) or isinstance(fact.type, OptionalType):
            return fact
        return self.facts.get(OptionalType(fact.type, is_there=True), fact.stage)


def _latest(bodies: tuple[Body, ...]) -> Stage:
    """Return when the last node of some bodies works."""
    return max((call.stage for body in bodies for call in body.graph.calls), default=Stage.PREPARATION)


def _mismatch(node: Node, function: Function) -> str:
    """Return how a node calls a function with more than it takes or gives; empty where it doesn't."""
    takes, gives = len(function.graph.inputs), len(function.graph.outputs)
    if len(node.inputs) > takes:
        return f"function {function.name} wants {takes} inputs at most, has {len(node.inputs)}"
    return (
        f"function {function.name} gives {gives} outputs, {len(node.outputs)} are wanted"
        if len(node.outputs) > gives
        else ""
    )


def _call(
    node: Node,
    inputs: tuple[Fact | None, ...],
    facts: tuple[Fact | None, ...],
    stage: Stage,
    *,
    problem: str = "",
    bodies: tuple[Body, ...] = (),
) -> Call:
    return Call(
        op_type=node.op_type,
        domain=node.domain,
        opset=node.opset,
        schema=_names_of(node),
        attributes=node.attributes,
        inputs=tuple([one.type if one else None for one in inputs]),
        outputs=tuple([one.type if one else None for one in facts]),
        constants=tuple([one.constant if one and decides_types(node.op_type, one.type) else None for one in inputs]),
        stages=tuple([one.stage if one else Stage.PREPARATION for one in inputs]),
        stage=stage,
        problem=problem,
        bodies=bodies,
    )


def _names_of(node: Node) -> Schema:
    known = schema.find(node.op_type, node.domain, node.opset)
    return known or registry.signature_of(node.op_type, node.domain) or NO_SCHEMA


def _inferred(node: Node, inputs: tuple[Fact | None, ...], stage: Stage) -> tuple[tuple[Type | None, ...], str]:
    """Return the types of a node's outputs, and what is wrong with the node: by our own rule, else by onnx's."""
    rule = registry.types_of(node.op_type, node.domain)
    if rule is None or (not node.domain and _names_of(node) is NO_SCHEMA):
        types, problem = infer(node, inputs)
        known = tuple(types.get(name, UNKNOWN) if name else None for name in node.outputs)
        try:
            return tuple(lists.refined(node, inputs, one) if one else None for one in known), problem
        except NodeError as fault:
            return known, problem or str(fault)
    unknown = tuple(Fact(UNKNOWN, stage) if name else None for name in node.outputs)
    problem = guard.miscounted(node)
    ruled, problem = ([], problem) if problem else _ruled(rule, _call(node, inputs, unknown, stage))
    given = zip_longest(node.outputs, ruled[: len(node.outputs)])
    return tuple(cleaned(one or UNKNOWN) if name else None for name, one in given), problem


def _ruled(rule: TypeRule, call: Call) -> tuple[list[Type | None], str]:
    try:
        return list(rule(call)), ""
    except UnknownShapeError:
        return [], ""
    except NodeError as fault:
        return [], str(fault)
    except Exception as fault:  # noqa: BLE001  # a rule that breaks stops no analysis
        return [], f"the type rule of {call.operator} breaks: {type(fault).__name__}: {fault}"


def _stage(node: Node, inputs: tuple[Fact | None, ...], env: Env) -> Stage:
    """Return when a node's outputs are known: as late as the latest value that it reads."""
    if node.op_type in evaluate.RANDOM and not node.domain:
        return Stage.RUN
    read = [*inputs, *(env.get(name) for name in node.captures)]
    stage = max((one.stage for one in read if one), default=Stage.PREPARATION)
    if evaluate.of_type(node, [one.type if one else None for one in inputs]) is not None:
        return min(stage, Stage.SHAPE)
    return stage


def _values(node: Node, inputs: tuple[Fact | None, ...], found: tuple[Type | None, ...]) -> list[Array | None]:
    """Return the outputs' elements, where they are known before any run."""
    nothing: list[Array | None] = [None] * len(found)
    if node.op_type in evaluate.ASKS_TYPE and not node.domain:
        return [evaluate.of_type(node, [one.type if one else None for one in inputs]), *nothing][: len(found)]
    if any(one is not None and one.read is None for one in inputs):
        return nothing
    return list(evaluate.evaluate(node, [one.constant if one else None for one in inputs], found) or nothing)


def _measured(value: Array, inferred: Type) -> Type:
    """Return the type of evaluated elements, which can tell more than inference."""
    return TensorType(inferred.dtype if isinstance(inferred, TensorType) else None, value.shape)


def _resized(name: str, one: Type, sizes: Mapping[int, int]) -> Type:
    """Return a type with the sizes that the user gave; UsageError where they contradict what is known."""
    if not sizes or not isinstance(one, TensorType) or one.shape is None:
        return one
    for axis, size in sizes.items():
        if axis >= len(one.shape) or one.shape[axis] not in {None, size}:
            raise UsageError(f"{shown(name)} is {one}: its axis {axis} can't be {size}")
    return TensorType(one.dtype, tuple(sizes.get(axis, dim) for axis, dim in enumerate(one.shape)))


def _signature(node: Node, inputs: tuple[Fact | None, ...], captured: tuple[Fact | None, ...], *, whole: bool) -> Any:
    """Return what the outcome of a node follows from; `whole`: from every element that is known."""
    known = whole or node.op_type in READS_FLOATS or all(one is None or one.read is not None for one in inputs)
    attributes = b"".join([one.SerializeToString() for one in node.proto.attribute]) if node.attributes else b""
    return (
        node.op_type,
        node.domain,
        node.opset,
        node.overload,
        node if node.subgraphs else attributes,
        tuple([_key(one, whole=known) for one in inputs]),
        tuple([_key(one, whole=True) for one in captured]),
        tuple(map(bool, node.outputs)),
    )


def _key(fact: Fact | None, *, whole: bool) -> Any:
    if fact is None or fact.read is None:
        return fact
    if not whole and not decides_types("", fact.type):
        return fact.plain
    elements = fact.read()
    return fact.plain, elements.tobytes() if elements.dtype.kind != "O" else tuple(map(str, elements.flat))
