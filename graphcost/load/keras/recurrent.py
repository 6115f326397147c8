"""Keras' recurrent layers -> one ONNX RNN, GRU or LSTM node each, where tf2onnx would write a loop.

While a model is traced, a layer's inner loop is replaced by what surrounds such a node (transposes, gates in another
order, sequence lengths) and by a marker: an operator of TensorFlow that takes and gives what the node does and says in
its token which node it stands for. tf2onnx converts the surroundings as it does everything else, and has a handler that
puts the node in the marker's place, under the marker's name, which begins with the layer's scope.

A layer loops as before where no node can say what it does: cells other than Keras' own three, activations that ONNX's
recurrent operators don't list, dropout in training, and types that they don't take (bfloat16, integers, mixtures).

Masks. The node gets the number of steps that are not masked as sequence_lens. Where masked steps lie behind all others,
as padding does, every output and state is Keras' own: outputs behind the end are zeros, or with zero_output_for_mask
unset the last output once more; a layer that runs backwards has zeros there in both cases, as it comes by them first.
For other masks the structure is right (as many steps, of the same work), the values are not. A sequence of which every
step is masked keeps its initial state in Keras; what it has in ONNX isn't specified.
"""

from __future__ import annotations

import functools
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import onnx

    Loop = Callable[..., tuple[Any, Any, list[Any]]]

_OPERATORS = {keras.layers.SimpleRNNCell: "RNN", keras.layers.GRUCell: "GRU", keras.layers.LSTMCell: "LSTM"}
_INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c")
"""What ONNX's recurrent operators take, in order."""
_FLOATS = (tf.float16, tf.float32, tf.float64)
"""What they compute in."""
_LSTM_GATES = (0, 3, 1, 2)
"""Where ONNX's gates i, o, f, c lie among those of Keras: i, f, c, o."""
_MARK = "graphcost recurrent node: "
"""How the token of a marker begins."""

_ACTIVATIONS = {
    "celu": ("Elu", 1.0),
    "elu": ("Elu", 1.0),
    "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
    "leaky_relu": ("LeakyRelu", 0.2),
    "linear": ("Affine", 1.0, 0.0),
    "relu": ("Relu",),
    "sigmoid": ("Sigmoid",),
    "softplus": ("Softplus",),
    "softsign": ("Softsign",),
    "sparse_sigmoid": ("HardSigmoid", 0.5, 0.5),
    "tanh": ("Tanh",),
}
"""By Keras' name, the same function in ONNX: its name, and alpha and beta where it has them."""


@contextmanager
def marking() -> Iterator[None]:
    """Let recurrent layers that are traced meanwhile put markers where they would loop."""
    loops = {kind: kind.inner_loop for kind in (keras.layers.RNN, keras.layers.GRU, keras.layers.LSTM)}
    try:
        for kind, loop in loops.items():
            kind.inner_loop = _marker_or(loop)
        yield
    finally:
        for kind, loop in loops.items():
            kind.inner_loop = loop


def _marker_or(loop: Loop) -> Loop:
    @functools.wraps(loop)
    def inner_loop(self: Any, sequences: Any, initial_state: Any, mask: Any, training: Any = False) -> Any:  # noqa: FBT002  # Keras' signature
        if _is_one_node(self.cell, sequences, mask, training=training):
            return _without_loop(self, sequences, tf.nest.flatten(initial_state), mask)
        return loop(self, sequences, initial_state, mask, training)

    return inner_loop


def _is_one_node(cell: Any, sequences: Any, mask: Any, *, training: Any) -> bool:
    return (
        type(cell) in _OPERATORS
        and None not in map(_activation, _functions(cell))
        and not (training and (cell.dropout or cell.recurrent_dropout))
        and tf.is_symbolic_tensor(sequences)
        and sequences.dtype in _FLOATS
        and sequences.dtype.name == cell.compute_dtype
        and (mask is None or (tf.is_tensor(mask) and mask.shape.rank == 2))
    )


def _functions(cell: Any) -> list[Any]:
    """Return a cell's activations in ONNX's order: those of the gates, then those of the states."""
    states = [cell.activation] * len(_state_names(cell))
    return states if type(cell) is keras.layers.SimpleRNNCell else [cell.recurrent_activation, *states]


def _activation(function: Any) -> tuple[Any, ...] | None:
    name = getattr(function, "__name__", "")
    its_own = any(function is getattr(home, name, None) for home in (keras.activations, keras.ops, tf.nn))
    return _ACTIVATIONS.get(name) if its_own else None


def _state_names(cell: Any) -> tuple[str, ...]:
    return ("initial_h", "initial_c") if type(cell) is keras.layers.LSTMCell else ("initial_h",)


def _without_loop(layer: Any, sequences: Any, states: Sequence[Any], mask: Any) -> tuple[Any, Any, list[Any]]:
    """Return what a layer's inner loop does: its last output, all outputs and the last states.

    Outputs that run backwards are in the order in which they were computed, the last step first.
    """
    mask = None if mask is None else tf.cast(mask, tf.bool)
    inputs = {
        "X": tf.transpose(sequences, (1, 0, 2)),
        **_weights(layer.cell),
        **({} if mask is None else {"sequence_lens": tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)}),
        **_initial(layer.cell, states),
    }
    by_step, *ends = _marker(_OPERATORS[type(layer.cell)], inputs, _attributes(layer))
    outputs = tf.transpose(tf.squeeze(by_step, axis=1), (1, 0, 2))
    new_states = [tf.squeeze(end, axis=0) for end in ends]
    last = new_states[0]
    if layer.go_backwards:
        outputs = outputs[:, ::-1]
    elif mask is not None and layer.zero_output_for_mask:
        last = outputs[:, -1]
    elif mask is not None:
        outputs = tf.where(tf.expand_dims(mask, 2), outputs, tf.expand_dims(last, 1))
    return last, outputs, new_states


def _weights(cell: Any) -> dict[str, Any]:
    """Return a cell's weights as ONNX wants them: a row per unit of each gate, and two biases per gate."""
    kernel, recurrent = (_ordered(cell, one) for one in (cell.kernel, cell.recurrent_kernel))
    found = {"W": tf.expand_dims(tf.transpose(kernel), 0), "R": tf.expand_dims(tf.transpose(recurrent), 0)}
    if cell.bias is not None:
        bias = _ordered(cell, cell.bias)
        both = tf.reshape(bias, [-1]) if bias.shape.rank == 2 else tf.pad(bias, [[0, bias.shape[0]]])
        found["B"] = tf.expand_dims(both, 0)
    return found


def _ordered(cell: Any, weight: Any) -> Any:
    """Return a weight in the type that the cell computes in, its gates in ONNX's order."""
    cast = keras.ops.cast(weight, cell.compute_dtype)
    if type(cell) is not keras.layers.LSTMCell:
        return cast
    gates = tf.split(cast, len(_LSTM_GATES), axis=-1)
    return tf.concat([gates[place] for place in _LSTM_GATES], axis=-1)


def _initial(cell: Any, states: Sequence[Any]) -> dict[str, Any]:
    """Return the initial states that are not zeros, which ONNX takes where none is given."""
    pairs = zip(_state_names(cell), states, strict=True)
    return {name: tf.expand_dims(state, 0) for name, state in pairs if not _is_zeros(state)}


def _is_zeros(state: Any) -> bool:
    is_filled = tf.is_symbolic_tensor(state) and state.op.type == "Fill"
    value = tf.get_static_value(state.op.inputs[1] if is_filled else state)
    return value is not None and not value.any()


def _attributes(layer: Any) -> dict[str, Any]:
    found: list[tuple[Any, ...]] = [_ACTIVATIONS[one.__name__] for one in _functions(layer.cell)]
    optional = {
        "activation_alpha": [one[1] for one in found if len(one) > 1],
        "activation_beta": [one[2] for one in found if len(one) > 2],
        "linear_before_reset": int(getattr(layer.cell, "reset_after", False)),
    }
    return {
        "hidden_size": layer.cell.units,
        "direction": "reverse" if layer.go_backwards else "forward",
        "activations": [one[0] for one in found],
        **{name: value for name, value in optional.items() if value},
    }


def _marker(operator: str, inputs: Mapping[str, Any], attributes: Mapping[str, Any]) -> list[Any]:
    """Return the outputs of a marker: those of every step, then the last states.

    It has no state, else TensorFlow would order everything behind it; it has no shapes of its own, hence ensure_shape.
    """
    steps, batch, _ = inputs["X"].shape
    state = (1, batch, attributes["hidden_size"])
    shapes = ((steps, *state), state, *([state] if operator == "LSTM" else []))
    token = _MARK + json.dumps({"operator": operator, "inputs": list(inputs), "attributes": attributes})
    types = [inputs["X"].dtype] * len(shapes)
    outputs = tf.raw_ops.PyFuncStateless(input=list(inputs.values()), token=token, Tout=types, name=operator)
    return [tf.ensure_shape(output, shape) for output, shape in zip(outputs, shapes, strict=True)]


def _become_node(context: Any, node: Any, name: str, _: Sequence[Any]) -> None:
    """Put the node in a marker's place; a function of the user's own stays what it is."""
    token = node.get_attr_str("token")
    if not token.startswith(_MARK):
        return
    said = json.loads(token.removeprefix(_MARK))
    given = dict(zip(said["inputs"], node.input, strict=True))
    inputs = [given.get(one, "") for one in _INPUTS]
    while not inputs[-1]:
        inputs.pop()
    context.remove_node(name)
    context.make_node(said["operator"], inputs, attr=said["attributes"], outputs=node.output, name=name)


HANDLERS: dict[str, tuple[Callable[..., None], list[Any]]] = {"PyFuncStateless": (_become_node, [])}
"""What tf2onnx's custom_op_handlers must hold to know the markers."""


def leave_out_unread(graph: onnx.GraphProto) -> None:
    """Leave out what recurrent nodes give and nobody reads: most layers want every step or the last one, not both.

    tf2onnx takes no node with a nameless output, so that this comes when it is done.
    """
    graphs = list(_graphs(graph))
    read = {name for one in graphs for node in one.node for name in node.input}
    read.update(output.name for one in graphs for output in one.output)
    for node in (node for one in graphs for node in one.node if node.op_type in _OPERATORS.values()):
        outputs = [name if name in read else "" for name in node.output]
        while outputs and not outputs[-1]:
            outputs.pop()
        node.output[:] = outputs


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)
