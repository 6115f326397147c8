"""GroupQueryAttention of com.microsoft against loops over sequences, heads, queries and keys."""

from __future__ import annotations

import math

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import attention as loops
from oracles import grouped
from oracles.checked import checks
from oracles.counting import Tally, values

from graphcost.errors import NodeError, UnknownShapeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

MS = "com.microsoft"
SIZES = st.integers(1, 3)
ORDER = (
    *("query", "key", "value", "past_key", "past_value", "seqlens_k", "total_sequence_length", "cos_cache"),
    *("sin_cache", "position_ids", "attention_bias", "head_sink", "k_scale", "v_scale", "q_norm_weight"),
    "k_norm_weight",
)
KNOWN = ("seqlens_k", "total_sequence_length")


def type_of(one):
    return None if one is None else TensorType(DType(str(one.dtype)), one.shape)


def call_of(given, said, **changed):
    types = {name: one if name in KNOWN else type_of(one) for name, one in given.items()} | changed
    return make_call("GroupQueryAttention", *(types.get(name) for name in ORDER), domain=MS, outputs=4, **said)


@st.composite
def cases(draw):
    """Draw the inputs by name as plain arrays, and the attributes; every sequence has its own length."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    batch, kv_heads, group, length, pairs = (draw(SIZES) for _ in range(5))
    heads, size, room = kv_heads * group, 2 * pairs, draw(st.sampled_from([None, 0, 2, 4]))

    def tensor(*shape):
        return rng.uniform(-1, 1, shape).astype(np.float32)

    given = {
        "query": tensor(batch, length, heads * size),
        "key": tensor(batch, length, kv_heads * size),
        "value": tensor(batch, length, kv_heads * size),
    }
    if draw(st.booleans()):
        given = {"query": np.concatenate(list(given.values()), axis=2)}
    past = 0
    if room is not None:
        past = draw(st.integers(0, room))
        given |= {"past_key": tensor(batch, kv_heads, room, size), "past_value": tensor(batch, kv_heads, room, size)}
    total = past + length
    lengths = rng.integers(length, total + 1, batch)
    lengths[0] = total
    given |= {"seqlens_k": (lengths - 1).astype(np.int32), "total_sequence_length": np.array(total, np.int32)}
    if draw(st.booleans()):
        given |= {"cos_cache": tensor(8, pairs), "sin_cache": tensor(8, pairs)}
    if draw(st.booleans()):
        given["attention_bias"] = tensor(1, heads, length, total)
    if draw(st.booleans()):
        given["head_sink"] = tensor(heads)
    if draw(st.booleans()):
        given |= {"q_norm_weight": tensor(size), "k_norm_weight": tensor(size)}
    causal = draw(st.integers(0, 1))
    said = {
        "num_heads": heads,
        "kv_num_heads": kv_heads,
        "do_rotary": int("cos_cache" in given),
        "softcap": draw(st.sampled_from([0.0, 0.5])),
        "causal": causal,
        "local_window_size": draw(st.sampled_from([-1, 1, 2])) if causal else -1,
    }
    return given, said | draw(st.sampled_from([{}, {"scale": 0.5}]))


def sequence(tally, given, said, parts, b):
    """Return the loop of one sequence, its arrays and what onnx computes of it."""
    q, k, v = (part[b : b + 1] for part in parts)
    keys, length = int(given["seqlens_k"][b]) + 1, q.shape[2]
    past = None
    if "past_key" in given:
        past = [tally.tensor(given[name][b : b + 1, :, : keys - length]) for name in ("past_key", "past_value")]
        k, v = loops.past_and(past[0], k), loops.past_and(past[1], v)
    window = said["local_window_size"]

    def sees(_b, i, j):
        place = i + keys - length
        return not said["causal"] or (j <= place and (window < 1 or j > place - window))

    scores = (1, q.shape[1], length, keys)
    bias = np.broadcast_to(given["attention_bias"][..., :keys], scores) if "attention_bias" in given else None
    between = loops.Between(
        scale=said.get("scale", 1 / math.sqrt(q.shape[3])),
        softcap=said["softcap"],
        add=() if bias is None else (tally.tensor(bias),),
    )
    sink = tally.tensor(given["head_sink"]) if "head_sink" in given else None
    plain = [values(one) for one in (q, k, v)]
    made = loops.attend(tally, q, k, v, between, sees=sees, sink=sink)
    seen = [[0.0 if sees(0, i, j) else -np.inf for j in range(keys)] for i in range(length)]
    return made, plain, np.array(seen) + (0 if bias is None else bias)


@checks("GroupQueryAttention", domain=MS)
@settings(max_examples=200, deadline=None)
@given(cases())
def test_attention_counts_what_the_loop_does(drawn):
    given, said = drawn
    tally, heads, kv_heads = Tally(), said["num_heads"], said["kv_num_heads"]
    if "key" in given:
        apart = [given[name] for name in ("query", "key", "value")]
    else:
        size = given["query"].shape[2] // (heads + 2 * kv_heads)
        apart = np.split(given["query"], [heads * size, (heads + kv_heads) * size], axis=2)
    parts = [loops.split(tally.tensor(one), n) for one, n in zip(apart, (heads, kv_heads, kv_heads), strict=True)]
    if "q_norm_weight" in given:
        weights = [tally.tensor(given[name]) for name in ("q_norm_weight", "k_norm_weight")]
        parts[:2] = [loops.normalized(one, weight) for one, weight in zip(parts, weights, strict=False)]
    if said["do_rotary"]:
        cos, sin = tally.tensor(given["cos_cache"]), tally.tensor(given["sin_cache"])
        length = parts[0].shape[2]
        positions = [[int(last) + 1 - length + t for t in range(length)] for last in given["seqlens_k"]]
        parts[:2] = [loops.turned(one, cos, sin, np.array(positions)) for one in parts[:2]]
    hidden = 0
    for b in range(parts[0].shape[0]):
        made, plain, mask = sequence(tally, given, said, parts, b)
        hidden += made.hidden
        if not said["softcap"] and "head_sink" not in given:
            scale = said.get("scale", 1 / math.sqrt(parts[0].shape[3]))
            expected = grouped.expected(plain, None, scale, np.broadcast_to(mask, (1, heads, *mask.shape[-2:])))
            np.testing.assert_allclose(values(made.output), expected, atol=1e-4)

    call = call_of(given, said)
    assert counts(call) == tally.as_dict()
    assert all(term.least is None for term in terms(call))
    masked = {term.what: term.masked for term in terms(call) if term.arith is Arith.MAC}
    assert masked["Q*K"] == hidden * parts[0].shape[3]
    total, room = int(given["total_sequence_length"]), given["past_key"].shape[2] if "past_key" in given else 0
    size = parts[0].shape[3]
    present = (parts[0].shape[0], kv_heads, max(total, room), size)
    assert call.outputs[0].dims == (*given["query"].shape[:2], heads * size)
    assert [one.dims for one in call.outputs[1:]] == [present, present, (*parts[0].shape[:3], total)]


@settings(max_examples=100, deadline=None)
@given(cases())
def test_both_ends_hold_where_the_lengths_are_not_known(drawn):
    given, said = drawn
    exact = counts(call_of(given, said))
    lengths, total = type_of(given["seqlens_k"]), type_of(given["total_sequence_length"])
    for call in (
        call_of(given, said, seqlens_k=lengths),
        call_of(given, said, seqlens_k=lengths, total_sequence_length=total),
    ):
        found = terms(call)
        for arith, count in exact.items():
            ends = [term.bounds for term in found if term.arith is arith]
            assert sum(one.low for one in ends) <= count <= sum(one.high for one in ends)


def test_a_single_sequence_is_as_long_as_the_longest():
    given = {"query": np.zeros((1, 1, 16), np.float32), "total_sequence_length": np.array(6, np.int32)}
    cache = {"past_key": ts(1, 1, 10, 4), "past_value": ts(1, 1, 10, 4), "seqlens_k": ts(1, dtype=DType.INT32)}
    call = call_of(given, {"num_heads": 2, "kv_num_heads": 1}, **cache)
    assert counts(call)[Arith.MAC] == 2 * 2 * 6 * 4
    assert all(term.least is None for term in terms(call))
    row = 4 * 4
    assert registry.traffic(call) == (16 * 4 + 2 * 5 * row + 4 + 4, 8 * 4 + 2 * row + 2 * 6 * 4)


def cached(room, total, **changed):
    """Return a call with a new token for each of 2 sequences."""
    given = {"query": np.zeros((2, 1, 16), np.float32), "total_sequence_length": np.array(total, np.int32)}
    cache = {name: ts(2, 1, room, 4) for name in ("past_key", "past_value")}
    types = {"seqlens_k": ts(2, dtype=DType.INT32)} | cache | changed
    return call_of(given, {"num_heads": 2, "kv_num_heads": 1}, **types)


def test_a_cache_that_grows_is_read_and_written_as_a_whole():
    read, written = registry.traffic(cached(5, 6))
    assert read == 2 * 16 * 4 + 2 * 2 * 5 * 16 + 8 + 4
    assert written == 2 * 8 * 4 + 2 * 2 * 6 * 16 + 2 * 2 * 6 * 4


def test_of_a_shared_buffer_what_each_sequence_holds_is_read_and_what_is_new_written():
    read, written = registry.traffic(cached(10, 6, seqlens_k=np.array([5, 2], np.int32)))
    assert read == 2 * 16 * 4 + 2 * (5 + 2) * 16 + 8 + 4
    assert written == 2 * 8 * 4 + 2 * 2 * 16 + 2 * 2 * 6 * 4
    with pytest.raises(UnknownShapeError, match="of each sequence is not known"):
        registry.traffic(cached(10, 6))


def test_of_the_tables_one_row_per_token_is_read():
    tables = {"cos_cache": ts(1000, 2), "sin_cache": ts(1000, 2)}
    plain, turned = registry.traffic(cached(5, 6)), registry.traffic(cached(5, 6, **tables))
    assert turned[0] - plain[0] == 2 * 2 * 2 * 4


def test_a_quantized_cache_is_multiplied_by_its_scale_and_what_is_new_is_rounded():
    given = {"query": np.zeros((1, 2, 16), np.float32), "total_sequence_length": np.array(6, np.int32)}
    types = {name: ts(1, 1, 10, 4, dtype=DType.INT8) for name in ("past_key", "past_value")}
    types |= {"seqlens_k": ts(1, dtype=DType.INT32), "k_scale": ts(1), "v_scale": ts(1)}
    said = {"num_heads": 2, "kv_num_heads": 1}
    plain = counts(call_of(given, said, **types))
    found = counts(call_of(given, said | {"k_quant_type": "PER_TENSOR", "v_quant_type": "PER_TENSOR"}, **types))
    new, held = 2 * 2 * 4, 2 * 6 * 4
    assert {arith: count - plain.get(arith, 0) for arith, count in found.items() if count != plain.get(arith)} == {
        Arith.DIV: new,
        Arith.ROUND: new,
        Arith.CMP: 2 * new,
        Arith.MUL: held,
    }


def test_a_smooth_softmax_has_one_logit_more():
    given = {"query": np.zeros((1, 3, 16), np.float32), "total_sequence_length": np.array(3, np.int32)}
    types = {"seqlens_k": ts(1, dtype=DType.INT32)}
    plain = counts(call_of(given, {"num_heads": 2, "kv_num_heads": 1}, **types))
    smooth = counts(call_of(given, {"num_heads": 2, "kv_num_heads": 1, "smooth_softmax": 1}, **types))
    rows = 2 * 3
    more = {arith: smooth[arith] - count for arith, count in plain.items() if smooth[arith] != count}
    assert more == {Arith.CMP: rows, Arith.ADD: 2 * rows, Arith.EXP: rows}


def test_a_windowed_cache_holds_between_the_window_and_its_room():
    given = {"query": np.zeros((1, 1, 16), np.float32), "total_sequence_length": np.array(100, np.int32)}
    types = {name: ts(1, 1, 10, 4) for name in ("past_key", "past_value")} | {"seqlens_k": ts(1, dtype=DType.INT32)}
    said = {"num_heads": 2, "kv_num_heads": 1, "sliding_window_cache": 1, "local_window_size": 8}
    call = call_of(given, said, **types)
    products = [(term.least, term.count) for term in terms(call) if term.arith is Arith.MAC]
    assert products == [(2 * 8 * 4, 2 * 11 * 4)] * 2
    assert call.outputs[1].dims == (1, 1, 10, 4)
    with pytest.raises(UnknownShapeError):
        registry.traffic(call)


@pytest.mark.parametrize(
    ("query", "key", "said", "message"),
    [
        (
            ts(1, 1, 16),
            None,
            {"num_heads": 3, "kv_num_heads": 2},
            "wants num_heads to be a multiple of kv_num_heads = 2",
        ),
        (ts(1, 1, 15), None, {"num_heads": 2, "kv_num_heads": 1}, "wants heads of one size in query and key"),
        (ts(1, 1, 8), ts(1, 1, 6), {"num_heads": 2, "kv_num_heads": 1}, "wants heads of one size in query and key"),
        (ts(1, 8), None, {"num_heads": 2, "kv_num_heads": 1}, "wants query of rank 3, it is of rank 2"),
    ],
)
def test_what_does_not_fit_is_named(query, key, said, message):
    with pytest.raises(NodeError, match=message):
        call_of({}, said, query=query, key=key, value=key)


@pytest.mark.parametrize("past", [(2, 1, 5, 4), (1, 2, 5, 4), (1, 1, 5, 8)])
def test_a_past_of_other_sequences_heads_or_sizes_is_an_error(past):
    said = {"num_heads": 2, "kv_num_heads": 1}
    call = call_of({}, said, query=ts(1, 1, 8), key=ts(1, 1, 4), value=ts(1, 1, 4), past_key=ts(*past))
    with pytest.raises(NodeError, match=r"wants past_key of shape \(1, 1, 5, 4\)"):
        terms(call)
