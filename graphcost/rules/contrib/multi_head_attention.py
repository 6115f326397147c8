"""Attention of com.microsoft on queries, keys and values that are projected already: one key head for each query head.

Formula and assumptions as in shared/scaled_dot_product.py, and: the scale multiplies every score. A mask of 0 and 1
chooses between the score and mask_filter_value. A bias is added to what is new, not to keys and values that come as a
past. Where past and present share a buffer, past_sequence_length says how much of it holds keys; where that isn't
known, attention_bias has a column for each key, and so has a mask of rank 2 or 3 (one of rank 4 has a column for each
place in the buffer); else the buffer's size is the most there can be, and the new keys are the fewest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from graphcost.errors import UnknownShapeError
from graphcost.rules.registry import MICROSOFT, each_once
from graphcost.rules.shared.operands import check_shape
from graphcost.rules.shared.scaled_dot_product import (
    KEY_VALUE,
    Sizes,
    Steps,
    attend,
    bounded,
    dims_of,
    divided,
    hidden_pairs,
    in_buffer,
    is_told_by_elements,
    length_of,
    scale_of,
)
from graphcost.terms import Arith, work
from graphcost.types import TensorType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Dim

MICROSOFT.signature(
    "MultiHeadAttention",
    "query key? value? bias? key_padding_mask? attention_bias? past_key? past_value? past_sequence_length?"
    " cache_indirection? -> output present_key? present_value? qk?",
    unidirectional=0,
    scale=0.0,
    mask_filter_value=-10000.0,
)
MICROSOFT.signature(
    "DecoderMaskedMultiHeadAttention",
    "query key? value? mask_index? attention_bias? past_key? past_value? past_sequence_length? beam_width?"
    " cache_indirection? bias? -> output present_key? present_value? qk?",
    output_qk=0,
    scale=0.0,
    mask_filter_value=-10000.0,
    past_present_share_buffer=0,
)

_MASKS = {"MultiHeadAttention": "key_padding_mask", "DecoderMaskedMultiHeadAttention": "mask_index"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How many keys each query meets."""

    past: int
    """Length of the past, or of the buffer that it shares with the present."""
    new: int
    """Keys that come with the call."""
    least: int
    """Keys that the queries meet, at least."""
    most: int
    """Keys that the queries meet, at most."""

    @property
    def total(self) -> int:
        """Keys that the queries meet; UnknownShapeError where that isn't known."""
        if self.least != self.most:
            raise UnknownShapeError("how much of the shared buffer holds keys is not known")
        return self.most


def lengths(call: Call, past: int, new: int, *mask: str) -> Lengths:
    """Return how many keys each query meets, of a past that shares its buffer with the present where the call says so.

    `mask` names a mask that has a column for each key, where it is of rank 2 or 3.
    """
    if not shares_buffer(call):
        return Lengths(past=past, new=new, least=past + new, most=past + new)
    known = _past(call, new) or _columns(call, ["attention_bias"], (2, 3, 4)) or _columns(call, mask, (2, 3))
    return Lengths(past=past, new=new, least=known or new, most=known or max(past, new))


def shares_buffer(call: Call) -> bool:
    """Return whether past and present are one buffer; MultiHeadAttention says it by giving past_sequence_length."""
    if call.op_type == "MultiHeadAttention":
        return call.has_input("past_key") and call.has_input("past_sequence_length")
    return call.attr("past_present_share_buffer", int) != 0


def _past(call: Call, new: int) -> int:
    """Return how many keys there are where the past's length is known, else 0."""
    past = length_of(call, "past_sequence_length")
    return 0 if past is None else past + new


def _columns(call: Call, names: Iterable[str], ranks: Collection[int]) -> int:
    """Return how many keys there are by inputs of some ranks that have a column for each, 0 where there is none."""
    given = [call.input(name) for name in names if call.has_input(name)]
    return next((one.dims[-1] for one in given if one.rank in ranks), 0)


def attended(sizes: Sizes, found: Lengths, steps: Steps, *, causal: int) -> Iterator[Term]:
    """Yield the work of an attention over the keys of some lengths, of which a causal one hides those that follow."""
    most, least = (
        replace(
            sizes,
            keys=keys,
            hidden=hidden_pairs(sizes.queries, keys, past=keys - found.new, right=0 if causal else -1),
        )
        for keys in (found.most, found.least)
    )
    yield from bounded(lambda one: attend(one, steps), [most], [least])


def _traffic(call: Call) -> tuple[int, int]:
    if not shares_buffer(call):
        return each_once(call)
    sizes, found, _ = _sizes(call)
    return in_buffer(call, KEY_VALUE, sizes.batch, sizes.batch * (found.total - found.new), sizes.batch * found.new)


@MICROSOFT.rule(
    "MultiHeadAttention",
    "DecoderMaskedMultiHeadAttention",
    traffic=_traffic,
    state="present_key present_value",
)
def multi_head_attention(call: Call) -> Iterator[Term]:
    """Output = softmax(scale * Q*K^T + attention_bias) * V, with Q, K, V = query, key, value + bias.

    query: (batch, length, heads*size), or packed (batch, length, heads, 3, size); key, value: (batch, keys, heads*size)
    or packed (batch, keys, heads, 2, size), or a past of shape (batch, heads, keys, size); past_key, past_value: the
    keys and values before. DecoderMaskedMultiHeadAttention packs in the last axis. The default scale is 1 / sqrt(size).
    Masks of rank 1 hold lengths and compute nothing. The output qk is a part of it. Which beam a key comes from
    (cache_indirection) is read, not computed.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MultiHeadAttention,
    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.DecoderMaskedMultiHeadAttention
    """
    sizes, found, biased = _sizes(call)
    if call.optional("bias"):
        yield work("+ bias", Arith.ADD, elements=biased)
    masked = is_told_by_elements(call.optional(_MASKS[call.op_type]))
    steps = Steps(scale=scale_of(call, sizes.size), chosen=int(masked), added=int(call.has_input("attention_bias")))
    yield from attended(sizes, found, steps, causal=call.attr_or("unidirectional", int, 0))


def _sizes(call: Call) -> tuple[Sizes, Lengths, int]:
    """Return the sizes, the lengths, and how many elements of Q, K and V a bias is added to."""
    q, k, v, are_past = _qkv(call)
    (batch, queries, heads, size), new, v_size = q, k[1], v[3]
    if k != (batch, new, heads, size) or v != (batch, new, heads, v_size):
        raise call.error(
            f"wants key and value of {heads} heads of {size}, {new} long, {batch} times, they are {k}, {v}"
        )
    before = dims_of(call, "past_key", 4)[2] if call.optional("past_key") else 0
    for name, width in (("past_key", size), ("past_value", v_size)):
        if call.optional(name):
            check_shape(call, name, (batch, heads, before, width))
    biased = batch * heads * (queries * size + (0 if are_past else new * (size + v_size)))
    sizes = Sizes(batch=batch, heads=heads, queries=queries, keys=0, size=size, v_size=v_size)
    return sizes, lengths(call, before, new), biased


_Split = tuple[int, int, int, int]


def _qkv(call: Call) -> tuple[_Split, _Split, _Split, bool]:
    """Return (batch, length, heads, size) of Q, K and V, and whether K and V are a past."""
    heads, query, key = call.attr("num_heads", int), call.input("query"), call.optional("key")
    if query.rank == 5:
        one = _packed(call, "query", 3)
        return one, one, one, False
    batch, length, width = dims_of(call, "query", 3)
    if key is None:
        if width % 3:
            raise call.error(f"wants Q, K and V side by side in query, of one width, its width is {width}")
        one = (batch, length, heads, divided(call, "query", width // 3, "num_heads"))
        return one, one, one, False
    q = (batch, length, heads, divided(call, "query", width, "num_heads"))
    if key.rank == 5:
        one = _packed(call, "key", 2)
        return q, one, one, False
    if key.rank == 4:
        (k_batch, k_heads, k_length, size), (v_batch, v_heads, v_length, v_size) = key.dims, dims_of(call, "value", 4)
        return q, (k_batch, k_length, k_heads, size), (v_batch, v_length, v_heads, v_size), True
    return q, _side_by_side(call, "key"), _side_by_side(call, "value"), False


def _packed(call: Call, name: str, parts: int) -> _Split:
    batch, length, heads, found, size = dims_of(call, name, 5)
    if found != parts or heads != call.attr("num_heads", int):
        wanted = (batch, length, call.attr("num_heads", int), parts, size)
        raise call.error(f"wants {name} of shape {wanted}, it is {(batch, length, heads, found, size)}")
    return batch, length, heads, size


def _side_by_side(call: Call, name: str) -> _Split:
    batch, length, width = dims_of(call, name, 3)
    return batch, length, call.attr("num_heads", int), divided(call, name, width, "num_heads")


@MICROSOFT.types("MultiHeadAttention", "DecoderMaskedMultiHeadAttention")
def multi_head_types(call: Call) -> Iterator[TensorType | None]:
    """The output is (batch, length, heads*v_size), a present (batch, heads, past + new, size) or the shared buffer."""
    dtype = call.input("query").dtype
    sizes, found, _ = _sizes(call)
    total: Dim = found.most if found.least == found.most else None
    yield TensorType(dtype, (sizes.batch, sizes.queries, sizes.heads * sizes.v_size))
    present = found.past if shares_buffer(call) else total
    for size in (sizes.size, sizes.v_size):
        yield TensorType(dtype, (sizes.batch, sizes.heads, present, size))
    yield TensorType(dtype, (sizes.batch, sizes.heads, sizes.queries, total))
