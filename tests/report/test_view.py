from __future__ import annotations

import pytest
import reading
import showcase
from build import model

import graphcost
from graphcost.errors import UsageError

ODD = graphcost.analyze(showcase.ODD)
SHAPED = graphcost.analyze(showcase.SHAPED)


def table(report, **view):
    return reading.terminal(graphcost.render(report, **view))


def column(name, report=ODD, **view):
    first = view.get("by", "node")
    return {row[0]: row[1] for row in table(report, columns=[first, name], **view)[1]}


@pytest.mark.parametrize(
    ("name", "node", "cell"),
    [
        ("macs", "h", "64"),
        ("macs", "u", "unpriced"),
        ("cost", "u", "unpriced"),
        ("bytes", "u", "unpriced"),
        ("macs", "loop", "unknown"),
        ("macs", "y", "unknown"),
        ("macs", "z", "invalid"),
        ("macs", "choose", "0–64"),
        ("macs", "total", ">= 64"),
        ("cost", "total", ">= 216"),
        ("bytes", "total", ">= 736 B"),  # of what p reads, the 32 B of l are known
        ("parameters", "total", "64"),
        ("outputs", "u", "?"),
        ("outputs", "one", "scalar"),
        ("inputs", "h", "1x8, 8x8"),
        ("operator", "u", "my.domain.Mystery"),
        ("share", "u", "?"),
        ("share", "h", "<= 59.3 %"),  # 128 of 216 or more
        ("share", "one", "preparation"),
        ("share", "f/s", "body x1"),
        ("share", "loop/s2", "body x?"),
        ("status", "z", "invalid"),
        ("parent", "f/s", "f"),
        ("times", "loop/s2", "?"),
        ("times", "h", "1"),
    ],
)
def test_a_cell_shows_a_number_its_bounds_or_a_word(name, node, cell):
    assert column(name)[node] == cell


def test_bytes_are_known_of_a_node_without_a_rule_where_its_types_are():
    report = graphcost.analyze(
        model("float[2,8] x => float[2,8] y", "y = Sigmoid(x)", "z = my.domain.Odd(y)", domains=', "my.domain": 1'),
        shapes={},
    )
    assert column("bytes_read", report)["y"] == "64 B"


def test_a_node_that_the_convention_does_not_count_says_so():
    report = graphcost.analyze(model("float[2,8] x => float[2,8] y", "y = Exp(x)"), convention="textbook")
    assert column("cost", report) == {"y": "not counted", "total": "not counted"}


@pytest.mark.parametrize(
    ("convention", "title"),
    [
        ("graphcost", "FLOPs"),
        ("textbook", "FLOPs (textbook)"),
        ("macs", "MACs (macs)"),
        ("macs-with-bias", "MACs (macs-with-bias)"),
    ],
)
def test_the_column_of_the_cost_names_its_convention_and_unit(convention, title):
    report = graphcost.analyze(showcase.SHAPED, convention=convention)
    titles, _ = table(report)
    assert titles[-3:] == [title, "bytes", "share"]
    assert ("MACs" in titles) == title.startswith("FLOPs")
    assert f"{title.lower().split()[0]} ({convention})" in graphcost.render(report, "csv")


def test_the_order_is_that_of_the_file():
    assert [row[0] for row in table(SHAPED)[1]] == ["s", "positions", "k", "h", "y", "total"]


def test_sorting_puts_the_largest_first_and_what_is_apart_last():
    names = [row[0] for row in table(SHAPED, sort="bytes")[1]]
    assert names == ["h", "y", "k", "positions", "s", "total"]  # 320, 96; then 512, 72, 8


def test_sorting_by_a_name_goes_from_a_to_z():
    assert [row[0] for row in table(SHAPED, sort="operator")[1]] == ["y", "h", "positions", "k", "s", "total"]


def test_the_nodes_of_a_body_stay_below_their_node():
    names = [row[0] for row in table(ODD, sort="cost")[1]]
    assert names[names.index("choose") :][:3] == ["choose", "choose/then_branch/r1", "choose/else_branch/r2"]


@pytest.mark.parametrize(
    ("view", "names"),
    [
        ({"top": 1}, ["h", "… and 4 more", "total"]),
        ({"top": 1, "sort": "bytes_written"}, ["h", "… and 4 more", "total"]),
        ({"top": 0}, ["… and 5 more", "total"]),
        ({"top": 5}, ["h", "y", "k", "s", "positions", "total"]),
    ],
)
def test_what_is_hidden_is_one_line(view, names):
    assert [row[0] for row in table(SHAPED, **view)[1]] == names


@pytest.mark.parametrize(("depth", "bodies"), [(None, 6), (1, 6), (0, 0)])
def test_depth_says_how_many_levels_of_bodies_are_shown(depth, bodies):
    assert sum("/" in row[0] for row in table(ODD, depth=depth)[1]) == bodies


def test_by_operator_adds_up_and_lists_what_is_apart():
    titles, rows = table(ODD, by="operator")
    assert titles == ["operator", "nodes", "parameters", "MACs", "FLOPs", "bytes", "share"]
    assert [row[:4] for row in rows[:3]] == [
        ["MatMul", "2", "64", ">= 64"],
        ["local.block", "2", "0", "0"],
        ["my.domain.Mystery", "1", "0", "unpriced"],
    ]
    assert [row[0] for row in rows[-2:]] == ["(preparation)", "total"]
    assert rows[-2][-1] == "preparation"


@pytest.mark.parametrize(
    ("columns", "titles"),
    [
        (["node", "macs"], ["node", "MACs", "status", "parent"]),
        (["node", "macs", "status"], ["node", "MACs", "status", "parent"]),
        (["node", "macs", "share"], ["node", "MACs", "share"]),
        (["node", "operator"], ["node", "operator"]),
    ],
)
def test_what_is_no_part_of_the_sums_is_always_marked(columns, titles):
    assert table(ODD, columns=columns)[0] == titles


def test_columns_are_not_added_where_all_is_part_of_the_sums():
    report = graphcost.analyze(showcase.chain("a"))
    assert table(report, columns=["node", "macs"])[0] == ["node", "MACs"]


def test_flops_are_the_cost_of_a_convention_that_counts_them():
    assert table(SHAPED, columns=["node", "flops"], sort="flops")[1][0][:2] == ["h", "128"]


@pytest.mark.parametrize(
    ("report", "view", "message"),
    [
        (SHAPED, {"columns": ["foo"]}, "there is no column 'foo'; there are node, operator,"),
        (SHAPED, {"sort": "foo"}, "there is no column 'foo'"),
        (SHAPED, {"by": "operator", "columns": ["parent"]}, "by operator there is no column 'parent'"),
        (SHAPED, {"top": -1}, "wants to show 0 lines or more, got -1"),
        (SHAPED, {"format_": "xml"}, "there is no format 'xml'; there are table, markdown, csv, json"),
        (SHAPED, {"format_": "json", "top": 1}, "JSON holds the whole report"),
        (graphcost.analyze(showcase.SHAPED, convention="macs"), {"columns": ["flops"]}, "'macs' counts MACs"),
    ],
)
def test_a_view_that_makes_no_sense_is_refused(report, view, message):
    with pytest.raises(UsageError, match=message):
        graphcost.render(report, **view)
