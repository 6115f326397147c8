"""What is said to be priced is what is priced."""

from __future__ import annotations

import pytest
from build import model
from onnx import defs

import graphcost
from graphcost.results import Status

LISTED = {(one.domain, one.op_type): one for one in graphcost.list_operators()}


def test_every_operator_of_the_newest_opset_is_listed_once():
    newest = {one.name for one in defs.get_all_schemas() if one.domain == "" and not one.deprecated}
    assert newest <= {op_type for domain, op_type in LISTED if not domain}
    assert len(LISTED) == len(graphcost.list_operators())


@pytest.mark.parametrize(
    ("op_type", "pricing"),
    [("Conv", "rule"), ("Relu", "rule"), ("Reshape", "free"), ("If", "body"), ("Loop", "body"), ("Scan", "body")],
)
def test_an_operator_is_priced_as_listed(op_type, pricing):
    assert LISTED["", op_type].pricing == pricing


def test_only_rules_and_free_operators_have_an_opset_and_all_but_unpriced_a_formula():
    for one in LISTED.values():
        assert bool(one.since) == (one.pricing in {"rule", "free"})
        assert bool(one.formula) == (one.pricing != "unpriced")


@pytest.mark.parametrize("name", [name for (domain, name), one in LISTED.items() if one.pricing == "unpriced"])
def test_what_is_listed_as_unpriced_is_unpriced(name):
    schema = defs.get_schema(name)
    inputs = ", ".join("x" for _ in range(schema.min_input))
    outputs = ", ".join(f"y{index}" for index in range(max(schema.min_output, 1)))
    built = model("float[1,1,4,4] x => float[a] y0", f"{outputs} = {name}({inputs})", opset=defs.onnx_opset_version())
    status = graphcost.analyze(built).rows[0].cost.status
    assert status in {Status.UNPRICED, Status.INVALID}


@pytest.mark.parametrize("name", ["MeanVarianceNormalization", "Celu", "HardSwish"])
def test_an_operator_with_a_body_in_the_specification_is_priced(name):
    built = model("float[1,2,4,4] x => float[1,2,4,4] y", f"y = {name}(x)")
    assert LISTED["", name].pricing in {"rule", "body"}
    assert not any(row.cost.status.is_open for row in graphcost.analyze(built).rows)


def test_conventions_and_devices_are_those_that_analyze_takes():
    source = model("float[1,4] x => float[1,4] y", "y = Relu(x)")
    for convention in graphcost.list_conventions():
        assert graphcost.analyze(source, convention=convention.name).settings.convention is convention
    names = [one.name for one in graphcost.list_devices()]
    assert [one.device for one in graphcost.analyze(source, devices=names).latency] == names
