"""Attention: projections, the scores of each query against each key, and the values that they weigh."""

# A lambda makes its layer when the row is run, under the row's policy:
# ruff: noqa: PLW0108

from __future__ import annotations

import keras

from sweep.rows import Given, N, row

L = keras.layers
Q, K = (4, 6), (5, 6)
"""Four queries and five keys, of six features."""
PLAIN = N * 4 * 5 * (6 + 6)
"""The scores and the weighted values of these, without projections."""


def several(queries, keys, features, heads, key, value, out):
    """Return the products of attention with several heads: three projections, scores, values, the last projection."""
    projections = queries * features * heads * key + keys * features * heads * (key + value)
    return N * (projections + heads * queries * keys * (key + value) + queries * heads * value * out)


def grouped(queries, keys, features, heads, groups, key):
    """Return the products where groups of heads share their keys and values."""
    projections = queries * features * heads * key + 2 * keys * features * groups * key
    return N * (projections + 2 * heads * queries * keys * key + queries * heads * key * features)


MASKS = (Given((4,), "bool"), Given((5,), "bool"))

PLAIN_ROWS = [
    row("Attention", lambda q, v: L.Attention()([q, v]), Q, K, macs=PLAIN, quick=True),
    row("Attention key", lambda q, v, k: L.Attention()([q, v, k]), Q, (5, 3), K, macs=N * 4 * 5 * (6 + 3)),
    row("Attention scale", lambda q, v: L.Attention(use_scale=True)([q, v]), Q, K, macs=PLAIN),
    row(
        "Attention concat",
        lambda q, v: L.Attention(score_mode="concat", use_scale=True)([q, v]),
        Q,
        K,
        macs=N * 4 * 5 * 6,
    ),
    row("Attention causal", lambda q, v: L.Attention()([q, v], use_causal_mask=True), Q, K, macs=PLAIN),
    row(
        "Attention masks",
        lambda q, v, a, b: L.Attention()([q, v], mask=[a, b]),
        Q,
        K,
        *MASKS,
        macs=PLAIN,
    ),
    row(
        "Attention returns scores",
        lambda q, v: L.Attention(dropout=0.5)([q, v], return_attention_scores=True),
        Q,
        K,
        macs=PLAIN,
    ),
    row("AdditiveAttention", lambda q, v: L.AdditiveAttention()([q, v]), Q, K, macs=N * 4 * 5 * 6, quick=True),
    row(
        "AdditiveAttention no scale, causal",
        lambda q, v: L.AdditiveAttention(use_scale=False)([q, v], use_causal_mask=True),
        Q,
        K,
        macs=N * 4 * 5 * 6,
    ),
]

SEVERAL = [
    row(
        "MultiHeadAttention",
        lambda q, v: L.MultiHeadAttention(2, 3)(q, v),
        Q,
        K,
        macs=several(4, 5, 6, 2, 3, 3, 6),
        quick=True,
    ),
    row("MultiHeadAttention self", lambda x: L.MultiHeadAttention(2, 3)(x, x), Q, macs=several(4, 4, 6, 2, 3, 3, 6)),
    row(
        "MultiHeadAttention value_dim output_shape",
        lambda q, v: L.MultiHeadAttention(2, 3, value_dim=4, output_shape=5)(q, v),
        Q,
        K,
        macs=several(4, 5, 6, 2, 3, 4, 5),
    ),
    row(
        "MultiHeadAttention no bias",
        lambda q, v: L.MultiHeadAttention(2, 3, use_bias=False)(q, v),
        Q,
        K,
        macs=several(4, 5, 6, 2, 3, 3, 6),
    ),
    row(
        "MultiHeadAttention causal",
        lambda x: L.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True),
        Q,
        macs=several(4, 4, 6, 2, 3, 3, 6),
    ),
    row(
        "MultiHeadAttention mask",
        lambda q, v, m: L.MultiHeadAttention(2, 3)(q, v, attention_mask=m),
        Q,
        K,
        Given((4, 5), "bool"),
        macs=several(4, 5, 6, 2, 3, 3, 6),
    ),
    row(
        "MultiHeadAttention query and value masks",
        lambda q, v, a, b: L.MultiHeadAttention(2, 3)(q, v, query_mask=a, value_mask=b),
        Q,
        K,
        *MASKS,
        macs=several(4, 5, 6, 2, 3, 3, 6),
    ),
    row(
        "MultiHeadAttention scores",
        lambda q, v: L.MultiHeadAttention(2, 3)(q, v, return_attention_scores=True),
        Q,
        K,
        macs=several(4, 5, 6, 2, 3, 3, 6),
    ),
    row(
        "MultiHeadAttention axes",
        lambda x: L.MultiHeadAttention(2, 3, attention_axes=(2,))(x, x),
        (7, 4, 6),
        macs=7 * several(4, 4, 6, 2, 3, 3, 6),
    ),
    row(
        "MultiHeadAttention two axes",
        lambda x: L.MultiHeadAttention(2, 3, attention_axes=(1, 2))(x, x),
        (2, 3, 6),
        macs=several(6, 6, 6, 2, 3, 3, 6),
    ),
    row(
        "MultiHeadAttention no flash",
        lambda q, v: L.MultiHeadAttention(2, 3, flash_attention=False, dropout=0.5)(q, v),
        Q,
        K,
        macs=several(4, 5, 6, 2, 3, 3, 6),
    ),
    row(
        "MultiHeadAttention gate",
        lambda q, v: L.MultiHeadAttention(2, 3, use_gate=True)(q, v),
        Q,
        K,
        macs=several(4, 5, 6, 2, 3, 3, 6) + N * 4 * 6 * 2 * 3,
    ),
    row(
        "MultiHeadAttention window",
        lambda x: L.MultiHeadAttention(2, 3, sliding_window=2)(x, x),
        Q,
        macs=several(4, 4, 6, 2, 3, 3, 6),
    ),
    *(
        row(
            f"GroupQueryAttention {groups} of 4",
            lambda q, v, groups=groups: L.GroupQueryAttention(3, 4, groups)(q, v),
            Q,
            K,
            macs=grouped(4, 5, 6, 4, groups, 3),
            quick=groups == 2,
        )
        for groups in (1, 2, 4)
    ),
    row(
        "GroupQueryAttention causal, no bias",
        lambda x: L.GroupQueryAttention(3, 4, 2, use_bias=False)(x, x, use_causal_mask=True),
        Q,
        macs=grouped(4, 4, 6, 4, 2, 3),
    ),
    row(
        "GroupQueryAttention mask, no flash",
        lambda q, v, m: L.GroupQueryAttention(3, 4, 2, flash_attention=False)(q, v, attention_mask=m),
        Q,
        K,
        Given((4, 5), "bool"),
        macs=grouped(4, 5, 6, 4, 2, 3),
    ),
    row(
        "GroupQueryAttention gate",
        lambda q, v: L.GroupQueryAttention(3, 4, 2, use_gate=True)(q, v),
        Q,
        K,
        macs=grouped(4, 5, 6, 4, 2, 3) + N * 4 * 6 * 4 * 3,
    ),
    row(
        "GroupQueryAttention window",
        lambda x: L.GroupQueryAttention(3, 4, 2, sliding_window=2)(x, x),
        Q,
        macs=grouped(4, 4, 6, 4, 2, 3),
    ),
]

ROWS = PLAIN_ROWS + SEVERAL
