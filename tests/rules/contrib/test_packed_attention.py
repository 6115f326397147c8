"""PackedAttention and PackedMultiHeadAttention of com.microsoft against loops over each sequence."""

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

from graphcost.errors import NodeError
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

MS = "com.microsoft"
SIZES = st.integers(1, 3)
ORDER = {
    "PackedAttention": ("input", "weights", "bias", "token_offset", "ends", "attention_bias"),
    "PackedMultiHeadAttention": ("query", "key", "value", "bias", "token_offset", "ends", "attention_bias"),
}


def call_of(op_type, given, said, *, is_known=True):
    types = {name: None if one is None else TensorType(DType(str(one.dtype)), one.shape) for name, one in given.items()}
    if is_known:
        types["ends"] = given["ends"]
    return make_call(op_type, *(types.get(name) for name in ORDER[op_type]), domain=MS, **said)


@st.composite
def cases(draw):
    """Draw an operator, its inputs by name as plain arrays, and its attributes."""
    op_type = draw(st.sampled_from(sorted(ORDER)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    lengths = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    heads, size, v_size, width = (draw(SIZES) for _ in range(4))
    tokens, longest = sum(lengths), max(*lengths, draw(SIZES))

    def tensor(*shape):
        return rng.uniform(-1, 1, shape).astype(np.float32)

    said = {"num_heads": heads} | draw(st.sampled_from([{}, {"scale": 0.5}]))
    given = {"token_offset": np.zeros((len(lengths), longest), np.int32)}
    given["ends"] = np.cumsum([0, *lengths]).astype(np.int32)
    if op_type == "PackedAttention":
        columns = heads * (2 * size + v_size)
        given |= {"input": tensor(tokens, width), "weights": tensor(width, columns), "bias": tensor(columns)}
        said["qkv_hidden_sizes"] = [heads * size, heads * size, heads * v_size]
    elif draw(st.booleans()):
        given["query"] = tensor(tokens, heads, 3, size)
    else:
        given |= {"query": tensor(tokens, heads * size), "key": tensor(tokens, heads * size)}
        given["value"] = tensor(tokens, heads * v_size)
    if op_type != "PackedAttention" and draw(st.booleans()):
        last = given.get("value", given["query"]).shape[-1] // (heads if "value" in given else 1)
        given["bias"] = tensor(heads * (2 * size + last))
    if draw(st.booleans()):
        given["attention_bias"] = tensor(1, 1, longest, longest)
    return op_type, given, said


def parts_of(tally, given, said):
    """Return Q, K and V of all tokens, (1, heads, tokens, size)."""
    numbers, heads = {name: tally.tensor(one) for name, one in given.items()}, said["num_heads"]
    if "input" in given:
        made = loops.plus(loops.product(tally, numbers["input"], numbers["weights"]), numbers["bias"])
        apart = np.split(made, np.cumsum(said["qkv_hidden_sizes"])[:2], axis=1)
        return [loops.split(one[None], heads) for one in apart]
    if numbers["query"].ndim == 4:
        parts = grouped.packed(numbers["query"][None])
    else:
        parts = [loops.split(numbers[name][None], heads) for name in ("query", "key", "value")]
    return grouped.biased(parts, 3, numbers["bias"]) if "bias" in given else parts


@checks("PackedAttention", "PackedMultiHeadAttention", domain=MS)
@settings(max_examples=300, deadline=None)
@given(cases())
def test_attention_counts_what_the_loop_does(drawn):
    op_type, given, said = drawn
    tally = Tally()
    parts = parts_of(tally, given, said)
    scale = said.get("scale", 1 / math.sqrt(parts[0].shape[3]))
    outputs = []
    for start, end in zip(given["ends"], given["ends"][1:], strict=False):
        own = [part[:, :, start:end] for part in parts]
        scores = (*own[0].shape[:3], own[1].shape[2])
        bias = None
        if "attention_bias" in given:
            bias = np.broadcast_to(given["attention_bias"][:, :, : end - start, : end - start], scores)
        between = loops.Between(scale=scale, add=() if bias is None else (tally.tensor(bias),))
        plain = [values(one) for one in own]
        made = loops.attend(tally, *own, between)
        if end > start:
            expected = grouped.expected(plain, None, scale, grouped.full_mask(scores, add=bias))
            np.testing.assert_allclose(values(made.output), expected, atol=1e-4)
        outputs.append(loops.joined(made.output)[0])
    call = call_of(op_type, given, said)
    assert counts(call) == tally.as_dict()
    assert call.outputs[0].dims == np.concatenate(outputs).shape


@settings(max_examples=200, deadline=None)
@given(cases())
def test_both_ends_hold_where_the_lengths_are_not_known(drawn):
    op_type, given, said = drawn
    exact, found = counts(call_of(op_type, given, said)), terms(call_of(op_type, given, said, is_known=False))
    for arith in Arith:
        ends = [term.bounds for term in found if term.arith is arith]
        assert sum(one.low for one in ends) <= exact.get(arith, 0) <= sum(one.high for one in ends)


@pytest.mark.parametrize(("lengths", "end"), [([4, 4, 1], "high"), ([3, 3, 3], "low")])
def test_both_ends_are_reached(lengths, end):
    given = {
        "query": np.zeros((9, 1, 3, 2), np.float32),
        "token_offset": np.zeros((3, 4), np.int32),
        "ends": np.cumsum([0, *lengths]).astype(np.int32),
    }
    exact = counts(call_of("PackedMultiHeadAttention", given, {"num_heads": 1}))
    found = terms(call_of("PackedMultiHeadAttention", given, {"num_heads": 1}, is_known=False))
    for arith, count in exact.items():
        assert sum(getattr(term.bounds, end) for term in found if term.arith is arith) == count


@pytest.mark.parametrize(
    ("ends", "message"),
    [([0, 2, 6], "wants cumulative_sequence_length to end at 5"), ([0, 5], "for 2 sequences, it is")],
)
def test_ends_that_do_not_fit_are_named(ends, message):
    given = {
        "query": np.zeros((5, 1, 3, 2), np.float32),
        "token_offset": np.zeros((2, 4), np.int32),
        "ends": np.array(ends, np.int32),
    }
    with pytest.raises(NodeError, match=message):
        terms(call_of("PackedMultiHeadAttention", given, {"num_heads": 1}))


def test_more_tokens_than_places_are_an_error():
    inputs = [ts(9, 1, 3, 2), None, None, None, ts(2, 4, dtype=DType.INT32), ts(3, dtype=DType.INT32)]
    with pytest.raises(NodeError, match=r"wants at most 2 \* 4 tokens, there are 9"):
        terms(make_call("PackedMultiHeadAttention", *inputs, domain=MS, num_heads=1))
