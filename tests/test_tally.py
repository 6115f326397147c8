"""The work by element type adds up to the whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from build import model

import graphcost
from graphcost.bounds import Bounds

MODELS = sorted((Path(__file__).parents[1] / "models").glob("*.onnx"))
MIXED = model(
    "float16[2,3] x, float[2,5] s => float[2,5] y <float16[3,5] w>",
    "p = MatMul(x, w)",
    "q = Cast <to = 1> (p)",
    "y = Mul(q, s)",
)
TRIPS = model(
    "float[2,3] x, float16[2,3] h => float[2,3] y <int64 trips = {7}, bool on = {1}>",
    "y, z = Loop(trips, on, x, h) <body = turn (int64 i, bool c, float[2,3] a, float16[2,3] b)"
    " => (bool c2, float[2,3] a2, float16[2,3] b2) { c2 = Identity(c) a2 = Exp(a) b2 = Add(b, b) }>",
)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_work_by_type_adds_up_to_the_totals(path):
    report = graphcost.analyze(path)
    assert Bounds.total(one.macs for one in report.by_dtype) == report.total.macs
    assert Bounds.total(one.operations for one in report.by_dtype) == report.total.value


def test_each_type_has_its_own_work():
    found = {one.dtype: (one.macs.best, one.operations.best) for one in graphcost.analyze(MIXED).by_dtype}
    assert found == {"float16": (2 * 3 * 5, 2 * 2 * 3 * 5), "float32": (0, 2 * 5)}


def test_work_in_a_body_counts_as_often_as_it_runs():
    found = {one.dtype: one.operations.best for one in graphcost.analyze(TRIPS).by_dtype}
    assert found == {"float32": 7 * 2 * 3, "float16": 7 * 2 * 3}


def test_types_are_told_where_there_are_several():
    assert "by type        float16: 30 MACs, 60 operations\n" in str(graphcost.analyze(MIXED))
    assert "by type" not in str(graphcost.analyze(MODELS[0]))
    assert graphcost.analyze(MIXED).to_dict()["totals"]["by_dtype"]["float32"] == {"macs": 0, "operations": 10}
