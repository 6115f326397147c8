"""An operator that the specification defines by a function around its graphs is priced by that function."""

from __future__ import annotations

import pytest
from build import model

from graphcost import analyze
from graphcost.load import load
from graphcost.results import Status
from graphcost.shapes import infer

SIGNATURE = "float[2,4,8,16] q, float[2,4,6,16] k, float[2,4,6,32] v => float[] y"
ATTENTION = "y = ai.onnx.preview.FlexAttention {} (q, k, v)"


def analysed(node, signature=SIGNATURE):
    return analyze(model(signature, node, domains=', "ai.onnx.preview" : 1', opset=26))


@pytest.mark.parametrize(
    ("graphs", "of_its_own"),
    [
        ("", {}),
        ("<score_mod = m (float[2,4,8,6] s) => (float[2,4,8,6] t) { t = Erf(s) }>", {"erf": 2 * 4 * 8 * 6}),
        ("<prob_mod = m (float[2,4,8,6] s) => (float[2,4,8,6] t) { t = Sin(s) }>", {"trig": 2 * 4 * 8 * 6}),
    ],
)
def test_attention_costs_its_products_and_what_its_graphs_do(graphs, of_its_own):
    report = analysed(ATTENTION.format(graphs))
    assert report.total.macs.best == 2 * 4 * 8 * 6 * 16 + 2 * 4 * 8 * 6 * 32
    counted = {}
    for row in report.rows:
        for term in row.cost.terms:
            counted[term.arith.value] = counted.get(term.arith.value, 0) + term.count
    assert {kind: counted.get(kind) for kind in ("erf", "trig")} == {"erf": None, "trig": None, **of_its_own}
    assert report.complete
    assert str(report.rows[0].cost.call.outputs[0]) == "float32[2, 4, 8, 32]"


def test_attention_of_unknown_rank_is_not_invalid():
    signature = SIGNATURE.replace("=>", ", int64[R] r, int64[1] n =>").replace("y", "y <int64[1] zero = {0}>")
    nodes = ["s = Slice(r, zero, n)", "x = Reshape(q, s)", ATTENTION.format("").replace("q,", "x,")]
    found = infer(load(model(signature, *nodes, domains=', "ai.onnx.preview" : 1', opset=26)), {}, {}).graph
    assert found.type_of("x").shape is None
    assert not found.calls[-1].problem


def test_attention_that_breaks_its_specification_is_invalid():
    report = analysed(ATTENTION.format(""), SIGNATURE.replace("float[2,4,8,16] q", "float[8,16] q"))
    assert report.rows[0].cost.status is Status.INVALID
