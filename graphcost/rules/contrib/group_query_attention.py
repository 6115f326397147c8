"""Attention of com.microsoft in which several heads of Q share one of K and V, over a cache of keys and values.

Formula and assumptions as in shared/scaled_dot_product.py, and: the scale multiplies every score. Rotation and
normalization are those of the new tokens, of which Q has `heads` and K `kv_heads` vectors each. Of the tables of
cosines and sines one row per token is read. A cache with room for more than total_sequence_length is a buffer that past
and present share: the new rows are written, the old ones read.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.rules.normalization import root_mean_square
from graphcost.rules.quantized import saturated
from graphcost.rules.registry import MICROSOFT, each_once
from graphcost.rules.rotary import columns, rotation
from graphcost.rules.shared import axes
from graphcost.rules.shared.operands import check_shape
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
    lengths_of,
    scale_of,
)
from graphcost.terms import Arith, work
from graphcost.types import DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from graphcost.call import Call
    from graphcost.terms import Term

MICROSOFT.signature(
    "GroupQueryAttention",
    "query key? value? past_key? past_value? seqlens_k total_sequence_length cos_cache? sin_cache? position_ids?"
    " attention_bias? head_sink? k_scale? v_scale? q_norm_weight? k_norm_weight?"
    " -> output present_key? present_value? output_qk?",
    softcap=0.0,
    sliding_window_cache=0,
    do_rotary=0,
    causal=1,
    scale=0.0,
    local_window_size=-1,
    rotary_interleaved=0,
    qk_output=0,
    qk_norm_epsilon=1e-6,
    k_quant_type="NONE",
    v_quant_type="NONE",
    smooth_softmax=-1,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouped:
    """The sizes of an attention with shared heads, whatever its keys are."""

    batch: int
    """Sequences."""
    length: int
    """New tokens of each."""
    heads: int
    """Heads of Q."""
    kv_heads: int
    """Heads of K and V."""
    size: int
    """Elements of a head."""

    @property
    def tokens(self) -> int:
        """New tokens of all sequences."""
        return self.batch * self.length


def grouped(call: Call) -> Grouped:
    """Return the sizes of (batch, length, heads*size), or of Q, K and V side by side in the last axis."""
    batch, length, width = dims_of(call, "query", 3)
    heads, kv_heads = call.attr("num_heads", int), call.attr("kv_num_heads", int)
    if heads < 1 or kv_heads < 1 or heads % kv_heads:
        raise call.error(f"wants num_heads to be a multiple of kv_num_heads = {kv_heads}, it is {heads}")
    k_width = dims_of(call, "key", 3)[2] if call.optional("key") else None
    parts = heads + 2 * kv_heads if k_width is None else heads
    size = width // parts
    if width % parts or k_width not in {None, kv_heads * size}:
        raise call.error(f"wants heads of one size in query and key, their widths are {width} and {k_width}")
    return Grouped(batch=batch, length=length, heads=heads, kv_heads=kv_heads, size=size)


def rotated(call: Call, tokens: int, heads: int) -> Iterator[Term]:
    """Yield the work of turning so many heads of so many tokens, where do_rotary says so."""
    if call.attr("do_rotary", int):
        yield from rotation("Q, K", tokens * heads * columns(call))


def normalized(call: Call, tokens: int, heads: int, size: int) -> Iterator[Term]:
    """Yield the work of x / RMS * weight for so many heads of so many tokens, where Q and K are normalized."""
    if call.optional("q_norm_weight"):
        rows = axes.Rows(tokens * heads, size)
        yield from root_mean_square(rows)
        yield work("X / RMS", Arith.DIV, rows=rows.count, elements=rows.size)
        yield work("* norm_weight", Arith.MUL, rows=rows.count, elements=rows.size)


def stored(call: Call, cache: str, quant_type: str, elements: int) -> Iterator[Term]:
    """Yield the work of saturate(round(x / scale)) for new elements of a cache that is quantized."""
    if call.attr(quant_type, str) == "NONE":
        return
    yield work("x / scale", Arith.DIV, elements=elements)
    if (call.partial(cache).dtype or DType.INT8).is_integer:
        yield from saturated(call, elements, None, "")


def loaded(call: Call, quant_type: str, kv_heads: int, sizes: Sizes, width: int) -> Iterator[Term]:
    """Yield the work of cached * scale for all elements that a cache holds, where it is quantized."""
    if call.attr(quant_type, str) != "NONE":
        yield work("cached * scale", Arith.MUL, batch=sizes.batch, heads=kv_heads, keys=sizes.keys, size=width)


def sinks(call: Call) -> int:
    """Return how many logits each row has beyond its scores: that of head_sink, or of smooth_softmax, which is 0."""
    return int(call.has_input("head_sink") or call.attr("smooth_softmax", int) == 1)


def table_rows(call: Call, tokens: int) -> int:
    """Return by how much a call reads less than all of the tables of cosines and sines: it reads one row per token."""
    cos = call.optional("cos_cache")
    return 2 * (cos.bytes - TensorType(cos.dtype, (tokens, columns(call))).bytes) if cos else 0


def by_length(
    most: int, counted: Sequence[int] | None, batch: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return how many sequences have how many keys, at most and at least; `counted` are the keys of each, if known.

    The longest sequence has `most` keys, the others one at least: each holds what it was asked about last.
    """
    if counted is not None:
        exact = [(times, keys) for keys, times in sorted(Counter(counted).items())]
        return exact, exact
    if batch < 2:
        return [(batch, most)], [(batch, most)]
    return [(batch, most)], [(1, most), (batch - 1, min(1, most))]


def _traffic(call: Call) -> tuple[int, int]:
    one, total, past = grouped(call), _total(call, grouped(call)), _past(call)
    if total is None or call.attr("sliding_window_cache", int):
        raise UnknownShapeError("how many keys the cache holds is not known")
    counted = _counted(call) or ([total] if one.batch == 1 else None)
    if not past or past < total:
        read, written = each_once(call)
    elif counted is None:
        raise UnknownShapeError("how many keys the cache holds of each sequence is not known")
    else:
        old = sum(max(keys - one.length, 0) for keys in counted)
        read, written = in_buffer(call, KEY_VALUE, one.batch, old, one.tokens)
    return read - table_rows(call, one.tokens), written


@MICROSOFT.rule(
    "GroupQueryAttention",
    traffic=_traffic,
    not_weights="cos_cache sin_cache k_scale v_scale",
    state="present_key present_value",
)
def group_query_attention(call: Call) -> Iterator[Term]:
    """Output = softmax(softcap * tanh(scale * Q*K^T / softcap) + attention_bias) * V, K and V with their past.

    query: (batch, length, heads*size), key, value: (batch, length, kv_heads*size), or all three side by side in query;
    past_key, past_value: (batch, kv_heads, past, size). Q and K are first normalized, x / RMS * weight, where there
    are weights for it, then turned (do_rotary). Each query meets the keys of its sequence, seqlens_k + 1; where these
    are not known, total_sequence_length is that of the longest, the most for each, and the others have one key at
    least; where that isn't known either, no sequence has more than past and new keys together. A sink (head_sink;
    smooth_softmax: 0) is one more logit of each row. `causal` and local_window_size, which counts the query's own key,
    hide by place. A quantized cache: what is new is x / scale, rounded and saturated to integers (to float8: cast),
    all that is cached is multiplied by its scale.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.GroupQueryAttention
    """
    one = grouped(call)
    _check_past(call, one)
    both = one.heads + one.kv_heads
    yield from normalized(call, one.tokens, both, one.size)
    yield from rotated(call, one.tokens, both)
    new = one.tokens * one.kv_heads * one.size
    yield from stored(call, "past_key", "k_quant_type", new)
    yield from stored(call, "past_value", "v_quant_type", new)
    steps = Steps(
        scale=scale_of(call, one.size),
        softcap=call.attr("softcap", float),
        added=int(call.has_input("attention_bias")),
        sinks=sinks(call),
    )

    def formula(sizes: Sizes) -> Iterator[Term]:
        yield from loaded(call, "k_quant_type", one.kv_heads, sizes, one.size)
        yield from loaded(call, "v_quant_type", one.kv_heads, sizes, one.size)
        yield from attend(sizes, steps)

    yield from bounded(formula, *_keys(call, one))


def _keys(call: Call, one: Grouped) -> tuple[list[Sizes], list[Sizes]]:
    """Return the most and the fewest keys that the queries meet."""
    known = _total(call, one)
    most = one.length + _past(call) if known is None else known
    high, low = by_length(most, _counted(call), one.batch)
    if known is None and _counted(call) is None:
        low = [(one.batch, min(1, most))]
    if call.attr("sliding_window_cache", int):
        window, capacity = call.attr("local_window_size", int), _past(call)
        high = [(times, min(keys, capacity + one.length)) for times, keys in high]
        low = [(times, min(keys, window)) for times, keys in low]
    return [_sequences(call, one, *group) for group in high], [_sequences(call, one, *group) for group in low]


def _sequences(call: Call, one: Grouped, batch: int, keys: int) -> Sizes:
    window = call.attr("local_window_size", int)
    hidden = 0
    if call.attr("causal", int):
        hidden = hidden_pairs(one.length, keys, past=max(keys - one.length, 0), left=window - 1 if window > 0 else -1)
    return Sizes(
        batch=batch, heads=one.heads, queries=one.length, keys=keys, size=one.size, v_size=one.size, hidden=hidden
    )


def _counted(call: Call) -> list[int] | None:
    found = lengths_of(call, "seqlens_k")
    return None if found is None else [last + 1 for last in found]


def _total(call: Call, one: Grouped) -> int | None:
    """Return the keys of the longest sequence; None where they aren't known."""
    total, counted = length_of(call, "total_sequence_length"), _counted(call)
    if total is not None:
        return total
    if counted:
        return max(counted)
    return None if _past(call) else one.length


def _check_past(call: Call, one: Grouped) -> None:
    """Raise NodeError where a past is not one of this call's sequences and heads; a quantized one may be packed."""
    for name, kind in (("past_key", "k_quant_type"), ("past_value", "v_quant_type")):
        if call.optional(name):
            found = dims_of(call, name, 4)[3]
            size = one.size if call.attr(kind, str) == "NONE" else found
            check_shape(call, name, (one.batch, one.kv_heads, _past(call), size))


def _past(call: Call) -> int:
    return dims_of(call, "past_key", 4)[2] if call.optional("past_key") else 0


@MICROSOFT.types("GroupQueryAttention")
def group_query_types(call: Call) -> Iterator[TensorType]:
    """The output is (batch, length, heads*size), a present (batch, kv_heads, the longer of past and total, size)."""
    one, query, total, past = grouped(call), call.input("query"), _total(call, grouped(call)), _past(call)
    yield TensorType(query.dtype, (one.batch, one.length, one.heads * one.size))
    present = past if call.attr("sliding_window_cache", int) else None if total is None else max(total, past)
    for name in ("past_key", "past_value"):
        cache = call.optional(name)
        dtype, size = (cache.dtype, cache.dims[3]) if cache else (query.dtype, one.size)
        yield TensorType(dtype, (one.batch, one.kv_heads, present, size))
    yield TensorType(query.dtype, (one.batch, one.heads, one.length, total))
