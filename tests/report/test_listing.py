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


@pytest.mark.parametrize("render", KINDS)
def test_csv_and_json_hold_the_same_records(render):
    titles, rows = reading.comma_separated(render(KINDS[render], "csv"))
    records = json.loads(render(KINDS[render], "json"))
    assert titles == list(records[0])
    shown = [[str(cell).strip("[]") for cell in record.values()] for record in records]
    assert [[cell.removeprefix("'") for cell in row] for row in rows] == shown


@pytest.mark.parametrize("render", KINDS)
def test_every_record_has_a_line(render):
    table = render(KINDS[render]).splitlines()
    assert {line.split()[0] for line in table[2:] if line[0] != " "} == {
        getattr(one, "name", None) or one.op_type for one in KINDS[render]
    }


def test_markdown_keeps_a_formula_as_it_is_written():
    _, rows = reading.markdown(listing.operators(KINDS[listing.operators], "markdown"))
    assert {len(row) for row in rows} == {5}
    formula = next(row[-1] for row in rows if row[0] == "Abs")
    assert formula.replace("\\", "").startswith("y = |x|")


@pytest.mark.parametrize("render", [listing.operators, listing.devices])
def test_a_list_fits_into_a_terminal(render):
    wide, narrow = (max(map(len, render(KINDS[render], width=one).splitlines())) for one in (None, 100))
    assert narrow <= 100 < wide


def test_a_figure_has_its_unit_and_its_source():
    _, rows = reading.comma_separated(listing.devices(KINDS[listing.devices], "csv"))
    found = {(row[0], row[3]): row[4:] for row in rows}
    assert found["nvidia-a100-sxm-80gb", "peak float32"][:2] == ["19500000000000.0", "FLOP/s"]
    assert found["nvidia-a100-sxm-80gb", "bandwidth"][:2] == ["2039000000000.0", "B/s"]
    assert all(value[2] for value in found.values())
    assert "19.5 TFLOP/s" in listing.devices(KINDS[listing.devices])
