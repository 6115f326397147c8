"""Rotary position embeddings: every pair of elements of a head is turned by an angle that its position says.

real = cos * x1 - sin * x2, imag = sin * x1 + cos * x2. Cosines and sines come from tables; finding the row of a
position, or the section of the table that a position stream fills, is no work. Which elements make a pair (the halves
of a head, or neighbours) does not change the work; the elements beyond rotary_embedding_dim are copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.rules.registry import MICROSOFT, rule
from graphcost.terms import Arith, work
from graphcost.types import DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term


MICROSOFT.signature(
    "RotaryEmbedding",
    "input position_ids cos_cache sin_cache -> output",
    num_heads=0,
    rotary_embedding_dim=0,
    interleaved=0,
    is_packed_batching=0,
    scale=1.0,
)
MICROSOFT.signature(
    "MRotaryEmbedding",
    "input position_ids cos_cache sin_cache -> output",
    num_heads=0,
    rotary_embedding_dim=0,
    interleaved=0,
    mrope_layout=0,
    is_packed_batching=0,
    scale=1.0,
)
MICROSOFT.signature("GemmaRotaryEmbedding", "emb q q_rot k k_rot -> output1 output2")


def rotation(what: str, pairs: int, dtype: DType | None = None) -> Iterator[Term]:
    """Yield the work of turning pairs of elements: cos * x1 - sin * x2 and sin * x1 + cos * x2."""
    yield work(f"turn {what}: cos * x, sin * x", Arith.MUL, dtype=dtype, pairs=pairs, products=4)
    yield work(f"turn {what}: cos * x -+ sin * x", Arith.ADD, dtype=dtype, pairs=pairs, sums=2)


def _reads_rows(call: Call) -> tuple[int, int]:
    """Return the traffic: of the tables only the rows of the positions are read, one per token and table."""
    x, cos, output = call.input(_first(call)), call.input("cos_cache"), call.output(call.schema.outputs[0])
    positions = call.optional("position_ids")
    if positions is None:
        return x.bytes + 2 * cos.bytes, output.bytes
    tokens = _tokens(call, x) if positions.elements > 1 else _length(call, x)
    rows = TensorType(cos.dtype, (tokens, columns(call)))
    return x.bytes + positions.bytes + 2 * rows.bytes, output.bytes


@rule("RotaryEmbedding", since=23, traffic=_reads_rows, not_weights="cos_cache sin_cache position_ids")
@MICROSOFT.rule("RotaryEmbedding", traffic=_reads_rows, not_weights="cos_cache sin_cache position_ids")
def rotary_embedding(call: Call) -> Iterator[Term]:
    """Y = cos * x1 - sin * x2 beside sin * x1 + cos * x2, for all pairs (x1, x2) of the first elements of each head.

    X: (batch, heads, length, head_size) or (batch, length, heads*head_size); cos_cache, sin_cache: one column for each
    pair. Of the tables only the rows that position_ids name are read. com.microsoft's `scale` is priced where it is 1.

    Source: https://onnx.ai/onnx/operators/onnx__RotaryEmbedding.html,
    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.RotaryEmbedding
    """
    x = call.input(_first(call))
    yield from rotation("x", _tokens(call, x) * _heads(call, x) * _pairs(call, x))


@MICROSOFT.rule("MRotaryEmbedding", traffic=_reads_rows, not_weights="cos_cache sin_cache position_ids")
def multimodal_rotary_embedding(call: Call) -> Iterator[Term]:
    """Output = cos * x1 - sin * x2 beside sin * x1 + cos * x2, for all pairs (x1, x2) of the first elements of a head.

    As RotaryEmbedding, but each section of a row of the tables (`mrope_section`) is that of another position: temporal,
    height, width. position_ids: (3, batch, length). Together the sections read one row per token and table.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MRotaryEmbedding
    """
    sections, pairs = call.attr("mrope_section", tuple), columns(call)
    if len(sections) != 3 or sum(sections) != pairs:
        raise call.error(f"wants mrope_section to be 3 sizes with the sum {pairs}, it is {sections}")
    yield from rotary_embedding(call)


@MICROSOFT.rule("GemmaRotaryEmbedding")
def gemma_rotary_embedding(call: Call) -> Iterator[Term]:
    """q_embed = q * cos(emb) + q_rot * sin(emb), k_embed = k * cos(emb) + k_rot * sin(emb).

    emb: (batch, length, size), shared by all heads: its cosine and sine are taken once per element, in its own type.
    q, q_rot, k, k_rot: (batch, heads, length, size).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.GemmaRotaryEmbedding
    """
    emb, q, k = call.input("emb"), call.input("q"), call.input("k")
    yield work("sin(emb), cos(emb)", Arith.TRIG, elements=emb.elements, functions=2)
    for name, one in (("q", q), ("k", k)):
        yield work(f"{name} * cos, {name}_rot * sin", Arith.MUL, dtype=one.dtype, elements=one.elements, products=2)
        yield work(f"{name} * cos + {name}_rot * sin", Arith.ADD, dtype=one.dtype, elements=one.elements)


MICROSOFT.like_input("RotaryEmbedding", "MRotaryEmbedding")


@MICROSOFT.types("GemmaRotaryEmbedding")
def gemma_types(call: Call) -> Iterator[TensorType]:
    """Each output is as the state that it embeds."""
    yield call.partial("q")
    yield call.partial("k")


def _first(call: Call) -> str:
    return call.schema.inputs[0]


def _tokens(call: Call, x: TensorType) -> int:
    return _length(call, x) * x.dims[0]


def _length(call: Call, x: TensorType) -> int:
    if x.rank not in {3, 4}:
        raise call.error(f"wants {_first(call)} of rank 3 or 4, it is of rank {x.rank}")
    return x.dims[-2]


def _heads(call: Call, x: TensorType) -> int:
    if x.rank == 4:
        return x.dims[1]
    heads = call.attr_or("num_heads", int, 0)
    if heads > 0:
        return heads
    if not call.domain or call.attr("rotary_embedding_dim", int):
        raise call.error("wants num_heads for an input of rank 3, there is none")
    size = 2 * columns(call)
    return x.dims[2] // size if size else 0


def columns(call: Call) -> int:
    """Return for how many pairs of elements the tables have a cosine and a sine."""
    cos = call.input("cos_cache")
    if cos.rank not in {2, 3}:
        raise call.error(f"wants cos_cache of rank 2 or 3, it is of rank {cos.rank}")
    return cos.dims[-1]


def _pairs(call: Call, x: TensorType) -> int:
    """Return the pairs of elements of a head that are turned."""
    if call.attr_or("scale", float, 1.0) != 1:
        raise UnknownShapeError(f"where a scale of {call.attr('scale', float)} is applied is not specified")
    heads, pairs = _heads(call, x), columns(call)
    size = x.dims[3] if x.rank == 4 else x.dims[2] // heads if heads else 0
    turned = call.attr("rotary_embedding_dim", int) or size
    if pairs != turned // 2 or turned > size:
        raise call.error(f"wants a cos_cache with {turned // 2} columns, it has {pairs}")
    return pairs
