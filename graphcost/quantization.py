"""What a runtime makes of values that are stored quantized: it computes on them, or dequantizes them in a kernel.

A product of two dequantized values that is quantized again computes in integers: the floats around it never exist, and
its kernel writes what the QuantizeLinear after it would. A product of floats with a dequantized matrix of weights
dequantizes it as it goes, in every run. Everywhere else a DequantizeLinear is what it says; of a weight it is
preparation.

Source: what onnxruntime 1.31.1 makes of such graphs on a CPU, tests/test_quantization.py; its rules are at
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from graphcost.call import Fusion, Stage
from graphcost.types import DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graphcost.call import Call, TypedGraph
    from graphcost.types import Node, Type

_BYTES = frozenset({DType.INT8, DType.UINT8})
_WEIGHTS = _BYTES | {DType.INT4, DType.UINT4, DType.INT2, DType.UINT2}
_SMALLEST_BLOCK = 16
_LOWEST = {"uint8": 0, "int8": -128}

_CLIPS = frozenset({"Clip", "Relu"})

_Types = tuple["Type | None", ...]
_Role = tuple[Fusion, _Types, _Types]
"""What becomes of a node, and what its kernel reads and writes instead; nothing where it is as the node says."""


def fold(typed: TypedGraph) -> TypedGraph:
    """Return a graph whose calls know which of them work in, or for, a kernel that reads quantized values."""
    return _Folder().graph(typed)


@dataclass(slots=True)
class _Folder:
    """Folds graphs, each body once; nodes that shared a call and are folded alike share one again."""

    _graphs: dict[TypedGraph, TypedGraph] = field(default_factory=dict)
    _calls: dict[tuple[Call, _Role | None], Call] = field(default_factory=dict)

    def graph(self, typed: TypedGraph) -> TypedGraph:
        known = self._graphs.get(typed)
        if known is None:
            roles = _Scene(typed).roles()
            calls = tuple([self._call(call, roles.get(node)) for node, call in _pairs(typed)])
            known = self._graphs[typed] = typed if calls == typed.calls else replace(typed, calls=calls)
        return known

    def _call(self, call: Call, role: _Role | None) -> Call:
        if role is None and not call.bodies:
            return call
        if (call, role) not in self._calls:
            self._calls[call, role] = call.with_bodies(self.graph) if role is None else _with_role(call, role)
        return self._calls[call, role]


def _with_role(call: Call, role: _Role) -> Call:
    fusion, reads, writes = role
    return replace(call, fusion=fusion, reads=reads or None, writes=writes or None)


class _Scene:
    """A graph seen from its DequantizeLinear nodes: who writes a value, and who reads it."""

    def __init__(self, typed: TypedGraph) -> None:
        self.typed = typed
        self.calls = dict(_pairs(typed))
        self.sources = {node.outputs[0]: node for node in typed.graph.nodes if _dequantizes(node)}
        self.readers = _readers(typed.graph.nodes, typed.graph.outputs) if self.sources else {}

    def roles(self) -> dict[Node, _Role]:
        """Return the nodes that work otherwise than alone, and what they read."""
        if not self.sources:
            return {}
        kernels = {node: way for node, call in self.calls.items() if (way := self._kernel(node, call))}
        products: dict[Node, _Role] = {
            node: (Fusion.ALONE, self._reads(node, way), self._writes(node, way)) for node, way in kernels.items()
        }
        return products | self._folded(kernels) | self._after(kernels)

    def _kernel(self, node: Node, call: Call) -> Fusion | None:
        """Return what becomes of the values that a product's kernel dequantizes; None where it computes on floats."""
        if node.domain or call.problem or node.op_type not in {"Conv", "Gemm", "MatMul"}:
            return None
        if _BYTES.issuperset(map(self._quantized, node.inputs[:2])):
            return Fusion.GONE if self._is_integer(node) else None
        return Fusion.INSIDE if self._is_weight_only(node) else None

    def _is_integer(self, node: Node) -> bool:
        """Return whether a product of bytes has an integer kernel: its scales and its bias fit, and what it writes.

        It writes quantized values, or, of a matrix product without a bias of floats, whatever is read of it. Gemm wants
        zero points.
        """
        bias = node.inputs[2] if len(node.inputs) > 2 else ""
        has_float_bias = bool(bias) and self._quantized(bias) is not DType.INT32
        if (has_float_bias and not self._is_weight(bias)) or not self._fits_scales(node):
            return False
        if node.op_type == "Gemm" and not self._is_plain_gemm(node):
            return False
        if self._quantizer(node) is not None:
            return True
        return node.op_type != "Conv" and not has_float_bias and not self._meets_quantizer(node)

    def _fits_scales(self, node: Node) -> bool:
        """Return whether a kernel takes the scales: one for the first factor; Conv and Gemm, one per result as well."""
        given, weight = (self.sources[name] for name in node.inputs[:2])
        if node.op_type == "MatMul":
            return _has_one_scale(self.calls[given])
        columns = 0 if node.op_type == "Conv" or node.attributes.get("transB", 0) else 1
        return _has_one_scale(self.calls[given]) and (
            _has_one_scale(self.calls[weight]) or _is_scaled_along(weight, self.calls[weight], columns)
        )

    def _is_plain_gemm(self, node: Node) -> bool:
        factors = [self.sources[name] for name in node.inputs[:2]]
        is_plain = len(node.inputs) < 3 or node.attributes.get("beta", 1.0) == 1.0
        return is_plain and all(len(one.inputs) > 2 for one in factors)

    def _only_reader(self, node: Node) -> Node | None:
        (reader, *others) = self.readers.get(node.outputs[0], [None])
        return None if others else reader

    def _quantizer(self, node: Node) -> Node | None:
        """Return the QuantizeLinear that alone reads a product, or a Relu after it that it makes needless."""
        reader = self._only_reader(node)
        if reader is not None and reader.op_type == "Relu":
            behind = self._only_reader(reader)
            return behind if behind and _quantizes(behind) and _starts_at_zero(self.calls[behind]) else None
        return reader if _quantizes(reader) else None

    def _meets_quantizer(self, node: Node) -> bool:
        """Return whether a QuantizeLinear reads a product, or what cuts it off."""
        readers = self.readers.get(node.outputs[0], [])
        behind = [one for reader in readers if reader and reader.op_type in _CLIPS
                  for one in self.readers.get(reader.outputs[0], [])]  # fmt: skip
        return any(map(_quantizes, (*readers, *behind)))

    def _is_weight_only(self, node: Node) -> bool:
        """Return whether a matrix product dequantizes its weight, which nobody else reads, as it goes."""
        plain = {"alpha": 1.0, "transA": 0, "transB": 0, **({"beta": 1.0} if len(node.inputs) > 2 else {})}
        if node.op_type == "Conv" or any(node.attributes.get(key, one) != one for key, one in plain.items()):
            return False
        given, weight = node.inputs[:2]
        source = self.sources.get(weight)
        if source is None or given in self.sources or self._meets_quantizer(node):
            return False
        return self.readers[weight] == [node] and self._is_weight(weight) and _is_columns(source, self.calls[source])

    def _is_weight(self, name: str) -> bool:
        return self.typed.stage_of(name) is Stage.PREPARATION

    def _quantized(self, name: str) -> DType | None:
        """Return the type from which a value is dequantized; None where it isn't."""
        source = self.sources.get(name)
        type_ = self.calls[source].inputs[0] if source else None
        return type_.dtype if isinstance(type_, TensorType) else None

    def _reads(self, node: Node, way: Fusion) -> _Types:
        """Return what a kernel reads: quantized values with their scales, in place of what they stand for."""
        quantized = node.inputs if way is Fusion.GONE else node.inputs[1:2]
        found: list[Type | None] = []
        for name, type_ in zip(node.inputs, self.calls[node].inputs, strict=True):
            source = self.sources.get(name) if name in quantized else None
            found += self.calls[source].inputs if source else [type_]
        return tuple(found)

    def _writes(self, node: Node, way: Fusion) -> _Types:
        """Return what a kernel writes that quantizes its results itself; nothing for one that writes floats."""
        quantizer = self._quantizer(node) if way is Fusion.GONE else None
        return self.calls[quantizer].outputs if quantizer else ()

    def _folded(self, kernels: Mapping[Node, Fusion]) -> dict[Node, _Role]:
        """Return the DequantizeLinear nodes whose readers are all such kernels."""
        found: dict[Node, _Role] = {}
        for name, source in self.sources.items():
            ways = {kernels.get(reader) if reader else None for reader in self.readers.get(name, [None])}
            way = ways.pop() if len(ways) == 1 else None
            if way is not None:
                found[source] = (way, (), ())
        return found

    def _after(self, kernels: Mapping[Node, Fusion]) -> dict[Node, _Role]:
        """Return what integer kernels take over: quantizing their results, and a Relu that this makes needless."""
        found: dict[Node, _Role] = {}
        for node, way in kernels.items():
            quantizer, reader = self._quantizer(node), self._only_reader(node)
            if way is Fusion.GONE and quantizer and reader:
                found[quantizer] = (Fusion.INSIDE, (), ())
                if reader is not quantizer:
                    found[reader] = (Fusion.GONE, (), ())
        return found


def _pairs(typed: TypedGraph) -> list[tuple[Node, Call]]:
    return list(zip(typed.graph.nodes, typed.calls, strict=True))


def _dequantizes(node: Node) -> bool:
    return node.op_type == "DequantizeLinear" and node.domain in {"", "com.microsoft"} and bool(node.outputs)


def _quantizes(node: Node | None) -> bool:
    return node is not None and node.op_type == "QuantizeLinear"


def _starts_at_zero(call: Call) -> bool:
    """Return whether a QuantizeLinear knows no negative values: its zero point is the lowest of its type."""
    if len(call.inputs) < 3:
        return not call.attributes.get("output_dtype", 0)  # uint8, and 0
    zero_point = call.constants[2]
    return zero_point is not None and bool((zero_point == _LOWEST.get(str(zero_point.dtype))).all())


def _has_one_scale(call: Call) -> bool:
    scale = call.inputs[1] if len(call.inputs) > 1 else None
    return isinstance(scale, TensorType) and scale.shape in {(), (1,)}


def _is_scaled_along(node: Node, call: Call, axis: int) -> bool:
    """Return whether a DequantizeLinear has one scale for each place along an axis of its tensor."""
    tensor = call.inputs[0]
    if not isinstance(tensor, TensorType) or tensor.shape is None or node.attributes.get("block_size", 0):
        return False
    return bool(tensor.shape) and node.attributes.get("axis", 1) % len(tensor.shape) == axis


def _is_columns(node: Node, call: Call) -> bool:
    """Return whether a DequantizeLinear reads a matrix that is scaled as a whole, by column, or in blocks of those."""
    matrix = call.inputs[0]
    if not isinstance(matrix, TensorType) or matrix.dtype not in _WEIGHTS or len(matrix.shape or ()) != 2:
        return False
    is_in_blocks = node.attributes.get("axis", 1) % 2 == 0 and node.attributes.get("block_size", 0) >= _SMALLEST_BLOCK
    return _has_one_scale(call) or is_in_blocks or _is_scaled_along(node, call, 1)


def _readers(nodes: Sequence[Node], outputs: Sequence[str]) -> dict[str, list[Node | None]]:
    """Return who reads each value; None stands for whoever is outside: a body, or the caller."""
    found: dict[str, list[Node | None]] = {}
    for node in nodes:
        for name in dict.fromkeys(node.inputs):
            found.setdefault(name, []).append(node)
        for name in node.captures:
            found.setdefault(name, []).append(None)
    for name in outputs:
        found.setdefault(name, []).append(None)
    return found
