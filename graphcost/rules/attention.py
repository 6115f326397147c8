"""Attention of ai.onnx.

FlexAttention has no rule: its modifiers are graphs, which a Call does not carry, so their work would be missing.
"""

from __future__ import annotations

from operator import add, floordiv, mul
from typing import TYPE_CHECKING

from graphcost.rules.registry import rule, types
from graphcost.rules.shared.float_codes import named_float_or
from graphcost.rules.shared.scaled_dot_product import Sizes, Steps, attend, hidden_pairs
from graphcost.rules.shared.sizes import where_known
from graphcost.terms import Arith, work
from graphcost.types import DType, TensorType, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Shape


@rule("Attention", since=23, state="present_key present_value")
def attention(call: Call) -> Iterator[Term]:
    """Y = softmax(softcap * tanh((Q * sqrt(scale)) * (K * sqrt(scale))^T / softcap) + attn_mask) * V.

    Q: (batch, q_num_heads, queries, head_size), K, V: (batch, kv_num_heads, new keys, head_size or v_head_size), or of
    rank 3 with the heads side by side in the last axis; past_key, past_value: (batch, kv_num_heads, past, ...).
    Every query meets every key, past + new. Q and K are multiplied by sqrt(scale), known beforehand, each element once,
    K with its past; the default of scale is 1 / sqrt(head_size). softcap 0 is none. attn_mask, padded to all keys, is
    added to every score; of bool, it chooses between the score and -inf. is_causal, the windows and nonpad_kv_seqlen
    compute nothing: the place says what is hidden. With attn_mask, nonpad_kv_seqlen or left_window_size a row can be
    hidden as a whole and is zero then: its maximum is compared with -inf. `softmax_precision` says in which type
    softmax is computed. With nonpad_kv_seqlen, what is hidden depends on it: said to be masked is what is hidden
    without padding, at least.

    Source: https://onnx.ai/onnx/operators/onnx__Attention.html
    """
    sizes, q, k = _sizes(call), call.input("Q"), call.input("K")
    past = call.optional("past_key")
    if _scale(call, sizes.size) != 1:
        yield work("Q * sqrt(scale)", Arith.MUL, elements=q.elements)
        yield work("K * sqrt(scale)", Arith.MUL, elements=k.elements + (past.elements if past else 0))
    yield from attend(sizes, _steps(call))


def _scale(call: Call, size: int) -> float:
    return call.attributes.get("scale", 1 if size == 1 else 0)  # type: ignore[no-any-return]  # a float, or nothing


def _steps(call: Call) -> Steps:
    mask = call.optional("attn_mask")
    chooses = mask is not None and mask.dtype is DType.BOOL
    return Steps(
        softcap=max(call.attr("softcap", float), 0),
        chosen=int(chooses),
        added=int(mask is not None and not chooses),
        guarded=mask is not None
        or call.has_input("nonpad_kv_seqlen")
        or call.attr_or("left_window_size", int, -1) >= 0,
        softmax_dtype=named_float_or(call, "softmax_precision", None),
    )


def _sizes(call: Call) -> Sizes:
    batch, heads, queries, size = _split(call, "Q", "q_num_heads")
    k_batch, kv_heads, new, k_size = _split(call, "K", "kv_num_heads")
    v_batch, v_heads, v_new, v_size = _split(call, "V", "kv_num_heads")
    if (k_batch, k_size) != (batch, size):
        raise call.error(f"wants K of batch {batch} and head size {size}, it has {k_batch} and {k_size}")
    if (v_batch, v_heads, v_new) != (batch, kv_heads, new):
        raise call.error(f"wants V of {new} keys in {kv_heads} heads, batch {batch}, it is {call.input('V').dims}")
    if not kv_heads or heads % kv_heads:
        raise call.error(f"wants q_num_heads to be a multiple of the {kv_heads} heads of K, it is {heads}")
    past = _past(call, "past_key", (batch, kv_heads, size))
    _past(call, "past_value", (batch, kv_heads, v_size))
    hidden = _hidden(call, queries, past + new, past)
    return Sizes(batch=batch, heads=heads, queries=queries, keys=past + new, size=size, v_size=v_size, hidden=hidden)


def _split(call: Call, name: str, attribute: str) -> tuple[int, ...]:
    """Return batch, heads, length and head size of an input."""
    return TensorType(None, _parts(call, call.input(name), name, attribute)).dims


def _parts(call: Call, tensor: TensorType, name: str, attribute: str) -> Shape:
    """Return batch, heads, length and head size of an input of rank 3 or 4, as far as they are known."""
    shape = shape_of(tensor)
    if len(shape) == 4:
        return shape
    if len(shape) != 3:
        raise call.error(f"wants {name} of rank 3 or 4, it is of rank {len(shape)}")
    heads, width = call.attr(attribute, int), shape[2]
    if heads < 1 or (isinstance(width, int) and width % heads):
        raise call.error(f"wants {attribute} to be a divisor of the {width} of {name}, it is {heads}")
    return shape[0], heads, shape[1], where_known(floordiv, width, heads)


def _past(call: Call, name: str, wanted: tuple[int, int, int]) -> int:
    """Return how many keys an input holds from before."""
    found = call.optional(name)
    if found is None:
        return 0
    batch, heads, size = wanted
    if found.rank != 4 or (found.dims[0], found.dims[1], found.dims[3]) != wanted:
        raise call.error(f"wants {name} of shape ({batch}, {heads}, past, {size}), it is {found.dims}")
    return found.dims[2]


def _hidden(call: Call, queries: int, keys: int, past: int) -> int:
    right = 0 if call.attr("is_causal", int) else call.attr_or("right_window_size", int, -1)
    if call.has_input("nonpad_kv_seqlen"):
        return hidden_pairs(queries, keys, keys - queries, right=right)
    return hidden_pairs(queries, keys, past, left=call.attr_or("left_window_size", int, -1), right=right)


@types("Attention")
def attention_types(call: Call) -> Iterator[TensorType]:
    """Y is as Q, with the values' size; a present has past + new keys, which onnx tells only where there is a past."""
    q, k, v = call.partial("Q"), call.partial("K"), call.partial("V")
    batch, heads, queries, _ = _parts(call, q, "Q", "q_num_heads")
    _, kv_heads, new, size = _parts(call, k, "K", "kv_num_heads")
    v_size = _parts(call, v, "V", "kv_num_heads")[3]
    past = _parts(call, call.partial("past_key"), "past_key", "kv_num_heads")[2] if call.has_input("past_key") else 0
    total = where_known(add, past, new)
    joined = where_known(mul, heads, v_size)
    yield TensorType(q.dtype, (batch, queries, joined) if len(shape_of(q)) == 3 else (batch, heads, queries, v_size))
    yield TensorType(k.dtype, (batch, kv_heads, total, size))
    yield TensorType(v.dtype, (batch, kv_heads, total, v_size))
    yield TensorType(q.dtype, (batch, heads, queries, total))
