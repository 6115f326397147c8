"""Every node has a status, and a cost that is exact or says that it is not."""

from __future__ import annotations

import pytest
from build import model

from graphcost.analysis import analyze
from graphcost.bounds import Bounds
from graphcost.results import IncompleteError, Status

STATUSES = {
    "priced": ("float[1,4] x => float[M] y", ["y = Relu(x)"], Status.PRICED),
    "free": ("float[1,4] x => float[M] y", ["y = Transpose(x)"], Status.FREE),
    "preparation": (
        "float[1,4] x => float[M] y <float[4,4] w>",
        ["t = Transpose(w)", "y = MatMul(x, t)"],
        Status.PREPARATION,
    ),
    "shape": (
        "float[1,4] x => float[M] y",
        ["s = Shape(x)", "y = Reshape(x, s)"],
        Status.SHAPE,
    ),
    "unpriced": ("float[1,4] x => float[M] y", ["y = other.Unheard(x)"], Status.UNPRICED),
    "unknown": ("float[1,4] x => float[M] y", ["i = NonZero(x)", "y = ReduceMax(i)"], Status.UNKNOWN),
    "invalid": ("float[1,4] x => float[M] y <float[5,4] w>", ["y = MatMul(x, w)"], Status.INVALID),
}


@pytest.mark.parametrize("case", STATUSES)
def test_status(case):
    signature, nodes, expected = STATUSES[case]
    report = analyze(model(signature, *nodes, domains=', "other" : 1'))
    seen = {row.cost.status for row in report.rows}
    assert expected in seen


def test_an_operator_without_a_rule_is_listed_and_the_total_is_a_lower_bound():
    built = model(
        "float[1,4] x => float[M] y <float[4,4] w>", "a = MatMul(x, w)", "y = other.Unheard(a)", domains=', "other" : 1'
    )
    report = analyze(built)
    assert report.unpriced == ("y",)
    assert (report.total.macs.low, report.total.macs.high) == (16, None)
    assert not report.complete
    with pytest.raises(IncompleteError) as caught:
        analyze(built, strict=True)
    assert caught.value.report.unpriced == ("y",)


def test_preparation_is_no_part_of_the_sums():
    report = analyze(
        model("float[1,4] x => float[M] y <float[4,4] w, float[4,4] s>", "v = Mul(w, s)", "y = MatMul(x, v)")
    )
    assert report.total.value.best == 2 * 16
    assert report.preparation.value.best == 16


def test_an_operator_without_a_rule_is_priced_by_the_body_that_the_specification_gives():
    """Attention: Q*K and P*V, each batch * heads * queries * keys * size."""
    built = model(
        "float[1,2,4,8] q, float[1,2,6,8] k, float[1,2,6,8] v => float[M] y", "y = Attention(q, k, v)", opset=23
    )
    report = analyze(built)
    assert (report.total.macs.low, report.total.macs.high) == (2 * 1 * 2 * 4 * 6 * 8,) * 2
    assert report.complete


FUNCTION = """<opset_import: ["" : 22], domain: "f"> block (a, w) => (c) {
    b = MatMul(a, w)
    c = Relu(b)
}"""


def test_a_function_is_priced_by_its_body_and_its_rows_follow():
    built = model(
        "float[1,4] x => float[M] y <float[4,4] w>",
        "a = f.block(x, w)",
        "y = f.block(a, w)",
        functions=FUNCTION,
        domains=', "f" : 1',
    )
    report = analyze(built)
    assert report.total.macs.best == 2 * 16
    assert report.total.value.best == 2 * (2 * 16 + 4)
    assert [(row.id, row.parent) for row in report.rows] == [
        ("a", None),
        ("a/b", "a"),
        ("a/c", "a"),
        ("y", None),
    ]


def test_a_function_sees_the_attributes_of_its_call_and_its_defaults():
    body = """<opset_import: ["" : 22], domain: "f"> soft <axis: int = 0> (a) => (b) {
        b = ReduceSum<keepdims: int = @axis>(a)
    }"""
    for call, shape in (("f.soft(x)", ()), ("f.soft<axis = 1>(x)", (1, 1))):
        built = model("float[2,4] x => float[M] y", f"y = {call}", functions=body, domains=', "f" : 1')
        assert analyze(built).rows[0].cost.call.outputs[0].shape == shape


def test_nested_functions_cost_no_more_time_than_their_levels():
    """Each level calls the one below ten times: 10^40 nodes in forty functions."""
    levels = ['<opset_import: ["" : 22, "f" : 1], domain: "f"> f0 (a) => (b) { b = Relu(a) }']
    for level in range(1, 41):
        calls = [f"v{i} = f.f{level - 1}(v{i - 1})" for i in range(1, 11)]
        inner = "\n".join(["v0 = Identity(a)", *calls, "b = Identity(v10)"])
        levels.append(f'<opset_import: ["" : 22, "f" : 1], domain: "f"> f{level} (a) => (b) {{ {inner} }}')
    built = model("float[3] x => float[M] y", "y = f.f40(x)", functions="\n".join(levels), domains=', "f" : 1')
    assert analyze(built).total.value.best == 3 * 10**40


IF = """y = If(c) <
    then_branch = t () => (float[1,4] a) {{ a = MatMul(x, w) }},
    else_branch = e () => (float[1,4] b) {{ b = {other} }}
>"""


def test_an_unknown_condition_gives_a_range_and_a_known_one_does_not():
    nodes = IF.format(other="Relu(x)")
    signature = "float[1,4] x, bool c => float[M] y <float[4,4] w>"
    report = analyze(model(signature, nodes))
    assert (report.total.macs.low, report.total.macs.high) == (0, 16)
    assert report.complete
    known = analyze(model("float[1,4] x => float[M] y <float[4,4] w, bool c = {1}>", nodes))
    assert (known.total.macs.low, known.total.macs.high) == (16, 16)


def test_each_metric_has_its_own_branch():
    """The branch with more multiply-accumulates moves fewer bytes than the other here."""
    report = analyze(
        model("float[1,4] x, bool c => float[M] y <float[4,4] w>", IF.format(other="Concat<axis = 1>(x, x)"))
    )
    assert report.total.macs.high == 16
    assert report.total.written.high == 2 * 4 * 4


LOOP = """y = Loop(n, , x) <body = g (int64 i, bool k, float[1,4] s) => (bool k2, float[1,4] s2) {
    k2 = Identity(k)
    s2 = MatMul(s, w)
}>"""


def test_a_loop_is_its_body_times_its_trip_count():
    report = analyze(model("float[1,4] x => float[M] y <float[4,4] w, int64 n = {7}>", LOOP))
    assert report.total.macs.best == 7 * 16
    assert (report.rows[-1].parent, report.rows[-1].times) == ("y", 7)


def test_an_unknown_trip_count_is_unknown_and_not_one():
    report = analyze(model("float[1,4] x, int64 n => float[M] y <float[4,4] w>", LOOP))
    assert (report.total.macs.low, report.total.macs.high) == (0, None)
    assert report.rows[0].cost.status is Status.UNKNOWN


SCAN = """s, y = Scan(h, x) <num_scan_inputs = 1, body = g (float[4] a, float[4] b) => (float[4] c, float[4] d) {
    c = Add(a, b)
    d = Relu(c)
}>"""


def test_a_scan_runs_once_per_slice():
    report = analyze(model("float[4] h, float[6,4] x => float[M] s, float[M] y", SCAN))
    assert report.total.value.best == 6 * (4 + 4)
    assert [one.shape for one in report.rows[0].cost.call.outputs] == [(4,), (6, 4)]


def test_terms_say_the_type_they_compute_in():
    report = analyze(model("float16[1,4] x => float16[M] y <float16[4,4] w>", "y = MatMul(x, w)"))
    assert {term.dtype.value for term in report.rows[0].cost.terms} == {"float16"}


def test_work_behind_a_shape_is_still_work():
    """The function returns a shape alone, and its product runs all the same."""
    body = '<opset_import: ["" : 22], domain: "f"> g (x, w) => (s) { y = MatMul(x, w) s = Shape(y) }'
    built = model("float[8,4] x => int64[2] s <float[4,4] w>", "s = f.g(x, w)", functions=body, domains=', "f" : 1')
    assert analyze(built).total.macs.best == 8 * 16


def test_chance_in_a_loop_over_constants_is_still_work():
    loop = """y = Loop(n, , w) <body = g (int64 i, bool k, float[4,4] s) => (bool k2, float[4,4] s2) {
        k2 = Identity(k)
        r = RandomNormalLike(s)
        s2 = MatMul(r, w)
    }>"""
    report = analyze(model("=> float[4,4] y <float[4,4] w, int64 n = {5}>", loop))
    assert report.total.macs.best == 5 * 64
    assert {one.dtype: one.operations.best for one in report.by_dtype} == {"float32": 5 * (2 * 64 + 16)}


def test_an_operator_of_another_domain_is_not_known_by_its_name():
    for name in ("Size", "Shape", "RandomNormal"):
        report = analyze(model("float[4] x => float[4] y", f"y = other.{name}(x)", domains=', "other" : 1'))
        assert report.unpriced == ("y",)


def test_an_add_of_a_function_is_no_bias():
    body = """<opset_import: ["" : 22], domain: "f"> Add (a, b) => (c) {
        m = MatMul(a, b)
        c = Softmax(m)
    }"""
    built = model(
        "float[3,3] x => float[3,3] y <float[3,3] w, float[3,3] v>",
        "p = MatMul(x, w)",
        "y = f.Add(p, v)",
        functions=body,
        domains=', "f" : 1',
    )
    assert analyze(built, convention="tf-profiler").total.value.best == 2 * 27 + 2 * 27 + 5 * 9


@pytest.mark.parametrize("node", ["y = Add(x)", "y = Add(x, x, x)", "y = Reciprocal()"])
def test_a_node_with_the_wrong_number_of_inputs_is_invalid(node):
    report = analyze(model("float[3] x => float[3] y", node))
    assert report.rows[0].cost.status is Status.INVALID


def test_preparation_inside_a_function_counts_where_the_convention_includes_it():
    body = '<opset_import: ["" : 22], domain: "f"> g (x, w, s) => (y) { v = Mul(w, s) y = MatMul(x, v) }'
    signature = "float[7,5] x => float[7,3] y <float[5,3] w, float[5,3] s>"
    built = model(signature, "y = f.g(x, w, s)", functions=body, domains=', "f" : 1')
    assert analyze(built, convention="tf-profiler").total.value.best == 15 + 2 * 5 * 21
    assert analyze(built).total.value.best == 2 * 5 * 21


def test_a_convention_that_counts_nothing_says_so():
    built = model(
        "float[5,1,4] x => float[A,B,C,D] y <float[1,12,4] w, float[1,12,3] r>", "y = LSTM<hidden_size = 3>(x, w, r)"
    )
    report = analyze(built, convention="textbook")
    assert report.total.value is None
    assert report.to_dict()["totals"]["flops"] is None
    assert "cost" not in report.bounds


MALFORMED = {
    "CumSum": ("float[2,3] x => float[2,3] y <int64[2] a = {0, 1}>", "y = CumSum(x, a)"),
    "Dropout": ("float[2,3] x => float[2,3] y <bool[2] t = {0, 1}, float r>", "y = Dropout(x, r, t)"),
}


@pytest.mark.parametrize("op_type", MALFORMED)
def test_a_list_where_one_element_is_wanted_is_invalid(op_type):
    report = analyze(model(*MALFORMED[op_type]))
    assert report.rows[-1].cost.status is Status.INVALID


def test_a_guess_that_a_rule_refuses_is_withdrawn():
    """The window of 256 does not fit into the 128 that are plausible for a length; type inference does not mind."""
    node = "y = Conv<strides = [300]>(x, w)"
    report = analyze(model("float[1,1,length] x => float[A,B,C] y <float[4,1,256] w>", node))
    assert [(one.dimension, one.value) for one in report.assumptions] == [("length", None)]
    assert report.rows[0].cost.status is Status.UNKNOWN


def test_a_value_that_a_node_takes_twice_is_read_once():
    rows = analyze(model("float[4] x, float[4] v => float[4] y", "a = Mul(x, x)", "y = Mul(a, v)")).rows
    assert [row.read.best for row in rows] == [4 * 4, 2 * 4 * 4]


def test_of_bytes_that_are_not_all_known_the_known_ones_count():
    """NonZero reads 2x3 floats whatever it finds; how much it writes only the run can tell."""
    (row,) = analyze(model("float[2,3] x => int64[2,n] y", "y = NonZero(x)")).rows
    assert (row.cost.read, row.cost.written) == (Bounds.exactly(2 * 3 * 4), Bounds(0, None))
