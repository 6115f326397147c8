"""Names from a file stay names, whatever they hold, in every format."""

from __future__ import annotations

import json
import os
import re
import unicodedata

import pytest
import reading
import showcase
from hypothesis import given, settings
from hypothesis import strategies as st
from showcase import HOSTILE, chain, names

import graphcost

CONTROL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
TAGS = {"div", "table", "thead", "tbody", "tfoot", "tr", "th", "td"}
called = st.lists(names, min_size=1, max_size=4)
few = settings(max_examples=60, deadline=None)


def assert_plain(text):
    assert {unicodedata.category(one) for one in text.replace("\n", "")}.isdisjoint(CONTROL)


def hostile(called, operator):
    op_type, domain = operator
    return graphcost.analyze(chain(*called, op_type=op_type or "Relu", domain=domain))


operators = st.sampled_from([("Relu", ""), *((name, name) for name in HOSTILE if len(name) < 100)])


@few
@given(called, operators)
def test_a_terminal_sees_no_control_character_and_one_line_per_node(called, operator):
    report = hostile(called, operator)
    text = graphcost.render(report)
    assert_plain(text)
    assert len(text.split("\n\n")[0].splitlines()) == len(called) + 4  # titles, total, and a line above and below
    assert_plain(graphcost.render(report, width=60))


@few
@given(called, operators)
def test_a_markdown_table_keeps_its_columns_and_rows(called, operator):
    text = graphcost.render(hostile(called, operator), "markdown")
    assert_plain(text)
    titles, rows = reading.markdown(text)
    assert {len(row) for row in rows} == {len(titles)} == {8}
    assert len(rows) == len(called) + 1
    assert all(re.match(r"(  )?- ", line) for line in text.split("\n\n")[1].splitlines())


@few
@given(called, operators)
def test_markdown_shows_names_in_code_spans_alone(called, operator):
    text = graphcost.render(hostile(called, operator), "markdown")
    outside = re.sub(r"`[^`\n]*`", "", text)
    assert not set("`<[@\\") & set(outside.replace("<= ", ""))


@few
@given(called, operators)
def test_a_csv_keeps_its_columns_and_rows_and_holds_no_formula(called, operator):
    text = graphcost.render(hostile(called, operator), "csv")
    assert_plain(text)
    titles, rows = reading.comma_separated(text)
    assert {len(row) for row in rows} == {len(titles)} == {13}
    assert len(rows) == len(called) == text.count("\n") - 1
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


@few
@given(called, operators)
def test_html_holds_no_tag_and_no_attribute_from_a_name(called, operator):
    tags, tables = reading.html(hostile(called, operator)._repr_html_())
    assert {tag for tag, _ in tags} <= TAGS
    assert {name for _, attributes in tags for name in attributes} <= {"class", "style"}
    nodes, facts = tables
    assert len(nodes) == len(called) + 2
    assert {len(row) for row in nodes} == {8}
    assert {len(row) for row in facts} == {2}


@few
@given(called, operators)
def test_json_is_ascii_and_keeps_names_as_they_are(called, operator):
    text = graphcost.render(hostile(called, operator), "json")
    assert text.isascii()
    assert [node["name"] for node in json.loads(text)["nodes"]] == called


@few
@given(called, operators)
def test_an_explanation_holds_no_control_character(called, operator):
    model = chain(*called, op_type=operator[0], domain=operator[1])
    assert_plain(str(graphcost.explain(model, f"{called[0]}.0")))


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "json"])
def test_a_file_name_need_not_be_utf8(tmp_path, form):
    path = tmp_path / os.fsdecode(b"\xff.onnx")
    path.write_bytes(chain("a").SerializeToString())
    graphcost.render(graphcost.analyze(path), form).encode("utf-8")


def test_a_dimension_may_be_called_anything():
    model = showcase.model("float[b,3] x => float[b,3] y", "y = Relu(x)")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "\x1b[31m|<b>\n"
    report = graphcost.analyze(model)
    for form in ("table", "markdown", "csv"):
        assert_plain(graphcost.render(report, form))
    assert "<b>" not in report._repr_html_()


def test_wide_names_leave_the_columns_aligned():
    pytest.importorskip("wcwidth", reason="tabulate takes widths from it")
    report = graphcost.analyze(chain("卷积/一", "plain", "卷积" * 50))
    _, rows = reading.terminal(graphcost.render(report, columns=["node", "operator", "parameters"]))
    assert [row[1:] for row in rows[:-1]] == [["Relu", "0"]] * 3
    assert rows[0][0] == "卷积/一"
