"""Products, activations and sums that onnxruntime's optimizer fuses into one operator, each priced as its parts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphcost.rules import conv, matmul, softmax
from graphcost.rules.elementwise import GELU, SILU, TABLE, Row, row
from graphcost.rules.registry import MICROSOFT
from graphcost.rules.shared import axes, window_types
from graphcost.rules.shared.operands import biased, check_shape
from graphcost.rules.shared.sizes import where_known
from graphcost.terms import Arith, work
from graphcost.types import shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import TensorType


ADD, MUL, CMP, EXP, LOG, TANH = Arith.ADD, Arith.MUL, Arith.CMP, Arith.EXP, Arith.LOG, Arith.TANH

_ALIKE = (
    *("Elu", "HardSigmoid", "LeakyRelu", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Tanh"),
    "ThresholdedRelu",
)
ACTIVATIONS = {name: TABLE[name] for name in _ALIKE} | {
    "Clip": row("min(max(x, low), high)", CMP, CMP),
    "Silu": SILU,
    "ScaledTanh": row("alpha * tanh(beta * x)", MUL, TANH, MUL),
    "ParametricSoftplus": row("alpha * log(exp(beta * x) + 1)", MUL, EXP, ADD, LOG, MUL),
}
"""What the attribute `activation` can name."""

FAST_GELU = row(
    "0.5 * x * (1 + tanh(0.797885 * x + 0.035677 * x * x * x))",
    *(MUL, MUL, MUL, MUL, MUL, ADD, TANH, ADD, MUL),
)


def activation(call: Call, outputs: int) -> Iterator[Term]:
    """Yield the work of the function that the attribute `activation` names, for so many elements."""
    if call.attr_or("activation", str, ""):
        yield from ACTIVATIONS[call.choice("activation", ACTIVATIONS)].over(outputs)


# Products of matrices

_TRANSPOSED = {"transA": 0, "transB": 0, "transBatchA": 0, "transBatchB": 0, "alpha": 1.0}

MICROSOFT.signature("FusedMatMul", "A B -> Y", **_TRANSPOSED)
MICROSOFT.signature("TransposeMatMul", "A B -> Y", **_TRANSPOSED)
MICROSOFT.signature("FusedMatMulActivation", "A B -> Y", **_TRANSPOSED)
MICROSOFT.signature("FusedGemm", "A B C? -> Y", transA=0, transB=0, alpha=1.0, beta=1.0)
MICROSOFT.signature("GemmFastGelu", "X W bias? -> Y")


@MICROSOFT.types("FusedMatMul", "TransposeMatMul", "FusedMatMulActivation")
def fused_matmul_type(call: Call) -> Iterator[TensorType]:
    """Y has the batches of A and B, the rows of A as it is read and the columns of B as it is read."""
    yield matmul.product_type(call, _read(call, call.partial("A"), "A"), _read(call, call.partial("B"), "B"))


@MICROSOFT.rule("FusedMatMul", "TransposeMatMul")
def fused_matmul(call: Call) -> Iterator[Term]:
    """Y = alpha * (A * B), as MatMul, with A and B read in the order that their attributes say.

    transA, transB: the last two axes change places; transBatchA, transBatchB: the first axis holds the rows, and the
    batches follow it. Reading in another order computes nothing; a vector is read as it is. alpha costs a
    multiplication per element of Y where it is not 1.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.FusedMatMul
    """
    y = call.output("Y")
    yield matmul.product(call, _read(call, call.input("A"), "A"), _read(call, call.input("B"), "B"), y)
    if call.attr("alpha", float) != 1:
        yield work("alpha * A*B", MUL, outputs=y.elements)


@MICROSOFT.rule("FusedMatMulActivation")
def fused_matmul_activation(call: Call) -> Iterator[Term]:
    """Y = activation(alpha * (A * B)), as FusedMatMul; Softmax runs along `activation_axis`, by default the last.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
    """
    y = call.output("Y")
    yield from fused_matmul(call)
    if call.attr("activation", str) == "Softmax":
        yield from softmax.shares(axes.over(call, y, [call.attr_or("activation_axis", int, -1)]))
    else:
        yield from activation(call, y.elements)


def _read(call: Call, tensor: TensorType, name: str) -> TensorType:
    """Return the type of A or B as the product reads it: (*batches, rows, columns)."""
    shape = shape_of(tensor)
    if len(shape) < 2:
        return tensor
    *batches, rows, columns = (*shape[1:-1], shape[0], shape[-1]) if call.attr(f"transBatch{name}", int) else shape
    if call.attr(f"trans{name}", int):
        rows, columns = columns, rows
    return replace(tensor, shape=(*batches, rows, columns))


@MICROSOFT.types("FusedGemm")
def fused_gemm_type(call: Call) -> Iterator[TensorType]:
    """Y: (M, N), as Gemm's."""
    yield matmul.gemm_type(call)


@MICROSOFT.rule("FusedGemm")
def fused_gemm(call: Call) -> Iterator[Term]:
    """Y = activation(alpha * A * B + beta * C), as Gemm.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
    """
    yield from matmul.gemm(call)
    yield from activation(call, call.output("Y").elements)


@MICROSOFT.types("GemmFastGelu")
def gemm_fast_gelu_type(call: Call) -> Iterator[TensorType]:
    """Y has the type of MatMul's."""
    yield matmul.product_type(call, call.partial("X"), call.partial("W"))


@MICROSOFT.rule("GemmFastGelu")
def gemm_fast_gelu(call: Call) -> Iterator[Term]:
    """Y = FastGelu(X * W + bias), with the product of MatMul. X: (..., K), W: (K, N), bias: (N,), Y: (..., N).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.GemmFastGelu
    """
    y = call.output("Y")
    yield replace(matmul.product(call, call.input("X"), call.input("W"), y), what="X*W", wrt=("X", "W"))
    yield from biased(call, "bias", y)
    yield from FAST_GELU.over(y.elements)


# Convolutions

_WINDOWS = {"auto_pad": "NOTSET", "group": 1}

MICROSOFT.signature("FusedConv", "X W B? Z? -> Y", **_WINDOWS)
MICROSOFT.signature("ConvTransposeWithDynamicPads", "X W Pads? B? -> Y", **_WINDOWS)


@MICROSOFT.types("FusedConv")
def fused_conv_type(call: Call) -> Iterator[TensorType]:
    """Y has the type of Conv's."""
    yield window_types.convolved(call, call.partial("X"), call.partial("W"))


@MICROSOFT.rule("FusedConv")
def fused_conv(call: Call) -> Iterator[Term]:
    """Y = activation(X * W + B + Z), with the product of Conv and the sum Z of Y's shape.

    `activation_params` are constants of the activation: LeakyRelu's alpha, Clip's two bounds (both compared with).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
    """
    yield from convolved_and_added(call, "Z")


def convolved_and_added(call: Call, addend: str) -> Iterator[Term]:
    """Yield the work of activation(X * W + B + addend), for (N, C, *spatial)."""
    y = call.output("Y")
    yield from conv.conv(call)
    if call.optional(addend):
        check_shape(call, addend, y.dims)
        yield work(f"+ {addend}", ADD, outputs=y.elements)
    yield from activation(call, y.elements)


@MICROSOFT.types("ConvTransposeWithDynamicPads")
def conv_transpose_with_dynamic_pads_type(call: Call) -> Iterator[TensorType]:
    """Y has the type of ConvTranspose's; its spatial sizes are known where the elements of Pads are."""
    x, found = call.partial("X"), call.known("Pads")
    entries = 2 * (x.rank - 2)
    pads = None if found is None else found.reshape(-1).tolist()
    if not call.has_input("Pads"):
        pads = [0] * entries
    if pads is not None and len(pads) != entries:
        raise call.error(f"wants {entries} Pads for X of rank {x.rank}, there are {len(pads)}")
    yield window_types.deconvolved(call, x, call.partial("W"), pads)


@MICROSOFT.rule("ConvTransposeWithDynamicPads")
def conv_transpose_with_dynamic_pads(call: Call) -> Iterator[Term]:
    """Y = ConvTranspose(X, W, B), with the pads that the input Pads holds.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
    """
    yield from conv.conv_transpose(call)


# Activations and sums, element by element

MICROSOFT.signature("BiasGelu", "A B -> C")
MICROSOFT.signature("FastGelu", "X bias? -> Y")
MICROSOFT.signature("QuickGelu", "X -> Y", alpha=1.702)
MICROSOFT.signature("Gelu", "X -> Y")
MICROSOFT.signature("BiasSplitGelu", "X bias -> Y")
MICROSOFT.signature("BiasAdd", "X bias skip -> Y")
MICROSOFT.signature("BiasSoftmax", "data bias -> output", axis=1)
MICROSOFT.signature("GatedAdd", "X Y gate -> output")
MICROSOFT.signature("ScaledSiLU", "X scale? -> Y", alpha=1.0)

_KEEPS_TYPE = ("BiasGelu", "FastGelu", "QuickGelu", "Gelu", "BiasAdd", "BiasSoftmax", "GatedAdd", "ScaledSiLU")


MICROSOFT.like_input(*_KEEPS_TYPE)


def _one_row(op_type: str, formula: Row) -> None:
    source = f"https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.{op_type}"
    doc = f"y = {formula.formula}, for every element of the output.\n\nSource: {source}"
    MICROSOFT.rule(op_type, overwrites=True, doc=doc)(formula.terms)


_one_row("Gelu", GELU["none"])
_one_row("QuickGelu", TABLE["Swish"])
_one_row("ScaledSiLU", row("z * (1 / (1 + exp(-z))), with z = scale * x", MUL, *SILU.kinds))
_one_row("GatedAdd", row("x + y * gate", MUL, ADD))


@MICROSOFT.rule("BiasGelu", overwrites=True)
def bias_gelu(call: Call) -> Iterator[Term]:
    """C = Gelu(A + B), with Gelu(x) = 0.5 * x * (1 + erf(x / sqrt(2))). A, C: (..., D), B: (D,).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.BiasGelu
    """
    outputs = call.output("C")
    yield from biased(call, "B", outputs)
    yield from GELU["none"].over(outputs.elements)


@MICROSOFT.rule("FastGelu", overwrites=True)
def fast_gelu(call: Call) -> Iterator[Term]:
    """Y = 0.5 * x * (1 + tanh(0.797885 * x + 0.035677 * x * x * x)), with x = X + bias. X, Y: (..., D), bias: (D,).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.FastGelu
    """
    y = call.output("Y")
    yield from biased(call, "bias", y)
    yield from FAST_GELU.over(y.elements)


@MICROSOFT.types("BiasSplitGelu")
def bias_split_gelu_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, S, D/2), for X: (N, S, D)."""
    x = call.partial("X")
    *batches, hidden = shape_of(x) or (None,)
    yield replace(x, shape=(*batches, where_known(lambda size: size // 2, hidden)))


@MICROSOFT.rule("BiasSplitGelu")
def bias_split_gelu(call: Call) -> Iterator[Term]:
    """Y = left * Gelu(right), the halves of X + bias, with Gelu(x) = 0.5 * x * (1 + erf(x / sqrt(2))).

    X: (N, S, D), bias: (D,), Y: (N, S, D/2).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.BiasSplitGelu
    """
    x, y = call.input("X"), call.output("Y")
    if x.rank < 1 or x.dims[-1] % 2:
        raise call.error(f"wants X with two halves, it is {x.dims}")
    yield from biased(call, "bias", x)
    yield from GELU["none"].over(y.elements)
    yield work("left * Gelu(right)", MUL, outputs=y.elements)


@MICROSOFT.rule("BiasAdd", overwrites=True)
def bias_add(call: Call) -> Iterator[Term]:
    """Y = X + bias + skip. X, skip, Y: (N, S, C), bias: (C,).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.BiasAdd
    """
    y = call.output("Y")
    yield from biased(call, "bias", y)
    yield work("+ skip", ADD, outputs=y.elements)


@MICROSOFT.rule("BiasSoftmax")
def bias_softmax(call: Call) -> Iterator[Term]:
    """Output = e / sum(e), with e = exp(x - max(x)) and x = data + bias, row by row; the bias is broadcast.

    A row runs along `axis` and all axes that follow it.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.BiasSoftmax
    """
    data = call.input("data")
    yield work("data + bias", ADD, elements=data.elements)
    yield from softmax.shares(axes.from_axis(call, data, call.attr("axis", int)))
