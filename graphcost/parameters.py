"""Which stored or generated elements are parameters, who reads them first, and what they take."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeGuard

from graphcost.bounds import Bounds
from graphcost.call import Stage
from graphcost.errors import NodeError, UnknownShapeError
from graphcost.load.protos import dtype_of
from graphcost.recast import taken_as
from graphcost.results import Finding
from graphcost.rules import registry
from graphcost.shapes.evaluate import constant
from graphcost.types import DType, TensorType, size_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from graphcost.call import Body, Call, TypedGraph
    from graphcost.types import Graph, Model, Node, Type

QUANTIZED = frozenset({DType.INT8, DType.UINT8, DType.INT4, DType.UINT4, DType.INT2, DType.UINT2, DType.FLOAT4E2M1})
"""Types in which weights are stored quantized."""


@dataclass(slots=True)
class Parameters:
    """The parameters of a model, counted graph by graph."""

    by_node: dict[Node, int] = field(default_factory=dict)
    """Elements of the parameters that each node is the first to read, those inside its bodies included."""
    findings: list[Finding] = field(default_factory=list)
    """Tensors of which it is doubtful that they are parameters; they are counted."""
    _readers: dict[tuple[TypedGraph, frozenset[str]], dict[str, int]] = field(default_factory=dict)
    _places: dict[Call, tuple[int, ...]] = field(default_factory=dict)
    _counted: set[object] = field(default_factory=set)

    def count(self, typed: TypedGraph) -> None:
        """Count the parameters of a model's main graph and of all bodies below it."""
        self._count(typed, frozenset())

    def _count(self, typed: TypedGraph, weights_outside: frozenset[str]) -> int:
        """Return the parameters of a graph, of whose outputs some are weights outside; none is counted twice."""
        if (typed, weights_outside) in self._counted:
            return 0
        self._counted.add((typed, weights_outside))
        readers = self.readers(typed, weights_outside)
        total = 0
        for candidate in _candidates(typed):
            place = readers.get(candidate.name)
            if place is not None and candidate.origin not in self._counted:
                self._counted.add(candidate.origin)
                total += self._add(candidate, typed, place)
        for node, call in zip(typed.graph.nodes, typed.calls, strict=True):
            for body in call.bodies:
                inner = self._count(body.graph, _handed_out(node, body, readers))
                self.by_node[node] = self.by_node.get(node, 0) + inner
                total += inner
        return total

    def _add(self, candidate: _Candidate, typed: TypedGraph, place: int) -> int:
        """Add a weight to the node that reads it first, and return how many parameters it holds."""
        if place == len(typed.calls):  # read outside: the node that runs this graph carries it
            return candidate.type.elements
        node, call = typed.graph.nodes[place], typed.calls[place]
        elements, doubt = _held(candidate, node, call)
        self.by_node[node] = self.by_node.get(node, 0) + elements
        if doubt:
            message = f"{candidate.type} is counted among the parameters, which is doubtful: it is {doubt}"
            self.findings.append(Finding("doubtful-parameter", "info", candidate.name, message))
        return elements

    def readers(self, typed: TypedGraph, weights_outside: frozenset[str]) -> dict[str, int]:
        """Return for each value the first node that takes it as a weight, directly or through preparation.

        What is a weight outside of a body is read behind its last node.
        """
        known = self._readers.get((typed, weights_outside))
        if known is not None:
            return known
        found = dict.fromkeys(weights_outside, len(typed.calls))
        for index in range(len(typed.calls) - 1, -1, -1):
            node, call = typed.graph.nodes[index], typed.calls[index]
            place: int | None = index
            if call.stage is Stage.PREPARATION:
                place = min((found[name] for name in node.outputs if name in found), default=None)
            if place is not None:
                for name in self._weights(node, call, found):
                    found[name] = min(place, found.get(name, place))
        self._readers[typed, weights_outside] = found
        return found

    def _weights(self, node: Node, call: Call, readers: dict[str, int]) -> list[str]:
        """Return the values that a node takes in a weight's place."""
        if call.bodies:
            return list(self._body_weights(node, call, readers))
        places = self._places.get(call)
        if places is None:
            places = self._places[call] = _weight_places(call)
        return [node.inputs[index] for index in places]

    def _body_weights(self, node: Node, call: Call, readers: dict[str, int]) -> Iterator[str]:
        """Yield the values that the bodies of a node take in a weight's place; what a turn changes is none."""
        for body in call.bodies:
            inner = self.readers(body.graph, _handed_out(node, body, readers))
            pairs = zip(node.inputs, body.graph.graph.inputs, strict=False)
            yield from (name for name, formal in pairs if name and formal in inner)
            yield from (name for name in node.captures if name in inner)


def _handed_out(node: Node, body: Body, readers: dict[str, int]) -> frozenset[str]:
    """Return the outputs of a body that are weights where it is run; a Loop's first says whether it goes on."""
    names = body.graph.graph.outputs[1:] if node.op_type == "Loop" and node.subgraphs else body.graph.graph.outputs
    return frozenset(name for name, outer in zip(names, node.outputs, strict=False) if outer in readers)


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: str
    type: TensorType
    origin: object
    """What stores or makes it; a function that is called in several ways stores it once."""
    made_by: str = ""
    """The operator that computes it from constants; empty where it is stored."""


def _candidates(typed: TypedGraph) -> Iterator[_Candidate]:
    """Yield the stored tensors, then the generated ones, whose type could be that of a parameter."""
    wide = {node.inputs[_WIDE[node.domain, node.op_type]] for node in typed.graph.nodes if _has_wide(node)}
    carries = _given_weights(typed)
    for name, value in typed.graph.values.items():
        if value.role == "initializer" and _could_be(value.type, is_wide=name in wide):
            carries.add(name)
            yield _Candidate(name, value.type, id(value))
    for node, call in zip(typed.graph.nodes, typed.calls, strict=True):
        if call.stage is not Stage.PREPARATION or call.bodies:
            continue
        if not carries.isdisjoint(node.inputs):
            carries.update(node.outputs)
            continue
        for name, type_ in zip(node.outputs, call.outputs, strict=True):
            if _could_be(type_, is_wide=name in wide):
                carries.add(name)
                yield _Candidate(name, type_, (id(node.proto), name), _made_by(node))


def _made_by(node: Node) -> str:
    return "" if node.op_type == "Constant" else node.op_type


def _given_weights(typed: TypedGraph) -> set[str]:
    """Return the weights that a body gets from outside, where they are counted."""
    own = {name for node in typed.graph.nodes for name in node.outputs}
    own.update(name for name, value in typed.graph.values.items() if value.role == "initializer")
    return {
        name
        for name, fact in typed.facts.items()
        if name not in own and fact.stage is Stage.PREPARATION and _could_be(fact.type, is_wide=True)
    }


_WIDE = {
    ("", "DequantizeLinear"): 0,
    ("com.microsoft", "DequantizeLinear"): 0,
    ("com.microsoft", "QGemm"): 6,
    **{(domain, "QLinearConv"): 8 for domain in ("", "com.microsoft", "com.ms.internal.nhwc")},
    ("com.ms.internal.nhwc", "QLinearConvTranspose"): 8,
}
"""The inputs that hold quantized weights or biases even in 16 or 32 bits."""


def _has_wide(node: Node) -> bool:
    place = _WIDE.get((node.domain, node.op_type))
    return place is not None and len(node.inputs) > place


def _could_be(type_: Type | None, *, is_wide: bool) -> TypeGuard[TensorType]:
    if not isinstance(type_, TensorType) or not type_.is_known or not type_.rank or not type_.dtype:
        return False
    return type_.dtype.is_float or type_.dtype in QUANTIZED or (is_wide and type_.dtype.is_integer)


def _weight_places(call: Call) -> tuple[int, ...]:
    """Return the inputs of a call that weights fill: known before any run, and no attribute in disguise."""
    names = call.schema.inputs
    entry = registry.of(call)
    excluded = entry.not_weights if entry else frozenset()
    return tuple(
        index
        for index, (type_, stage) in enumerate(zip(call.inputs, call.stages, strict=True))
        if type_ and stage is Stage.PREPARATION and not (names and names[min(index, len(names) - 1)] in excluded)
    )


def _held(candidate: _Candidate, node: Node, call: Call) -> tuple[int, str]:
    """Return how many parameters a weight holds, packed ones each, and what is doubtful about it."""
    entry = registry.of(call)
    formals = zip(node.inputs, call.schema.inputs, strict=False)
    counts = entry.packed if entry else {}
    packed = next((counts[formal] for name, formal in formals if name == candidate.name and formal in counts), None)
    if packed is None:
        return candidate.type.elements, _doubt(candidate, node, call)
    try:
        return packed(call), ""
    except (NodeError, UnknownShapeError) as fault:
        return candidate.type.elements, f"packed, and what it holds is not known: {fault}"


def _doubt(candidate: _Candidate, node: Node, call: Call) -> str:
    is_vague = registry.overwrites(call) or node.op_type == "Concat"
    if candidate.type.elements == 1 and is_vague:
        return f"a single element read by {node.operator}"
    if candidate.made_by and (candidate.made_by != "ConstantOfShape" or is_vague):
        return f"computed from constants by {candidate.made_by}"
    if not call.schema.inputs and not call.bodies:
        return f"read by {node.operator}, whose inputs have no known meaning"
    return ""


def prepared_bytes(typed: TypedGraph) -> Bounds:
    """Return the bytes that preparation leaves behind for the run: transposed, dequantized, generated weights."""
    return _prepared(typed, typed.graph.outputs, {})


def _prepared(typed: TypedGraph, outputs: Iterable[str], known: dict[TypedGraph, Bounds]) -> Bounds:
    """Return what preparation in a graph leaves behind; what a body hands out counts where it is run."""
    calls = list(zip(typed.graph.nodes, typed.calls, strict=True))
    read = {*outputs}
    read.update(
        n for node, call in calls if call.stage is not Stage.PREPARATION for n in (*node.inputs, *node.captures)
    )
    for node, call in reversed(calls):
        if call.stage is Stage.PREPARATION and registry.is_view(call) and not read.isdisjoint(node.outputs):
            read.add(node.inputs[0])
    sizes = [
        size_of(type_)
        for node, call in calls
        for name, type_ in zip(node.outputs, call.outputs, strict=True)
        if name in read and typed.stage_of(name) is Stage.PREPARATION and _is_made(node, call)
    ]
    own = Bounds(sum(filter(None, sizes)), None if None in sizes else sum(filter(None, sizes)))
    return Bounds.total((own, *_prepared_inside(typed, known)))


def _is_made(node: Node, call: Call) -> bool:
    """Return whether a node's outputs are new: neither stored nor a view."""
    return node.op_type != "Constant" and not registry.is_view(call)


def _prepared_inside(typed: TypedGraph, known: dict[TypedGraph, Bounds]) -> Iterator[Bounds]:
    for call in typed.calls:
        for body in call.bodies if call.stage is not Stage.PREPARATION else ():
            if body.graph not in known:
                known[body.graph] = _prepared(body.graph, (), known)
            yield known[body.graph]


def stored_bytes(model: Model, as_dtype: DType | None = None) -> dict[str, int]:
    """Return the bytes that a model stores, by element type: initializers and Constant nodes, bodies included.

    `as_dtype` is the type as which floats are taken.
    """
    total: Counter[str] = Counter()
    for graph in (model, *(one.graph for one in model.functions.values())):
        for type_, size in _stored(graph, model):
            taken = taken_as(as_dtype, type_) if as_dtype else type_
            if isinstance(taken, TensorType) and taken.dtype:
                total[taken.dtype.value] += taken.bytes if size == size_of(type_) else size
    return dict(total.most_common())


def _stored(graph: Graph, model: Model) -> Iterator[tuple[Type, int]]:
    """Yield each stored tensor's type, and what the source stores for it."""
    for value in graph.values.values():
        if value.role == "initializer":
            yield value.type, value.stored_bytes
    for node in graph.nodes:
        for type_ in _attribute_types(node, model):
            if type_.dtype and type_.dtype.bits:
                yield type_, type_.bytes
        for body in node.subgraphs.values():
            yield from _stored(body, model)


def _attribute_types(node: Node, model: Model) -> Iterator[TensorType]:
    """Yield the types of the tensors that a Constant, or the call of a function, stores in its attributes."""
    if node.op_type == "Constant" and not node.domain:
        type_, _ = constant(node)
        if type_:
            yield type_
    elif (node.domain, node.op_type, node.overload) in model.functions:
        for value in node.attributes.values():
            if isinstance(value, TensorType):
                yield value
            elif hasattr(value, "dtype"):
                yield TensorType(dtype_of(value), value.shape)
