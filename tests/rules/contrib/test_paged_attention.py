"""PagedAttention of com.microsoft against loops over each sequence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import attention as loops
from oracles.checked import checks
from oracles.counting import Tally

from graphcost.errors import NodeError, UnknownShapeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType

MS = "com.microsoft"
HALF, INDEX = DType.FLOAT16, DType.INT32
SIZES = st.integers(1, 3)


@st.composite
def cases(draw):
    """Draw new and past tokens of each sequence, the sizes, and the attributes."""
    lengths = draw(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), min_size=1, max_size=3))
    kv_heads, group, pairs = draw(SIZES), draw(SIZES), draw(st.integers(1, 2))
    causal = draw(st.integers(0, 1))
    said = {
        "num_heads": kv_heads * group,
        "kv_num_heads": kv_heads,
        "do_rotary": draw(st.integers(0, 1)),
        "softcap": draw(st.sampled_from([0.0, 0.5])),
        "is_causal": causal,
        "local_window_size": draw(st.sampled_from([-1, 1, 2])),
    }
    return lengths, 2 * pairs, said, draw(st.booleans()), draw(st.booleans())


def call_of(lengths, size, said, *, has_sink=False, is_normalized=False, is_known=True, **changed):
    tokens, heads, kv_heads = sum(new for new, _ in lengths), said["num_heads"], said["kv_num_heads"]
    ends, past = (
        np.cumsum([0, *(new for new, _ in lengths)]).astype(np.int32),
        np.array([p for _, p in lengths], np.int32),
    )
    cache = ts(12, 2, kv_heads, size, dtype=HALF)
    given = {
        "query": ts(tokens, heads * size, dtype=HALF),
        "key": ts(tokens, kv_heads * size, dtype=HALF),
        "value": ts(tokens, kv_heads * size, dtype=HALF),
        "key_cache": cache,
        "value_cache": cache,
        "ends": ends if is_known else ts(len(ends), dtype=INDEX),
        "past": past if is_known else ts(len(past), dtype=INDEX),
        "table": ts(len(lengths), 4, dtype=INDEX),
        "cos_cache": ts(8, size // 2, dtype=HALF) if said.get("do_rotary") else None,
        "sin_cache": ts(8, size // 2, dtype=HALF) if said.get("do_rotary") else None,
        "slots": None,
        "head_sink": ts(heads, dtype=HALF) if has_sink else None,
        "q_norm_weight": ts(size, dtype=HALF) if is_normalized else None,
        "k_norm_weight": ts(size, dtype=HALF) if is_normalized else None,
    } | changed
    return make_call("PagedAttention", *given.values(), domain=MS, outputs=3, **said)


@checks("PagedAttention", domain=MS)
@settings(max_examples=200, deadline=None)
@given(cases())
def test_attention_counts_what_the_loop_does(drawn):
    lengths, size, said, has_sink, is_normalized = drawn
    tally, heads, kv_heads, hidden = Tally(), said["num_heads"], said["kv_num_heads"], 0
    for new, past in lengths:
        parts = [tally.some(1, n, new, size) for n in (heads, kv_heads, kv_heads)]
        if is_normalized:
            parts[:2] = [loops.normalized(one, tally.some(size)) for one in parts[:2]]
        if said["do_rotary"]:
            cos, sin, places = tally.some(8, size // 2), tally.some(8, size // 2), np.arange(past, past + new)[None]
            parts[:2] = [loops.turned(one, cos, sin, places) for one in parts[:2]]
        k, v = (np.concatenate([tally.some(1, kv_heads, past, size), one], axis=2) for one in parts[1:])
        window = said["local_window_size"]

        def sees(_b, i, j, past=past, window=window):
            return (not said["is_causal"] or j <= past + i) and (window < 1 or j > past + i - window)

        between = loops.Between(scale=1 / math.sqrt(size), softcap=said["softcap"])
        sink = tally.some(heads) if has_sink else None
        hidden += loops.attend(tally, parts[0], k, v, between, sees=sees, sink=sink).hidden
    exact = call_of(lengths, size, said, has_sink=has_sink, is_normalized=is_normalized)
    assert counts(exact) == tally.as_dict()
    assert {term.masked for term in terms(exact) if term.arith is Arith.MAC} == {hidden * size}
    assert exact.outputs[0].dims == (sum(new for new, _ in lengths), heads * size)

    wide = terms(call_of(lengths, size, said, has_sink=has_sink, is_normalized=is_normalized, is_known=False))
    for arith, count in tally.as_dict().items():
        ends = [term.bounds for term in wide if term.arith is arith]
        assert sum(one.low for one in ends) <= count <= sum(one.high for one in ends)


SAID = {"num_heads": 2, "kv_num_heads": 1}


def test_past_rows_are_read_and_new_ones_written():
    row = 4 * 2
    read, written = registry.traffic(call_of([(1, 5), (2, 3)], 4, SAID))
    assert read == 3 * (8 + 4 + 4) * 2 + 2 * (5 + 3) * row + (3 + 2 + 2 * 4) * 4
    assert written == 3 * 8 * 2 + 2 * 3 * row


def test_what_is_moved_is_not_known_where_the_lengths_or_the_slots_are_not():
    for call in (call_of([(1, 5)], 4, SAID, is_known=False), call_of([(1, 5)], 4, SAID, slots=ts(1, dtype=INDEX))):
        with pytest.raises(UnknownShapeError):
            registry.traffic(call)


def test_a_latent_cache_holds_keys_whose_first_elements_are_the_values():
    said = {"num_heads": 2, "kv_num_heads": 1, "kv_cache_layout": "LATENT", "v_head_size": 3, "scale": 0.5}
    call = call_of([(1, 5)], 4, said, value=None, value_cache=None)
    assert {term.what: term.count for term in terms(call) if term.arith is Arith.MAC} == {
        "Q*K": 2 * 6 * 4,
        "P*V": 2 * 6 * 3,
    }
    assert call.outputs == (ts(1, 6, dtype=HALF), ts(12, 2, 1, 4, dtype=HALF), None)


def test_a_quantized_cache_is_multiplied_by_its_scale():
    integers = ts(12, 2, 1, 4, dtype=DType.INT8)
    caches = {"key_cache": integers, "value_cache": integers}
    said = SAID | {"k_quant_type": "PER_TENSOR", "v_quant_type": "PER_TENSOR"}
    plain, found = counts(call_of([(1, 5)], 4, SAID)), counts(call_of([(1, 5)], 4, said, **caches))
    new, held = 2 * 4, 2 * 6 * 4
    more = {arith: count - plain.get(arith, 0) for arith, count in found.items() if count != plain.get(arith)}
    assert more == {Arith.DIV: new, Arith.ROUND: new, Arith.CMP: 2 * new, Arith.MUL: held}


def test_heads_that_do_not_fit_are_named():
    with pytest.raises(NodeError, match="wants 3 heads, 2 of K and V, of one size in a width of 12"):
        call_of([(1, 5)], 4, {"num_heads": 3, "kv_num_heads": 2})
