"""Fused normalizations against loops that do their parts one after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import fused_norms as oracle
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.fused import added, sigmoid, silu
from oracles.reference import computed

from graphcost.errors import NodeError
from graphcost.rules import registry
from graphcost.types import DType, TensorType

MICROSOFT, EPSILON = "com.microsoft", 0.01
many = settings(max_examples=200, deadline=None)
sizes, flags = st.integers(1, 3), st.booleans()
shapes = st.lists(sizes, min_size=2, max_size=3).map(tuple)


def called(op_type, *inputs, domain=MICROSOFT, **attributes):
    types = [None if one is None else ts(*one.shape) for one in inputs]
    return make_call(op_type, *types, domain=domain, epsilon=EPSILON, **attributes)


def check(call, tally, y):
    assert counts(call) == tally.as_dict()
    assert call.outputs[0] == ts(*y.shape)


def normalized(x, axes):
    """Return what numpy makes of the same formula."""
    d = x - x.mean(axis=axes, keepdims=True)
    return d / np.sqrt((d * d).mean(axis=axes, keepdims=True) + EPSILON)


def divided_by_rms(x):
    return x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + EPSILON)


def same(y, expected):
    np.testing.assert_allclose(values(y), expected, rtol=1e-6, atol=1e-6)


@checks("SkipLayerNormalization", domain=MICROSOFT)
@many
@given(shapes, flags, flags, flags)
def test_skip_layer_normalization(shape, has_beta, has_bias, is_narrow):
    tally = Tally()
    x, skip = tally.some(*shape), tally.some(*(shape[1:] if is_narrow else shape))
    gamma, beta, bias = (tally.some(shape[-1]) if there else None for there in (True, has_beta, has_bias))
    y = oracle.skip_layer_normalization((x, skip, gamma, beta, bias), tally, EPSILON)
    total = sum(values(one) for one in (x, skip, bias) if one is not None)
    same(y, normalized(total, -1) * values(gamma) + (0.0 if beta is None else values(beta)))
    check(called("SkipLayerNormalization", x, skip, gamma, beta, bias, outputs=4), tally, y)


@checks("SkipSimplifiedLayerNormalization", domain=MICROSOFT)
@many
@given(shapes, flags)
def test_skip_simplified_layer_normalization(shape, has_bias):
    tally = Tally()
    x, skip, gamma = tally.some(*shape), tally.some(*shape), tally.some(shape[-1])
    bias = tally.some(shape[-1]) if has_bias else None
    y = oracle.skip_simplified((x, skip, gamma, bias), tally, EPSILON)
    total = sum(values(one) for one in (x, skip, bias) if one is not None)
    same(y, divided_by_rms(total) * values(gamma))
    check(called("SkipSimplifiedLayerNormalization", x, skip, gamma, bias, outputs=4), tally, y)


@pytest.mark.parametrize("op_type", ["SkipLayerNormalization", "SkipSimplifiedLayerNormalization"])
def test_what_is_saved_for_training_is_one_float32_per_row(op_type):
    half = TensorType(DType.FLOAT16, (None, 3, 8))
    call = make_call(op_type, half, half, ts(8, dtype=DType.FLOAT16), domain=MICROSOFT, outputs=4)
    saved = TensorType(DType.FLOAT32, (None, 3, 1))
    assert call.outputs == (half, saved, saved, half)


@checks("SimplifiedLayerNormalization")
@checks("SimplifiedLayerNormalization", domain=MICROSOFT)
@many
@given(shapes, st.integers(-2, 1), st.sampled_from(("", MICROSOFT)))
def test_simplified_layer_normalization(shape, axis, domain):
    tally = Tally()
    x, scale = tally.some(*shape), tally.some(*shape[axis:])
    y = oracle.scaled(oracle.rms_rows(x, tally, EPSILON, range(axis % len(shape), len(shape))), scale)
    same(y, computed("RMSNormalization", [values(x), values(scale)], 23, axis=axis, epsilon=EPSILON)[0])
    call = called("SimplifiedLayerNormalization", x, scale, axis=axis, domain=domain, outputs=2)
    check(call, tally, y)
    ones = (1,) * (len(shape) - axis % len(shape))
    assert call.outputs[1] == ts(*shape[: axis % len(shape)], *ones)


def test_the_scale_decides_the_type_of_a_simplified_normalization():
    half, whole = TensorType(DType.FLOAT16, (2, None, 4)), ts(4)
    call = make_call("SimplifiedLayerNormalization", half, whole, outputs=2)
    assert call.outputs == (TensorType(DType.FLOAT32, (2, None, 4)), TensorType(DType.FLOAT32, (2, None, 1)))
    found = {term.what: term.dtype for term in terms(make_call("SimplifiedLayerNormalization", ts(2, 4), whole))}
    assert found["X * InvRMS"] is DType.FLOAT32
    assert found["* scale"] is None  # the input's own


@checks("BranchwiseRMSNorm", domain=MICROSOFT)
@many
@given(sizes, sizes, sizes, flags, st.sampled_from((None, "branches", "flat", "grouped")))
def test_branchwise_rms_norm(batch, branches, size, is_flat, kind):
    tally = Tally()
    x = tally.some(batch, *([branches * size] if is_flat else [branches, size]))
    widths = {"branches": (size,), "flat": (branches * size,), "grouped": (branches, size)}
    scale = tally.some(*widths[kind]) if kind else None
    applied = scale.reshape(branches, size) if kind in {"flat", "grouped"} else scale
    y = oracle.branchwise(x, applied, tally, EPSILON, (batch, branches, size))
    expected = divided_by_rms(values(x).reshape(batch, branches, size))
    same(y, (expected if scale is None else expected * values(applied)).reshape(x.shape))
    check(called("BranchwiseRMSNorm", x, scale, num_branches=branches if is_flat else 0), tally, y)


@checks("GatedRMSNorm", domain=MICROSOFT)
@many
@given(sizes, sizes, sizes, st.sampled_from(("silu", "swish", "sigmoid")))
def test_gated_rms_norm(batch, heads, size, activation):
    tally = Tally()
    x, scale, gate = tally.some(batch, heads * size), tally.some(size), tally.some(batch, heads * size)
    function = sigmoid if activation == "sigmoid" else silu
    y = oracle.gated(x, scale, gate, tally, EPSILON, function)
    weight = 1 / (1 + np.exp(-values(gate))) * (1 if activation == "sigmoid" else values(gate))
    expected = divided_by_rms(values(x).reshape(batch, heads, size)) * values(scale)
    same(y, expected.reshape(x.shape) * weight)
    call = called("GatedRMSNorm", x, scale, gate, activation=activation)
    check(call, tally, y)
    assert {term.dtype for term in terms(call)} == {DType.FLOAT32}


@checks("GroupNorm", "SkipGroupNorm", domain=MICROSOFT)
@many
@given(sizes, sizes, st.integers(1, 2), sizes, flags, flags, st.sampled_from(("", "whole", "narrow")), flags)
def test_group_norms(batch, size, groups, per_group, channels_last, is_active, skips, has_bias):
    tally, channels = Tally(), groups * per_group
    shape = (batch, size, 2, channels) if channels_last else (batch, channels, size, 2)
    x, gamma, beta = tally.some(*shape), tally.some(channels), tally.some(channels)
    attributes = {"groups": groups, "activation": int(is_active), "channels_last": int(channels_last)}
    inputs, s, outputs = [x, gamma, beta], x, 1
    if skips:
        each_channel = (1, 1, channels) if channels_last else (channels, 1, 1)
        skip = tally.some(*(shape if skips == "whole" else (batch, *each_channel)))
        bias = tally.some(channels) if has_bias else None
        s = added(x, skip, None if bias is None else bias.reshape(each_channel))
        inputs, outputs = [*inputs, skip, bias], 2
    how = {"channels_last": channels_last, "is_active": is_active}
    y = oracle.group_norm(s, gamma, beta, tally, EPSILON, groups, **how)
    call = called("SkipGroupNorm" if skips else "GroupNorm", *inputs, outputs=outputs, **attributes)
    check(call, tally, y)
    assert set(call.outputs) == {ts(*shape)}


@checks("EmbedLayerNormalization", domain=MICROSOFT)
@many
@given(sizes, sizes, sizes, flags, flags, flags, st.integers(0, 9).map(np.random.default_rng))
def test_embed_layer_normalization(batch, length, hidden, has_segments, has_mask, has_positions, rng):
    tally = Tally()
    tables = [tally.some(5, hidden), tally.some(4, hidden), tally.some(2, hidden) if has_segments else None]
    positions = rng.integers(0, 4, (batch, length)) if has_positions else np.arange(length)[np.newaxis]
    ids = [
        rng.integers(0, 5, (batch, length)),
        np.broadcast_to(positions, (batch, length)),
        rng.integers(0, 2, (batch, length)),
    ]
    gamma, beta = tally.some(hidden), tally.some(hidden)
    s = oracle.embedded(tables, ids)
    y = oracle.rows.layer_normalization((s, gamma, beta), tally, EPSILON, -1)
    same(y, normalized(values(s), -1) * values(gamma) + values(beta))
    mask = rng.integers(0, 2, (batch, length))
    if has_mask:
        assert values(oracle.mask_index(tally.tensor(mask), tally)).tolist() == (mask == 1).sum(axis=1).tolist()
    call = embedding(
        tables, ids[0].shape, gamma, beta, mask if has_mask else None, positions if has_positions else None
    )
    check(call, tally, y)
    assert call.outputs[1:] == (ts(batch, dtype=DType.INT32), ts(*y.shape))


def embedding(tables, ids, gamma, beta, mask, positions):
    """Return the call for tables (word, position, segment) and ids of a shape."""
    words, places, segments = (None if one is None else ts(*one.shape) for one in tables)
    given_ids = ts(*ids, dtype=DType.INT32)
    more = [None if one is None else ts(*one.shape, dtype=DType.INT32) for one in (mask, positions)]
    vectors = ts(*gamma.shape), ts(*beta.shape)
    inputs = (given_ids, given_ids if segments else None, words, places, segments, *vectors, *more)
    return make_call("EmbedLayerNormalization", *inputs, domain=MICROSOFT, outputs=3)


@pytest.mark.parametrize(
    ("positions", "rows"),
    [(None, 3), (np.zeros((2, 3)), 6), (np.zeros((1, 3)), 3)],
    ids=["the first rows", "of each element", "of one sequence"],
)
def test_an_embedding_reads_the_rows_that_it_looks_up(positions, rows):
    tables, vector = [np.zeros((50, 4)), np.zeros((9, 4)), np.zeros((2, 4))], np.zeros(4)
    call = embedding(tables, (2, 3), vector, vector, None, positions)
    ids = 2 * 6 + (0 if positions is None else positions.size)
    looked_up = (6 + rows + 6) * 4
    read, written = registry.of(call).traffic(call)
    assert read == 4 * (ids + looked_up + 2 * 4)
    assert written == 4 * (2 * 6 * 4 + 2)


def test_a_mask_whose_index_nobody_asks_for_costs_nothing():
    tables, vector, mask = [np.zeros((5, 4)), np.zeros((5, 4)), None], np.zeros(4), np.zeros((2, 3))
    call = embedding(tables, (2, 3), vector, vector, mask, None)
    unasked = replace(call, outputs=call.outputs[:1])
    assert sum(counts(call).values()) - sum(counts(unasked).values()) == 2 * (3 + 2)


IDS = ts(2, 3, dtype=DType.INT32)


@pytest.mark.parametrize(
    ("op_type", "inputs", "attributes", "message"),
    [
        ("SkipLayerNormalization", [ts(2, 4), ts(2, 4), ts(3)], {}, r"wants gamma of shape \(4,\), it is \(3,\)"),
        ("SkipLayerNormalization", [ts(2, 4), ts(2, 2, 4), ts(4)], {}, r"wants skip broadcast to \(2, 4\), it is"),
        ("SimplifiedLayerNormalization", [ts(2, 4), ts(4)], {"axis": 2}, "wants an axis from -2 to 1, it is 2"),
        ("BranchwiseRMSNorm", [ts(2, 4)], {"num_branches": 3}, "num_branches to be a divisor of the 4 of X, it is 3"),
        ("GatedRMSNorm", [ts(2, 4), ts(3), ts(2, 4)], {}, "wants a scale whose size divides the 4 of X, it has 3"),
        ("GatedRMSNorm", [ts(2, 4), ts(2), ts(2, 4)], {"activation": "relu"}, "one of silu, swish, sigmoid, it is"),
        ("GroupNorm", [ts(2, 4, 4, 6), ts(6), ts(6)], {"groups": 4, "activation": 0}, "wants groups to be a divisor"),
        ("GroupNorm", [ts(2, 6), ts(6), ts(6)], {"groups": 4, "activation": 0}, r"wants X of shape \(N, H, W, C\)"),
        ("EmbedLayerNormalization", [IDS, None, ts(3), ts(4, 3), None, ts(3), ts(3)], {}, "word_embedding of rank 2"),
    ],
)
def test_what_breaks_the_definition_is_an_error(op_type, inputs, attributes, message):
    with pytest.raises(NodeError, match=message):
        terms(make_call(op_type, *inputs, domain=MICROSOFT, **attributes))
