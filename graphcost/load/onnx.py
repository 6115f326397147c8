"""ModelProto -> Model: the same nouns without protobuf, with the faults of the file mended or named."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import onnx
from google.protobuf.message import DecodeError
from onnx import parser

from graphcost.errors import InvalidModelError, SourceError
from graphcost.load import external, names, origin, protos, schema, wire
from graphcost.load.quote import shown
from graphcost.results import Finding
from graphcost.types import Function, Graph, Model, Node, Value, size_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from graphcost.types import FunctionKey

    Imports = Iterable[onnx.OperatorSetIdProto]

DEEPEST = 64
"""How deep bodies may nest; in a file they can't pass 33, protobuf forbids it."""

DEEPEST_TEXT = 200
"""How deep brackets may nest in ONNX text; each body takes three."""


def from_path(path: Path) -> Model:
    """Read a file: binary or text format, its large payloads left on disk."""
    skeleton = wire.read(path)
    proto = _parse_text(path, skeleton.data) if skeleton.format == "onnxtxt" else _parse(path, skeleton.data)
    return _model(proto, str(path), skeleton.format, path.parent, skeleton.findings)


def from_proto(proto: onnx.ModelProto) -> Model:
    """Read a ModelProto in memory; nothing of it is changed."""
    if not isinstance(proto, onnx.ModelProto):
        raise SourceError(f"wants a path or an onnx.ModelProto, got {type(proto).__name__}")
    return _model(proto, "ModelProto", "proto", None, ())


def _parse(path: Path, data: bytes) -> onnx.ModelProto:
    try:
        return onnx.ModelProto.FromString(data)
    except (DecodeError, UnicodeDecodeError) as fault:
        raise wire.why_refused(path) from fault


def _parse_text(path: Path, data: bytes) -> onnx.ModelProto:
    if _brackets_deep(data) > DEEPEST_TEXT:
        raise SourceError(f"{path}: its brackets nest deeper than {DEEPEST_TEXT}")
    try:
        return parser.parse_model(data.decode("utf-8"))
    except (parser.ParseError, DecodeError, RuntimeError, ValueError, IndexError) as fault:
        raise SourceError(f"{path}: can't be read as ONNX text: {str(fault).strip()}") from fault


def _brackets_deep(data: bytes) -> int:
    """Return how deep brackets nest in ONNX text: onnx's parser recurses until the stack overflows."""
    steps = (1 if octet in b"([{<" else -1 for octet in _NO_BRACKETS.sub(b"", data) if octet in b"()[]{}<>")
    return max(accumulate(steps), default=0)


_NO_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|#[^\n]*|=>', re.DOTALL)
"""Strings, comments and arrows."""


def _model(proto: onnx.ModelProto, source: str, form: str, folder: Path | None, findings: tuple[Finding, ...]) -> Model:
    if not proto.HasField("graph"):
        raise SourceError(f"{source}: an ONNX model has a graph, this one has none")
    try:
        found = _read(proto, source, form, folder, findings)
        if names.are_text(found):
            return found
    except TypeError:  # a name that is bytes, where text is wanted; any other fault comes up again
        pass
    return _read(names.mended(proto), source, form, folder, findings)


def _read(proto: onnx.ModelProto, source: str, form: str, folder: Path | None, findings: tuple[Finding, ...]) -> Model:
    reader = _Reader(_imported(proto.opset_import), [])
    graph = reader.graph(proto.graph)
    functions = _functions(proto, reader.external)
    return Model(
        name=graph.name,
        inputs=graph.inputs,
        outputs=graph.outputs,
        nodes=graph.nodes,
        values=graph.values,
        source=source,
        format=form,
        producer=f"{proto.producer_name} {proto.producer_version}".strip(),
        opsets=reader.opsets,
        functions=functions,
        layers=origin.layers(proto),
        findings=(
            *findings,
            *_import_findings("the model", proto.opset_import, reader.opsets),
            *_function_findings(proto, functions),
            *_version_findings(proto, reader.opsets),
            *_external_findings(reader.external, folder),
        ),
    )


def _imported(imports: Imports) -> dict[str, int]:
    """Return the version of each domain; of several the highest, and none that can't be one."""
    ordered = sorted(imports, key=lambda one: one.version)
    return {_domain(one.domain): one.version for one in ordered if one.version > 0}


def _import_findings(importer: str, imports: Imports, opsets: Mapping[str, int]) -> Iterator[Finding]:
    """Yield what is odd about some imports, `opsets` being what was made of them."""
    times = Counter(_domain(one.domain) for one in imports)
    for domain, version in opsets.items():
        if times[domain] > 1:
            message = f"{importer} imports it {times[domain]} times; version {version} holds"
            yield Finding("opset-import", "warning", domain or "ai.onnx", message)
    for domain in opsets.keys() - _imported(imports).keys():
        message = f"{importer} imports no version of it; the newest known, {opsets[domain]}, is assumed"
        yield Finding("opset-import", "warning", domain or "ai.onnx", message)


def _function_findings(proto: onnx.ModelProto, functions: Mapping[FunctionKey, Function]) -> Iterator[Finding]:
    for one, function_ in zip(proto.functions, functions.values(), strict=True):
        yield from _import_findings(f"function {shown(one.name)}", one.opset_import, function_.opsets)


def _version_findings(proto: onnx.ModelProto, opsets: Mapping[str, int]) -> Iterator[Finding]:
    newest = onnx.defs.onnx_opset_version()
    if opsets.get("", 0) > newest:
        message = f"the model wants opset {opsets['']}, the newest known is {newest}: its operators are read as of that"
        yield Finding("future-opset", "warning", "ai.onnx", message)
    if proto.ir_version > onnx.IR_VERSION:
        message = f"the file says IR version {proto.ir_version}, the newest known is {onnx.IR_VERSION}"
        yield Finding("future-ir", "warning", "ir_version", message)


def _external_findings(tensors: Iterable[onnx.TensorProto], folder: Path | None) -> Iterator[Finding]:
    for tensor in tensors:
        entries = {names.text(one.key): names.text(one.value) for one in tensor.external_data}
        needed = protos.stored(tensor).size or None
        found = external.check(names.text(tensor.name), entries, needed, folder)
        if found:
            yield found


def _functions(proto: onnx.ModelProto, external: list[onnx.TensorProto]) -> dict[FunctionKey, Function]:
    found: dict[FunctionKey, Function] = {}
    for one in proto.functions:
        key = _domain(one.domain), one.name, one.overload
        if key in found:
            raise InvalidModelError(f"function {shown(one.name)}: wants one definition, there are two")
        found[key] = _function(one, external)
    return found


def function(proto: onnx.FunctionProto) -> Function:
    """Return the body of an operator that the specification defines by a function."""
    return _function(proto, [])


def _function(proto: onnx.FunctionProto, external: list[onnx.TensorProto]) -> Function:
    reader = _Reader(_imported(proto.opset_import), external)
    graph = Graph(
        name=proto.name,
        inputs=tuple(proto.input),
        outputs=tuple(proto.output),
        nodes=_without_unread([reader.node(one) for one in proto.node], proto.output),
        values={name: Value(name, "input") for name in proto.input},
    )
    defaults = {one.name: one for one in proto.attribute_proto}
    return Function(proto.name, _domain(proto.domain), proto.overload, graph, defaults, reader.opsets)


def bind(one: Function, attributes: Iterable[onnx.AttributeProto], absent: Collection[str]) -> Graph:
    """Return a function's body for a call: with its attributes, or their defaults, and without absent inputs."""
    bound = {**one.defaults, **{proto.name: proto for proto in attributes}}
    reader = _Reader(dict(one.opsets), [])
    nodes = tuple(
        reader.node(_substituted(node.proto, bound, absent)) if _refers(node.proto, absent) else node
        for node in one.graph.nodes
    )
    return Graph(
        name=one.name, inputs=one.graph.inputs, outputs=one.graph.outputs, nodes=nodes, values=one.graph.values
    )


def _refers(proto: onnx.NodeProto, absent: Collection[str]) -> bool:
    """Return whether a node, or one in its bodies, takes an attribute or an absent input from the function around."""
    return any(name in absent for name in proto.input) or any(
        one.ref_attr_name or (one.HasField("g") and any(_refers(inner, absent) for inner in one.g.node))
        for one in proto.attribute
    )


def _substituted(
    proto: onnx.NodeProto, bound: Mapping[str, onnx.AttributeProto], absent: Collection[str]
) -> onnx.NodeProto:
    new = onnx.NodeProto()
    new.CopyFrom(proto)
    new.input[:] = ["" if name in absent else name for name in proto.input]
    del new.attribute[:]
    for one in proto.attribute:
        if not one.ref_attr_name:
            copied = new.attribute.add()
            copied.CopyFrom(one)
            for index, inner in enumerate(one.g.node):
                copied.g.node[index].CopyFrom(_substituted(inner, bound, absent))
        elif one.ref_attr_name in bound:
            copied = new.attribute.add()
            copied.CopyFrom(bound[one.ref_attr_name])
            copied.name = one.name
    return new


class _Reader:
    """Reads the nodes of one scope of opset imports."""

    def __init__(self, opsets: dict[str, int], external: list[onnx.TensorProto]) -> None:
        """Read as of these opsets, to which the newest known is added for each domain that they lack.

        Tensors whose elements are in another file are added to `external`.
        """
        self.opsets = opsets
        self.external = external
        self._depth = 0

    def graph(self, proto: onnx.GraphProto) -> Graph:
        self._depth += 1
        if self._depth > DEEPEST:
            raise InvalidModelError(f"graph {shown(proto.name)}: bodies nest deeper than {DEEPEST}")
        values = {one.name: Value(one.name, "computed", protos.type_of(one.type)) for one in proto.value_info}
        values |= {one.name: Value(one.name, "computed", protos.type_of(one.type)) for one in proto.output}
        values |= {one.name: Value(one.name, "input", protos.type_of(one.type)) for one in proto.input}
        stored = self._stored(proto) | _weights(proto)
        outputs = tuple(one.name for one in proto.output)
        nodes = _without_unread([self.node(one) for one in proto.node], outputs)
        self._depth -= 1
        return Graph(
            name=proto.name,
            inputs=tuple(one.name for one in proto.input if one.name not in stored),
            outputs=outputs,
            nodes=nodes,
            values=values | stored,
        )

    def node(self, proto: onnx.NodeProto) -> Node:
        if proto.domain == "ai.onnx":
            proto = _in_default_domain(proto)
        attributes: dict[str, Any] = {}
        subgraphs: dict[str, Graph] = {}
        _refuse_doubled(proto)
        for one in proto.attribute:
            if one.type == onnx.AttributeProto.GRAPH:
                subgraphs[one.name] = self.graph(one.g)
            elif not one.ref_attr_name:
                attributes[one.name] = protos.attribute(one)
                if one.type == onnx.AttributeProto.TENSOR and protos.is_external(one.t):
                    self.external.append(one.t)
        return Node(
            name=proto.name,
            op_type=proto.op_type,
            domain=proto.domain,
            opset=self._opset(proto.domain),
            inputs=tuple(proto.input),
            outputs=tuple(proto.output),
            attributes=attributes,
            subgraphs=subgraphs,
            captures=_captures(subgraphs.values()) if subgraphs else (),
            overload=proto.overload,
            layer=origin.entry(proto.metadata_props, origin.CALL) if proto.metadata_props else None,
            proto=proto,
        )

    def _stored(self, graph: onnx.GraphProto) -> dict[str, Value]:
        """Return the tensors that a graph stores; InvalidModelError where two have one name."""
        stored = [*map(self._initializer, graph.initializer), *map(self._sparse_initializer, graph.sparse_initializer)]
        found = {one.name: one for one in stored}
        if len(found) < len(stored):
            name, times = Counter(one.name for one in stored).most_common(1)[0]
            where = shown(graph.name)
            raise InvalidModelError(f"value {shown(name)}: wants one initializer, has {times} in graph {where}")
        return found

    def _initializer(self, proto: onnx.TensorProto) -> Value:
        declared, read, size = protos.stored(proto)
        if protos.is_external(proto):
            self.external.append(proto)
        return Value(proto.name, "initializer", declared, read, size)

    def _sparse_initializer(self, proto: onnx.SparseTensorProto) -> Value:
        parts = [self._initializer(one) for one in (proto.values, proto.indices)]
        size = sum(one.stored_bytes for one in parts)
        return Value(proto.values.name, "initializer", protos.sparse_type(proto), None, size)

    def _opset(self, domain: str) -> int:
        if domain not in self.opsets:
            self.opsets[domain] = schema.newest(domain)
        return self.opsets[domain]


def _weights(proto: onnx.GraphProto) -> dict[str, Value]:
    """Return the inputs that stand for weights which were left outside."""
    found = {}
    for one in proto.input:
        if one.metadata_props and origin.entry(one.metadata_props, origin.VARIABLE) is not None:
            declared = protos.type_of(one.type)
            found[one.name] = Value(one.name, "initializer", declared, None, size_of(declared) or 0, is_variable=True)
    return found


def _refuse_doubled(proto: onnx.NodeProto) -> None:
    if len(proto.attribute) > 1:
        name, times = Counter(one.name for one in proto.attribute).most_common(1)[0]
        if times > 1:
            label = shown(proto.name or next(filter(None, proto.output), ""))
            raise InvalidModelError(f"node {label}: wants each attribute once, has {times} of {shown(name)}")


def _in_default_domain(proto: onnx.NodeProto) -> onnx.NodeProto:
    """Return a copy of a node under the other name of its domain, the only one that onnx's reference knows."""
    new = onnx.NodeProto()
    new.CopyFrom(proto)
    new.domain = ""
    return new


def _without_unread(nodes: list[Node], outputs: Iterable[str]) -> tuple[Node, ...]:
    """Return the nodes without those of their optional outputs that nobody reads, which no runtime computes."""
    if all(len(node.outputs) < 2 for node in nodes):
        return tuple(nodes)
    read = {*outputs, *(name for node in nodes for name in (*node.inputs, *node.captures))}
    return tuple(_kept(node, read) if len(node.outputs) > 1 else node for node in nodes)


def _kept(node: Node, read: Collection[str]) -> Node:
    optional = schema.names_of(node.op_type, node.domain, node.opset).optional_outputs
    kept = tuple("" if place in optional and name not in read else name for place, name in enumerate(node.outputs))
    return replace(node, outputs=kept) if any(kept) and kept != node.outputs else node


def _captures(bodies: Iterable[Graph]) -> tuple[str, ...]:
    """Return the outer values that some bodies read, each once, in order."""
    free: dict[str, None] = {}
    for body in bodies:
        own = {*body.inputs, *(name for name, value in body.values.items() if value.role == "initializer")}
        own |= {name for node in body.nodes for name in node.outputs}
        read = (name for node in body.nodes for name in (*node.inputs, *node.captures))
        free |= dict.fromkeys(name for name in (*read, *body.outputs) if name and name not in own)
    return tuple(free)


def _domain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain
