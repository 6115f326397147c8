from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from showcase import HOSTILE

from graphcost.report import escape

UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Me"}
anything = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=())))  # lone surrogates too


@given(anything)
def test_every_character_of_a_visible_text_shows(text):
    assert {unicodedata.category(one) for one in escape.visible(text)}.isdisjoint(UNSEEN)


@given(anything)
def test_what_is_visible_stays_as_it_is(text):
    shown = escape.visible(text)
    assert escape.visible(shown) == shown


@pytest.mark.parametrize("text", ["/model/layers.0/MatMul", "卷积", "é", "Größe (x), [1]"])
def test_an_ordinary_name_is_left_alone(text):
    assert escape.visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b", r"\x9b"),
        ("\n\r\t\0", r"\n\r\t\x00"),
        ("\u202e\u200b\u2066", r"\u202e\u200b\u2066"),
        ("\U000e0041", r"\U000e0041"),
        ("\udc80", r"\udc80"),
        ("q\u0300", r"q\u0300"),
    ],
)
def test_an_unseen_character_becomes_its_escape(text, shown):
    assert escape.visible(text) == shown


@given(anything, st.integers(2, 80))
@example("卷积" * 50, 7)
def test_a_shortened_text_fits_and_keeps_its_ends(text, limit):
    text = escape.visible(text)
    found = escape.shorten(text, limit)
    assert escape.width(found) <= limit
    if found != text:
        head, tail = found[: found.index("…")], found[found.rindex("…") + 1 :]
        assert text.startswith(head)
        assert text.endswith(tail)


def test_a_shortened_name_keeps_more_of_its_end():
    assert escape.shorten("abcdefghij", 7) == "ab…ghij"


@pytest.mark.parametrize(("text", "columns"), [("", 0), ("abc", 3), ("卷积", 4), ("ｆ", 2), ("é", 1)])
def test_width_counts_columns(text, columns):
    assert escape.width(text) == columns


@given(anything)
def test_a_markdown_code_span_ends_where_the_name_does(text):
    for shown in (escape.markdown_name(text), escape.markdown_prose(text)):
        if text:
            assert (shown[0], shown[-1]) == ("`", "`")
            assert not {"`", "|", "\n", "\r"} & set(shown[1:-1])
            assert shown[-2] != "\\"
        else:
            assert shown == ""


@given(anything)
def test_no_cell_begins_a_formula(text):
    cell = escape.csv_cell(text)
    assert cell[:1] not in set("=+-@\t\r＝＋－＠")
    assert cell.removeprefix("'") == text.removeprefix("'")
