"""Biases by position, and sequences with and without padding."""

from __future__ import annotations

import math

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.attention import dot
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.linear_attention import sigmoid

from graphcost.errors import NodeError, UnknownShapeError
from graphcost.rules import registry
from graphcost.types import DType, TensorType

MS = "com.microsoft"
SIZES = st.integers(1, 3)
INDEX = DType.INT32


def gated(tally, query, query_bias, rel_pos, weight, bias, factor):
    """Return the biases as the formula has them. query: (batch, length, heads, size)."""
    batch, length, heads, size = query.shape
    half = len(bias) // 2
    made = np.empty((batch, heads, length, length), dtype=object)
    for b, h, t in np.ndindex(batch, heads, length):
        one = [x + y for x, y in zip(query[b, t, h], query_bias[h * size : (h + 1) * size], strict=True)]
        gates = [dot(tally, one, weight[:, column]) + bias[column] for column in range(2 * half)]
        sums = []
        for part in (gates[:half], gates[half:]):
            total = part[0]
            for gate in part[1:]:
                total = total + gate
            sums.append(sigmoid(total))
        u, r = sums
        for s in range(length):
            made[b, h, t, s] = rel_pos[0, h, t, s]
        share = u * (r * factor[h] - 1.0) + 2.0
        for s in range(length):
            made[b, h, t, s] = share * made[b, h, t, s]
    return made


def plain(query, query_bias, rel_pos, weight, bias, factor):
    """Return the same by numpy, as the documentation writes it for torch."""
    batch, length, heads, size = query.shape
    layer = (query + query_bias.reshape(heads, size)).transpose(0, 2, 1, 3)
    gates = (layer @ weight + bias).reshape(batch, heads, length, 2, -1).sum(-1)
    u, r = np.split(1 / (1 + np.exp(-gates)), 2, axis=-1)
    return (u * (r * factor.reshape(1, heads, 1, 1) - 1.0) + 2.0) * rel_pos


@checks("GatedRelativePositionBias", domain=MS)
@settings(max_examples=200, deadline=None)
@given(SIZES, SIZES, SIZES, SIZES, SIZES, st.booleans())
def test_a_gated_bias_counts_what_the_loop_does(batch, length, heads, size, half, is_packed):
    tally, width = Tally(), heads * size
    query, weight = tally.some(batch, length, heads, size), tally.some(size, 2 * half)
    given = [
        query,
        tally.some(width),
        tally.some(1, heads, length, length),
        weight,
        tally.some(2 * half),
        tally.some(heads),
    ]
    made = gated(tally, *given)
    np.testing.assert_allclose(values(made), plain(*map(values, given)))
    first = [ts(batch * length, width)] if is_packed else [ts(batch, length, width)]
    rest = [ts(width), ts(1, heads, length, length), ts(size, 2 * half), ts(2 * half), ts(1, heads, 1, 1)]
    offsets = [ts(batch, length, dtype=INDEX)] if is_packed else []
    call = make_call("GatedRelativePositionBias", *first, *rest, *offsets, domain=MS, num_heads=heads)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*made.shape),)


def test_the_gates_come_in_two_halves():
    inputs = [ts(1, 2, 4), ts(4), ts(1, 2, 2, 2), ts(2, 3), ts(3), ts(1, 2, 1, 1)]
    with pytest.raises(NodeError, match="wants weight with an even number of columns, it has 3"):
        terms(make_call("GatedRelativePositionBias", *inputs, domain=MS, num_heads=2))


def test_a_relative_bias_is_looked_up():
    lengths = [np.array([5]), np.array([7])]
    call = make_call("RelativePositionBias", ts(32, 4), *lengths, domain=MS, max_distance=128)
    assert terms(call) == ()
    assert call.outputs == (ts(1, 4, 5, 7),)
    assert registry.traffic(call) == (32 * 4 * 4 + 16, 4 * 5 * 7 * 4)
    open_ended = make_call("RelativePositionBias", ts(32, 4), lengths[0], ts(1, dtype=DType.INT64), domain=MS)
    assert open_ended.outputs == (TensorType(DType.FLOAT32, (1, 4, 5, None)),)


def test_padding_is_left_out_where_it_is_known():
    counted = np.array([3, 1], np.int32)
    call = make_call("RemovePadding", ts(2, 4, 6), counted, domain=MS, outputs=4)
    assert call.outputs == (ts(4, 6), ts(2, 4, dtype=INDEX), ts(3, dtype=INDEX), ts(1, dtype=INDEX))
    assert terms(call) == ()
    kept, indices = math.prod((4, 6, 4)), (8 + 3 + 1) * 4
    assert registry.traffic(call) == (kept + 8, kept + indices)


def test_how_many_tokens_are_left_may_not_be_known():
    call = make_call("RemovePadding", ts(2, 4, 6), ts(2, dtype=INDEX), domain=MS, outputs=4)
    assert call.outputs[0] == TensorType(DType.FLOAT32, (None, 6))
    with pytest.raises(UnknownShapeError):
        registry.traffic(call)


def test_padding_is_put_back():
    call = make_call("RestorePadding", ts(5, 6), ts(2, 4, dtype=INDEX), domain=MS)
    assert call.outputs == (ts(2, 4, 6),)
    assert terms(call) == ()
    assert registry.traffic(call) == ((5 * 6 + 8) * 4, 2 * 4 * 6 * 4)
