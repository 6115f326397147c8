"""Products with weights that are stored quantized, block by block, and computed with as floating-point numbers.

The formula is the specification's: all K*N weights are dequantized in every run, each by (q - zero_point) * scale, then
A is multiplied with them. What a fused kernel dequantizes more than once, or never writes down, is no part of it.
Scales and zero points are no weights; what is stored packed is counted by the K*N numbers that it holds.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.rules import matmul, normalization
from graphcost.rules.elementwise import GELU, SILU, TABLE
from graphcost.rules.quantized import is_beforehand
from graphcost.rules.registry import MICROSOFT
from graphcost.rules.shared import axes
from graphcost.rules.shared.float_codes import FLOATS, named_float
from graphcost.rules.shared.operands import biased, check_shape
from graphcost.rules.shared.scaled_dot_product import dims_of
from graphcost.terms import Arith, in_type, work
from graphcost.types import DType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Dim

LEVELS = {1: DType.FLOAT32, 2: DType.FLOAT16, 3: DType.BFLOAT16, 4: DType.INT8}
"""The type in which products are computed by `accuracy_level`; 0 is that of A."""

_LEVEL = {"accuracy_level": 0}


def _weights(call: Call) -> int:
    return call.attr("N", int) * call.attr("K", int)


MICROSOFT.signature("MatMulNBits", "A B scales zero_points? g_idx? bias? -> Y", **_LEVEL)


@MICROSOFT.rule("MatMulNBits", not_weights="scales zero_points g_idx", packed={"B": _weights})
def matmul_nbits(call: Call) -> Iterator[Term]:
    """Y = A * B + bias, with B[k, n] = (q - zero_point) * scale for every block of `block_size` numbers along K.

    A: (..., K), B: (N, blocks, packed bytes), Y: (..., N), bias: (N,). The zero point is 2^(bits - 1) where none is
    given, so it is always subtracted. `accuracy_level` says in which type the products are computed, 4 in int8; how A
    gets there is left to the runtime and not counted. g_idx is read by none.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits
    """
    _check_blocks(call, "B", call.attr("N", int))
    yield from _dequantized("B", call.attr("N", int), call.attr("K", int), call.input("A").dtype)
    yield _projected(call, "B", call.attr("N", int))
    yield from biased(call, "bias", call.output("Y"))


def _check_blocks(call: Call, name: str, columns: int) -> None:
    """Raise NodeError where weights are not (columns, blocks along K, bytes of a block)."""
    inner, block, bits = call.attr("K", int), call.attr("block_size", int), call.attr_or("bits", int, 4)
    if min(columns, inner, block, bits) < 1:
        raise call.error(f"wants K, N, block_size and bits of 1 or more, they are {inner}, {columns}, {block}, {bits}")
    if call.partial(name).is_known:
        check_shape(call, name, (columns, -(-inner // block), -(-block * bits // 8)))


def _dequantized(what: str, columns: int, inner: int, dtype: DType | None) -> Iterator[Term]:
    yield work(f"{what} - zero_point", Arith.ADD, dtype=dtype, columns=columns, inner=inner)
    yield work(f"({what} - zero_point) * scale", Arith.MUL, dtype=dtype, columns=columns, inner=inner)


def _projected(call: Call, what: str, columns: int) -> Term:
    """Return the multiply-accumulates of A: (..., K) with weights that have so many columns."""
    a, inner, level = call.input("A"), call.attr("K", int), call.attr("accuracy_level", int)
    if a.dims[-1:] != (inner,):
        raise call.error(f"wants A with K = {inner} columns, it is {a.dims}")
    if level and level not in LEVELS:
        raise call.error(f"wants accuracy_level to be 0, {', '.join(map(str, LEVELS))}, it is {level}")
    rows = a.elements // inner if inner else 0
    dtype = LEVELS.get(level, a.dtype)
    return work(f"A*{what}", Arith.MAC, wrt=("A", what), dtype=dtype, rows=rows, columns=columns, inner=inner)


@MICROSOFT.types("MatMulNBits", "MatMulNBitsMlp")
def nbits_types(call: Call) -> Iterator[TensorType]:
    """Yield Y: (..., N), and what MatMulNBitsMlp normalizes: as A."""
    yield _with_columns(call, call.attr("N", int))
    if call.op_type == "MatMulNBitsMlp":
        yield call.partial("A")


def _with_columns(call: Call, columns: Dim) -> TensorType:
    a = call.partial("A")
    if a.rank < 1:
        raise call.error(f"wants A of rank 1 or more, it is {a}")
    return TensorType(a.dtype, (*shape_of(a)[:-1], columns))


MICROSOFT.signature(
    "MatMulNBitsMlp",
    "A skip? norm_scale? gate_B gate_scales gate_bias? up_B up_scales up_bias? -> Y input_skip_bias_sum?",
    **_LEVEL,
)
MICROSOFT.signature(
    "MatMulNBitsQkv",
    "A skip? norm_scale q_B q_scales q_bias? k_B k_scales k_bias? v_B v_scales v_bias? -> Q K V input_skip_bias_sum?",
    **_LEVEL,
)


@MICROSOFT.rule("MatMulNBitsMlp", not_weights="gate_scales up_scales", packed={"gate_B": _weights, "up_B": _weights})
def matmul_nbits_mlp(call: Call) -> Iterator[Term]:
    """Y = silu(x * gate_B + gate_bias) * (x * up_B + up_bias), each product as of MatMulNBits.

    x = A, with norm_scale x = SimplifiedLayerNormalization(A) = A * InvRMS * norm_scale, with skip that of A + skip.
    silu(g) = g * sigmoid(g); no other activation is known. The sum of A and skip is an output that costs nothing more.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBitsMlp
    """
    if call.attr("activation", str) != "silu":
        raise UnknownShapeError(f"what the activation {call.attr('activation', str)!r} computes is not known")
    y, columns = call.output("Y"), call.attr("N", int)
    yield from _normalized(call)
    for name in ("gate", "up"):
        yield from _projection(call, name, columns, y)
    yield from SILU.over(y.elements)
    yield work("silu(gate) * up", Arith.MUL, outputs=y.elements)


def _width(attribute: str, call: Call) -> int:
    return call.attr(attribute, int) * call.attr("K", int)


_QKV = {"q_B": partial(_width, "Nq"), "k_B": partial(_width, "Nkv"), "v_B": partial(_width, "Nkv")}


@MICROSOFT.rule("MatMulNBitsQkv", not_weights="q_scales k_scales v_scales", packed=_QKV)
def matmul_nbits_qkv(call: Call) -> Iterator[Term]:
    """Q = x * q_B + q_bias, and K and V likewise, each product as of MatMulNBits.

    x = SimplifiedLayerNormalization(A) = A * InvRMS * norm_scale, with skip that of A + skip. The sum of A and skip is
    an output that costs nothing more.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBitsQkv
    """
    yield from _normalized(call)
    for name, width in (("q", "Nq"), ("k", "Nkv"), ("v", "Nkv")):
        yield from _projection(call, name, call.attr(width, int), call.output(name.upper()))


def _projection(call: Call, name: str, columns: int, y: TensorType) -> Iterator[Term]:
    _check_blocks(call, f"{name}_B", columns)
    yield from _dequantized(f"{name}_B", columns, call.attr("K", int), call.input("A").dtype)
    yield _projected(call, f"{name}_B", columns)
    yield from biased(call, f"{name}_bias", y)


def _normalized(call: Call) -> Iterator[Term]:
    a = call.input("A")
    if call.optional("skip"):
        yield work("A + skip", Arith.ADD, elements=a.elements)
    if call.optional("norm_scale"):
        rows = axes.over(call, a, [-1])
        yield from normalization.inverse_root_mean_square(rows)
        yield work("* norm_scale", Arith.MUL, rows=rows.count, elements=rows.size)


@MICROSOFT.types("MatMulNBitsQkv")
def qkv_types(call: Call) -> Iterator[TensorType]:
    """Yield Q: (..., Nq), K and V: (..., Nkv), and what is normalized: as A."""
    for width in ("Nq", "Nkv", "Nkv"):
        yield _with_columns(call, call.attr(width, int))
    yield call.partial("A")


MICROSOFT.signature("MatMulBnb4", "A B absmax -> Y", transB=1, training_mode=0)
MICROSOFT.signature("MatMulFpQ4", "A B B_shape -> Y", blk_quant_type=1)
MICROSOFT.signature("MatMulBlockQuantizedFp4Weight", "A B weight_scale weight_scale_2 input_scale? bias? -> Y")
MICROSOFT.signature("MatMulBlockQuantizedFp8Weight", "A B b_scale a_scale? bias? -> Y")


@MICROSOFT.rule("MatMulBnb4", not_weights="absmax", packed={"B": _weights})
def matmul_bnb4(call: Call) -> Iterator[Term]:
    """Y = A * B', with B[n, k] = table[q] * absmax for every block of `block_size` numbers; with transB=0, Y = A * B.

    A: (..., K), Y: (..., N), with transB=0 A: (..., N), Y: (..., K). Finding one of the 16 numbers of FP4 or NF4 by
    its place in their table computes nothing.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulBnb4
    """
    y, n, k = call.output("Y"), call.attr("N", int), call.attr("K", int)
    if n < 1 or k < 1 or call.input("B").elements != -(-n * k // 2):
        raise call.error(f"wants B to hold N * K = {n} * {k} numbers, two to a byte, it is {call.input('B')}")
    yield work("table[q] * absmax", Arith.MUL, columns=n, inner=k)
    b = TensorType(DType.UINT8, (k, n) if call.attr("transB", int) else (n, k))
    yield matmul.product(call, call.input("A"), b, y)


@MICROSOFT.types("MatMulBnb4")
def bnb4_type(call: Call) -> Iterator[TensorType]:
    """Yield Y: (..., N), with transB=0 (..., K)."""
    yield _with_columns(call, call.attr("N" if call.attr("transB", int) else "K", int))


def _sizes(call: Call) -> tuple[int, int]:
    """Return K and N, which MatMulFpQ4 takes as elements of an input."""
    shape = call.constant("B_shape").reshape(-1)
    if shape.size != 2:
        raise call.error(f"wants B_shape to have 2 elements, it has {shape.size}")
    return int(shape[0]), int(shape[1])


def _blob(call: Call) -> int:
    inner, columns = _sizes(call)
    return inner * columns


@MICROSOFT.rule("MatMulFpQ4", not_weights="B_shape", packed={"B": _blob})
def matmul_fpq4(call: Call) -> Iterator[Term]:
    """Y = A * B, with B[k, n] = q * scale for every block along K; with blk_quant_type=1, (q - offset) * scale.

    A: (..., K), B_shape: K and N, Y: (..., N).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulFpQ4
    """
    inner, columns = _sizes(call)
    if call.attr("blk_quant_type", int) == 1:
        yield work("B - offset", Arith.ADD, columns=columns, inner=inner)
    yield work("B * scale", Arith.MUL, columns=columns, inner=inner)
    yield matmul.product(call, call.input("A"), TensorType(DType.UINT8, (inner, columns)), call.output("Y"))


@MICROSOFT.types("MatMulFpQ4")
def fpq4_type(call: Call) -> Iterator[TensorType]:
    """Yield Y: (..., N)."""
    yield _with_columns(call, _sizes(call)[1])


def _pairs(call: Call) -> int:
    return 2 * call.input("B").elements


@MICROSOFT.rule(
    "MatMulBlockQuantizedFp4Weight",
    not_weights="weight_scale weight_scale_2 input_scale",
    packed={"B": _pairs},
)
def matmul_fp4_weight(call: Call) -> Iterator[Term]:
    """Y = A * B' + bias, with B[n, k] = e2m1(q) * scale and scale = weight_scale_2 * weight_scale for every block.

    A: (..., K), B: (N, K/2), two numbers a byte, Y: (..., N), bias: (N,). The scale costs nothing where its factors
    are known before any run. input_scale is not used.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulBlockQuantizedFp4Weight
    """
    a, b, y = call.input("A"), call.input("B"), call.output("Y")
    columns, pairs = dims_of(call, "B", 2)
    if not is_beforehand(call, "weight_scale", "weight_scale_2"):
        yield work("weight_scale_2 * weight_scale", Arith.MUL, scales=call.input("weight_scale").elements)
    yield work("B * scale", Arith.MUL, columns=columns, inner=2 * pairs)
    yield matmul.product(call, a, replace(b, shape=(2 * pairs, columns)), y)
    yield from biased(call, "bias", y)


@MICROSOFT.rule("MatMulBlockQuantizedFp8Weight", not_weights="b_scale a_scale")
def matmul_fp8_weight(call: Call) -> Iterator[Term]:
    """Y = A * B' + bias, with B[n, k] = q * b_scale for every block; with a_scale, of fp8(A / a_scale) * a_scale.

    A: (..., K), B: (N, K), Y: (..., N), bias: (N,). Computed in A's type; taking the nearest of 8 bits' values is a
    change of representation.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulBlockQuantizedFp8Weight
    """
    a, b, y = call.input("A"), call.input("B"), call.output("Y")
    dims_of(call, "B", 2)
    if call.optional("a_scale"):
        yield work("A / a_scale", Arith.DIV, elements=a.elements)
        yield work("fp8(A / a_scale) * a_scale", Arith.MUL, elements=a.elements)
    yield work("B * b_scale", Arith.MUL, elements=b.elements)
    yield matmul.product(call, a, replace(b, shape=b.dims[::-1]), y)
    yield from biased(call, "bias", y)


@MICROSOFT.types("MatMulBlockQuantizedFp4Weight", "MatMulBlockQuantizedFp8Weight")
def block_quantized_type(call: Call) -> Iterator[TensorType]:
    """Yield Y: (..., N)."""
    yield _with_columns(call, (shape_of(call.partial("B")) or (None,))[0])


MICROSOFT.signature(
    "GemmFloat8",
    "A B C? scaleA? scaleB? scaleY? -> Y",
    transA=0,
    transB=0,
    alpha=1.0,
    beta=0.0,
    dtype=1,
    activation="NONE",
)

_FLOATS = FLOATS | {17: DType.FLOAT8E4M3FN, 19: DType.FLOAT8E5M2}
_ACTIVATIONS = {"NONE": None, "RELU": TABLE["Relu"], "GELU": GELU["none"]}


@MICROSOFT.rule("GemmFloat8", not_weights="scaleA scaleB scaleY")
def gemm_float8(call: Call) -> Iterator[Term]:
    """Y = activation(scale * A * B + beta * C) * scaleY, with scale = alpha * scaleA * scaleB.

    A: (M, K) or, with transA, (K, M); B: (K, N) or, with transB, (N, K); Y: (M, N). Factors that are left out or, as
    attributes, 1 cost nothing; with beta=0, its default, C is not added. scale costs nothing to make where its factors
    are known before any run. GELU is the one of the error function. All but the products is computed in float32.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.GemmFloat8
    """
    y = call.output("Y")
    yield matmul.product(call, *matmul.both_as_read(call), y)
    yield from in_type(DType.FLOAT32, _finished(call, y.elements))


def _finished(call: Call, outputs: int) -> Iterator[Term]:
    scales = [name for name in ("scaleA", "scaleB") if call.optional(name)]
    factors = len(scales) + (call.attr("alpha", float) != 1)
    if factors > 1 and not is_beforehand(call, *scales):
        yield work("scale = alpha * scaleA * scaleB", Arith.MUL, products=factors - 1)
    if factors:
        yield work("scale * A*B", Arith.MUL, outputs=outputs)
    if (c := call.optional("C")) and (beta := call.attr("beta", float)):
        if beta != 1:
            yield work("beta * C", Arith.MUL, elements=c.elements)
        yield work("+ beta * C", Arith.ADD, outputs=outputs)
    if row := _ACTIVATIONS[call.choice("activation", _ACTIVATIONS)]:
        yield from row.over(outputs)
    if call.optional("scaleY"):
        yield work("* scaleY", Arith.MUL, outputs=outputs)


@MICROSOFT.types("GemmFloat8")
def gemm_float8_type(call: Call) -> Iterator[TensorType]:
    """Yield Y: (M, N), in the type that `dtype` names."""
    yield TensorType(named_float(call, "dtype", _FLOATS), matmul.gemm_type(call).shape)
