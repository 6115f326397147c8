"""Layers together: policies of types, shared layers, models in models."""

# A lambda makes its layer when the row is run, under the row's policy:
# ruff: noqa: PLW0108

from __future__ import annotations

import keras

from sweep.rows import N, row, words

L = keras.layers

KINDS = {
    "Dense": (lambda x: L.Dense(5)(x), (3,), N * 3 * 5),
    "Conv2D": (lambda x: L.Conv2D(4, 3)(x), (6, 5, 3), N * 4 * 3 * 9 * 3 * 4),
    "Conv2D groups": (lambda x: L.Conv2D(4, 3, groups=2)(x), (6, 5, 6), N * 4 * 3 * 9 * 3 * 4),
    "DepthwiseConv2D": (lambda x: L.DepthwiseConv2D(3)(x), (6, 5, 3), N * 4 * 3 * 9 * 3),
    "BatchNormalization": (lambda x: L.BatchNormalization()(x), (6, 5, 3), 0),
    "LayerNormalization": (lambda x: L.LayerNormalization()(x), (4, 3), 0),
    "MultiHeadAttention": (
        lambda x: L.MultiHeadAttention(2, 3)(x, x),
        (4, 6),
        N * (4 * (4 * 6 * 6) + 2 * 2 * 4 * 4 * 3),
    ),
    "LSTM": (lambda x: L.LSTM(4)(x), (5, 3), N * 5 * 4 * 4 * 7),
    "GRU": (lambda x: L.GRU(4)(x), (5, 3), N * 5 * 3 * 4 * 7),
    "AveragePooling2D": (lambda x: L.AveragePooling2D(2)(x), (6, 4, 3), 0),
    "gelu": (lambda x: L.Activation("gelu")(x), (4, 3), 0),
}

POLICIES = [
    row(f"{name} in {policy}", build, shape, macs=macs, policy=policy, quick=name == "Dense")
    for policy in ("mixed_float16", "mixed_bfloat16")
    for name, (build, shape, macs) in KINDS.items()
] + [
    row(f"{name} in {policy}", KINDS[name][0], KINDS[name][1], macs=KINDS[name][2], policy=policy)
    for policy in ("float16", "float64", "bfloat16")
    for name in ("Dense", "Conv2D")
]


def twice(layer, *tensors):
    return [layer(one) for one in tensors]


def residual(x):
    y = L.Conv2D(3, 3, padding="same", use_bias=False)(x)
    y = L.ReLU()(L.BatchNormalization()(y))
    return L.Add()([x, y])


def transformer(x):
    y = L.LayerNormalization()(x + L.MultiHeadAttention(2, 3)(x, x))
    return L.LayerNormalization()(y + L.Dense(6)(L.Dense(8, activation="gelu")(y)))


MODELS = [
    row(
        "Sequential inside",
        lambda x: keras.Sequential([L.Dense(4, activation="relu"), L.Dense(5)])(x),
        (3,),
        macs=N * (3 * 4 + 4 * 5),
        quick=True,
    ),
    row("A layer called twice", lambda x, y: twice(L.Dense(5), x, y), (3,), (3,), macs=2 * N * 3 * 5, quick=True),
    row("Residual block", residual, (6, 5, 3), macs=N * 6 * 5 * 9 * 3 * 3, quick=True),
    row(
        "Transformer block",
        transformer,
        (4, 6),
        macs=N * (4 * (4 * 6 * 6) + 2 * 2 * 4 * 4 * 3) + 2 * N * 4 * 6 * 8,
        quick=True,
    ),
    row("Operators of its own", lambda x: keras.ops.einsum("nab,ncb->nac", x, x) * 2, (4, 3), macs=N * 4 * 4 * 3),
    row(
        "Embedding, pooling, Dense",
        lambda x: L.Dense(1)(L.GlobalAveragePooling1D()(L.Embedding(9, 3)(x))),
        words(5, below=9),
        macs=N * 3,
    ),
]

ROWS = POLICIES + MODELS
