"""Which stored or generated elements are parameters, who reads them first, and what they take."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graphcost.bounds import NOTHING, UNBOUNDED, Bounds
from graphcost.call import Stage
from graphcost.results import Finding
from graphcost.rules import registry
from graphcost.shapes.evaluate import constant
from graphcost.types import DType, TensorType, size_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call, TypedGraph
    from graphcost.types import Graph, Model, Node, Type

NO_WEIGHT: dict[str, frozenset[str]] = {
    "And": frozenset({"A", "B"}),
    "Clip": frozenset({"min", "max"}),
    "ConvInteger": frozenset({"x_zero_point", "w_zero_point"}),
    "DequantizeLinear": frozenset({"x_scale", "x_zero_point"}),
    "Dropout": frozenset({"ratio", "training_mode"}),
    "GRU": frozenset({"initial_h", "sequence_lens"}),
    "If": frozenset({"cond"}),
    "Loop": frozenset({"M", "cond"}),
    "LSTM": frozenset({"initial_h", "initial_c", "sequence_lens"}),
    "MatMulInteger": frozenset({"a_zero_point", "b_zero_point"}),
    "MelWeightMatrix": frozenset({"num_mel_bins", "dft_length", "sample_rate", "lower_edge_hertz", "upper_edge_hertz"}),
    "NonMaxSuppression": frozenset({"max_output_boxes_per_class", "iou_threshold", "score_threshold"}),
    "Not": frozenset({"X"}),
    "OneHot": frozenset({"depth", "values"}),
    "Or": frozenset({"A", "B"}),
    "Pad": frozenset({"pads", "constant_value", "axes"}),
    "QLinearConv": frozenset({"x_scale", "x_zero_point", "w_scale", "w_zero_point", "y_scale", "y_zero_point"}),
    "QLinearMatMul": frozenset({"a_scale", "a_zero_point", "b_scale", "b_zero_point", "y_scale", "y_zero_point"}),
    "QuantizeLinear": frozenset({"y_scale", "y_zero_point"}),
    "Range": frozenset({"start", "limit", "delta"}),
    "Resize": frozenset({"roi", "scales", "sizes"}),
    "RNN": frozenset({"initial_h", "sequence_lens"}),
    "Upsample": frozenset({"scales"}),
    "Where": frozenset({"condition"}),
    "Xor": frozenset({"A", "B"}),
}
"""Inputs that hold no weight although their type could be one: attributes in disguise, scales, initial states."""

QUANTIZED = frozenset({DType.INT8, DType.UINT8, DType.INT4, DType.UINT4, DType.INT2, DType.UINT2, DType.FLOAT4E2M1})
"""Types in which weights are stored quantized."""


@dataclass(slots=True)
class Parameters:
    """The parameters of a model, counted graph by graph."""

    by_node: dict[Node, int] = field(default_factory=dict)
    """Elements of the parameters that each node is the first to read, those inside its bodies included."""
    findings: list[Finding] = field(default_factory=list)
    """Tensors of which it is doubtful that they are parameters; they are counted."""
    prepared: Bounds = NOTHING
    """Bytes that preparation leaves behind for the run."""
    _readers: dict[TypedGraph, dict[str, int]] = field(default_factory=dict)
    _places: dict[Call, tuple[int, ...]] = field(default_factory=dict)
    _counted: set[TypedGraph] = field(default_factory=set)

    def count(self, typed: TypedGraph) -> int:
        """Return the parameters of a graph and of the bodies that its nodes run; 0 where it was counted before."""
        if typed in self._counted:
            return 0
        self._counted.add(typed)
        readers = self.readers(typed)
        total = 0
        for candidate in _candidates(typed):
            place = readers.get(candidate.name)
            if place is not None:
                total += self._add(candidate, typed.graph.nodes[place], typed.calls[place])
        for node, call in zip(typed.graph.nodes, typed.calls, strict=True):
            if call.bodies:
                inner = sum(self.count(body.graph) for body in call.bodies)
                self.by_node[node] = self.by_node.get(node, 0) + inner
                total += inner
        self.prepared += Bounds.total(_left_behind(typed))
        return total

    def _add(self, candidate: _Candidate, node: Node, call: Call) -> int:
        elements = candidate.type.elements
        self.by_node[node] = self.by_node.get(node, 0) + elements
        doubt = _doubt(candidate, node, call)
        if doubt:
            message = f"{candidate.type} is counted among the parameters, which is doubtful: it is {doubt}"
            self.findings.append(Finding("doubtful-parameter", "info", candidate.name, message))
        return elements

    def readers(self, typed: TypedGraph) -> dict[str, int]:
        """Return for each value the first node that takes it as a weight, directly or through preparation."""
        known = self._readers.get(typed)
        if known is not None:
            return known
        found: dict[str, int] = {}
        for index in range(len(typed.calls) - 1, -1, -1):
            node, call = typed.graph.nodes[index], typed.calls[index]
            place: int | None = index
            if call.stage is Stage.PREPARATION:
                place = min((found[name] for name in node.outputs if name in found), default=None)
            if place is not None:
                for name in self._weights(node, call):
                    found[name] = min(place, found.get(name, place))
        self._readers[typed] = found
        return found

    def _weights(self, node: Node, call: Call) -> list[str]:
        """Return the values that a node takes in a weight's place."""
        if call.bodies:
            return list(self._body_weights(node, call))
        places = self._places.get(call)
        if places is None:
            places = self._places[call] = _weight_places(call)
        return [node.inputs[index] for index in places]

    def _body_weights(self, node: Node, call: Call) -> Iterator[str]:
        """Yield the values that the bodies of a node take in a weight's place."""
        start = _first_weight(node)
        for body in call.bodies:
            inner = self.readers(body.graph)
            pairs = zip(node.inputs[start:], body.graph.graph.inputs[start:], strict=False)
            yield from (name for name, formal in pairs if name and formal in inner)
            yield from (name for name in node.captures if name in inner)


def _first_weight(node: Node) -> int:
    """Return the first input that can be a weight; those of control flow are conditions and initial states."""
    if not node.subgraphs:
        return 0
    return len(node.inputs) - int(node.attributes.get("num_scan_inputs", 0))


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: str
    type: TensorType
    made_by: str
    """The operator that computes it from constants; empty where it is stored."""


def _candidates(typed: TypedGraph) -> Iterator[_Candidate]:
    """Yield the stored tensors, then the generated ones, whose type could be that of a parameter."""
    carries: set[str] = set()
    wide = {node.inputs[_WIDE[node.op_type]] for node in typed.graph.nodes if _has_wide(node)}
    for name, value in typed.graph.values.items():
        if value.role == "initializer" and _could_be(value.type, is_wide=name in wide):
            carries.add(name)
            yield _Candidate(name, value.type, "")  # type: ignore[arg-type]  # _could_be says that it is a TensorType
    for node, call in zip(typed.graph.nodes, typed.calls, strict=True):
        if call.stage is not Stage.PREPARATION or call.bodies:
            continue
        if not carries.isdisjoint(node.inputs):
            carries.update(node.outputs)
            continue
        for name, type_ in zip(node.outputs, call.outputs, strict=True):
            if _could_be(type_, is_wide=name in wide):
                carries.add(name)
                yield _Candidate(name, type_, "" if node.op_type == "Constant" else node.op_type)  # type: ignore[arg-type]  # as above


_WIDE = {"DequantizeLinear": 0, "QLinearConv": 8}
"""The inputs that hold quantized weights or biases even in 16 or 32 bits."""


def _has_wide(node: Node) -> bool:
    return node.op_type in _WIDE and len(node.inputs) > _WIDE[node.op_type]


def _could_be(type_: Type | None, *, is_wide: bool) -> bool:
    if not isinstance(type_, TensorType) or not type_.is_known or not type_.rank or not type_.dtype:
        return False
    return type_.dtype.is_float or type_.dtype in QUANTIZED or (is_wide and type_.dtype.is_integer)


def _weight_places(call: Call) -> tuple[int, ...]:
    """Return the inputs of a call that weights fill: known before any run, and no attribute in disguise."""
    names = call.schema.inputs
    excluded = NO_WEIGHT.get(call.op_type, frozenset())
    return tuple(
        index
        for index, (type_, stage) in enumerate(zip(call.inputs, call.stages, strict=True))
        if type_ and stage is Stage.PREPARATION and not (names and names[min(index, len(names) - 1)] in excluded)
    )


def _doubt(candidate: _Candidate, node: Node, call: Call) -> str:
    if candidate.type.elements == 1 and registry.overwrites(call):
        return f"a single element read by {node.operator}"
    if candidate.made_by not in {"", "ConstantOfShape"}:
        return f"computed from constants by {candidate.made_by}"
    if not call.schema.inputs and not call.bodies:
        return f"read by {node.operator}, whose inputs have no known meaning"
    return ""


def _left_behind(typed: TypedGraph) -> Iterator[Bounds]:
    """Yield the bytes of what preparation computes and the run reads."""
    calls = zip(typed.graph.nodes, typed.calls, strict=True)
    read = {
        name for node, call in calls if call.stage is not Stage.PREPARATION for name in (*node.inputs, *node.captures)
    }
    read.update(typed.graph.outputs)
    for node, call in zip(typed.graph.nodes, typed.calls, strict=True):
        if call.stage is Stage.PREPARATION and node.op_type != "Constant" and not registry.is_view(call):
            for name, type_ in zip(node.outputs, call.outputs, strict=True):
                if name in read:
                    size = size_of(type_)
                    yield UNBOUNDED if size is None else Bounds.exactly(size)


def stored_bytes(model: Model) -> dict[str, int]:
    """Return the bytes that a model stores, by element type: initializers and Constant nodes, bodies included."""
    total: Counter[str] = Counter()
    for graph in (model, *(one.graph for one in model.functions.values())):
        for dtype, size in _stored(graph):
            total[dtype] += size
    return dict(total.most_common())


def _stored(graph: Graph) -> Iterator[tuple[str, int]]:
    for value in graph.values.values():
        if value.role == "initializer" and isinstance(value.type, TensorType) and value.type.dtype:
            yield value.type.dtype.value, value.stored_bytes
    for node in graph.nodes:
        if node.op_type == "Constant" and not node.domain:
            type_, _ = constant(node)
            if type_ and type_.dtype and type_.dtype.bits:
                yield type_.dtype.value, type_.bytes
        for body in node.subgraphs.values():
            yield from _stored(body)
