"""The profiler's registry, read from TensorFlow 2.21: what it counts for the operators that ONNX has in common."""

from __future__ import annotations

import pytest
from build import model

from graphcost.analysis import analyze

N = 2 * 3 * 8 * 8  # the elements of x
X = "float[2,3,8,8] x"

CASES = [
    # per input: Reciprocal, Log, Neg, Mean
    ("y = Reciprocal(x)", N),
    ("y = Log(x)", N),
    ("y = Neg(x)", N),
    ("y = ReduceMean(x)", N),
    ("y = GlobalAveragePool(x)", N),
    # per output, also where it is broadcast: Add, Sub, Mul, Div, Maximum, Minimum, Pow, comparisons
    *[(f"y = {name}(x, x)", N) for name in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow")],
    *[(f"y = {name}(x, x)", N) for name in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")],
    # AddN, per further input
    ("y = Sum(x, x, x)", 2 * N),
    # Sum, ArgMax, ArgMin: inputs less outputs
    ("y = ReduceSum<keepdims = 0>(x)", N - 1),
    ("y = ArgMax<axis = 1>(x)", N - 2 * 8 * 8),
    ("y = ArgMin<axis = 3>(x)", N - 2 * 3 * 8),
    # Softmax, five per input
    ("y = Softmax(x)", 5 * N),
    # MaxPool, AvgPool: the window per output
    ("y = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x)", 4 * 2 * 3 * 4 * 4),
    ("y = AveragePool<kernel_shape = [3, 3]>(x)", 9 * 2 * 3 * 6 * 6),
]


@pytest.mark.parametrize(("node", "expected"), CASES, ids=lambda one: str(one).split("(")[0])
def test_counts_what_the_registry_counts(node, expected):
    report = analyze(model(f"{X} => float[...] y".replace("[...]", "[M]"), node), convention="tf-profiler")
    assert report.total.value.best == expected


NOT_REGISTERED = [
    "Relu",
    "Elu",
    "Selu",
    "LeakyRelu",
    "Sigmoid",
    "Tanh",
    "Exp",
    "Softplus",
    "Softsign",
    "Erf",
    "LogSoftmax",
    "Sqrt",
    "Abs",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "GlobalMaxPool",
]


@pytest.mark.parametrize("name", NOT_REGISTERED)
def test_says_what_it_does_not_count(name):
    report = analyze(model(f"{X} => float[M] y", f"y = {name}(x)"), convention="tf-profiler")
    assert report.total.value is None
    assert [one.code for one in report.findings if name in one.message] == ["not-counted"]


def test_3d_pools_have_no_rule():
    node = "y = MaxPool<kernel_shape = [2, 2, 2]>(x)"
    report = analyze(model("float[1,1,4,4,4] x => float[M] y", node), convention="tf-profiler")
    assert report.total.value is None


PRODUCTS = [
    # Conv2D: two per output, window element and channel of the group; one per output for BiasAdd
    ("float[1,6,8,8] x => float[M] y <float[4,3,3,3] w>", "y = Conv<group = 2>(x, w)", 2 * 4 * 36 * 27),
    ("float[1,3,8,8] x => float[M] y <float[4,3,3,3] w, float[4] b>", "y = Conv(x, w, b)", 2 * 4 * 36 * 27 + 4 * 36),
    # Conv2DBackpropInput: by the filter's elements, less channels out and strides
    (
        "float[1,3,4,4] x => float[M] y <float[3,5,2,2] w>",
        "y = ConvTranspose<strides = [2, 2]>(x, w)",
        2 * (5 * 8 * 8) * (3 * 5 * 2 * 2) // (5 * 2 * 2),
    ),
    # MatMul: two per output and inner element
    ("float[7,5] x => float[M] y <float[5,3] w>", "y = MatMul(x, w)", 2 * 5 * 21),
    ("float[7,5] x => float[M] y <float[5,3] w, float[3] b>", "y = Gemm(x, w, b)", 2 * 5 * 21 + 21),
]


@pytest.mark.parametrize(("signature", "node", "expected"), PRODUCTS)
def test_products(signature, node, expected):
    assert analyze(model(signature, node), convention="tf-profiler").total.value.best == expected


def test_an_add_of_a_products_output_and_a_parameter_is_a_bias():
    signature = "float[7,5] x => float[M] y <float[5,3] w, float[3] b>"
    nodes = ("p = MatMul(x, w)", "y = Add(p, b)")
    assert analyze(model(signature, *nodes), convention="tf-profiler").total.value.best == 2 * 5 * 21 + 21
    assert analyze(model(signature, *nodes), convention="textbook").total.value.best == 2 * 5 * 21
    assert analyze(model(signature, *nodes), convention="macs-with-bias").total.value.best == 5 * 21 + 21


def test_a_reciprocal_of_a_square_root_is_one_rsqrt():
    report = analyze(model(f"{X} => float[M] y", "s = Sqrt(x)", "y = Reciprocal(s)"), convention="tf-profiler")
    assert report.total.value.best == 2 * N


def test_work_on_weights_alone_is_included():
    signature = "float[7,5] x => float[M] y <float[5,3] w, float[5,3] scale>"
    nodes = ("v = Mul(w, scale)", "y = MatMul(x, v)")
    assert analyze(model(signature, *nodes), convention="tf-profiler").total.value.best == 15 + 2 * 5 * 21
    assert analyze(model(signature, *nodes)).total.value.best == 2 * 5 * 21
