"""Nodes that look alike share one call; nodes that don't, never do."""

from __future__ import annotations

import pytest
from build import model

from graphcost import shapes
from graphcost.call import Stage
from graphcost.load import load
from graphcost.shapes import walk


def typed(built, **dims):
    return shapes.infer(load(built), dims, {}).graph


def test_equal_nodes_share_a_call_and_are_inferred_once(monkeypatch):
    asked = []
    infer = walk.infer
    monkeypatch.setattr(walk, "infer", lambda node, inputs: asked.append(node) or infer(node, inputs))
    found = typed(model("float[2,4] x => float[2,4] y", "a = Relu(x)", "b = Relu(a)", "y = Relu(b)"))
    assert found.calls[0] is found.calls[1] is found.calls[2]
    assert len(asked) == 1


APART = {
    "attributes": (
        "float[2,4] x => float[M,N] y, float[M,N] z",
        ["y = Softmax<axis = 0>(x)", "z = Softmax<axis = 1>(x)"],
    ),
    "input types": ("float[2,4] x, float[4,2] v => float[M,N] y, float[M,N] z", ["y = Relu(x)", "z = Relu(v)"]),
    "shape constants": (
        "float[2,4] x => float[M,N] y, float[M,N] z <int64[2] a = {8, 1}, int64[2] b = {1, 8}>",
        ["y = Reshape(x, a)", "z = Reshape(x, b)"],
    ),
    "scales": (
        "float[1,1,2,2] x => float[A,B,C,D] y, float[A,B,C,D] z <float[4] a = {1, 1, 2, 2}, float[4] b = {1, 1, 4, 4}>",
        ["y = Resize(x, , a)", "z = Resize(x, , b)"],
    ),
    "what is left out": (
        "float[2,4] x => float[M,N] y, float[M,N] z <float[4,3] w, float[3] b>",
        ["y = Gemm(x, w)", "z = Gemm(x, w, b)"],
    ),
    "when it is known": (
        "float[4,4] x => float[M,N] y, float[M,N] z <float[4,4] w>",
        ["y = Transpose(x)", "z = Transpose(w)"],
    ),
}


@pytest.mark.parametrize("case", APART)
def test_nodes_that_differ_share_nothing(case):
    signature, nodes = APART[case]
    first, second = typed(model(signature, *nodes)).calls
    assert first is not second


def test_constants_that_are_computed_from_floats_are_not_confused():
    """Both Muls have the same types; what they give decides two shapes."""
    nodes = [
        "a = Mul(two, one)",
        "b = Mul(three, one)",
        "s = Cast<to = 7>(a)",
        "t = Cast<to = 7>(b)",
        "y = Tile(x, s)",
        "z = Tile(x, t)",
    ]
    found = typed(
        model(
            "float[5] x => float[M] y, float[M] z <float[1] one = {1}, float[1] two = {2}, float[1] three = {3}>",
            *nodes,
        )
    )
    assert [str(found.type_of(name)) for name in "yz"] == ["float32[10]", "float32[15]"]


STAGES = {
    "weights": (
        "float[4,4] x => float[M,N] y <float[4,4] w>",
        ["v = Transpose(w)", "y = MatMul(x, v)"],
        Stage.PREPARATION,
    ),
    "a shape": ("float[N,4] x => int64[M] y", ["v = Shape(x)", "y = Identity(v)"], Stage.SHAPE),
    "a mask": (
        "float[N,4] x => float[M] y <float[1] w>",
        ["s = Shape(x)", "v = ConstantOfShape(s)", "y = Add(v, w)"],
        Stage.SHAPE,
    ),
    "an input": ("float[4] x => float[4] y", ["v = Relu(x)", "y = Relu(v)"], Stage.RUN),
    "chance": ("float[4] x => float[4] y <float[4] w>", ["v = RandomNormalLike(w)", "y = Add(x, v)"], Stage.RUN),
    "the shape of what is unknown": (
        "float[4] x => int64[M] y",
        ["n = NonZero(x)", "v = Shape(n)", "y = Identity(v)"],
        Stage.RUN,
    ),
}


@pytest.mark.parametrize("case", STAGES)
def test_when_a_value_is_known(case):
    signature, nodes, expected = STAGES[case]
    assert typed(model(signature, *nodes)).stage_of("v") is expected


def test_inner_dimensions_can_be_bound():
    built = model("float[8] x => float[A,M] y", "i = NonZero(x)", "f = Cast<to = 1>(i)", "y = Relu(f)")
    assert str(typed(built).type_of("y")) == "float32[1, ?]"
    assert str(typed(built, **{"i[1]": 5}).type_of("y")) == "float32[1, 5]"


@pytest.mark.parametrize("opset", [12, 13, 15, 16, 22])
@pytest.mark.parametrize("op_type", ["GreaterOrEqual", "LessOrEqual"])
def test_where_inference_says_nothing_the_function_body_does(op_type, opset):
    found = typed(model("float[2,1] x, float[3] v => bool[M,N] y", f"y = {op_type}(x, v)", opset=opset))
    assert str(found.type_of("y")) == "bool[2, 3]"
    assert not found.calls[0].bodies


def test_a_range_longer_than_any_tensor_is_not_known():
    ends = "int64 a = {-9223372036854775807}, int64 b = {9223372036854775807}, int64 one = {1}"
    assert str(typed(model(f"=> int64[M] y <{ends}>", "y = Range(a, b, one)")).type_of("y")) == "int64[...]"


def test_what_a_function_knows_is_known_behind_it():
    functions = '<opset_import: ["": 22], domain: "own"> rows (v) => (w) { w = Shape <start = 0, end = 1> (v) }'
    nodes = ["r = own.rows(x)", "y = Expand(one, r)"]
    built = model("float[7,4] x => float[M] y <float[1] one>", *nodes, functions=functions, domains=', "own" : 1')
    assert str(typed(built).type_of("y")) == "float32[7]"


@pytest.mark.parametrize(
    ("node", "wanted"),
    [
        ("y = Compress(x)", "wants 2 inputs, has 1"),
        ("y = Compress(x, x, x)", "wants 2 inputs, has 3"),
        ("y, z = Compress(x, x)", "wants 1 outputs, has 2"),
        ("y = OneHot(x, , x)", "wants the input depth, there is none"),
        ("y = Range(x)", "wants 3 inputs, has 1"),
    ],
)
def test_a_node_with_a_type_rule_has_the_inputs_that_the_rule_counts_on(node, wanted):
    assert typed(model("float[4] x => float[M] y", node)).calls[0].problem == wanted
