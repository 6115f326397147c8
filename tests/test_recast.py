"""What a model would cost in another type is what it costs when it is exported in that type."""

from __future__ import annotations

from pathlib import Path

import pytest
from build import model

import graphcost
from graphcost.errors import UsageError

MODELS = [
    path for path in sorted((Path(__file__).parents[1] / "models").glob("*.onnx")) if path.stem != "quantized_mlp"
]


def small(dtype):
    """Return a small model that computes in a type: a product, a scan over it, an activation."""
    return model(
        f"{dtype}[2,3] x => {dtype}[2,5] y <{dtype}[3,5] w, {dtype}[1] one, int64 k = {{2}}, bool on = {{1}}>",
        "p = MatMul(x, w)",
        f"y = Loop(k, on, p) <body = turn (int64 i, bool c, {dtype}[2,5] a)"
        f" => (bool c2, {dtype}[2,5] b) {{ c2 = Identity(c) e = Add(a, one) b = Relu(e) }}>",
    )


FACTS = ("totals", "bounds", "memory")


@pytest.mark.parametrize(("name", "dtype"), [("fp16", "float16"), ("fp64", "double")])
def test_a_model_taken_in_another_type_costs_what_it_costs_in_that_type(name, dtype):
    taken = graphcost.analyze(small("float"), as_dtype=name).to_dict()
    made = graphcost.analyze(small(dtype)).to_dict()
    assert {key: taken[key] for key in FACTS} == {key: made[key] for key in FACTS}


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_bytes_shrink_with_the_type_and_counts_stay(path):
    as_is, taken = graphcost.analyze(path), graphcost.analyze(path, as_dtype="int8")
    assert (taken.total.macs, taken.total.value) == (as_is.total.macs, as_is.total.value)
    assert taken.total.parameters == as_is.total.parameters
    assert taken.weights.stored["int8"] * 4 == as_is.weights.stored["float32"]
    assert {one.dtype for one in taken.by_dtype if one.macs.best} == {"int8"}


def test_the_report_says_what_it_assumes():
    text = str(graphcost.analyze(MODELS[0], as_dtype="bf16"))
    assert "as if          every float were bf16: weights, inputs and what is computed from them\n" in text
    assert graphcost.analyze(MODELS[0], as_dtype="bf16").to_dict()["settings"]["as_dtype"] == "bf16"


def test_a_type_that_there_is_not_is_refused():
    with pytest.raises(UsageError, match="no model is taken as 'int7', only as fp64, fp32, fp16"):
        graphcost.analyze(MODELS[0], as_dtype="int7")
