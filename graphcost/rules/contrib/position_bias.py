"""Biases by relative position and what belongs to sequences without padding, of com.microsoft."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules.elementwise import TABLE
from graphcost.rules.registry import MICROSOFT
from graphcost.rules.shared.scaled_dot_product import dims_of, divided, length_of, lengths_of
from graphcost.terms import Arith, work
from graphcost.types import TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term

MICROSOFT.signature(
    "RelativePositionBias",
    "bias_table query_length key_length -> output",
    is_bidirectional=0,
)
MICROSOFT.signature(
    "GatedRelativePositionBias",
    "query_layer query_bias rel_pos weight bias eco_a token_offset? -> output",
)
MICROSOFT.signature(
    "RemovePadding",
    "input sequence_token_count -> output token_offset cumulated_seq_len max_seq_len",
)
MICROSOFT.signature("RestorePadding", "input token_offset -> output")


@MICROSOFT.rule("GatedRelativePositionBias")
def gated_relative_position_bias(call: Call) -> Iterator[Term]:
    """Output = (u * (r * eco_a - 1) + 2) * rel_pos, u, r = Sigmoid of the two halves' sums of (q + q_bias) * W + bias.

    query_layer: (batch, length, heads*size), or (tokens, heads*size) with token_offset: (batch, length), which puts the
    tokens back to their places first, padding included. weight: (size, D), bias: (D,), eco_a: (1, heads, 1, 1),
    rel_pos: (1, heads, length, length), output: (batch, heads, length, length).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.GatedRelativePositionBias
    """
    (batch, length), heads = _places(call), call.attr("num_heads", int)
    size, gates = dims_of(call, "weight", 2)
    width = dims_of(call, "query_layer", 2 if call.optional("token_offset") else 3)[-1]
    if divided(call, "query_layer", width, "num_heads") != size:
        raise call.error(f"wants weight with as many rows as a head has elements, it has {size}")
    if gates % 2:
        raise call.error(f"wants weight with an even number of columns, it has {gates}")
    rows = batch * length * heads
    yield work("q + q_bias", Arith.ADD, rows=rows, size=size)
    yield work("q*W", Arith.MAC, wrt=("query_layer", "weight"), rows=rows, columns=gates, size=size)
    yield work("+ bias", Arith.ADD, rows=rows, columns=gates)
    yield work("sum of each half", Arith.ADD, rows=rows, gates=2, additions=max(gates // 2 - 1, 0))
    yield from TABLE["Sigmoid"].over(2 * rows)
    yield work("u * (r * eco_a - 1)", Arith.MUL, rows=rows, products=2)
    yield work("u * (r * eco_a - 1) + 2", Arith.ADD, rows=rows, sums=2)
    yield work("* rel_pos", Arith.MUL, rows=rows, length=length)


def _places(call: Call) -> tuple[int, ...]:
    """Return how many sequences there are and how long they are, padding included."""
    return dims_of(call, "token_offset", 2) if call.optional("token_offset") else dims_of(call, "query_layer", 3)[:2]


@MICROSOFT.types("GatedRelativePositionBias")
def gated_relative_position_bias_type(call: Call) -> Iterator[TensorType]:
    """The output is (batch, heads, length, length)."""
    batch, length = _places(call)
    yield TensorType(call.input("query_layer").dtype, (batch, call.attr("num_heads", int), length, length))


@MICROSOFT.types("RelativePositionBias")
def relative_position_bias_type(call: Call) -> Iterator[TensorType]:
    """The output is (1, heads, query_length, key_length)."""
    table = call.partial("bias_table")
    heads = (shape_of(table) or (None,))[-1]
    yield TensorType(table.dtype, (1, heads, length_of(call, "query_length"), length_of(call, "key_length")))


@MICROSOFT.types("RemovePadding")
def remove_padding_types(call: Call) -> Iterator[TensorType]:
    """The output has the tokens that the counts add up to; the offsets are (batch, length), the ends (batch + 1,)."""
    batch, length, width = dims_of(call, "input", 3)
    counts, known = call.partial("sequence_token_count"), lengths_of(call, "sequence_token_count")
    yield TensorType(call.input("input").dtype, (None if known is None else sum(known), width))
    yield TensorType(counts.dtype, (batch, length))
    yield TensorType(counts.dtype, (batch + 1,))
    yield TensorType(counts.dtype, (1,))


@MICROSOFT.types("RestorePadding")
def restore_padding_type(call: Call) -> Iterator[TensorType]:
    """The output is (batch, length, width)."""
    one = call.partial("input")
    yield TensorType(one.dtype, (*dims_of(call, "token_offset", 2), (shape_of(one) or (None,))[-1]))
