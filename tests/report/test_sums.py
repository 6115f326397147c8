"""In every format, and whatever is shown of it, the lines add up to the totals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import reading
import showcase

import graphcost
from graphcost.bounds import NOTHING

FOLDER = Path(__file__).parents[2] / "models"
SOURCES = {
    "mnist_cnn": FOLDER / "mnist_cnn.onnx",
    "transformer_block": FOLDER / "transformer_block.onnx",
    "odd": showcase.ODD,
    "range": showcase.RANGE,
    "shaped": showcase.SHAPED,
    "empty": showcase.chain(),
}
CONVENTIONS = ["graphcost", "macs", "macs-with-bias", "textbook", "tf-profiler"]
VIEWS = [
    {},
    {"top": 0},
    {"top": 2},
    {"top": 1000},
    {"sort": "bytes"},
    {"sort": "node", "top": 3},
    {"sort": "share", "top": 1},
    {"sort": "outputs"},
    {"depth": 0},
    {"depth": 1, "sort": "macs", "top": 2},
    {"by": "operator"},
    {"by": "operator", "top": 2},
    {"by": "operator", "sort": "operator", "top": 1},
]
COLUMNS = ("parameters", "macs", "cost", "bytes_read", "bytes_written", "bytes")
FORMATS = {"table": reading.terminal, "markdown": reading.markdown, "csv": reading.comma_separated}
APART = ("preparation", "shape")


def analyzed(source, convention="graphcost"):
    return graphcost.analyze(SOURCES[source], convention=convention)


def totals(report):
    """Return the totals of COLUMNS, as (low, high)."""
    total = report.total
    bounds = [total.macs, total.value or NOTHING, total.read, total.written, total.read + total.written]
    return [(total.parameters, total.parameters), *((one.low, one.high) for one in bounds)]


def column_sums(rows):
    """Return the sums over the rows that count: parameters of all but bodies', the cost where a share is shown."""
    outer = [row for row in rows if not row[-1].startswith("body")]
    work = [row for row in outer if not row[-1].startswith(APART)]
    cost = [row for row in outer if row[-1] not in APART]
    chosen = [outer, work, cost, work, work, work]
    return [reading.added(reading.number(row[1 + place]) for row in part) for place, part in enumerate(chosen)]


@pytest.mark.parametrize("view", VIEWS, ids=str)
@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("source", SOURCES)
def test_the_lines_of_every_table_add_up_to_the_total(source, convention, view):
    report = analyzed(source, convention)
    columns = (view.get("by", "node"), *COLUMNS, "share")
    for form, read in FORMATS.items():
        _, rows = read(graphcost.render(report, form, columns=columns, exact=True, **view))
        if form != "csv":
            shown_total = [reading.number(cell) for cell in rows.pop()[1:-1]]
            assert shown_total == totals(report), form
        assert column_sums(rows) == totals(report), form


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("source", ["mnist_cnn", "transformer_block", "shaped"])
def test_the_nodes_of_the_json_add_up_to_its_totals(source, convention):
    found = json.loads(graphcost.render(analyzed(source, convention), "json"))
    outer = [node for node in found["nodes"] if node["parent"] is None]
    per_run = [node for node in outer if node["status"] not in APART]
    counted = outer if convention == "tf-profiler" else per_run
    once = [node for node in counted if node["status"] != "shape"]
    totals = found["totals"]
    assert sum(node["parameters"] for node in outer) == totals["parameters"]
    assert sum(node["cost"] or 0 for node in once) == totals["cost"]["value"]
    for name in ("macs", "bytes_read", "bytes_written"):
        assert sum(node[name] for node in per_run) == totals[name]


@pytest.mark.parametrize("view", VIEWS, ids=str)
@pytest.mark.parametrize("source", SOURCES)
def test_every_format_shows_the_same_lines(source, view):
    report = analyzed(source)
    columns = (view.get("by", "node"), *COLUMNS, "share")
    (_, table), (_, markdown), (_, csv) = (
        read(graphcost.render(report, form, columns=columns, exact=True, **view)) for form, read in FORMATS.items()
    )
    plain = [[cell.strip("`*") for cell in row] for row in markdown]
    assert plain == table
    assert [[cell.replace(",", "") for cell in row] for row in table[:-1]] == csv


def test_the_totals_are_those_of_the_lab_sheet():
    """Two convolutions, two dense layers: 26*26*32 * 9 + 11*11*64 * 9*32 + 1600*64 + 64*10."""
    _, rows = reading.terminal(graphcost.render(analyzed("mnist_cnn"), exact=True, columns=["node", "macs"]))
    assert rows[-1] == ["total", "2,528,000"]
    assert [row[1] for row in rows if row[0].endswith(("Conv", "MatMul"))] == ["194,688", "2,230,272", "102,400", "640"]


def test_a_range_is_either_branch():
    _, rows = reading.terminal(graphcost.render(analyzed("range"), columns=["node", "macs", "cost"], depth=0))
    assert rows == [["y", "0–64", "8–128"], ["total", "0–64", "8–128"]]
