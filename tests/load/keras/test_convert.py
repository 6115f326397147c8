"""Conversions: the graph of a live object, what weights stand for, and the export with weights."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

pytest.importorskip("tensorflow")

import keras
import tensorflow as tf

import graphcost
from graphcost.errors import SourceError, UsageError
from graphcost.load import load, origin
from graphcost.results import Status

pytestmark = pytest.mark.filterwarnings("ignore")  # what TensorFlow and Keras warn of is theirs

L = keras.layers


def small():
    image = L.Input((8, 8, 3), name="image")
    x = L.Conv2D(4, 3, name="conv")(image)
    x = L.BatchNormalization(name="norm")(x)
    x = L.Flatten(name="flat")(x)
    model = keras.Model(image, L.Dense(5, name="head")(x), name="small")
    drawn = np.random.default_rng(0)
    model.set_weights([drawn.uniform(0.5, 1.5, one.shape) for one in model.get_weights()])
    return model


def test_every_variable_is_a_weight_under_the_name_of_its_layer():
    model = load(small())
    weights = {name: value for name, value in model.values.items() if value.stored_bytes and not value.read}
    assert {name for name in weights if "/" in name} >= {"conv/kernel", "conv/bias", "norm/gamma", "head/kernel"}
    assert weights["conv/kernel"].type.dims == (3, 3, 3, 4)
    assert (model.name, model.format, model.inputs) == ("small", "keras", ("image",))


def test_the_batch_is_symbolic():
    assert load(small()).values["image"].type.shape == ("batch", 8, 8, 3)
    one, two = (graphcost.analyze(small(), dims={"batch": size}).total.macs.best for size in (1, 2))
    assert two == 2 * one == 2 * (6 * 6 * 4 * 27 + 144 * 5)


def test_a_module_is_read_by_its_signature():
    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.w, self.lost = tf.Variable(tf.ones((4, 5))), tf.Variable(tf.ones(9))

        @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="x")])
        def __call__(self, x):
            return tf.nn.relu(x @ self.w)

    report = graphcost.analyze(Module(), dims={"batch": 3})
    assert (report.total.macs.best, report.total.parameters) == (3 * 4 * 5, 20 + 9)
    assert any(one.code == "unused-initializer" and "36 B" in one.message for one in report.findings)


def test_a_function_over_variables_is_read_too():
    w = tf.Variable(tf.ones((4, 5)))
    function = tf.function(lambda x: x @ w, input_signature=[tf.TensorSpec((2, 4), tf.float32)])
    assert graphcost.analyze(function).total.macs.best == 2 * 4 * 5


def test_what_was_never_built_asks_for_its_shape():
    unbuilt = keras.Sequential([L.Dense(3), L.Dense(2)])
    with pytest.raises(UsageError, match="was never built: say its input's shape with --shape inputs="):
        graphcost.analyze(unbuilt)
    assert graphcost.analyze(unbuilt, shapes={"inputs": (1, 7)}).total.parameters == 7 * 3 + 3 + 3 * 2 + 2


def test_what_can_not_be_traced_says_why():
    class Broken(keras.Model):
        def call(self, _x):
            raise RuntimeError("out of order")

    with pytest.raises(SourceError, match=r"can't be traced: out of order"):
        graphcost.analyze(Broken(), shapes={"x": (1, 2)})


def test_what_tf2onnx_can_not_convert_is_unpriced_under_its_layer():
    class Odd(L.Layer):
        def call(self, x):
            return tf.math.bessel_i0(x)

    model = keras.Sequential([L.Input((4,)), L.Dense(3, name="dense"), Odd(name="odd")])
    report = graphcost.analyze(model)
    (row,) = [row for row in report.rows if row.cost.status is Status.UNPRICED]
    assert (row.layer, row.cost.node.domain) == ("odd", "tensorflow")
    assert not report.complete
    assert report.total.macs.low == 12


def test_an_export_computes_what_the_model_does(tmp_path):
    made = graphcost.convert(small(), tmp_path / "small.onnx", verify=True)
    assert made.agrees
    assert made.difference < 1e-5
    assert made.bytes == made.path.stat().st_size
    onnx.checker.check_model(tmp_path / "small.onnx", full_check=True)


def test_an_export_has_no_work_on_weights_left_and_knows_its_layers(tmp_path):
    graphcost.convert(small(), tmp_path / "small.onnx")
    live, export = graphcost.analyze(small()), graphcost.analyze(tmp_path / "small.onnx")
    assert export.preparation.nodes == 0 < live.preparation.nodes
    assert (export.total.macs, export.total.value) == (live.total.macs, live.total.value)
    assert [one.layer.path for one in export.by_layer()] == [one.layer.path for one in live.by_layer()]
    found = {one.layer.path: one.sums.parameters for one in export.by_layer()}
    assert (found["conv"], found["head"], found["norm"]) == (112, 725, 8)  # a scale and a shift of 4 channels


def test_an_export_leaves_out_what_nothing_reads(tmp_path):
    class Forgetful(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = L.Dense(4), L.Dense(50)
            self.second.build((None, 4))

        def call(self, x):
            return self.first(x)

    graphcost.convert(Forgetful(), tmp_path / "a.onnx", shapes={"x": (1, 8)})
    assert graphcost.analyze(tmp_path / "a.onnx").total.parameters == 8 * 4 + 4


def test_an_onnx_model_needs_no_conversion(tmp_path):
    with pytest.raises(UsageError, match="an ONNX model needs no conversion"):
        graphcost.convert("models/mlp.onnx", tmp_path / "a.onnx")


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_file_says_what_the_live_model_says(suffix, tmp_path):
    model = small()
    model.save(tmp_path / f"small.{suffix}")
    live, file = graphcost.analyze(model), graphcost.analyze(tmp_path / f"small.{suffix}")
    assert (file.total.parameters, file.total.macs, file.total.value) == (
        live.total.parameters, live.total.macs, live.total.value
    )  # fmt: skip
    assert [one.layer for one in file.by_layer()] == [one.layer for one in live.by_layer()]
    assert file.model.format == suffix


def test_a_saved_model_is_read_without_being_run(tmp_path):
    model = small()
    model.export(tmp_path / "saved", verbose=False)
    (tmp_path / "saved" / "variables" / "variables.index").unlink()  # what is not read need not be there
    report = graphcost.analyze(tmp_path / "saved")
    assert (report.total.macs, report.total.parameters) == (graphcost.analyze(model).total.macs, model.count_params())
    assert report.to_dict()["totals"]["trainable_parameters"] is None
    assert {one.layer.path for one in report.by_layer()} > {"small_1/conv_1", "small_1/head_1"}


def test_a_function_of_a_saved_model_that_stays_a_call_is_unpriced(tmp_path):
    """TensorFlow inlines no function that holds a loop; what it hides is not known, and not free."""

    class Looping(tf.Module):
        def __init__(self):
            super().__init__()
            self.w = tf.Variable(tf.ones((4, 4)))

        @tf.function(input_signature=[tf.TensorSpec((2, 4), tf.float32, name="x")])
        def __call__(self, x):
            return tf.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, x @ self.w), (0, x))[1]

    tf.saved_model.save(Looping(), str(tmp_path / "saved"))
    report = graphcost.analyze(tmp_path / "saved")
    assert report.total.parameters == 16
    assert [row.cost.status for row in report.rows] == [Status.UNPRICED]
    assert report.bounds["macs"].high is None


def test_metadata_of_the_structure_names_layers_and_variables():
    from graphcost.load.keras import convert  # noqa: PLC0415  # it imports TensorFlow

    proto = convert.structure(small(), {})
    labels = {origin.entry(node.metadata_props, origin.CALL) for node in proto.graph.node}
    assert {"conv", "norm", "flat", "head"} == labels
    owners = {one.name: origin.entry(one.metadata_props, origin.VARIABLE) for one in proto.graph.input}
    assert (owners["image"], owners["conv/kernel"], owners["norm/moving_mean"]) == (None, "conv", "norm")
