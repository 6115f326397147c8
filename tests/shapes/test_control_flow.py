"""What comes out of If is what its branches give; SequenceMap runs its body for each entry of a list."""

from __future__ import annotations

import pytest
from build import model
from typed import IF, bodies, shape, typed

from graphcost import analyze
from graphcost.call import Stage
from graphcost.load import load
from graphcost.results import Status
from graphcost.shapes import infer

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


@pytest.mark.parametrize(("condition", "expected"), [("yes", (5, 1)), ("no", (7, 1)), ("q", (None, None))])
def test_what_a_branch_knows_is_known_behind_it(condition, expected):
    branches = (
        "n = If({}) <then_branch = t () => (int64[2] a) {{ a = Constant <value_ints = [5, 1]> () }}, "
        "else_branch = e () => (int64[2] b) {{ b = Constant <value_ints = [7, 1]> () }}>"
    )
    found = typed(branches.format(condition), "y = Expand(one, n)", signature=YES.replace("<", "<float[1,1] one, "))
    assert found.type_of("y").shape == expected
    assert found.stage_of("n") is (Stage.RUN if condition == "q" else Stage.PREPARATION)


def test_what_a_branch_gives_is_known_no_earlier_than_the_condition():
    nodes = ["s = Size(x)", "six = Constant <value_int = 6> ()", "q = Equal(s, six)"]
    branches = IF.format("q", "a = Constant <value_float = 1.0> ()", "b = Constant <value_float = 2.0> ()")
    found = typed(*nodes, branches)
    assert found.facts["y"].constant == 1
    assert found.stage_of("y") is Stage.SHAPE


MAP = "m = SequenceMap({}) <body = b (float v{}) => (float w) {{ {} }}>"
LISTS = "float[2,3] a, float[4,3] b, float[3,5] c => float[] y <int64 one = {1}>"
TWO = "l = SequenceConstruct(a, b)"


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([TWO, MAP.format("l", "", "w = Transpose(v)")], [(3, 2), (3, 4)]),
        ([TWO, MAP.format("l, c", ", float u", "w = MatMul(v, u)")], [(2, 5), (4, 5)]),
        ([TWO, MAP.format("l, l", ", float u", "w = Concat <axis = 0> (v, u)")], [(4, 3), (8, 3)]),
        (["l = SequenceConstruct(a, a, a)", MAP.format("l", "", "w = Transpose(v)")], [(3, 2)] * 3),
        (["l = SequenceEmpty()", MAP.format("l", "", "w = Transpose(v)")], []),
    ],
)
def test_a_body_is_run_for_each_entry_of_a_list(nodes, expected):
    found = typed(*nodes, "y = Relu(a)", signature=LISTS)
    assert [one.shape for one, times in found.type_of("m").entries for _ in range(times)] == expected
    assert [body.times for body in found.calls[1].bodies] == [len(expected)]


def test_entries_that_differ_have_in_common_what_all_have():
    (body,) = typed(TWO, MAP.format("l", "", "w = Transpose(v)"), "y = Relu(a)", signature=LISTS).calls[1].bodies
    assert str(body.graph.calls[0].outputs[0]) == "float32[3, ?]"


def test_lists_of_different_lengths_are_not_mapped_together():
    node = MAP.format("l, k", ", float u", "w = Concat <axis = 0> (v, u)")
    found = typed(TWO, "k = SequenceConstruct(a)", node, "y = Relu(a)", signature=LISTS)
    assert found.type_of("m").entries is None
    assert [body.times for body in found.calls[2].bodies] == [None]


def test_a_map_over_a_list_costs_its_body_as_often_as_there_are_entries():
    nodes = ["l = SequenceConstruct(a, a, a)", MAP.format("l, c", ", float u", "w = MatMul(v, u)")]
    report = analyze(model(LISTS, *nodes, "y = SequenceAt(m, one)"))
    assert report.total.macs.best == 3 * 2 * 3 * 5


@pytest.mark.parametrize(
    ("node", "wanted"),
    [
        (
            "m = SequenceMap(l) <body = b (float v, float u) => (float w) { w = Relu(v) }>",
            "1 inputs in its body, it has 2",
        ),
        ("m, n = SequenceMap(l) <body = b (float v) => (float w) { w = Relu(v) }>", "2 outputs in its body, it has 1"),
        ("m = SequenceMap(l)", "a graph as body"),
    ],
)
def test_a_map_without_a_fitting_body_is_invalid(node, wanted):
    report = analyze(model(LISTS, TWO, node, "y = Relu(a)"))
    assert report.rows[1].cost.status is Status.INVALID
    assert wanted in report.rows[1].cost.reason


def test_an_optional_that_a_body_takes_may_be_given_as_it_is():
    """In the first turn the list is in an optional, from then on it is what the turn before returned."""
    node = (
        "l2 = Loop(three, , o) <body = b (int64 i, bool c, optional(seq(float[])) v) => (bool d, seq(float[]) w) "
        "{ d = Identity(c) u = OptionalGetElement(v) w = SequenceInsert(u, b) }>"
    )
    built = model(LISTS.replace("one", "three").replace("{1}", "{3}"), TWO, "o = Optional(l)", node, "y = Relu(a)")
    assert infer(load(built), {}, {}).graph.type_of("l2").length == 2 + 3
