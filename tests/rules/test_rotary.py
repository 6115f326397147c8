"""Rotary position embeddings against loops over heads, positions and pairs."""

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

from graphcost.errors import NodeError, UnknownShapeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

MS = "com.microsoft"
SIZES = st.integers(1, 3)
ROOM = 6


@st.composite
def cases(draw):
    """Draw X of rank 4 as a plain array, the tables, the positions of its tokens, and the attributes."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    batch, heads, length, pairs, rest = (*(draw(SIZES) for _ in range(4)), draw(st.integers(0, 1)))
    x = rng.uniform(-1, 1, (batch, heads, length, 2 * (pairs + rest))).astype(np.float32)
    cos, sin = rng.uniform(-1, 1, (2, ROOM, pairs)).astype(np.float32)
    positions = rng.integers(0, ROOM, (batch, length))
    said = {"interleaved": draw(st.integers(0, 1)), "num_heads": heads}
    if rest or draw(st.booleans()):
        said["rotary_embedding_dim"] = 2 * pairs
    return x, cos, sin, positions, said, draw(st.booleans())


def flat(x):
    return loops.joined(x)


@checks("RotaryEmbedding")
@checks("RotaryEmbedding", domain=MS)
@settings(max_examples=250, deadline=None)
@given(cases(), st.booleans())
def test_rotary_embedding_counts_what_the_loop_does(drawn, has_positions):
    x, cos, sin, positions, said, is_flat = drawn
    tally = Tally()
    made = loops.turned(
        tally.tensor(x), tally.tensor(cos), tally.tensor(sin), positions, interleaved=said["interleaved"]
    )
    given = flat(x) if is_flat else x
    tables = [cos, sin, positions] if has_positions else [cos[positions], sin[positions]]
    types = [TensorType(DType(str(one.dtype)), one.shape) for one in (given, *tables)]
    call = make_call("RotaryEmbedding", *types, opset=23, **said)
    assert counts(call) == tally.as_dict()
    (expected,) = computed("RotaryEmbedding", [given, *tables], 23, **said)
    np.testing.assert_allclose(values(flat(made) if is_flat else made), expected, atol=1e-5)
    assert call.outputs[0].dims == expected.shape
    if has_positions:
        call = make_call("RotaryEmbedding", types[0], types[3], *types[1:3], domain=MS, **said)
        assert counts(call) == tally.as_dict()
        assert call.outputs[0].dims == expected.shape


@checks("MRotaryEmbedding", domain=MS)
@settings(max_examples=200, deadline=None)
@given(cases(), st.integers(0, 3), st.integers(0, 3))
def test_sections_of_other_positions_cost_nothing_more(drawn, temporal, height):
    x, cos, sin, positions, said, is_flat = drawn
    pairs = cos.shape[1]
    temporal, height = min(temporal, pairs), min(height, pairs - min(temporal, pairs))
    streams = np.stack([positions, (positions + 1) % ROOM, (positions + 2) % ROOM])
    owner = np.repeat([0, 1, 2], [temporal, height, pairs - temporal - height])
    own = streams[owner].transpose(1, 2, 0)
    tally = Tally()
    picked = [
        np.take_along_axis(table[None], own.reshape(-1, 1, pairs), axis=1).reshape(-1, pairs) for table in (cos, sin)
    ]
    places = np.arange(positions.size).reshape(positions.shape)
    numbers = [tally.tensor(one) for one in (x, *picked)]
    loops.turned(*numbers, places, interleaved=said["interleaved"])
    section = [temporal, height, pairs - temporal - height]
    inputs = [
        ts(*(flat(x) if is_flat else x).shape),
        ts(*streams.shape, dtype=DType.INT64),
        ts(*cos.shape),
        ts(*sin.shape),
    ]
    call = make_call("MRotaryEmbedding", *inputs, domain=MS, mrope_section=section, **said)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (inputs[0],)


@checks("GemmaRotaryEmbedding", domain=MS)
@settings(max_examples=200, deadline=None)
@given(SIZES, SIZES, SIZES, SIZES)
def test_gemma_counts_what_the_loop_does(batch, heads, length, size):
    tally = Tally()
    emb, shape = tally.some(batch, length, size), (batch, heads, length, size)
    sines, cosines = (loops.each(emb, lambda one, f=f: one.trig(f)) for f in (math.sin, math.cos))
    for _ in "qk":
        one, turned = tally.some(*shape), tally.some(*shape)
        for b, h, t, e in np.ndindex(shape):
            made = one[b, h, t, e] * cosines[b, t, e] + turned[b, h, t, e] * sines[b, t, e]
            angle = float(emb[b, t, e])
            plain = float(one[b, h, t, e]) * math.cos(angle) + float(turned[b, h, t, e]) * math.sin(angle)
            assert float(made) == pytest.approx(plain)
    states = [ts(*shape, dtype=DType.FLOAT16)] * 4
    call = make_call("GemmaRotaryEmbedding", ts(batch, length, size), *states, domain=MS, outputs=2)
    assert counts(call) == tally.as_dict()
    assert call.outputs == tuple(states[:2])
    assert {term.dtype for term in terms(call)} == {None, DType.FLOAT16}


def test_of_the_tables_one_row_per_token_is_read():
    x, tables, positions = ts(2, 3, 5, 8), [ts(1000, 4), ts(1000, 4)], ts(2, 5, dtype=DType.INT64)
    rows = 2 * 10 * 4 * 4
    call = make_call("RotaryEmbedding", x, *tables, positions, opset=23)
    assert registry.traffic(call) == (x.bytes + positions.bytes + rows, x.bytes)
    one = ts(1, dtype=DType.INT64)
    call = make_call("RotaryEmbedding", x, one, *tables, domain=MS)
    assert registry.traffic(call) == (x.bytes + 8 + rows // 2, x.bytes)
    given = [ts(2, 5, 4), ts(2, 5, 4)]
    call = make_call("RotaryEmbedding", x, *given, opset=23)
    assert registry.traffic(call) == (x.bytes + rows, x.bytes)


def test_without_a_number_of_heads_the_tables_tell_their_size():
    inputs = [ts(2, 5, 24), ts(1, dtype=DType.INT64), ts(9, 4), ts(9, 4)]
    call = make_call("RotaryEmbedding", *inputs, domain=MS)
    assert counts(call) == {Arith.MUL: 2 * 5 * 24 * 2, Arith.ADD: 2 * 5 * 24}


def test_a_scale_has_no_known_place():
    inputs = [ts(2, 5, 24), ts(1, dtype=DType.INT64), ts(9, 4), ts(9, 4)]
    with pytest.raises(UnknownShapeError, match=r"where a scale of 2.0 is applied is not specified"):
        terms(make_call("RotaryEmbedding", *inputs, domain=MS, scale=2.0))


@pytest.mark.parametrize(
    ("shape", "said", "message"),
    [
        ((2, 3, 5, 6), {}, "wants a cos_cache with 3 columns, it has 4"),
        ((2, 3, 5, 8), {"rotary_embedding_dim": 4}, "wants a cos_cache with 2 columns, it has 4"),
        ((5, 8), {}, "wants X of rank 3 or 4, it is of rank 2"),
        ((2, 5, 24), {}, "wants num_heads for an input of rank 3, there is none"),
    ],
)
def test_what_does_not_fit_is_named(shape, said, message):
    call = make_call("RotaryEmbedding", ts(2, 3, 5, 8), ts(9, 4), ts(9, 4), ts(2, 5, dtype=DType.INT64), opset=23)
    object.__setattr__(call, "inputs", (ts(*shape), *call.inputs[1:]))
    object.__setattr__(call, "attributes", said)
    with pytest.raises(NodeError, match=message):
        terms(call)


def test_sections_add_up_to_the_pairs():
    inputs = [ts(2, 3, 5, 8), ts(3, 2, 5, dtype=DType.INT64), ts(9, 4), ts(9, 4)]
    with pytest.raises(NodeError, match="wants mrope_section to be 3 sizes with the sum 4"):
        terms(make_call("MRotaryEmbedding", *inputs, domain=MS, mrope_section=[1, 1, 1]))
