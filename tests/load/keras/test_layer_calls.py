"""Which layer call a node comes from, judged by values: what each layer returns in Keras, what each node computes.

A call's outputs and inputs are looked for among the values that onnxruntime computes for the graph, whatever their
layout. A node belongs to the innermost call of which it computes an output, wholly or in part, and no input.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import permutations

import networkx as nx
import numpy as np
import onnx
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
pytest.importorskip("tf2onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from graphcost import analyze  # noqa: E402  # where there is TensorFlow
from graphcost.errors import SourceError  # noqa: E402  # as above
from graphcost.load.keras import convert, layers  # noqa: E402  # as above
from graphcost.load.origin import CALL, VARIABLE, entry  # noqa: E402  # as above
from models import MODELS, Blocks, perceptron  # noqa: E402  # as above

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow and Keras warn of their own insides

_MOVES = """
    Cast Concat ConstantOfShape Expand Flatten Gather GatherElements GatherND Identity Pad Range Reshape Shape Slice
    Split Squeeze Tile Transpose Unsqueeze
"""
MOVES = frozenset(_MOVES.split())
"""Operators that compute nothing: their values are those of others, so that values don't tell whose they are."""


# What Keras does


@dataclass(eq=False)
class Called:
    """One call of a layer."""

    layer: object
    number: int
    """Of the calls of this layer, counted from 1."""
    caller: Called | None
    inputs: list
    outputs: list = field(default_factory=list)
    masks: list = field(default_factory=list)
    """What it may make as well: functional models remember these operations and run them again, as their own."""
    is_inside: bool = False
    """Whether the layer has come to run its own `call`."""

    def around(self):
        """Return the calls that it is part of."""
        return set() if self.caller is None else {self.caller} | self.caller.around()

    def is_repeated(self):
        """Return whether it is a step of a loop: all steps are one node."""
        return any(isinstance(one.layer, keras.layers.RNN) and not one.layer.unroll for one in self.around())


class Listener:
    """Hears every call of a model's layers, also those by a layer that runs another one's `call` itself."""

    def __init__(self):
        self.calls, self.open, self.times = [], [], Counter()

    def run(self, layer, function, args, kwargs):
        self.times[id(layer)] += 1
        given = tensors((args, kwargs)) + masks((args, kwargs))
        call = Called(layer, self.times[id(layer)], self.open[-1] if self.open else None, given)
        self.calls.append(call)
        self.open.append(call)
        found = function(*args, **kwargs)
        self.open.pop()
        call.outputs, call.masks = tensors(found), masks(found)
        return found

    def around_call(self, layer, function):
        def called(*args, **kwargs):
            if self.open[-1].layer is layer and not self.open[-1].is_inside:
                self.open[-1].is_inside = True
                return function(*args, **kwargs)
            return self.run(layer, function, args, kwargs)

        return called


@contextmanager
def listening(model):
    listener, known = Listener(), layers_of(model)
    original = keras.layers.Layer.__call__

    def called(self, *args, **kwargs):
        if not any(self is one for one in known):
            return original(self, *args, **kwargs)
        return listener.run(self, lambda *args, **kwargs: original(self, *args, **kwargs), args, kwargs)

    for one in known:
        vars(one)["call"] = listener.around_call(one, one.call)
    keras.layers.Layer.__call__ = called
    try:
        yield listener.calls
    finally:
        keras.layers.Layer.__call__ = original
        for one in known:
            del vars(one)["call"]


def layers_of(model):
    found, left = {id(model): model}, [model]
    while left:
        new = {id(one): one for one in inside(left.pop()) if id(one) not in found}
        found |= new
        left += new.values()
    return list(found.values())


def inside(layer):
    return list(layer._flatten_layers(include_self=False, recursive=False))  # noqa: SLF001  # `layers` lacks some


def tensors(tree):
    """Return the elements of the tensors in a structure, without those that are still symbols."""
    return [wide(one.numpy()) for one in keras.tree.flatten(tree) if keras.ops.is_tensor(one) and hasattr(one, "numpy")]


def masks(tree):
    """Return the masks that run beside the tensors in a structure."""
    return tensors([getattr(one, "_keras_mask", None) for one in keras.tree.flatten(tree)])


def wide(array):
    """Return an array as floats or integers of 64 bits, which can be compared."""
    return np.asarray(array, np.float64 if array.dtype.kind == "f" else np.int64)


def calls_of(model, inputs):
    """Return the calls of one run of a model, in the order in which they begin."""
    with listening(model) as calls:
        model(inputs if len(inputs) > 1 else inputs[0])
    return [call for call in calls if not call.is_repeated()]


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
    found = session.run(names, {one.name: feeds[one.name] for one in session.get_inputs()})
    return {name: wide(value) for name, value in (*feeds.items(), *zip(names, found, strict=True))}


def feeds_of(proto, model, inputs):
    """Return what a graph is given: each weight by the path that its name says."""
    weights = [one.name for one in proto.graph.input if entry(one.metadata_props, VARIABLE) is not None]
    own = [one for one in proto.graph.input if one.name not in weights]
    types = [onnx.helper.tensor_dtype_to_np_dtype(one.type.tensor_type.elem_type) for one in own]
    given = {one.name: array.astype(dtype) for one, array, dtype in zip(own, inputs, types, strict=True)}
    return given | {name: weight_of(model, name) for name in weights}


def weight_of(model, name):
    path, _, own = name.rpartition("/")
    layer = layer_at(model, path)
    named = [one for one in layer.variables if one.name == own]
    its_own = [one for one in named if one.path.split("/")[-2:-1] == [layer.name]]
    (found,) = its_own or named
    return np.asarray(found)


def layer_at(model, path):
    """Return the layer that a path leads to: by names, `_2` is the second of a name."""
    for part in filter(None, path.split("/")):
        name, _, number = part.rpartition("_")
        exact = [one for one in inside(model) if one.name == part]
        again = [one for one in inside(model) if one.name == name]
        model = exact[0] if exact else again[int(number) - 1]
    return model


# The judgement


class Judge:
    """Finds the calls that each node of a graph computes something for."""

    def __init__(self, graph, calls, values, tolerance):
        self.calls, self.tolerance, self.flow = calls, tolerance, flow(graph)
        self.values = {name: value for name, value in values.items() if name in self.flow}
        self.lost = []
        self.extents = {call: self.extent(call) for call in calls}

    def extent(self, call):
        """Return the values that a call surely makes, and those that it may make: some values equal each other."""
        outputs, masks = ([self.equal(one) for one in arrays if tells(one)] for arrays in (call.outputs, call.masks))
        if not all(outputs):
            self.lost.append(call)
            return set(), set()
        inputs = [names for one in call.inputs if tells(one) for names in self.sources(one)]
        ends = set().union(*inputs)
        sure = self.before(self.first(outputs), ends) - self.upto(self.last(inputs))
        possible = self.before(self.first(outputs + masks), ends) - self.upto(self.first(inputs))
        return sure, possible | self.between(inputs) | self.between(outputs)

    def sources(self, array):
        """Return the values that an input stands for: itself, else the inputs of the call that was fused into this."""
        names = self.equal(array)
        if names:
            return [names]
        maker = next(call for call in self.calls if any(np.array_equal(array, one) for one in call.outputs))
        return [names for one in maker.inputs if tells(one) for names in self.sources(one)]

    def before(self, names, ends):
        """Return what is computed for some values, themselves included, without the ends and what lies before them."""
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
        """Return the names of the values that hold the same elements, in whatever layout."""
        return [name for name, value in self.values.items() if self.same(value, array)]

    def same(self, value, array):
        if value.size != array.size or value.dtype != array.dtype:
            return False
        near = self.tolerance * np.abs(array).max() if array.dtype.kind == "f" else 0
        if np.abs(np.sort(value, None) - np.sort(array, None)).max() > near:
            return False
        value = value.squeeze()
        layouts = (value.transpose(order).ravel() for order in permutations(range(value.ndim)))
        return any(np.abs(layout - array.ravel()).max() <= near for layout in layouts)

    def right(self, node):
        """Return the innermost calls that a node may belong to; one, where values decide."""
        made = set(node.output)
        around = set().union(*(call.around() for call, (sure, _) in self.extents.items() if made & sure))
        return [call for call, (_, possible) in self.extents.items() if made & possible and call not in around]

    def is_right(self, node, layer, number):
        return any(call.layer is layer and call.number == number for call in self.right(node))


def tells(array):
    """Return whether an array can be told from others: not if all its elements are equal."""
    return array.size > 1 and array.min() != array.max()


def flow(graph):
    """Return which value is computed from which."""
    found = nx.DiGraph()
    for node in graph.node:
        outputs = [name for name in node.output if name]
        found.add_nodes_from(outputs)
        found.add_edges_from((one, output) for one in reads(node) for output in outputs)
    return found


def reads(node):
    """Return what a node reads, its bodies included."""
    found = {name for name in node.input if name}
    for body in (one.g for one in node.attribute if one.HasField("g")):
        made = {name for inner in body.node for name in inner.output}
        made |= {one.name for one in (*body.input, *body.initializer)}
        found |= {name for inner in body.node for name in reads(inner)} - made
    return found


def judged(name, conversion):
    """Return a model, what it was converted into, and the judge of this."""
    model, inputs = MODELS[name]()
    calls = calls_of(model, inputs)
    proto = conversion(model, {})
    tolerance = 1e-2 if name.startswith("mixed") else 1e-4
    return model, proto, Judge(proto.graph, calls, values_of(proto, feeds_of(proto, model, inputs)), tolerance)


def label_of(node):
    return entry(node.metadata_props, CALL)


def named(label, model):
    """Return the layer that a label names, and which of its calls."""
    path, _, number = label.partition("#")
    return layer_at(model, path), int(number or 1)


def computing(proto):
    return [node for node in proto.graph.node if node.op_type not in MOVES]


def wrong(model, proto, judge):
    """Return the nodes that compute something and have the label of another call."""
    return [
        (node.op_type, node.name, label_of(node), [f"{one.layer.name}#{one.number}" for one in judge.right(node)])
        for node in computing(proto)
        if not judge.is_right(node, *named(label_of(node), model))
    ]


@pytest.mark.parametrize("name", MODELS)
def test_every_node_is_labelled_with_the_layer_call_that_it_computes_for(name):
    model, proto, judge = judged(name, convert.structure)
    assert wrong(model, proto, judge) == []
    assert {type(call.layer).__name__ for call in judge.lost} <= {"ZeroPadding2D"}  # part of the convolution behind it
    for node in proto.graph.node:
        named(label_of(node), model)


@pytest.mark.parametrize("name", ["residual", "shared_model", "transformer", "mobile_net"])
def test_the_nodes_of_an_export_with_weights_are_labelled_too(name):
    assert wrong(*judged(name, convert.export)) == []


@pytest.mark.parametrize("name", ["nested", "shared_three_times", "distributed_dense", "layers_with_layers"])
def test_the_judge_takes_no_other_label(name):
    """Where values decide, one call is right, and so is no label of another."""
    model, proto, judge = judged(name, convert.structure)
    labels = {label_of(node) for node in proto.graph.node}
    decided = [node for node in computing(proto) if len(judge.right(node)) == 1]
    assert len(decided) > 0.7 * len(computing(proto))
    for node in decided:
        assert [one for one in labels if judge.is_right(node, *named(one, model))] == [label_of(node)]


# What the labels are made of


def test_rows_say_the_labels():
    model, _ = MODELS["shared_model"]()
    rows = {row.cost.node.name: row.layer for row in analyze(model).rows}
    assert rows == {node.name: label_of(node) for node in convert.structure(model, {}).graph.node}
    assert {"", "tower/twice", "tower/twice#2", "tower/twice#3", "tower/twice#4", "tower/once", "tower/once#2"} <= set(
        rows.values()
    )


def test_a_body_belongs_to_the_layer_of_its_loop():
    model, _ = MODELS["loops"]()
    loops = [node for node in convert.structure(model, {}).graph.node if node.op_type == "Loop"]
    assert [label_of(node) for node in loops] == ["rnn", "rnn_1"]
    for loop in loops:
        bodies = [one.g for one in loop.attribute if one.HasField("g")]
        assert {label_of(node) for body in bodies for node in body.node} == {label_of(loop)}


def test_tries_that_build_a_model_are_no_calls():
    """Keras runs a model that was never built once for its shapes, into a graph that it throws away."""
    keras.utils.clear_session()
    proto = convert.structure(Blocks(), {"inputs": (2, 6)})
    assert not any("#" in label_of(node) for node in proto.graph.node)


def test_layers_are_as_before_when_a_trace_fails():
    class Broken(keras.layers.Layer):
        def call(self, inputs):
            if not tf.executing_eagerly():
                raise RuntimeError("broken")
            return inputs

        def compute_output_shape(self, shape):
            return shape

    given = keras.layers.Input((5,))
    model = keras.Sequential([given, perceptron(5, "mlp"), Broken()])
    before = dict(vars(keras.layers.Layer))
    with pytest.raises(SourceError, match="traced"):
        convert.structure(model, {})
    assert vars(keras.layers.Layer) == before
    assert not any("call" in vars(one) for one in layers_of(model))


def test_layers_of_one_name_are_numbered():
    model, _ = MODELS["same_names_in_a_subclass"]()
    tree = layers.tree(model)
    assert {tree.paths[id(one)]: one for one in tree.layers} == {
        "": model,
        "mlp": model.last,
        "mlp/dense": model.last.layers[1],
        "mlp/dense_1": model.last.layers[2],
        "mlp_2": model.first,
        "mlp_2/dense": model.first.layers[1],
        "mlp_2/dense_1": model.first.layers[2],
        "dense": model.unused,
    }


SCOPES = layers.Scopes({"model": "", "model/one": "one", "model/two": "two#2", "model/two/inner": "two/inner"})


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("model/Add", ""),
        ("model/one/MatMul", "one"),
        ("model/one/deeper/MatMul__12", "one"),
        ("model/two/inner/Add", "two/inner"),
        ("model/one_1/Add", ""),
        ("model/one", ""),
        ("Transpose__4", None),
        ("other/one/Add", None),
    ],
)
def test_the_innermost_scope_says_the_call(name, label):
    assert SCOPES.of(name) == label


def assigned(text, **owned):
    graph = onnx.parser.parse_graph(f"g (float[2,2] x, float[2,2] w) => (float[2,2] y) {{ {text} }}")
    return layers.assign(graph, SCOPES, owned)


def test_what_moves_elements_belongs_to_its_reader_and_all_else_to_what_it_reads():
    found = assigned("""
        ["model/one/Exp"] a = Exp(x)
        ["Neg__1"] b = Neg(a)
        ["Transpose__2"] c = Transpose(b)
        ["Reshape__3"] d = Identity(c)
        ["model/two/Exp"] e = Exp(d)
        ["Transpose__4"] y = Transpose(e)
    """)
    assert found == ["one", "one", "two#2", "two#2", "two#2", "two#2"]


def test_what_prepares_a_weight_belongs_to_its_owner_and_what_only_moves_it_to_its_reader():
    found = assigned(
        """
        ["Neg__1"] a = Neg(w)
        ["Transpose__2"] b = Transpose(w)
        ["model/one/Add"] c = Add(x, a)
        ["model/two/Add"] y = Add(c, b)
        """,
        w="three",
    )
    assert found == ["three", "two#2", "one", "two#2"]


def test_a_name_without_scope_among_those_without_is_the_model_itself():
    assert assigned('["Neg__1"] y = Neg(x)') == [""]
