"""Numbers, ranges and shares as they are shown."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcost.bounds import NOTHING, UNBOUNDED, Bounds, share_of
from graphcost.report import ink

counts = st.integers(0, 1000)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Bounds(1234, 1234), "1,234"),
        (Bounds(0, 1234), "0–1,234"),
        (Bounds(1234, None), ">= 1,234"),
        (UNBOUNDED, ">= 0"),
    ],
)
def test_a_number_shows_its_bounds(number, text):
    assert ink.bounded(number, "{:,}".format) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (Bounds(1, 1), Bounds(8, 8), "12.5 %"),
        (Bounds(8, 8), Bounds(8, 8), "100.0 %"),
        (NOTHING, Bounds(8, 8), "0.0 %"),
        (Bounds(1, 1), Bounds(8, None), "<= 12.5 %"),
        (Bounds(0, 4), Bounds(8, 12), "<= 50.0 %"),
        (Bounds(2, 20), Bounds(8, 26), "<= 100.0 %"),
        (Bounds(1, None), Bounds(8, None), "?"),
        (Bounds(0, 8), Bounds(0, 8), "?"),
        (NOTHING, NOTHING, "-"),
    ],
)
def test_a_share_is_exact_or_says_that_it_is_not(part, whole, text):
    assert ink.share(part, whole) == text


@given(st.tuples(counts, counts, counts).map(sorted), st.tuples(counts, counts, counts).map(sorted))
def test_no_part_is_more_of_its_whole_than_its_share(part, rest):
    """A part and the rest, each between two ends and in truth somewhere there."""
    (low, true, high), (rest_low, rest_true, rest_high) = part, rest
    found = share_of(Bounds(low, high), Bounds(low + rest_low, high + rest_high))
    if found is not None and true + rest_true:
        assert Fraction(true, true + rest_true) <= found <= 1


@pytest.mark.parametrize(("count", "text"), [(0, "0"), (12, "12"), (None, "?")])
def test_a_body_runs_a_number_of_times_or_nobody_knows(count, text):
    assert ink.times(count) == text
