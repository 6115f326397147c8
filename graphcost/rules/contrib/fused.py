"""Products, activations and sums that onnxruntime's optimizer fuses into one operator, each priced as its parts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphcost.rules import axes, conv, matmul, softmax, windows
from graphcost.rules.domains import MICROSOFT
from graphcost.rules.elementwise import GELU, SILU, TABLE, Row, row
from graphcost.rules.registry import rule, signature, types
from graphcost.terms import Arith, work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Shape, TensorType


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
    name = call.attr_or("activation", str, "")
    if not name:
        return
    if name not in ACTIVATIONS:
        raise call.error(f"wants activation to be one of {', '.join(ACTIVATIONS)}, it is {name!r}")
    yield from ACTIVATIONS[name].over(outputs)


def check_shape(call: Call, name: str, wanted: tuple[int, ...]) -> None:
    """Raise NodeError where an input has another shape."""
    found = call.input(name).dims
    if found != wanted:
        raise call.error(f"wants {name} of shape {wanted}, it is {found}")


# Products of matrices

_TRANSPOSED = {"transA": 0, "transB": 0, "transBatchA": 0, "transBatchB": 0, "alpha": 1.0}

signature("FusedMatMul", "A B -> Y", domain=MICROSOFT, **_TRANSPOSED)
signature("TransposeMatMul", "A B -> Y", domain=MICROSOFT, **_TRANSPOSED)
signature("FusedMatMulActivation", "A B -> Y", domain=MICROSOFT, **_TRANSPOSED)
signature("FusedGemm", "A B C? -> Y", domain=MICROSOFT, transA=0, transB=0, alpha=1.0, beta=1.0)
signature("GemmFastGelu", "X W bias? -> Y", domain=MICROSOFT)


@types("FusedMatMul", "TransposeMatMul", "FusedMatMulActivation", domain=MICROSOFT)
def fused_matmul_type(call: Call) -> Iterator[TensorType]:
    """Y has the batches of A and B, the rows of A as it is read and the columns of B as it is read."""
    yield matmul.product_type(call, _read(call, call.partial("A"), "A"), _read(call, call.partial("B"), "B"))


@rule("FusedMatMul", "TransposeMatMul", domain=MICROSOFT)
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


@rule("FusedMatMulActivation", domain=MICROSOFT)
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
    shape: Shape = tensor.shape or ()
    if len(shape) < 2:
        return tensor
    *batches, rows, columns = (*shape[1:-1], shape[0], shape[-1]) if call.attr(f"transBatch{name}", int) else shape
    if call.attr(f"trans{name}", int):
        rows, columns = columns, rows
    return replace(tensor, shape=(*batches, rows, columns))


@types("FusedGemm", domain=MICROSOFT)
def fused_gemm_type(call: Call) -> Iterator[TensorType]:
    """Y: (M, N), as Gemm's."""
    yield matmul.gemm_type(call)


@rule("FusedGemm", domain=MICROSOFT)
def fused_gemm(call: Call) -> Iterator[Term]:
    """Y = activation(alpha * A * B + beta * C), as Gemm.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
    """
    yield from matmul.gemm(call)
    yield from activation(call, call.output("Y").elements)


@types("GemmFastGelu", domain=MICROSOFT)
def gemm_fast_gelu_type(call: Call) -> Iterator[TensorType]:
    """Y has the type of MatMul's."""
    yield matmul.product_type(call, call.partial("X"), call.partial("W"))


@rule("GemmFastGelu", domain=MICROSOFT)
def gemm_fast_gelu(call: Call) -> Iterator[Term]:
    """Y = FastGelu(X * W + bias), with the product of MatMul. X: (..., K), W: (K, N), bias: (N,), Y: (..., N).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.GemmFastGelu
    """
    y = call.output("Y")
    yield replace(matmul.product(call, call.input("X"), call.input("W"), y), what="X*W", wrt=("X", "W"))
    yield from _biased(call, "bias", y)
    yield from FAST_GELU.over(y.elements)


# Convolutions

_WINDOWS = {"auto_pad": "NOTSET", "group": 1}

signature("FusedConv", "X W B? Z? -> Y", domain=MICROSOFT, **_WINDOWS)
signature("ConvTransposeWithDynamicPads", "X W Pads? B? -> Y", domain=MICROSOFT, **_WINDOWS)


@types("FusedConv", domain=MICROSOFT)
def fused_conv_type(call: Call) -> Iterator[TensorType]:
    """Y has the type of Conv's."""
    yield windows.convolved(call, call.partial("X"), call.partial("W"))


@rule("FusedConv", domain=MICROSOFT)
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


@types("ConvTransposeWithDynamicPads", domain=MICROSOFT)
def conv_transpose_with_dynamic_pads_type(call: Call) -> Iterator[TensorType]:
    """Y has the type of ConvTranspose's; its spatial sizes are known where the elements of Pads are."""
    x, place = call.partial("X"), call.schema.inputs.index("Pads")
    entries = 2 * (x.rank - 2)
    is_given = place < len(call.inputs) and call.inputs[place] is not None
    found = call.constants[place] if is_given and place < len(call.constants) else None
    pads = [0] * entries if not is_given else None if found is None else found.reshape(-1).tolist()
    if pads is not None and len(pads) != entries:
        raise call.error(f"wants {entries} Pads for X of rank {x.rank}, there are {len(pads)}")
    yield windows.deconvolved(call, x, call.partial("W"), pads)


@rule("ConvTransposeWithDynamicPads", domain=MICROSOFT)
def conv_transpose_with_dynamic_pads(call: Call) -> Iterator[Term]:
    """Y = ConvTranspose(X, W, B), with the pads that the input Pads holds.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
    """
    yield from conv.conv_transpose(call)


# Activations and sums, element by element

signature("BiasGelu", "A B -> C", domain=MICROSOFT)
signature("FastGelu", "X bias? -> Y", domain=MICROSOFT)
signature("QuickGelu", "X -> Y", domain=MICROSOFT, alpha=1.702)
signature("Gelu", "X -> Y", domain=MICROSOFT)
signature("BiasSplitGelu", "X bias -> Y", domain=MICROSOFT)
signature("BiasAdd", "X bias skip -> Y", domain=MICROSOFT)
signature("BiasSoftmax", "data bias -> output", domain=MICROSOFT, axis=1)
signature("GatedAdd", "X Y gate -> output", domain=MICROSOFT)
signature("ScaledSiLU", "X scale? -> Y", domain=MICROSOFT, alpha=1.0)

_KEEPS_TYPE = ("BiasGelu", "FastGelu", "QuickGelu", "Gelu", "BiasAdd", "BiasSoftmax", "GatedAdd", "ScaledSiLU")


@types(*_KEEPS_TYPE, domain=MICROSOFT)
def type_of_first(call: Call) -> Iterator[TensorType]:
    """The output has the type of the first input."""
    yield call.partial(call.schema.inputs[0])


def _one_row(op_type: str, formula: Row) -> None:
    source = f"https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.{op_type}"
    doc = f"y = {formula.formula}, for every element of the output.\n\nSource: {source}"
    rule(op_type, domain=MICROSOFT, overwrites=True, doc=doc)(formula.terms)


_one_row("Gelu", GELU["none"])
_one_row("QuickGelu", TABLE["Swish"])
_one_row("ScaledSiLU", row("z * (1 / (1 + exp(-z))), with z = scale * x", MUL, *SILU.kinds))
_one_row("GatedAdd", row("x + y * gate", MUL, ADD))


@rule("BiasGelu", domain=MICROSOFT, overwrites=True)
def bias_gelu(call: Call) -> Iterator[Term]:
    """C = Gelu(A + B), with Gelu(x) = 0.5 * x * (1 + erf(x / sqrt(2))). A, C: (..., D), B: (D,).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.BiasGelu
    """
    outputs = call.output("C")
    yield from _biased(call, "B", outputs)
    yield from GELU["none"].over(outputs.elements)


@rule("FastGelu", domain=MICROSOFT, overwrites=True)
def fast_gelu(call: Call) -> Iterator[Term]:
    """Y = 0.5 * x * (1 + tanh(0.797885 * x + 0.035677 * x * x * x)), with x = X + bias. X, Y: (..., D), bias: (D,).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.FastGelu
    """
    y = call.output("Y")
    yield from _biased(call, "bias", y)
    yield from FAST_GELU.over(y.elements)


@types("BiasSplitGelu", domain=MICROSOFT)
def bias_split_gelu_type(call: Call) -> Iterator[TensorType]:
    """Y: (N, S, D/2), for X: (N, S, D)."""
    x = call.partial("X")
    *batches, hidden = x.shape or (None,)
    yield replace(x, shape=(*batches, hidden // 2 if isinstance(hidden, int) else None))


@rule("BiasSplitGelu", domain=MICROSOFT)
def bias_split_gelu(call: Call) -> Iterator[Term]:
    """Y = left * Gelu(right), the halves of X + bias, with Gelu(x) = 0.5 * x * (1 + erf(x / sqrt(2))).

    X: (N, S, D), bias: (D,), Y: (N, S, D/2).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.BiasSplitGelu
    """
    x, y = call.input("X"), call.output("Y")
    if x.rank < 1 or x.dims[-1] % 2:
        raise call.error(f"wants X with two halves, it is {x.dims}")
    yield from _biased(call, "bias", x)
    yield from GELU["none"].over(y.elements)
    yield work("left * Gelu(right)", MUL, outputs=y.elements)


@rule("BiasAdd", domain=MICROSOFT, overwrites=True)
def bias_add(call: Call) -> Iterator[Term]:
    """Y = X + bias + skip. X, skip, Y: (N, S, C), bias: (C,).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.BiasAdd
    """
    y = call.output("Y")
    yield from _biased(call, "bias", y)
    yield work("+ skip", ADD, outputs=y.elements)


@rule("BiasSoftmax", domain=MICROSOFT)
def bias_softmax(call: Call) -> Iterator[Term]:
    """Output = e / sum(e), with e = exp(x - max(x)) and x = data + bias, row by row; the bias is broadcast.

    A row runs along `axis` and all axes that follow it.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.BiasSoftmax
    """
    data = call.input("data")
    yield work("data + bias", ADD, elements=data.elements)
    yield from softmax.shares(axes.from_axis(call, data, call.attr("axis", int)))


def _biased(call: Call, name: str, x: TensorType) -> Iterator[Term]:
    """Yield the work of adding a vector along the last axis of a tensor, where there is one."""
    if call.optional(name):
        check_shape(call, name, x.dims[-1:])
        yield work(f"+ {name}", ADD, elements=x.elements)
