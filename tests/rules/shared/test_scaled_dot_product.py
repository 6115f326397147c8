"""What a causal mask or a window hides, against a walk over all pairs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcost.rules.shared.scaled_dot_product import Sizes, Steps, attend, bounded, hidden_pairs
from graphcost.terms import Arith

COUNTS = st.integers(0, 9)
SIDES = st.integers(-1, 6)


@given(COUNTS, COUNTS, st.integers(-9, 9), SIDES, SIDES)
def test_hidden_is_what_a_walk_over_all_pairs_hides(queries, keys, past, left, right):
    walked = sum(
        1
        for place in range(past, past + queries)
        for key in range(keys)
        if (right >= 0 and key > place + right) or (left >= 0 and key < place - left)
    )
    assert hidden_pairs(queries, keys, past, left, right) == walked


def test_a_long_sequence_takes_no_longer():
    assert hidden_pairs(10**12, 10**12, 0) == 10**12 * (10**12 - 1) // 2


def sized(batch, keys):
    return Sizes(batch=batch, heads=2, queries=1, keys=keys, size=4, v_size=4)


def test_groups_of_one_size_are_exact_and_keep_their_factors():
    (first, *_) = bounded(lambda one: attend(one, Steps()), [sized(3, 5)], [sized(3, 5)])
    assert (first.count, first.least, dict(first.factors)["keys"]) == (3 * 2 * 5 * 4, None, 5)


def test_groups_of_several_sizes_are_added_up():
    (first, *_) = bounded(lambda one: attend(one, Steps()), [sized(3, 5), sized(1, 7)], [sized(1, 2)])
    assert (first.count, first.least) == ((3 * 5 + 7) * 2 * 4, 2 * 2 * 4)


@pytest.mark.parametrize(("scale", "products"), [(1.0, 0), (0.5, 2 * 5)])
def test_a_scale_of_one_multiplies_nothing(scale, products):
    found = attend(sized(1, 5), Steps(scale=scale))
    assert sum(term.count for term in found if term.arith is Arith.MUL) == products
