"""What a recurrent layer becomes: one node each, which computes in onnxruntime what the layer computes in Keras."""

from __future__ import annotations

from collections import Counter, OrderedDict

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")
tfonnx = pytest.importorskip("tf2onnx.tfonnx")
optimizer = pytest.importorskip("tf2onnx.optimizer")
onnxruntime = pytest.importorskip("onnxruntime")

from graphcost.load.keras.recurrent import HANDLERS, leave_out_unread, marking  # noqa: E402  # where there is TensorFlow

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow and Keras warn of their own insides

STEPS, FEATURES, UNITS = 5, 3, 4
KINDS = ["SimpleRNN", "GRU", "LSTM"]
OPERATOR = {"SimpleRNN": "RNN", "GRU": "GRU", "LSTM": "LSTM"}
PASSES = ["optimize_transpose", "fold_constants", "remove_identity", "remove_back_to_back"]
RANDOM = np.random.default_rng(0)


# The way from a layer to ONNX, shortened: variables become inputs, the rest is tf2onnx's.


def traced(model, *, training=False, marked=True):
    def call(*tensors):
        return model(list(tensors) if len(tensors) > 1 else tensors[0], training=training)

    specs = [tf.TensorSpec(one.shape, one.dtype, name=f"given_{at}") for at, one in enumerate(model.inputs)]
    function = tf.function(call, autograph=False)
    if not marked:
        return function.get_concrete_function(*specs)
    with marking():
        return function.get_concrete_function(*specs)


def lifted(function):
    """Return the graph with inputs in place of variables, and the value of each."""
    graph = function.graph.as_graph_def()
    nodes = {node.name: node for node in graph.node}
    variables = {id(one.handle): one for one in function.graph.variables}
    values = {}
    for handle, placeholder in function.graph.captures:
        node, variable = nodes[placeholder.op.name], variables[id(handle)]
        node.ClearField("attr")
        node.attr["dtype"].type = variable.dtype.as_datatype_enum
        node.attr["shape"].shape.CopyFrom(variable.shape.as_proto())
        values[f"{node.name}:0"] = variable.numpy()
    for node in graph.node:
        if node.op == "ReadVariableOp":
            dtype = node.attr["dtype"].type
            node.op = "Identity"
            node.ClearField("attr")
            node.attr["T"].type = dtype
        kept = [name for name in node.input if not name.startswith("^")]
        del node.input[:]
        node.input.extend(kept)
    kept = [node for node in graph.node if node.op != "AssignVariableOp"]
    del graph.node[:]
    graph.node.extend(kept)
    return graph, values


def converted(model, **options):
    """Return a model's graph in ONNX, the names of its own inputs, and the values of its variables."""
    function = traced(model, **options)
    graph_def, values = lifted(function)
    inputs = [f"given_{at}:0" for at in range(len(model.inputs))]
    outputs = [one.name for one in function.outputs]
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        found = tfonnx.process_tf_graph(
            graph, opset=18, input_names=[*inputs, *values], output_names=outputs, custom_op_handlers=HANDLERS
        )
    known = optimizer._get_optimizers()  # noqa: SLF001  # tf2onnx lets one choose them in no other way
    passes = OrderedDict((name, known[name]) for name in PASSES)
    proto = optimizer.optimize_graph(found, catch_errors=False, optimizers=passes).make_model("made")
    leave_out_unread(proto.graph)
    onnx.checker.check_model(proto, full_check=True)
    return proto, inputs, values


def filled(model):
    """Return a model of which no weight is zero or equal to another."""
    for one in model.variables:
        if one.dtype.startswith("float"):
            one.assign(RANDOM.normal(0, 0.5, one.shape))
    return model


def drawn(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def recurrent(proto):
    return [node for node in proto.graph.node if node.op_type in OPERATOR.values()]


def run(model, *arrays):
    """Return the graph of a model, and what onnxruntime makes of these inputs."""
    proto, inputs, values = converted(model)
    feed = dict(zip(inputs, arrays, strict=True)) | values
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    return proto, session.run(None, {one.name: feed[one.name] for one in proto.graph.input})


def check(model, *arrays, nodes):
    """Check that a model has these recurrent nodes and no loop, holds no weight, and computes what Keras computes."""
    expected = tf.nest.flatten(model(list(arrays) if len(arrays) > 1 else arrays[0]))
    proto, found = run(model, *arrays)
    assert Counter(node.op_type for node in recurrent(proto)) == nodes
    assert not {"Loop", "Scan", "If"} & {node.op_type for node in proto.graph.node}
    assert not [one.name for one in proto.graph.initializer if one.dims and one.data_type == onnx.TensorProto.FLOAT]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-4)
    return proto


def one_layer(layer, batch=2, steps=STEPS):
    given = keras.Input((steps, FEATURES), batch_size=batch)
    return filled(keras.Model(given, layer(given)))


LAYERS = {
    "last": {},
    "sequences": {"return_sequences": True},
    "backwards": {"go_backwards": True},
    "backwards sequences": {"go_backwards": True, "return_sequences": True},
    "no bias": {"use_bias": False},
    "states": {"return_state": True},
    "sequences and states": {"return_sequences": True, "return_state": True},
    "unrolled": {"unroll": True, "return_sequences": True},
    "reset before": {"reset_after": False},
    "reset before, no bias": {"reset_after": False, "use_bias": False, "return_sequences": True},
}
CASES = [(kind, case) for kind in KINDS for case in LAYERS if kind == "GRU" or "reset" not in case]


@pytest.mark.parametrize("batch", [None, 1, 2])
@pytest.mark.parametrize(("kind", "case"), CASES)
def test_a_layer_becomes_one_node_that_computes_the_same(kind, case, batch):
    model = one_layer(getattr(keras.layers, kind)(UNITS, name="reader", **LAYERS[case]), batch)
    proto = check(model, drawn(batch or 3, STEPS, FEATURES), nodes={OPERATOR[kind]: 1})
    assert "/reader" in recurrent(proto)[0].name


@pytest.mark.parametrize("batch", [None, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stack_becomes_a_node_per_layer(kind, batch):
    layer = getattr(keras.layers, kind)
    given = keras.Input((None, FEATURES), batch_size=batch)
    hidden = layer(UNITS, return_sequences=True)(given)
    model = filled(keras.Model(given, layer(2)(layer(5, return_sequences=True, go_backwards=True)(hidden))))
    check(model, drawn(batch or 3, STEPS, FEATURES), nodes={OPERATOR[kind]: 3})


@pytest.mark.parametrize("batch", [None, 1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_bidirectional_becomes_two_nodes(kind, batch):
    layer = keras.layers.Bidirectional(getattr(keras.layers, kind)(UNITS, return_sequences=True))
    check(one_layer(layer, batch), drawn(batch or 3, STEPS, FEATURES), nodes={OPERATOR[kind]: 2})


@pytest.mark.parametrize("mode", ["sum", "mul", "ave", "concat", None])
def test_bidirectional_merges_as_it_likes(mode):
    layer = keras.layers.Bidirectional(keras.layers.LSTM(UNITS, return_state=True), merge_mode=mode)
    check(one_layer(layer), drawn(2, STEPS, FEATURES), nodes={"LSTM": 2})


ACTIVATIONS = ["celu", "elu", "hard_sigmoid", "leaky_relu", "linear", "relu", "sigmoid", "softplus", "softsign"]


@pytest.mark.parametrize("name", [*ACTIVATIONS, "sparse_sigmoid"])
def test_activations_are_the_same_functions(name):
    given = keras.Input((STEPS, FEATURES))
    outputs = [
        keras.layers.SimpleRNN(UNITS, activation=name)(given),
        keras.layers.GRU(UNITS, activation=name, recurrent_activation="hard_sigmoid")(given),
        keras.layers.LSTM(UNITS, activation="leaky_relu", recurrent_activation=name)(given),
    ]
    model = filled(keras.Model(given, outputs))
    check(model, drawn(2, STEPS, FEATURES), nodes={"RNN": 1, "GRU": 1, "LSTM": 1})


def test_activations_of_other_homes_are_known():
    layer = keras.layers.LSTM(UNITS, activation=tf.nn.tanh, recurrent_activation=keras.ops.sigmoid)
    check(one_layer(layer), drawn(2, STEPS, FEATURES), nodes={"LSTM": 1})


@pytest.mark.parametrize("kind", KINDS)
def test_an_initial_state_is_taken_from_another_layer(kind):
    layer = getattr(keras.layers, kind)
    source, target = keras.Input((None, FEATURES)), keras.Input((STEPS, 2))
    _, *states = layer(UNITS, return_state=True)(source)
    model = filled(keras.Model([source, target], layer(UNITS)(target, initial_state=states)))
    proto = check(model, drawn(2, 7, FEATURES), drawn(2, STEPS, 2), nodes={OPERATOR[kind]: 2})
    first, second = recurrent(proto)
    assert len(first.input) == 4
    assert [bool(name) for name in second.input[4:]] == [False, *[True] * len(states)]


def test_bidirectional_takes_initial_states():
    given, states = keras.Input((STEPS, FEATURES)), [keras.Input((UNITS,)) for _ in range(4)]
    layer = keras.layers.Bidirectional(keras.layers.LSTM(UNITS))
    model = filled(keras.Model([given, *states], layer(given, initial_state=states)))
    check(model, drawn(2, STEPS, FEATURES), *(drawn(2, UNITS) for _ in states), nodes={"LSTM": 2})


@pytest.mark.parametrize("kind", KINDS)
def test_a_stateful_layer_begins_with_its_states(kind):
    model = one_layer(getattr(keras.layers, kind)(UNITS, stateful=True))
    before = [one.numpy() for one in model.layers[-1].states]
    array = drawn(2, STEPS, FEATURES)
    expected = model(array).numpy()
    for state, value in zip(model.layers[-1].states, before, strict=True):
        state.assign(value)
    proto, (found,) = run(model, array)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert len(recurrent(proto)[0].input) == 6 + (kind == "LSTM")


def test_one_state_of_zeros_is_left_out():
    given, state = keras.Input((STEPS, FEATURES), batch_size=2), keras.Input((UNITS,), batch_size=2)
    output = keras.layers.LSTM(UNITS)(given, initial_state=[np.zeros((2, UNITS), np.float32), state])
    model = filled(keras.Model([given, state], output))
    proto = check(model, drawn(2, STEPS, FEATURES), drawn(2, UNITS), nodes={"LSTM": 1})
    assert [bool(name) for name in recurrent(proto)[0].input[4:]] == [False, False, True]


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_in_a_plain_rnn_is_its_layer(kind):
    cell = getattr(keras.layers, f"{kind}Cell")(UNITS)
    check(one_layer(keras.layers.RNN(cell)), drawn(2, STEPS, FEATURES), nodes={OPERATOR[kind]: 1})


def test_a_shared_layer_is_a_node_per_call():
    shared = keras.layers.GRU(UNITS)
    one, other = keras.Input((STEPS, FEATURES)), keras.Input((None, FEATURES))
    model = filled(keras.Model([one, other], shared(one) + shared(other)))
    check(model, drawn(2, STEPS, FEATURES), drawn(2, 7, FEATURES), nodes={"GRU": 2})


def test_a_layer_over_slices_is_a_node_per_slice():
    given = keras.Input((2, STEPS, FEATURES))
    model = filled(keras.Model(given, keras.layers.TimeDistributed(keras.layers.LSTM(UNITS))(given)))
    check(model, drawn(3, 2, STEPS, FEATURES), nodes={"LSTM": 2})


def test_dropout_is_nothing_in_inference():
    layer = keras.layers.LSTM(UNITS, dropout=0.5, recurrent_dropout=0.5)
    assert markers(traced(one_layer(layer))) == 1
    assert markers(traced(one_layer(layer), training=True)) == 0


# Masks: where masked steps lie behind all others, all values are those of Keras.

PADDED = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 0, 0, 0, 0]], bool)
MASKED = {
    "last": {},
    "sequences": {"return_sequences": True, "return_state": True},
    "zeros": {"return_sequences": True, "return_state": True, "zero_output_for_mask": True},
    "last of zeros": {"zero_output_for_mask": True},
    "backwards": {"return_sequences": True, "return_state": True, "go_backwards": True},
    "backwards with zeros": {"return_sequences": True, "go_backwards": True, "zero_output_for_mask": True},
    "unrolled": {"return_sequences": True, "unroll": True},
}


def masked(layer, dtype="bool"):
    given, mask = keras.Input((STEPS, FEATURES)), keras.Input((STEPS,), dtype=dtype)
    return filled(keras.Model([given, mask], layer(given, mask=mask)))


@pytest.mark.parametrize("case", MASKED)
@pytest.mark.parametrize("kind", KINDS)
def test_padding_behind_a_sequence_changes_no_value(kind, case):
    model = masked(getattr(keras.layers, kind)(UNITS, **MASKED[case]))
    proto = check(model, drawn(3, STEPS, FEATURES), PADDED, nodes={OPERATOR[kind]: 1})
    assert recurrent(proto)[0].input[4]


@pytest.mark.parametrize("sequences", [False, True])
def test_bidirectional_knows_padding(sequences):
    layer = keras.layers.Bidirectional(keras.layers.LSTM(UNITS, return_sequences=sequences))
    check(masked(layer), drawn(3, STEPS, FEATURES), PADDED, nodes={"LSTM": 2})


def test_a_mask_can_be_of_numbers():
    check(
        masked(keras.layers.GRU(UNITS), "float32"),
        drawn(3, STEPS, FEATURES),
        PADDED.astype(np.float32) * 2,
        nodes={"GRU": 1},
    )


def test_masks_come_from_embeddings_and_masking_layers():
    words = keras.Input((STEPS,), dtype="int32")
    embedded = keras.layers.Embedding(9, FEATURES, mask_zero=True)(words)
    model = filled(keras.Model(words, keras.layers.GRU(2)(keras.layers.LSTM(UNITS, return_sequences=True)(embedded))))
    check(model, np.array([[3, 1, 8, 0, 0], [1, 2, 3, 4, 5]], np.int32), nodes={"LSTM": 1, "GRU": 1})
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), keras.layers.Masking(7.0), keras.layers.SimpleRNN(UNITS)])
    array = np.where(PADDED[:, :, None], drawn(3, STEPS, FEATURES), 7).astype(np.float32)
    check(filled(model), array, nodes={"RNN": 1})


@pytest.mark.parametrize("mask", [~PADDED, np.zeros((3, STEPS), bool)], ids=["in front", "everywhere"])
def test_other_masks_change_no_shape(mask):
    model = masked(keras.layers.LSTM(UNITS, return_sequences=True, return_state=True))
    arrays = drawn(3, STEPS, FEATURES), mask
    proto, found = run(model, *arrays)
    assert [one.shape for one in found] == [one.shape for one in model(list(arrays))]
    assert len(recurrent(proto)) == 1


# What the nodes hold.


@pytest.mark.parametrize("policy", ["mixed_float16", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_computes_in_its_own_type(kind, policy):
    layer = getattr(keras.layers, kind)(UNITS, return_sequences=True, dtype=policy)
    model = one_layer(layer)
    array = drawn(2, STEPS, FEATURES)
    proto, inputs, values = converted(model)
    (found,) = ReferenceEvaluator(proto).run(None, {inputs[0]: array} | values)
    assert found.dtype == layer.compute_dtype
    np.testing.assert_allclose(found, model(array).numpy(), atol=1e-2 if policy == "mixed_float16" else 1e-4)


def test_weights_are_cast_where_only_the_cell_casts_them():
    cell = keras.layers.LSTMCell(UNITS, dtype="mixed_float16")
    model, array = one_layer(keras.layers.RNN(cell, dtype="float16")), drawn(2, STEPS, FEATURES)
    proto, inputs, values = converted(model)
    (found,) = ReferenceEvaluator(proto).run(None, {inputs[0]: array} | values)
    np.testing.assert_allclose(found, model(array).numpy(), atol=1e-2)


@pytest.mark.parametrize(
    ("options", "outputs"),
    [
        ({}, [False, True]),
        ({"return_sequences": True}, [True]),
        ({"return_state": True}, [False, True, True]),
        ({"return_sequences": True, "return_state": True}, [True, True, True]),
    ],
)
def test_a_node_gives_no_more_than_is_read(options, outputs):
    proto, _, _ = converted(one_layer(keras.layers.LSTM(UNITS, **options)))
    assert [bool(name) for name in recurrent(proto)[0].output] == outputs


def test_what_a_loop_reads_is_read():
    inner = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["h"], ["inside"])], "inner", [], [onnx.ValueInfoProto(name="inside")]
    )
    nodes = [
        onnx.helper.make_node("GRU", ["x", "w", "r"], ["y", "h"], hidden_size=1),
        onnx.helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner),
    ]
    graph = onnx.helper.make_graph(nodes, "outer", [], [onnx.ValueInfoProto(name="z")])
    leave_out_unread(graph)
    assert list(graph.node[0].output) == ["", "h"]


# What stays a loop.


def markers(function):
    return sum(op.type == "PyFuncStateless" for op in function.graph.get_operations())


class OwnCell(keras.layers.Layer):
    state_size = output_size = UNITS

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], UNITS))

    def call(self, inputs, states):
        output = keras.ops.matmul(inputs, self.kernel) + states[0]
        return output, [output]


class OwnLSTMCell(keras.layers.LSTMCell):
    def call(self, inputs, states, training=False):  # noqa: FBT002  # Keras' signature
        output, new_states = super().call(inputs, states, training)
        return output * 2, new_states


def tanh(x):
    return x * 2


LOOPS = {
    "an activation that ONNX doesn't list": lambda: keras.layers.LSTM(UNITS, activation="gelu"),
    "a gate that ONNX doesn't list": lambda: keras.layers.GRU(UNITS, recurrent_activation="relu6"),
    "a function of the user's own": lambda: keras.layers.SimpleRNN(UNITS, activation=lambda x: x * 2),
    "a function with a known name": lambda: keras.layers.SimpleRNN(UNITS, activation=tanh),
    "a layer as activation": lambda: keras.layers.LSTM(UNITS, activation=keras.layers.LeakyReLU(0.3)),
    "a cell of the user's own": lambda: keras.layers.RNN(OwnCell()),
    "a changed cell": lambda: keras.layers.RNN(OwnLSTMCell(UNITS)),
    "cells in a stack": lambda: keras.layers.RNN([keras.layers.LSTMCell(UNITS), keras.layers.LSTMCell(2)]),
    "a type that ONNX doesn't take": lambda: keras.layers.GRU(UNITS, dtype="mixed_bfloat16"),
    "a mixture of types": lambda: keras.layers.LSTM(UNITS, dtype="float64", autocast=False),
}


@pytest.mark.parametrize("layer", LOOPS.values(), ids=LOOPS)
def test_what_no_node_can_say_stays_as_it_was(layer):
    model = one_layer(layer())
    found, expected = (traced(model, marked=marked).graph.get_operations() for marked in (True, False))
    assert not {"PyFuncStateless"} & {op.type for op in found}
    assert [op.type for op in found] == [op.type for op in expected]


@pytest.mark.parametrize(("wrap", "nodes"), [(lambda mask: [mask], 1), (lambda mask: mask[:, :, None], 0)])
def test_masks_come_in_other_forms(wrap, nodes):
    given, mask = keras.Input((STEPS, FEATURES)), keras.Input((STEPS,), dtype="bool")

    class Wrapped(keras.layers.LSTM):
        def inner_loop(self, sequences, initial_state, mask, **options):
            return super().inner_loop(sequences, initial_state, wrap(mask), **options)

    assert markers(traced(keras.Model([given, mask], Wrapped(UNITS)(given, mask=mask)))) == nodes


def test_layers_run_eagerly_while_marking():
    model, array = one_layer(keras.layers.LSTM(UNITS)), drawn(2, STEPS, FEATURES)
    expected = model(array)
    with marking():
        np.testing.assert_array_equal(model(array), expected)


def test_layers_loop_again_afterwards():
    kinds = (keras.layers.RNN, keras.layers.SimpleRNN, keras.layers.GRU, keras.layers.LSTM)
    before = [kind.inner_loop for kind in kinds]

    def fail():
        with marking():
            assert [kind.inner_loop for kind in kinds] != before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [kind.inner_loop for kind in kinds] == before


def test_a_function_of_the_users_own_is_no_marker():
    given = keras.Input((FEATURES,))

    class Own(keras.layers.Layer):
        def call(self, x):
            return tf.ensure_shape(tf.numpy_function(np.sin, [x], tf.float32, stateful=False), x.shape)

    model = keras.Model(given, Own()(given))
    function = traced(model)
    assert markers(function) == 1
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(lifted(function)[0], name="")
        found = tfonnx.process_tf_graph(
            graph, input_names=["given_0:0"], output_names=[function.outputs[0].name], custom_op_handlers=HANDLERS
        )
    assert "PyFuncStateless" in {node.type for node in found.get_nodes()}
