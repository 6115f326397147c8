"""Which layer each node of a converted graph comes from, and the tree of a model's layers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import keras

from graphcost.types import Layer, Weight

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import onnx

    from graphcost.load.keras.trace import LayerCall
    from graphcost.types import Value

_MOVES = """
    Cast Concat DepthToSpace Expand Flatten Gather Identity Pad Reshape Shape Slice SpaceToDepth Split Squeeze Tile
    Transpose Unsqueeze
"""
MOVES = frozenset(_MOVES.split())
"""The operators that only bring elements to where the next node wants them."""


_CELLS = (keras.layers.SimpleRNNCell, keras.layers.GRUCell, keras.layers.LSTMCell)
"""What a recurrent layer repeats: one node of ONNX is the layer with its cell."""


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """The layers of a model by their paths."""

    paths: Mapping[int, str]
    """By a layer's id, where it stands in the model: `encoder/dense`; the model itself is empty."""
    layers: tuple[Any, ...]
    """The layers in the order of the model, each once."""


def tree(source: Any) -> Tree:
    """Return the layers of a source: a Keras model's own tree; of anything else, itself alone."""
    paths: dict[int, str] = {}
    layers: list[Any] = []

    def add(layer: Any, path: str) -> None:
        paths[id(layer)] = path
        layers.append(layer)
        names: Counter[str] = Counter()
        for inner in _inside(layer):
            if id(inner) not in paths and not isinstance(inner, keras.layers.InputLayer):
                names[inner.name] += 1
                suffix = f"_{names[inner.name]}" if names[inner.name] > 1 else ""
                add(inner, f"{path}/{inner.name}{suffix}".lstrip("/"))

    add(source, "")
    return Tree(paths, tuple(layers))


def _inside(layer: Any) -> list[Any]:
    """Return the layers that a layer holds itself."""
    if not isinstance(layer, keras.layers.Layer) or isinstance(getattr(layer, "cell", None), _CELLS):
        return []
    return list(layer._flatten_layers(include_self=False, recursive=False))  # `layers` lacks those of layers


def described(one: Tree, calls: Sequence[LayerCall]) -> Iterator[Layer]:
    """Yield what is said about each layer of a tree."""
    outputs: dict[int, list[tuple[Value, ...]]] = {}
    for call in calls:
        outputs.setdefault(id(call.layer), []).append(tuple(call.outputs))
    for layer in one.layers:
        yield Layer(
            path=one.paths[id(layer)],
            class_name=type(layer).__name__,
            weights=tuple(map(_weight, _own_variables(layer))),
            outputs=tuple(outputs.get(id(layer), ())),
            is_built=bool(getattr(layer, "built", True)),
        )


def _own_variables(layer: Any) -> list[Any]:
    """Return the variables of a layer that are counted as its weights, without those of the layers inside it."""
    if not isinstance(layer, keras.layers.Layer):
        return [*(getattr(layer, "weights", None) or getattr(layer, "variables", None) or ())]
    inner = {id(one) for inside in _inside(layer) for one in inside.weights}
    return [one for one in layer.weights if id(one) not in inner]


def _weight(variable: Any) -> Weight:
    name = variable.name.partition(":")[0].rpartition("/")[2]
    return Weight(name, prod(map(int, variable.shape)), bool(getattr(variable, "trainable", True)))


def weights(one: Tree) -> Iterator[tuple[str, Any]]:
    """Yield the weights of all layers as TensorFlow sees them, with the path of the layer that owns each."""
    for layer in one.layers:
        for variable in _own_variables(layer):
            yield one.paths[id(layer)], getattr(variable, "_value", variable)


@dataclass(frozen=True, slots=True)
class Scopes:
    """The name scopes of layer calls, and whose they are."""

    by_scope: Mapping[str, str]
    """By the scope, the layer's path; of a later call of the same layer, with its number: `dense#2`."""

    def of(self, name: str) -> str | None:
        """Return the innermost layer call whose scope a name begins with."""
        parts = name.split("/")
        for length in range(len(parts) - 1, 0, -1):
            found = self.by_scope.get("/".join(parts[:length]))
            if found is not None:
                return found
        return None


def scopes(one: Tree, calls: Iterable[LayerCall]) -> Scopes:
    """Return whose each name scope is; a layer that is no part of the tree counts as the one that called it."""
    found: dict[str, str] = {}
    labels: dict[LayerCall | None, str] = {None: ""}
    times: Counter[int] = Counter()
    for call in calls:
        path = one.paths.get(id(call.layer))
        if path is None:
            labels[call] = labels[call.caller]
        else:
            times[id(call.layer)] += 1
            again = times[id(call.layer)]
            labels[call] = path if again == 1 else f"{path}#{again}"
        found[call.scope] = labels[call]
    return Scopes(found)


def assign(graph: onnx.GraphProto, scopes: Scopes, owned: Mapping[str, str]) -> list[str]:
    """Return the layer call of each node; `owned` says which layer each of the graph's inputs belongs to, if any.

    The scope in a node's name says it, or in that of its outputs. Where a conversion left none, what only moves
    elements belongs to the node that reads them, anything else to the node, or to the owner of the weight, that it
    reads.
    """
    found = [_by_name(node, scopes) for node in graph.node]
    _from_readers(graph, found)
    _from_writers(graph, found, owned)
    return [label or "" for label in found]


def _by_name(node: onnx.NodeProto, scopes: Scopes) -> str | None:
    labels = (scopes.of(name) for name in (node.name, *node.output))
    return next((label for label in labels if label is not None), None)


def _from_readers(graph: onnx.GraphProto, found: list[str | None]) -> None:
    readers: dict[str, str | None] = {}
    for place in range(len(graph.node) - 1, -1, -1):
        node = graph.node[place]
        if found[place] is None and node.op_type in MOVES:
            found[place] = next((readers[name] for name in node.output if readers.get(name) is not None), None)
        for name in node.input:
            readers[name] = found[place]


def _from_writers(graph: onnx.GraphProto, found: list[str | None], owned: Mapping[str, str]) -> None:
    writers: dict[str, str | None] = {**owned}
    for place, node in enumerate(graph.node):
        if found[place] is None:
            found[place] = next((writers[name] for name in node.input if writers.get(name) is not None), None)
        writers.update(dict.fromkeys(node.output, found[place]))
