"""Which stored or generated elements are parameters, who reads them first, and what they take."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, TypeGuard

from graphcost.bounds import Bounds
from graphcost.call import Stage
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
    is_whole: bool = True
    """Whether no operator without a price runs graphs, whose parameters nobody sees."""
    _readers: dict[tuple[TypedGraph, frozenset[str]], dict[str, _Reading]] = field(default_factory=dict)
    are_named: bool = False
    """Whether the graph says which of its values are weights."""
    _places: dict[Call, dict[int, _Reading]] = field(default_factory=dict)
    _counted: set[object] = field(default_factory=set)

    def count(self, typed: TypedGraph) -> None:
        """Count the parameters of a model's main graph and of all bodies below it."""
        self.are_named = any(value.is_variable for value in typed.graph.values.values())
        self._count(typed, frozenset())

    def _count(self, typed: TypedGraph, weights_outside: frozenset[str]) -> int:
        """Return the parameters of a graph, of whose outputs some are weights outside; none is counted twice."""
        if (typed, weights_outside) in self._counted:
            return 0
        self._counted.add((typed, weights_outside))
        readers = self.readers(typed, weights_outside)
        total = 0
        for candidate in _variables(typed) if self.are_named else _candidates(typed):
            reading = readers.get(candidate.name)
            if reading is not None and candidate.origin not in self._counted:
                self._counted.add(candidate.origin)
                total += self._add(candidate, typed, reading)
        for node, call in zip(typed.graph.nodes, typed.calls, strict=True):
            self.is_whole = self.is_whole and (bool(call.bodies) or not node.subgraphs)
            total += self._learned(node)
            for body in call.bodies:
                inner = self._count(body.graph, _handed_out(node, body, readers))
                self.by_node[node] = self.by_node.get(node, 0) + inner
                total += inner
        return total

    def _add(self, candidate: _Candidate, typed: TypedGraph, reading: _Reading) -> int:
        """Add a weight to the node that reads it first, and return how many parameters it holds."""
        elements = int(candidate.type.elements * reading.held)
        if reading.place == len(typed.calls):  # read outside: the node that runs this graph carries it
            return elements
        node, call = typed.graph.nodes[reading.place], typed.calls[reading.place]
        self.by_node[node] = self.by_node.get(node, 0) + elements
        is_told = self.are_named or reading.held != 1
        doubt = reading.doubt or ("" if is_told else _doubt(candidate, node, call))
        if doubt:
            message = f"{candidate.type} is counted among the parameters, which is doubtful: it is {doubt}"
            self.findings.append(Finding("doubtful-parameter", "info", candidate.name, message))
        return elements

    def _learned(self, node: Node) -> int:
        """Add what a node was taught and holds in its attributes, and return how many parameters that is."""
        learned = sum(type_.elements for name, type_ in tables(node) if name.removesuffix("_as_tensor") in _LEARNED)
        if learned:
            self.by_node[node] = self.by_node.get(node, 0) + learned
        return learned

    def readers(self, typed: TypedGraph, weights_outside: frozenset[str]) -> dict[str, _Reading]:
        """Return for each value how the first node reads it that takes it as a weight, directly or through preparation.

        What is a weight outside of a body is read behind its last node.
        """
        known = self._readers.get((typed, weights_outside))
        if known is not None:
            return known
        found = dict.fromkeys(weights_outside, _Reading(len(typed.calls)))
        scales = _dynamic_scales(typed.graph)
        for index in range(len(typed.calls) - 1, -1, -1):
            node, call = typed.graph.nodes[index], typed.calls[index]
            later: _Reading | None = _Reading(index)
            if call.stage is Stage.PREPARATION:
                later = min((found[name] for name in node.outputs if name in found), default=None)
            if later is not None and not (node.op_type == "Mul" and not scales.isdisjoint(node.inputs)):
                for name, own in self._weights(node, call, found):
                    new = replace(own, place=later.place) if own.held != 1 or own.doubt else later
                    found[name] = min(new, found.get(name, new))
        self._readers[typed, weights_outside] = found
        return found

    def _weights(self, node: Node, call: Call, readers: dict[str, _Reading]) -> Iterator[tuple[str, _Reading]]:
        """Yield the values that a node takes in a weight's place, and how it reads them."""
        if call.bodies:
            yield from self._body_weights(node, call, readers)
            return
        if call not in self._places:
            self._places[call] = {index: _held(call, index) for index in _weight_places(call)}
        yield from ((node.inputs[index], reading) for index, reading in self._places[call].items())

    def _body_weights(self, node: Node, call: Call, readers: dict[str, _Reading]) -> Iterator[tuple[str, _Reading]]:
        """Yield the values that the bodies of a node take in a weight's place; what a turn changes is none."""
        for body in call.bodies:
            inner = self.readers(body.graph, _handed_out(node, body, readers))
            pairs = zip(node.inputs, body.graph.graph.inputs, strict=False)
            yield from ((name, inner[formal]) for name, formal in pairs if name and formal in inner)
            yield from ((name, inner[name]) for name in node.captures if name in inner)


def _dynamic_scales(graph: Graph) -> set[str]:
    """Return the scales that are computed in the run; what they are multiplied with is a scale, too."""
    return {
        node.outputs[1] for node in graph.nodes if node.op_type == "DynamicQuantizeLinear" and len(node.outputs) > 1
    }


@dataclass(frozen=True, slots=True, order=True)
class _Reading:
    """How a node reads a weight."""

    place: int
    """Which node of the graph it is."""
    held: Fraction = Fraction(1)
    """How many parameters each element holds: more than one where they are packed."""
    doubt: str = ""
    """Why that is not sure."""


def _handed_out(node: Node, body: Body, readers: dict[str, _Reading]) -> frozenset[str]:
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


def _variables(typed: TypedGraph) -> Iterator[_Candidate]:
    """Yield the variables of the model that a graph was made from."""
    for name, value in typed.graph.values.items():
        if value.is_variable and isinstance(value.type, TensorType):
            yield _Candidate(name, value.type, id(value))


def _candidates(typed: TypedGraph) -> Iterator[_Candidate]:
    """Yield the stored tensors, then the generated ones, whose type could be that of a parameter."""
    wide = _wide(typed.graph)
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


_HANDS_ON = frozenset({"Gather", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})


def _wide(graph: Graph) -> set[str]:
    """Return the values that fill such a place, directly or behind what only moves their elements."""
    found: set[str] = set()
    for node in reversed(graph.nodes):
        if _has_wide(node):
            found.add(node.inputs[_WIDE[node.domain, node.op_type]])
        elif node.op_type in _HANDS_ON and node.inputs and not found.isdisjoint(node.outputs):
            found.add(node.inputs[0])
    return found


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


def _held(call: Call, place: int) -> _Reading:
    """Return how a call reads the weight that is its input at a place: how much each element holds."""
    entry, names, type_ = registry.of(call), call.schema.inputs, call.inputs[place]
    count = entry.packed.get(names[place]) if entry and place < len(names) else None
    if count is None or not isinstance(type_, TensorType) or not type_.is_known or not type_.elements:
        return _Reading(place)
    try:
        return _Reading(place, Fraction(count(call), type_.elements))
    except Exception as fault:  # noqa: BLE001  # of a rule, which may be someone else's; it stops no analysis
        return _Reading(place, doubt=f"packed, and what it holds is not known: {fault}")


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
    """Yield each stored tensor's type, and what the source stores for it; of variables, nothing else."""
    are_named = any(value.is_variable for value in model.values.values())
    for value in graph.values.values():
        if value.role == "initializer" and (value.is_variable or not are_named):
            yield value.type, value.stored_bytes
    if are_named:
        return
    for node in graph.nodes:
        for type_ in _attribute_types(node, model):
            if type_.dtype and type_.dtype.bits:
                yield type_, type_.bytes
        for body in node.subgraphs.values():
            yield from _stored(body, model)


_LEARNED = frozenset(
    {
        "base_values", "class_weights", "coefficients", "intercepts", "leaf_weights", "nodes_splits", "nodes_values",
        "offset", "prob_a", "prob_b", "rho", "scale", "support_vectors", "target_weights",
    }
)  # fmt: skip
"""The attributes in which operators of ai.onnx.ml hold what they were taught; the others say where it belongs."""


def tables(node: Node) -> Iterator[tuple[str, TensorType]]:
    """Yield the lists and tensors that an operator of ai.onnx.ml holds in its attributes."""
    for name, value in node.attributes.items() if node.domain == "ai.onnx.ml" else ():
        if isinstance(value, TensorType):
            yield name, value
        elif isinstance(value, tuple) and value and not isinstance(value[0], str):
            yield name, TensorType(DType.FLOAT32 if isinstance(value[0], float) else DType.INT64, (len(value),))
        elif hasattr(value, "dtype"):
            yield name, TensorType(dtype_of(value), value.shape)


def _attribute_types(node: Node, model: Model) -> Iterator[TensorType]:
    """Yield the types of what a Constant, the call of a function, or a learned table stores in its attributes."""
    if node.op_type == "Constant" and not node.domain:
        type_, _ = constant(node)
        if type_:
            yield type_
    yield from (type_ for _, type_ in tables(node))
    if (node.domain, node.op_type, node.overload) in model.functions:
        for value in node.attributes.values():
            if isinstance(value, TensorType):
                yield value
            elif hasattr(value, "dtype"):
                yield TensorType(dtype_of(value), value.shape)
