"""Comparisons: what happened to each layer between two graphs, by labels, by names, and by products alone."""

from __future__ import annotations

import json

import pytest
from build import model
from onnx import helper

import graphcost
from graphcost.errors import UsageError
from graphcost.load.origin import CALL
from graphcost.report import compared


def labelled(proto, *labels):
    for node, label in zip(proto.graph.node, labels, strict=True):
        helper.set_metadata_props(node, {CALL: label})
    return proto


def two_layers(*, bias=True):
    """MatMul, Add, Relu in `dense`; MatMul in `head`."""
    signature = "float[N,8] x => float[N,3] y <float[8,5] w, float[5] b, float[5,3] v>"
    nodes = ("p = MatMul(x, w)", "s = Add(p, b)", "r = Relu(s)", "y = MatMul(r, v)")
    if bias:
        return labelled(model(signature, *nodes), "dense", "dense", "dense", "head")
    signature = "float[N,8] x => float[N,3] y <float[8,5] w, float[5,3] v>"
    return labelled(model(signature, "p = MatMul(x, w)", "r = Relu(p)", "y = MatMul(r, v)"), "dense", "dense", "head")


def fused():
    signature = "float[N,8] x => float[N,3] y <float[8,5] w, float[5] b, float[5,3] v>"
    return labelled(model(signature, "s = Gemm(x, w, b)", "r = Relu(s)", "y = MatMul(r, v)"), "dense", "dense", "head")


def kinds(found):
    return {(one.layer, one.kind) for one in found.differences}


def test_a_model_compared_with_itself_differs_in_nothing():
    found = graphcost.compare(two_layers(), two_layers())
    assert (found.differences, found.differs_in) == ((), frozenset())
    assert [pair.path for pair in found.pairs] == ["dense", "head"]
    assert all(old == new for old, new in found.totals.values())


def test_nodes_that_became_one_are_fused():
    found = graphcost.compare(two_layers(), fused())
    assert kinds(found) == {("dense", "fused")}
    assert found.differences[0].message == "fused: MatMul + Add + Relu -> Gemm + Relu"
    assert found.differs_in == frozenset()  # the same parameters, the same FLOPs


def test_one_node_that_became_several_is_split():
    assert kinds(graphcost.compare(fused(), two_layers())) == {("dense", "split")}


def test_a_bias_that_went_is_told_with_its_elements():
    found = graphcost.compare(two_layers(), two_layers(bias=False))
    assert kinds(found) == {("dense", "fused"), ("dense", "parameters")}
    assert found.differs_in == {"parameters", "flops"}
    assert found.totals["parameters"][0].best - found.totals["parameters"][1].best == 5
    (pair,) = [one for one in found.pairs if one.path == "dense"]
    assert (pair.before.parameters, pair.after.parameters) == (45, 40)


def test_a_layer_without_parameters_that_went_is_dropped():
    nodes = ("h = Relu(x)", "d = Exp(h)", "y = Neg(d)")
    before = labelled(model("float[4] x => float[4] y", *nodes), "a", "noise", "b")
    after = labelled(model("float[4] x => float[4] y", "h = Relu(x)", "y = Neg(h)"), "a", "b")
    found = graphcost.compare(before, after)
    assert kinds(found) == {("noise", "dropped")}
    assert "Exp is gone" in found.differences[0].message


def test_a_scale_that_went_into_the_weights_before_it_is_folded():
    nodes = ("c = Conv(x, w)", "m = Mul(c, s)", "y = Add(m, t)")
    signature = "float[1,2,6,6] x => float[1,3,4,4] y <float[3,2,3,3] w, float[3,1,1] s, float[3,1,1] t>"
    before = labelled(model(signature, *nodes), "conv", "bn", "bn")
    signature = "float[1,2,6,6] x => float[1,3,4,4] y <float[3,2,3,3] w, float[3] b>"
    after = labelled(model(signature, "y = Conv(x, w, b)"), "conv")
    found = graphcost.compare(before, after)
    assert {("bn", "folded"), ("bn", "parameters"), ("conv", "parameters")} == kinds(found)
    folded = next(one for one in found.differences if one.kind == "folded")
    assert folded.message == "folded into conv: Mul + Add are gone"


def test_transposes_that_came_are_inserted_and_those_that_went_removed():
    before = labelled(model("float[2,3] x => float[2,3] y", "y = Relu(x)"), "act")
    nodes = ("t = Transpose(x)", "r = Relu(t)", "y = Transpose(r)")
    after = labelled(model("float[2,3] x => float[2,3] y", *nodes), "act", "act", "act")
    assert [(one.kind, one.message) for one in graphcost.compare(before, after).differences] == [
        ("inserted", "inserted, and computes nothing: 2 Transpose")
    ]
    assert kinds(graphcost.compare(after, before)) == {("act", "removed")}


def test_each_node_several_times_is_duplicated():
    before = labelled(model("float[2,3] x => float[2,3] y", "y = Relu(x)"), "act")
    nodes = ("a = Relu(x)", "b = Relu(a)", "y = Relu(b)")
    after = labelled(model("float[2,3] x => float[2,3] y", *nodes), "act", "act", "act")
    found = graphcost.compare(before, after)
    assert kinds(found) == {("act", "duplicated")}
    assert "3 times" in found.differences[0].message


def test_outputs_of_another_shape_are_a_difference_of_shape():
    before = model("float[2,3] x => float[2,3] y", "y = Relu(x)")
    after = model("float[2,4] x => float[2,4] y", "y = Relu(x)")
    found = graphcost.compare(before, after)
    assert "shape" in found.differs_in
    assert "float32[2, 3]" in found.differences[-1].message


def unlabelled(proto, *names):
    for node, name in zip(proto.graph.node, names, strict=True):
        del node.metadata_props[:]
        node.name = name
    return proto


def test_scopes_in_names_are_found_behind_others():
    before = unlabelled(two_layers(), "net/dense/MatMul", "net/dense/Add", "net/dense/Relu", "net/head/MatMul")
    after = unlabelled(fused(), "outer/call/net/dense/Gemm", "outer/call/net/dense/Relu", "outer/call/net/head/MatMul")
    found = graphcost.compare(before, after)
    assert kinds(found) == {("net/dense", "fused")}


def test_products_are_aligned_where_names_say_nothing():
    after = unlabelled(fused(), "", "", "")
    found = graphcost.compare(two_layers(), after)
    assert kinds(found) == {("dense", "fused")}


def test_sizes_are_bound_in_whichever_model_has_them():
    before = model("float[N,8] x => float[N,8] y", "y = Relu(x)")
    after = model("float[M,8] x => float[M,8] y", "y = Relu(x)")
    found = graphcost.compare(before, after, dims={"N": 5, "M": 5})
    assert found.differs_in == frozenset()
    with pytest.raises(UsageError, match="neither model has an input or a dimension 'Q'"):
        graphcost.compare(before, after, dims={"Q": 5})


@pytest.mark.parametrize("format_", ["table", "markdown", "csv"])
def test_every_format_shows_both_numbers(format_):
    text = compared.render(graphcost.compare(two_layers(), two_layers(bias=False)), format_)
    assert "45 -> 40" in text


def test_json_holds_totals_layers_and_differences():
    found = json.loads(compared.render(graphcost.compare(two_layers(), two_layers(bias=False)), "json"))
    assert found["totals"]["parameters"] == [[60, 60], [55, 55]]
    assert [one["path"] for one in found["layers"]] == ["dense", "head"]
    assert found["differs_in"] == ["flops", "parameters"]


def test_a_comparison_prints_itself():
    found = graphcost.compare(two_layers(), fused())
    assert "dense: fused: MatMul + Add + Relu -> Gemm + Relu" in str(found)
