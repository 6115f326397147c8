from __future__ import annotations

import pytest
from build import model

from graphcost.analysis import analyze

CASES = [
    ("y = Relu(x)", 128),
    ("y = Sigmoid(x)", 128),
    ("y = Tanh(x)", 128),
    ("y = Softmax(x)", 6 * 128),
    ("y = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(x)", 2 * 4 * 4 * 4),  # out * window
    ("y = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(x)", 2 * 4 * 4 * 4),
    ("y = GlobalMaxPool(x)", 2 * 64),
]


@pytest.mark.parametrize(("node", "expected"), CASES, ids=lambda one: str(one).split("(")[0])
def test_counts_what_the_sheets_count(node, expected):
    report = analyze(model("float[1,2,8,8] x => float[M] y", node), convention="textbook")
    assert report.total.value.best == expected


def test_a_bias_is_not_counted_and_a_residual_add_is_listed():
    signature = "float[1,4] x => float[M] y <float[4,4] w, float[4] b>"
    report = analyze(model(signature, "p = Gemm(x, w, b)", "y = Add(p, x)"), convention="textbook")
    assert report.total.value.best == 2 * 16
    (finding,) = [one for one in report.findings if one.code == "not-counted"]
    assert "Add (1)" in finding.message


def test_dropout_at_inference_costs_nothing():
    report = analyze(model("float[1,4] x => float[1,4] y", "y = Dropout(x)"), convention="textbook")
    assert report.total.value.best == 0
    assert not report.findings
