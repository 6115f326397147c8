"""A Keras model, a tf.Module or a function -> ModelProto: its structure with variables as inputs, or with weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from onnx import helper

from graphcost.load import protos
from graphcost.load.keras import by_tf2onnx, layers
from graphcost.load.keras.by_tf2onnx import Wanted
from graphcost.load.keras.freeze import frozen
from graphcost.load.keras.lift import lift, renamed
from graphcost.load.keras.signature import name_of
from graphcost.load.keras.trace import trace
from graphcost.load.origin import CALL, VARIABLE, say_layers
from graphcost.types import DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx

    from graphcost.load.keras.lift import Lifted
    from graphcost.load.keras.trace import Trace

PRODUCER = "graphcost, with tf2onnx"


def structure(source: Any, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    """Return the graph of a source without its weights: variables are inputs.

    Nodes say in their metadata which layer they come from, inputs which variable they stand for, and the model which
    layers it has (graphcost.load.origin). Raises SourceError where it can't be converted, UsageError where it was
    never built and `shapes` doesn't say with what.
    """
    with by_tf2onnx.quiet():
        found = _read(source, shapes)
        given, outputs, names = _ends(found.trace)
        variables = {f"{name}:0": name for name in found.lifted.variables}
        wanted = Wanted(
            graph=found.lifted.graph, inputs=(*given, *variables), outputs=outputs, names={**names, **variables}
        )
        proto = by_tf2onnx.convert(wanted, is_structure=True)
    found.say_origin(proto)
    _add_unread(proto, found)
    return proto


def export(source: Any, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    """Return the ONNX model of a source with its weights, with all that tf2onnx folds and merges.

    Nodes say which layer they come from, as in a structure. Raises as `structure` does.
    """
    with by_tf2onnx.quiet():
        found = _read(source, shapes)
        given, outputs, names = _ends(found.trace)
        graph, constants = frozen(found.lifted)
        wanted = Wanted(graph=graph, inputs=given, outputs=outputs, names=names, constants=constants)
        proto = by_tf2onnx.convert(wanted, is_structure=False)
    found.say_origin(proto, counts_weights=False)  # it may store fewer than the layers have
    return proto


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """A source as TensorFlow sees it, and its layers."""

    trace: Trace
    tree: layers.Tree
    lifted: Lifted
    owned: Mapping[str, str]
    """By the name of its input, the layer that owns each variable."""

    def say_origin(self, proto: onnx.ModelProto, *, counts_weights: bool = True) -> None:
        """Write where nodes and inputs come from into their metadata."""
        by_tf2onnx.name_dimensions(proto.graph, self.trace.names)
        proto.graph.name = name_of(self.trace.source)
        proto.producer_name, proto.producer_version = PRODUCER, ""
        if self.trace.calls:
            self._say_layers(proto.graph)
        for value in proto.graph.input:
            if value.name in self.owned:
                helper.set_metadata_props(value, {VARIABLE: self.owned[value.name]})
        described = layers.described(self.tree, self.trace.calls)
        say_layers(proto, (one if counts_weights else replace(one, trainable=None, frozen=None) for one in described))

    def _say_layers(self, graph: onnx.GraphProto) -> None:
        labels = layers.assign(graph, layers.scopes(self.tree, self.trace.calls), self.owned)
        for node, label in zip(graph.node, labels, strict=True):
            bodies = (inner for one in node.attribute if one.HasField("g") for inner in by_tf2onnx.nodes(one.g))
            for one in (node, *bodies):
                helper.set_metadata_props(one, {CALL: label})


def _read(source: Any, shapes: Mapping[str, Sequence[int]]) -> _Found:
    traced = trace(source, shapes)
    tree = layers.tree(source)
    lifted = lift(traced.function)
    paths = {id(variable): path for path, variable in layers.weights(tree)}
    lifted = renamed(lifted, {name: _name(one, paths.get(id(one), "")) for name, one in lifted.variables.items()})
    return _Found(traced, tree, lifted, {name: paths.get(id(one), "") for name, one in lifted.variables.items()})


def _name(variable: Any, path: str) -> str:
    """Return a variable's name: the path of its layer, and its own."""
    name: str = variable.name.partition(":")[0]
    return f"{path}/{name.rpartition('/')[2]}" if path else name


def _ends(traced: Trace) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, str]]:
    """Return the tensors that a trace is given and gives, and what these are called."""
    function = traced.function
    given = tuple(one.name for one in function.inputs if one.dtype != tf.resource)[: len(traced.names)]
    outputs = tuple(one.name for one in function.outputs)
    names = dict(zip(given, traced.names, strict=True)) | dict(zip(outputs, traced.outputs, strict=False))
    return given, outputs, names


def _add_unread(proto: onnx.ModelProto, found: _Found) -> None:
    """Add the weights that no output depends on: they are stored all the same."""
    taken = {one.name for one in proto.graph.input}
    read = {id(one) for name, one in found.lifted.variables.items() if name in taken}
    for path, variable in layers.weights(found.tree):
        if id(variable) not in read:
            name = _free(_name(variable, path), taken)
            taken.add(name)
            type_ = TensorType(DType(variable.dtype.name), tuple(variable.shape.as_list()))
            added = helper.make_value_info(name, protos.proto_of(type_))
            helper.set_metadata_props(added, {VARIABLE: path})
            proto.graph.input.append(added)


def _free(name: str, taken: set[str]) -> str:
    found, again = name, 1
    while found in taken:
        again += 1
        found = f"{name}_{again}"
    return found
