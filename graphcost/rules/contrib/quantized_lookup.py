"""Looking up what is stored quantized: only what is found is dequantized."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from graphcost.rules import normalization
from graphcost.rules.registry import MICROSOFT
from graphcost.rules.shared import axes
from graphcost.rules.shared.embedding import counted, reads_rows
from graphcost.rules.shared.sizes import where_known
from graphcost.terms import Arith, in_type, work
from graphcost.types import DType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term

MICROSOFT.signature(
    "GatherBlockQuantized",
    "data indices scales zero_points? -> output",
    bits=4,
    block_size=128,
    gather_axis=0,
    quantize_axis=1,
)


def _in_a_byte(call: Call, data: TensorType) -> int:
    """Return how many numbers an element of the data holds: several where bytes are packed."""
    if data.dtype is not DType.UINT8:
        return 1
    bits = call.attr("bits", int)
    if bits not in {2, 4, 8}:
        raise call.error(f"wants bits to be 2, 4 or 8, they are {bits}")
    return 8 // bits


def _logical(call: Call) -> int:
    data = call.input("data")
    return data.elements * _in_a_byte(call, data)


def _reads_what_it_finds(call: Call) -> tuple[int, int]:
    """Return the traffic: the slices that the indices name, of the data, its scales and its zero points."""
    indices, output = call.input("indices"), call.output("output")
    slices = [_slices(call, name, indices.elements) for name in ("data", "scales", "zero_points")]
    return indices.bytes + sum(one.bytes for one in slices if one), output.bytes


def _slices(call: Call, name: str, count: int) -> TensorType | None:
    found = call.optional(name)
    if found is None:
        return None
    axis = axes.position(call, call.attr("gather_axis", int), found.rank)
    rest = prod(size for place, size in enumerate(found.dims) if place != axis)
    return TensorType(found.dtype, (rest * (count if found.dims[axis] > 1 else min(count, 1)),))


@MICROSOFT.rule(
    "GatherBlockQuantized",
    traffic=_reads_what_it_finds,
    not_weights="scales zero_points",
    packed={"data": _logical},
)
def gather_block_quantized(call: Call) -> Iterator[Term]:
    """Output = (q - zero_point) * scale, for the slices q of the data that the indices name along `gather_axis`.

    A block of `block_size` numbers along `quantize_axis` shares scale and zero point. Without zero_points, that of
    bytes is 2^(bits - 1) and is subtracted; that of all other types is 0 and costs nothing. Only what the indices name
    is read and dequantized. Bytes hold 8 / `bits` numbers each, side by side on the last axis.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.GatherBlockQuantized
    """
    output = call.output("output")
    if call.optional("zero_points") or call.input("data").dtype is DType.UINT8:
        yield work("q - zero_point", Arith.ADD, dtype=output.dtype, outputs=output.elements)
    yield work("(q - zero_point) * scale", Arith.MUL, dtype=output.dtype, outputs=output.elements)


@MICROSOFT.types("GatherBlockQuantized")
def gathered_type(call: Call) -> Iterator[TensorType]:
    """Yield the output: the data's shape with that of the indices for `gather_axis`, in the type of the scales."""
    data, indices, width = call.partial("data"), call.partial("indices"), _in_a_byte(call, call.partial("data"))
    *before, last = shape_of(data) or (None,)
    shape = (*before, where_known(lambda size: size * width, last))
    axis = axes.position(call, call.attr("gather_axis", int), data.rank)
    yield TensorType(call.partial("scales").dtype, (*shape[:axis], *shape_of(indices), *shape[axis + 1 :]))


_TABLES = ("word_embedding_quant", "position_embedding_quant", "segment_embedding")

MICROSOFT.signature(
    "QEmbedLayerNormalization",
    "input_ids segment_ids? word_embedding_quant position_embedding_quant segment_embedding? gamma_quant beta_quant "
    "mask? word_embedding_scale position_embedding_scale segment_embedding_scale? gamma_scale beta_scale "
    "word_embedding_zero_point position_embedding_zero_point segment_embedding_zero_point? gamma_zero_point "
    "beta_zero_point -> layernorm_out mask_index_out",
)


def _rows_found(call: Call) -> dict[str, int]:
    """Return how many rows of each table the ids name; those of the positions are the same for the whole batch."""
    ids = call.input("input_ids")
    if ids.rank != 2:
        raise call.error(f"wants input_ids of rank 2, it is of rank {ids.rank}")
    found = dict(zip(_TABLES, (ids.elements, ids.dims[1], ids.elements), strict=True))
    return found if call.optional("segment_embedding") else found | {"segment_embedding": 0}


def _reads_rows(call: Call) -> tuple[int, int]:
    """Return the traffic: of each table only the rows that the ids name."""
    return reads_rows(call, _rows_found(call))


@MICROSOFT.rule(
    "QEmbedLayerNormalization",
    traffic=_reads_rows,
    not_weights=" ".join(
        f"{name}_{what}"
        for name in ("word_embedding", "position_embedding", "segment_embedding", "gamma", "beta")
        for what in ("scale", "zero_point")
    ),
)
def qembed_layer_normalization(call: Call) -> Iterator[Term]:
    """Output = d * InvStdDev * gamma + beta, with d = s - mean(s), as LayerNormalization.

    s = word_embedding[input_ids] + position_embedding[position] + segment_embedding[segment_ids], each dequantized
    where it is looked up, by (q - zero_point) * scale: those of the positions once for the whole batch. gamma and beta
    are dequantized once per element. mask_index_out[b] = the sum over i of (mask[b, i] = 1), where there is a mask.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
    """
    output = call.output("layernorm_out")
    rows = axes.over(call, output, [-1])
    yield from in_type(output.dtype, _embedded(call, rows))
    if mask := call.optional("mask"):
        yield from counted(call, mask)


def _embedded(call: Call, rows: axes.Rows) -> Iterator[Term]:
    found = _rows_found(call) | {"gamma": 1, "beta": 1}
    for name, count in found.items():
        yield work(f"{name} - zero_point", Arith.ADD, rows=count, elements=rows.size)
        yield work(f"({name} - zero_point) * scale", Arith.MUL, rows=count, elements=rows.size)
    tables = 3 if found["segment_embedding"] else 2
    yield work("word + position + segment", Arith.ADD, rows=rows.count, elements=rows.size, additions=tables - 1)
    yield from normalization.standardized(rows)
    yield work("* gamma", Arith.MUL, rows=rows.count, elements=rows.size)
    yield work("+ beta", Arith.ADD, rows=rows.count, elements=rows.size)


@MICROSOFT.types("QEmbedLayerNormalization")
def qembed_types(call: Call) -> Iterator[TensorType]:
    """Yield the output: (batch, sequence, hidden) in the type of the scales, and mask_index_out: (batch,)."""
    ids, words = call.partial("input_ids"), call.partial("word_embedding_quant")
    if ids.rank != 2 or words.rank != 2:
        raise call.error(f"wants input_ids and word_embedding_quant of rank 2, they are {ids} and {words}")
    dtype = call.partial("word_embedding_scale").dtype
    yield TensorType(dtype, (*shape_of(ids), shape_of(words)[1]))
    yield TensorType(DType.INT32, shape_of(ids)[:1])
