"""A Keras model, a tf.Module or a function -> ModelProto: its structure with variables as inputs, or with weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from onnx import helper

from graphcost.load import protos
from graphcost.load.keras import by_tf2onnx, layers
from graphcost.load.keras.by_tf2onnx import Wanted
from graphcost.load.keras.fill import fill
from graphcost.load.keras.lift import renamed
from graphcost.load.keras.objects import variable_paths
from graphcost.load.keras.saved import SavedModel, trace_of
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
    proto, found = _converted(source, shapes)
    _add_unread(proto, found)
    return proto


def export(source: Any, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    """Return the ONNX model of a source with its weights, what depends on these alone computed.

    Nodes say which layer they come from, as in a structure. Raises as `structure` does.
    """
    proto, found = _converted(source, shapes)
    fill(proto, found.lifted.variables)
    found.say_layers(proto, counts_weights=False)  # weights that no node reads are left out
    return proto


def _converted(source: Any, shapes: Mapping[str, Sequence[int]]) -> tuple[onnx.ModelProto, _Found]:
    with by_tf2onnx.quiet():
        found = _read(trace_of(source) if isinstance(source, SavedModel) else trace(source, shapes))
        variables = {f"{name}:0": name for name in found.lifted.variables}
        inputs, outputs = {**found.trace.inputs, **variables}, found.trace.outputs
        names = {tensor: name for tensor, name in {**inputs, **outputs}.items() if name}
        proto = by_tf2onnx.convert(Wanted(found.lifted.graph, tuple(inputs), tuple(outputs), names))
    found.say_origin(proto)
    if not isinstance(source, SavedModel):
        found.say_layers(proto, counts_weights=True)
    return proto, found


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """A source as TensorFlow sees it, and its layers."""

    trace: Trace
    tree: layers.Tree
    lifted: Lifted
    owned: Mapping[str, str]
    """By the name of its input, the layer that owns each variable."""
    places: Mapping[int, str]
    """By a variable's id, where an object that is no Keras model keeps it."""

    def say_origin(self, proto: onnx.ModelProto) -> None:
        """Write where nodes and inputs come from into their metadata."""
        by_tf2onnx.name_dimensions(proto.graph, set(self.trace.inputs.values()))
        proto.graph.name = name_of(self.trace.source)
        proto.producer_name, proto.producer_version = PRODUCER, ""
        if self.trace.calls:
            self._say_calls(proto.graph)
        for value in proto.graph.input:
            if value.name in self.owned:
                helper.set_metadata_props(value, {VARIABLE: self.owned[value.name]})

    def say_layers(self, proto: onnx.ModelProto, *, counts_weights: bool) -> None:
        """Write the tree of layers into the metadata of a model, with or without how many weights each has."""
        described = layers.described(self.tree, self.trace.calls, self.trace.returned)
        say_layers(proto, (one if counts_weights else replace(one, weights=None) for one in described))

    def _say_calls(self, graph: onnx.GraphProto) -> None:
        labels = layers.assign(graph, layers.scopes(self.tree, self.trace.calls), self.owned)
        for node, label in zip(graph.node, labels, strict=True):
            bodies = (inner for one in node.attribute if one.HasField("g") for inner in by_tf2onnx.nodes(one.g))
            for one in (node, *bodies):
                helper.set_metadata_props(one, {CALL: label})


def _read(traced: Trace) -> _Found:
    lifted = traced.lifted
    tree = layers.tree(traced.source, lifted.variables.values())
    owners = {id(variable): path for path, variable in layers.weights(tree)}
    places = variable_paths(traced.source)
    lifted = renamed(lifted, {name: _name(one, owners, places) for name, one in lifted.variables.items()})
    owned = {name: owners.get(id(one), "") for name, one in lifted.variables.items()}
    return _Found(traced, tree, lifted, owned, places)


def _name(variable: Any, owners: Mapping[int, str], places: Mapping[int, str]) -> str:
    """Return a variable's name: the path of its layer and its own, or where an object keeps it."""
    name: str = variable.name.partition(":")[0]
    path = owners.get(id(variable))
    if not path:
        return places.get(id(variable), name)
    own = name.partition(f"{path.rpartition('/')[2]}/")[2]  # `lstm_cell/kernel` of a recurrent layer
    return f"{path}/{own or name.rpartition('/')[2]}"


def _add_unread(proto: onnx.ModelProto, found: _Found) -> None:
    """Add the weights that no output depends on: they are stored all the same."""
    taken = {one.name for one in proto.graph.input}
    read = {id(one) for name, one in found.lifted.variables.items() if name in taken}
    for path, variable in layers.weights(found.tree):
        if id(variable) not in read:
            name = _free(_name(variable, {id(variable): path}, found.places), taken)
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
