"""The convention `tf-profiler` against TensorFlow's own profiler, on Keras models; the large ones are in accuracy/."""

from __future__ import annotations

from unittest import mock

import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("tf2onnx")
pytest.importorskip("onnxruntime")

from accuracy import keras_zoo, profiler  # where there is TensorFlow
from accuracy.rewritten import compared  # as above
from labs import LABS as SHEETS  # as above

from graphcost.analysis import analyze  # as above
from graphcost.conventions.tf_profiler import TF_PROFILER
from graphcost.load.keras import by_tf2onnx

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow and Keras warn of their own insides

SHEET = {build.__name__: expected.tf_profiler for build, expected in SHEETS.items()}


@pytest.mark.parametrize("case", keras_zoo.LABS.values(), ids=lambda case: case.title)
def test_the_labs_count_what_the_profiler_does_and_what_their_sheet_says(case):
    one = compared(case.build(), case.shape)
    assert one.total == one.profiled == (SHEET[case.build.__name__] or one.profiled)
    assert one.is_right, (one.difference, one.explained)


SMALL = [keras_zoo.small, keras_zoo.operations]


@pytest.mark.parametrize("build", SMALL, ids=lambda build: build.__name__)
def test_what_the_conversion_rewrote_counts_the_same(build):
    one = compared(build())
    assert one.total == one.profiled
    assert one.is_right, (one.difference, one.explained)
    assert {region.reason for listed in one.rewrites.values() for region in listed} == {"the same count"}


@pytest.mark.parametrize("name", keras_zoo.LAYERS)
def test_layers_differ_by_what_the_conversion_rewrote(name):
    one = compared(keras_zoo.LAYERS[name]())
    assert one.is_right, (one.difference, one.explained, one.rewrites)


def test_nothing_differs_where_the_conversion_rewrote_nothing():
    one = compared(keras_zoo.unchanged())
    assert (one.difference, one.rewrites, one.total) == ({}, {}, one.profiled)


def test_the_large_networks_rewrites_are_in_the_small_one():
    assert set(compared(keras_zoo.small()).rewrites) == {
        ("BiasAdd + Conv2D", "Conv"),
        ("Conv2D + Pad", "Conv"),
        ("BiasAdd", "Add"),
        ("DepthwiseConv2dNative", "Conv"),
        ("Rsqrt", "Sqrt + Reciprocal"),
    }


GRADIENTS = {"AvgPoolGrad", "BiasAddGrad", "Conv2DBackpropFilter", "MaxPoolGrad", "RsqrtGrad"}
TRAINING = GRADIENTS | {"AssignAdd", "AssignSub", "L2Loss"}
OLD = {"Add", "BatchMatMul", "BatchMatMulV3"}
"""What TensorFlow traces nothing into any more, or not yet."""
UNKNOWN_TO_ONNX = {"Dilation2D"}


def test_every_operation_of_an_inference_that_the_profiler_has_a_rule_for_is_compared():
    graphs = [profiler.concrete(build()) for build in SMALL]
    counted = {kind for graph in graphs for kind, count in profiler.by_kind(graph).items() if count}
    assert counted == profiler.kinds() - TRAINING - OLD - UNKNOWN_TO_ONNX


@pytest.mark.parametrize("name", ["Softmax", "Conv", "MaxPool", "ReduceMean"])
def test_a_wrong_price_shows(name):
    right = TF_PROFILER.formulas[name]
    with mock.patch.dict(TF_PROFILER.formulas, {name: lambda node: right(node) + 1}):
        one = compared(keras_zoo.small())
    assert one.difference != one.explained
    assert not one.is_right


def test_a_graph_that_the_conversion_got_wrong_shows():
    convert = by_tf2onnx.convert

    def forgetting_pads(wanted):
        proto = convert(wanted)
        first = next(node for node in proto.graph.node if node.op_type == "Conv")
        first.attribute.remove(next(one for one in first.attribute if one.name == "pads"))
        return proto

    with mock.patch.object(by_tf2onnx, "convert", forgetting_pads):
        one = compared(keras_zoo.small())
    assert one.total < one.profiled
    assert not one.is_right


@pytest.mark.parametrize(("build", "operator"), [(keras_zoo.lab6, "RNN"), (keras_zoo.lab7, "LSTM")])
def test_a_recurrent_layer_is_marked_and_not_imitated(build, operator):
    report = analyze(build(), convention="tf-profiler")
    assert any(one.code == "not-counted" and operator in one.message for one in report.findings)
    assert all(row.value is None for row in report.rows if row.cost.node.op_type == operator)
