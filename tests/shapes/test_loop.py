"""A Loop's body is walked with types that hold in every turn, or turn by turn where these say too little."""

from __future__ import annotations

import numpy as np
import pytest
from build import model
from typed import IF, bodies, shape, typed

from graphcost import analyze
from graphcost.load import load
from graphcost.shapes import infer
from graphcost.shapes.repeat import MOST_TURNS

LOOP = "{} = Loop({}) <body = b (int64 i, bool c, float v) => (bool d, float w) {{ {} }}>"
WHILE = (
    "x2, t2, y = Loop(, yes, x, t) "
    "<body = b (int64 i, bool c, float v, int64 n) => (bool d, float w, int64 m, float s) {{ {} }}>"
)

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
    signature = "float[2,3] x, int64 k => float[] y <int64[1] zero = {0}>"
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
    found = typed(node, signature="float[2,3] x, int64 k => float[] y0")
    assert {found.type_of(f"y{i}").shape for i in range(count)} == {None}


KNOWN_TURNS = "float[2,3] x => float[] y <int64 k = {{{}}}, int64[1] zero = {{0}}, float[8] stored>"
FOLLOWED = {
    "a dimension that doubles": ("w = Concat <axis = 0> (v, v)", 5, (2 * 2**5, 3)),
    "two dimensions that change places": ("w = Transpose(v)", 5, (3, 2)),
    "two that change places and back": ("w = Transpose(v)", 6, (2, 3)),
    "a rank that grows": ("w = Unsqueeze(v, zero)", 5, (1, 1, 1, 1, 1, 2, 3)),
    "no turn at all": ("w = Unsqueeze(v, zero)", 0, (2, 3)),
    "as many elements as the last turn's number": (
        "n = Unsqueeze(i, zero) w = Slice(stored, zero, n, zero)", 5, (4,),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FOLLOWED)
def test_known_turns_are_followed_one_by_one(case):
    body, times, expected = FOLLOWED[case]
    node = LOOP.format("y", "k, , x", "d = Identity(c) " + body)
    assert shape(node, signature=KNOWN_TURNS.format(times)) == expected


def test_what_is_computed_before_any_run_is_known_after_a_loop():
    """1 doubled five times is the size of an axis."""
    node = "n = Loop(k, , one) <body = b (int64 i, bool c, int64[1] v) => (bool d, int64[1] w) {{ {} }}>"
    found = typed(
        node.format("d = Identity(c) w = Add(v, v)"),
        "y = Expand(x, n)",
        signature="float[1] x => float[M] y <int64 k = {5}, int64[1] one = {1}>",
    )
    assert found.type_of("y").shape == (32,)


def test_what_the_turns_give_before_any_run_is_known_stacked():
    """The turns give 0, 1 and 2."""
    node = "n = Loop(k, yes) <body = b (int64 i, bool c) => (bool d, int64 s) { d = Identity(c) s = Identity(i) }>"
    signature = "float[1,2,2] x => float[] y <int64 k = {3}, bool yes = {1}>"
    found = typed(node, "y = Tile(x, n)", signature=signature)
    assert found.facts["n"].constant.tolist() == [0, 1, 2]
    assert found.type_of("y").shape == (0, 2, 4)


def test_loops_in_loops_are_not_followed_for_ever():
    """1,000 times 1,000 turns would add a row each: what may be followed is used up before."""
    inner = (
        "w = Loop(k, , v) <body = e (int64 j, bool p, float t) => (bool q, float u) "
        "{ q = Identity(p) u = Concat <axis = 0> (t, row) }>"
    )
    signature = "float[2,3] x => float[] y <int64 k = {{{}}}, float[1,3] row>"
    node = LOOP.format("y", "k, , x", f"d = Identity(c) {inner}")
    assert shape(node, signature=signature.format(1000)) == (None, 3)
    assert shape(node, signature=signature.format(50)) == (2 + 50 * 50, 3)


GATHERED = (
    "l = Loop(k, , none) <body = b (int64 i, bool c, seq(float[]) v) => (bool d, seq(float[]) w) "
    "{ d = Identity(c) r = Relu(x) w = SequenceInsert(v, r) }>"
)


@pytest.mark.parametrize(("new_axis", "expected"), [(0, (14, 3)), (1, (7, 2, 3))])
def test_a_loop_may_gather_what_its_turns_give_in_a_list(new_axis, expected):
    nodes = ["none = SequenceEmpty()", GATHERED, f"y = ConcatFromSequence <axis = 0, new_axis = {new_axis}> (l)"]
    found = typed(*nodes, signature="float[2,3] x => float[] y <int64 k = {7}>")
    assert found.type_of("y").shape == expected
    assert [str(one) for call in found.calls[1].bodies for one in call.graph.calls[2].outputs] == [
        "sequence(float32[2, 3])"
    ]


def test_what_each_turn_gives_is_stacked():
    node = LOOP.format("last, y", "k, , x", "d = Identity(c) w = Relu(v)").replace("float w)", "float w, float s)")
    node = node.replace("w = Relu(v)", "w = Relu(v) s = ReduceMean <keepdims = 0, axes = [0]> (w)")
    built = model("float[2,3] x => float[] y <int64 k = {5}>", node, opset=17)
    assert infer(load(built), {}, {}).graph.type_of("y").shape == (5, 3)


def test_a_loop_costs_its_body_as_often_as_it_runs():
    report = analyze(
        model(
            "float[2,3] x => float[2,3] y <int64 k = {5}, float[3,3] m>",
            LOOP.format("y", "k, , x", "d = Identity(c) w = MatMul(v, m)"),
        )
    )
    assert report.total.macs.best == 5 * 2 * 3 * 3
    assert np.prod(report.rows[0].cost.call.outputs[0].shape) == 6
