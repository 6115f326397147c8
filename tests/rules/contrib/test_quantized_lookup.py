"""Looking up what is stored quantized, against loops that count and against onnxruntime's kernels."""

from __future__ import annotations

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import fused_norms, kernels, rows
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.fused import each
from oracles.quantized import Quantizer
from oracles.weight_only import blocked, unpack

from graphcost.errors import NodeError
from graphcost.rules import registry
from graphcost.types import DType, TensorType

MICROSOFT = "com.microsoft"
many = settings(max_examples=200, deadline=None)
few = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 999).map(np.random.default_rng)
flags = st.booleans()
sizes = st.integers(1, 3)
BLOCK = 16


def typed(given, dtype=None):
    return given if given is None else TensorType(dtype or DType(given.dtype.name), given.shape)


@st.composite
def tables(draw):
    """A table of bytes, what it holds, and its indices: data, numbers, scales and zero points, each number's own."""
    rng, bits, (length, width) = draw(seeds), draw(st.sampled_from((2, 4, 8))), (draw(st.integers(2, 5)), draw(sizes))
    data = rng.integers(0, 256, (length, width * BLOCK * bits // 8)).astype(np.uint8)
    scales = rng.uniform(-1, 1, (length, width)).astype(np.float32)
    zeros = rng.integers(0, 256, (length, -(-width * bits // 8))).astype(np.uint8) if draw(flags) else None
    numbers = unpack(data, bits)
    own = (
        np.full(numbers.shape, 2 ** (bits - 1))
        if zeros is None
        else blocked(unpack(zeros, bits)[:, :width], BLOCK, width * BLOCK)
    )
    indices = rng.integers(0, length, tuple(draw(st.lists(sizes, max_size=2))))
    inputs = [data, np.array(indices), scales, zeros]
    return inputs, (numbers, own, blocked(scales, BLOCK, width * BLOCK)), {"bits": bits, "block_size": BLOCK}


def gathered(tally, indices, parts):
    numbers, zeros, scales = (part[indices] for part in parts)
    return each(lambda x, z, s: (x - z) * s, tally.tensor(numbers), zeros, scales)


@checks("GatherBlockQuantized", domain=MICROSOFT)
@many
@given(tables())
def test_gathering_bytes(case):
    inputs, parts, said = case
    tally = Tally()
    y = gathered(tally, inputs[1], parts)
    call = make_call("GatherBlockQuantized", *map(typed, inputs), domain=MICROSOFT, **said)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*y.shape),)
    entry = registry.of(call)
    assert entry.packed["data"](call) == parts[0].size
    found = [one[inputs[1]].nbytes for place, one in enumerate(inputs) if place != 1 and one is not None]
    assert entry.traffic(call) == (sum(found) + inputs[1].nbytes, 4 * y.size)


@few
@given(tables())
def test_the_loop_gathers_bytes(case):
    inputs, parts, said = case
    (found,) = kernels.computed("GatherBlockQuantized", inputs, quantize_axis=1, **said)
    np.testing.assert_allclose(values(gathered(Tally(), inputs[1], parts)), found, rtol=1e-4, atol=1e-4)


@many
@given(
    st.lists(sizes, min_size=1, max_size=4).map(tuple),
    st.lists(sizes, max_size=2).map(tuple),
    st.data(),
    seeds,
    st.sampled_from((DType.INT4, DType.UINT4, DType.FLOAT8E4M3FN)),
    flags,
)
def test_gathering_along_any_axis(shape, index_shape, data, rng, dtype, has_zero_points):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    numbers, scales, zeros = rng.integers(0, 8, shape), rng.uniform(-1, 1, shape), rng.integers(0, 8, shape)
    indices, tally = rng.integers(0, shape[axis], index_shape), Tally()
    q, s, z = (np.take(one, indices, axis) for one in (tally.tensor(numbers), scales, zeros))
    has_zero_points = has_zero_points and dtype.is_integer
    y = each(lambda q, s, z: ((q - z) if has_zero_points else q) * s, q, s, z)
    kinds = [typed(numbers, dtype), ts(*index_shape, dtype=DType.INT64), ts(*shape, dtype=DType.FLOAT16)]
    kinds += [typed(zeros, dtype)] if has_zero_points else []
    call = make_call("GatherBlockQuantized", *kinds, domain=MICROSOFT, gather_axis=axis)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*np.shape(y), dtype=DType.FLOAT16),)
    assert {term.dtype for term in terms(call)} == {DType.FLOAT16}
    assert registry.of(call).packed["data"](call) == numbers.size


def test_a_scale_for_all_rows_is_read_once():
    inputs = ts(9, 32, dtype=DType.FLOAT8E4M3FN), ts(5, dtype=DType.INT64), ts(1, 1)
    call = make_call("GatherBlockQuantized", *inputs, domain=MICROSOFT, block_size=0)
    assert registry.of(call).traffic(call) == (5 * 32 + 5 * 8 + 4, 5 * 32 * 4)


def test_bytes_hold_no_other_number_of_bits():
    with pytest.raises(NodeError, match="wants bits to be 2, 4 or 8, they are 3"):
        make_call("GatherBlockQuantized", ts(9, 32, dtype=DType.UINT8), ts(5), ts(9, 1), domain=MICROSOFT, bits=3)


def test_unknown_sizes_stay_unknown():
    inputs = ts(9, 32, dtype=DType.UINT8), TensorType(DType.INT64, (None, 3)), ts(9, 4)
    call = make_call("GatherBlockQuantized", *inputs, domain=MICROSOFT)
    assert call.outputs == (TensorType(DType.FLOAT32, (None, 3, 64)),)


@st.composite
def embeddings(draw):
    """What QEmbedLayerNormalization takes: every stored tensor as (elements, scale, zero point)."""
    rng, (batch, sequence, hidden) = draw(seeds), (draw(sizes), draw(sizes), draw(st.integers(2, 5)))

    def stored(*shape):
        q = rng.integers(0, 256, shape).astype(np.uint8)
        return q, np.array(rng.choice([0.25, 0.5]), np.float32), np.array(rng.integers(99, 150), np.uint8)

    ids = rng.integers(0, 7, (batch, sequence)).astype(np.int32)
    segments = rng.integers(0, 2, (batch, sequence)).astype(np.int32) if draw(flags) else None
    lengths = rng.integers(0, sequence + 1, (batch, 1))
    mask = (np.arange(sequence) < lengths).astype(np.int32) if draw(flags) else None
    tables = [stored(7, hidden), stored(sequence + 2, hidden), None if segments is None else stored(2, hidden)]
    return ids, segments, mask, tables, stored(hidden), stored(hidden)


def embed(tally, case):
    ids, segments, mask, tables, gamma, beta = case

    def dequantized(one, *place):
        return Quantizer(*one[1:], np.uint8).dequantize(tally.tensor(one[0][place] if place else one[0]))

    looked_up = [dequantized(tables[0], ids), dequantized(tables[1], np.arange(ids.shape[1]))]
    if segments is not None:
        looked_up.append(dequantized(tables[2], segments))
    total = looked_up[0]
    for one in looked_up[1:]:
        total = each(lambda a, b: a + b, total, one)
    y = rows.layer_normalization((total, dequantized(gamma), dequantized(beta)), tally, 1e-12, -1)
    return y, None if mask is None else fused_norms.mask_index(tally.tensor(mask), tally)


def embedding_inputs(case):
    ids, segments, mask, tables, gamma, beta = case
    stored = [*tables, gamma, beta]
    parts = [[None if one is None else one[place] for one in stored] for place in range(3)]
    return [ids, segments, *parts[0], mask, *parts[1], *parts[2]]


@checks("QEmbedLayerNormalization", domain=MICROSOFT)
@many
@given(embeddings())
def test_qembed_layer_normalization(case):
    tally, inputs = Tally(), embedding_inputs(case)
    y, _ = embed(tally, case)
    call = make_call("QEmbedLayerNormalization", *map(typed, inputs), outputs=2, domain=MICROSOFT)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*y.shape), ts(y.shape[0], dtype=DType.INT32))
    looked_up = {2: case[0].size, 3: case[0].shape[1], 4: case[0].size}
    read = sum(
        looked_up[place] * one.shape[1] if place in looked_up else one.nbytes
        for place, one in enumerate(inputs)
        if one is not None
    )
    assert registry.of(call).traffic(call) == (read, 4 * y.size + 4 * len(y))


@few
@given(embeddings())
def test_the_loop_embeds(case):
    y, index = embed(Tally(), case)
    expected = kernels.computed("QEmbedLayerNormalization", embedding_inputs(case), 2)
    np.testing.assert_allclose(values(y), expected[0], rtol=1e-3, atol=1e-2)
    if index is not None:
        np.testing.assert_array_equal(values(index), expected[1])


def test_ids_that_are_no_matrix_are_an_error():
    ids = TensorType(DType.INT32, (3,))
    table = ts(9, 4, dtype=DType.UINT8)
    with pytest.raises(NodeError, match="wants input_ids and word_embedding_quant of rank 2"):
        make_call("QEmbedLayerNormalization", ids, None, table, table, outputs=2, domain=MICROSOFT)


def test_embeddings_are_computed_in_floats():
    ids, table, vector = ts(2, 3, dtype=DType.INT32), ts(9, 4, dtype=DType.UINT8), ts(4, dtype=DType.UINT8)
    zero = ts(dtype=DType.UINT8)
    scales, zeros = [ts(), ts(), None, ts(), ts()], [zero, zero, None, zero, zero]
    inputs = [ids, None, table, table, None, vector, vector, None, *scales, *zeros]
    call = make_call("QEmbedLayerNormalization", *inputs, outputs=2, domain=MICROSOFT)
    assert {term.dtype for term in terms(call)} == {DType.FLOAT32}
