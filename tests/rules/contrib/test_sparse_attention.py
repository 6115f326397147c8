"""SparseAttention of com.microsoft against loops over the blocks that its mask names."""

from __future__ import annotations

import math

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import attention as loops
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.reference import computed

from graphcost.errors import UnknownShapeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType

MS = "com.microsoft"
BLOCK = 2
"""The operator wants 16 or more; smaller blocks make smaller loops."""


def rows_and_columns(mask):
    """Return a mask of blocks (layouts, blocks, blocks) in the form of the operator."""
    rows = np.cumsum(np.pad(mask.sum(2), ((0, 0), (1, 0))), axis=1).astype(np.int32)
    columns = np.full((len(mask), max(int(mask.sum((1, 2)).max()), 1)), -1, np.int32)
    for layout, blocks in enumerate(mask):
        found = np.nonzero(blocks)[1]
        columns[layout, : len(found)] = found
    return rows, columns


@st.composite
def cases(draw):
    """Draw the sizes, the mask of blocks, and the past."""
    kv_heads, group, layouts, length, past, size = (draw(st.integers(1, 2)) for _ in range(6))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    blocks = 3
    mask = np.tril(rng.integers(0, 2, (layouts, blocks, blocks)))
    mask[:, np.arange(blocks), np.arange(blocks)] = 1
    return rng, kv_heads, kv_heads * group * layouts, mask, length, past * draw(st.integers(0, 2)), size


def call_of(sizes, mask, *, is_known=True, total=None, room=6, batch=1):
    kv_heads, heads, length, size = sizes
    rows, columns = rows_and_columns(mask)
    index = [rows, columns, np.array([total], np.int32)]
    types = [ts(*one.shape, dtype=DType.INT32) for one in index]
    inputs = [ts(batch, length, heads * size), *[ts(batch, length, kv_heads * size)] * 2]
    inputs += [*[ts(batch, kv_heads, room, size)] * 2, *(index if is_known else types), ts(batch, dtype=DType.INT32)]
    said = {"num_heads": heads, "kv_num_heads": kv_heads, "sparse_block_size": BLOCK}
    return make_call("SparseAttention", *inputs, domain=MS, outputs=3, **said)


@checks("SparseAttention", domain=MS)
@settings(max_examples=200, deadline=None)
@given(cases())
def test_attention_counts_what_the_loop_does(drawn):
    rng, kv_heads, heads, mask, length, past, size = drawn
    total, tally = past + length, Tally()
    q = rng.uniform(-1, 1, (1, heads, length, size))
    k, v = rng.uniform(-1, 1, (2, 1, kv_heads, total, size))
    numbers = [tally.tensor(one) for one in (q, k, v)]
    between = loops.Between(scale=1 / math.sqrt(size))
    seen, hidden = np.full((1, heads, length, total), -np.inf), 0
    output = np.empty(q.shape)
    for h, i in np.ndindex(heads, length):
        blocks = np.nonzero(mask[h % len(mask), (past + i) // BLOCK])[0]
        met = [j for block in blocks for j in range(block * BLOCK, min((block + 1) * BLOCK, total))]
        own = h * kv_heads // heads
        one = [numbers[0][:, h : h + 1, i : i + 1], *(part[:, own : own + 1][:, :, met] for part in numbers[1:])]
        made = loops.attend(tally, *one, between, sees=lambda _b, _i, j: met[j] <= past + i)  # noqa: B023  # used here
        hidden += made.hidden
        output[0, h, i] = values(made.output)[0, 0, 0]
        seen[0, h, i, [j for j in met if j <= past + i]] = 0
    call = call_of((kv_heads, heads, length, size), mask, total=total)
    assert counts(call) == tally.as_dict()
    assert {term.masked for term in terms(call) if term.arith is Arith.MAC} == {hidden * size}
    np.testing.assert_allclose(output, computed("Attention", [q, k, v, seen], 23)[0], atol=1e-6)
    assert [one.dims for one in call.outputs] == [(1, length, heads * size), *[(1, kv_heads, 6, size)] * 2]

    wide = terms(call_of((kv_heads, heads, length, size), mask, is_known=False, total=total))
    for arith, count in counts(call).items():
        ends = [term.bounds for term in wide if term.arith is arith]
        assert sum(one.low for one in ends) <= count <= sum(one.high for one in ends)


def test_a_shared_buffer_is_read_as_far_as_it_is_filled():
    rows, columns = rows_and_columns(np.ones((1, 3, 3), int))
    call = call_of((1, 2, 1, 4), np.ones((1, 3, 3), int), total=4)
    row, index = 4 * 4, (rows.size + columns.size + 2) * 4
    assert registry.traffic(call) == ((8 + 4 + 4) * 4 + 2 * 3 * row + index, 8 * 4 + 2 * row)


def test_how_much_several_sequences_read_is_not_known():
    call = call_of((1, 2, 1, 4), np.ones((1, 3, 3), int), total=4, batch=2)
    assert all(term.least is not None for term in terms(call))
    with pytest.raises(UnknownShapeError):
        registry.traffic(call)
