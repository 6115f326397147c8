"""Elements of inputs can be given, where they decide what runs and what comes out."""

from __future__ import annotations

import pytest
from build import model

import graphcost
from graphcost.errors import UsageError

BRANCHES = (
    "y = If(c) <then_branch = a () => (float[2,4] r1) { r1 = MatMul(x, w) }, else_branch = b () => (float[2,4] r2)"
    " { r2 = Relu(x) }>"
)
RATE = model(
    "float[2,4] x, int64 rate => float[2,4] y <float[4,4] w, int64 high = {16000}>", "c = Equal(rate, high)", BRANCHES
)
SHAPED = model("float[2,6] x, int64[n] shape => float[m,k] z", "y = Reshape(x, shape)", "z = Exp(y)")
FLOATS = model("float start, float limit, float delta => float[n] z", "y = Range(start, limit, delta)", "z = Exp(y)")


def test_a_branch_that_an_input_chooses_is_known_with_its_value():
    assert graphcost.analyze(RATE).total.macs.low == 0
    assert graphcost.analyze(RATE, values={"rate": 16000}, strict=True).total.macs.best == 2 * 4 * 4
    assert graphcost.analyze(RATE, values={"rate": 8000}, strict=True).total.macs.best == 0


def test_a_shape_that_is_an_input_is_known_with_its_elements():
    report = graphcost.analyze(SHAPED, values={"shape": [3, 4]}, strict=True)
    assert str(report.rows[1].cost.call.outputs[0]) == "float32[3, 4]"
    assert report.to_dict()["settings"]["values"] == {"shape": [3, 4]}


def test_floats_can_be_given():
    report = graphcost.analyze(FLOATS, values={"start": 0.5, "limit": 3.0, "delta": 0.5})
    assert str(report.rows[1].cost.call.outputs[0]) == "float32[5]"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rat": 1}, "the model has no input 'rat' to give a value to"),
        ({"rate": 1.5}, r"input 'rate' is int64\[\], it can't hold \[1.5\]"),
        ({"rate": 2**70}, "it can't hold"),
        ({"rate": [1, 2]}, r"input 'rate' is int64\[\], 2 elements are given for it"),
    ],
)
def test_what_an_input_can_not_hold_is_refused(values, message):
    with pytest.raises(UsageError, match=message):
        graphcost.analyze(RATE, values=values)


def test_a_list_is_no_tensor():
    built = model("seq(float[2]) x => float[2] y, int64 n", "n = SequenceLength(x)", "y = SequenceAt(x, n)")
    with pytest.raises(UsageError, match="only integers, floats and booleans can be given"):
        graphcost.analyze(built, values={"x": 1})


def test_what_is_computed_from_given_elements_is_work_of_every_run_all_the_same():
    built = model("float[2,2] x => float[2,2] z <float[2,2] w>", "y = MatMul(x, w)", "z = Exp(y)")
    report = graphcost.analyze(built, values={"x": [1.0, 2.0, 3.0, 4.0]}, strict=True)
    assert report.total.value.best == 2 * 2 * 2 * 2 + 4
