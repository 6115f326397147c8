"""Searching and sorting: loops work as much as the most on their hardest inputs, and stay between both ends on any."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import search
from oracles.checked import checks
from oracles.counting import Tally
from oracles.reference import computed, opsets

from graphcost.bounds import Bounds
from graphcost.errors import NodeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import UNKNOWN, DType, TensorType

MICROSOFT = "com.microsoft"
seeds = st.integers(0, 999).map(np.random.default_rng)


def bounds(call, arith=Arith.CMP):
    return Bounds.total(term.bounds for term in terms(call) if term.arith is arith)


def contains(ends, count):
    return ends.low <= count <= ends.high


# TopK


def top_k_call(shape, k, opset, **attributes):
    if opset < 10:
        return make_call("TopK", ts(*shape), k=k, outputs=2, opset=opset, **attributes)
    return make_call("TopK", ts(*shape), np.array([k]), outputs=2, opset=opset, **attributes)


@st.composite
def top_ks(draw):
    """Draw an opset, a shape, an axis, K, and whether the largest are wanted."""
    opset = draw(st.sampled_from(opsets("TopK")))
    shape = tuple(draw(st.lists(st.integers(0, 6), min_size=1, max_size=3)))
    axis = draw(st.integers(-len(shape) if opset >= 11 else 0, len(shape) - 1))
    k = draw(st.integers(0 if opset >= 10 else min(1, shape[axis]), shape[axis]))
    flags = {"largest": draw(st.sampled_from((0, 1)))} if opset >= 11 else {}
    return opset, shape, axis, k, flags


@checks("TopK")
@settings(max_examples=300, deadline=None)
@given(drawn=top_ks(), rng=seeds)
def test_top_k(drawn, rng):
    opset, shape, axis, k, flags = drawn
    call = top_k_call(shape, k, opset, axis=axis, **flags)
    x = rng.uniform(-1, 1, shape).astype(np.float32)
    before = (lambda a, b: a > b) if flags.get("largest", 1) else (lambda a, b: a < b)
    tally, hard = Tally(), Tally()
    places = np.empty([k if at == axis % x.ndim else size for at, size in enumerate(shape)], np.int64)
    worst = search.hardest(shape[axis], k)
    for at in np.ndindex(*np.delete(shape, axis)):
        places[insert(at, axis, x.ndim)] = search.top_k(tally, x[insert(at, axis, x.ndim)], k, before)
        search.top_k(hard, [-one for one in worst] if flags.get("largest", 1) else worst, k, before)
    assert bounds(call).high == hard[Arith.CMP]
    assert contains(bounds(call), tally[Arith.CMP])
    assert [one.dims for one in call.outputs] == [places.shape] * 2
    if opset >= 10 and x.size and k:
        _, expected = computed("TopK", [x, np.array([k])], opset, outputs=2, axis=axis, **flags)
        np.testing.assert_array_equal(places, expected)


def insert(at, axis, rank):
    """Return the index of a whole row."""
    axis %= rank
    return (*at[:axis], slice(None), *at[axis:])


@pytest.mark.parametrize("n", range(1, 6))
def test_no_order_makes_top_k_compare_more_than_the_most(n):
    for k in range(n + 1):
        worst = 0
        for row in permutations(range(n)):
            tally = Tally()
            search.top_k(tally, row, k, lambda a, b: a > b)
            worst = max(worst, tally[Arith.CMP])
        assert bounds(top_k_call((n,), k, 11)).high == worst


@pytest.mark.parametrize("n", range(7))
def test_a_row_in_order_is_known_to_be_so_after_the_least(n):
    tally = Tally()
    assert search.is_ascending(tally, list(range(n)))
    assert bounds(top_k_call((n,), n, 11)).low == tally[Arith.CMP]
    assert bounds(make_call("Unique", ts(n))).low == tally[Arith.CMP]


def test_the_best_alone_takes_as_many_comparisons_as_arg_max():
    assert bounds(top_k_call((3, 100), 1, 11)) == Bounds.exactly(3 * 99)
    assert counts(make_call("ArgMax", ts(3, 100), axis=1)) == {Arith.CMP: 3 * 99}


def test_all_elements_in_any_order_may_take_none():
    assert bounds(top_k_call((5,), 5, 11, sorted=0)).low == 0
    assert bounds(top_k_call((5,), 4, 11, sorted=0)).low == 4
    assert bounds(top_k_call((5,), 5, 11)).low == 4


def test_a_k_that_is_not_known_may_be_none_or_all():
    call = make_call("TopK", ts(2, 7), ts(1, dtype=DType.INT64), outputs=2)
    assert bounds(call) == Bounds(0, bounds(top_k_call((2, 7), 7, 11)).high)
    assert call.outputs[0] == TensorType(DType.FLOAT32, (2, None))


def test_a_long_row_is_counted_without_counting():
    assert bounds(top_k_call((1 << 40,), 3, 11)).high < 1 << 42


def test_a_k_beyond_the_axis_is_an_error():
    with pytest.raises(NodeError, match="wants K from 0 to the 5 elements along its axis, it is 7"):
        top_k_call((2, 5), 7, 11)


# NonZero


@checks("NonZero")
@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=3), st.sampled_from(opsets("NonZero")), seeds)
def test_non_zero(shape, opset, rng):
    x = rng.integers(0, 2, shape).astype(np.float32)
    tally = Tally()
    looped = search.non_zero(tally.tensor(x))
    call = make_call("NonZero", ts(*shape), opset=opset)
    assert counts(call) == tally.as_dict()
    (expected,) = computed("NonZero", [x], opset)
    np.testing.assert_array_equal(looped, expected)
    assert call.outputs == (TensorType(DType.INT64, (len(shape), None)),)


# Unique


@checks("Unique")
@settings(max_examples=300, deadline=None)
@given(data=st.data(), rng=seeds)
def test_unique(data, rng):
    opset = data.draw(st.sampled_from(opsets("Unique")))
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1) | st.none())
    x = rng.integers(0, 3, shape).astype(np.float32)
    attributes = {} if axis is None else {"axis": axis}
    slices = list(x.reshape(-1, 1) if axis is None else np.moveaxis(x, axis, 0).reshape(shape[axis], -1))
    tally, hard = Tally(), Tally()
    kinds, of_kind, occurrences = search.unique(tally, slices)
    search.unique(hard, [[0.0] * (len(slices[0]) - 1) + [one] for one in search.hardest(len(slices), len(slices))])
    call = make_call("Unique", ts(*shape), outputs=4, opset=opset, **attributes)
    assert bounds(call).high == hard[Arith.CMP]
    assert contains(bounds(call), tally[Arith.CMP])
    assert contains(bounds(call, Arith.ADD), tally[Arith.ADD])
    assert bounds(call, Arith.ADD) == Bounds(0, len(slices) - 1)
    y, first, inverse, times = computed("Unique", [x], opset, outputs=4, **attributes)
    np.testing.assert_array_equal(kinds, first)
    np.testing.assert_array_equal([kinds.index(one) for one in of_kind], np.reshape(inverse, -1))
    np.testing.assert_array_equal([float(occurrences[one]) for one in kinds], times)
    assert fits(call.outputs, [y, first, np.reshape(inverse, -1), times])


def fits(types, arrays):
    """Return whether arrays have these types, as far as they are known."""
    pairs = [
        pair for one, array in zip(types, arrays, strict=True) for pair in zip(one.shape, array.shape, strict=True)
    ]
    return all(wanted in {None, size} for wanted, size in pairs)


def test_equal_elements_are_added_up_and_only_where_counts_are_wanted():
    tally = Tally()
    search.unique(tally, [[1.0]] * 5)
    assert bounds(make_call("Unique", ts(5), outputs=4), Arith.ADD).high == tally[Arith.ADD]
    assert not bounds(make_call("Unique", ts(5), outputs=3), Arith.ADD).high


def test_how_many_inverse_indices_there_are_is_known():
    flat, along = make_call("Unique", ts(2, 5), outputs=4), make_call("Unique", ts(2, 5), outputs=4, axis=1)
    assert [one.shape for one in flat.outputs] == [(None,), (None,), (10,), (None,)]
    assert [one.shape for one in along.outputs] == [(2, None), (None,), (5,), (None,)]


@checks("Unique", domain=MICROSOFT)
@settings(max_examples=200, deadline=None)
@given(st.integers(0, 8), seeds)
def test_unique_of_a_vector(n, rng):
    x = rng.integers(0, 4, n)
    tally, hard = Tally(), Tally()
    _, of_kind, _ = search.unique(tally, [[one] for one in x])
    search.unique(hard, [[one] for one in search.hardest(n, n)])
    call = make_call("Unique", ts(n), outputs=3, domain=MICROSOFT)
    assert bounds(call).high == hard[Arith.CMP]
    assert contains(bounds(call), tally[Arith.CMP])
    assert contains(bounds(call, Arith.ADD), tally[Arith.ADD])
    assert [one.shape for one in call.outputs] == [(None,), (len(of_kind),), (None,)]


# NGramRepeatBlock, IsAllFinite


@checks("NGramRepeatBlock", domain=MICROSOFT)
@settings(max_examples=200, deadline=None)
@given(st.integers(0, 3), st.integers(0, 7), st.integers(1, 4), seeds)
def test_ngram_repeat_block(batch, length, size, rng):
    ids = rng.integers(0, 3, (batch, length))
    call = make_call(
        "NGramRepeatBlock", ts(batch, length, dtype=DType.INT64), ts(batch, 9), domain=MICROSOFT, ngram_size=size
    )
    assert call.outputs == (ts(batch, 9),)
    for sequences, end in ((ids, None), (ids * 0, "high"), (np.arange(length) + 0 * ids, "low")):
        tally = Tally()
        for one in sequences:
            search.banned(tally, list(one), size)
        assert contains(bounds(call), tally[Arith.CMP])
        if end == "high":
            assert bounds(call).high == tally[Arith.CMP]
        if end == "low":
            assert bounds(call).low == tally[Arith.CMP]


def test_the_tokens_that_are_banned():
    assert search.banned(Tally(), [1, 2, 1], 2) == {2}
    assert search.banned(Tally(), [1, 2, 3, 1, 2], 3) == {3}


def test_ngrams_of_no_token_are_an_error():
    call = make_call("NGramRepeatBlock", ts(1, 3, dtype=DType.INT64), ts(1, 9), domain=MICROSOFT, ngram_size=0)
    with pytest.raises(NodeError, match="ngram_size of 1 or more, they are 2 and 0"):
        terms(call)


@checks("IsAllFinite", domain=MICROSOFT)
@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), max_size=2), min_size=1, max_size=3), st.integers(0, 2), seeds)
def test_is_all_finite(shapes, only, rng):
    attributes = {name: 1 for place, name in enumerate(("isnan_only", "isinf_only")) if place == only}
    tensors = [rng.choice([1.0, 2.0, np.inf], shape, p=[0.5, 0.4, 0.1]) for shape in shapes]
    tally = Tally()
    looped = search.all_finite(
        tally,
        [tally.tensor(one) for one in tensors],
        asks_nan="isinf_only" not in attributes,
        asks_inf="isnan_only" not in attributes,
    )
    call = make_call("IsAllFinite", *(ts(*shape) for shape in shapes), domain=MICROSOFT, **attributes)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(dtype=DType.BOOL),)
    assert looped == all(np.isfinite(one).all() for one in tensors) or "isnan_only" in attributes


def test_only_nan_and_only_infinity_at_once_is_an_error():
    with pytest.raises(NodeError, match="one of isnan_only and isinf_only"):
        terms(make_call("IsAllFinite", ts(3), domain=MICROSOFT, isnan_only=1, isinf_only=1))


# All


@pytest.mark.parametrize("op_type", ["TopK", "NonZero", "Unique"])
def test_every_opset_has_a_rule(op_type):
    assert all(registry.find(op_type, "", opset) for opset in opsets(op_type))


def test_what_is_not_known_of_the_input_stays_so():
    call = replace(
        make_call("TopK", ts(2, 7), np.array([3]), outputs=2), inputs=(TensorType(None, (None, None)), UNKNOWN)
    )
    found = list(registry.types_of("TopK", "")(call))
    assert [one.shape for one in found] == [(None, 3)] * 2
