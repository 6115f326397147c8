"""A SavedModel on disk -> its graph. Nothing of it is run, and no variable is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from graphcost.errors import SourceError
from graphcost.load.keras.lift import Lifted, Surgeon
from graphcost.load.keras.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SERVED = "serving_default"
"""The signature that is read, if there is one of this name."""
_OF_TENSORFLOW = "__saved_model"
"""How the names of signatures begin that are TensorFlow's own."""


_STATELESS = {"StatefulPartitionedCall": "PartitionedCall", "While": "StatelessWhile", "If": "StatelessIf"}
"""What calls functions that change something, and what does the same for such as don't: these can be inlined."""


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A folder that holds a SavedModel."""

    path: Path
    """The folder."""

    @property
    def name(self) -> str:
        """What it is called."""
        return self.path.name


@dataclass(frozen=True, slots=True)
class Declared:
    """A variable as a graph declares it."""

    name: str
    """Its name."""
    dtype: Any
    """Its TensorFlow type."""
    shape: Any
    """Its TensorShape."""


def trace_of(source: SavedModel) -> Trace:
    """Return what a SavedModel serves. Raises SourceError where it can't be read, or serves nothing."""
    graph, signature = _read(source.path)
    outputs = {one.name: name for name, one in sorted(signature.outputs.items())}
    inputs = {one.name: name for name, one in sorted(signature.inputs.items())}
    _keep_needed(graph, {_node(name) for name in outputs})
    _forget_state(graph)
    variables = {node.name: _become_input(node) for node in graph.node if node.op == "VarHandleOp"}
    Surgeon(graph).read_from_inputs(variables, {_node(name) for name in outputs})
    return Trace(source, Lifted(graph, variables), inputs, outputs)


def _read(path: Path) -> tuple[Any, Any]:
    """Return the graph, and the signature to read it by."""
    try:
        found = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    except (DecodeError, OSError) as fault:
        raise SourceError(f"{path}: its saved_model.pb can't be read: {fault}") from fault
    graph = next(
        (one for one in found.meta_graphs if one.signature_def), saved_model_pb2.SavedModel().meta_graphs.add()
    )
    return graph.graph_def, graph.signature_def[chosen(path, graph.signature_def)]


def chosen(path: Path, names: Iterable[str]) -> str:
    """Return the signature that a SavedModel is read by: what it serves by default, else the first by name."""
    own = sorted(name for name in names if not name.startswith(_OF_TENSORFLOW))
    if not own:
        raise SourceError(f"{path}: a SavedModel is read by its signatures, this one has none")
    return SERVED if SERVED in own else own[0]


def _keep_needed(graph: Any, outputs: Iterable[str]) -> None:
    """Take out the nodes that no output depends on: savers, initializers, other signatures."""
    nodes = {node.name: node for node in graph.node}
    needed, left = set(), list(outputs)
    while left:
        name = left.pop()
        if name in nodes and name not in needed:
            needed.add(name)
            left.extend(map(_node, nodes[name].input))
    kept = [node for node in graph.node if node.name in needed]
    del graph.node[:]
    graph.node.extend(kept)


def _forget_state(graph: Any) -> None:
    """Take away what the file says of state, which is elements now: the shapes of handles, and an order of writes."""
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        for node in nodes:
            node.op = _STATELESS.get(node.op, node.op)
            node.attr.pop("_output_shapes", None)


def _become_input(node: Any) -> Declared:
    """Turn the handle of a variable into an input of its shape."""
    shape, dtype = tf.TensorShape(node.attr["shape"].shape), tf.as_dtype(node.attr["dtype"].type)
    node.op = "Placeholder"
    kept = {name for name in node.attr if name not in {"dtype", "shape"}}
    for name in kept:
        del node.attr[name]
    return Declared(node.name, dtype, shape)


def _node(name: str) -> str:
    return name.removeprefix("^").partition(":")[0]
