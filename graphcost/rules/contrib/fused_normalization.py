"""Normalizations that onnxruntime fuses with the sum, the look-up or the activation around them.

Each costs what its parts do: the formulas of normalization.py, and the sums and activations as they are written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules import normalization
from graphcost.rules.elementwise import SILU, TABLE
from graphcost.rules.registry import MICROSOFT
from graphcost.rules.shared import axes, window_types
from graphcost.rules.shared.embedding import counted, reads_rows
from graphcost.rules.shared.operands import check_shape
from graphcost.terms import Arith, in_type, work
from graphcost.types import DType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term

ADD, MUL, CMP, DIV = Arith.ADD, Arith.MUL, Arith.CMP, Arith.DIV

# A sum, then layer normalization

_EPSILON = 1e-12
_SAVED = "output mean? inv_std_var? input_skip_bias_sum?"

MICROSOFT.signature("SkipLayerNormalization", f"input skip gamma beta? bias? -> {_SAVED}", epsilon=_EPSILON)
MICROSOFT.signature("SkipSimplifiedLayerNormalization", f"input skip gamma bias? -> {_SAVED}", epsilon=_EPSILON)


@MICROSOFT.types("SkipLayerNormalization", "SkipSimplifiedLayerNormalization")
def skip_types(call: Call) -> Iterator[TensorType]:
    """The outputs have the input's type, but mean and inv_std_var are float32, one for each row."""
    x = call.partial("input")
    saved = TensorType(DType.FLOAT32, (*shape_of(x)[:-1], 1))
    yield from (x, saved, saved, x)


@MICROSOFT.rule("SkipLayerNormalization")
def skip_layer_normalization(call: Call) -> Iterator[Term]:
    """Output = d * InvStdDev * gamma + beta, with d = s - mean(s), s = input + skip + bias, as LayerNormalization.

    input: (..., H); skip: the same, or broadcast to it; gamma, beta, bias: (H,). InvStdDev = 1 / sqrt(var + epsilon).
    The other outputs are parts of it and cost nothing more.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
    """
    rows = axes.over(call, call.input("input"), [-1])
    yield from _sum(call, rows)
    yield from normalization.standardized(rows)
    yield from _scaled(call, rows, "gamma")
    yield from _shifted(call, rows, "beta")


@MICROSOFT.rule("SkipSimplifiedLayerNormalization")
def skip_simplified_layer_normalization(call: Call) -> Iterator[Term]:
    """Output = s * InvRMS * gamma, with s = input + skip + bias and InvRMS = 1 / sqrt(mean(s * s) + epsilon).

    input: (..., H); skip: the same, or broadcast to it; gamma, bias: (H,). The other outputs are parts of it and cost
    nothing more.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
    """
    rows = axes.over(call, call.input("input"), [-1])
    yield from _sum(call, rows)
    yield from normalization.inverse_root_mean_square(rows)
    yield from _scaled(call, rows, "gamma")


def _sum(call: Call, rows: axes.Rows) -> Iterator[Term]:
    if call.input("skip").elements > rows.elements:
        raise call.error(f"wants skip broadcast to {call.input('input').dims}, it is {call.input('skip').dims}")
    yield work("input + skip", ADD, rows=rows.count, elements=rows.size)
    yield from _shifted(call, rows, "bias")


def _scaled(call: Call, rows: axes.Rows, name: str) -> Iterator[Term]:
    check_shape(call, name, (rows.size,))
    yield work(f"* {name}", MUL, rows=rows.count, elements=rows.size)


def _shifted(call: Call, rows: axes.Rows, name: str) -> Iterator[Term]:
    if call.optional(name):
        check_shape(call, name, (rows.size,))
        yield work(f"+ {name}", ADD, rows=rows.count, elements=rows.size)


# Root mean squares

MICROSOFT.signature("BranchwiseRMSNorm", "X scale? -> Y", num_branches=0, epsilon=1e-5)
MICROSOFT.signature("GatedRMSNorm", "X scale gate -> Y", activation="silu", epsilon=1e-5)


MICROSOFT.like_input("BranchwiseRMSNorm", "GatedRMSNorm", "GroupNorm")


@MICROSOFT.rule("BranchwiseRMSNorm")
def branchwise_rms_norm(call: Call) -> Iterator[Term]:
    """Y = X * InvRMS * scale, with InvRMS = 1 / sqrt(mean(X * X) + epsilon) for each branch, computed in float32.

    X: (..., C, H), or (..., C * H) with `num_branches` C; a row is one branch of H elements. scale: one of (C * H,),
    (C, H), (H,), or left out.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.BranchwiseRMSNorm
    """
    whole, branches = axes.over(call, call.input("X"), [-1]), call.attr("num_branches", int) or 1
    if branches < 1 or whole.size % branches:
        raise call.error(f"wants num_branches to be a divisor of the {whole.size} of X, it is {branches}")
    rows = axes.Rows(whole.count * branches, whole.size // branches)
    yield from normalization.inverse_root_mean_square(rows, DType.FLOAT32)
    if call.optional("scale"):
        yield work("* scale", MUL, dtype=DType.FLOAT32, rows=rows.count, elements=rows.size)


@MICROSOFT.rule("GatedRMSNorm")
def gated_rms_norm(call: Call) -> Iterator[Term]:
    """Y = X * InvRMS * scale * activation(gate), with InvRMS = 1 / sqrt(mean(X * X) + epsilon), in float32.

    X, gate: (..., H * C), scale: (C,); a row is one group of C elements. `activation` is silu (or swish), z *
    sigmoid(z), or sigmoid.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.GatedRMSNorm
    """
    whole, size = axes.over(call, call.input("X"), [-1]), call.input("scale").elements
    if size < 1 or whole.size % size:
        raise call.error(f"wants a scale whose size divides the {whole.size} of X, it has {size}")
    rows, activation = axes.Rows(whole.elements // size, size), call.choice("activation", _GATES)
    yield from normalization.inverse_root_mean_square(rows, DType.FLOAT32)
    yield work("* scale", MUL, dtype=DType.FLOAT32, rows=rows.count, elements=rows.size)
    yield from in_type(DType.FLOAT32, _GATES[activation].over(whole.elements))
    yield work("* activation(gate)", MUL, dtype=DType.FLOAT32, rows=rows.count, elements=rows.size)


_GATES = {"silu": SILU, "swish": SILU, "sigmoid": TABLE["Sigmoid"]}


# Group normalization

MICROSOFT.signature("GroupNorm", "X gamma beta -> Y", channels_last=1, epsilon=1e-5)
MICROSOFT.signature("SkipGroupNorm", "X gamma beta skip bias? -> Y S?", channels_last=1, epsilon=1e-5)


@MICROSOFT.rule("GroupNorm")
def group_norm(call: Call) -> Iterator[Term]:
    """Y = activation(gamma * (x - mean) / sqrt(variance + epsilon) + beta), with mean and variance per group.

    X, Y: (N, H, W, C), or (N, C, H, W) where `channels_last` is 0; gamma, beta: (C,). `activation` is 0 for none,
    1 for SiLU, z * sigmoid(z).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.GroupNorm
    """
    x = call.input("X")
    yield from normalization.group_normalized(call, _channels_first(call, x), "groups")
    if call.attr("activation", int) == 1:
        yield from SILU.over(x.elements)


@MICROSOFT.types("SkipGroupNorm")
def skip_group_norm_types(call: Call) -> Iterator[TensorType]:
    """Y and S have the type of X."""
    yield from (call.partial("X"), call.partial("X"))


@MICROSOFT.rule("SkipGroupNorm")
def skip_group_norm(call: Call) -> Iterator[Term]:
    """Y = GroupNorm(S), with S = X + skip + bias; skip is broadcast to X, bias: (C,).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.SkipGroupNorm
    """
    x = call.input("X")
    yield work("X + skip", ADD, elements=x.elements)
    if call.optional("bias"):
        check_shape(call, "bias", _channels_first(call, x).dims[1:2])
        yield work("+ bias", ADD, elements=x.elements)
    yield from group_norm(call)


def _channels_first(call: Call, x: TensorType) -> TensorType:
    if x.rank < 3:
        raise call.error(f"wants X of shape (N, H, W, C) or (N, C, H, W), it is {x.dims}")
    return window_types.channels_first(x) if call.attr("channels_last", int) else x


# Look-up, sum and layer normalization

MICROSOFT.signature(
    "EmbedLayerNormalization",
    "input_ids segment_ids? word_embedding position_embedding segment_embedding? gamma beta mask? position_ids?"
    " -> output mask_index? embedding_sum?",
    epsilon=_EPSILON,
)


@MICROSOFT.types("EmbedLayerNormalization")
def embed_types(call: Call) -> Iterator[TensorType]:
    """Output and embedding_sum: (batch, sequence, hidden); mask_index: (batch,)."""
    ids, words = call.partial("input_ids"), call.partial("word_embedding")
    if ids.rank != 2 or words.rank != 2:
        raise call.error(f"wants input_ids and word_embedding of rank 2, they are {ids} and {words}")
    embedded = TensorType(words.dtype, (*shape_of(ids), *shape_of(words)[1:]))
    yield from (embedded, TensorType(ids.dtype, shape_of(ids)[:1]), embedded)


def looks_up(call: Call) -> tuple[int, int]:
    """Return the traffic of EmbedLayerNormalization: of each table only the rows are read that the ids name.

    Without position_ids these are the first rows of position_embedding, once for the whole batch.
    """
    batch, length, _ = call.output("output").dims
    positions = call.optional("position_ids")
    found = {"word_embedding": batch * length, "segment_embedding": batch * length}
    found["position_embedding"] = positions.elements if positions else length
    return reads_rows(call, found)


@MICROSOFT.rule("EmbedLayerNormalization", traffic=looks_up)
def embed_layer_normalization(call: Call) -> Iterator[Term]:
    """Output = d * InvStdDev * gamma + beta, with d = s - mean(s), as LayerNormalization.

    s = word_embedding[input_ids] + position_embedding[position] + segment_embedding[segment_ids]
    mask_index[b] = the sum over i of (mask[b, i] = 1), where there is a mask

    output: (batch, sequence, hidden), mask: (batch, sequence); gamma, beta: (hidden,). Looking up computes nothing.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
    """
    rows = axes.over(call, call.output("output"), [-1])
    yield from in_type(call.input("word_embedding").dtype, _embedded(call, rows))
    mask = call.optional("mask")
    if mask and call.has_output("mask_index"):
        yield from counted(call, mask)


def _embedded(call: Call, rows: axes.Rows) -> Iterator[Term]:
    yield work("word + position", ADD, rows=rows.count, elements=rows.size)
    if call.optional("segment_embedding"):
        yield work("+ segment", ADD, rows=rows.count, elements=rows.size)
    yield from normalization.standardized(rows)
    yield from _scaled(call, rows, "gamma")
    yield from _shifted(call, rows, "beta")
