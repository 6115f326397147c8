"""LongformerAttention of com.microsoft: its two ends against loops over the keys that a token meets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from calls import make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import attention as loops
from oracles.checked import checks
from oracles.counting import Tally

from graphcost.errors import NodeError
from graphcost.terms import Arith
from graphcost.types import DType

MS = "com.microsoft"
SIZES = st.integers(1, 3)


def call_of(batch, length, width, **said):
    inputs = [ts(batch, length, width), ts(width, 3 * width), ts(3 * width), ts(batch, length)]
    inputs += [ts(width, 3 * width), ts(3 * width), ts(batch, length, dtype=DType.INT32)]
    return make_call("LongformerAttention", *inputs, domain=MS, **said)


def looped(tally, sizes, window, is_global):
    """Count an attention in which those tokens are global that the flags name; they and all others meet each other."""
    batch, length, heads, size = sizes
    width = heads * size
    x, weight, bias = tally.some(batch * length, width), tally.some(width, 3 * width), tally.some(3 * width)
    loops.plus(loops.product(tally, x, weight), bias)
    places = np.flatnonzero(is_global)
    loops.plus(loops.product(tally, np.tile(x[: len(places)], (batch, 1)), weight), bias)
    for _, i in np.ndindex(batch, length):
        met = [j for j in range(length) if abs(i - j) <= window or is_global[i] or is_global[j]]
        q, k = tally.some(1, heads, 1, size), tally.some(1, heads, len(met), size)
        between = loops.Between(scale=1 / math.sqrt(size), add=(tally.some(1, heads, 1, len(met)),))
        loops.attend(tally, q, k, k, between)


@checks("LongformerAttention", domain=MS)
@settings(max_examples=200, deadline=None)
@given(SIZES, st.integers(1, 5), SIZES, SIZES, st.integers(0, 3), st.lists(st.booleans(), min_size=5, max_size=5))
def test_both_ends_hold(batch, length, heads, size, window, flags):
    found = terms(call_of(batch, length, heads * size, num_heads=heads, window=window))
    tally, everything = Tally(), Tally()
    looped(tally, (batch, length, heads, size), window, flags[:length])
    looped(everything, (batch, length, heads, size), window, [True] * length)
    for arith in everything.counts:
        ends = [term.bounds for term in found if term.arith is arith]
        assert sum(one.low for one in ends) <= tally[arith] <= sum(one.high for one in ends) == everything[arith]


def test_without_global_tokens_nothing_is_projected_twice():
    call = call_of(2, 16, 8, num_heads=2, window=4)
    ends = {term.what: (term.bounds.low, term.bounds.high) for term in terms(call) if term.arith is Arith.MAC}
    products, scores = 2 * 16 * 24 * 8, 2 * 16 * 8
    assert ends == {
        "X*W": (products, products),
        "X*W, global": (0, products),
        "Q*K": (scores * 5, scores * 16),
        "P*V": (scores * 5, scores * 16),
    }
    assert call.outputs == (ts(2, 16, 8),)


def test_a_window_below_nothing_is_named():
    with pytest.raises(NodeError, match="wants a window of 0 or more, it is -1"):
        terms(call_of(1, 4, 8, num_heads=2, window=-1))
