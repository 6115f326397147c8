"""Whatever shapes, attributes and elements a file claims, the rules of attention answer or say what is wrong."""

from __future__ import annotations

import random

import numpy as np
import pytest
from calls import ts

from graphcost.call import Call, Stage
from graphcost.errors import NodeError, UnknownShapeError
from graphcost.load import schema
from graphcost.rules import registry
from graphcost.types import DType, TensorType

MS = "com.microsoft"
OPERATORS = [
    *(("", name) for name in ("Attention", "RotaryEmbedding", "LinearAttention", "CausalConvWithState")),
    *((MS, name) for name in ("Attention", "MultiHeadAttention", "GroupQueryAttention", "PackedAttention")),
    *((MS, name) for name in ("PackedMultiHeadAttention", "PagedAttention", "SparseAttention", "QAttention")),
    *((MS, name) for name in ("DecoderMaskedSelfAttention", "DecoderMaskedMultiHeadAttention", "DecoderAttention")),
    *((MS, name) for name in ("LongformerAttention", "RotaryEmbedding", "MRotaryEmbedding", "GemmaRotaryEmbedding")),
    *((MS, name) for name in ("LinearAttention", "LinearAttentionGate", "GatedDeltaNet", "CausalConvWithState")),
    *((MS, name) for name in ("VarlenCausalConvWithState", "RelativePositionBias", "GatedRelativePositionBias")),
    *((MS, name) for name in ("RemovePadding", "RestorePadding")),
]
ATTRIBUTES = {
    "num_heads": (-1, 0, 1, 2),
    "q_num_heads": (-1, 0, 1, 2),
    "kv_num_heads": (-1, 0, 1, 2),
    "do_rotary": (0, 1),
    "past_present_share_buffer": (0, 1),
    "sparse_block_size": (-1, 0, 1, 2),
    "rotary_embedding_dim": (-2, 0, 2),
    "local_window_size": (-1, 0, 1, 5),
    "sliding_window_cache": (0, 1),
    "state_window": (0, 1, 2),
    "window": (0, 1),
    "mrope_section": ((1, 0, 0), (1,)),
    "qkv_hidden_sizes": ((2, 2, 2), (1,)),
    "k_quant_type": ("NONE", "PER_TENSOR"),
    "qk_l2_norm": (0, 1),
    "unidirectional": (0, 1),
    "is_causal": (0, 1),
    "dilation": (-1, 1, 2),
    "channels_last": (0, 1),
}


def drawn(draw):
    """Return an input: its type, and its elements where they are known."""
    shape = tuple(draw.choice((0, 1, 1, 2, 2, 4)) for _ in range(draw.randint(0, 5)))
    dtype = draw.choice((DType.FLOAT32, DType.FLOAT32, DType.INT32))
    if dtype is DType.INT32 and draw.random() < 0.7:
        return TensorType(dtype, shape), np.array([draw.randint(-2, 5) for _ in range(int(np.prod(shape)))]).reshape(
            shape
        )
    if draw.random() < 0.1:
        return TensorType(dtype, tuple(None for _ in shape)), None
    return (None, None) if draw.random() < 0.2 else (TensorType(dtype, shape), None)


def call_of(domain, op_type, draw):
    known = schema.find(op_type, domain, 27) if not domain else registry.signature_of(op_type, domain)
    inputs, constants = zip(*(drawn(draw) for _ in known.inputs), strict=True)
    attributes = {name: draw.choice(among) for name, among in ATTRIBUTES.items() if draw.random() < 0.7}
    outputs = tuple(ts(1, 2, 2) for _ in known.outputs)
    stages = tuple(Stage.RUN if one is None else Stage.PREPARATION for one in constants)
    return Call(op_type, domain, 27, known, attributes, inputs, outputs, constants, stages)


@pytest.mark.parametrize(("domain", "op_type"), OPERATORS)
def test_nothing_but_an_answer_or_a_reason(domain, op_type):
    draw = random.Random(0)  # noqa: S311  # no secret
    entry = registry.find(op_type, domain, 27)
    for _ in range(1500):
        call = call_of(domain, op_type, draw)
        for ask in (registry.types_of(op_type, domain), entry.terms, entry.traffic):
            try:
                answer = tuple(ask(call)) if ask else ()
            except (NodeError, UnknownShapeError):
                continue
            counts = [one.count for one in answer if hasattr(one, "count") and hasattr(one, "arith")]
            assert all(count >= 0 for count in counts), call
