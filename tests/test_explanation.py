"""An explanation holds the formula with the numbers of one node, and finds the node by what it is called."""

from __future__ import annotations

from pathlib import Path

import pytest
from build import model
from onnx import helper

import graphcost
from graphcost.bounds import Bounds
from graphcost.errors import UsageError

MNIST = Path(__file__).parents[1] / "models" / "mnist_cnn.onnx"
BODIES = model(
    "float[1,8] x, bool cond, int64 trips => float[1,8] y <float[8,8] w>",
    "f = local.block(x)",
    "g = local.block(f)",
    "c = If(cond) <then_branch = a () => (float[1,8] r1) { r1 = MatMul(g, w) },"
    " else_branch = b () => (float[1,8] r2) { r2 = Relu(g) }>",
    "u = my.Odd(c)",
    "y = Exp(c)",
    functions='<domain: "local", opset_import: ["" : 22]> block (a) => (b) { s = Sigmoid(a) b = Mul(a, s) }',
    domains=', "local": 1, "my": 1',
)


def lines(node, source=MNIST, **options):
    return [line.strip() for line in str(graphcost.explain(source, node, **options)).splitlines()]


@pytest.mark.parametrize(
    "line",
    [
        "Conv, opset 17, priced",
        "Y[n, m, p] = B[m] + sum over c, q of X[n, c, p*stride + q*dilation - pad] * W[m, c, q].",
        "Source: https://onnx.ai/onnx/operators/onnx__Conv.html",
        "X  p1       float32[1, 32, 13, 13]",
        "W  conv2_W  float32[64, 32, 3, 3]",
        "Y  c2  float32[1, 64, 11, 11]",
        "kernel_shape = (3, 3)",
        "group = 1, by default",
        "X*W: outputs 7,744 x channels 32 x kernel 9 = 2,230,272 MAC in float32",  # 64*11*11 * 32 * 3*3
        "+ B: outputs 7,744 = 7,744 add in float32",
        "X*W: 2 x 2,230,272 MAC = 4,460,544",
        "4,468,288 FLOP",
        "read: 95,616 B",  # 4 * (32*13*13 + 64*32*9 + 64)
        "written: 30,976 B",  # 4 * 64*11*11
        "18,496, each counted at the first node that reads it",
    ],
)
def test_an_explanation_fills_in_the_formula(line):
    assert line in lines("conv2/Conv")


@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        ("macs", ["+ B: add is not counted", "2,230,272 MAC"]),
        ("macs-with-bias", ["2,238,016 MAC, by a formula of its own"]),
        ("textbook", ["4,460,544 FLOP, by a formula of its own"]),
    ],
)
def test_an_explanation_tells_what_the_convention_makes_of_it(convention, expected):
    assert set(expected) <= set(lines("conv2/Conv", convention=convention))


@pytest.mark.parametrize(("convention", "worth"), [("graphcost", [4_460_544, 7_744]), ("macs", [2_230_272, None])])
def test_a_term_is_worth_what_the_convention_counts_for_it(convention, worth):
    """conv2: 64*11*11 outputs, each of 32*3*3 products and a bias."""
    found = graphcost.explain(MNIST, "conv2/Conv", convention=convention)
    exactly = [None if one is None else Bounds.exactly(one) for one in worth]
    assert [found.worth(term) for term in found.row.cost.terms] == exactly


def test_what_a_convention_does_not_count_is_said():
    assert any(line.startswith("not counted: ") for line in lines("y", BODIES, convention="textbook"))


def test_a_free_operator_says_why():
    assert lines("flatten/Flatten")[3:5] == ["free", "The same elements under another shape."]


def test_a_node_without_a_rule_says_so():
    found = lines("u", BODIES)
    assert found[1] == "my.Odd, opset 1, unpriced: there is no rule for Odd"
    assert found.count("not known") == 1
    assert "0 FLOP" not in found


@pytest.mark.parametrize(
    ("node", "title", "rows"),
    [
        ("c", "body: then_branch x1 or else_branch x1", ["c/then_branch/r1  MatMul    priced  64"]),
        ("f", "body: block x1", ["f/s   Sigmoid   priced  0", "f/b   Mul       priced  0"]),
        ("g", "body: block x1", ["f/s   Sigmoid   priced  0", "f/b   Mul       priced  0"]),  # listed below the first
    ],
)
def test_a_node_with_bodies_lists_their_nodes(node, title, rows):
    found = lines(node, BODIES)
    assert title in found
    assert set(rows) <= set(found)


@pytest.mark.parametrize("called", ["conv1/Conv", "c1"])
def test_a_node_is_found_by_its_name_or_its_output(called):
    assert graphcost.explain(MNIST, called).row.id == "conv1/Conv"


def test_dimensions_are_bound_as_in_a_report():
    assert graphcost.explain(MNIST, "conv1/Conv", dims={"batch": 2}).row.macs.best == 2 * 194_688


@pytest.mark.parametrize(
    ("called", "message"),
    [
        ("conv1", "has no node 'conv1'; did you mean 'conv1/Conv' or 'conv1/Relu'"),
        ("CONV2/", "did you mean 'conv2/Conv' or 'conv2/Relu'"),
        ("desne1/Relu", "did you mean 'dense1/Relu'"),
        ("qqqqqqqqqqqq", "has no node 'qqqqqqqqqqqq'$"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is_alike(called, message):
    with pytest.raises(UsageError, match=message):
        graphcost.explain(MNIST, called)


def test_a_name_that_several_nodes_have_is_refused():
    two = model("float[4] x => float[4] y", "h = Relu(x)", "y = Relu(h)")
    for node in two.graph.node:
        node.name = "same"
    with pytest.raises(UsageError, match=r"2 nodes are called 'same'; name one by its id: 'h', 'y'"):
        graphcost.explain(two, "same")


def test_a_tensor_attribute_is_shown_with_its_elements():
    built = model("float[2] x => float[2] y", "y = Add(x, k)")
    built.graph.node.insert(0, helper.make_node("Constant", [], ["k"], value_floats=[1.0, 2.0]))
    assert "value_floats = (1.0, 2.0)" in lines("k", built)
