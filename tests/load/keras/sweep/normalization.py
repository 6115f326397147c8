"""Normalization: none multiplies to sum up but the layers that it wraps."""

# A lambda makes its layer when the row is run, under the row's policy:
# ruff: noqa: PLW0108

from __future__ import annotations

import keras

from sweep.rows import N, row

L = keras.layers

ROWS = [
    row("BatchNormalization", lambda x: L.BatchNormalization()(x), (6, 5, 3), quick=True),
    row("BatchNormalization of vectors", lambda x: L.BatchNormalization()(x), (3,)),
    row("BatchNormalization axis", lambda x: L.BatchNormalization(axis=1)(x), (3, 6, 5)),
    row("BatchNormalization not scaled", lambda x: L.BatchNormalization(scale=False)(x), (6, 5, 3)),
    row("BatchNormalization not centred", lambda x: L.BatchNormalization(center=False)(x), (6, 5, 3)),
    row("BatchNormalization bare", lambda x: L.BatchNormalization(scale=False, center=False)(x), (6, 5, 3)),
    row("BatchNormalization renorm", lambda x: L.BatchNormalization(renorm=True)(x), (6, 5, 3)),
    row("BatchNormalization frozen", lambda x: L.BatchNormalization(trainable=False)(x), (6, 5, 3), quick=True),
    row("LayerNormalization", lambda x: L.LayerNormalization()(x), (4, 3), quick=True),
    row("LayerNormalization axes", lambda x: L.LayerNormalization(axis=(1, 2))(x), (4, 3)),
    row("LayerNormalization first axis", lambda x: L.LayerNormalization(axis=1)(x), (4, 3)),
    row("LayerNormalization bare", lambda x: L.LayerNormalization(scale=False, center=False)(x), (4, 3)),
    row("GroupNormalization", lambda x: L.GroupNormalization(groups=2)(x), (5, 6, 4), quick=True),
    row("GroupNormalization instance", lambda x: L.GroupNormalization(groups=-1)(x), (5, 6, 4)),
    row("GroupNormalization one", lambda x: L.GroupNormalization(groups=1, scale=False, center=False)(x), (5, 6, 4)),
    row("GroupNormalization axis", lambda x: L.GroupNormalization(groups=2, axis=1)(x), (4, 5, 6)),
    row("RMSNormalization", lambda x: L.RMSNormalization()(x), (4, 3), quick=True),
    row("RMSNormalization axes", lambda x: L.RMSNormalization(axis=(1, 2))(x), (4, 3)),
    row("UnitNormalization", lambda x: L.UnitNormalization()(x), (4, 3), quick=True),
    row("UnitNormalization axes", lambda x: L.UnitNormalization(axis=(1, 2))(x), (4, 3)),
    row(
        "SpectralNormalization Dense",
        lambda x: L.SpectralNormalization(L.Dense(5))(x),
        (3,),
        macs=N * 3 * 5,
        quick=True,
    ),
    row(
        "SpectralNormalization Conv2D",
        lambda x: L.SpectralNormalization(L.Conv2D(4, 3), power_iterations=2)(x),
        (8, 7, 3),
        macs=N * 6 * 5 * 9 * 3 * 4,
    ),
]
