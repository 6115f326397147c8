"""A list is followed entry by entry: what a plain Python list of shapes holds after the same steps."""

from __future__ import annotations

import numpy as np
import pytest
from build import model
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from typed import typed

from graphcost.load import load
from graphcost.shapes import infer
from graphcost.shapes.lists import MOST_RUNS
from graphcost.types import DType, OptionalType, SequenceType, TensorType

SHAPES = st.lists(st.integers(1, 3), min_size=2, max_size=2).map(tuple)


def entries(found):
    return [one.shape for one, times in found.entries for _ in range(times)]


@st.composite
def edits(draw, *, behind_the_last=True):
    """Return what is done to a list, as (operator, position or None, shape or None), and what it then holds."""
    held = draw(st.lists(SHAPES, min_size=1, max_size=4))
    steps, after = [], list(held)
    for _ in range(draw(st.integers(0, 6))):
        if draw(st.booleans()) or not after:
            last = len(after) if behind_the_last else len(after) - 1
            shape, place = draw(SHAPES), draw(st.none() | st.sampled_from(range(-len(after), last + 1) or [None]))
            steps.append(("SequenceInsert", place, shape))
            after.insert(len(after) if place is None else place, shape)
        else:
            place = draw(st.none() | st.integers(-len(after), len(after) - 1))
            steps.append(("SequenceErase", place, None))
            after.pop(-1 if place is None else place)
    return held, steps, after


def edited(held, steps):
    """Return the model that makes a list and does something to it, and its inputs."""
    inputs = {f"x{place}": np.zeros(shape, np.float32) for place, shape in enumerate(held)}
    nodes, stored = [helper.make_node("SequenceConstruct", [*inputs], ["l0"])], []
    for at, (op_type, place, shape) in enumerate(steps):
        names = [f"l{at}"]
        if shape is not None:
            inputs[f"new{at}"] = np.zeros(shape, np.float32)
            names.append(f"new{at}")
        if place is not None:
            stored.append(numpy_helper.from_array(np.array(place), f"at{at}"))
            names.append(f"at{at}")
        nodes.append(helper.make_node(op_type, names, [f"l{at + 1}"]))
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, one.shape) for name, one in inputs.items()]
    wanted = [helper.make_empty_tensor_value_info(f"l{len(steps)}")]
    return helper.make_model(helper.make_graph(nodes, "g", given, wanted, stored)), inputs


@settings(max_examples=200)
@given(edits())
def test_a_list_holds_what_a_python_list_holds(drawn):
    held, steps, after = drawn
    built, _ = edited(held, steps)
    found = infer(load(built), {}, {}).graph.type_of(f"l{len(steps)}")
    assert entries(found) == after
    assert found.length == len(after)


@settings(max_examples=50)
@given(edits(behind_the_last=False))
def test_the_python_list_holds_what_the_reference_computes(drawn):
    """But at the position behind the last entry, which the specification allows: there the reference inserts first."""
    held, steps, after = drawn
    built, inputs = edited(held, steps)
    (real,) = ReferenceEvaluator(built).run(None, inputs)
    assert [one.shape for one in real] == after


LIST = "float[2,3] a, float[4,3] b, float[4,3] c, int64 q => float[] y <{}>"
MADE = "l = SequenceConstruct(a, b, c)"
TAKEN = {
    "the first entry": ("y = SequenceAt(l, at)", "int64 at = {0}", "float32[2, 3]"),
    "the last entry": ("y = SequenceAt(l, at)", "int64 at = {-1}", "float32[4, 3]"),
    "an entry that only the run knows": ("y = SequenceAt(l, q)", "int64 at = {0}", "float32[?, 3]"),
    "all, side by side": ("y = ConcatFromSequence <axis = 0> (l)", "int64 at = {0}", "float32[10, 3]"),
    "all, along an axis from the end": ("y = ConcatFromSequence <axis = -2> (l)", "int64 at = {0}", "float32[10, 3]"),
    "all alike, stacked": (
        "m = SequenceConstruct(b, c) y = ConcatFromSequence <axis = 1, new_axis = 1> (m)", "int64 at = {0}",
        "float32[4, 2, 3]",
    ),
    "all alike, stacked at the end": (
        "m = SequenceConstruct(b, c) y = ConcatFromSequence <axis = -1, new_axis = 1> (m)", "int64 at = {0}",
        "float32[4, 3, 2]",
    ),
    "as often as there are entries": (
        "n = SequenceLength(l) m = Reshape(n, one) z = Expand(a, m) y = Tile(one, m)", "int64[1] one = {1}", "int64[3]",
    ),
    "one more than there were, somewhere": (
        "m = SequenceConstruct(b, c) n = SequenceInsert(m, b, q) y = ConcatFromSequence <axis = 0> (n)",
        "int64 at = {0}", "float32[12, 3]",
    ),
    "another one more, somewhere": (
        "n = SequenceInsert(l, a, q) y = ConcatFromSequence <axis = 0> (n)", "int64 at = {0}", "float32[?, 3]",
    ),
    "one less, whichever": (
        "m = SequenceConstruct(b, c) n = SequenceErase(m, q) y = ConcatFromSequence <axis = 0> (n)",
        "int64 at = {0}", "float32[4, 3]",
    ),
    "through an Identity": ("m = Identity(l) y = SequenceAt(m, at)", "int64 at = {0}", "float32[2, 3]"),
    "through an Optional": (
        "m = Optional(l) n = OptionalGetElement(m) y = SequenceAt(n, at)", "int64 at = {0}", "float32[2, 3]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TAKEN)
def test_what_is_taken_from_a_list(case):
    nodes, stored, expected = TAKEN[case]
    found = typed(MADE, *nodes.replace(") ", ")\n").split("\n"), signature=LIST.format(stored))
    assert str(found.type_of("y")) == expected


NOT_THERE = {
    "behind the last": ("SequenceAt", {"at": np.array(3)}, {}, "wants a position from -3 to 2, it is 3"),
    "before the first": ("SequenceAt", {"at": np.array(-4)}, {}, "wants a position from -3 to 2, it is -4"),
    "to erase": ("SequenceErase", {"at": np.array(3)}, {}, "wants a position from -3 to 2, it is 3"),
    "to insert": ("SequenceInsert", {"a": None, "at": np.array(4)}, {}, "wants a position from -3 to 3, it is 4"),
    "an axis": ("ConcatFromSequence", {}, {"axis": 2}, "Accepted range=[-2, 1], Value=2"),
    "an axis between two": ("ConcatFromSequence", {}, {"axis": 0.5}, "Expected: 'INT', actual: 'FLOAT'"),
}


@pytest.mark.parametrize("case", NOT_THERE)
def test_what_is_not_there_can_not_be_taken(case):
    op_type, given, attributes, expected = NOT_THERE[case]
    built = model(LIST.format("float one"), MADE, "y = Relu(a)")
    built.graph.initializer.extend(numpy_helper.from_array(one, name) for name, one in given.items() if one is not None)
    built.graph.node.append(helper.make_node(op_type, ["l", *given], ["s"], **attributes))
    assert expected in infer(load(built), {}, {}).graph.calls[-1].problem


NOT_SPLIT = {
    "along an axis between two": ({"axis": 0.5}, None, "Expected: 'INT', actual: 'FLOAT'"),
    "into a negative part": ({}, np.array([3, -1]), "wants integers of 0 or more as split, it is '[3, -1]'"),
    "into halves": ({}, np.array([0.5, 1.5]), "unsupported type: tensor(double)"),
}


@pytest.mark.parametrize("case", NOT_SPLIT)
def test_what_can_not_be_split(case):
    attributes, sizes, expected = NOT_SPLIT[case]
    built = model("float[2,7] x => float[] y", "y = Relu(x)")
    built.graph.initializer.extend([] if sizes is None else [numpy_helper.from_array(sizes, "n")])
    inputs = ["x"] if sizes is None else ["x", "n"]
    built.graph.node.append(helper.make_node("SplitToSequence", inputs, ["s"], **attributes))
    assert expected in infer(load(built), {}, {}).graph.calls[-1].problem


SPLIT = {
    "without sizes": ("s = SplitToSequence <axis = 1> (x)", [(2, 1)] * 7),
    "without sizes, the axis left out": ("s = SplitToSequence <axis = 1, keepdims = 0> (x)", [(2,)] * 7),
    "in sizes": ("s = SplitToSequence <axis = 1> (x, sizes)", [(2, 3), (2, 4)]),
    "in sizes, an axis from the end": ("s = SplitToSequence <axis = -1, keepdims = 0> (x, sizes)", [(2, 3), (2, 4)]),
    "in parts of one size": ("s = SplitToSequence <axis = 1> (x, three)", [(2, 3), (2, 3), (2, 1)]),
    "in parts of one size without a rest": ("s = SplitToSequence <axis = 0> (x, one)", [(1, 7), (1, 7)]),
    "in sizes that only the run knows": ("s = SplitToSequence <axis = 1> (x, q)", [(2, None), (2, None)]),
}


@pytest.mark.parametrize("case", SPLIT)
def test_the_parts_of_a_tensor(case):
    node, expected = SPLIT[case]
    signature = "float[2,7] x, int64[2] q => float[] s <int64[2] sizes = {3, 4}, int64 three = {3}, int64 one = {1}>"
    assert entries(typed(node, signature=signature).type_of("s")) == expected


def test_a_list_of_many_kinds_of_entries_has_none_alone():
    held = [(1 + place % 2, 1) for place in range(MOST_RUNS + 1)]
    built, _ = edited(held, [])
    found = infer(load(built), {}, {}).graph.type_of("l0")
    assert (found.entries, str(found)) == (None, "sequence(float32[?, 1])")


def test_a_long_list_of_one_kind_is_known():
    found = typed("s = SplitToSequence <axis = 0> (x)", signature="float[1000000,2] x => float[] s").type_of("s")
    assert found.entries == ((TensorType(DType.FLOAT32, (1, 2)), 1_000_000),)


def test_an_empty_list_is_known_to_be_empty():
    found = typed("s = SequenceEmpty <dtype = 7> ()", "y = SequenceLength(s)")
    assert found.type_of("s") == SequenceType(TensorType(DType.INT64, None), ())
    assert found.facts["y"].constant == 0


THERE = "y = If(q) <then_branch = t () => (float a) { a = Relu(x) }, else_branch = e () => (float b) { b = Size(x) }>"


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        (["o = Optional(x)", "q = OptionalHasElement(o)"], True),
        (["q = OptionalHasElement(x)"], True),
        (["q = OptionalHasElement()"], False),
        (["l = SequenceEmpty()", "q = OptionalHasElement(l)"], True),
    ],
)
def test_whether_a_value_is_there_is_known(nodes, expected):
    found = typed(*nodes, THERE)
    assert bool(found.facts["q"].constant) is expected
    assert [body.label for body in found.calls[-1].bodies] == ["then_branch" if expected else "else_branch"]


def test_an_optional_without_a_value_is_known_to_be_empty():
    built = model("float[2,3] x => float[] y", "y = Relu(x)")
    declared = helper.make_tensor_type_proto(TensorProto.FLOAT, [5])
    built.graph.node.extend(
        [helper.make_node("Optional", [], ["o"], type=declared), helper.make_node("OptionalHasElement", ["o"], ["q"])]
    )
    found = infer(load(built), {}, {}).graph
    assert found.type_of("o") == OptionalType(TensorType(DType.FLOAT32, (5,)), is_there=False)
    assert not found.facts["q"].constant


def test_whether_an_optional_input_is_there_only_the_run_knows():
    built = model("float[2,3] x => float[] y", "y = Relu(x)")
    declared = helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, [5]))
    built.graph.input.append(helper.make_value_info("o", declared))
    built.graph.node.append(helper.make_node("OptionalHasElement", ["o"], ["q"]))
    assert infer(load(built), {}, {}).graph.facts["q"].read is None
