"""Layers: what a graph says it was made from, or the scopes in the names of its nodes."""

from __future__ import annotations

import json

import pytest
from build import model
from onnx import helper

from graphcost import analyze, render
from graphcost.bounds import Bounds
from graphcost.load.origin import CALL, LAYERS, VARIABLE, say_layers
from graphcost.types import DType, Layer, TensorType, Value, Weight

RECORD = '[{"path": "", "class_name": "A", "weights": [%s], "outputs": [], "is_built": true}]'


@pytest.fixture(scope="module")
def block():
    return analyze("models/transformer_block.onnx")


def named(proto, *names):
    for node, name in zip(proto.graph.node, names, strict=True):
        node.name = name
    return proto


def test_scopes_stand_for_layers_where_a_graph_names_none():
    proto = model("float[2,3] x => float[2,3] y", "a = Relu(x)", "b = Exp(a)", "c = Neg(b)", "y = Abs(c)")
    report = analyze(named(proto, "/enc/act/Relu", "/enc/Exp", "dec/Neg", "Abs"))
    found = {one.layer.path: one.sums.value.best for one in report.by_layer()}
    assert found == {"": 4 * 6, "enc": 2 * 6, "enc/act": 6, "dec": 6}


def test_every_layer_is_the_sum_of_its_rows_and_the_first_is_the_total(block):
    whole, *layers = block.by_layer()
    assert (whole.sums.macs, whole.sums.value, whole.sums.parameters) == (
        block.total.macs, block.total.value, block.total.parameters
    )  # fmt: skip
    for one in layers:
        assert one.sums.macs == Bounds.total(row.macs for row in one.sums.rows)
    outer = Bounds.total(one.sums.macs for one in layers if one.layer.depth == 1)
    assert outer == whole.sums.macs


def test_a_layer_stands_before_those_inside_it(block):
    paths = [one.layer.path for one in block.by_layer()]
    assert all(paths.index(path.rpartition("/")[0]) < paths.index(path) for path in paths if path)


def made_of_layers():
    """A graph that says that two layers made it, one of which is called twice, and one that nobody calls."""
    proto = model(
        "float[batch,4] x, float[4,4] w, float[7] u => float[batch,4] y", "h = MatMul(x, w)", "y = MatMul(h, w)"
    )
    for node, label in zip(proto.graph.node, ("net/dense", "net/dense#2"), strict=True):
        helper.set_metadata_props(node, {CALL: label})
    for place, owner in ((1, "net/dense"), (2, "net/lost")):
        helper.set_metadata_props(proto.graph.input[place], {VARIABLE: owner})
    proto.graph.input[2].name = "net/lost/kernel"
    out = Value("out", "computed", TensorType(DType.FLOAT32, ("batch", 4)))
    say_layers(
        proto,
        [
            Layer("", "Model", (), ((out,),), is_built=True),
            Layer("net", "Sequential", (), ((out,),), is_built=True),
            Layer(
                "net/dense",
                "Dense",
                (Weight("kernel", 12, True), Weight("fixed", 4, False)),
                ((out,), (out,)),
                is_built=True,
            ),
            Layer("net/lost", "Dense", (Weight("kernel", 7, True),), (), is_built=True),
            Layer("net/late", "Dense", (), (), is_built=False),
        ],
    )
    return proto


def test_weights_outside_the_graph_are_weights():
    report = analyze(made_of_layers(), dims={"batch": 3})
    assert (report.total.parameters, report.total.macs.best) == (16 + 7, 2 * 3 * 16)
    assert [row.layer for row in report.rows] == ["net/dense", "net/dense#2"]
    assert report.weights.bytes == 4 * (16 + 7)


def test_layers_tell_their_weights_and_what_they_return():
    report = analyze(made_of_layers(), dims={"batch": 3})
    found = {one.layer.path: one for one in report.by_layer()}
    assert (found["net"].trainable, found["net"].frozen, found["net"].sums.parameters) == (19, 4, 23)
    assert found["net/dense"].sums.macs.best == report.total.macs.best
    assert found["net/dense"].first_outputs == (TensorType(DType.FLOAT32, (3, 4)),)
    assert found[""].activations == found["net/dense"].activations == Bounds.exactly(2 * 3 * 4 * 4)


def test_what_is_never_called_is_a_finding():
    found = {one.where: one for one in analyze(made_of_layers()).findings if one.code == "unused-layer"}
    assert found.keys() == {"net/lost", "net/late"}
    assert "28 B, serve nothing" in found["net/lost"].message
    assert "never built" in found["net/late"].message


def test_a_table_of_layers_indents_what_is_inside():
    lines = render(analyze(made_of_layers()), by="layer").splitlines()
    assert [line.split()[:2] for line in lines[2:6]] == [
        ["net", "Sequential"], ["dense", "Dense"], ["lost", "Dense"], ["late", "Dense"]
    ]  # fmt: skip
    assert lines[3].startswith("  dense")
    assert "1x4, 2 calls" in lines[3]
    assert "never called" in lines[4]


def test_json_holds_the_layers():
    layers = analyze(made_of_layers(), dims={"batch": 3}, devices=["cpu-1gflops"]).to_dict()["layers"]
    dense = next(one for one in layers if one["path"] == "net/dense")
    assert (dense["calls"], dense["parameters"], dense["trainable_parameters"], dense["macs"]) == (2, 16, 12, 96)
    assert dense["outputs"] == [{"dtype": "float32", "shape": [3, 4]}]
    assert [one["seconds"] for one in dense["latency"]] == [192 / 1e9]


def test_a_roofline_says_the_least_that_a_layer_takes():
    report = analyze("models/transformer_block.onnx", devices=["raspberry-pi-5"])
    layers = [one for one in report.by_layer() if one.layer.depth == 1]
    assert all(one.latency[0].is_lower_bound for one in layers)
    assert 0 < max(one.latency[0].seconds for one in layers) <= report.latency[0].seconds * 1.0000001


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        '[{"path": "a"}]',
        "null",
        '[{"path": 1, "outputs": 5}]',
        "[" * 100_000,
        RECORD % '["k", "lots", true]',
        RECORD % '["k", -5, true]',
    ],
)
def test_metadata_that_can_not_be_read_is_left_alone(text):
    proto = model("float[2] x => float[2] y", "y = Relu(x)")
    proto.metadata_props.add(key=LAYERS, value=text)
    assert analyze(proto).layers == ()


def test_what_is_written_is_read_again():
    layers = analyze(made_of_layers()).layers
    proto = model("float[2] x => float[2] y", "y = Relu(x)")
    say_layers(proto, layers)
    assert json.loads(proto.metadata_props[0].value)[2]["class_name"] == "Dense"
    assert analyze(proto).layers == layers
