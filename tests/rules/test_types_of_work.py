"""In which element type the parts of an operator are computed: a row for each operator whose rule says one.

What each row expects is derived by hand from the operator's specification, never from its rule. Every input is given by
the run unless it is an array. Types are chosen so that the wrong one would show: halves beside floats, integers first.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from calls import ts
from onnx import TensorProto, helper, numpy_helper

from graphcost import analyze
from graphcost.load import protos
from graphcost.terms import Arith
from graphcost.types import DType

ADD, MUL, DIV, CMP, MAC, SIGN = Arith.ADD, Arith.MUL, Arith.DIV, Arith.CMP, Arith.MAC, Arith.SIGN
ROUND, LOGIC, SQRT, EXP, LOG, POW = Arith.ROUND, Arith.LOGIC, Arith.SQRT, Arith.EXP, Arith.LOG, Arith.POW
TANH, ERF, TRIG, RANDOM = Arith.TANH, Arith.ERF, Arith.TRIG, Arith.RANDOM
F16, F32, F64, F8 = DType.FLOAT16, DType.FLOAT32, DType.FLOAT64, DType.FLOAT8E4M3FN
U8, I8, I16, U32, I32, I64 = DType.UINT8, DType.INT8, DType.INT16, DType.UINT32, DType.INT32, DType.INT64
BOOL, STRING = DType.BOOL, DType.STRING

MICROSOFT, ML, NHWC, TRAINING = "com.microsoft", "ai.onnx.ml", "com.ms.internal.nhwc", "ai.onnx.preview.training"
VERSIONS = {"": 22, ML: 5}


def half(*shape):
    return ts(*shape, dtype=F16)


def double(*shape):
    return ts(*shape, dtype=F64)


def u8(*shape):
    return ts(*shape, dtype=U8)


def i8(*shape):
    return ts(*shape, dtype=I8)


def i32(*shape):
    return ts(*shape, dtype=I32)


def i64(*shape):
    return ts(*shape, dtype=I64)


def case(op_type, *inputs, work, only=(), outputs="y0", domain="", version=0, named="", **attributes):
    """Return one row of the table.

    `work` is what the operator does, by type, or the one type in which it does everything; `only` names the parts or
    the kinds of work that are looked at.
    """
    model = one_node(op_type, inputs, outputs.split(), domain, version or VERSIONS.get(domain, 1), attributes)
    return pytest.param(model, frozenset(only), work, id=f"{op_type} {named}".strip())


def one_node(op_type, inputs, outputs, domain, version, attributes):
    names = ["" if one is None else f"x{i}" for i, one in enumerate(inputs)]
    places = ["" if one == "-" else one for one in outputs]
    held = {name: one for name, one in zip(names, inputs, strict=True) if isinstance(one, np.ndarray)}
    given = {name: one for name, one in zip(names, inputs, strict=True) if name and name not in held}
    graph = helper.make_graph(
        [helper.make_node(op_type, names, places, domain=domain, **attributes)],
        "one",
        [helper.make_value_info(name, _proto(one)) for name, one in given.items()],
        [helper.make_empty_tensor_value_info(name) for name in places if name],
        [numpy_helper.from_array(one, name) for name, one in held.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(domain, version)], ir_version=10)


def _proto(one):
    return one if isinstance(one, onnx.TypeProto) else protos.proto_of(one)


def found(model, only):
    """Return the work of a model's one node, by type and kind."""
    (row,) = analyze(model).rows
    assert not row.cost.status.is_open, row.cost.reason
    total = Counter()
    for term in row.cost.terms:
        if term.count and (not only or term.arith in only or term.what in only):
            total[term.dtype, term.arith] += term.count
    return {dtype: {kind: total[one, kind] for one, kind in total if one is dtype} for dtype, _ in total}


def plus(*parts):
    """Return the work of several parts together."""
    return dict(sum((Counter(one) for one in parts), Counter()))


ROW = 4
STANDARDIZED = {ADD: 22, MUL: 16, DIV: 6, SQRT: 2}
"""Of 2 rows of 4: two sums of 3, d = x - mean, + epsilon; d * d, d * InvStdDev; two means, 1 / StdDev."""
INVERSE_RMS = {MUL: 16, ADD: 8, DIV: 4, SQRT: 2}
"""Of 2 rows of 4: x * x, x * InvRMS; a sum of 3, + epsilon; a mean, 1 / RMS."""
DEQUANTIZED = {ADD: 6, MUL: 6}
"""Of 6 elements, with a zero point."""
QUANTIZED = {DIV: 6, ROUND: 6, ADD: 6, CMP: 12}
"""Of 6 elements, with a zero point."""
REQUANTIZED = {MUL: 8, ROUND: 8, ADD: 8, CMP: 16}
"""Of 8 elements, with a zero point, by a scale made of others."""

ELEMENTWISE = [
    case("Where", ts(2, 3, dtype=BOOL), half(2, 3), half(2, 3), work={F16: {CMP: 6}}),
    case("Equal", i64(2, 3), i64(2, 3), work={I64: {CMP: 6}}),
    case("Equal", ts(2, 3, dtype=BOOL), ts(2, 3, dtype=BOOL), work={BOOL: {CMP: 6}}, named="of booleans"),
    case("Greater", half(2, 3), half(2, 3), work={F16: {CMP: 6}}),
    case("GreaterOrEqual", double(2, 3), double(2, 3), work={F64: {CMP: 6}}),
    case("Less", i32(2, 3), i32(2, 3), work={I32: {CMP: 6}}),
    case("LessOrEqual", half(2, 3), half(2, 3), work={F16: {CMP: 6}}),
    case("IsNaN", half(2, 3), work={F16: {CMP: 6}}),
    case("And", ts(2, 3, dtype=BOOL), ts(2, 3, dtype=BOOL), work={BOOL: {LOGIC: 6}}),
    case("BitShift", u8(2, 3), u8(2, 3), direction="LEFT", work={U8: {LOGIC: 6}}),
    case("Pow", half(2, 3), i64(2, 3), work={F16: {POW: 6}}),
    case("Clip", half(2, 3), half(), half(), work={F16: {CMP: 12}}),
]

SEARCH = [
    case("ArgMax", half(2, 3), axis=1, work={F16: {CMP: 4}}),
    case("NonZero", half(2, 3), work={F16: {CMP: 6}}),
    case("TopK", half(2, 3), np.array([1]), outputs="v i", work={F16: {CMP: 4}}),
    case("Unique", half(4), outputs="y - - counts", work={F16: {CMP: 5}, I64: {ADD: 3}}),
    case("Unique", double(4), axis=0, outputs="y - - counts", work={F64: {CMP: 5}, I64: {ADD: 3}}, named="by axis"),
    case("Unique", ts(4), domain=MICROSOFT, outputs="y i c", work={F32: {CMP: 5}, I64: {ADD: 3}}, named="of a vector"),
    case("NGramRepeatBlock", i64(1, 3), ts(1, 9), domain=MICROSOFT, ngram_size=2, work={I64: {CMP: 2}}),
    case("MaxpoolWithMask", ts(1, 1, 2, 2), i32(1, 1, 2, 2), domain=MICROSOFT, kernel_shape=[2, 2],
         work={F32: {CMP: 3}, I32: {CMP: 4}}),
    case("MurmurHash3", i64(3), domain=MICROSOFT, work={U32: {MUL: 18 + 6, ADD: 6, LOGIC: 42 + 21}}),
]  # fmt: skip

COPIES = [
    case("Gather", half(2, 3), i64(2), work={}),
    case("GatherElements", half(2, 3), i64(2, 3), work={}),
    case("OneHot", i64(3), i64(), half(2), work={}),
    case("Transpose", half(2, 3), work={}),
    case("Concat", half(2, 3), half(2, 3), axis=0, work={}),
]

NORMALIZATIONS = [
    case("LayerNormalization", half(2, ROW), half(ROW), half(ROW), work={F32: STANDARDIZED, F16: {MUL: 8, ADD: 8}}),
    case("LayerNormalization", half(2, ROW), half(ROW), half(ROW), stash_type=11,
         work={F64: STANDARDIZED, F16: {MUL: 8, ADD: 8}}, named="in doubles"),
    case("GroupNormalization", half(1, 4, 2), half(4), half(4), num_groups=2,
         work={F32: {ADD: 22, MUL: 8, DIV: 4 + 8, SQRT: 2}, F16: {MUL: 8, ADD: 8}}),
    case("GroupNormalization", half(1, 4, 2), half(2), half(2), num_groups=2, version=18,
         work={F16: {ADD: 22 + 8, MUL: 8 + 8, DIV: 4 + 8, SQRT: 2}}, named="18, without a stash_type"),
    case("RMSNormalization", half(2, ROW), half(ROW), version=23,
         work={F32: {MUL: 8, ADD: 8, DIV: 2 + 8, SQRT: 2}, F16: {MUL: 8}}),
    case("SimplifiedLayerNormalization", half(2, ROW), half(ROW), domain=MICROSOFT,
         work={F32: INVERSE_RMS, F16: {MUL: 8}}),
    case("BatchNormalization", half(2, 1, 2), half(1), half(1), half(1), half(1),
         work={F16: {ADD: 4 + 1 + 4, SQRT: 1, DIV: 4, MUL: 4}}),
    case("BatchNormalization", half(2, 1, 2), half(1), half(1), ts(1), ts(1), training_mode=1, outputs="y m v",
         only=["sum(x)", "mean(x)", "d * d", "sum(d * d)", "mean(d * d)"],
         work={F32: {ADD: 6, DIV: 2, MUL: 4}}, named="mean and variance in training"),
    case("BatchNormalization", half(2, 1, 2), half(1), half(1), ts(1), ts(1), training_mode=1, outputs="y m v",
         only=[f"{name} * momentum + current * (1 - momentum)" for name in ("running_mean", "running_var")],
         work={F32: {MUL: 4, ADD: 2}}, named="running averages"),
    case("BranchwiseRMSNorm", half(2, ROW), half(ROW), domain=MICROSOFT, work={F32: plus(INVERSE_RMS, {MUL: 8})}),
    case("GatedRMSNorm", half(2, ROW), half(ROW), half(2, ROW), domain=MICROSOFT,
         work={F32: plus(INVERSE_RMS, {MUL: 24, SIGN: 8, EXP: 8, ADD: 8, DIV: 8})}),
    case("EmbedLayerNormalization", i32(1, 2), i32(1, 2), *[half(5, ROW)] * 3, half(ROW), half(ROW), i32(1, 2),
         domain=MICROSOFT, outputs="y mask_index",
         work={F16: plus(STANDARDIZED, {ADD: 3 * 8, MUL: 8}), I32: {CMP: 2, ADD: 1}}),
    case("EmbedLayerNormalization", i32(1, 2), i32(1, 2), *[half(5, ROW)] * 3, half(ROW), half(ROW), i32(1, 2),
         domain=MICROSOFT, outputs="y mask_index", only=["mask = 1", "mask_index"],
         work={I32: {CMP: 2, ADD: 1}}, named="its mask"),
    case("QEmbedLayerNormalization", i32(1, 2), i32(1, 2), *[u8(5, ROW)] * 3, u8(ROW), u8(ROW), i32(1, 2),
         *[ts()] * 5, *[u8()] * 5, domain=MICROSOFT, outputs="y mask_index",
         work={F32: plus(STANDARDIZED, {ADD: 32 + 16 + 8, MUL: 32 + 8}), I32: {CMP: 2, ADD: 1}}),
]  # fmt: skip

ATTENTION = [
    case("Attention", *[half(1, 1, 2, 2)] * 3, softmax_precision=1, softcap=2.0, version=23,
         work={F16: {MUL: 8 + 4, MAC: 16, DIV: 4, TANH: 4}, F32: {CMP: 2, ADD: 6, EXP: 4, DIV: 4}}),
    case("Attention", *[half(1, 1, 2, 2)] * 3, ts(2, 2, dtype=BOOL), version=23, work=F16, named="with a mask"),
    case("Attention", *[half(1, 1, 2, 2)] * 3, half(2, 2), version=23, softmax_precision=11, only=[EXP, MAC, MUL],
         work={F16: {MUL: 8, MAC: 16}, F64: {EXP: 4}}, named="in doubles"),
    case("QAttention", u8(1, 2, 4), i8(4, 12), half(12), half(), half(), i32(1, 2), u8(), i8(), domain=MICROSOFT,
         num_heads=2, do_rotary=1,
         work={
             U8: {ADD: 8, MAC: 96},
             I8: {ADD: 48},
             F16: {MUL: 24 + 32 + 8, ADD: 24 + 16 + 12, MAC: 32, CMP: 4 + 8, EXP: 8, DIV: 8},
         }),
    case("MultiHeadAttention", *[half(1, 2, 4)] * 3, half(12), i32(1, 2), half(1, 2, 2, 2), domain=MICROSOFT,
         num_heads=2, work=F16),
    case("RotaryEmbedding", half(1, 1, 2, 4), half(5, 2), half(5, 2), i64(1, 2), version=23,
         work={F16: {MUL: 16, ADD: 8}}),
    case("RotaryEmbedding", half(1, 1, 2, 4), i64(1, 2), half(5, 2), half(5, 2), domain=MICROSOFT,
         work={F16: {MUL: 16, ADD: 8}}, named="of com.microsoft"),
    case("GemmaRotaryEmbedding", ts(1, 2, 4), *[half(1, 1, 2, 4)] * 4, domain=MICROSOFT, outputs="q k",
         work={F32: {TRIG: 16}, F16: {MUL: 32, ADD: 16}}),
    case("LinearAttention", *[half(1, 2, 4)] * 3, half(1, 2, 2, 2), half(1, 2, 2), half(1, 2, 2), domain=MICROSOFT,
         q_num_heads=2, kv_num_heads=2, outputs="y s", work=F16),
    case("LinearAttentionGate", half(1, 2, 3), ts(3), ts(3), half(1, 2, 3), domain=MICROSOFT, outputs="decay beta",
         work={F32: {ADD: 12, EXP: 6, LOG: 6, MUL: 6}, F16: {SIGN: 6, EXP: 6, ADD: 6, DIV: 6}}),
]  # fmt: skip

GATED = (*[half(2, 1, 2)] * 3, i32(2), ts(2, 1), ts(2, 1), ts(1, 1, 2, 2), ts(1), ts(1))
GATES = {"gate_activation": "qwen", "beta_activation": "sigmoid", "domain": MICROSOFT, "outputs": "y state"}
LINEAR = [
    case("GatedDeltaNet", *GATED, **GATES, named="gates",
         only=["decay + dt_bias", "log(exp(x) + 1)", "-exp(a_log) * Softplus", "-exp(a_log)", "1 / (1 + exp(-x))"],
         work={F32: {ADD: 2 + 2 + 2, EXP: 2 + 1 + 2, LOG: 2, MUL: 2, SIGN: 1 + 2, DIV: 2}}),
    case("GatedDeltaNet", *GATED, **GATES, only=["exp(g)", "exp(g) * S"], work={F32: {EXP: 2, MUL: 8}}, named="decay"),
]  # fmt: skip

X, W = u8(1, 2, 3, 3), i8(2, 2, 2, 2)
A, B = u8(2, 3), i8(3, 4)
CONVOLVED = {
    U8: {ADD: 18, MAC: 64},
    I8: {ADD: 16},
    I32: {ADD: 8},
    F32: plus(REQUANTIZED, {MUL: 1, DIV: 1}),
}
INTEGER_PRODUCT = {U8: {ADD: 6, MAC: 24}, I8: {ADD: 12}}

PRODUCTS = [
    case("QLinearConv", X, ts(), u8(), W, ts(), i8(), ts(), u8(), i32(2), work=CONVOLVED),
    case("QLinearConv", X, ts(), u8(), W, ts(), i8(), ts(), u8(), i32(2), domain=MICROSOFT, work=CONVOLVED,
         named="of com.microsoft"),
    case("QLinearConvTranspose", u8(1, 2, 2, 2), ts(), u8(), i8(2, 2, 1, 1), ts(), i8(), ts(), u8(), i32(2),
         domain=NHWC, version=11, kernel_shape=[1, 1],
         work={U8: {ADD: 8, MAC: 16}, I8: {ADD: 4}, I32: {ADD: 8}, F32: plus(REQUANTIZED, {MUL: 1, DIV: 1})}),
    case("ConvInteger", X, W, u8(), i8(), work={U8: {ADD: 18, MAC: 64}, I8: {ADD: 16}}),
    case("MatMulInteger", A, B, u8(), i8(), work=INTEGER_PRODUCT),
    case("QLinearMatMul", A, half(), u8(), B, half(), i8(), half(), u8(),
         work=INTEGER_PRODUCT | {F16: plus(REQUANTIZED, {MUL: 1, DIV: 1})}),
    case("MatMulInteger16", ts(2, 3, dtype=I16), ts(3, 4, dtype=I16), domain=MICROSOFT, work={I16: {MAC: 24}}),
    case("MatMulIntegerToFloat", A, B, half(), half(), u8(), i8(), half(4), domain=MICROSOFT,
         work=INTEGER_PRODUCT | {F16: {MUL: 1 + 8, ADD: 8}}),
    case("DynamicQuantizeMatMul", ts(2, 3), B, ts(), i8(), ts(4), domain=MICROSOFT,
         work=INTEGER_PRODUCT | {F32: {CMP: 26, ADD: 8 + 8, DIV: 8, ROUND: 7, MUL: 1 + 8}}),
    case("QGemm", A, ts(), u8(), B, ts(), i8(), i32(4), ts(), u8(), domain=MICROSOFT, alpha=2.0,
         work=INTEGER_PRODUCT | {I32: {ADD: 8}, F32: plus(REQUANTIZED, {MUL: 2, DIV: 1})}),
    case("QGemm", A, ts(), u8(), B, ts(), i8(), domain=MICROSOFT, work=INTEGER_PRODUCT | {F32: {MUL: 1 + 8}},
         named="to floats"),
    case("QOrderedMatMul", i8(1, 2, 3), ts(), i8(3, 4), ts(), ts(), ts(4), i8(1, 2, 4), ts(), domain=MICROSOFT,
         work={I8: {MAC: 24}, F32: {MUL: 1 + 8 + 8, DIV: 1 + 4 + 1, ADD: 8 + 8, ROUND: 8, CMP: 16}}),
    case("GemmFloat8", ts(2, 3, dtype=F8), ts(3, 4, dtype=F8), half(4), ts(), ts(), ts(), domain=MICROSOFT,
         alpha=2.0, beta=2.0, activation="GELU",
         work={F8: {MAC: 24}, F32: {MUL: 2 + 8 + 4 + 16 + 8, ADD: 8 + 8, DIV: 8, ERF: 8}}),
]  # fmt: skip

N_BITS = (half(2, 16), u8(4, 1, 8), half(4, 1), u8(4, 1), None, half(4))
LEVEL = {"K": 16, "bits": 4, "block_size": 16, "domain": MICROSOFT}
DEQUANTIZED_B = {ADD: 64 + 8, MUL: 64}
"""4 columns of 16 numbers, with a zero point; a bias for 8 outputs."""
EXPERTS = (half(2, 4), half(2, 3), u8(3, 4, 2), half(3, 4), None, u8(3, 4, 2), half(3, 4))
ROUTED = {CMP: 4 + 8, ADD: 2 + 64, EXP: 2, DIV: 2, MUL: 64 + 8}
"""The largest of 3 scores for 2 rows, relu; softmax of one; two layers of two experts dequantized; weight * y."""
PROJECTION = (u8(4, 1, 8), half(4, 1), half(4))
NARROW = (u8(2, 1, 8), half(2, 1), half(2))
SKIPPED = {ADD: 16 + 15 + 1, MUL: 16 + 16 + 16, DIV: 2, SQRT: 1}
"""A row of 16: A + skip, x * InvRMS * norm_scale."""

WEIGHT_ONLY = [
    case("MatMulNBits", *N_BITS, N=4, **LEVEL, work={F16: DEQUANTIZED_B | {MAC: 128}}),
    case("MatMulNBits", *N_BITS, N=4, **LEVEL, accuracy_level=4, work={F16: DEQUANTIZED_B, I8: {MAC: 128}},
         named="in integers"),
    case("MatMulNBits", *N_BITS, N=4, **LEVEL, accuracy_level=1, work={F16: DEQUANTIZED_B, F32: {MAC: 128}},
         named="in floats"),
    case("MatMulNBitsMlp", half(1, 16), half(1, 16), half(16), *PROJECTION, *PROJECTION, N=4, **LEVEL,
         activation="silu", accuracy_level=4,
         work={
             I8: {MAC: 128},
             F16: plus(SKIPPED, {ADD: 128 + 8 + 4, MUL: 128 + 4 + 4, SIGN: 4, EXP: 4, DIV: 4}),
         }),
    case("MatMulNBitsQkv", half(1, 16), half(1, 16), half(16), *PROJECTION, *NARROW, *NARROW, Nq=4, Nkv=2, **LEVEL,
         accuracy_level=4, outputs="q k v", work={I8: {MAC: 128}, F16: plus(SKIPPED, {ADD: 128 + 8, MUL: 128})}),
    case("MoE", half(2, 4), half(2, 3), half(3, 4, 4), None, half(3, 4, 4), domain=MICROSOFT, work=F16),
    case("QMoE", *EXPERTS, domain=MICROSOFT, work={F16: ROUTED | {MAC: 64}}),
    case("QMoE", *EXPERTS, domain=MICROSOFT, accuracy_level=4, work={F16: ROUTED, I8: {MAC: 64}}, named="in integers"),
]  # fmt: skip

ONE = (u8(2, 3), ts(), u8(), ts(), u8())
TWO = (u8(2, 3), ts(), u8(), u8(2, 3), ts(), u8(), ts(), u8())
POOLED = {ADD: 4 + 3 + 1, MUL: 4, DIV: 1 + 1, ROUND: 1, CMP: 2}
"""4 elements dequantized, their average, which is quantized."""

QUANTIZING = [
    case("QuantizeLinear", ts(2, 3), half(), u8(), version=23, work={F16: QUANTIZED}),
    case("QuantizeLinear", half(2, 3), half(), u8(), version=23, precision=1, work={F32: QUANTIZED}, named="precision"),
    case("QuantizeLinear", ts(2, 3), half(), ts(dtype=F8), version=23, work={F16: {DIV: 6, ADD: 6, CMP: 12}},
         named="to floats"),
    case("QuantizeLinear", ts(2, 3), half(), u8(), domain=MICROSOFT, work={F16: QUANTIZED}, named="of com.microsoft"),
    case("DequantizeLinear", u8(2, 3), half(), u8(), work={F16: DEQUANTIZED}),
    case("DequantizeLinear", u8(2, 3), half(), u8(), output_dtype=1, version=23, work={F32: DEQUANTIZED},
         named="output_dtype"),
    case("DequantizeLinear", u8(2, 3), half(), u8(), domain=MICROSOFT, work={F16: DEQUANTIZED},
         named="of com.microsoft"),
    case("DynamicQuantizeLinear", ts(2, 3), outputs="y scale zero",
         work={F32: {CMP: 10 + 2 + 2 + 12, ADD: 2 + 6, DIV: 2 + 6, ROUND: 1 + 6}}),
    case("QuantizeWithOrder", half(2, 3), ts(), domain=MICROSOFT, work={F32: {DIV: 6, ROUND: 6, CMP: 12}}),
    case("DequantizeWithOrder", i8(2, 3), ts(), domain=MICROSOFT, to=10, work={F16: {MUL: 6}}),
    case("DequantizeBFP", u8(64), np.array([2, 3]), i64(2), domain=MICROSOFT, dtype=10, work={F16: {MUL: 6}}),
    case("QLinearAdd", *TWO, domain=MICROSOFT, work={F32: plus(DEQUANTIZED, DEQUANTIZED, {ADD: 6}, QUANTIZED)}),
    case("QLinearMul", *TWO, domain=MICROSOFT,
         work={U8: {ADD: 12, MUL: 6}, F32: {MUL: 1 + 6, DIV: 1, ROUND: 6, ADD: 6, CMP: 12}}),
    case("MulInteger", u8(2, 3), u8(), u8(2, 3), u8(), domain=MICROSOFT, work={U8: {ADD: 12, MUL: 6}}),
    case("QLinearSigmoid", *ONE, domain=MICROSOFT,
         work={F32: plus(DEQUANTIZED, {SIGN: 6, EXP: 6, ADD: 6, DIV: 6}, QUANTIZED)}),
    case("QLinearLeakyRelu", *ONE, domain=MICROSOFT, work={F32: plus(DEQUANTIZED, {CMP: 6, MUL: 6}, QUANTIZED)}),
    case("QOrderedGelu", i8(2, 3), ts(), ts(), domain=MICROSOFT,
         work={F32: {MUL: 6 + 12, DIV: 6 + 6, ERF: 6, ADD: 6, ROUND: 6, CMP: 12}}),
    case("QLinearWhere", ts(2, 3, dtype=BOOL), *TWO[:2], u8(), *TWO[3:], domain=MICROSOFT,
         work={F32: plus(DEQUANTIZED, DEQUANTIZED, {CMP: 6}, QUANTIZED)}),
    case("QLinearConcat", ts(), u8(), u8(2, 3), ts(), u8(), domain=MICROSOFT, axis=0,
         work={F32: plus(DEQUANTIZED, QUANTIZED)}),
    case("QLinearAveragePool", u8(1, 1, 2, 2), *ONE[1:], domain=MICROSOFT, kernel_shape=[2, 2], work={F32: POOLED}),
    case("QLinearGlobalAveragePool", u8(1, 1, 2, 2), *ONE[1:], domain=MICROSOFT, work={F32: POOLED}),
    case("QLinearReduceMean", u8(2, ROW), *ONE[1:], domain=MICROSOFT, axes=[1],
         work={F32: {ADD: 8 + 6 + 2, MUL: 8, DIV: 2 + 2, ROUND: 2, CMP: 4}}),
    case("ReduceSumInteger", u8(2, ROW), domain=MICROSOFT, axes=[1], work={U32: {ADD: 6}}),
    case("ReduceSumInteger", i8(2, ROW), domain=MICROSOFT, axes=[1], work={I32: {ADD: 6}}, named="signed"),
    case("QLinearSoftmax", u8(2, ROW), *ONE[1:], domain=MICROSOFT, opset=13,
         work={F32: {ADD: 8 + 8 + 6 + 8, MUL: 8, CMP: 6 + 16, EXP: 8, DIV: 8 + 8, ROUND: 8}}),
    case("QOrderedLayerNormalization", i8(2, ROW), ts(), half(ROW), half(ROW), ts(), domain=MICROSOFT,
         work={F32: plus(STANDARDIZED, {MUL: 8 + 8, ADD: 8, DIV: 8, ROUND: 8, CMP: 16})}),
    case("GatherBlockQuantized", ts(2, 16, dtype=DType.INT4), i64(1), half(2, 1), ts(2, 1, dtype=DType.INT4),
         domain=MICROSOFT, block_size=16, work={F16: {ADD: 16, MUL: 16}}),
    case("DynamicQuantizeLSTM", ts(1, 1, 2), i8(1, 2, 4), i8(1, 1, 4), *[None] * 5, ts(1), i8(1), ts(1), i8(1),
         domain=MICROSOFT, hidden_size=1,
         work={
             U8: {ADD: 2 + 1, MAC: 8 + 4},
             I8: {ADD: 8 + 4},
             F32: {MUL: 2 + 8 + 3, ADD: 4 + 3 + 4 + 3 + 1, DIV: 4 + 3 + 3, CMP: 10 + 6, ROUND: 3 + 2, SIGN: 3, EXP: 3,
                   TANH: 2},
         }),
]  # fmt: skip

HELD = {"shape": [2, 3]}
LINEAR_GRID = {ADD: 4 + 2 + 2, MUL: 2 + 4, DIV: 2, ROUND: 2}
"""Two coordinates: their positions and ratios; the weights of 4 points."""
CUBIC_GRID = {ADD: 4 + 2 + 26, MUL: 2 + 24 + 16, DIV: 2, ROUND: 2}
MEL = (np.array(2), np.array(4), np.array(8000), np.array(0.0, np.float32), np.array(4000.0, np.float32))

GENERATED = [
    case("RandomNormal", **HELD, dtype=11, mean=1.0, scale=2.0, work={F64: {RANDOM: 6, MUL: 6, ADD: 6}}),
    case("RandomNormalLike", ts(2, 3), dtype=10, mean=1.0, scale=2.0, work={F16: {RANDOM: 6, MUL: 6, ADD: 6}}),
    case("RandomUniform", **HELD, dtype=11, low=1.0, high=3.0, work={F64: {RANDOM: 6, MUL: 6, ADD: 6}}),
    case("RandomUniformLike", ts(2, 3), dtype=10, low=1.0, high=3.0, work={F16: {RANDOM: 6, MUL: 6, ADD: 6}}),
    case("Bernoulli", half(2, 3), dtype=9, work={F16: {RANDOM: 6, CMP: 6}}),
    case("Multinomial", half(1, 2), work={F16: {CMP: 1 + 1, ADD: 2 + 1, EXP: 2, RANDOM: 1, MUL: 1}}),
    case("Dropout", half(2, 3), np.array(0.5, np.float32), np.array(True), work={F16: {RANDOM: 6, CMP: 6, MUL: 12}}),
    case("HannWindow", np.array(3), output_datatype=11, work={F64: {MUL: 6, TRIG: 3, ADD: 3}}),
    case("HammingWindow", np.array(3), output_datatype=10, work={F16: {MUL: 6, TRIG: 3, ADD: 3}}),
    case("BlackmanWindow", np.array(3), work={F32: {MUL: 12, TRIG: 6, ADD: 6}}),
    case("MelWeightMatrix", *MEL, output_datatype=11,
         work={F64: {DIV: 2 + 1 + 8 + 8, ADD: 2 + 1 + 8 + 4 + 8, LOG: 2, MUL: 2 + 12, POW: 4, ROUND: 4, CMP: 4}}),
    case("GridSample", half(1, 1, 2, 2), ts(1, 1, 1, 2), work={F32: LINEAR_GRID, F16: {MUL: 4, ADD: 3}}),
    case("GridSample", half(1, 1, 2, 2), ts(1, 1, 1, 2), mode="cubic",
         work={F32: CUBIC_GRID, F16: {MUL: 16, ADD: 15}}, named="cubic"),
    case("GridSample", half(1, 1, 2, 2), ts(1, 1, 1, 2), mode="nearest",
         work={F32: {ADD: 4, MUL: 2, DIV: 2, ROUND: 2}}, named="nearest"),
    case("GridSample", u8(1, 1, 2, 2), ts(1, 1, 1, 2), work={F32: plus(LINEAR_GRID, {MUL: 4, ADD: 3})},
         named="of bytes"),
    case("Resize", half(1, 1, 2, 2), ts(2), None, np.array([3]), axes=[2], mode="linear",
         coordinate_transformation_mode="tf_crop_and_resize", only=[DIV], work={F32: {DIV: 3}}, named="cropped"),
    case("NegativeLogLikelihoodLoss", half(2, 3), i64(2), half(3), work={F16: {SIGN: 2, MUL: 2, ADD: 2, DIV: 1}}),
    case("SoftmaxCrossEntropyLoss", half(2, 3), i64(2),
         work={F16: {CMP: 4, ADD: 6 + 4 + 6 + 1, EXP: 6, LOG: 2, SIGN: 2, DIV: 1}}),
    case("TfIdfVectorizer", i32(4), mode="TFIDF", min_gram_length=1, max_gram_length=1, max_skip_count=0,
         ngram_counts=[0], ngram_indexes=[0, 1], pool_int64s=[1, 2], weights=[2.0, 3.0],
         work={I32: {CMP: 4}, I64: {ADD: 4}, F32: {MUL: 2}}),
    case("TfIdfVectorizer", i32(4), mode="IDF", min_gram_length=1, max_gram_length=1, max_skip_count=0,
         ngram_counts=[0], ngram_indexes=[0, 1], pool_int64s=[1, 2],
         work={I32: {CMP: 4}, I64: {ADD: 4, CMP: 2}}, named="IDF"),
]  # fmt: skip

TREE = {
    "nodes_treeids": [0, 0, 0], "nodes_nodeids": [0, 1, 2], "nodes_featureids": [0, 0, 0],
    "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"], "nodes_values": [0.5, 0.0, 0.0],
    "nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [2, 0, 0], "domain": ML,
}  # fmt: skip
REGRESSION = TREE | {
    "target_treeids": [0, 0], "target_nodeids": [1, 2], "target_ids": [0, 0], "target_weights": [1.0, 2.0],
    "n_targets": 1, "aggregate_function": "AVERAGE", "base_values": [1.0], "post_transform": "LOGISTIC",
}  # fmt: skip
REGRESSED = {ADD: 2 + 2 + 2, DIV: 2 + 2, SIGN: 2, EXP: 2}
"""Of 2 rows: a vote, a base value; an average; the logistic function."""
CLASSIFICATION = TREE | {
    "class_treeids": [0, 0], "class_nodeids": [1, 2], "class_ids": [0, 0], "class_weights": [1.0, 2.0],
    "classlabels_int64s": [0, 1], "outputs": "y z",
}  # fmt: skip
SVM = {"coefficients": [1.0, 2.0], "support_vectors": [1.0] * 6, "rho": [1.0], "kernel_params": [1.0, 1.0, 2.0]}
VOTES = SVM | {"classlabels_ints": [0, 1], "vectors_per_class": [1, 1], "outputs": "y z", "domain": ML}
SCALED = {"offset": [1.0] * 3, "scale": [2.0] * 3, "domain": ML}
SOFTENED = {"coefficients": [1.0] * 3, "intercepts": [1.0], "classlabels_ints": [0, 1], "outputs": "y z", "domain": ML}
MAP = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))

CLASSICAL = [
    case("Scaler", i64(2, 3), **SCALED, work={F32: {ADD: 6, MUL: 6}}),
    case("Scaler", double(2, 3), **SCALED, work={F64: {ADD: 6, MUL: 6}}, named="in doubles"),
    case("Normalizer", i64(2, 3), norm="L2", domain=ML, work={F32: {MUL: 6, ADD: 4, CMP: 2, DIV: 6, SQRT: 6}}),
    case("Normalizer", i64(2, 3), norm="L1", domain=ML, work={F32: {SIGN: 6, ADD: 4, CMP: 2, DIV: 6}}, named="L1"),
    case("Normalizer", double(2, 3), norm="MAX", domain=ML, work={F64: {CMP: 4 + 2, DIV: 6}}, named="MAX"),
    case("Binarizer", i64(2, 3), threshold=0.5, domain=ML, work={F32: {CMP: 6}}),
    case("Imputer", i64(2, 3), imputed_value_int64s=[1], replaced_value_int64=0, domain=ML, work={I64: {CMP: 6}}),
    case("LabelEncoder", ts(3, dtype=STRING), keys_strings=["a"], values_int64s=[1], domain=ML,
         work={STRING: {CMP: 3}}),
    case("DictVectorizer", MAP, string_vocabulary=["a", "b"], domain=ML, work={STRING: {CMP: 2}}),
    case("LinearRegressor", double(2, 3), coefficients=[1.0] * 6, intercepts=[1.0, 2.0], targets=2,
         post_transform="LOGISTIC", domain=ML, work={F64: {MAC: 12, ADD: 4 + 4, SIGN: 4, EXP: 4, DIV: 4}}),
    case("LinearRegressor", i64(2, 3), coefficients=[1.0] * 3, targets=1, post_transform="PROBIT", domain=ML,
         work={F32: {MAC: 6, MUL: 4, ADD: 2, ERF: 2}}, named="of integers"),
    case("LinearClassifier", i64(2, 3), **SOFTENED, post_transform="SOFTMAX_ZERO",
         work={F32: {MAC: 6, ADD: 2 + 4 + 2, SIGN: 2, CMP: 4 + 2 + 2, EXP: 4, DIV: 4}}),
    case("SVMRegressor", i64(2, 3), **SVM, n_supports=2, kernel_type="RBF", one_class=1, domain=ML,
         work={F32: {ADD: 12 + 8 + 2, MUL: 12 + 4, EXP: 4, MAC: 4, CMP: 2}}),
    case("SVMRegressor", i64(2, 3), **SVM, n_supports=2, kernel_type="POLY", domain=ML,
         work={F32: {MAC: 12 + 4, MUL: 4, ADD: 4 + 2, POW: 4}}, named="POLY"),
    case("SVMClassifier", i64(2, 3), **VOTES, kernel_type="LINEAR", prob_a=[1.0], prob_b=[1.0], work=F32),
    case("SVMClassifier", i64(2, 3), **VOTES, kernel_type="SIGMOID",
         work={F32: {MAC: 12 + 4, MUL: 4, ADD: 4 + 2 + 2, TANH: 4, CMP: 2 + 2, SIGN: 2}}, named="by votes"),
    case("TreeEnsembleRegressor", double(2, 3), **REGRESSION, version=3, work={F64: REGRESSED | {CMP: 2}}),
    case("TreeEnsembleRegressor", i64(2, 3), **REGRESSION, version=3, only=[ADD, DIV, SIGN, EXP],
         work={F32: REGRESSED}, named="of integers"),
    case("TreeEnsembleRegressor", i64(2, 3), **REGRESSION, version=3, only=[CMP], work={F32: {CMP: 2}},
         named="compares integers"),
    case("TreeEnsembleClassifier", i64(2, 3), **CLASSIFICATION, version=3,
         only=["score + weight", "1 - score", "top class"], work={F32: {ADD: 2 + 2, CMP: 2}}),
    case("TreeEnsembleClassifier", i64(2, 3), **CLASSIFICATION, version=3, only=["feature <= value"],
         work={F32: {CMP: 2}}, named="compares integers"),
]  # fmt: skip

STEP = (ts(), i64(), *[double(2)] * 3)
MOMENTUM = {"alpha": 0.5, "beta": 0.5, "norm_coefficient": 0.5, "mode": "standard", "domain": TRAINING}
TRAINED = [
    case("Momentum", *STEP, **MOMENTUM, outputs="x v", only=[MUL, ADD],
         work={F64: {MUL: 2 + 4 + 2, ADD: 2 + 2 + 2}}),
    case("Momentum", *STEP, **MOMENTUM, outputs="x v", only=[CMP], work={I64: {CMP: 1}}, named="counts its updates"),
]  # fmt: skip

TABLE = [
    *ELEMENTWISE, *SEARCH, *COPIES, *NORMALIZATIONS, *ATTENTION, *LINEAR, *PRODUCTS, *WEIGHT_ONLY, *QUANTIZING,
    *GENERATED, *CLASSICAL, *TRAINED,
]  # fmt: skip


@pytest.mark.parametrize(("model", "only", "work"), TABLE)
def test_work_is_done_in_the_type_that_the_specification_says(model, only, work):
    given = found(model, only)
    assert (set(given) == {work}) if isinstance(work, DType) else (given == work)
