from __future__ import annotations

import json

import pytest
import reading

import graphcost
from graphcost.report import listing

KINDS = {
    listing.operators: graphcost.list_operators(),
    listing.conventions: graphcost.list_conventions(),
    listing.devices: graphcost.list_devices(),
}


def as_shown(cell):
    return {True: "yes", False: "no"}[cell] if isinstance(cell, bool) else str(cell).strip("[]")


@pytest.mark.parametrize("render", KINDS)
def test_csv_and_json_hold_the_same_records(render):
    titles, rows = reading.comma_separated(render(KINDS[render], "csv"))
    records = json.loads(render(KINDS[render], "json"))
    assert titles == list(records[0])
    shown = [[as_shown(cell) for cell in record.values()] for record in records]
    assert [[cell.removeprefix("'") for cell in row] for row in rows] == shown


@pytest.mark.parametrize("render", KINDS)
def test_every_record_has_a_line(render):
    table = render(KINDS[render]).splitlines()
    domains = {getattr(one, "domain", "") or "ai.onnx" for one in KINDS[render]} - {"ai.onnx"}
    listed = {line.split()[0] for line in table[2:] if line[0] != " "} - {"ai.onnx"}
    assert listed == domains | {getattr(one, "name", None) or one.op_type for one in KINDS[render]}


def test_markdown_keeps_a_formula_as_it_is_written():
    _, rows = reading.markdown(listing.operators(KINDS[listing.operators], "markdown"))
    assert {len(row) for row in rows} == {5}
    formula = next(row[-1] for row in rows if row[0] == "Abs")
    assert formula.replace("\\", "").startswith("y = |x|")


@pytest.mark.parametrize("render", [listing.operators, listing.devices])
def test_a_list_fits_into_a_terminal(render):
    wide, narrow = (max(map(len, render(KINDS[render], width=one).splitlines())) for one in (None, 100))
    assert narrow <= 100 < wide


@pytest.mark.parametrize("convention", KINDS[listing.conventions], ids=lambda one: one.name)
def test_every_formula_says_what_it_counts(convention):
    formulas = {**convention.formulas, **convention.patterns}
    assert [name for name, formula in formulas.items() if not (formula.__doc__ or "").strip()] == []


@pytest.mark.parametrize("convention", KINDS[listing.conventions], ids=lambda one: one.name)
def test_all_that_a_convention_prices_is_listed_once(convention):
    records = json.loads(listing.conventions([convention], "json"))
    listed = [work for record in records for work in record["work"].split(", ")]
    kinds = [one.value for one in convention.weights]
    patterns = [f"{name} (pattern)" for name in convention.patterns]
    assert sorted(listed) == sorted([*kinds, *convention.formulas, *patterns])
    assert all(record["counts"] and not record["counts"].startswith("_") for record in records)


def test_operators_with_the_same_formula_share_a_line():
    _, rows = reading.markdown(listing.conventions(KINDS[listing.conventions], "markdown"))
    assert ["", "", "Conv, ConvTranspose, Gemm"] in [row[:3] for row in rows]
    assert ["", "", "MAC", "2 each"] in rows


def test_integers_are_no_floating_point_operations():
    units = {row[3]: row[5] for row in reading.comma_separated(listing.devices(KINDS[listing.devices], "csv"))[1]}
    assert (units["peak int8"], units["peak int4"], units["peak bfloat16"]) == ("op/s", "op/s", "FLOP/s")


def test_a_figure_has_its_unit_and_its_source():
    _, rows = reading.comma_separated(listing.devices(KINDS[listing.devices], "csv"))
    found = {(row[0], row[3]): row[4:] for row in rows}
    assert found["nvidia-a100-sxm-80gb", "peak float32"][:2] == ["156000000000000.0", "FLOP/s"]
    assert found["nvidia-a100-sxm-80gb", "bandwidth"][:2] == ["2039000000000.0", "B/s"]
    assert all(value[2] for value in found.values())
    assert "19.5 TFLOP/s" in listing.devices(KINDS[listing.devices])
