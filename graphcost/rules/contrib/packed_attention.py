"""Attention of com.microsoft over sequences of different lengths that stand side by side, without padding.

Every query meets the keys of its own sequence. Where the lengths are not known, the products are largest when as many
sequences as possible are full, and fewest when all are as equal as can be, for the sum of squares is convex.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.rules.domains import MICROSOFT
from graphcost.rules.registry import rule, signature, types
from graphcost.rules.scores import Sizes, Steps, attend, bounded, dims_of, divided, lengths_of, scale_of
from graphcost.terms import Arith, work
from graphcost.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term

signature(
    "PackedAttention",
    "input weights bias token_offset cumulative_sequence_length attention_bias? -> output",
    domain=MICROSOFT,
    scale=0.0,
)
signature(
    "PackedMultiHeadAttention",
    "query key? value? bias? token_offset cumulative_sequence_length attention_bias? -> output",
    domain=MICROSOFT,
    scale=0.0,
    mask_filter_value=-10000.0,
)


@rule("PackedAttention", domain=MICROSOFT)
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
    size, v_size = _projected_sizes(call)
    yield from _each_sequence(call, tokens, size, v_size)


@rule("PackedMultiHeadAttention", domain=MICROSOFT)
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
    steps = Steps(scale=scale_of(call, size), added=int(call.optional("attention_bias") is not None))
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
    try:
        ends = lengths_of(call, "cumulative_sequence_length")
    except UnknownShapeError:
        full, equal = divmod(tokens, longest or 1), divmod(tokens, batch or 1)
        return [(full[0], longest), (1, full[1])], [(batch - equal[1], equal[0]), (equal[1], equal[0] + 1)]
    lengths = [end - start for start, end in pairwise(ends)]
    if len(lengths) != batch or sum(lengths) != tokens or min(lengths, default=0) < 0:
        raise call.error(f"wants cumulative_sequence_length to end at {tokens} for {batch} sequences, it is {ends}")
    exact = [(times, length) for length, times in sorted(Counter(lengths).items())]
    return exact, exact


def _projected_sizes(call: Call) -> tuple[int, int]:
    columns = dims_of(call, "weights", 2)[1]
    widths = call.attr_or("qkv_hidden_sizes", tuple, ()) or (columns // 3,) * 3
    if len(widths) != 3 or sum(widths) != columns or widths[0] != widths[1]:
        raise call.error(f"wants Q, K and V to share the {columns} columns of weights, their widths are {widths}")
    return divided(call, "Q", widths[0], "num_heads"), divided(call, "V", widths[2], "num_heads")


def _sizes(call: Call) -> tuple[int, int]:
    query = call.input("query")
    if query.rank == 4:
        return query.dims[3], query.dims[3]
    size = divided(call, "query", dims_of(call, "query", 2)[1], "num_heads")
    return size, divided(call, "value", dims_of(call, "value", 2)[1], "num_heads")


@types("PackedAttention", "PackedMultiHeadAttention", domain=MICROSOFT)
def packed_types(call: Call) -> Iterator[TensorType]:
    """The output is (tokens, heads*v_size)."""
    _, v_size = _sizes(call) if call.op_type == "PackedMultiHeadAttention" else _projected_sizes(call)
    first = call.input(call.schema.inputs[0])
    yield TensorType(first.dtype, (first.dims[0], call.attr("num_heads", int) * v_size))
