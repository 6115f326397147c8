"""What onnx's inference and reference misread is read as numpy reads it."""

from __future__ import annotations

import numpy as np
import pytest
from build import model
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from graphcost.load import load
from graphcost.shapes import infer


def facts(built):
    return infer(load(built), {}, {}).graph.facts


@st.composite
def nodes(draw):
    """Return Squeeze or Unsqueeze with axes in any order, a shape for it, and the opset."""
    op_type, opset = draw(st.sampled_from(["Squeeze", "Unsqueeze"])), draw(st.sampled_from([7, 10, 11, 12]))
    wide = draw(st.lists(st.integers(2, 3), max_size=3))
    places = draw(st.lists(st.integers(0, len(wide)), min_size=1, max_size=3))
    shape = list(wide)
    for place in places:
        shape.insert(place, 1)
    axes = [axis for axis, size in enumerate(shape) if size == 1]
    signs = draw(st.lists(st.booleans(), min_size=len(axes), max_size=len(axes)))
    given = [axis - len(shape) * sign for axis, sign in zip(axes, signs, strict=True)]
    return op_type, opset, shape if op_type == "Squeeze" else wide, draw(st.permutations(given))


@settings(max_examples=200)
@given(nodes())
def test_axes_are_squeezed_in_any_order(drawn):
    op_type, opset, shape, axes = drawn
    x = np.arange(np.prod(shape), dtype=np.int64).reshape(shape)
    expected = (np.squeeze if op_type == "Squeeze" else np.expand_dims)(x, tuple(axes))
    built = model("float[2] v => float[2] w", "w = Relu(v)", opset=opset)
    built.graph.input.append(helper.make_tensor_value_info("given", 7, shape))
    built.graph.initializer.append(numpy_helper.from_array(x, "stored"))
    built.graph.node.extend(
        [
            helper.make_node(op_type, ["given"], ["y"], axes=axes),
            helper.make_node(op_type, ["stored"], ["z"], axes=axes),
        ]
    )
    found = facts(built)
    assert found["y"].type.shape == found["z"].type.shape == expected.shape
    np.testing.assert_array_equal(found["z"].constant, expected)


@pytest.mark.parametrize("opset", [7, 11])
@pytest.mark.parametrize(
    ("op_type", "axes"), [("Squeeze", [0, 3]), ("Squeeze", [-4]), ("Unsqueeze", [4]), ("Unsqueeze", [0, 0])]
)
def test_axes_that_are_not_there_are_invalid(op_type, axes, opset):
    built = model("float[1,2,1] x => float[] w", "w = Relu(x)", opset=opset)
    built.graph.node.append(helper.make_node(op_type, ["x"], ["y"], axes=axes))
    assert infer(load(built), {}, {}).graph.calls[-1].problem.startswith("wants axes among ")


@pytest.mark.parametrize("axes", [["a"], [0.5], 0])
def test_axes_that_are_no_integers_stop_no_analysis(axes):
    built = model("float[1,2,1] x => float[] w", "w = Relu(x)", opset=11)
    built.graph.node.append(helper.make_node("Squeeze", ["x"], ["y"], axes=axes))
    assert infer(load(built), {}, {}).graph.calls[-1].problem


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ("x, zero, one, unranked", (None, None, None)),
        ("x, zero, one, zero, unranked", (None, None, None)),
        ("x, zero, one, , unranked", (None, None, None)),
        ("unranked, zero, one, unranked", None),
        ("x, zero, one", (1, 3, 3)),
        ("x, zero, one, last", (5, 3, 1)),
    ],
)
def test_a_slice_along_axes_of_unknown_rank(inputs, expected):
    """With axes [2] it is of shape (5, 3, 1), with steps [2] of (3, 3, 3) where it ends at 5."""
    stored = "int64[1] zero = {0}, int64[1] one = {1}, int64[1] last = {2}"
    nodes = ["rank = Slice(r, zero, a)", "unranked = Reshape(a, rank)", f"y = Slice({inputs})"]
    built = model(f"int64[5,3,3] x, int64[1] a, int64[R] r => int64[M] y <{stored}>", *nodes, opset=13)
    assert facts(built)["unranked"].type.shape is None
    assert facts(built)["y"].type.shape == expected
