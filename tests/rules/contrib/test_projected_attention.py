"""Attention operators of com.microsoft that project their input themselves, against loops."""

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
ORDER = {
    "Attention": ("input", "weights", "bias", "mask", "past", "attention_bias", "past_sequence_length"),
    "DecoderMaskedSelfAttention": (
        "input",
        "weights",
        "bias",
        "mask",
        "past",
        "attention_bias",
        "past_sequence_length",
    ),
    "QAttention": (
        *("input", "weights", "bias", "input_scale", "weight_scale", "mask", "input_zero_point", "weight_zero_point"),
        "past",
    ),
}


def type_of(one):
    return None if one is None else TensorType(DType(str(one.dtype)), one.shape)


def call_of(op_type, given, said, **changed):
    types = {name: type_of(one) for name, one in given.items()} | changed
    return make_call(op_type, *(types.get(name) for name in ORDER[op_type]), domain=MS, outputs=2, **said)


@st.composite
def cases(draw):
    """Draw the operator, its inputs by name as plain arrays, and its attributes."""
    op_type = draw(st.sampled_from(sorted(ORDER)))
    is_decoder, is_quantized = op_type.startswith("Decoder"), op_type == "QAttention"
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    batch, width, heads, size, length = (draw(SIZES) for _ in range(5))
    length = 1 if is_decoder else length
    past = draw(st.integers(0, 2)) if is_decoder or draw(st.booleans()) else None
    v_size = draw(SIZES) if op_type == "Attention" and past is None else size
    columns = heads * (2 * size + v_size)

    def tensor(*shape):
        return rng.uniform(-1, 1, shape).astype(np.float32)

    given = {"input": tensor(batch, length, width), "weights": tensor(width, columns)}
    if is_quantized:
        given = {name: rng.integers(-5, 5, one.shape).astype(np.int8) for name, one in given.items()}
        given |= {"input_scale": np.float32(0.1), "weight_scale": np.float32(0.2)}
        given |= {name: np.int8(1) for name in ("input_zero_point", "weight_zero_point") if draw(st.booleans())}
    if op_type != "Attention" or draw(st.booleans()):
        given["bias"] = tensor(columns)
    total = length + (past or 0)
    if past is not None:
        given["past"] = tensor(2, batch, heads, past, size)
    if draw(st.booleans()):
        given["mask"] = rng.integers(0, 2, (batch, total)).astype(np.int32)
        given["mask"][:, 0] = 1
    if not is_quantized and draw(st.booleans()):
        given["attention_bias"] = tensor(1, heads, length, total)
    said = {"num_heads": heads} | draw(st.sampled_from([{}, {"scale": 0.5}]))
    if v_size != size:
        said["qkv_hidden_sizes"] = [heads * size, heads * size, heads * v_size]
    if not is_decoder:
        said["unidirectional"] = draw(st.integers(0, 1))
    return op_type, given, said


def projected(tally, given, widths, heads, *, held=False):
    """Return Q, K and V: input * weights + bias, of integers less their zero points and times their scales.

    The zero point of weights that are held, known before any run, is subtracted from them beforehand.
    """
    batch, length, width = given["input"].shape
    numbers = {name: tally.tensor(one) for name, one in given.items()}
    rows, matrix = numbers["input"], given["weights"].astype(float) if held else numbers["weights"]
    if "input_zero_point" in given:
        rows = loops.each(rows, lambda one: one - 1.0)
    if "weight_zero_point" in given:
        matrix = loops.each(matrix, lambda one: one - 1.0)
    made = loops.product(tally, rows.reshape(batch * length, width), matrix)
    if "input_scale" in given:
        made = loops.each(made, lambda one: one * (0.1 * 0.2))
    if "bias" in given:
        made = loops.plus(made, numbers["bias"])
    parts = np.split(made.reshape(batch, length, -1), np.cumsum(widths)[:2], axis=2)
    return [loops.split(part, heads) for part in parts]


@checks("Attention", "DecoderMaskedSelfAttention", "QAttention", domain=MS)
@settings(max_examples=300, deadline=None)
@given(cases(), st.booleans())
def test_attention_counts_what_the_loop_does(drawn, held):
    op_type, given, said = drawn
    tally, heads = Tally(), said["num_heads"]
    widths = said.get("qkv_hidden_sizes", [given["weights"].shape[1] // 3] * 3)
    parts = projected(tally, given, widths, heads, held=held)
    past = tally.tensor(given["past"]) if "past" in given else None
    before = 0 if past is None else past.shape[3]
    scores = (*parts[0].shape[:3], before + parts[1].shape[2])
    choose = np.broadcast_to(given["mask"][:, None, None], scores) if "mask" in given else None
    add = np.broadcast_to(given["attention_bias"], scores) if "attention_bias" in given else None
    scale = said.get("scale", 1 / math.sqrt(widths[0] // heads))
    between = loops.Between(
        scale=scale,
        choose=None if choose is None else tally.tensor(choose),
        filler=grouped.FILLER,
        add=() if add is None else (tally.tensor(add),),
    )
    causal = bool(said.get("unidirectional"))
    plain = [values(part) for part in parts]
    made, k, v = grouped.sequences(tally, parts, past, between, causal=causal)

    known = {name: np.asarray(given[name]) for name in ("weights", "weight_zero_point") if held and name in given}
    call = call_of(op_type, given, said, **known)
    assert counts(call) == tally.as_dict()
    wanted = grouped.full_mask(scores, choose=choose, add=add, past=before if causal else None)
    expected = grouped.expected(plain, None if past is None else values(past), scale, wanted)
    np.testing.assert_allclose(values(made.output), expected, atol=1e-4)
    output, present = call.outputs
    assert output.dims == loops.joined(made.output).shape
    if k.shape == v.shape:
        assert present.dims == (2, *k.shape)
    masked = {term.what: term.masked for term in terms(call) if term.arith is Arith.MAC}
    assert masked["P*V"] == made.hidden * v.shape[3]


def test_a_projection_is_a_product_of_the_input_and_the_weights():
    call = call_of("Attention", {}, {"num_heads": 2}, input=ts(3, 5, 8), weights=ts(8, 24))
    products = [(term.what, term.count, term.wrt) for term in terms(call) if term.arith is Arith.MAC]
    assert products[0] == ("X*W", 3 * 5 * 8 * 24, ("input", "weights"))


def test_only_the_projection_of_integers_is_of_integers():
    given = {"input": np.zeros((1, 2, 4), np.int8), "weights": np.zeros((4, 12), np.int8)}
    given |= {"bias": np.zeros(12, np.float32), "input_scale": np.float32(1), "weight_scale": np.float32(1)}
    found = {term.what: term.dtype for term in terms(call_of("QAttention", given, {"num_heads": 2}))}
    assert found["X*W"] is None
    assert found["Q*K"] is found["P*V"] is found["+ bias"] is DType.FLOAT32
    assert call_of("QAttention", given, {"num_heads": 2}).outputs[0] == ts(1, 2, 4)


BUFFER = {"input": ts(2, 1, 8), "weights": ts(8, 24), "bias": ts(24), "past": ts(2, 2, 2, 10, 4)}
SHARES = {"num_heads": 2, "past_present_share_buffer": 1}
INNER = 2 * 2 * 4
"""Multiply-accumulates per key of each of the two products."""


@pytest.mark.parametrize("op_type", ["Attention", "DecoderMaskedSelfAttention"])
def test_of_a_shared_buffer_only_what_is_filled_counts(op_type):
    call = call_of(op_type, {}, SHARES, **BUFFER, past_sequence_length=np.array([6], np.int32))
    assert counts(call)[Arith.MAC] == 2 * 8 * 24 + 2 * 7 * INNER
    assert call.outputs[1].dims == (2, 2, 2, 10, 4)
    given = (2 * 8 + 8 * 24 + 24) * 4 + 4
    assert registry.traffic(call) == (given + 2 * 6 * INNER * 4, 2 * 8 * 4 + 2 * INNER * 4)


def test_a_mask_tells_how_many_keys_a_shared_buffer_holds():
    call = call_of("Attention", {}, SHARES, **BUFFER, mask=ts(2, 7, dtype=DType.INT32))
    assert counts(call)[Arith.MAC] == 2 * 8 * 24 + 2 * 7 * INNER


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_only_a_mask_of_rank_4_is_as_long_as_the_buffer(rank):
    mask = {2: ts(2, 7, dtype=DType.INT32), 3: ts(2, 1, 7, dtype=DType.INT32), 4: ts(2, 1, 10, 10, dtype=DType.INT32)}
    call = call_of("Attention", {}, SHARES, **BUFFER, mask=mask[rank])
    (scores,) = (term for term in terms(call) if term.what == "Q*K")
    one = 2 * 2 * 4  # batch, heads, size
    assert (scores.least, scores.count) == ((one * 1, one * 10) if rank == 4 else (None, one * 7))


def test_an_unknown_fill_lies_between_the_new_keys_and_the_whole_buffer():
    call = call_of("Attention", {}, SHARES, **BUFFER, past_sequence_length=ts(1, dtype=DType.INT32))
    products = [(term.least, term.count) for term in terms(call) if term.arith is Arith.MAC]
    assert products == [(None, 2 * 8 * 24), (INNER, 10 * INNER), (INNER, 10 * INNER)]
    with pytest.raises(UnknownShapeError):
        registry.traffic(call)


def test_rotation_turns_every_pair_of_q_and_k():
    plain = counts(call_of("Attention", {}, {"num_heads": 2}, input=ts(1, 3, 8), weights=ts(8, 24)))
    turned = counts(call_of("Attention", {}, {"num_heads": 2, "do_rotary": 1}, input=ts(1, 3, 8), weights=ts(8, 24)))
    pairs = 2 * 3 * 8 // 2
    assert turned[Arith.MUL] - plain[Arith.MUL] == 4 * pairs
    assert turned[Arith.ADD] - plain[Arith.ADD] == 2 * pairs


@pytest.mark.parametrize(
    ("changed", "said", "message"),
    [
        ({"weights": ts(7, 24)}, {}, "wants weights with 8 rows, it has 7"),
        ({}, {"num_heads": 3}, "wants num_heads to be a divisor of the 8 of Q, it is 3"),
        ({}, {"qkv_hidden_sizes": [8, 8, 9]}, "wants Q, K and V to share the 24 columns of weights"),
        ({"input": ts(8, 24)}, {}, "wants input of rank 3, it is of rank 2"),
    ],
)
def test_what_does_not_fit_is_named(changed, said, message):
    with pytest.raises(NodeError, match=message):
        call_of("Attention", {}, {"num_heads": 2} | said, **({"input": ts(1, 2, 8), "weights": ts(8, 24)} | changed))


DECODER = ("query", "key", "q_weight", "kv_weight", "bias", "mask", "key_cache", "value_cache")
FLAGS = ("static_kv", "use_past", "has_layer_state", "has_key_padding_mask")


def decoder(flags, *, past=2, mask=True):
    length, keys, batch, heads, size = 2, 3, 2, 2, 2
    width = heads * size
    shapes = {
        "query": (length, batch, width),
        "key": (keys, batch, width),
        "q_weight": (width, width),
        "kv_weight": (width, 2 * width),
        "bias": (3 * width,),
        "key_cache": (batch, heads, past, size),
        "value_cache": (batch, heads, past, size),
    }
    inputs = [ts(*shapes[name]) if name in shapes else ts(batch, keys, dtype=DType.BOOL) for name in DECODER]
    return [*(one if mask or name != "mask" else None for name, one in zip(DECODER, inputs, strict=True)), *flags]


@checks("DecoderAttention", domain=MS)
@settings(max_examples=200, deadline=None)
@given(st.tuples(*[st.booleans()] * 4), st.integers(0, 99))
def test_decoder_attention_counts_what_the_loop_does(flags, seed):
    tally, rng = Tally(), np.random.default_rng(seed)
    inputs = decoder([np.array([flag]) for flag in flags])
    given = {
        name: tally.tensor(rng.uniform(-1, 1, one.dims)) for name, one in zip(DECODER, inputs, strict=False) if one
    }
    is_cross, use_past, has_state, is_masked = flags
    cached = use_past and has_state
    bias = np.split(given["bias"], 3)

    def project(source, matrix, own):
        length, batch, width = source.shape
        made = loops.plus(loops.product(tally, source.reshape(length * batch, width), matrix), own)
        return made.reshape(length, batch, 2, 2).transpose(1, 2, 0, 3)

    q = project(given["query"], given["q_weight"], bias[0])
    k, v = given["key_cache"], given["value_cache"]
    if not (is_cross and cached):
        source = given["key"] if is_cross else given["query"]
        made = [project(source, given["kv_weight"][:, 4 * at : 4 * at + 4], bias[1 + at]) for at in range(2)]
        k, v = [loops.past_and(old, new) for old, new in zip((k, v), made, strict=True)] if cached else made
    scores = (*q.shape[:3], k.shape[2])
    choose = tally.tensor(rng.integers(0, 2, scores)) if is_masked else None
    loops.attend(tally, q, k, v, loops.Between(scale=1 / math.sqrt(2), choose=choose))
    call = make_call("DecoderAttention", *inputs, domain=MS, outputs=3, num_heads=2)
    assert counts(call) == tally.as_dict()
    assert [one.dims for one in call.outputs] == [(2, 2, 4), k.shape, v.shape]


def test_decoder_attention_needs_its_flags():
    flag = ts(1, dtype=DType.BOOL)
    with pytest.raises(UnknownShapeError, match="the elements of static_kv are not known"):
        make_call("DecoderAttention", *decoder([flag] * 4), domain=MS, outputs=3, num_heads=2)
