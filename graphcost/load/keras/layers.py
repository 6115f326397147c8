"""Which layer each node of a converted graph comes from, and the tree of a model's layers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

import keras

from graphcost.types import Layer, Weight

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    import onnx

    from graphcost.load.keras.trace import LayerCall
    from graphcost.types import Value

_MOVES = """
    Cast Concat DepthToSpace Expand Flatten Gather Identity Pad Reshape Shape Slice SpaceToDepth Split Squeeze Tile
    Transpose Unsqueeze
"""
MOVES = frozenset(_MOVES.split())
"""The operators that only bring elements to where the next node wants them."""


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """The layers of a model by their paths."""

    paths: Mapping[int, str]
    """By a layer's id, where it stands in the model: `encoder/dense`; the model itself is empty."""
    layers: tuple[Any, ...]
    """The layers in the order of the model, each once."""
    weights: Mapping[str, tuple[Any, ...]]
    """By a layer's path, its own variables as TensorFlow sees them; a variable that several hold is the first one's."""
    trainable: frozenset[int]
    """The ids of those that training changes: a frozen model has none, whatever its variables say."""


def tree(source: Any, captured: Iterable[Any] = ()) -> Tree:
    """Return the layers of a source: a Keras model's own tree; of anything else, itself alone.

    What else than a Keras model has no list of its weights that could be trusted: the variables that its graph
    captured belong to it, too.
    """
    paths: dict[int, str] = {}
    layers: list[Any] = []

    def add(layer: Any, path: str) -> None:
        paths[id(layer)] = path
        layers.append(layer)
        for inner in _inside(layer):
            if id(inner) not in paths and not isinstance(inner, keras.layers.InputLayer):
                add(inner, _free(f"{path}/{inner.name}".lstrip("/"), paths.values()))

    add(source, "")
    is_model = isinstance(source, keras.layers.Layer)
    held = {paths[id(layer)]: _own_variables(layer) for layer in layers}
    held[""] += [] if is_model else list(captured)
    weights = dict(_each_once(held))
    chosen = source.trainable_weights if is_model else (one for one in weights[""] if getattr(one, "trainable", True))
    return Tree(paths, tuple(layers), weights, frozenset(id(_value_of(one)) for one in chosen))


def _free(path: str, taken: Collection[str]) -> str:
    found, again = path, 1
    while found in taken:
        again += 1
        found = f"{path}_{again}"
    return found


def _inside(layer: Any) -> list[Any]:
    """Return the layers that a layer holds itself; the cell that a recurrent layer loops over is a part of it."""
    if not isinstance(layer, keras.layers.Layer) or (isinstance(layer, keras.layers.RNN) and not layer.unroll):
        return []
    return list(layer._flatten_layers(include_self=False, recursive=False))  # `layers` lacks those of layers


def _own_variables(layer: Any) -> list[Any]:
    """Return the variables of a layer that are counted as its weights, without those of the layers inside it."""
    if not isinstance(layer, keras.layers.Layer):
        return [*(getattr(layer, "weights", None) or getattr(layer, "variables", None) or ())]
    inner = {id(one) for inside in _inside(layer) for one in inside.weights}
    return [one for one in layer.weights if id(one) not in inner]


def _each_once(held: Mapping[str, Iterable[Any]]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    seen: set[int] = set()
    for path, variables in held.items():
        new = {id(one): one for one in map(_value_of, variables) if id(one) not in seen}
        seen.update(new)
        yield path, tuple(new.values())


def _value_of(variable: Any) -> Any:
    """Return what TensorFlow sees of a variable of Keras."""
    return getattr(variable, "_value", variable)


def described(one: Tree, calls: Sequence[LayerCall], renamed: Mapping[str, str]) -> Iterator[Layer]:
    """Yield what is said about each layer of a tree; `renamed` gives tensors that have another name in the graph."""
    outputs: dict[int, list[tuple[Value, ...]]] = {}
    for call in calls:
        values = (replace(value, name=renamed.get(value.name) or value.name) for value in call.outputs)
        outputs.setdefault(id(call.layer), []).append(tuple(values))
    for layer in one.layers:
        path = one.paths[id(layer)]
        yield Layer(
            path=path,
            class_name=type(layer).__name__,
            weights=tuple(_weight(variable, one.trainable) for variable in one.weights[path]),
            outputs=tuple(outputs.get(id(layer), ())),
            is_built=bool(getattr(layer, "built", True)),
        )


def _weight(variable: Any, trainable: Collection[int]) -> Weight:
    name = variable.name.partition(":")[0].rpartition("/")[2]
    return Weight(name, prod(map(int, variable.shape)), id(variable) in trainable)


def weights(one: Tree) -> Iterator[tuple[str, Any]]:
    """Yield the weights of all layers, with the path of the layer that owns each."""
    for path, variables in one.weights.items():
        yield from ((path, variable) for variable in variables)


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
