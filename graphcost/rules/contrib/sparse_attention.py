"""Block-sparse attention of com.microsoft: queries meet the keys of those blocks that a mask of blocks names.

Formula and assumptions as in group_query_attention.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.rules.contrib.group_query_attention import grouped, rotated, table_rows
from graphcost.rules.registry import MICROSOFT
from graphcost.rules.shared.scaled_dot_product import (
    KEY_VALUE,
    Sizes,
    Steps,
    attend,
    bounded,
    dims_of,
    hidden_pairs,
    in_buffer,
    length_of,
    scale_of,
)
from graphcost.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.rules.contrib.group_query_attention import Grouped
    from graphcost.terms import Term

MICROSOFT.signature(
    "SparseAttention",
    "query key? value? past_key past_value block_row_indices block_col_indices total_sequence_length"
    " key_total_sequence_lengths cos_cache? sin_cache? -> output present_key present_value",
    rotary_interleaved=0,
    scale=0.0,
    do_rotary=0,
)


def _traffic(call: Call) -> tuple[int, int]:
    one, total = grouped(call), length_of(call, "total_sequence_length")
    if one.batch != 1 or total is None:
        raise UnknownShapeError("how many keys the cache holds of each sequence is not known")
    past = max(total - one.length, 0)
    read, written = in_buffer(call, KEY_VALUE, one.batch, past, one.length)
    return read - table_rows(call, one.tokens), written


@MICROSOFT.rule(
    "SparseAttention",
    traffic=_traffic,
    not_weights="cos_cache sin_cache",
    state="present_key present_value",
)
def sparse_attention(call: Call) -> Iterator[Term]:
    """Output = softmax(scale * Q*K^T) * V over the blocks of keys that the block mask names for a block of queries.

    query: (batch, length, heads*size), key, value: (batch, length, kv_heads*size), or all side by side in query;
    past_key, past_value: (batch, kv_heads, room, size), which the present shares. The heads take turns with the layouts
    of the mask. Within a named block, all keys up to the total length are met; those that follow the query are masked.
    That is exact for one sequence whose total length and mask (block_row_indices, block_col_indices) are known; else a
    query meets at most all keys (the total length, or the cache's room) and at least none.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.SparseAttention
    """
    one = grouped(call)
    yield from rotated(call, one.tokens, one.heads + one.kv_heads)
    steps = Steps(scale=scale_of(call, one.size))
    named = _named(call, one)
    most, least = (named, named) if named else ([_dense(one, _room(call))], [_dense(one, 0)])
    yield from bounded(lambda sizes: attend(sizes, steps), most, least)


def _dense(one: Grouped, keys: int) -> Sizes:
    past = max(keys - one.length, 0)
    return Sizes(
        batch=one.batch,
        heads=one.heads,
        queries=one.length,
        keys=keys,
        size=one.size,
        v_size=one.size,
        hidden=hidden_pairs(one.length, keys, past),
    )


def _room(call: Call) -> int:
    """Return how many keys there are at most."""
    total = length_of(call, "total_sequence_length")
    return dims_of(call, "past_key", 4)[2] if total is None else total


def _named(call: Call, one: Grouped) -> list[Sizes] | None:
    """Return how many queries meet how many keys by the mask of blocks; None where that isn't known."""
    total = length_of(call, "total_sequence_length")
    starts, columns = call.known("block_row_indices"), call.known("block_col_indices")
    if total is None or starts is None or columns is None:
        return None
    layouts = dims_of(call, "block_row_indices", 2)[0]
    if dims_of(call, "block_col_indices", 2)[0] != layouts or total < one.length:
        raise call.error(f"wants {layouts} rows of blocks and {one.length} keys or more, there are {total}")
    if one.batch != 1:
        return None
    return [
        size
        for layout in range(len(starts))
        for size in _layout(call, one, starts[layout].tolist(), columns[layout].tolist(), total)
    ]


def _layout(call: Call, one: Grouped, starts: list[int], columns: list[int], total: int) -> Iterator[Sizes]:
    """Yield what the heads of one layout meet, block of queries by block of queries."""
    block, layouts = call.attr("sparse_block_size", int), call.input("block_row_indices").dims[0]
    rows, first = -(-total // max(block, 1)), total - one.length
    if block < 1 or rows >= len(starts) or starts[rows] > len(columns) or one.heads % layouts:
        raise call.error(f"wants a mask of {rows} blocks of {block} keys, for {layouts} layouts of {one.heads} heads")
    for row in range(first // block, rows):
        start = max(row * block, first)
        queries = min((row + 1) * block, total) - start
        named = columns[starts[row] : starts[row + 1]]
        if any(not 0 <= column <= row for column in named):
            raise call.error(f"wants the blocks of row {row} to be from 0 to {row}, they are {named}")
        keys = {column * block: min(block, total - column * block) for column in named}
        yield Sizes(
            batch=1,
            heads=one.heads // layouts,
            queries=queries,
            keys=sum(keys.values()),
            size=one.size,
            v_size=one.size,
            hidden=sum(hidden_pairs(queries, met, past=start - place) for place, met in keys.items()),
        )


@MICROSOFT.types("SparseAttention")
def sparse_types(call: Call) -> Iterator[TensorType]:
    """The output is (batch, length, heads*size), a present as its past."""
    one = grouped(call)
    yield TensorType(call.input("query").dtype, (one.batch, one.length, one.heads * one.size))
    yield call.input("past_key")
    yield call.input("past_value")
