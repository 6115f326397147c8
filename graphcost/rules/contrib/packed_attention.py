"""Attention of com.microsoft over sequences of different lengths that stand side by side, without padding.

Every query meets the keys of its own sequence. Where the lengths are not known, the products are largest when as many
sequences as possible are full, and fewest when all are as equal as can be, for the sum of squares is convex.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from graphcost.rules.registry import MICROSOFT
from graphcost.rules.shared.scaled_dot_product import (
    Sizes,
    Steps,
    attend,
    bounded,
    dims_of,
    divided,
    head_sizes,
    scale_of,
    side_by_side,
)
from graphcost.terms import Arith, work
from graphcost.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term

MICROSOFT.signature(
    "PackedAttention",
    "input weights bias token_offset cumulative_sequence_length attention_bias? -> output",
    scale=0.0,
)
MICROSOFT.signature(
    "PackedMultiHeadAttention",
    "query key? value? bias? token_offset cumulative_sequence_length attention_bias? -> output",
    scale=0.0,
    mask_filter_value=-10000.0,
)


@MICROSOFT.rule("PackedAttention")
def packed_attention(call: Call) -> Iterator[Term]:
    """Output = softmax(scale * Q*K^T + attention_bias) * V for each sequence, [Q, K, V] = input * weights + bias.

    input: (tokens, width), weights: (width, heads*size + heads*size + heads*v_size), token_offset: (batch, longest),
    cumulative_sequence_length: (batch + 1,), which tells the lengths where its elements are known. The default scale
    is 1 / sqrt(size).

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.PackedAttention
    """
    tokens, width = dims_of(call, "input", 2)
    _, columns = dims_of(call, "weights", 2)
    yield work("X*W", Arith.MAC, wrt=("input", "weights"), tokens=tokens, columns=columns, width=width)
    yield work("+ bias", Arith.ADD, tokens=tokens, columns=columns)
    size, v_size = head_sizes(call, "weights")
    yield from _each_sequence(call, tokens, size, v_size)


@MICROSOFT.rule("PackedMultiHeadAttention")
def packed_multi_head_attention(call: Call) -> Iterator[Term]:
    """Output = softmax(scale * Q*K^T + attention_bias) * V for each sequence, Q, K, V = query, key, value + bias.

    query, key: (tokens, heads*size), value: (tokens, heads*v_size), or query packed (tokens, heads, 3, size). Lengths
    and scale as for PackedAttention.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.PackedMultiHeadAttention
    """
    (size, v_size), tokens, heads = _sizes(call), call.input("query").dims[0], call.attr("num_heads", int)
    if heads < 1:
        raise call.error(f"wants num_heads of 1 or more, it is {heads}")
    if call.optional("bias"):
        yield work("+ bias", Arith.ADD, tokens=tokens, heads=heads, sizes=2 * size + v_size)
    yield from _each_sequence(call, tokens, size, v_size)


def _each_sequence(call: Call, tokens: int, size: int, v_size: int) -> Iterator[Term]:
    steps = Steps(scale=scale_of(call, size), added=int(call.has_input("attention_bias")))
    heads, (most, least) = call.attr("num_heads", int), _lengths(call, tokens)

    def of(groups: list[tuple[int, int]]) -> list[Sizes]:
        return [
            Sizes(batch=batch, heads=heads, queries=length, keys=length, size=size, v_size=v_size)
            for batch, length in groups
        ]

    yield from bounded(lambda sizes: attend(sizes, steps), of(most), of(least))


def _lengths(call: Call, tokens: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return how many sequences are how long, where the products are largest and where they are fewest."""
    batch, longest = dims_of(call, "token_offset", 2)
    if tokens > batch * longest:
        raise call.error(f"wants at most {batch} * {longest} tokens, there are {tokens}")
    lengths = side_by_side(call, tokens, batch)
    if lengths is None:
        full, equal = divmod(tokens, longest or 1), divmod(tokens, batch or 1)
        return [(full[0], longest), (1, full[1])], [(batch - equal[1], equal[0]), (equal[1], equal[0] + 1)]
    exact = [(times, length) for length, times in sorted(Counter(lengths).items())]
    return exact, exact


def _sizes(call: Call) -> tuple[int, int]:
    query = call.input("query")
    if query.rank == 4:
        return query.dims[3], query.dims[3]
    size = divided(call, "query", dims_of(call, "query", 2)[1], "num_heads")
    return size, divided(call, "value", dims_of(call, "value", 2)[1], "num_heads")


@MICROSOFT.types("PackedAttention", "PackedMultiHeadAttention")
def packed_types(call: Call) -> Iterator[TensorType]:
    """The output is (tokens, heads*v_size)."""
    _, v_size = _sizes(call) if call.op_type == "PackedMultiHeadAttention" else head_sizes(call, "weights")
    first = call.input(call.schema.inputs[0])
    yield TensorType(first.dtype, (first.dims[0], call.attr("num_heads", int) * v_size))
