"""Products with packed weights against loops that count, and against onnxruntime's kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from calls import counts, make_call, terms, ts
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import fused, kernels, products
from oracles import weight_only as oracle
from oracles.checked import checks
from oracles.counting import Tally, values
from oracles.fused import each

from graphcost.errors import NodeError, UnknownShapeError
from graphcost.rules import registry
from graphcost.terms import Arith
from graphcost.types import DType, TensorType

MICROSOFT = "com.microsoft"
many = settings(max_examples=200, deadline=None)
few = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 999).map(np.random.default_rng)
flags = st.booleans()
BLOCK = 16


def real(rng, *shape):
    return rng.uniform(-1, 1, shape).astype(np.float32)


def typed(given):
    return given if given is None else TensorType(DType(given.dtype.name), given.shape)


def called(op_type, inputs, *, known=(), **attributes):
    types = [given if place in known else typed(given) for place, given in enumerate(inputs)]
    return make_call(op_type, *types, domain=MICROSOFT, **attributes)


def check(call, tally, *outputs):
    assert counts(call) == tally.as_dict()
    assert [one.dims for one in call.outputs] == [one.shape for one in outputs]


@st.composite
def rows(draw):
    """The axes of A that come before K."""
    return tuple(draw(st.lists(st.integers(1, 2), max_size=2)))


@st.composite
def sizes(draw):
    """N, and K: a multiple of the block, or not."""
    return draw(st.integers(1, 3)), draw(st.integers(1, 40))


def packed(rng, n, k, bits):
    """Return B as it is stored, its numbers, and its scales: (N, blocks)."""
    blocks = -(-k // BLOCK)
    b = rng.integers(0, 256, (n, blocks, BLOCK * bits // 8)).astype(np.uint8)
    numbers = oracle.unpack(b, bits).reshape(n, -1)[:, :k]
    return b, numbers, real(rng, n, blocks)


def zeros_of(rng, n, k, bits, kind):
    """Return zero points as they are stored, and for every number: packed, as floats, or left out."""
    blocks = -(-k // BLOCK)
    if kind == "floats":
        stored = rng.integers(0, 2**bits, (n, blocks)).astype(np.float32)
        return stored, oracle.blocked(stored, BLOCK, k)
    if kind == "none":
        return None, np.full((n, k), 2 ** (bits - 1))
    stored = rng.integers(0, 256, (n, -(-blocks * bits // 8))).astype(np.uint8)
    return stored, oracle.blocked(oracle.unpack(stored, bits)[:, :blocks], BLOCK, k)


@st.composite
def nbits(draw):
    (n, k), rng, bits = draw(sizes()), draw(seeds), draw(st.sampled_from((2, 4, 8)))
    a, (b, numbers, scales) = real(rng, *draw(rows()), k), packed(rng, n, k, bits)
    stored, zeros = zeros_of(rng, n, k, bits, draw(st.sampled_from(("none", "packed", "floats"))))
    bias = real(rng, n) if draw(flags) else None
    said = {"N": n, "K": k, "bits": bits, "block_size": BLOCK}
    return [a, b, scales, stored, None, bias], (numbers, zeros, oracle.blocked(scales, BLOCK, k), bias), said


@checks("MatMulNBits", domain=MICROSOFT)
@many
@given(nbits())
def test_matmul_nbits(case):
    inputs, parts, said = case
    tally = Tally()
    y = oracle.nbits(tally, tally.tensor(inputs[0]), *parts)
    check(called("MatMulNBits", inputs, **said), tally, y)


@few
@given(nbits().filter(lambda case: case[0][0].ndim > 1 and (case[0][3] is None or case[0][3].dtype == np.uint8)))
def test_the_loop_computes_matmul_nbits(case):
    inputs, parts, said = case
    tally = Tally()
    y = oracle.nbits(tally, tally.tensor(inputs[0]), *parts)
    np.testing.assert_allclose(values(y), kernels.computed("MatMulNBits", inputs, **said)[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("level", "dtype"), [(0, DType.FLOAT16), (1, DType.FLOAT32), (4, DType.INT8)])
def test_accuracy_level_says_in_which_type_products_are_computed(level, dtype):
    a, b, scales = ts(2, 32, dtype=DType.FLOAT16), ts(4, 2, 8, dtype=DType.UINT8), ts(4, 2, dtype=DType.FLOAT16)
    said = {"N": 4, "K": 32, "block_size": 16, "accuracy_level": level}
    found = terms(make_call("MatMulNBits", a, b, scales, domain=MICROSOFT, **said))
    assert {term.dtype for term in found if term.arith is Arith.MAC} == {dtype}
    assert {term.dtype for term in found if term.arith is not Arith.MAC} == {DType.FLOAT16}


PACKED = [
    ("MatMulNBits", "B", 3 * 40, {"N": 3, "K": 40, "block_size": 32}),
    ("MatMulNBitsMlp", "gate_B", 3 * 40, {"N": 3, "K": 40, "block_size": 32}),
    ("MatMulNBitsMlp", "up_B", 3 * 40, {"N": 3, "K": 40, "block_size": 32}),
    ("MatMulNBitsQkv", "q_B", 6 * 40, {"Nq": 6, "Nkv": 2, "K": 40}),
    ("MatMulNBitsQkv", "v_B", 2 * 40, {"Nq": 6, "Nkv": 2, "K": 40}),
    ("MatMulBnb4", "B", 3 * 40, {"N": 3, "K": 40, "block_size": 32}),
]


@pytest.mark.parametrize(("op_type", "name", "elements", "said"), PACKED)
def test_packed_weights_are_counted_by_the_numbers_that_they_hold(op_type, name, elements, said):
    entry = registry.find(op_type, MICROSOFT, 1)
    assert entry.packed[name](_bare(op_type, said)) == elements


def _bare(op_type, said):
    """Return a call that has attributes alone."""
    given_call = make_call("MatMulNBits", ts(1, 1), ts(1), ts(1), domain=MICROSOFT, N=1, K=1, block_size=16)
    return replace(given_call, op_type=op_type, schema=registry.signature_of(op_type, MICROSOFT), attributes=said)


@pytest.mark.parametrize(
    ("op_type", "weights"),
    [
        ("MatMulNBits", {"A", "B", "bias"}),
        ("MatMulBnb4", {"A", "B"}),
        ("MatMulFpQ4", {"A", "B"}),
        ("GemmFloat8", {"A", "B", "C"}),
        ("MatMulBlockQuantizedFp4Weight", {"A", "B", "bias"}),
        ("MatMulBlockQuantizedFp8Weight", {"A", "B", "bias"}),
        ("MatMulNBitsQkv", {"A", "skip", "norm_scale", "q_B", "q_bias", "k_B", "k_bias", "v_B", "v_bias"}),
        ("MatMulNBitsMlp", {"A", "skip", "norm_scale", "gate_B", "gate_bias", "up_B", "up_bias"}),
    ],
)
def test_only_weights_are_weights(op_type, weights):
    names = registry.signature_of(op_type, MICROSOFT).inputs
    assert set(names) - registry.find(op_type, MICROSOFT, 1).not_weights == weights


@st.composite
def projections(draw, count):
    """A: (..., K), and so many projections of it: as inputs, as the loop takes them, and their widths."""
    (n, k), rng = draw(sizes()), draw(seeds)
    a = real(rng, *draw(rows()), k)
    skip, scale = (real(rng, *a.shape) if draw(flags) else None), real(rng, k)
    inputs, parts, widths = [], [], [n, *[draw(st.integers(1, 2))] * (count - 1)]
    for width in widths:
        b, numbers, scales = packed(rng, width, k, 4)
        bias = real(rng, width) if draw(flags) else None
        inputs += [b, scales, bias]
        parts.append((numbers, np.full((width, k), 8), oracle.blocked(scales, BLOCK, k), bias))
    return a, skip, scale, inputs, parts, widths


@checks("MatMulNBitsQkv", domain=MICROSOFT)
@many
@given(projections(3))
def test_matmul_nbits_qkv(case):
    a, skip, scale, inputs, parts, (q_width, kv_width, _) = case
    tally = Tally()
    x = oracle.normalized(tally, tally.tensor(a), None if skip is None else tally.tensor(skip), scale, 1e-6)
    outputs = [oracle.nbits(tally, x, *one) for one in parts]
    said = {"Nq": q_width, "Nkv": kv_width, "K": a.shape[-1], "block_size": BLOCK}
    check(called("MatMulNBitsQkv", [a, skip, scale, *inputs], outputs=4, **said), tally, *outputs, a)


@checks("MatMulNBitsMlp", domain=MICROSOFT)
@many
@given(projections(1), seeds, flags)
def test_matmul_nbits_mlp(case, rng, has_norm):
    a, skip, scale, gate, (parts,), (n,) = case
    k = a.shape[-1]
    b, numbers, scales = packed(rng, n, k, 4)
    up = (numbers, np.full((n, k), 8), oracle.blocked(scales, BLOCK, k), None)
    skip, scale, tally = (skip, scale, Tally()) if has_norm else (None, None, Tally())
    x = oracle.normalized(tally, tally.tensor(a), None if skip is None else tally.tensor(skip), scale, 1e-6)
    y = oracle.mlp(tally, x, parts, up)
    said = {"N": n, "K": k, "block_size": BLOCK, "activation": "silu"}
    check(called("MatMulNBitsMlp", [a, skip, scale, *gate, b, scales], **said), tally, y)


def test_an_activation_of_which_nothing_is_said_is_unknown():
    weights = (ts(4, 2, 8, dtype=DType.UINT8), ts(4, 2), None)
    said = {"N": 4, "K": 32, "block_size": 16, "activation": "magic"}
    call = make_call("MatMulNBitsMlp", ts(2, 32), None, None, *weights, *weights, domain=MICROSOFT, **said)
    with pytest.raises(UnknownShapeError, match="what the activation 'magic' computes is not known"):
        terms(call)


@st.composite
def bnb4(draw):
    (n, k), rng, transposed = draw(sizes()), draw(seeds), draw(flags)
    a = real(rng, *draw(rows()), k if transposed else n)
    b = rng.integers(0, 256, (n * k + 1) // 2).astype(np.uint8)
    absmax = real(rng, -(-n * k // BLOCK))
    said = {"N": n, "K": k, "block_size": BLOCK, "quant_type": 1, "transB": int(transposed)}
    return [a, b, absmax], said


def bnb4_loop(tally, inputs, said):
    a, b, absmax = inputs
    n, k = said["N"], said["K"]
    places = np.stack([b >> 4, b & 15], -1).reshape(-1)[: n * k]  # the first number in the high bits
    numbers = tally.tensor(np.take(oracle.NF4, places))
    weights = each(lambda x, s: x * s, numbers, oracle.blocked(absmax, BLOCK, n * k)).reshape(n, k)
    return oracle.rows_times(tally, tally.tensor(a), weights.T if said["transB"] else weights)


@checks("MatMulBnb4", domain=MICROSOFT)
@many
@given(bnb4())
def test_matmul_bnb4(case):
    inputs, said = case
    tally = Tally()
    check(called("MatMulBnb4", inputs, **said), tally, bnb4_loop(tally, inputs, said))


@few
@given(bnb4().filter(lambda case: case[0][0].ndim > 1 and case[1]["transB"]))
def test_the_loop_computes_matmul_bnb4(case):
    """Not the transposed one, of which the kernel computes a part only."""
    inputs, said = case
    found = kernels.computed("MatMulBnb4", inputs, **said)[0]
    np.testing.assert_allclose(values(bnb4_loop(Tally(), inputs, said)), found, rtol=1e-3, atol=1e-3)


@checks("MatMulFpQ4", domain=MICROSOFT)
@many
@given(sizes(), rows(), seeds, st.integers(0, 2))
def test_matmul_fpq4(size, before, rng, kind):
    n, k = size
    a, q, tally = real(rng, *before, k), rng.integers(-8, 8, (k, n)), Tally()
    scales, offsets = real(rng, k, n), rng.integers(0, 15, (k, n))
    step = (lambda x, s, o: (x - o) * s) if kind == 1 else (lambda x, s, _: x * s)
    y = oracle.rows_times(tally, tally.tensor(a), each(step, tally.tensor(q), scales, offsets))
    blob = np.zeros(n * k, np.uint8)
    call = called("MatMulFpQ4", [a, blob, np.array([k, n])], known=(2,), blk_quant_type=kind)
    check(call, tally, y)
    assert registry.of(call).packed["B"](call) == n * k


def test_a_blob_of_unknown_shape_is_unknown():
    inputs = (ts(2, 32), ts(99, dtype=DType.UINT8), ts(2, dtype=DType.INT64))
    with pytest.raises(UnknownShapeError, match="the elements of B_shape are not known"):
        make_call("MatMulFpQ4", *inputs, domain=MICROSOFT)


@checks("MatMulBlockQuantizedFp4Weight", domain=MICROSOFT)
@many
@given(st.integers(1, 3), st.integers(1, 20), rows(), seeds, flags, flags)
def test_matmul_fp4_weight(n, pairs, before, rng, has_bias, run):
    k = 2 * pairs
    a, b = real(rng, *before, k), rng.integers(0, 256, (n, pairs)).astype(np.uint8)
    per_block, over_all = real(rng, n, -(-k // BLOCK)), np.float32(0.5)
    bias, tally = (real(rng, n) if has_bias else None), Tally()
    scales = each(lambda s, t: s * t, tally.tensor(per_block) if run else per_block, over_all)
    numbers = tally.tensor(np.take(oracle.E2M1, oracle.unpack(b, 4)))
    weights = each(lambda x, s: x * s, numbers, oracle.blocked(scales, BLOCK, k))
    y = oracle.rows_times(tally, tally.tensor(a), weights.T, bias)
    inputs = [a, b, per_block, np.array(over_all), None, bias]
    call = called("MatMulBlockQuantizedFp4Weight", inputs, known=() if run else (2, 3))
    check(call, tally, y)
    plain = np.take(oracle.E2M1, oracle.unpack(b, 4)) * oracle.blocked(per_block * over_all, BLOCK, k)
    np.testing.assert_allclose(values(y), a @ plain.T + (0 if bias is None else bias), rtol=1e-4, atol=1e-4)
    assert registry.of(call).packed["B"](call) == n * k


@checks("MatMulBlockQuantizedFp8Weight", domain=MICROSOFT)
@many
@given(sizes(), rows(), seeds, flags, flags)
def test_matmul_fp8_weight(size, before, rng, has_a_scale, has_bias):
    n, k = size
    a, q, scales = real(rng, *before, k), real(rng, n, k), real(rng, n, -(-k // BLOCK))
    a_scale, bias, tally = (np.array(0.5, np.float32) if has_a_scale else None), real(rng, n), Tally()
    bias = bias if has_bias else None
    y = oracle.fp8_weight(tally, tally.tensor(a), q, oracle.blocked(scales, BLOCK, k), a_scale, bias)
    check(called("MatMulBlockQuantizedFp8Weight", [a, q, scales, a_scale, bias]), tally, y)


FINISHES = {"NONE": lambda x: x, "RELU": lambda x: x.maximum(0.0), "GELU": fused.gelu}


@st.composite
def gemms(draw):
    """The matrices of GemmFloat8, its scales, and its attributes."""
    rng, (m, k, n) = draw(seeds), [draw(st.integers(1, 3)) for _ in range(3)]
    a, b = real(rng, m, k), real(rng, k, n)
    c = real(rng, m, n) if draw(flags) else None
    scales = [np.array(0.5, np.float32) if draw(flags) else None for _ in range(3)]
    said = {
        "transA": draw(st.integers(0, 1)),
        "transB": draw(st.integers(0, 1)),
        "alpha": draw(st.sampled_from((1.0, 0.5))),
        "beta": draw(st.sampled_from((0.0, 1.0, 0.5))),
        "activation": draw(st.sampled_from(sorted(FINISHES))),
    }
    return a, b, c, scales, said, draw(flags)


def gemm_float8(tally, case):
    a, b, c, scales, said, run = case
    y = products.matrices(tally, tally.tensor(a), tally.tensor(b))
    factors = [said["alpha"]] if said["alpha"] != 1 else []
    factors += [tally.number(float(one)) if run else float(one) for one in scales[:2] if one is not None]
    if factors:
        scale = factors[-1]
        for one in factors[:-1]:
            scale = scale * one
        y = each(lambda x: x * scale, y)
    if c is not None and said["beta"]:
        c = tally.tensor(c)
        y = each(lambda x, z: x + z, y, c if said["beta"] == 1 else each(lambda z: z * said["beta"], c))
    y = each(FINISHES[said["activation"]], y)
    return y if scales[2] is None else each(lambda x: x * float(scales[2]), y)


@checks("GemmFloat8", domain=MICROSOFT)
@many
@given(gemms(), st.sampled_from(((1, "float32"), (10, "float16"), (17, "float8_e4m3fn"))))
def test_gemm_float8(case, output):
    a, b, c, scales, said, run = case
    tally = Tally()
    y = gemm_float8(tally, case)
    stored = [a.T if said["transA"] else a, b.T if said["transB"] else b]
    call = called("GemmFloat8", [*stored, c, *scales], known=() if run else (3, 4, 5), dtype=output[0], **said)
    assert counts(call) == tally.as_dict()
    assert call.outputs == (ts(*y.shape, dtype=DType(output[1])),)


NBITS = make_call(
    "MatMulNBits", ts(2, 32), ts(4, 2, 8, dtype=DType.UINT8), ts(4, 2), domain=MICROSOFT, N=4, K=32, block_size=16
)
BNB4 = make_call(
    "MatMulBnb4", ts(2, 32), ts(64, dtype=DType.UINT8), ts(8), domain=MICROSOFT, N=4, K=32, block_size=16, quant_type=1
)
GEMM = make_call("GemmFloat8", ts(2, 3), ts(3, 4), domain=MICROSOFT)
WRONG = [
    (replace(NBITS, inputs=(ts(2, 30), *NBITS.inputs[1:])), r"wants A with K = 32 columns, it is \(2, 30\)"),
    (replace(NBITS, inputs=(*NBITS.inputs, None, None, ts(3))), r"wants bias of shape \(4,\), it is \(3,\)"),
    (replace(NBITS, attributes=NBITS.attributes | {"accuracy_level": 7}), "wants accuracy_level to be 0, 1, 2, 3, 4"),
    (
        replace(NBITS, attributes=NBITS.attributes | {"N": 0}),
        "wants K, N, block_size and bits of 1 or more, they are 32, 0",
    ),
    (replace(NBITS, attributes=NBITS.attributes | {"N": 5}), r"wants B of shape \(5, 2, 8\), it is \(4, 2, 8\)"),
    (replace(NBITS, attributes=NBITS.attributes | {"bits": 8}), r"wants B of shape \(4, 2, 16\), it is \(4, 2, 8\)"),
    (replace(BNB4, attributes=BNB4.attributes | {"N": 3}), r"wants B to hold N \* K = 3 \* 32 numbers, two to a byte"),
    (replace(GEMM, attributes={"activation": "SELU"}), "wants activation to be one of NONE, RELU, GELU, it is 'SELU'"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_what_breaks_the_specification_is_an_error(call, message):
    with pytest.raises(NodeError, match=message):
        terms(call)


def test_a_type_that_gemm_does_not_know_is_an_error():
    with pytest.raises(NodeError, match="wants dtype to be one of 1, 10, 11, 16, 17, 19, it is 7"):
        make_call("GemmFloat8", ts(2, 3), ts(3, 4), domain=MICROSOFT, dtype=7)


def test_unknown_sizes_stay_unknown():
    a = TensorType(DType.FLOAT32, (None, 32))
    call = make_call("MatMulNBits", a, *NBITS.inputs[1:], domain=MICROSOFT, N=4, K=32, block_size=16)
    assert call.outputs == (TensorType(DType.FLOAT32, (None, 4)),)
