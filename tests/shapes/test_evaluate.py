"""What is computed from constants is what onnx's reference computes, and nothing that would take long."""

from __future__ import annotations

import numpy as np
import pytest
from build import model
from onnx import TensorProto, defs, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from graphcost.load import load
from graphcost.shapes import evaluate, infer


def facts(built, **dims):
    return infer(load(built), dims, {}).graph.facts


SCALE = "float[1,3,4,5] x => float[M,N] y <int64[1] one = {1}, int64[2] two = {1, 2}, float[4] f = {0.5, 1, 2, 3}>"
COMPUTED = {
    "Shape": "y = Shape(x)",
    "Shape of a part": "y = Shape <start = 1, end = -1> (x)",
    "Size": "y = Size(x)",
    "Gather": "s = Shape(x) y = Gather(s, two)",
    "Slice": "s = Shape(x) y = Slice(s, one, end)",
    "Concat": "s = Shape(x) y = Concat <axis = 0> (s, one, two)",
    "arithmetic": "s = Shape(x) a = Gather(s, one) b = Mul(a, two) c = Add(b, one) d = Div(c, two) y = Sub(d, one)",
    "Unsqueeze": "s = Size(x) y = Unsqueeze(s, zero)",
    "Cast": "s = Shape(x) y = Cast <to = 1> (s)",
    "floats": "a = Cast <to = 1> (one) b = Mul(f, a) c = Floor(b) d = Exp(c) y = Reciprocal(d)",
    "Range": "z = Constant <value_int = 0> () e = Size(x) o = Constant <value_int = 1> () y = Range(z, e, o)",
    "ConstantOfShape": "s = Shape(x) y = ConstantOfShape(s)",
    "NonZero": "y = NonZero(two)",
    "comparison and choice": "s = Shape(x) a = Greater(s, two2) y = Where(a, s, two2)",
    "Split": "s = Shape(x) a, y = Split <num_outputs = 2> (s)",
    "TopK": "s = Shape(x) a, y = TopK(s, one)",
    "an optional input left out": "s = Shape(x) y = Clip(s, , three)",
}


@pytest.mark.parametrize("case", COMPUTED)
def test_what_follows_from_the_shapes_is_known(case):
    built = model(SCALE, *COMPUTED[case].replace(") ", ")\n").split("\n"), opset=18)
    stored = {"two2": np.array([2] * 4), "three": np.array(3), "zero": np.array([0]), "end": np.array([3])}
    built.graph.initializer.extend(numpy_helper.from_array(one, name) for name, one in stored.items())
    (expected,) = ReferenceEvaluator(built).run(None, {"x": np.zeros((1, 3, 4, 5), np.float32)})
    found = facts(built)["y"]
    np.testing.assert_array_equal(found.constant, expected)
    assert found.type.shape == expected.shape


BEFORE = {
    "Unsqueeze": ("y = Unsqueeze <axes = [0]> (six)", 11, [[6]]),
    "Squeeze": ("y = Squeeze <axes = [0]> (pair)", 11, [3, 4]),
    "Slice": ("y = Slice <starts = [1], ends = [2]> (three)", 9, [6]),
    "ReduceSum": ("y = ReduceSum <axes = [0], keepdims = 0> (three)", 11, 5 + 6 + 7),
    "Split": ("y, z = Split <axis = 0, split = [1, 2]> (three)", 11, [5]),
    "Clip": ("f = Cast <to = 1> (three) y = Clip <max = 6.0> (f)", 6, [5, 6, 6]),
    "TopK": ("f = Cast <to = 1> (three) y, i = TopK <k = 1> (f)", 9, [7]),
}


@pytest.mark.parametrize("case", BEFORE)
def test_an_older_operator_is_evaluated_as_it_was(case):
    """What was an attribute once is an input today."""
    nodes, opset, expected = BEFORE[case]
    signature = "float[2] x => float[] y <int64[1] six = {6}, int64[1,2] pair = {3, 4}, int64[3] three = {5, 6, 7}>"
    built = model(signature, *nodes.replace(") ", ")\n").split("\n"), opset=opset)
    assert facts(built)["y"].constant.tolist() == expected


def test_softmax_that_flattens_is_not_evaluated_as_todays():
    nodes = ["y = Softmax <axis = 1> (f)"]
    signature = "float[2] x => float[] y <float[1,2,2] f = {1, 1, 1, 1}>"
    assert facts(model(signature, *nodes, opset=11))["y"].constant is None
    assert facts(model(signature, *nodes, opset=13))["y"].constant.tolist() == [[[0.5, 0.5], [0.5, 0.5]]]


def test_a_shape_between_no_places_is_not_known():
    found = facts(model("float[2,3] x => int64[M] y", "y = Shape <end = [1, 2]> (x)"))
    assert found["y"].read is None


def test_the_known_part_of_a_shape_is_known():
    nodes = ["n = NonZero(x)", "y = Shape <start = 0, end = 1> (n)", "z = Shape(n)"]
    found = facts(model("float[2,3,4] x => int64[M] y, int64[N] z", *nodes))
    assert found["y"].constant.tolist() == [3]
    assert found["z"].constant is None


UNKNOWN = {
    "of what the run computes": "y = Relu(x)",
    "at random": "y = RandomNormal <shape = [2]> ()",
    "of many elements": "s = Constant <value_ints = [4097]> () y = ConstantOfShape(s)",
    "of 2^62 elements": "s = Constant <value_ints = [4611686018427387904]> () y = ConstantOfShape(s)",
    "of a rank beyond numpy's": "s = Constant <value_ints = [{}]> () y = ConstantOfShape(s)".format(
        ", ".join("1" * 65)
    ),
    "of an operator that may take for ever": "t = Constant <value_ints = [1, 2]> () y = GatherElements(two, t)",
    "of another domain": "y = other.Relu(two)",
    "that the reference refuses": "y = Gather(two, nine)",
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_elements_that_are_not_known(case):
    signature = "float[2] x => float[M] y <int64[2] two = {1, 2}, int64[1] nine = {9}>"
    built = model(signature, *UNKNOWN[case].replace(") ", ")\n").split("\n"), domains=', "other" : 1')
    assert facts(built)["y"].constant is None


LEFT_OUT = {
    ("TopK", "", "indices"): [[0, 2]],
    ("TopK", "values", ""): [[3, 2]],
    ("Unique", "", "indices"): [[1, 2, 0]],
    ("Unique", "", "", "", "counts"): [[2, 1, 1]],
    ("Unique", "y", "", "inverse"): [[1, 2, 3], [2, 0, 1, 0]],
    ("Split", "", "second"): [[2, 1]],
    ("Split", "first", ""): [[3, 1]],
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_an_output_may_be_left_out(case):
    op_type, *outputs = case
    inputs = ["x", "k"] if op_type == "TopK" else ["x"]
    built = model("=> int64[M] z <int64[4] x = {3, 1, 2, 1}, int64[1] k = {2}>", "z = Relu(k)", opset=17)
    built.graph.node.append(helper.make_node(op_type, inputs, outputs))
    named = [name for name in outputs if name]
    built.graph.output.extend(map(helper.make_empty_tensor_value_info, named))
    found = facts(built)
    assert [found[name].constant.tolist() for name in named] == LEFT_OUT[case]


MISREAD = {
    "a slice back from before the start": ("y = Slice(x, below, end, zero, back)", 13, "int64[1]"),
    "a sum of squares that is held as int64": ("a = Cast <to = 6> (x) y = ReduceSumSquare(a)", 13, "int32[1]"),
    "the largest, in any order": ("y, i = TopK <sorted = 0> (x, two)", 13, "int64[2]"),
    "unique ones, not in order": ("y = Unique <sorted = 0> (x)", 13, "int64[?]"),
    "an integer by zero": ("y = Div(x, zero)", 13, "int64[3]"),
    "the rest of an integer by zero": ("y = Mod(x, zero)", 13, "int64[3]"),
    "the rest of an integer by zero, as C has it": ("y = Mod <fmod = 1> (x, zero)", 13, "int64[3]"),
    "infinity as an integer": ("a = Cast <to = 1> (zero) b = Reciprocal(a) y = Cast <to = 7> (b)", 13, "int64[1]"),
}
"""What the reference computes otherwise than it is specified, or than its type says, and what nobody specifies."""


@pytest.mark.parametrize("case", MISREAD)
def test_what_the_reference_misreads_is_not_known(case):
    nodes, opset, expected = MISREAD[case]
    stored = "int64[3] x = {5, 7, 6}, int64[1] zero = {0}, int64[1] two = {2}"
    slicing = "int64[1] below = {-5}, int64[1] end = {-9223372036854775807}, int64[1] back = {-1}"
    built = model(f"=> int64[M] y <{stored}, {slicing}>", *nodes.replace(") ", ")\n").split("\n"), opset=opset)
    found = facts(built)["y"]
    assert (str(found.type), found.constant) == (expected, None)


def test_a_float_by_zero_is_known():
    built = model("=> float[M] y <float[3] x = {1, -1, 0}, float[1] zero = {0}>", "y = Div(x, zero)")
    np.testing.assert_array_equal(facts(built)["y"].constant, [np.inf, -np.inf, np.nan])


CONSTANTS = {
    "value_int": (3, np.int64(3)),
    "value_ints": ([3, 4], np.array([3, 4], np.int64)),
    "value_float": (0.5, np.float32(0.5)),
    "value_floats": ([0.5, 1.0], np.array([0.5, 1], np.float32)),
    "value_string": ("a", np.array("a", object)),
    "value_strings": (["a", "b"], np.array(["a", "b"], object)),
    "value": (numpy_helper.from_array(np.eye(2, dtype=np.float16)), np.eye(2, dtype=np.float16)),
}


@pytest.mark.parametrize("kind", CONSTANTS)
def test_what_a_constant_node_holds(kind):
    value, expected = CONSTANTS[kind]
    node = helper.make_node("Constant", [], ["y"], **{kind: value})
    built = helper.make_model(helper.make_graph([node], "g", [], [helper.make_empty_tensor_value_info("y")]))
    found = facts(built)["y"]
    np.testing.assert_array_equal(found.constant, expected)
    assert found.constant.dtype == expected.dtype
    assert found.type.shape == expected.shape


def test_a_constant_node_of_many_elements_has_a_type():
    node = helper.make_node("Constant", [], ["y"], value_ints=range(5000))
    built = helper.make_model(helper.make_graph([node], "g", [], [helper.make_empty_tensor_value_info("y")]))
    found = facts(built)["y"]
    assert (found.constant, str(found.type)) == (None, "int64[5000]")


def test_the_lists_name_operators_of_onnx():
    schemas = {one.name for one in defs.get_all_schemas() if not one.domain}
    assert schemas >= evaluate.SAFE | evaluate.SHRINKS | evaluate.RANDOM | evaluate.ASKS_TYPE
    assert evaluate.SAFE >= evaluate.SHRINKS
    assert evaluate.SAFE.isdisjoint(evaluate.RANDOM)


def test_a_dimension_beyond_64_bits_is_no_element():
    assert evaluate.of_shape("Size", {}, infer(load(huge()), {}, {}).graph.type_of("y")) is None


def huge():
    nodes = [helper.make_node("Expand", ["x", "s"], ["y"])]
    stored = [helper.make_tensor("s", TensorProto.INT64, [2], [1 << 40, 1 << 40])]
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1])]
    return helper.make_model(helper.make_graph(nodes, "g", given, [], stored))
