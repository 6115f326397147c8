"""Attention of com.microsoft that projects its input to Q, K and V itself, with the weights of the three side by side.

The projection is one product of the input and the weights; all else is as in multi_head_attention.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphcost.rules.contrib.multi_head_attention import Lengths, attended, lengths, shares_buffer
from graphcost.rules.quantized import shifted
from graphcost.rules.registry import MICROSOFT, each_once
from graphcost.rules.rotary import rotation
from graphcost.rules.shared.scaled_dot_product import (
    Sizes,
    Steps,
    dims_of,
    divided,
    head_sizes,
    in_buffer,
    is_told_by_elements,
    scale_of,
)
from graphcost.terms import Arith, work
from graphcost.types import DType, TensorType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphcost.call import Call
    from graphcost.terms import Term
    from graphcost.types import Dim

_SHARED = {"do_rotary": 0, "mask_filter_value": -10000.0, "past_present_share_buffer": 0, "scale": 0.0}

MICROSOFT.signature(
    "Attention",
    "input weights bias? mask_index? past? attention_bias? past_sequence_length? -> output present?",
    **_SHARED,
    rotary_embedding_dim=0,
    unidirectional=0,
)
MICROSOFT.signature(
    "DecoderMaskedSelfAttention",
    "input weights bias mask_index? past attention_bias? past_sequence_length beam_width? cache_indirection?"
    " -> output present",
    **_SHARED,
)
MICROSOFT.signature(
    "QAttention",
    "input weight bias input_scale weight_scale mask_index? input_zero_point? weight_zero_point? past?"
    " -> output present?",
    **_SHARED,
    unidirectional=0,
)
MICROSOFT.signature(
    "DecoderAttention",
    "query key q_weight kv_weight bias key_padding_mask? key_cache? value_cache? static_kv use_past has_layer_state"
    " has_key_padding_mask -> output new_key_cache? new_value_cache?",
    mask_filter_value=-10000.0,
)


def _traffic(call: Call) -> tuple[int, int]:
    if call.optional("past") is None or not shares_buffer(call):
        return each_once(call)
    sizes, found = _sizes(call)
    return in_buffer(
        call, {"past": "present"}, sizes.batch, sizes.batch * (found.total - found.new), sizes.batch * found.new
    )


@MICROSOFT.rule("Attention", "DecoderMaskedSelfAttention", traffic=_traffic, state="present")
def projected_attention(call: Call) -> Iterator[Term]:
    """Output = softmax(scale * Q*K^T + attention_bias) * V, with [Q, K, V] = input * weights + bias.

    input: (batch, length, width), weights: (width, heads*size + heads*size + heads*v_size), past: (2, batch, heads,
    past, size): keys, then values. qkv_hidden_sizes tells the widths of the three where they differ. The default scale
    is 1 / sqrt(size). mask_index of rank 1 holds lengths and computes nothing. do_rotary turns the first
    rotary_embedding_dim elements (0: all) of each head of Q and K by angles known beforehand.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.Attention,
    https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.DecoderMaskedSelfAttention
    """
    batch, length, width = dims_of(call, "input", 3)
    outputs = batch * length * dims_of(call, "weights", 2)[1]
    yield work("X*W", Arith.MAC, wrt=("input", "weights"), outputs=outputs, width=width)
    if call.optional("bias"):
        yield work("+ bias", Arith.ADD, outputs=outputs)
    yield from _attention(call)


@MICROSOFT.rule(
    "QAttention",
    traffic=_traffic,
    not_weights="input_scale weight_scale input_zero_point weight_zero_point",
    state="present",
)
def quantized_attention(call: Call) -> Iterator[Term]:
    """Output = softmax(scale * Q*K^T) * V, with [Q, K, V] = (input - zero) * (weight - zero) * scales + bias.

    input: (batch, length, width) of integers, weight: (width, 3*heads*size). The projection sums integers, and each
    zero point that is given is subtracted once per element, of weights known before any run none; input_scale *
    weight_scale is known beforehand and multiplies every sum. From there on all is computed in the type of the bias, as
    for Attention.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.QAttention
    """
    (batch, length, width), dtype = dims_of(call, "input", 3), call.input("bias").dtype
    outputs = batch * length * dims_of(call, "weight", 2)[1]
    yield from shifted(call, "input", "input_zero_point")
    yield from shifted(call, "weight", "weight_zero_point")
    yield work("X*W", Arith.MAC, wrt=("input", "weight"), outputs=outputs, width=width)
    yield work("* scales", Arith.MUL, dtype=dtype, outputs=outputs)
    yield work("+ bias", Arith.ADD, dtype=dtype, outputs=outputs)
    yield from _attention(call, dtype)


def _attention(call: Call, dtype: DType | None = None) -> Iterator[Term]:
    sizes, found = _sizes(call)
    if call.attr("do_rotary", int):
        turned = call.attr_or("rotary_embedding_dim", int, 0) or sizes.size
        vectors = 2 * sizes.batch * sizes.heads * sizes.queries
        yield from rotation("Q, K", vectors * (turned // 2), dtype)
    steps = Steps(
        scale=scale_of(call, sizes.size),
        chosen=int(is_told_by_elements(call.optional("mask_index"))),
        added=int(call.has_input("attention_bias")),
        dtype=dtype,
    )
    yield from attended(sizes, found, steps, causal=call.attr_or("unidirectional", int, 0))


def _sizes(call: Call) -> tuple[Sizes, Lengths]:
    heads = call.attr("num_heads", int)
    batch, queries, width = dims_of(call, "input", 3)
    name = call.schema.inputs[1]
    rows = dims_of(call, name, 2)[0]
    if rows != width:
        raise call.error(f"wants {name} with {width} rows, it has {rows}")
    size, v_size = head_sizes(call, name)
    sizes = Sizes(batch=batch, heads=heads, queries=queries, keys=0, size=size, v_size=v_size)
    past = dims_of(call, "past", 5)[3] if call.optional("past") else 0
    return sizes, lengths(call, past, queries, "mask_index")


@MICROSOFT.types("Attention", "DecoderMaskedSelfAttention", "QAttention")
def projected_types(call: Call) -> Iterator[TensorType]:
    """The output is (batch, length, heads*v_size), present (2, batch, heads, past + new, size) or the shared buffer."""
    dtype = call.input("bias" if call.op_type == "QAttention" else "input").dtype
    sizes, found = _sizes(call)
    yield TensorType(dtype, (sizes.batch, sizes.queries, sizes.heads * sizes.v_size))
    total: Dim = found.most if found.least == found.most else None
    present = found.past if shares_buffer(call) else total
    yield TensorType(dtype, (2, sizes.batch, sizes.heads, present, sizes.size))


@MICROSOFT.rule("DecoderAttention", state="new_key_cache new_value_cache")
def decoder_attention(call: Call) -> Iterator[Term]:
    """Output = softmax(scale * Q*K^T) * V, with Q = query * q_weight, [K, V] = source * kv_weight, each + its bias.

    query: (length, batch, width), key: (keys, batch, width), q_weight: (width, width), kv_weight: (width, 2*width),
    caches: (batch, heads, past, size). Four inputs of one boolean each decide, and must be known: static_kv makes it
    cross-attention, whose source is `key`, and query otherwise; with use_past and has_layer_state a cross-attention
    takes K and V from the caches, and projects none, a self-attention adds its own to them. The scale is
    1 / sqrt(size). A key_padding_mask, where has_key_padding_mask says so, chooses between every score and
    mask_filter_value.

    Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.DecoderAttention
    """
    sizes, projected = _decoder_sizes(call)
    tokens, width = sizes.batch * sizes.queries, sizes.heads * sizes.size
    yield work("Q = query*W", Arith.MAC, wrt=("query", "q_weight"), tokens=tokens, columns=width, width=width)
    yield work("Q + bias", Arith.ADD, tokens=tokens, columns=width)
    if projected:
        keys = sizes.batch * projected
        source = "key" if call.scalar("static_kv") else "query"
        wrt = (source, "kv_weight")
        yield work(f"K, V = {source}*W", Arith.MAC, wrt=wrt, tokens=keys, columns=2 * width, width=width)
        yield work("K, V + bias", Arith.ADD, tokens=keys, columns=2 * width)
    found = Lengths(past=0, new=sizes.keys, least=sizes.keys, most=sizes.keys)
    steps = Steps(scale=scale_of(call, sizes.size), chosen=int(call.scalar("has_key_padding_mask")))
    yield from attended(sizes, found, steps, causal=0)


def _decoder_sizes(call: Call) -> tuple[Sizes, int]:
    """Return the sizes, and how many keys are projected."""
    heads = call.attr("num_heads", int)
    queries, batch, width = dims_of(call, "query", 3)
    is_cross = call.scalar("static_kv")
    projected = dims_of(call, "key", 3)[0] if is_cross else queries
    past = 0
    if call.scalar("use_past") and call.scalar("has_layer_state"):
        past = dims_of(call, "key_cache", 4)[2]
        projected = 0 if is_cross else projected
    size = divided(call, "query", width, "num_heads")
    return Sizes(batch=batch, heads=heads, queries=queries, keys=past + projected, size=size, v_size=size), projected


@MICROSOFT.types("DecoderAttention")
def decoder_attention_types(call: Call) -> Iterator[TensorType]:
    """The output is as the query, a new cache (batch, heads, keys, size)."""
    query = call.input("query")
    yield query
    sizes, _ = _decoder_sizes(call)
    for _ in range(2):
        yield TensorType(query.dtype, (sizes.batch, sizes.heads, sizes.keys, sizes.size))
