"""Paged attention of com.microsoft: sequences side by side, over a cache of keys and values in blocks.

Formula and assumptions as in group_query_attention.py.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.rules.contrib.group_query_attention import loaded, normalized, rotated, stored, table_rows
from graphcost.rules.registry import MICROSOFT, each_once
from graphcost.rules.shared.scaled_dot_product import (
    Sizes,
    Steps,
    attend,
    bounded,
    dims_of,
    hidden_pairs,
    lengths_of,
    scale_of,
    side_by_side,
)
from graphcost.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term

MICROSOFT.signature(
    "PagedAttention",
    "query key? value? key_cache value_cache? cumulative_sequence_length past_seqlens block_table cos_cache? sin_cache?"
    " slot_mapping? head_sink? q_norm_weight? k_norm_weight? k_scale? v_scale? attention_metadata?"
    " -> output key_cache_out? value_cache_out?",
    rotary_offset=0,
    v_head_size=0,
    kv_cache_layout="SEPARATE",
    softcap=0.0,
    do_rotary=0,
    k_cache_dtype="",
    v_cache_dtype="",
    scale=0.0,
    local_window_size=-1,
    is_causal=1,
    rotary_interleaved=0,
    qk_norm_epsilon=1e-6,
    k_quant_type="NONE",
    v_quant_type="NONE",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Paged:
    """The sizes of a paged attention."""

    tokens: int
    """New tokens of all sequences."""
    batch: int
    """Sequences."""
    heads: int
    """Heads of Q."""
    kv_heads: int
    """Heads of K and V."""
    size: int
    """Elements of a query and of a key."""
    v_size: int
    """Elements of a value."""
    room: int
    """Keys that the blocks of one sequence can hold."""
    known: tuple[tuple[int, int], ...] | None
    """New and past tokens of each sequence, where they are known."""


def _paged(call: Call) -> _Paged:
    tokens, width = dims_of(call, "query", 2)
    heads, kv_heads = call.attr("num_heads", int), call.attr("kv_num_heads", int)
    parts = heads if call.optional("key") else heads + 2 * kv_heads
    if heads < 1 or kv_heads < 1 or heads % kv_heads or width % parts:
        raise call.error(f"wants {heads} heads, {kv_heads} of K and V, of one size in a width of {width}")
    size, (batch, blocks) = width // parts, dims_of(call, "block_table", 2)
    return _Paged(
        tokens=tokens,
        batch=batch,
        heads=heads,
        kv_heads=kv_heads,
        size=size,
        v_size=call.attr("v_head_size", int) or size,
        room=blocks * dims_of(call, "key_cache", 4)[1],
        known=_known(call, tokens),
    )


def _known(call: Call, tokens: int) -> tuple[tuple[int, int], ...] | None:
    past = lengths_of(call, "past_seqlens")
    new = None if past is None else side_by_side(call, tokens, len(past))
    return None if past is None or new is None else tuple(zip(new, past, strict=True))


def _traffic(call: Call) -> tuple[int, int]:
    """Return the traffic: of the caches the past rows are read and the new ones written."""
    one = _paged(call)
    if one.known is None or call.optional("slot_mapping"):
        raise UnknownShapeError("how many keys the cache holds of each sequence is not known")
    read, written = each_once(call)
    past = sum(before for _, before in one.known)
    for name, becomes in (("key_cache", "key_cache_out"), ("value_cache", "value_cache_out")):
        if (cache := call.optional(name)) is not None and cache.elements:
            rows = cache.dims[0] * cache.dims[1]
            read -= cache.bytes // rows * (rows - past)
            written -= cache.bytes // rows * (rows - one.tokens) if call.has_output(becomes) else 0
    return read - table_rows(call, one.tokens), written


@MICROSOFT.rule(
    "PagedAttention",
    traffic=_traffic,
    not_weights="cos_cache sin_cache k_scale v_scale",
    state="key_cache_out value_cache_out",
)
def paged_attention(call: Call) -> Iterator[Term]:
    """Output = softmax(softcap * tanh(scale * Q*K^T / softcap)) * V for each sequence, K and V with those cached.

    query: (tokens, heads*size), key, value: (tokens, kv_heads*size), or all side by side in query; caches: (blocks,
    block_size, kv_heads, size), of which block_table (batch, blocks of a sequence) says whose they are. In the layout
    LATENT there is one cache, and a value is the first v_head_size elements of its key. cumulative_sequence_length and
    past_seqlens tell how many queries meet how many keys. Where they are not known, a query meets at most what the
    blocks of its sequence hold, and there are fewest pairs where nothing is cached and all sequences are as equal as
    can be. Normalization, rotation, quantized caches, sink and window are as for GroupQueryAttention.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.PagedAttention
    """
    one = _paged(call)
    both = one.heads + one.kv_heads
    yield from normalized(call, one.tokens, both, one.size)
    yield from rotated(call, one.tokens, both)
    yield from stored(call, "key_cache", "k_quant_type", one.tokens * one.kv_heads * one.size)
    yield from bounded(lambda sizes: loaded(call, "k_quant_type", one.kv_heads, sizes, one.size), *_cached(one))
    if call.optional("value_cache"):
        yield from stored(call, "value_cache", "v_quant_type", one.tokens * one.kv_heads * one.size)
        yield from bounded(lambda sizes: loaded(call, "v_quant_type", one.kv_heads, sizes, one.size), *_cached(one))
    steps = Steps(
        scale=scale_of(call, one.size),
        softcap=call.attr("softcap", float),
        sinks=int(call.has_input("head_sink")),
    )
    yield from bounded(lambda sizes: attend(sizes, steps), *_met(call, one))


def _cached(one: _Paged) -> tuple[list[Sizes], list[Sizes]]:
    """Return how many keys are cached in all, at most and at least."""
    if one.known is not None:
        exact = [_of(one, 1, 0, sum(new + past for new, past in one.known))]
        return exact, exact
    return [_of(one, one.batch, 0, one.room)], [_of(one, 1, 0, one.tokens)]


def _met(call: Call, one: _Paged) -> tuple[list[Sizes], list[Sizes]]:
    """Return how many queries meet how many keys, at most and at least."""
    if one.known is not None:
        groups = sorted(Counter(one.known).items())
        exact = [_of(one, times, new, new + past, _hidden(call, new, past)) for (new, past), times in groups]
        return exact, exact
    length, longer = divmod(one.tokens, one.batch or 1)
    least = [_of(one, one.batch - longer, length, length), _of(one, longer, length + 1, length + 1)]
    return [_of(one, one.tokens, 1, one.room)], least


def _hidden(call: Call, new: int, past: int) -> int:
    window = call.attr("local_window_size", int)
    right = 0 if call.attr("is_causal", int) else -1
    return hidden_pairs(new, new + past, past, left=window - 1 if window > 0 else -1, right=right)


def _of(one: _Paged, batch: int, queries: int, keys: int, hidden: int = 0) -> Sizes:
    return Sizes(
        batch=batch,
        heads=one.heads,
        queries=queries,
        keys=keys,
        size=one.size,
        v_size=one.v_size,
        hidden=hidden,
    )


@MICROSOFT.types("PagedAttention")
def paged_types(call: Call) -> Iterator[TensorType | None]:
    """The output is (tokens, heads*v_size), each cache as it was."""
    one = _paged(call)
    yield TensorType(call.input("query").dtype, (one.tokens, one.heads * one.v_size))
    yield call.input("key_cache")
    yield call.optional("value_cache")
