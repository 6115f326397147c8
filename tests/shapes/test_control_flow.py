"""Bodies are walked with types that hold in every turn; what comes out has the shape that the reference computes."""

from __future__ import annotations

import numpy as np
import pytest
from build import model
from onnx import TensorProto, helper

from graphcost import analyze
from graphcost.load import load
from graphcost.results import Status
from graphcost.shapes import infer
from graphcost.shapes.control_flow import MOST_TURNS

IF = "y = If({}) <then_branch = t () => (float a) {{ {} }}, else_branch = e () => (float b) {{ {} }}>"
LOOP = "{} = Loop({}) <body = b (int64 i, bool c, float v) => (bool d, float w) {{ {} }}>"
WHILE = (
    "x2, t2, y = Loop(, yes, x, t) "
    "<body = b (int64 i, bool c, float v, int64 n) => (bool d, float w, int64 m, float s) {{ {} }}>"
)
SCAN = "{} = Scan <body = b ({}) => ({}) {{ {} }}, {}> ({})"


def typed(*nodes, signature="float[2,3] x => float[] y"):
    return infer(load(model(signature, *nodes)), {}, {}).graph


def shape(*nodes, signature="float[2,3] x => float[] y"):
    return typed(*nodes, signature=signature).type_of("y").shape


def bodies(*nodes, signature="float[2,3] x => float[] y"):
    return [(body.label, body.times) for call in typed(*nodes, signature=signature).calls for body in call.bodies]


YES = "float[2,3] x, bool q => float[] y <bool yes = {1}, bool[1] no = {0}, bool[2] both = {1, 1}>"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("yes", ["then_branch"]),
        ("no", ["else_branch"]),
        ("q", ["then_branch", "else_branch"]),
        ("both", ["then_branch", "else_branch"]),
    ],
)
def test_a_known_condition_takes_its_branch(condition, expected):
    found = bodies(IF.format(condition, "a = Relu(x)", "b = Transpose(x)"), signature=YES)
    assert found == [(label, 1) for label in expected]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a = Relu(x)", "b = Neg(x)", (2, 3)),
        ("a = Relu(x)", "b = Concat <axis = 0> (x, x)", (None, 3)),
        ("a = Relu(x)", "b = Flatten <axis = 0> (x)", (None, None)),
        ("a = Relu(x)", "b = Size(x)", None),
    ],
)
def test_what_comes_out_of_an_unknown_branch_is_what_holds_for_both(one, other, expected):
    assert shape(IF.format("q", one, other), signature=YES) == expected


def test_a_condition_that_follows_from_the_shapes_is_known():
    nodes = ["r = Size(x)", "six = Constant <value_int = 6> ()", "q = Equal(r, six)"]
    assert bodies(*nodes, IF.format("q", "a = Relu(x)", "b = Neg(x)")) == [("then_branch", 1)]


COUNTED = (
    "float[2,3] x, int64 n, bool q => float[] y <int64 k = {5}, bool yes = {1}, bool no = {0}, int64 minus = {-3}>"
)
TURNS = {
    "a known limit": ("k, , x", "d = Identity(c) w = Relu(v)", 5),
    "a known limit, and a condition that holds": ("k, yes, x", "d = Identity(c) w = Relu(v)", 5),
    "a condition that the body states": ("k, yes, x", "d = Constant <value = bool {1}> () w = Relu(v)", 5),
    "a condition that never holds": ("k, no, x", "d = Identity(c) w = Relu(v)", 0),
    "a limit below zero": ("minus, , x", "d = Identity(c) w = Relu(v)", 0),
    "an unknown limit": ("n, , x", "d = Identity(c) w = Relu(v)", None),
    "an unknown condition": ("k, q, x", "d = Identity(c) w = Relu(v)", None),
    "no limit": (", , x", "d = Identity(c) w = Relu(v)", None),
    "a condition from the run": ("k, , x", "w = Relu(v) e = ReduceMax(w) d = Cast <to = 9> (e)", None),
    "a condition from an outer value of the run": ("k, , x", "w = Relu(v) d = And(c, q)", None),
    "a condition at random": ("k, , x", "w = Relu(v) e = RandomNormal <shape = [1]> () d = Cast <to = 9> (e)", None),
    "a condition from the turn": ("k, , x", "w = Relu(v) two = Constant <value_int = 2> () d = Less(i, two)", 3),
    "a condition that ends it at once": ("k, , x", "w = Relu(v) two = Constant <value_int = 0> () d = Less(i, two)", 1),
    "a condition that the limit comes before": (
        "k, , x", "w = Relu(v) two = Constant <value_int = 100> () d = Less(i, two)", 5,
    ),
    "a condition that a body computes": (
        "k, , x", "w = Relu(v) d" + IF.format("c", "a = Not(c)", "b = Not(c)")[1:], None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TURNS)
def test_how_often_a_loop_runs(case):
    inputs, body, expected = TURNS[case]
    assert bodies(LOOP.format("y", inputs, body), signature=COUNTED)[-1] == ("body", expected)


COUNTER = "float[2,3] x => float[] y <bool yes = {{1}}, int64 t = {{0}}, int64 one = {{1}}, int64 last = {{{}}}>"


@pytest.mark.parametrize(("last", "expected"), [(0, 1), (1, 1), (7, 7), (500, 500), (1 << 40, None)])
def test_a_loop_that_counts_to_a_known_length_runs_as_often(last, expected):
    body = "m = Add(n, one) d = Less(m, last) w = Relu(v) s = Identity(w)"
    found = typed(WHILE.format(body), signature=COUNTER.format(last))
    assert [one.times for one in found.calls[-1].bodies] == [expected]
    assert found.type_of("y").shape == (expected, 2, 3)


def test_many_loops_that_count_share_what_may_be_evaluated():
    """Each would be walked for 20,000 turns: together they must not take minutes."""
    body = "m = Add(n, one) d = Less(m, last) w = Relu(v) s = Identity(w)"
    nodes = [
        WHILE.format(body).replace("x2, t2, y", f"x{i}, t{i}, y{i}").replace("Less(m, last)", f"Less(m, l{i})")
        for i in range(100)
    ]
    stored = ", ".join(f"int64 l{i} = {{{20_000 + i}}}" for i in range(100))
    found = infer(
        load(
            model(
                COUNTER.format(1).replace("> ", ">").replace("int64 one", stored + ", int64 one"),
                *nodes,
                "y = Relu(y1)",
            )
        ),
        {},
        {},
    )
    times = [body.times for call in found.graph.calls for body in call.bodies]
    assert times[0] == 20_000
    assert times[-1] is None


CARRIED = {
    "a shape that stays": ("w = Relu(v)", (2, 3)),
    "a dimension that grows": ("w = Concat <axis = 0> (v, v)", (None, 3)),
    "two dimensions that change": ("w = Transpose(v)", (None, None)),
    "a rank that changes": ("w = Unsqueeze(v, zero)", None),
    "an element type that changes, which may not be": ("w = Cast <to = 7> (v)", None),
}


@pytest.mark.parametrize("case", CARRIED)
def test_what_a_turn_changes_is_unknown(case):
    body, expected = CARRIED[case]
    signature = "float[2,3] x => float[] y <int64 k = {5}, int64[1] zero = {0}>"
    assert shape(LOOP.format("y", "k, , x", "d = Identity(c) " + body), signature=signature) == expected


def test_shapes_that_settle_late_are_given_up():
    """Each turn hands the values on by one place: the last becomes unknown after as many turns as there are."""
    count = MOST_TURNS + 5
    given = ", ".join(f"float v{i}" for i in range(count))
    taken = ", ".join(f"float w{i}" for i in range(count))
    body = "w0 = Concat <axis = 0> (v0, v0) " + " ".join(f"w{i} = Identity(v{i - 1})" for i in range(1, count))
    node = (
        f"{', '.join(f'y{i}' for i in range(count))} = Loop(k, , {', '.join(['x'] * count)}) "
        f"<body = b (int64 i, bool c, {given}) => (bool d, {taken}) {{ d = Identity(c) {body} }}>"
    )
    found = typed(node, signature="float[2,3] x => float[] y0 <int64 k = {5}>")
    assert {found.type_of(f"y{i}").shape for i in range(count)} == {None}


def test_what_each_turn_gives_is_stacked():
    node = LOOP.format("last, y", "k, , x", "d = Identity(c) w = Relu(v)").replace("float w)", "float w, float s)")
    node = node.replace("w = Relu(v)", "w = Relu(v) s = ReduceMean <keepdims = 0, axes = [0]> (w)")
    built = model("float[2,3] x => float[] y <int64 k = {5}>", node, opset=17)
    assert infer(load(built), {}, {}).graph.type_of("y").shape == (5, 3)


SCANS = {
    "a slice per turn": (
        SCAN.format("s, y", "float[3] s0, float[3] v", "float[3] s1, float[3] w", "s1 = Add(s0, v) w = Relu(s1)",
                    "num_scan_inputs = 1", "z, x"), (2, 3), 2,
    ),
    "along another axis": (
        SCAN.format("y", "float[2] v", "float[2] w", "w = Relu(v)",
                    "num_scan_inputs = 1, scan_input_axes = [1], scan_output_axes = [1]", "x"), (2, 3), 3,
    ),
    "along an axis from the end, stacked at the front": (
        SCAN.format("y", "float[2] v", "float[2] w", "w = Relu(v)",
                    "num_scan_inputs = 1, scan_input_axes = [-1]", "x"), (3, 2), 3,
    ),
    "two scanned inputs": (
        SCAN.format("y", "float[3] v, float[3] u", "float w", "a = Mul(v, u) w = ReduceSum <keepdims = 0> (a)",
                    "num_scan_inputs = 2", "x, x"), (2,), 2,
    ),
    "two of different lengths": (
        SCAN.format("y", "float[3] v, float[2] u", "float w", "w = ReduceSum <keepdims = 0> (v)",
                    "num_scan_inputs = 2, scan_input_axes = [0, 1]", "x, x"), (None,), None,
    ),
    "along an axis that is not there": (
        SCAN.format("y", "float[3] v", "float w", "w = ReduceSum <keepdims = 0> (v)",
                    "num_scan_inputs = 1, scan_input_axes = [7]", "x"), None, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SCANS)
def test_scan(case):
    node, expected, times = SCANS[case]
    signature = "float[2,3] x, float[3] z => float[] y"
    assert shape(node, signature=signature) == expected
    assert bodies(node, signature=signature) == [("body", times)]


def test_scan_before_opset_9_had_another_axis_and_is_not_guessed():
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, 3]) for name in "zx"]
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in ("s0", "v", "s1", "w")]
    body = helper.make_graph(
        [helper.make_node("Add", ["s0", "v"], ["s1"]), helper.make_node("Relu", ["s1"], ["w"])], "b", info[:2], info[2:]
    )
    node = helper.make_node("Scan", ["", "z", "x"], ["s", "y"], num_scan_inputs=1, body=body)
    graph = helper.make_graph([node], "g", given, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    report = analyze(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 8)]))
    assert report.rows[0].cost.status in {Status.UNPRICED, Status.INVALID}
    assert not report.complete


def test_a_loop_costs_its_body_as_often_as_it_runs():
    report = analyze(
        model(
            "float[2,3] x => float[2,3] y <int64 k = {5}, float[3,3] m>",
            LOOP.format("y", "k, , x", "d = Identity(c) w = MatMul(v, m)"),
        )
    )
    assert report.total.macs.best == 5 * 2 * 3 * 3
    assert np.prod(report.rows[0].cost.call.outputs[0].shape) == 6
