"""What is not known leaves the totals open, and what is enormous stays cheap."""

from __future__ import annotations

from math import inf, nan

import pytest
from build import model
from hostile import (
    FLOATS,
    IF,
    LOOP,
    bodies,
    branchless,
    chain,
    levels,
    loops,
    many_bodies,
    model_of_type,
    opsets,
    products,
    relu,
    resized,
    scan,
    stored,
    untyped_attribute,
    with_function,
)
from onnx import helper

from graphcost import analyze
from graphcost.bounds import Bounds
from graphcost.results import Status

OPEN = {
    "a shape that nobody knows": lambda: model("float[] x => float[] y", "y = Relu(x)"),
    "scales that are infinite": lambda: resized(inf),
    "scales that are no numbers": lambda: resized(nan),
    "scales beyond all sizes": lambda: resized(1e30),
    "a trip count known in the run only": lambda: model(
        "float[4] x, int64 n => float y", LOOP.format("n, , x", "d = Identity(c) w = Relu(v)")
    ),
    "an operator that nobody knows": lambda: model(FLOATS, "y = other.Unheard(x)", domains=', "other" : 1'),
    "shapes that do not fit": lambda: model("float[2,3] x => float y <float[2,3] w>", "y = MatMul(x, w)"),
    "an operator before its time": lambda: opsets(("", 1), op_type="Gelu"),
    "an unknown attribute": lambda: model(FLOATS, "y = Relu <alpha = 1> (x)"),
    "an attribute of another type": lambda: model(FLOATS, 'y = Flatten <axis = "a"> (x)'),
    "an attribute without a type": untyped_attribute,
    "an element type that nobody knows": lambda: model_of_type(9999),
    "too many inputs": lambda: model(FLOATS, "y = Relu(x, x)"),
    "no inputs": lambda: model(FLOATS, "y = Relu()"),
    "too many outputs": lambda: model(FLOATS, "y, z = Relu(x)"),
    "no outputs": lambda: relu(nodes=[helper.make_node("Relu", ["x"], []), helper.make_node("Neg", ["x"], ["y"])]),
    "a constant of two outputs": lambda: model(FLOATS, "y, z = Constant <value_int = 1> ()"),
    "a constant of nothing": lambda: model(FLOATS, "y = Constant()"),
    "a constant of something else": lambda: model(FLOATS, "y = Constant <value = 1> ()"),
    "a constant of a wrong list": lambda: model(FLOATS, 'y = Constant <value_ints = "a"> ()'),
    "a function called with too much": lambda: with_function("y = f.one(x, x)"),
    "a function asked for too much": lambda: with_function("y, z = f.one(x)"),
    "If without a condition": lambda: model(FLOATS, IF.format("", "a = Relu(x)", "b = Relu(x)")),
    "If with two conditions": lambda: model(
        "bool c, float x => float y", IF.format("c, c", "a = Relu(x)", "b = Relu(x)")
    ),
    "If without branches": lambda: model("bool c => float y", "y = If(c)"),
    "If with a branch that returns nothing": branchless,
    "Loop without a body": lambda: model("float[4] x => float y", "y = Loop(x)"),
    "Loop whose body returns too little": lambda: model(
        "float[4] x, bool c, int64 n => float y",
        "y = Loop(n, c, x) <body = b (int64 i, bool c, float v) => (bool d) { d = Identity(c) }>",
    ),
    "Loop whose body takes too little": lambda: model(
        "float[4] x, bool c, int64 n => float y",
        "y = Loop(n, c, x) <body = b () => (bool d, float w) { d = Identity(c) w = Relu(x) }>",
    ),
    "Loop of endless turns": lambda: model(
        "float[4] x => float y", LOOP.format(", , x", "d = Identity(c) w = Relu(v)")
    ),
    "Loop limited by words": lambda: model(
        'float[4] x => float y <string[1] n = {"many"}>', LOOP.format("n, , x", "d = Identity(c) w = Relu(v)")
    ),
    "Loop whose condition is no value": lambda: model(
        "float[4] x, int64 n => float y", LOOP.format("n, , x", "d = Identity() w = Relu(v)")
    ),
    "Scan without a number": lambda: scan(""),
    "Scan of more than it has": lambda: scan(", num_scan_inputs = 2"),
    "Scan of a negative number": lambda: scan(", num_scan_inputs = -1"),
    "Scan by words": lambda: scan(', num_scan_inputs = "a"'),
}  # fmt: skip


@pytest.mark.parametrize("case", OPEN)
def test_what_is_not_known_leaves_the_totals_open(case):
    report = analyze(OPEN[case]())
    assert not report.complete
    assert any(row.cost.status.is_open for row in report.rows)
    assert report.total.value is None or report.total.value.high is None or report.total.macs.high is None


GUARDED = {
    "Split into more than it has": (
        "float[4] x => float a", "a, b, c = Split <num_outputs = 2> (x)", "wants 2 outputs, has 3",
    ),
    "Split into 2^40": (
        "float[4] x => float a", "a, b = Split <num_outputs = 1099511627776> (x)", "wants 1099511627776 outputs, has 2",
    ),
    "GatherND before the first axis": (
        "float[4,4] x, int64[4,1] i => float y", "y = GatherND <batch_dims = -5> (x, i)",
        "wants batch_dims of 0 or more",
    ),
    "LayerNormalization behind the last axis": (
        "float[4,4] x, float[4] s => float y", "y = LayerNormalization <axis = 9223372036854775807> (x, s)",
        "wants an axis of the 2 that X has",
    ),
    "Expand to 2^62 dimensions": (
        "float[4] x, int64[4611686018427387904] s => float y", "y = Expand(x, s)", "at most 4096 dimensions",
    ),
    "Reshape to 2^20 dimensions": (
        "float[4] x, int64[1048576] s => float y", "y = Reshape(x, s)", "at most 4096 dimensions",
    ),
}  # fmt: skip
"""What would end the process, or fill the memory, if onnx's inference were asked."""


@pytest.mark.parametrize("case", GUARDED)
def test_inference_is_not_asked_what_would_harm_it(case):
    signature, node, message = GUARDED[case]
    (row,) = analyze(model(signature, node)).rows
    assert row.cost.status is Status.INVALID
    assert message in row.cost.reason


CHEAP = {
    "10^8 nodes in functions": (lambda: levels(8, 10), 6 * 10**8),
    "10^40 nodes in functions": (lambda: levels(40, 10), 6 * 10**40),
    "functions 60 deep": (lambda: levels(60, 1), 6),
    "a chain of 20000 nodes": (lambda: chain(20_000), 6 * 20_000),
    "Range of 2^40": (
        lambda: model(
            "float x => float y <int64 a = {0}, int64 b = {1099511627776}, int64 c = {1}>", "y = Range(a, b, c)"
        ),
        None,
    ),
    "ones of 2^62": (
        lambda: model(
            "float x => float y <int64[1] a = {4611686018427387904}>", "b = ConstantOfShape(a)", "y = Relu(b)"
        ),
        None,
    ),
    "more elements than there are numbers": (
        lambda: model(
            "float x => float y <int64[2] a = {1099511627776, 1099511627776}, int64[1] s = {-1}>",
            "b = ConstantOfShape(a)", "c = Flatten <axis = 0> (b)", "d = Reshape(c, s)", "e = Size(b)", "y = Relu(d)",
        ),
        None,
    ),
    "a bound beyond all numbers": (lambda: relu([1 << 40, "N"]), 1 << 40),
    "30 nested If": (lambda: bodies(30), Bounds(0, 6)),
    "If at every of 3000 nodes": (lambda: many_bodies(3000), 6 * 3000),
    "Loop nested 10 deep": (lambda: loops(10), None),
    "rank 1000": (lambda: stored([1] * 1000, float_data=[1]), 6),
    "rank 1000 in an input": (lambda: relu([1] * 1000), 1),
    "a name of 1 MB": (lambda: relu(nodes=[helper.make_node("Relu", ["x"], ["y"], name="n" * 1_000_000)]), 6),
    "a product of many vectors": (products, None),
    "a window of 2^40 positions": (
        lambda: model(
            "float x => float y <float[1,1,4] w>",
            "y = MaxPool <kernel_shape = [1099511627776], pads = [1099511627776, 1099511627776]> (w)",
        ),
        None,
    ),
    "ten thousand outputs": (
        lambda: model(FLOATS, ", ".join(["y", *(f"o{i}" for i in range(10_000))]) + " = Split(x)"), None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CHEAP)
def test_what_is_enormous_stays_cheap(case):
    build, value = CHEAP[case]
    report = analyze(build())
    if value is not None:
        assert report.total.value == (Bounds.exactly(value) if isinstance(value, int) else value)
    assert isinstance(report.to_dict(), dict)
