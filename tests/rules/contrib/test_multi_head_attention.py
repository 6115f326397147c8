"""MultiHeadAttention and its kin of com.microsoft against loops over heads, queries and keys."""

from __future__ import annotations

import math
from dataclasses import replace

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
ORDER = {
    "MultiHeadAttention": (
        *("query", "key", "value", "bias", "mask", "attention_bias", "past_key", "past_value", "past_sequence_length"),
    ),
    "DecoderMaskedMultiHeadAttention": (
        *("query", "key", "value", "mask", "attention_bias", "past_key", "past_value", "past_sequence_length"),
        *("beam_width", "cache_indirection", "bias"),
    ),
}


def type_of(one):
    return None if one is None else TensorType(DType(str(one.dtype)), one.shape)


@st.composite
def cases(draw):
    """Draw an operator, its inputs by name as plain arrays, the attributes, and a choice of forms."""
    op_type = draw(st.sampled_from(sorted(ORDER)))
    is_decoder = op_type != "MultiHeadAttention"
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    batch, heads, size, v_size, length, keys = (draw(SIZES) for _ in range(6))
    length = 1 if is_decoder else length
    form = draw(st.sampled_from(["apart", "as past"] if is_decoder else ["apart", "as past", "packed", "packed kv"]))
    keys = length if form in {"apart", "packed"} else keys
    v_size = size if "packed" in form else v_size

    def tensor(*shape):
        return rng.uniform(-1, 1, shape).astype(np.float32)

    given = {"query": tensor(batch, length, heads * size)}
    if form == "packed":
        given["query"] = tensor(batch, length, heads, 3, size)
    elif form == "packed kv":
        given["key"] = tensor(batch, keys, heads, 2, size)
    elif form == "as past":
        given |= {"key": tensor(batch, heads, keys, size), "value": tensor(batch, heads, keys, v_size)}
    else:
        given |= {"key": tensor(batch, keys, heads * size), "value": tensor(batch, keys, heads * v_size)}
    past = draw(st.integers(0, 2)) if form != "as past" and draw(st.booleans()) else None
    total = keys + (past or 0)
    if past is not None:
        given |= {"past_key": tensor(batch, heads, past, size), "past_value": tensor(batch, heads, past, v_size)}
    if draw(st.booleans()):
        given["bias"] = tensor(heads * (2 * size + v_size))
    kinds = [None, "keys"] if is_decoder else [None, "lengths", "keys", "scores"]
    given |= mask_of(draw(st.sampled_from(kinds)), rng, (batch, length, total))
    if draw(st.booleans()):
        given["attention_bias"] = tensor(
            draw(st.sampled_from([1, batch])), draw(st.sampled_from([1, heads])), length, total
        )
    said = {"num_heads": heads} | draw(st.sampled_from([{}, {"scale": 0.5}, {"scale": 1.0}]))
    if not is_decoder:
        said["unidirectional"] = draw(st.integers(0, 1))
    return op_type, given, said


def mask_of(kind, rng, sizes):
    """Return a mask that hides no row as a whole."""
    batch, length, total = sizes
    if kind is None:
        return {}
    if kind == "lengths":
        return {"mask": rng.integers(1, total + 1, batch).astype(np.int32)}
    mask = rng.integers(0, 2, (batch, total) if kind == "keys" else (batch, length, total)).astype(np.int32)
    mask[..., 0] = 1
    return {"mask": mask}


def call_of(op_type, given, said, **changed):
    inputs = [changed.get(name, type_of(given.get(name))) for name in ORDER[op_type]]
    return make_call(op_type, *inputs, domain=MS, outputs=4, **said)


def looped(tally, given, said):
    """Return the loop's output and keys and values, and what onnx computes."""
    numbers = {name: tally.tensor(one) for name, one in given.items() if one.dtype.kind == "f"}
    parts, new = grouped.heads_of([numbers.get(name) for name in ("query", "key", "value")], said["num_heads"])
    if "bias" in numbers:
        parts = grouped.biased(parts, new, numbers["bias"])
    past = (numbers["past_key"], numbers["past_value"]) if "past_key" in given else None
    keys = parts[1].shape[2] + (past[0].shape[2] if past else 0)
    scores = (*parts[0].shape[:3], keys)
    mask, choose, lengths = given.get("mask"), None, None
    if mask is not None and mask.ndim == 1:
        lengths = mask
    elif mask is not None:
        choose = np.broadcast_to(mask.reshape(scores[0], 1, -1, keys), scores)
    add = np.broadcast_to(given["attention_bias"], scores) if "attention_bias" in given else None
    scale = said.get("scale", 1 / math.sqrt(scores[0] and parts[0].shape[3]))
    between = loops.Between(
        scale=scale,
        choose=None if choose is None else tally.tensor(choose),
        filler=grouped.FILLER,
        add=() if add is None else (tally.tensor(add),),
    )
    plain = [values(part) for part in parts]
    causal = bool(said.get("unidirectional"))
    made, k, v = grouped.sequences(tally, parts, past, between, causal=causal, lengths=lengths)
    before = (past[0].shape[2] if past else 0) if causal else None
    wanted = grouped.full_mask(scores, choose=choose, add=add, past=before, lengths=lengths)
    pasts = None if past is None else [values(one) for one in past]
    return made, (k, v), grouped.expected(plain, pasts, scale, wanted)


@checks("MultiHeadAttention", "DecoderMaskedMultiHeadAttention", domain=MS)
@settings(max_examples=300, deadline=None)
@given(cases())
def test_attention_counts_what_the_loop_does(drawn):
    op_type, given, said = drawn
    tally = Tally()
    made, (k, v), expected = looped(tally, given, said)
    call = call_of(op_type, given, said)
    assert counts(call) == tally.as_dict()
    np.testing.assert_allclose(values(made.output), expected, atol=1e-4)
    output = loops.joined(made.output)
    scores = (*made.output.shape[:3], k.shape[2])
    assert [one.dims for one in call.outputs] == [output.shape, k.shape, v.shape, scores]


@settings(max_examples=100, deadline=None)
@given(cases())
def test_masked_is_what_a_causal_mask_hides(drawn):
    op_type, given, said = drawn
    given.pop("mask", None)
    made, (_, v), _ = looped(Tally(), given, said)
    masked = {term.what: term.masked for term in terms(call_of(op_type, given, said)) if term.arith is Arith.MAC}
    assert masked["P*V"] == made.hidden * v.shape[3]


BUFFER = {
    "query": ts(2, 1, 8),
    "key": ts(2, 1, 8),
    "value": ts(2, 1, 8),
    "past_key": ts(2, 2, 10, 4),
    "past_value": ts(2, 2, 10, 4),
    "past_sequence_length": ts(1, dtype=DType.INT32),
}


def in_buffer(op_type, **changed):
    said = {"num_heads": 2} | ({} if op_type == "MultiHeadAttention" else {"past_present_share_buffer": 1})
    given = BUFFER | changed
    return make_call(op_type, *(given.get(name) for name in ORDER[op_type]), domain=MS, outputs=3, **said)


@pytest.mark.parametrize("op_type", ORDER)
def test_of_a_shared_buffer_only_what_is_filled_counts(op_type):
    call = in_buffer(op_type, past_sequence_length=np.array([6], np.int32))
    assert counts(call)[Arith.MAC] == 2 * (2 * 2 * 7 * 4)
    assert call.outputs[1].dims == (2, 2, 10, 4)
    row = 2 * 8 * 4
    assert registry.traffic(call) == (3 * row + 2 * 6 * row + 4, row + 2 * row)


@pytest.mark.parametrize("op_type", ORDER)
def test_an_unknown_fill_lies_between_the_new_keys_and_the_whole_buffer(op_type):
    call = in_buffer(op_type)
    products = [(term.least, term.count) for term in terms(call) if term.arith is Arith.MAC]
    assert products == [(2 * 2 * 1 * 4, 2 * 2 * 10 * 4)] * 2
    with pytest.raises(UnknownShapeError, match="how much of the shared buffer holds keys is not known"):
        registry.traffic(call)


@pytest.mark.parametrize("op_type", ORDER)
def test_a_bias_tells_how_many_keys_a_shared_buffer_holds(op_type):
    call = in_buffer(op_type, attention_bias=ts(1, 1, 1, 7))
    assert counts(call)[Arith.MAC] == 2 * (2 * 2 * 7 * 4)


@pytest.mark.parametrize("past", [0, 4, 9])
def test_both_ends_of_an_unknown_fill_hold(past):
    known = counts(in_buffer("MultiHeadAttention", past_sequence_length=np.array([past], np.int32)))
    open_ended = terms(in_buffer("MultiHeadAttention"))
    for arith, count in known.items():
        ends = [term.bounds for term in open_ended if term.arith is arith]
        assert sum(one.low for one in ends) <= count <= sum(one.high for one in ends)


def test_a_present_that_nobody_takes_is_not_written():
    call = in_buffer("MultiHeadAttention", past_sequence_length=np.array([6], np.int32))
    alone = replace(call, outputs=call.outputs[:1])
    assert registry.traffic(alone)[1] == 2 * 8 * 4


@pytest.mark.parametrize(
    ("inputs", "heads", "message"),
    [
        ([ts(1, 2, 9), ts(1, 2, 9), ts(1, 2, 9)], 2, "wants num_heads to be a divisor of the 9 of query, it is 2"),
        ([ts(1, 2, 8), ts(1, 2, 8), ts(1, 3, 8)], 2, "wants key and value of 2 heads of 4, 2 long"),
        ([ts(1, 2, 8), ts(3, 2, 8), ts(1, 2, 8)], 2, "wants key and value of 2 heads of 4, 2 long, 1 times"),
        ([ts(1, 2, 8), ts(3, 2, 5, 4), ts(3, 2, 5, 4)], 2, "wants key and value of 2 heads of 4, 5 long, 1 times"),
        ([ts(1, 2, 2, 2, 4)], 2, r"wants query of shape \(1, 2, 2, 3, 4\), it is \(1, 2, 2, 2, 4\)"),
        ([ts(1, 2, 3, 3, 4)], 2, r"wants query of shape \(1, 2, 2, 3, 4\), it is \(1, 2, 3, 3, 4\)"),
        ([ts(1, 2, 8), ts(1, 2, 2, 3, 4)], 2, r"wants key of shape \(1, 2, 2, 2, 4\), it is \(1, 2, 2, 3, 4\)"),
        ([ts(1, 2, 8)], 2, "wants Q, K and V side by side in query, of one width, its width is 8"),
        (
            [*[ts(1, 2, 8)] * 3, None, None, None, ts(2, 2, 3, 4), ts(1, 2, 3, 4)],
            2,
            r"wants past_key of shape \(1, 2, 3, 4\), it is \(2, 2, 3, 4\)",
        ),
        (
            [*[ts(1, 2, 8)] * 3, None, None, None, ts(1, 2, 3, 4), ts(1, 4, 3, 4)],
            2,
            r"wants past_value of shape \(1, 2, 3, 4\), it is \(1, 4, 3, 4\)",
        ),
        ([ts(2, 8), ts(1, 2, 8), ts(1, 3, 8)], 2, "wants query of rank 3, it is of rank 2"),
    ],
)
def test_what_does_not_fit_is_named(inputs, heads, message):
    with pytest.raises(NodeError, match=message):
        make_call("MultiHeadAttention", *inputs, domain=MS, num_heads=heads)
