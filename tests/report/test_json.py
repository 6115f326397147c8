from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import showcase
from jsonschema import Draft202012Validator, ValidationError

import graphcost
from graphcost.terms import Arith

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/reference/report.schema.json").read_text("utf-8"))
SOURCES = {path.stem: path for path in (ROOT / "models").glob("*.onnx")} | {
    "odd": showcase.ODD,
    "range": showcase.RANGE,
    "shaped": showcase.SHAPED,
    "empty": showcase.chain(),
    "hostile": showcase.chain(*showcase.HOSTILE),
}
DEVICES = ("cpu-1gflops", "nvidia-a100-sxm-80gb")


def closed(schema):
    """Return a schema that allows nothing beyond what it lists, so that every field has to be described."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    return {"additionalProperties": False, **inner} if schema.get("type") == "object" else inner


VALIDATOR = Draft202012Validator(closed(SCHEMA))


def as_read(source, **options):
    return json.loads(graphcost.render(graphcost.analyze(source, **options), "json"))


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("convention", ["graphcost", "macs", "textbook"])
@pytest.mark.parametrize("name", SOURCES)
def test_every_report_fits_the_schema(name, convention):
    VALIDATOR.validate(as_read(SOURCES[name], convention=convention, devices=DEVICES if convention != "macs" else ()))


def test_bound_dimensions_and_shapes_fit_the_schema():
    VALIDATOR.validate(as_read(SOURCES["mnist_cnn"], dims={"batch": 8}))
    VALIDATOR.validate(as_read(showcase.SHAPED, shapes={"x": (4, 8)}))


@pytest.mark.parametrize("name", SOURCES)
def test_the_text_is_the_dictionary(name):
    report = graphcost.analyze(SOURCES[name])
    assert json.loads(graphcost.render(report, "json")) == report.to_dict()


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.pop("totals"),
        lambda found: found.update(schema=2),
        lambda found: found.update(more=1),
        lambda found: found["totals"].update(macs="2528000"),
        lambda found: found["totals"].update(macs=2.5),
        lambda found: found["bounds"].update(macs=[1, 2, 3]),
        lambda found: found["bounds"].update(macs=[None, 2]),
        lambda found: found["nodes"][0].update(status="fine"),
        lambda found: found["nodes"][0].pop("reason"),
        lambda found: found["nodes"][0]["outputs"][0].update(shape="1x2"),
        lambda found: found["nodes"][0]["terms"][0].update(arith="FLOPS"),
        lambda found: found["latency"][0].update(grade="guessed"),
    ],
)
def test_the_schema_refuses_what_is_not_promised(change):
    found = copy.deepcopy(as_read(SOURCES["mnist_cnn"], devices=DEVICES))
    change(found)
    with pytest.raises(ValidationError):
        VALIDATOR.validate(found)


def test_the_schema_lists_every_kind_of_work():
    listed = SCHEMA["$defs"]["node"]["properties"]["terms"]["items"]["properties"]["arith"]["enum"]
    assert listed == [one.value for one in Arith]


def test_what_is_not_known_is_null_and_never_zero():
    found = as_read(showcase.ODD)
    by_id = {node["id"]: node for node in found["nodes"]}
    for name, status in {"u": "unpriced", "loop": "unknown", "y": "unknown", "z": "invalid"}.items():
        node = by_id[name]
        assert (node["status"], node["macs"], node["cost"]) == (status, None, None)
        assert node["reason"]
    assert by_id["u"]["bytes_read"] is None
    assert by_id["loop/s2"]["times"] is None
    assert by_id["z"]["outputs"] == [{"name": "z", "dtype": None, "shape": None}]
    assert found["bounds"]["macs"] == [64, None]
    assert found["complete"] is False
    assert found["unpriced"] == ["u"]


def test_the_number_of_a_range_is_its_high_end():
    found = as_read(showcase.RANGE)
    assert found["bounds"]["macs"] == [0, 64]
    assert found["totals"]["macs"] == found["nodes"][0]["macs"] == 64
    assert found["complete"] is True


@pytest.mark.parametrize(("convention", "unit"), [("graphcost", "FLOP"), ("macs", "MAC")])
def test_flops_are_there_where_the_convention_counts_them(convention, unit):
    totals = as_read(showcase.SHAPED, convention=convention)["totals"]
    assert totals["cost"] == {"value": {"FLOP": 136, "MAC": 64}[unit], "unit": unit, "convention": convention}
    assert totals["flops"] == (136 if unit == "FLOP" else None)
    assert totals["macs"] == 64
