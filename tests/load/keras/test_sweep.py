"""The sweep over keras.layers: what each configuration becomes is complete, exact, and computes what Keras computes."""

from __future__ import annotations

from string import ascii_lowercase

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
pytest.importorskip("tf2onnx")
pytest.importorskip("onnxruntime")
keras = pytest.importorskip("keras")

from running import analyzed, run  # noqa: E402  # where there is TensorFlow
from sweep import ROWS  # noqa: E402  # as above
from sweep.rows import N  # noqa: E402  # as above

from graphcost.analysis import analyze  # noqa: E402  # as above
from graphcost.results import Status  # noqa: E402  # as above

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow and Keras warn of their own insides

LETTERS = np.array(["a", "b", "zz"], dtype=object)
NARROW = ("float16", "bfloat16")


def built(row):
    """Return the model of a row, its weights filled with numbers that tell them apart."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(row.policy)
    try:
        inputs = [
            keras.Input(one.shape, batch_size=one.batch, dtype=one.dtype, name=name)
            for name, one in zip(ascii_lowercase, row.inputs, strict=False)
        ]
        model = keras.Model(inputs, row.build(*inputs))
    finally:
        keras.config.set_dtype_policy("float32")
    random = np.random.default_rng(0)
    for variable in model.variables:
        if "float" in variable.dtype:
            elements = random.normal(0, 0.5, variable.shape)
            is_square = any(word in variable.name for word in ("variance", "stddev", "scale"))
            variable.assign(np.abs(elements) + 0.1 if is_square else elements)
    return model


def drawn(row):
    """Return elements for each input of a row."""
    random = np.random.default_rng(1)
    return [one_drawn(random, given, [N, *sized(given.shape, row.dims)]) for given in row.inputs]


def sized(shape, dims):
    """Return a shape whose free sizes are the first of those that were given, in order."""
    sizes = iter(dims.values())
    return [next(sizes) if size is None else size for size in shape]


def one_drawn(random, given, shape):
    if given.dtype == "string":
        return random.choice(LETTERS, shape)
    if given.dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    whole = given.dtype.startswith("int") or given.high > 1
    numbers = random.integers(given.low, given.high, shape) if whole else random.uniform(given.low, given.high, shape)
    return numbers.astype(given.dtype)


def computed(model, arrays):
    """Return what Keras computes."""
    tensors = [keras.ops.convert_to_tensor(one) for one in arrays]
    found = model(tensors if len(tensors) > 1 else tensors[0], training=False)
    return [np.asarray(one) for one in keras.tree.flatten(found)]


def elements(weights):
    return sum(int(np.prod(one.shape)) for one in weights)


@pytest.mark.parametrize(
    "row", [pytest.param(one, id=one.name, marks=() if one.quick else pytest.mark.slow) for one in ROWS]
)
def test_a_layer_is_converted_priced_and_the_same(row):
    model, arrays = built(row), drawn(row)
    converted, expected = analyzed(model, {"batch": N, **row.dims}), computed(model, arrays)
    check_parameters(converted.report, model)
    check_work(converted.report, row)
    shapes = [one.shape for one in expected]
    if row.unpriced:
        assert all(found in (None, shape) for found, shape in zip(converted.output_shapes(), shapes, strict=True))
        return
    assert converted.output_shapes() == shapes
    for one, other in zip(run(converted, arrays), expected, strict=True):
        assert one.shape == other.shape
        check_close(one, other, tolerance=3e-2 if row.policy.endswith(NARROW) else 1e-3)


OTHERS = {"FlaxLayer", "InputSpec", "JaxLayer", "Layer", "TorchModuleWrapper"}
"""What keras.layers holds that is no layer by itself, or needs another framework than TensorFlow."""


@pytest.mark.slow
def test_every_layer_of_keras_is_in_the_sweep():
    public = {one for one in vars(keras.layers).values() if isinstance(one, type) and one.__name__ not in OTHERS}
    layers = [layer for row in ROWS for layer in built(row)._flatten_layers()]  # noqa: SLF001  # `layers` lacks inner ones
    seen = {kind for layer in layers for kind in type(layer).__mro__}
    assert {one.__name__ for one in public - seen} == set()


def test_every_function_of_keras_activations_is_in_the_sweep():
    names = {row.name.removeprefix("Activation ") for row in ROWS}
    public = {name for name, one in vars(keras.activations).items() if callable(one) and not name.startswith("_")}
    assert public - names - {"deserialize", "get", "serialize", "threshold"} == set()


def test_no_two_rows_have_the_same_name():
    assert len({row.name for row in ROWS}) == len(ROWS)


MATRIX, NUMBER = tf.TensorSpec((4, 8)), tf.TensorSpec((), tf.int32)
STAYS = {
    "Mod": (lambda x: tf.raw_ops.Mod(x=x, y=tf.constant(3.0)), MATRIX),  # ONNX's rounds the other way
    "RFFT": (lambda x: tf.abs(tf.signal.rfft(x) * 2), MATRIX),  # ONNX has no complex numbers to multiply
    "Roll": (lambda x, axis: tf.roll(x, 1, axis), MATRIX, NUMBER),  # tf2onnx's handler gives up
}


@pytest.mark.parametrize("operator", STAYS)
def test_what_onnx_can_not_say_is_unpriced(operator):
    function, *signature = STAYS[operator]
    report = analyze(tf.function(function, input_signature=signature))
    assert operator in {one.cost.node.op_type for one in report.rows if one.cost.status is Status.UNPRICED}
    assert report.total.macs.high is None


def check_parameters(report, model):
    whole = report.by_layer()[0]
    assert report.total.parameters == model.count_params()
    assert whole.trainable == elements(model.trainable_weights)
    assert whole.frozen == elements(model.non_trainable_weights)


def check_work(report, row):
    """Check that nothing is left open but what a row names, that layers are named there, and the multiplications."""
    is_open = {one for one in report.rows if one.cost.status.is_open}
    unpriced = {one for one in is_open if one.cost.status is Status.UNPRICED}
    assert {one.cost.node.op_type for one in unpriced} == row.unpriced
    assert all(one.layer for one in unpriced)
    macs = report.total.macs
    if row.unpriced:  # what follows on it may be unknown
        assert Status.INVALID not in {one.cost.status for one in is_open}
        assert (macs.low <= row.macs, macs.high) == (True, None)
    else:
        assert [(one.id, one.cost.reason) for one in is_open] == []
        assert (macs.low, macs.high) == (row.macs, row.macs)


def check_close(found, expected, tolerance):
    if expected.dtype.kind in "OSU":
        assert found.astype(str).tolist() == expected.astype(str).tolist()
        return
    one, other = (array.astype(np.float64) for array in (found, expected))
    np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * max(1, np.abs(other).max()))
