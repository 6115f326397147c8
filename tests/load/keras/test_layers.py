"""Which layer call a node comes from, judged by values: what each layer returns in Keras, what each node computes.

A call's outputs and inputs are looked for among the values that onnxruntime computes for the graph, whatever their
layout. A node belongs to the innermost call of which it computes an output, wholly or in part, and no input.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field

import networkx as nx
import numpy as np
import onnx
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
pytest.importorskip("tf2onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from models import MODELS  # noqa: E402  # where there is TensorFlow

from graphcost.load.keras import convert  # noqa: E402  # as above
from graphcost.load.origin import CALL, VARIABLE, entry  # noqa: E402  # as above

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow and Keras warn of their own insides

MOVES = frozenset(
    "Cast Concat ConstantOfShape Expand Flatten Gather GatherElements GatherND Identity Pad Range Reshape Shape Slice "
    "Split Squeeze Tile Transpose Unsqueeze".split()
)
"""Operators that compute nothing: their values are those of others."""


# What Keras does


@dataclass(eq=False)
class Called:
    """One call of a layer."""

    layer: object
    number: int
    """Of the calls of this layer, counted from 1."""
    caller: Called | None
    inputs: list = field(default_factory=list)
    outputs: list = field(default_factory=list)
    runs: bool = False

    def around(self):
        found, one = set(), self.caller
        while one is not None:
            found.add(one)
            one = one.caller
        return found


def layers_of(model):
    found = {id(model): model}
    left = [model]
    while left:
        for one in left.pop()._flatten_layers(include_self=False, recursive=False):
            if id(one) not in found:
                found[id(one)] = one
                left.append(one)
    return list(found.values())


@contextmanager
def listening(model):
    """Record every call of a model's layers, also when another layer runs one's `call` itself."""
    calls, stack, times = [], [], Counter()

    def run(layer, function, args, kwargs):
        times[id(layer)] += 1
        call = Called(layer, times[id(layer)], stack[-1] if stack else None, arrays((args, kwargs)))
        calls.append(call)
        stack.append(call)
        try:
            found = function(*args, **kwargs)
        finally:
            stack.pop()
        call.outputs = arrays(found)
        return found

    def inner(layer, function):
        def called(*args, **kwargs):
            if stack and stack[-1].layer is layer and not stack[-1].runs:
                stack[-1].runs = True
                return function(*args, **kwargs)
            return run(layer, function, args, kwargs)

        return called

    original = keras.layers.Layer.__call__
    known = layers_of(model)

    def outer(self, *args, **kwargs):
        if not any(self is one for one in known):
            return original(self, *args, **kwargs)
        return run(self, lambda *args, **kwargs: original(self, *args, **kwargs), args, kwargs)

    for one in known:
        vars(one)["call"] = inner(one, one.call)
    keras.layers.Layer.__call__ = outer
    try:
        yield calls
    finally:
        keras.layers.Layer.__call__ = original
        for one in known:
            del vars(one)["call"]


def arrays(tree):
    """Return the tensors in a structure, and the masks that run beside them."""
    tensors = [one for one in keras.tree.flatten(tree) if keras.ops.is_tensor(one)]
    masks = [one._keras_mask for one in tensors if getattr(one, "_keras_mask", None) is not None]
    return [np.asarray(one) for one in (*tensors, *masks) if not keras.ops.is_tensor(one) or hasattr(one, "numpy")]


def calls_of(model, inputs):
    """Return the calls of one run of a model, in the order in which they begin."""
    with listening(model) as calls:
        model(inputs if len(inputs) > 1 else inputs[0])
    return calls


# What ONNX does


def values_of(proto, feeds):
    """Return every value of a graph by name."""
    shown = onnx.ModelProto.FromString(proto.SerializeToString())
    names = [name for node in proto.graph.node for name in node.output if name]
    del shown.graph.output[:]
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(shown.SerializeToString(), options, ["CPUExecutionProvider"])
    wanted = [one.name for one in session.get_inputs()]
    found = session.run(names, {name: feeds[name] for name in wanted})
    return {**feeds, **dict(zip(names, found, strict=True))}


def feeds_of(proto, model, inputs):
    """Return what a graph is given: each weight by the path that its name says."""
    own = [one for one in proto.graph.input if entry(one.metadata_props, VARIABLE) is None]
    weights = [one.name for one in proto.graph.input if entry(one.metadata_props, VARIABLE) is not None]
    given = {one.name: array.astype(dtype_of(one)) for one, array in zip(own, inputs, strict=True)}
    return given | {name: weight_of(model, name) for name in weights}


def dtype_of(value):
    return onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)


def weight_of(model, name):
    path, _, own = name.rpartition("/")
    layer = layer_at(model, path)
    (found,) = (one for one in layer.variables if one.name == own and one.path.split("/")[-2:-1] in ([layer.name], []))
    return np.asarray(found)


def layer_at(model, path):
    """Return the layer that a path leads to: by names, `_2` is the second of a name."""
    for part in filter(None, path.split("/")):
        inside = [one for one in model._flatten_layers(include_self=False, recursive=False)]
        named, _, number = part.rpartition("_")
        exact = [one for one in inside if one.name == part]
        again = [one for one in inside if one.name == named]
        model = exact[0] if exact else again[int(number) - 1]
    return model


# The judgement


class Judge:
    """Finds what each node of a graph computes for which calls."""

    def __init__(self, graph, calls, values, tolerance):
        self.calls, self.values, self.tolerance = calls, values, tolerance
        self.flow = flow(graph)
        self.by_size = {}
        for name, value in values.items():
            if name in self.flow:
                self.by_size.setdefault(value.size, []).append(name)
        self.sorted = {name: canonical(value) for name, value in values.items()}
        self.lost = []
        self.sure, self.possible = {}, {}
        for call in calls:
            self.sure[call], self.possible[call] = self.extent(call)

    def extent(self, call):
        """Return the values that a call surely makes, and those that it may make: some values equal each other."""
        outputs, inputs = ([self.equal(one) for one in arrays if tells(one)] for arrays in (call.outputs, call.inputs))
        if not all(outputs) or not all(inputs):
            self.lost.append(call)
            return set(), set()
        ends = set().union(*inputs)
        sure = self.before(self.first(outputs), ends) - self.upto(self.last(inputs))
        possible = self.before(self.first(outputs), ends) - self.upto(self.first(inputs))
        return sure, possible | self.between(inputs) | self.between(outputs)

    def before(self, names, ends):
        """Return what is computed for some values, themselves included, but not for others, the ends."""
        found, left = set(), [name for name in names if name not in ends]
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += [one for one in self.flow.predecessors(name) if one not in ends]
        return found

    def upto(self, names):
        return set(names).union(*(nx.ancestors(self.flow, name) for name in names))

    def between(self, groups):
        """Return what is computed from a value for another one that is equal."""
        found = set()
        for names in groups:
            after = set().union(*(nx.descendants(self.flow, name) for name in names))
            found |= after & self.upto(names)
        return found

    def first(self, groups):
        """Return the values that depend on none that equals them."""
        return {one for names in groups for one in names if not nx.ancestors(self.flow, one) & set(names)}

    def last(self, groups):
        """Return the values on which none depends that equals them."""
        return {one for names in groups for one in names if not nx.descendants(self.flow, one) & set(names)}

    def equal(self, array):
        """Return the names of the values that hold the same elements."""
        wanted = canonical(array)
        return [name for name in self.by_size.get(array.size, ()) if self.same(name, array, wanted)]

    def same(self, name, array, wanted):
        value = self.values[name]
        if value.dtype.kind != array.dtype.kind:
            return False
        if value.dtype.kind != "f" or value.size < 3:
            return (
                np.array_equal(value.ravel(), array.ravel())
                if value.dtype.kind != "f"
                else np.allclose(value.ravel(), array.ravel(), self.tolerance, self.tolerance)
            )
        return np.allclose(self.sorted[name], wanted, self.tolerance, self.tolerance * max(1e-3, np.abs(wanted).max()))

    def calls_for(self, node):
        """Return the innermost calls that a node may belong to; one, where values decide."""
        made = set(node.output)
        around = set().union(*(call.around() for call in self.calls if made & self.sure[call]))
        return [call for call in self.calls if made & self.possible[call] and call not in around]


def tells(array):
    """Return whether an array can be told from others: not if all its elements are equal."""
    return array.size > 1 and array.min() != array.max()


def canonical(array):
    return np.sort(np.asarray(array, np.float64).ravel()) if array.dtype.kind in "biuf" else array


def flow(graph):
    found = nx.DiGraph()
    for node in graph.node:
        for output in filter(None, node.output):
            found.add_node(output)
            found.add_edges_from((one, output) for one in reads(node))
        first, *others = filter(None, node.output)
        found.add_edges_from((f"{first}", one) for one in others[:0])
    return found


def reads(node):
    """Return what a node reads, its bodies included."""
    found = {one for one in node.input if one}
    for attribute in node.attribute:
        if attribute.HasField("g"):
            made = {name for inner in attribute.g.node for name in inner.output}
            made |= {one.name for one in (*attribute.g.input, *attribute.g.initializer)}
            found |= {name for inner in attribute.g.node for name in reads(inner)} - made
    return found


def label_of(node):
    return entry(node.metadata_props, CALL)


def called_by(label, model):
    """Return the layer that a label names, and which of its calls."""
    path, _, number = label.partition("#")
    return layer_at(model, path), int(number or 1)


def judged(name):
    model, inputs = MODELS[name]()
    calls = calls_of(model, inputs)
    proto = convert.structure(model, {})
    feeds = feeds_of(proto, model, inputs)
    tolerance = 1e-2 if name.startswith("mixed") else 1e-4
    judge = Judge(proto.graph, calls, values_of(proto, feeds), tolerance)
    return model, proto, judge


def verdicts(model, proto, judge):
    for node in proto.graph.node:
        right = judge.calls_for(node)
        layer, number = called_by(label_of(node), model)
        is_right = any(call.layer is layer and call.number == number for call in right)
        yield node, right, is_right


@pytest.mark.parametrize("name", MODELS)
def test_nodes_know_their_layer_call(name):
    model, proto, judge = judged(name)
    wrong = [
        (node.name, node.op_type, label_of(node), [f"{one.layer.name}#{one.number}" for one in right])
        for node, right, is_right in verdicts(model, proto, judge)
        if not is_right and node.op_type not in MOVES
    ]
    assert wrong == []
